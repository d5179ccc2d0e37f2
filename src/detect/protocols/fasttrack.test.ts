import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { buildTransferRequest, buildTransferResponse } from '../../fasttrack/transfer.js';
import { buildPing } from '../../fasttrack/udp.js';
import { sampleInspection } from '../sample.js';
import { TCP, UDP } from '../detector.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { fasttrack } from './fasttrack.js';

const PING = fromHex('27 00000029 80 4b615a6141 00'); // type, minimum encryption, 0x80, "KaZaA"
const PONG = fromHex('28 000000a9 00 0f 59d9 4e fa 4b615a6141 00');
const PONG_2 = fromHex('29 000000a9 02 01 0000 00375375 cb007107 bdb0 8f00');
const OPENING = fromHex('fa00b62b facb1238 3209d232');
const FIELDS = { userName: 'tester', network: 'KaZaA', ownEndpoint: '192.0.2.1:1214', supernode: '198.51.100.7:3128' };
const REQUEST = buildTransferRequest('8e0cda92da564448da5ec5070f3231907abac2a6', '192.0.2.10:1214', FIELDS, 0, 99);
const RANDOM_12 = fromHex('9d3c01f8 77a2b45e 0c61d9e3');
const text = (value: string): Uint8Array => ascii(value.replace(/\n/g, '\r\n'));

test('pings and pongs are recognised in both directions', () => {
  checkSamples(featureOf(fasttrack, 'ping'), [
    { name: 'Kazaa ping', turns: [ask(PING)], expected: 'certain' },
    { name: 'iMesh ping', turns: [ask(buildPing('fileshare', 0xa9))], expected: 'certain' },
    { name: 'ping as an answer', turns: [ask(PONG), answer(PING)], expected: 'certain' },
    { name: 'unknown network', turns: [ask(buildPing('Elsewhere'))], expected: 'likely' },
    { name: 'one byte longer', turns: [ask(concat(PING, Uint8Array.of(0)))], expected: 'no' },
  ]);
  checkSamples(featureOf(fasttrack, 'pong'), [
    { name: 'pong of a supernode', turns: [ask(PING), answer(PONG)], expected: 'certain' },
    { name: 'pong of an ordinary node', turns: [ask(PING), answer(PONG_2)], expected: 'certain' },
    { name: 'pong without a ping', turns: [ask(PONG)], expected: 'certain' },
    { name: 'unusual encryption type', turns: [ask(fromHex('29 00000008 01 00 0000 00000001'))], expected: 'likely' },
    { name: 'kind 3', turns: [ask(fromHex('29 00000029 03 00 0000 00000001'))], expected: 'no' },
  ]);
  checkTruncations(featureOf(fasttrack, 'ping'), [ask(PING)]);
  checkTruncations(featureOf(fasttrack, 'pong'), [ask(PONG)]);
});

test('session openings with a seed whose mask is known', () => {
  checkSamples(featureOf(fasttrack, 'session'), [
    { name: 'giFT, mldonkey and Kazaa of 2006', turns: [ask(OPENING)], expected: 'certain' },
    { name: 'other random word, type A9', turns: [ask(fromHex('00000001 facb1238 3209d2b2'))], expected: 'certain' },
    { name: 'masked type with a high bit', turns: [ask(fromHex('fa00b62b facb1238 b209d232'))], expected: 'no' },
    { name: 'type zero', turns: [ask(fromHex('fa00b62b facb1238 3209d21b'))], expected: 'no' },
    { name: 'without its SYN', turns: [ask(OPENING)], expected: 'certain', options: { fromStart: false } },
  ]);
  checkTruncations(featureOf(fasttrack, 'session'), [ask(OPENING)]);
  checkSamples(featureOf(fasttrack, 'session-answer'), [
    { name: 'simulated supernode', turns: [ask(OPENING), answer(fromHex('123456780a56034b9b0576147757'))], expected: 'certain' },
    { name: 'seed zero and no mask', turns: [ask(OPENING), answer(new Uint8Array(14))], expected: 'no' },
  ]);
});

test('sessions of random bytes by the lengths of their dialogue', () => {
  const shape = featureOf(fasttrack, 'session-shape');
  const hello = ask(RANDOM_12);
  const server = answer(fromHex('7d9550ba 5211a0c5 a2d04472142e'));
  checkSamples(shape, [
    { name: '12 bytes, nothing known', turns: [hello], expected: 'more' },
    { name: '12 bytes to a node that was pinged', turns: [hello], expected: 'suspected', options: { known: 'endpoint' } },
    { name: '12 bytes to a node that was told', turns: [hello], expected: 'suspected', options: { known: 'told' } },
    { name: '12 bytes by a host that spoke it', turns: [hello], expected: 'more', options: { known: 'host' } },
    { name: '12 and 14 by such a host', turns: [hello, server], expected: 'suspected', options: { known: 'host' } },
    { name: '12, 14, 6', turns: [hello, server, ask(fromHex('c404df849883'))], expected: 'suspected' },
    { name: '12, 8 and 9, 9', turns: [hello, answer(new Uint8Array(17)), ask(new Uint8Array(9))], expected: 'suspected' },
    { name: '12, 14, 7', turns: [hello, server, ask(new Uint8Array(7))], expected: 'more' },
    { name: '12, 14, 40', turns: [hello, server, ask(new Uint8Array(40))], expected: 'no' },
    { name: '12, 40', turns: [hello, answer(new Uint8Array(40))], expected: 'no' },
    { name: '13 bytes', turns: [ask(new Uint8Array(13))], expected: 'no', options: { known: 'endpoint' } },
    { name: '12 letters', turns: [ask(ascii('HELO myhost.'))], expected: 'no', options: { known: 'endpoint' } },
    { name: '12 small integers', turns: [ask(fromHex('000000080000000100000001'))], expected: 'no', options: { known: 'endpoint' } },
    { name: 'the server speaks first', turns: [answer(RANDOM_12)], expected: 'no', options: { known: 'endpoint' } },
  ]);
});

test('transfers: requests, answers, any case, cut anywhere', () => {
  const transfer = featureOf(fasttrack, 'transfer');
  const lower = ascii(String.fromCharCode(...buildTransferResponse(FIELDS, 0, 9, 10)).toLowerCase().replace('http', 'HTTP'));
  checkSamples(transfer, [
    { name: 'request', turns: [ask(REQUEST)], expected: 'certain' },
    { name: 'answer in lower case', turns: [ask(text('GET /1/x HTTP/1.1\n\n')), answer(lower)], expected: 'certain' },
    { name: 'hash path without headers', turns: [ask(text(`GET /.hash=${'ab'.repeat(20)} HTTP/1.1\n\n`))], expected: 'certain' },
    { name: 'busy answer', turns: [answer(text('HTTP/1.1 503 Busy\nX-KazaaTag: 3==abc\n\n'))], expected: 'certain' },
    { name: 'giFT as agent', turns: [ask(text('GET /12/a.mp3 HTTP/1.1\nUserAgent: giFT-FastTrack 0.8\n\n'))], expected: 'likely' },
    { name: 'Kazaa path', turns: [ask(text('GET /.files HTTP/1.1\n\n'))], expected: 'suspected' },
    { name: 'challenge', turns: [ask(text('GET /.files HTTP/1.1\n\n')), answer(text('HTTP/1.0 403 Forbidden 41 1234567\n\n'))], expected: 'likely' },
    { name: 'plain request', turns: [ask(text('GET /index.html HTTP/1.1\nHost: a\n\n'))], expected: 'no' },
    { name: 'page about it', turns: [ask(text('GET /?q=X-Kazaa-Username: HTTP/1.1\nHost: a\n\n'))], expected: 'no' },
    { name: 'header still cut', turns: [ask(text('GET /x HTTP/1.1\nHost: a\nX-Kazaa-User'))], expected: 'more' },
  ]);
  checkTruncations(transfer, [ask(REQUEST)], undefined, 50);
});

test('transfers tell the supernode and the own address', () => {
  const told: string[] = [];
  const sink = {
    toldIpv4: (bytes: Uint8Array, at: number, port: number) => told.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: () => assert.fail('no IPv6 in FastTrack'),
    listensOn: () => assert.fail('not announced'),
  };
  featureOf(fasttrack, 'transfer').harvest?.(sampleInspection(TCP, [ask(REQUEST)]), sink);
  assert.deepEqual(told, ['198.51.100.7:3128', '192.0.2.1:1214']);
});

test('push lines', () => {
  const push = featureOf(fasttrack, 'push');
  checkSamples(push, [
    { name: 'usual number', turns: [ask(text('GIVE 2147483648\n'))], expected: 'certain' },
    { name: 'lower case', turns: [ask(text('give 12345678\n'))], expected: 'certain' },
    { name: 'a small number, as people type in games', turns: [ask(text('GIVE 12\n'))], expected: 'likely' },
    { name: 'mid-stream', turns: [ask(text('GIVE 2147483648\n'))], expected: 'no', options: { fromStart: false } },
    { name: 'words', turns: [ask(text('GIVE sword to troll\n'))], expected: 'no' },
  ]);
  checkTruncations(push, [ask(text('GIVE 2147483648\n'))]);
});

test('noise is not FastTrack, and a ping remembers both ends', () => {
  checkNoise(fasttrack);
  assert.equal(featureOf(fasttrack, 'ping', UDP).remember, undefined, 'default of UDP: both endpoints');
});
