/** Checksums against worked examples and against the receiver's rule: over right bytes the sum is zero. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, putU16, u16 } from '../base/bytes.js';
import { checksumField, checksumSum, foldChecksum, internetChecksum, transportChecksum } from './checksum.js';

test('the example of RFC 1071 section 3', () => {
  const bytes = fromHex('00 01 f2 03 f4 f5 f6 f7');
  // "ddf2" is the folded sum; the field is its complement.
  assert.equal(internetChecksum(bytes, 0, bytes.length), 0xddf2 ^ 0xffff);
});

test('an odd last byte is the high half of a word', () => {
  assert.equal(internetChecksum(Uint8Array.of(0x12, 0x34, 0x56), 0, 3), ~(0x1234 + 0x5600) & 0xffff);
});

test('a header from the wire checks out', () => {
  // IPv4 header with checksum b861, a well-known worked example.
  const header = fromHex('45 00 00 73 00 00 40 00 40 11 b8 61 c0 a8 00 01 c0 a8 00 c7');
  assert.equal(internetChecksum(header, 0, 20), 0);
  header[8] = 0x3f;
  assert.notEqual(internetChecksum(header, 0, 20), 0);
});

test('large sums fold to 16 bits', () => {
  assert.equal(foldChecksum(0), 0xffff);
  assert.equal(foldChecksum(0xffff), 0);
  assert.equal(foldChecksum(0x1_0000), 0xfffe);
  assert.equal(foldChecksum(0xffff_ffff), 0);
  assert.equal(foldChecksum(0x7fff * 0xffff), 0);
});

test('UDP sends 0xffff where the checksum is 0, TCP does not', () => {
  assert.deepEqual([checksumField(17, 0), checksumField(17, 5), checksumField(6, 0)], [0xffff, 5, 0]);
});

test('writing the checksum makes the sum zero, for any bytes of either family', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 60, maxLength: 200 }), fc.boolean(), fc.integer({ min: 0, max: 255 }), (bytes, isIpv6, protocol) => {
      const addressBytes = isIpv6 ? 16 : 4;
      const transportAt = 2 * addressBytes;
      putU16(bytes, transportAt + 6, 0);
      const args = [bytes, 0, addressBytes, addressBytes, protocol, transportAt, bytes.length] as const;
      putU16(bytes, transportAt + 6, transportChecksum(...args));
      return transportChecksum(...args) === 0 && u16(bytes, transportAt + 6) <= 0xffff;
    }),
    { numRuns: 200 },
  );
});

test('sums over parts of even length add up', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 10, maxLength: 99 }), fc.integer({ min: 0, max: 4 }), (bytes, half) =>
      checksumSum(bytes, 2 * half, bytes.length, checksumSum(bytes, 0, 2 * half)) === checksumSum(bytes, 0, bytes.length),
    ),
    { numRuns: 100 },
  );
});
