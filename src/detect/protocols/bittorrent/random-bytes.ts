/**
 * Do bytes look random, as key exchanges and ciphertext do? Three cheap tests with
 * fixed odds: about one random string in 5,000 fails.
 * Compressed content passes too: callers need more evidence than this.
 */
import { u8 } from '../../../base/bytes.js';

/** Below this the tests say little: a bin of the histogram would expect fewer than four. */
export const MIN_RANDOM_BYTES = 64;

/** Bytes looked at: more do not sharpen the tests much. */
const MAX_TESTED_BYTES = 256;

/** Chi-square with 15 degrees of freedom: exceeded by random bytes once in 12,000. */
const MAX_CHI_SQUARE = 44;
/** Standard deviations allowed for the share of printable bytes and for repeated pairs. */
const MAX_DEVIATIONS = 5;
/** Share of ASCII 0x20..0x7e among all byte values. */
const PRINTABLE_SHARE = 95 / 256;

/** Whether [start, wholeEnd) looks random. At least MIN_RANDOM_BYTES are needed: fewer are refused. */
export function looksRandom(bytes: Uint8Array, start: number, wholeEnd: number): boolean {
  const end = Math.min(wholeEnd, start + MAX_TESTED_BYTES);
  const count = end - start;
  if (count < MIN_RANDOM_BYTES) return false;
  let printable = 0;
  for (let at = start; at < end; at++) {
    const byte = u8(bytes, at);
    // Both differences are negative from 0x20 to 0x7e. Not a comparison: of random bytes no processor guesses it (bench/identify.ts).
    printable += ((0x1f - byte) & (byte - 0x7f)) >>> 31;
  }
  const expected = count * PRINTABLE_SHARE;
  const deviation = Math.sqrt(expected * (1 - PRINTABLE_SHARE));
  if (Math.abs(printable - expected) > MAX_DEVIATIONS * deviation) return false;
  return hasFlatHistogram(bytes, start, end);
}

/** How often each value occurs: cleared, filled and read within one call. An array for each call would cost as much as the counting (bench/identify.ts). */
const histogram = new Uint16Array(256);

/** Both halves of a byte are evenly spread, and values do not repeat more than chance makes them. */
function hasFlatHistogram(bytes: Uint8Array, start: number, end: number): boolean {
  const count = end - start;
  histogram.fill(0);
  let pairs = 0;
  for (let at = start; at < end; at++) {
    const byte = u8(bytes, at);
    const before = histogram[byte]!;
    pairs += before;
    histogram[byte] = before + 1;
  }
  const expectedPairs = (count * (count - 1)) / 512;
  if (pairs > expectedPairs + MAX_DEVIATIONS * Math.sqrt(expectedPairs)) return false;
  return chiSquare(16, 1, count) <= MAX_CHI_SQUARE && chiSquare(1, 16, count) <= MAX_CHI_SQUARE;
}

/**
 * Pearson's statistic of sixteen bins against an even spread. A bin is sixteen values, `valueStep` apart; its first one lies `binStep`
 * behind that of the bin before: (16, 1) bins by the upper half of a byte, (1, 16) by the lower one.
 */
function chiSquare(binStep: number, valueStep: number, count: number): number {
  let squares = 0;
  for (let bin = 0; bin < 16; bin++) {
    let inBin = 0;
    for (let i = 0; i < 16; i++) inBin += histogram[bin * binStep + i * valueStep]!;
    squares += inBin * inBin;
  }
  return (16 * squares) / count - count;
}
