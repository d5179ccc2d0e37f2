import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { concat, fromHex, toHex } from '../../base/bytes.js';
import { QUIC_DRAFT_29, QUIC_V1, QUIC_V2, clientInitialKeys, initialNonce, openClientInitial, quicVersion, readVarint, sealClientInitial } from './initial.js';
import { aes128Schedule } from '../crypto/aes128.js';

/** Destination connection id of all samples in RFC 9001 appendix A and RFC 9369 appendix A. */
const DCID = fromHex('8394c8f03e515708');

/** RFC 9001 appendix A.2: one CRYPTO frame, padded to 1162 bytes. */
const HELLO_FRAME = fromHex(`
  060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
  04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
  616d706c652e636f6dff01000100000a00080006001d00170018001000070005
  04616c706e000500050100000000003300260024001d00209370b2c9caa47fba
  baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
  0d0010000e0403050306030203080408050806002d00020101001c0002400100
  3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
  75300901100f088394c8f03e51570806048000ffff`);
const FRAMES = concat(HELLO_FRAME, new Uint8Array(1162 - HELLO_FRAME.length));

const opened = (packet: Uint8Array) => {
  const padded = concat(Uint8Array.of(0xc0, 0, 0), packet, Uint8Array.of(0, 0));
  return openClientInitial(padded, 3, 3 + packet.length);
};
const sealed = (version: number, frames = FRAMES, dcid = DCID): Uint8Array => {
  const packet = sealClientInitial(version, dcid, 2, frames);
  assert.ok(packet);
  return packet;
};

test('keys of version 1 (RFC 9001 appendix A.1)', () => {
  const version = quicVersion(QUIC_V1);
  assert.ok(version);
  const keys = clientInitialKeys(version, DCID);
  assert.deepEqual(keys.key, aes128Schedule(fromHex('1f369613dd76d5467730efcbe3b1a22d')));
  assert.equal(toHex(keys.iv), 'fa044b2f42a3fd3b46fb255c');
  assert.deepEqual(keys.header, aes128Schedule(fromHex('9f50449e04a0e810283a1e9933adedd2')));
  assert.equal(toHex(initialNonce(keys.iv, 2)), 'fa044b2f42a3fd3b46fb255e');
});

test('keys of version 2 (RFC 9369 appendix A.1)', () => {
  const version = quicVersion(QUIC_V2);
  assert.ok(version);
  const keys = clientInitialKeys(version, DCID);
  assert.deepEqual(keys.key, aes128Schedule(fromHex('8b1a0bc121284290a29e0971b5cd045d')));
  assert.equal(toHex(keys.iv), '91f73e2351d8fa91660e909f');
  assert.deepEqual(keys.header, aes128Schedule(fromHex('45b95e15235d6f45a6b19cbcb0294ba9')));
});

test('the protected packet begins and ends as RFC 9001 appendix A.2 prints it', () => {
  const packet = toHex(sealed(QUIC_V1));
  assert.equal(packet.length, 2 * 1200);
  assert.ok(packet.startsWith('c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c'));
  assert.ok(packet.endsWith('e221af44860018ab0856972e194cd934'));
});

for (const version of [QUIC_V1, QUIC_V2, QUIC_DRAFT_29]) {
  test(`version 0x${version.toString(16)} opens to its frames`, () => {
    const initial = opened(sealed(version));
    assert.deepEqual(initial?.frames, FRAMES);
    assert.equal(initial.version, version);
    assert.equal(initial.isAuthentic(), true);
  });
}

test('bytes behind the packet (coalesced packets, padding) do not matter', () => {
  assert.deepEqual(opened(concat(sealed(QUIC_V1), new Uint8Array(40)))?.frames, FRAMES);
});

const V1 = sealed(QUIC_V1);
const changed = (at: number, value: number) => {
  const copy = V1.slice();
  copy[at] = value;
  return copy;
};
const refused: readonly [string, Uint8Array][] = [
  ['a short header', changed(0, 0x40)],
  ['a handshake packet', changed(0, 0xe0)],
  ['an unknown version', changed(4, 7)],
  ['version 2 with the type bits of version 1', concat(V1.subarray(0, 1), fromHex('6b3343cf'), V1.subarray(5))],
  ['another connection id', changed(7, 0)],
  ['a destination id of 4 bytes', changed(5, 4)],
  ['a version negotiation packet', concat(fromHex('ca 00000000 08'), new Uint8Array(60))],
];
for (const [what, packet] of refused) test(`not opened: ${what}`, () => assert.equal(opened(packet), null));

for (const [what, packet] of [
  ['tag', changed(V1.length - 1, 0)],
  ['payload', changed(600, (V1[600] ?? 0) ^ 1)],
  ['header (token length in two bytes)', concat(V1.subarray(0, 15), fromHex('4000'), V1.subarray(16))],
] as const) {
  test(`opened, but not authentic: a changed ${what}`, () => assert.equal(opened(packet)?.isAuthentic(), false));
}

test('no truncation opens', () => {
  for (let length = 0; length < V1.length; length += 9) assert.equal(opened(V1.subarray(0, length)), null);
});

test('variable-length integers (RFC 9000 appendix A.1)', () => {
  const cases: readonly [string, number][] = [['9d7f3e7d', 494878333], ['7bbd', 15293], ['25', 37], ['4025', 37], ['c2197c5eff14e88c', -1], ['9d7f', -1], ['', -1]];
  for (const [hex, value] of cases) assert.equal(readVarint(fromHex(hex), 0, hex.length / 2), value);
});

test('random headers never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 120 }), (tail) => {
      assert.equal(openClientInitial(concat(fromHex('c300000001'), tail), 0, 5 + tail.length), null);
    }),
    { numRuns: 300 },
  );
});
