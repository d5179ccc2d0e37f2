/** Random-looking content for tests of detectors that know ciphertext by its look. */
import type { Turn } from '../../src/detect/sample.js';
import { answer, ask } from './detector-table.js';

let seed = 20061122;

/** Reproducible random-looking bytes (xorshift), different at each call. */
export function noise(lengthBytes: number): Uint8Array {
  return Uint8Array.from({ length: lengthBytes }, () => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 9) & 0xff;
  });
}

/** Turns of such bytes by both sides, the opener's first. */
export function exchange(...sizes: readonly number[]): Turn[] {
  return sizes.map((size, i) => (i % 2 === 0 ? ask(noise(size)) : answer(noise(size))));
}
