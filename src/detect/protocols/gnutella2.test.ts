import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { findingName, inspectSample } from '../sample.js';
import { harvested, only, type Sample, sampleProblems } from '../sample-table.js';
import { gwebcache, handshake, packets } from './gnutella2/tcp.js';
import { datagrams } from './gnutella2/udp.js';

const GREETING =
  'GNUTELLA CONNECT/0.6\r\nListen-IP: 192.0.2.1:6346\r\nUser-Agent: Shareaza 2.7\r\nAccept: application/x-gnutella2\r\nX-Hub: False\r\n\r\n';
const ANSWER =
  'GNUTELLA/0.6 503 Full\r\nContent-Type: application/x-gnutella2\r\nX-Try-Hubs: 192.0.2.7:6346 2022-03-07T03:22Z,192.0.2.8:80 x\r\n\r\n';

const greetings: readonly Sample[] = [
  { name: 'request', turns: only(ascii(GREETING)), expected: 'certain' },
  { name: 'answer', turns: [...only(ascii(GREETING)), { from: 1, bytes: ascii(ANSWER) }], expected: 'certain' },
  { name: 'Gnutella request', turns: only(ascii('GNUTELLA CONNECT/0.6\r\nX-Ultrapeer: True\r\n\r\n')), expected: 'no' },
  { name: '0.4 request', turns: only(ascii('GNUTELLA CONNECT/0.4\n\n')), expected: 'no' },
  { name: 'long Gnutella header', turns: only(ascii(`GNUTELLA CONNECT/0.6\r\nX-Long: ${'C'.repeat(300)}`)), expected: 'no' },
];

for (const sample of greetings) {
  test(`G2 handshake: ${sample.name}`, () => assert.deepEqual(sampleProblems(handshake, sample), []));
}

test('a refusal tells the hubs it lists', () => {
  assert.deepEqual(harvested(handshake, [...only(ascii(GREETING)), { from: 1, bytes: ascii(ANSWER) }]), ['192.0.2.7:6346', '192.0.2.8:80']);
});

const PING = '08 5049';
const PONG = '08 504f';
const QKR_WITH_ADDRESS = '54 0b 514b52 50 06 524e41 5d2fe235 0970';
const LNI = '50 02 4c4e49 aabb';
const HUB_LIST_BIG_ENDIAN = '92 0003 4b484c aabbcc';

/** A neighbour list of 300 bytes, of which 64 are in the first part. */
const FIRST_OF_TWO = concat(fromHex('474e44 02 7c6d 01 02 902c014c4e49'), new Uint8Array(64).fill(0xaa));

const datagramSamples: readonly Sample[] = [
  { name: 'ping', turns: only(fromHex(`474e44 00 1234 01 01 ${PING}`)), expected: 'certain' },
  { name: 'query key request with a child', turns: only(fromHex(`474e44 10 3e8f 01 01 ${QKR_WITH_ADDRESS}`)), expected: 'certain' },
  { name: 'deflated', turns: only(fromHex('474e44 01 7c6d 01 01 789c ebc9610c')), expected: 'certain', isOpenEnded: true },
  { name: 'first fragment of two', turns: only(FIRST_OF_TWO), expected: 'certain', isOpenEnded: true },
  { name: 'second fragment', turns: only(fromHex('474e44 02 7c6d 02 02 aabb')), expected: 'likely', isOpenEnded: true },
  { name: 'second fragment behind the first', turns: [...only(FIRST_OF_TWO), ...only(fromHex('474e44 02 7c6d 02 02 aabb'))], expected: 'certain', isOpenEnded: true },
  { name: 'fragment and its acknowledgement', turns: [...only(fromHex('474e44 02 7c6d 02 02 aabb')), { from: 1, bytes: fromHex('474e44 00 7c6d 02 00') }], expected: 'certain' },
  { name: 'acknowledgement alone', turns: only(fromHex('474e44 00 7c6d 01 00')), expected: 'likely' },
  { name: 'acknowledgement of another sequence', turns: [...only(fromHex('474e44 02 7c6d 02 02 aabb')), { from: 1, bytes: fromHex('474e44 00 7c6e 02 00') }], expected: 'likely' },
  { name: 'acknowledgement of a part behind the last', turns: [...only(fromHex('474e44 02 7c6d 02 02 aabb')), { from: 1, bytes: fromHex('474e44 00 7c6d 03 00') }], expected: 'likely' },
  { name: 'acknowledgement of its own side', turns: [...only(fromHex('474e44 02 7c6d 02 02 aabb')), ...only(fromHex('474e44 00 7c6d 02 00'))], expected: 'likely' },
  { name: 'extended acknowledgement for nothing', turns: only(fromHex('474e44 20 7c6d 01 00 00 000000')), expected: 'no' },
  { name: 'short fragment that is not the last', turns: only(fromHex('474e44 02 7c6d 02 03 aabb')), expected: 'no' },
  { name: 'first fragment of an unknown packet', turns: only(concat(fromHex('474e44 02 7c6d 01 02 50ff5a5a5a'), new Uint8Array(60).fill(0xaa))), expected: 'likely', isOpenEnded: true },
  { name: 'deflated with a block of no type', turns: only(fromHex('474e44 01 7c6d 01 01 789c efc9610c')), expected: 'no' },
  { name: 'unknown packet', turns: only(fromHex('474e44 00 1234 01 01 08 5a5a')), expected: 'likely' },
  { name: 'packet that ends too early', turns: only(fromHex(`474e44 00 1234 01 01 ${PING} 00`)), expected: 'likely', isOpenEnded: true },
  { name: 'acknowledgement with a tail', turns: only(fromHex('474e44 00 7c6d 01 00 00')), expected: 'no', isOpenEnded: true },
  { name: 'part behind the last', turns: only(fromHex(`474e44 00 1234 02 01 ${PING}`)), expected: 'no' },
  { name: 'deflated without zlib header', turns: only(fromHex('474e44 01 7c6d 01 01 1234 ebc9610c')), expected: 'no' },
  { name: 'text', turns: only(ascii('GND is short for ground')), expected: 'no' },
];

for (const sample of datagramSamples) {
  test(`G2 datagram: ${sample.name}`, () => assert.deepEqual(sampleProblems(datagrams, sample), []));
}

const midStream: readonly [string, Uint8Array, Sample['expected']][] = [
  ['ping, pong, ping', fromHex(PING + PONG + PING), 'certain'],
  ['neighbours, hub list (big-endian), query key', fromHex(LNI + HUB_LIST_BIG_ENDIAN + QKR_WITH_ADDRESS), 'certain'],
  ['two packets', fromHex(PING + LNI), 'more'],
  ['two packets, then something else', concat(fromHex(PING + LNI), ascii('GET /')), 'no'],
  ['child longer than its packet', fromHex(`54 05 514b52 50 06 524e41 ${PING} ${PING} ${PING}`), 'no'],
  ['text', ascii('PI PO LNI KHL'), 'no'],
  ['zeros', new Uint8Array(40), 'no'],
];

for (const [name, bytes, expected] of midStream) {
  test(`G2 packets mid-stream: ${name}`, () => {
    assert.deepEqual(sampleProblems(packets, { name, turns: only(bytes), expected, options: { fromStart: false } }), []);
    assert.equal(findingName(inspectSample(packets, only(bytes), { fromStart: true })), 'no', 'streams begin with a handshake');
  });
}

test('random bytes are never taken for G2', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 100 }), (bytes) => {
      const finding = findingName(inspectSample(packets, only(bytes), { fromStart: false }));
      assert.ok(finding === 'no' || finding === 'more');
    }),
    { numRuns: 300, seed: 1 },
  );
});

const caches: readonly [string, string, string][] = [
  ['hosts', '/gwc.php?get=1&net=gnutella2&client=RAZA2.7.10.2', 'certain'],
  ['update', '/gwc.php?update=1&ip=192.0.2.1:6346&net=gnutella2', 'certain'],
  ['Gnutella', '/gwc.php?get=1&net=gnutella&client=LIME', 'no'],
  ['another value', '/gwc.php?get=1&net=gnutella2000', 'no'],
  ['the parameter alone', '/?net=gnutella2', 'no'],
];

for (const [name, target, expected] of caches) {
  test(`GWebCache for G2: ${name}`, () => {
    assert.equal(findingName(inspectSample(gwebcache, only(ascii(`GET ${target} HTTP/1.1\r\n\r\n`)))), expected);
  });
}
