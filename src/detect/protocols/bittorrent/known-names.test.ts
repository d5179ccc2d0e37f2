/** Names of public servers in DNS, TLS and HTTP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { TCP, UDP } from '../../detector.js';
import { findingName, sampleInspection } from '../../sample.js';
import { ask, checkSamples } from '../../../../test/support/detector-table.js';
import { knownNameDns, knownNameHttp, knownNameTls } from './known-names.js';
import { BOOTSTRAP_NAMES, TRACKER_NAMES } from './service-names.js';

/** A question for an address; `counts` may make it a response. */
function question(name: string, head = '1234 0100 0001 0000 0000 0000'): Uint8Array {
  const labels = name.split('.').map((label) => concat(Uint8Array.of(label.length), ascii(label)));
  return concat(fromHex(head), ...labels, fromHex('00 0001 0001'));
}

test('questions for bootstrap nodes and trackers are likely', () => {
  const samples = [
    ['router.bittorrent.com', 'likely'],
    ['DHT.transmissionbt.com', 'likely'],
    ['tracker.opentrackr.org', 'likely'],
    ['_bittorrent._tcp.local', 'likely'],
    ['my client._bittorrent._tcp.local', 'likely'],
    ['www.bittorrent.com', 'no'],
    ['utorrent.com', 'no'],
    ['tracker.example.com', 'no'],
    ['xtracker.opentrackr.org', 'no'],
    ['opentrackr.org', 'no'],
  ] as const;
  checkSamples(knownNameDns, samples.map(([name, expected]) => ({ name, turns: [ask(question(name))], expected })));
});

test('the Host field counts, with or without port', () => {
  const request = (host: string): string => `GET / HTTP/1.1\r\nAccept: */*\r\n${host}\r\n`;
  const samples = [
    [`${request('Host: tracker.opentrackr.org:1337')}\r\n`, 'likely'],
    [`${request('Host: Bttracker.Debian.org')}\r\n`, 'likely'],
    [request('Host: torrent.ubuntu.com'), 'likely'],
    ['GET / HTTP/1.1\r\nHost: torrent.ubun', 'more'],
    [`${request('Host: ubuntu.com')}\r\n`, 'no'],
    [`${request('X: torrent.ubuntu.com')}\r\n`, 'no'],
    ['HTTP/1.1 200 OK\r\nHost: torrent.ubuntu.com\r\n\r\n', 'no'],
  ] as const;
  checkSamples(knownNameHttp, samples.map(([text, expected]) => ({ name: text, turns: [ask(ascii(text))], expected })));
});

test('the server name of TLS counts', () => {
  for (const [serverName, isComplete, isClient, expected] of [
    ['tracker.files.fm', false, true, 'likely'],
    ['', false, true, 'more'],
    ['', true, true, 'no'],
    ['www.example.com', true, true, 'no'],
    ['tracker.files.fm', true, false, 'no'],
  ] as const) {
    const input = { ...sampleInspection(TCP, [ask(ascii('x'))]), tls: () => ({ isClient, serverName, alpn: [], isComplete }) };
    assert.equal(findingName(knownNameTls.inspect(input)), expected, `${serverName} ${isComplete} ${isClient}`);
  }
});

test('multicast DNS announces the local service without a question', () => {
  for (const [questions, answers, expected] of [
    [[], ['x._bittorrent._tcp.local'], 'likely'],
    [[], ['x._http._tcp.local'], 'no'],
    [['example.com'], ['_bittorrent._tcp.local'], 'no'],
  ] as const) {
    const input = { ...sampleInspection(UDP, [ask(ascii('x'))]), dns: () => ({ isResponse: true, questions, answers }) };
    assert.equal(findingName(knownNameDns.inspect(input)), expected);
  }
});

test('the lists are in lower case, without final dots, and apart', () => {
  for (const name of [...BOOTSTRAP_NAMES, ...TRACKER_NAMES]) assert.match(name, /^[a-z0-9-]+(\.[a-z0-9-]+)+$/);
  for (const name of BOOTSTRAP_NAMES) assert.equal(TRACKER_NAMES.has(name), false, name);
});
