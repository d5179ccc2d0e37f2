/**
 * Operations on byte strings and times that the interpreter and the generated
 * JavaScript share: total functions of (bytes, start, length), allocating nothing.
 *
 * Their meaning is that of the operations of the same name in `ir.ts`.
 */
import { u16, u32, u8 } from '../base/bytes.js';
import type { ArithFn, DecodeForm, Rel, TimePart } from './ir.js';

function fold(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** Bytewise: negative, 0 or positive. */
export function compareBytes(a: Uint8Array, aAt: number, aLength: number, b: Uint8Array, bAt: number, bLength: number): number {
  const common = Math.min(aLength, bLength);
  for (let i = 0; i < common; i++) {
    const difference = u8(a, aAt + i) - u8(b, bAt + i);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

export function equalBytes(a: Uint8Array, aAt: number, aLength: number, b: Uint8Array, bAt: number, bLength: number): boolean {
  if (aLength !== bLength) return false;
  for (let i = 0; i < aLength; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

/** ASCII letters compare equal in both cases. */
export function equalIgnoringCase(a: Uint8Array, aAt: number, aLength: number, b: Uint8Array, bAt: number, bLength: number): boolean {
  if (aLength !== bLength) return false;
  for (let i = 0; i < aLength; i++) if (fold(u8(a, aAt + i)) !== fold(u8(b, bAt + i))) return false;
  return true;
}

export function relHolds(rel: Rel, difference: number): boolean {
  switch (rel) {
    case 'eq':
      return difference === 0;
    case 'ne':
      return difference !== 0;
    case 'lt':
      return difference < 0;
    case 'le':
      return difference <= 0;
    case 'gt':
      return difference > 0;
    case 'ge':
      return difference >= 0;
  }
}

/** Position of the needle in [from, end), or -1. An empty needle is found at `from`. */
export function searchBytes(
  bytes: Uint8Array, from: number, end: number,
  needle: Uint8Array, needleAt: number, needleLength: number, ignoreCase: boolean,
): number {
  if (needleLength === 0) return from;
  const last = end - needleLength;
  const first = u8(needle, needleAt);
  if (ignoreCase) {
    const folded = fold(first);
    for (let at = from; at <= last; at++) {
      if (fold(u8(bytes, at)) === folded && equalIgnoringCase(bytes, at, needleLength, needle, needleAt, needleLength)) return at;
    }
    return -1;
  }
  for (let at = from; at <= last; at++) {
    if (bytes[at] === first && equalBytes(bytes, at, needleLength, needle, needleAt, needleLength)) return at;
  }
  return -1;
}

/** Signed 32-bit arithmetic; div and mod need b other than 0. */
export function arith(fn: ArithFn, a: number, b: number): number {
  switch (fn) {
    case 'add':
      return (a + b) | 0;
    case 'sub':
      return (a - b) | 0;
    case 'mult':
      return Math.imul(a, b);
    case 'div':
      return (a / b) | 0;
    case 'mod':
      return (a % b) | 0;
    case 'and':
      return a & b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'lshift':
      return b >>> 0 > 31 ? 0 : a << b;
    case 'rshift':
      return a >> (b >>> 0 > 31 ? 31 : b);
  }
}

/** Bytes that a form reads. */
export function decodeLength(form: DecodeForm): number {
  return form === 'u8' ? 1 : form === 'be32' || form === 'le32' ? 4 : 2;
}

export function decodeNumber(form: DecodeForm, bytes: Uint8Array, at: number): number {
  switch (form) {
    case 'u8':
      return u8(bytes, at);
    case 'be16u':
      return u16(bytes, at);
    case 'be16s':
      return (u16(bytes, at) << 16) >> 16;
    case 'le16u':
      return u8(bytes, at) | (u8(bytes, at + 1) << 8);
    case 'le16s':
      return ((u8(bytes, at) | (u8(bytes, at + 1) << 8)) << 16) >> 16;
    case 'be32':
      return u32(bytes, at) | 0;
    case 'le32':
      return u8(bytes, at) | (u8(bytes, at + 1) << 8) | (u8(bytes, at + 2) << 16) | (u8(bytes, at + 3) << 24);
  }
}

/** True when a decimal number, with an optional sign, begins the string. */
export function hasDigits(bytes: Uint8Array, at: number, length: number): boolean {
  let i = 0;
  if (length > 0 && (bytes[at] === 0x2d || bytes[at] === 0x2b)) i = 1;
  if (i >= length) return false;
  const byte = u8(bytes, at + i);
  return byte >= 0x30 && byte <= 0x39;
}

/** The decimal number at the start, saturated; 0 when `hasDigits` is false. */
export function parseDecimal(bytes: Uint8Array, at: number, length: number): number {
  let i = 0;
  let isNegative = false;
  if (length > 0 && (bytes[at] === 0x2d || bytes[at] === 0x2b)) {
    isNegative = bytes[at] === 0x2d;
    i = 1;
  }
  let value = 0;
  for (; i < length; i++) {
    const digit = u8(bytes, at + i) - 0x30;
    if (digit < 0 || digit > 9) break;
    // Beyond 2^31 the value only has to stay there: no loss of precision below 2^53.
    if (value <= 0x8000_0000) value = value * 10 + digit;
  }
  if (isNegative) return value >= 0x8000_0000 ? -0x8000_0000 : -value | 0;
  return Math.min(value, 0x7fff_ffff);
}

/** Bytes that `formatBytes` writes. */
export function formatLength(form: 'ipv4' | 'mac', bytes: Uint8Array, at: number, length: number): number {
  if (form === 'mac') return length === 0 ? 0 : 3 * length - 1;
  let total = 3;
  for (let i = 0; i < 4; i++) {
    const byte = u8(bytes, at + i);
    total += byte > 99 ? 3 : byte > 9 ? 2 : 1;
  }
  return total;
}

const HEX_DIGITS = '0123456789abcdef';

/** Writes the text form at `to`, returns its length. */
export function formatBytes(form: 'ipv4' | 'mac', out: Uint8Array, to: number, bytes: Uint8Array, at: number, length: number): number {
  let end = to;
  for (let i = 0; i < length; i++) {
    const byte = u8(bytes, at + i);
    if (i > 0) out[end++] = form === 'mac' ? 0x3a : 0x2e;
    if (form === 'mac') {
      out[end++] = HEX_DIGITS.charCodeAt(byte >> 4);
      out[end++] = HEX_DIGITS.charCodeAt(byte & 15);
    } else {
      if (byte > 99) out[end++] = 0x30 + Math.floor(byte / 100);
      if (byte > 9) out[end++] = 0x30 + (Math.floor(byte / 10) % 10);
      out[end++] = 0x30 + (byte % 10);
    }
  }
  return end - to;
}

/** Length of the string that localtime and gmtime make: seven 16-bit fields. */
export const TIME_BYTES = 14;
const TIME_PARTS: readonly TimePart[] = ['sec', 'min', 'hour', 'mday', 'mon', 'year', 'wday'];

/** Place of a part in that string. */
export function timePartAt(part: TimePart): number {
  return 2 * TIME_PARTS.indexOf(part);
}

/** Part of epoch seconds as scripts see it: mon 1-12, year four digits, wday Monday = 1 ... Sunday = 7. */
export function timePart(part: TimePart, epochSeconds: number): number {
  const days = Math.floor(epochSeconds / 86400);
  const second = epochSeconds - days * 86400;
  switch (part) {
    case 'sec':
      return second % 60;
    case 'min':
      return Math.floor(second / 60) % 60;
    case 'hour':
      return Math.floor(second / 3600);
    case 'wday':
      // 1970-01-01 was a Thursday (4).
      return ((((days + 3) % 7) + 7) % 7) + 1;
    case 'mday':
    case 'mon':
    case 'year':
      return civilPart(part, days);
  }
}

/**
 * Gregorian date of a day number counted from 1970-01-01: years are taken to begin in March, so
 * that the leap day is the last one, and 400 years have 146,097 days.
 */
function civilPart(part: 'mday' | 'mon' | 'year', daysSince1970: number): number {
  // 719,468 days lie between 0000-03-01 and 1970-01-01.
  const day = daysSince1970 + 719_468;
  const era = Math.floor(day / 146_097);
  const dayOfEra = day - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  if (part === 'mday') return dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  if (part === 'mon') return month;
  return yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
}

/** Writes the string of localtime and gmtime at `to`: C conventions (mon 0-11, year - 1900, Sunday 0). */
export function writeTime(out: Uint8Array, to: number, epochSeconds: number): void {
  for (const part of TIME_PARTS) {
    const value = timePart(part, epochSeconds);
    const stored = part === 'mon' ? value - 1 : part === 'year' ? value - 1900 : part === 'wday' ? value % 7 : value;
    out[to + timePartAt(part)] = stored;
    out[to + timePartAt(part) + 1] = stored >> 8;
  }
}

/** From the stored field of a time string to what scripts see. */
export function timePartFromStored(part: TimePart, stored: number): number {
  if (part === 'mon') return stored + 1;
  if (part === 'year') return stored + 1900;
  // Written by anybody, not only by us: any 16 bits must give the same on all back ends.
  return part === 'wday' && stored === 0 ? 7 : stored;
}
