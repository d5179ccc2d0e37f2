/** Randomness test: its error rates on random and on other bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat } from '../../../base/bytes.js';
import { looksRandom, MIN_RANDOM_BYTES } from './random-bytes.js';

/** Reproducible bytes: xorshift, RFC 4086 has better ones. */
function noise(lengthBytes: number, seed: number): Uint8Array {
  let state = seed | 1;
  return Uint8Array.from({ length: lengthBytes }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 11) & 0xff;
  });
}
const check = (bytes: Uint8Array): boolean => looksRandom(bytes, 0, bytes.length);

test('random bytes pass at every length of a key exchange', () => {
  let refused = 0;
  for (let seed = 1; seed <= 1500; seed++) {
    if (!check(noise(MIN_RANDOM_BYTES + (seed % 545), seed * 2654435761))) refused++;
  }
  assert.ok(refused <= 3, `${refused} of 1500 refused`);
});

test('what is not random is refused', () => {
  const text = 'The quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs. ';
  for (const [name, bytes] of [
    ['text', ascii(text.repeat(3))],
    ['base64', ascii('TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24sIGJ1dCBieSB0aGlzIHNpbmd1bGFyIHBhc3Npb24gZnJvbSBvdGhlciBhbmlt')],
    ['zeros', new Uint8Array(200)],
    ['one value', new Uint8Array(200).fill(0x9c)],
    ['a counter', Uint8Array.from({ length: 128 }, (_, i) => i)],
    ['bytes above 0x80', noise(200, 7).map((byte) => byte | 0x80)],
    ['16-bit numbers below 256', noise(200, 8).map((byte, i) => (i % 2 === 0 ? 0 : byte))],
    ['a header of zeros before random bytes', concat(new Uint8Array(24), noise(120, 9))],
    ['a row repeated', concat(noise(48, 3), noise(48, 3), noise(48, 3))],
    ['too short', noise(MIN_RANDOM_BYTES - 1, 1)],
    ['nothing', new Uint8Array(0)],
  ] as const) {
    assert.equal(check(bytes), false, name);
  }
});

test('reads only its range', () => {
  const bytes = concat(new Uint8Array(50), noise(150, 5), new Uint8Array(50));
  assert.equal(looksRandom(bytes, 50, 200), true);
  assert.equal(looksRandom(bytes, 0, 250), false);
});
