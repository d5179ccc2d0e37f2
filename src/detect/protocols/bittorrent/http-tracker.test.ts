/** HTTP trackers: requests, answers, harvested peers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii } from '../../../base/bytes.js';
import { type PeerSink, TCP } from '../../detector.js';
import { inspectSample, sampleInspection } from '../../sample.js';
import { answer, ask, checkSamples, checkTruncations } from '../../../../test/support/detector-table.js';
import { httpTracker } from './http-tracker.js';

const HASH = '%aa7i%c4S%0d%de%06%24%18s%da%d4%3a%b5%cc%ec%2c%e6%22';
const ANNOUNCE = `GET /announce?info_hash=${HASH}&peer_id=-TR2940-chho92c56pul&port=51413&uploaded=0&compact=1 HTTP/1.1\r\nHost: t.example\r\n\r\n`;
const OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n';
const COMPACT = 'd8:completei1e10:incompletei2e8:intervali1800e5:peers12:\xc6\x33\x64\x09\x1a\xe1\xc6\x33\x64\x0a\x1a\xe26:peers618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05\x1a\xe3e';
const LIST =
  'd8:intervali900e5:peersld2:ip12:198.51.100.97:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti6881eed2:ip11:2001:db8::54:porti6882eed2:ip12:198.51.100.94:porti0eeee';

test('requests are certain by their query', () => {
  checkSamples(
    httpTracker,
    (
      [
        ['announce', ANNOUNCE, 'certain'],
        ['announce with the parameters turned round', `GET /a/b.php?x=1&peer_id=-UT3550-abcdefghijkl&port=1&info_hash=${HASH} HTTP/1.0\r\n\r\n`, 'certain'],
        ['announce through a proxy', `GET http://t.example/announce?info_hash=${HASH}&peer_id=${HASH} HTTP/1.1\r\n\r\n`, 'certain'],
        ['scrape', `GET /scrape.php?info_hash=${HASH} HTTP/1.1\r\n\r\n`, 'certain'],
        ['HTTP seed (BEP 17)', `GET /seed?info_hash=${HASH}&piece=3 HTTP/1.1\r\n\r\n`, 'certain'],
        ['hash in hexadecimal', 'GET /api?info_hash=aa3769c4530dde06241873dad43ab5ccec2ce622 HTTP/1.1\r\n\r\n', 'likely'],
        ['40 letters that are no hash', `GET /api?info_hash=${'watchthisspace'.repeat(3).slice(0, 40)} HTTP/1.1\r\n\r\n`, 'no'],
        ['hash of 19 bytes', `GET /announce?info_hash=${HASH.slice(3)}&peer_id=-TR2940-chho92c56pul HTTP/1.1\r\n\r\n`, 'no'],
        ['another parameter that ends so', `GET /announce?my_info_hash=${HASH}&peer_id=-TR2940-chho92c56pul HTTP/1.1\r\n\r\n`, 'no'],
        ['word in the path', `GET /info_hash=${HASH} HTTP/1.1\r\n\r\n`, 'no'],
        ['ordinary page', 'GET /announce?peer_id=1&info=2 HTTP/1.1\r\nHost: www.example.com\r\n\r\n', 'no'],
        ['scrape without hash', 'GET /scrape HTTP/1.1\r\n\r\n', 'no'],
        ['empty', 'GET /announce?info_hash= HTTP/1.1\r\n\r\n', 'no'],
      ] as const
    ).map(([name, text, expected]) => ({ name, turns: [ask(ascii(text))], expected })),
  );
  checkTruncations(httpTracker, [ask(ascii(ANNOUNCE))], {}, ANNOUNCE.indexOf(HASH));
  checkSamples(httpTracker, [
    { name: 'cut in the hash, as by a short snap length', turns: [ask(ascii(ANNOUNCE.slice(0, 32)))], expected: 'likely' },
    { name: 'cut in the hash, another path', turns: [ask(ascii(`GET /api?info_hash=${HASH}`))], expected: 'more' },
  ]);
});

test('answers are certain by their dictionary', () => {
  checkSamples(
    httpTracker,
    (
      [
        ['compact peers', OK + COMPACT, 'certain'],
        ['list of peers', OK + LIST, 'certain'],
        ['without fields', `HTTP/1.0 200 OK\r\n\r\n${COMPACT}`, 'certain'],
        ['chunked', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6f\r\n${COMPACT}\r\n0\r\n\r\n`, 'certain'],
        ['counts only', `${OK}d8:completei1e10:incompletei2e8:intervali1800ee`, 'certain'],
        ['failure', `${OK}d14:failure reason18:unregistered torre`, 'certain'],
        ['scrape', `${OK}d5:filesd20:aaaaaaaaaabbbbbbbbbbd8:completei1eeee`, 'certain'],
        ['redirection without body', 'HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\n\r\n', 'more'],
        ['page', `${OK}<html>`, 'no'],
        ['JSON', `${OK}{"interval":1800,"peers":[]}`, 'no'],
        ['other dictionary', `${OK}d3:fooi1e8:intervali5ee`, 'no'],
        ['peers without interval', `${OK}d5:peers0:e`, 'no'],
        ['word that begins with d', `${OK}d8x hello`, 'no'],
      ] as const
    ).map(([name, text, expected]) => ({ name, turns: [answer(ascii(text))], expected })),
  );
  // Certain as soon as the key `peers` has come.
  checkTruncations(httpTracker, [answer(ascii(OK + COMPACT))], {}, (OK + COMPACT).indexOf('8:complete') + 11);
});

function told(text: string): { readonly endpoints: string[]; readonly wantsMore: boolean } {
  const endpoints: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (bytes, at, port) => endpoints.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: (bytes, at, port) => endpoints.push(`v6 ${bytes[at]}..${bytes[at + 15]}:${port}`),
    listensOn: (port) => endpoints.push(`sender:${port}`),
  };
  const wantsMore = httpTracker.harvest?.(sampleInspection(TCP, [ask(ascii(text))]), sink) ?? false;
  return { endpoints, wantsMore };
}

test('peers of answers and the announced port are told', () => {
  assert.deepEqual(told(OK + COMPACT).endpoints, ['198.51.100.9:6881', '198.51.100.10:6882', 'v6 32..5:6883']);
  assert.deepEqual(told(OK + LIST).endpoints, ['198.51.100.9:6881']);
  assert.deepEqual(told(ANNOUNCE), { endpoints: ['sender:51413'], wantsMore: false });
  assert.deepEqual(told(OK), { endpoints: [], wantsMore: true });
  const cut = OK + COMPACT.slice(0, COMPACT.indexOf('5:peers12:') + 10 + 7);
  assert.deepEqual(told(cut).endpoints, ['198.51.100.9:6881']);
});

test('changed bytes never make it throw', () => {
  fc.assert(
    fc.property(fc.constantFrom(ANNOUNCE, OK + COMPACT, OK + LIST), fc.nat(300), fc.nat(255), fc.nat(300), (text, at, byte, length) => {
      const bytes = ascii(text).subarray(0, length);
      if (at < bytes.length) bytes[at] = byte;
      inspectSample(httpTracker, [ask(bytes)]);
      told(String.fromCharCode(...bytes));
    }),
    { numRuns: 300 },
  );
});
