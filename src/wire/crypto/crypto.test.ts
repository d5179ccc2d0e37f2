/** Published vectors, and equality with node:crypto (which the pure core may not use, but its tests may). */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { fromHex, toHex } from '../../base/bytes.js';
import { hmacKey, hmacSha256, sha256 } from './sha256.js';
import { aes128Encrypt, aes128Schedule } from './aes128.js';
import { GCM_TAG_BYTES, gcmCrypt, gcmSeal, gcmVerify } from './aes-gcm.js';

const bytesOf = (maxLength: number) => fc.uint8Array({ minLength: 0, maxLength });
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

test('SHA-256 of "abc" (FIPS 180-4 example)', () => {
  assert.equal(toHex(sha256(fromHex('616263'))), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('SHA-256 and HMAC equal node:crypto for any length', () => {
  for (let length = 0; length <= 200; length++) {
    const bytes = new Uint8Array(length).map((_, i) => i * 7 + length);
    assert.equal(toHex(sha256(bytes)), createHash('sha256').update(bytes).digest('hex'), `length ${length}`);
  }
  fc.assert(
    fc.property(bytesOf(64), bytesOf(300), (key, message) => {
      assert.equal(toHex(hmacSha256(hmacKey(key), message)), createHmac('sha256', key).update(message).digest('hex'));
    }),
    { numRuns: 60 },
  );
});

test('AES-128 of the FIPS 197 appendix C.1 block', () => {
  const out = new Uint8Array(16);
  aes128Encrypt(aes128Schedule(fromHex('000102030405060708090a0b0c0d0e0f')), fromHex('00112233445566778899aabbccddeeff'), 0, out, 0);
  assert.equal(toHex(out), '69c4e0d86a7b0430d8cdb78070b4c55a');
});

test('AES-128-GCM equals node:crypto, and only the true tag verifies', () => {
  fc.assert(
    fc.property(exactly(16), exactly(12), bytesOf(40), bytesOf(100), (key, nonce, extra, plain) => {
      const cipher = createCipheriv('aes-128-gcm', key, nonce);
      cipher.setAAD(extra);
      const expected = toHex(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
      const schedule = aes128Schedule(key);
      const sealed = gcmSeal(schedule, nonce, extra, plain);
      assert.equal(toHex(sealed), expected);
      const end = sealed.length - GCM_TAG_BYTES;
      assert.equal(gcmVerify(schedule, nonce, extra, sealed, 0, end), true);
      assert.deepEqual(gcmCrypt(schedule, nonce, sealed, 0, end), plain);
      sealed[sealed.length - 1] = sealed[sealed.length - 1]! ^ 1;
      assert.equal(gcmVerify(schedule, nonce, extra, sealed, 0, end), false);
    }),
    { numRuns: 60 },
  );
});
