import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { findingName, inspectSample } from '../../sample.js';
import { harvested, only, type Sample, sampleProblems } from '../../sample-table.js';
import { messages, semiReliable } from './udp.js';

/** Byte 8 is FF: made by a modern servent. */
const MODERN = '8de43102 4929251c ff297df9 e9260403';
/** An out-of-band GUID: address, random, port. */
const PLAIN = '5d2fe235 31020064 1ac4f2e9 4e09700f';
const SHA1 = '289d0a8d06deffc8263c33897c2c9179fd84ab61';

/** Header with the right length, then the body. `kind`: type, TTL, hops. */
function message(guid: string, kind: string, body = ''): string {
  const lengthBytes = fromHex(body).length;
  return `${guid} ${kind} ${lengthBytes.toString(16).padStart(2, '0')}000000 ${body}`;
}

const certain = (name: string, hex: string): Sample => ({ name, turns: only(fromHex(hex)), expected: 'certain' });
const no = (name: string, hex: string): Sample => ({ name, turns: only(fromHex(hex)), expected: 'no' });

const samples: readonly Sample[] = [
  certain('bare ping of a modern servent', message(MODERN, '00 01 00')),
  { name: 'bare ping with any GUID', turns: only(fromHex(message(PLAIN, '00 01 00'))), expected: 'likely' },
  certain('ping with SCP', message(PLAIN, '00 01 00', `c3 83 53 43 50 41 02`)),
  certain('ping with IP and SCP, and a byte too many', message(PLAIN, '00 01 00', 'c3 02 4950 40 83 534350 41 00 00')),
  certain('ping that asks for a query key', message(MODERN, '00 01 00', `c3 82 51 4b 40`)),
  certain('pong: port 23456, 192.0.2.1', message(MODERN, '01 01 00', `a05b c0000201 0a000000 00100000`)),
  certain('pong with UP', message(MODERN, '01 01 00', `a05b c0000201 0a000000 00100000 c3 82 55 50 43 00 20 1f`)),
  certain('vendor message GTKG/9v1', message(PLAIN, '31 01 00', `47544b47 0900 0100 00`)),
  certain('vendor message LIME/12v2: out-of-band hits wait', message(PLAIN, '31 09 00', `4c494d45 0c00 0200 05`)),
  certain('vendor message BEAR/4v1', message(PLAIN, '31 01 00', `42454152 0400 0100`)),
  certain('query with text and GGEP', message(PLAIN, '80 01 00', `f900 70696e6b00 c302514b41 5a 82 5a5a 40`)),
  certain('push to port 6346', message(PLAIN, '40 01 00', `${'a1b2c3d4'.repeat(4)} 00000000 c0000201 ca18`)),
  certain('hit with one record', message(PLAIN, '81 01 01', `01 ca18 c0000201 40000000 ${'01020304 aa'.repeat(1)} ${'5c'.repeat(16)}`)),
  certain('deflated hit (TTL bit 7)', message(PLAIN, '81 81 00', `789c 4b4c0400`)),
  certain('RUDP SYN', '0500 0000 07 0000 000000000000000000 41 01 00 00000000'),
  certain('RUDP ACK of message 3', '0710 0003 0003 0019 0000000000000000 41 01 00 00000000'),
  certain('RUDP data: 12 bytes in the header, 4 behind', '073c 0001 474554202f7572692d726573 41 01 00 04000000 2f4e3252'),
  certain('DHT FIND_NODE request', message(MODERN, '44 0000', `05 47544b47 0000 ${SHA1} 04 c0000201 7009 01 01 0000 ${SHA1.slice(0, 38)}`)),
  certain('DHT ping request, IPv6', message(MODERN, '44 0001', `01 4c494d45 0001 ${SHA1} 10 ${'20010db8'.repeat(4)} 7009 01 00 0000`)),
  // Near misses
  no('length one too small', `${MODERN} 00 01 00 05000000 c3 82 51 4b`),
  no('length one too large', `${MODERN} 01 01 00 0d000000 a05b c0000201 0a000000 00100000`),
  no('unknown type 03', `${MODERN} 03 01 00 00000000`),
  no('TTL 0 and hops 0', `${MODERN} 00 00 00 00000000`),
  no('TTL 100', `${MODERN} 00 64 00 00000000`),
  no('hops 9', `${MODERN} 00 01 09 00000000`),
  no('GUID of zeros', `${'00'.repeat(16)} 00 01 00 00000000`),
  no('GUID of one letter', `${'41'.repeat(16)} 00 01 00 00000000`),
  no('RUDP with opcode 5', '0550 0000 07 0000 000000000000000000 41 01 00 00000000'),
  no('RUDP SYN with bytes in its unused part', '0500 0000 07 0000 000000000001000000 41 01 00 00000000'),
  no('RUDP data longer than the header says', '0735 0001 474554202f7572692d726573 41 01 00 04000000 2f4e3252'),
  no('DHT with opcode 0', `${MODERN} 44 0000 26000000 00 47544b47 0000 ${SHA1} 04 c0000201 7009 01 01 0000`),
  no('DHT with address length 5', `${MODERN} 44 0000 26000000 01 47544b47 0000 ${SHA1} 05 c0000201 7009 01 01 0000`),
  no('DHT whose vendor is no text', `${MODERN} 44 0000 26000000 01 00000000 0000 ${SHA1} 04 c0000201 7009 01 01 0000`),
  {
    name: 'header and length fit, the body is no vendor message',
    turns: only(fromHex(`${PLAIN} 31 01 00 08000000 0102030405060708`)),
    expected: 'likely',
  },
  no('the same behind a table of small numbers', '01000200030004010005000602000107 31 01 00 08000000 0102030405060708'),
];

for (const sample of samples) {
  test(`Gnutella datagram: ${sample.name}`, () => assert.deepEqual(sampleProblems(messages, sample), []));
}

const reliable: readonly Sample[] = [
  { name: 'acknowledgement alone', turns: only(fromHex('475441 00 1234 01 00')), expected: 'likely' },
  { name: 'extended acknowledgement alone', turns: only(fromHex('475441 30 1234 03 00 04 000001')), expected: 'likely' },
  { name: 'fragment and its acknowledgement', turns: [...only(fromHex('475441 03 1234 03 03 0102')), { from: 1, bytes: fromHex('475441 30 1234 03 00 04 000001') }], expected: 'certain' },
  { name: 'acknowledgement, then its fragment', turns: [...only(fromHex('475441 00 1234 03 00')), { from: 1, bytes: fromHex('475441 03 1234 03 03 0102') }], expected: 'certain', isOpenEnded: true },
  { name: 'acknowledgement of another sequence', turns: [...only(fromHex('475441 03 1234 03 03 0102')), { from: 1, bytes: fromHex('475441 00 1235 03 00') }], expected: 'likely' },
  { name: 'first fragment of two', turns: only(concat(fromHex(`475441 02 1234 01 02 ${MODERN} 80 01 00 2c010000`), new Uint8Array(60).fill(0x61))), expected: 'certain', isOpenEnded: true },
  { name: 'first fragment without a header', turns: only(concat(fromHex('475441 02 1234 01 02'), new Uint8Array(60).fill(0x61))), expected: 'likely', isOpenEnded: true },
  { name: 'extended acknowledgement for nothing', turns: only(fromHex('475441 20 1234 03 00 00 000001')), expected: 'no' },
  { name: 'short fragment that is not the last', turns: only(fromHex('475441 03 1234 02 03 0102')), expected: 'no' },
  { name: 'deflated with a block of no type', turns: only(fromHex('475441 03 1234 01 01 789c 0702')), expected: 'no' },
  { name: 'deflated single fragment', turns: only(fromHex('475441 03 1234 01 01 789c 0102')), expected: 'certain', isOpenEnded: true },
  { name: 'last fragment of three', turns: only(fromHex('475441 03 1234 03 03 0102')), expected: 'likely', isOpenEnded: true },
  { name: 'plain single fragment', turns: only(fromHex(`475441 02 1234 01 01 ${MODERN} 00 01 00 00000000`)), expected: 'certain' },
  { name: 'plain fragment, other length', turns: only(fromHex(`475441 02 1234 01 01 ${MODERN} 00 01 00 01000000`)), expected: 'no' },
  { name: 'unknown critical flag', turns: only(fromHex('475441 04 1234 01 00')), expected: 'no' },
  { name: 'part behind the last', turns: only(fromHex('475441 02 1234 03 02 00')), expected: 'no' },
  { name: 'acknowledgement with text behind', turns: only(concat(fromHex('475441 20 2020 20 00'), ascii(' V theft'))), expected: 'no', isOpenEnded: true },
  { name: 'text that begins with GTA', turns: only(ascii('GTA San Andreas')), expected: 'no' },
];

for (const sample of reliable) {
  test(`Gnutella semi-reliable UDP: ${sample.name}`, () => assert.deepEqual(sampleProblems(semiReliable, sample), []));
}

test('random datagrams are never taken for Gnutella', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 23, maxLength: 120 }), (bytes) => {
      assert.equal(findingName(inspectSample(messages, only(bytes))), 'no');
    }),
    { numRuns: 500, seed: 1 },
  );
});

const told = (hex: string): string[] => harvested(messages, only(fromHex(hex)));

test('a pong tells its sender, and the hosts packed in IPP', () => {
  const ipp = 'c3 83 495050 4c c0000202 ca18 c0000203 cb18';
  assert.deepEqual(told(message(MODERN, '01 01 00', `a05b c0000201 0a000000 00100000 ${ipp}`)), [
    '192.0.2.1:23456',
    'listens:23456',
    '192.0.2.2:6346',
    '192.0.2.3:6347',
  ]);
});

test('a DHT response tells its sender and the contacts it lists', () => {
  const contact = `47544b47 0000 ${SHA1} 04 c6336407 8001`;
  const body = `06 47544b47 0000 ${SHA1} 04 c0000201 7009 01 00 0000 04 8ba033c7 02 ${contact} 4c494d45 0000 ${SHA1} 04 c6336408 1234`;
  assert.deepEqual(told(message(MODERN, '44 0000', body)), ['192.0.2.1:28681', 'listens:28681', '198.51.100.7:32769', '198.51.100.8:4660']);
});

test('a hit tells its sender; a cut contact list and deflated bodies tell nothing more', () => {
  assert.deepEqual(told(`${PLAIN} 81 01 01 0b000000 01 ca18 c0000201 40000000`), ['192.0.2.1:6346']);
  assert.deepEqual(told(`${PLAIN} 81 81 01 0b000000 78 9c18 c0000201 40000000`), []);
});
