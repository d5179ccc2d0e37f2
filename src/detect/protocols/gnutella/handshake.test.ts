import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { findingName, inspectSample, type Turn } from '../../sample.js';
import { harvested, only, type Sample, sampleProblems } from '../../sample-table.js';
import { handshake, messages } from './handshake.js';

const REQUEST = 'GNUTELLA CONNECT/0.6\r\nNode: 192.0.2.1:6346\r\nUser-Agent: LimeWire/4.9\r\nX-Ultrapeer: False\r\n\r\n';
const REFUSAL =
  'GNUTELLA/0.6 503 Full\r\nUser-Agent: Foxy 1.9.8.0\r\nX-Try-Ultrapeers: 192.0.2.1:8171,198.51.100.2:15677\r\nX-Try-Hubs: 203.0.113.4:7986 2022-03-07T03:22Z\r\n\r\n';

function answer(text: string): readonly Turn[] {
  return [
    { from: 0, bytes: ascii(REQUEST) },
    { from: 1, bytes: ascii(text) },
  ];
}

const greetings: readonly Sample[] = [
  { name: '0.4 request', turns: only(ascii('GNUTELLA CONNECT/0.4\n\n')), expected: 'certain' },
  { name: '0.4 answer', turns: answer('GNUTELLA OK\n\n'), expected: 'certain' },
  { name: '0.6 request', turns: only(ascii(REQUEST)), expected: 'certain' },
  { name: '0.6 answer', turns: answer('GNUTELLA/0.6 200 OK\r\nUser-Agent: x\r\n\r\n'), expected: 'certain' },
  { name: '0.6 refusal with host lists', turns: answer(REFUSAL), expected: 'certain' },
  { name: 'request whose header is cut', turns: only(ascii(REQUEST.slice(0, -2))), expected: 'likely' },
  { name: 'request whose header is cut but long', turns: only(ascii(`GNUTELLA CONNECT/0.6\r\nX-Long: ${'C'.repeat(300)}`)), expected: 'certain' },
  { name: 'header without line end', turns: only(ascii(`GNUTELLA CONNECT/0.6${' '.repeat(300)}`)), expected: 'no' },
  { name: 'G2 request', turns: only(ascii('GNUTELLA CONNECT/0.6\r\nAccept: application/x-gnutella2\r\n\r\n')), expected: 'no' },
  { name: 'a sentence', turns: only(ascii('GNUTELLA is a network\r\n\r\n')), expected: 'no' },
  { name: 'HTTP', turns: only(ascii('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n')), expected: 'no' },
];

for (const sample of greetings) {
  test(`Gnutella handshake: ${sample.name}`, () => {
    const problems = sampleProblems(handshake, sample);
    // A greeting is likely until its header shows that it is not G2's.
    assert.deepEqual(problems.filter((problem) => !(sample.name === 'G2 request' && problem.startsWith('certain'))), []);
  });
}

test('a refusal tells the hosts it lists, not versions or times', () => {
  assert.deepEqual(harvested(handshake, answer(REFUSAL)), ['192.0.2.1:8171', '198.51.100.2:15677', '203.0.113.4:7986']);
  assert.deepEqual(harvested(handshake, only(ascii(REQUEST))), ['192.0.2.1:6346', 'listens:6346']);
});

const GUID = '8de43102 4929251c ff297df9 e9260403';
const PING = fromHex(`${GUID} 00 01 00 00000000`);
const PONG = fromHex(`${GUID} 01 03 01 0e000000 a05b c0000201 0a000000 00100000`);
const QUERY = fromHex(`${GUID} 80 03 02 08000000 0000 6d75736963 00`);
const RESET = fromHex(`${GUID} 30 01 00 06000000 00 00000100 07`);
const PATCH = fromHex(`${GUID} 30 01 00 08000000 01 01 02 01 04 789c01`);
const BYE = fromHex(`${GUID} 02 01 00 06000000 c800 62796500`);

const midStream: readonly [string, Uint8Array, Sample['expected']][] = [
  ['ping and pong', concat(PING, PONG), 'certain'],
  ['pong and query', concat(PONG, QUERY), 'certain'],
  ['route table: reset and patch', concat(RESET, PATCH), 'certain'],
  ['query and bye', concat(QUERY, BYE), 'certain'],
  ['one message only', PONG, 'more'],
  ['a message and the half of another', concat(PONG, QUERY.subarray(0, 25)), 'more'],
  ['a message, then something else', concat(PONG, ascii('this is not a header of Gnutella')), 'no'],
  ['a pong without port', concat(fromHex(`${GUID} 01 03 01 0e000000 0000 c0000201 0a000000 00100000`), PONG), 'no'],
  ['a length of 16 MiB', concat(fromHex(`${GUID} 80 03 02 00000001 0000 6d75736963 00`), PONG), 'no'],
  ['zeros', new Uint8Array(100), 'no'],
];

for (const [name, bytes, expected] of midStream) {
  test(`Gnutella messages mid-stream: ${name}`, () => {
    assert.deepEqual(sampleProblems(messages, { name, turns: only(bytes), expected, options: { fromStart: false } }), []);
    assert.equal(findingName(inspectSample(messages, only(bytes), { fromStart: true })), 'no', 'streams begin with a handshake');
  });
}

test('random streams are never taken for Gnutella', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 30, maxLength: 200 }), (bytes) => {
      assert.equal(findingName(inspectSample(messages, only(bytes), { fromStart: false })), 'no');
      assert.equal(findingName(inspectSample(handshake, only(bytes))), 'no');
    }),
    { numRuns: 300, seed: 1 },
  );
});
