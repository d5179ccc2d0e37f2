/**
 * Walks bencoded bytes (BEP 3, "bencoding") by offsets: no values are built, no
 * memory is allocated, nothing is recursive. Depth is bounded; what exceeds it
 * counts as malformed. Does not check that dictionary keys are sorted: several
 * clients send them unsorted.
 *
 * All functions answer a position (0 or more), or one of the negative statuses.
 */
import { hasAt, u8 } from '../../../base/bytes.js';

/** The bytes end inside the value: fine so far. */
export const CUT = -1;
/** The bytes cannot be bencoded data. */
export const MALFORMED = -2;
/** The dictionary is whole and lacks the key. */
export const ABSENT = -3;

/** KRPC and metadata nest 5 deep; peers' extension dictionaries 3. */
const MAX_DEPTH = 12;
/** Longest integer: sign and 19 digits of 2^63. */
const MAX_INTEGER_DIGITS = 20;
/** No string of a datagram or stream prefix is longer than 7 digits can say. */
const MAX_LENGTH_DIGITS = 7;

const COLON = 0x3a;
const LETTER_D = 0x64;
const LETTER_E = 0x65;
const LETTER_I = 0x69;
const LETTER_L = 0x6c;
const MINUS = 0x2d;

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Position after the string that begins at `at` (`4:spam`); CUT also when its content is cut. */
export function endOfString(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return CUT;
  const first = u8(bytes, at);
  if (!isDigit(first)) return MALFORMED;
  let lengthBytes = first - 0x30;
  let next = at + 1;
  for (; next < end && next - at < MAX_LENGTH_DIGITS; next++) {
    const byte = u8(bytes, next);
    if (!isDigit(byte)) break;
    if (lengthBytes === 0) return MALFORMED; // leading zero
    lengthBytes = lengthBytes * 10 + byte - 0x30;
  }
  if (next >= end) return CUT;
  if (u8(bytes, next) !== COLON) return MALFORMED;
  const after = next + 1 + lengthBytes;
  return after > end ? CUT : after;
}

/** First byte of the content of the string at `at` (which may itself be cut); CUT or MALFORMED like `endOfString`. */
export function contentOfString(bytes: Uint8Array, at: number, end: number): number {
  for (let next = at; next < end && next - at <= MAX_LENGTH_DIGITS; next++) {
    const byte = u8(bytes, next);
    if (byte === COLON && next > at) return next + 1;
    if (!isDigit(byte)) return MALFORMED;
  }
  return CUT;
}

/** Position after the integer that begins at `at` (`i-42e`). */
function endOfInteger(bytes: Uint8Array, at: number, end: number): number {
  let next = at + 1;
  if (next < end && u8(bytes, next) === MINUS) next++;
  const digitsAt = next;
  for (; next < end && next - digitsAt < MAX_INTEGER_DIGITS; next++) {
    if (!isDigit(u8(bytes, next))) break;
  }
  if (next >= end) return CUT;
  return u8(bytes, next) === LETTER_E && next > digitsAt ? next + 1 : MALFORMED;
}

/**
 * Position after the value that begins at `at`, of whatever kind.
 * A dictionary must alternate string keys and values.
 */
export function endOfValue(bytes: Uint8Array, at: number, end: number): number {
  let depth = 0;
  // One bit for each level: is it a dictionary, and is its key due?
  let dictionaries = 0;
  let keysDue = 0;
  let next = at;
  do {
    if (next >= end) return CUT;
    const byte = u8(bytes, next);
    const level = 1 << depth;
    if (byte === LETTER_E) {
      // A key without its value is no dictionary.
      if (depth === 0 || (dictionaries & level && !(keysDue & level))) return MALFORMED;
      depth--;
      next++;
      continue;
    }
    if (dictionaries & level && depth > 0) {
      if (keysDue & level && !isDigit(byte)) return MALFORMED;
      keysDue ^= level;
    }
    if (byte === LETTER_D || byte === LETTER_L) {
      if (++depth > MAX_DEPTH) return MALFORMED;
      const inner = 1 << depth;
      dictionaries = byte === LETTER_D ? dictionaries | inner : dictionaries & ~inner;
      keysDue |= inner;
      next++;
      continue;
    }
    next = byte === LETTER_I ? endOfInteger(bytes, next, end) : endOfString(bytes, next, end);
    if (next < 0) return next;
  } while (depth > 0);
  return next;
}

/**
 * Position of the value of `key` in the dictionary that begins at `at`.
 * ABSENT when the whole dictionary lacks it, CUT when it may still come. The
 * value itself may be cut.
 */
export function valueAt(bytes: Uint8Array, at: number, end: number, key: Uint8Array): number {
  if (at >= end) return CUT;
  if (u8(bytes, at) !== LETTER_D) return MALFORMED;
  let next = at + 1;
  for (;;) {
    if (next >= end) return CUT;
    if (u8(bytes, next) === LETTER_E) return ABSENT;
    const keyEnd = endOfString(bytes, next, end);
    if (keyEnd < 0) return keyEnd;
    const contentAt = contentOfString(bytes, next, keyEnd);
    if (keyEnd - contentAt === key.length && hasAt(bytes, contentAt, keyEnd, key)) return keyEnd;
    next = endOfValue(bytes, keyEnd, end);
    if (next < 0) return next;
  }
}

/** Value of the non-negative integer at `at` (`i6881e`), or -1 when it is none, cut or beyond 2^53. A negative `at` (a status) is none. */
export function integerAt(bytes: Uint8Array, at: number, end: number): number {
  if (at < 0 || at >= end || u8(bytes, at) !== LETTER_I) return -1;
  const after = endOfInteger(bytes, at, end);
  if (after < 0 || u8(bytes, at + 1) === MINUS) return -1;
  let value = 0;
  for (let digitAt = at + 1; digitAt < after - 1; digitAt++) value = value * 10 + (u8(bytes, digitAt) - 0x30);
  return Number.isSafeInteger(value) ? value : -1;
}
