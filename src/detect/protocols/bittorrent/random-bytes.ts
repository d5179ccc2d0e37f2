/**
 * Do bytes look random, as key exchanges and ciphertext do? Three cheap tests with
 * fixed odds: about one random string in 5,000 fails.
 * Compressed content passes too: callers need more evidence than this.
 */
import { u8 } from '../../../base/bytes.js';

/** Below this the tests say little: a bin of the histogram would expect fewer than four. A snap length of 128 leaves 62 of most segments. */
export const MIN_RANDOM_BYTES = 60;

/** Bytes looked at: more do not sharpen the tests much. */
const MAX_TESTED_BYTES = 256;

/** Chi-square with 15 degrees of freedom: exceeded by random bytes once in 12,000. */
const MAX_CHI_SQUARE = 44;
/** Standard deviations allowed for the share of printable bytes and for repeated pairs. */
const MAX_DEVIATIONS = 5;
/** Share of ASCII 0x20..0x7e among all byte values. */
const PRINTABLE_SHARE = 95 / 256;

/** First and last printable ASCII character. */
const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;

/**
 * Whether [start, wholeEnd) looks random. At least MIN_RANDOM_BYTES are needed: fewer are refused. The loops take four steps in each
 * turn: half of their time was the turn itself (bench/identify.ts).
 */
export function looksRandom(bytes: Uint8Array, start: number, wholeEnd: number): boolean {
  const end = Math.min(wholeEnd, start + MAX_TESTED_BYTES);
  const count = end - start;
  if (count < MIN_RANDOM_BYTES) return false;
  // Most of what is not random fails here, before the histogram is made.
  if (!isUsualShare(countPrintable(bytes, start), MIN_RANDOM_BYTES)) return false;
  fillHistogram(bytes, start, end);
  let printable = 0;
  for (let value = FIRST_PRINTABLE; value <= LAST_PRINTABLE; value++) printable += histogram[value]!;
  return isUsualShare(printable, count) && isFlat(count);
}

/** Printable bytes among the MIN_RANDOM_BYTES from `start` on. */
function countPrintable(bytes: Uint8Array, start: number): number {
  let printable = 0;
  for (let at = start; at < start + MIN_RANDOM_BYTES; at += 4) {
    printable += oneIfPrintable(u8(bytes, at)) + oneIfPrintable(u8(bytes, at + 1)) + oneIfPrintable(u8(bytes, at + 2)) + oneIfPrintable(u8(bytes, at + 3));
  }
  return printable;
}

/** Both differences are negative for printable bytes. Not a comparison: of random bytes no processor guesses it (bench/identify.ts). */
function oneIfPrintable(byte: number): 0 | 1 {
  return (((FIRST_PRINTABLE - 1 - byte) & (byte - LAST_PRINTABLE - 1)) >>> 31) as 0 | 1;
}

function isUsualShare(printable: number, count: number): boolean {
  const expected = count * PRINTABLE_SHARE;
  return Math.abs(printable - expected) <= MAX_DEVIATIONS * Math.sqrt(expected * (1 - PRINTABLE_SHARE));
}

/** How often each value occurs: cleared, filled and read within one call. An array for each call would cost as much as the counting (bench/identify.ts). */
const histogram = new Uint16Array(256);

function fillHistogram(bytes: Uint8Array, start: number, end: number): void {
  histogram.fill(0);
  let at = start;
  for (const lastAt = end - 3; at < lastAt; at += 4) {
    histogram[u8(bytes, at)]!++;
    histogram[u8(bytes, at + 1)]!++;
    histogram[u8(bytes, at + 2)]!++;
    histogram[u8(bytes, at + 3)]!++;
  }
  for (; at < end; at++) histogram[u8(bytes, at)]!++;
}

/** Both halves of a byte are evenly spread, and values do not repeat more than chance makes them. */
function isFlat(count: number): boolean {
  let valueSquares = 0;
  let upperSquares = 0;
  for (let upper = 0; upper < 256; upper += 16) {
    let inBin = 0;
    for (let value = upper; value < upper + 16; value += 4) {
      const first = histogram[value]!;
      const second = histogram[value + 1]!;
      const third = histogram[value + 2]!;
      const fourth = histogram[value + 3]!;
      inBin += first + second + third + fourth;
      valueSquares += first * first + second * second + third * third + fourth * fourth;
    }
    upperSquares += inBin * inBin;
  }
  let lowerSquares = 0;
  for (let lower = 0; lower < 16; lower++) {
    let inBin = 0;
    for (let value = lower; value < 256; value += 64) {
      inBin += histogram[value]! + histogram[value + 16]! + histogram[value + 32]! + histogram[value + 48]!;
    }
    lowerSquares += inBin * inBin;
  }
  // A value that occurs n times makes n (n - 1) / 2 pairs.
  const pairs = (valueSquares - count) / 2;
  const expectedPairs = (count * (count - 1)) / 512;
  if (pairs > expectedPairs + MAX_DEVIATIONS * Math.sqrt(expectedPairs)) return false;
  return chiSquare(upperSquares, count) <= MAX_CHI_SQUARE && chiSquare(lowerSquares, count) <= MAX_CHI_SQUARE;
}

/** Pearson's statistic of sixteen bins against an even spread, from the sum of their squares. */
function chiSquare(squares: number, count: number): number {
  return (16 * squares) / count - count;
}
