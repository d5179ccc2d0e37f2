/**
 * Whether bytes look random, from few of them: what obfuscated traffic has in common.
 * Random bytes are ordinary encrypted ones too, so this only refuses.
 */
import { countSmall, u8 } from '../../../base/bytes.js';

/** Bytes looked at; more would not refuse much more. */
const SAMPLE_BYTES = 96;
/** Bytes compared with each other. */
const DISTINCT_BYTES = 16;

/**
 * False for text, and for headers with zeros, repetitions or only small values. Each bound lies four
 * standard deviations or more from what random bytes give: about 1 of 300 random samples is refused.
 */
export function looksRandom(bytes: Uint8Array, start: number, end: number): boolean {
  const last = Math.min(end, start + SAMPLE_BYTES);
  const count = last - start;
  if (beginsWithText(bytes, start, last)) return false;
  let high = 0;
  let printable = 0;
  let zeros = 0;
  for (let at = start; at < last; at++) {
    const byte = u8(bytes, at);
    // The sign of a difference, not a comparison: of random bytes no processor guesses one (bench/identify.ts).
    high += byte >> 7;
    printable += ((0x1f - byte) & (byte - 0x7f)) >>> 31;
    zeros += (byte - 1) >>> 31;
  }
  if (zeros > 1 + (count >> 5)) return false;
  if (count >= 8) {
    const deviation = Math.sqrt(count) / 2;
    // 95 of 256 byte values are printable.
    const mostPrintable = 0.371 * count + 4 * deviation;
    if (Math.abs(2 * high - count) > 8 * deviation) return false;
    if (printable >= mostPrintable) return false;
  }
  // The dearest test last: most is refused before it.
  return !hasRepetitions(bytes, start, Math.min(last, start + DISTINCT_BYTES));
}

/** Ids and hashes of 16 bytes: more than eight values below 16 are there once in 3 * 10^6 times. Refuses tables of small numbers. */
export function isRandomId(bytes: Uint8Array, at: number): boolean {
  return countSmall(bytes, at, at + 16) <= 8;
}

/** Eight printable bytes: random ones once in 2,800 times. Refuses most ordinary streams at once. */
function beginsWithText(bytes: Uint8Array, start: number, end: number): boolean {
  const last = start + 8;
  if (last > end) return false;
  for (let at = start; at < last; at++) if (u8(bytes, at) < 0x20 || u8(bytes, at) > 0x7e) return false;
  return true;
}

/** More than a quarter of at most 16 bytes occur twice: random bytes do that less than once in 20,000. */
function hasRepetitions(bytes: Uint8Array, start: number, end: number): boolean {
  let repeated = 0;
  for (let at = start + 1; at < end; at++) {
    const byte = u8(bytes, at);
    for (let before = start; before < at; before++) {
      if (u8(bytes, before) === byte) {
        repeated++;
        break;
      }
    }
  }
  return repeated > (end - start) >> 2;
}
