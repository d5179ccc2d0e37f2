/**
 * Reading and comparing bytes in borrowed buffers.
 *
 * The one file of the pure core that uses the non-null assertion on array
 * elements: callers check lengths once (`end - at >= n`) and then read without
 * checks. All multi-byte readers return unsigned numbers. Reads beyond the
 * buffer are the caller's bug: they yield NaN or 0, never an exception.
 *
 * A shift is about seven times faster than `Buffer.readUInt16BE` and as fast as
 * DataView, without allocating a view for each packet.
 */

/** Unsigned byte at `at`. */
export function u8(bytes: Uint8Array, at: number): number {
  return bytes[at]!;
}

/** Unsigned 16 bits, big-endian (network order). */
export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Unsigned 24 bits, big-endian. */
export function u24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

/** Unsigned 32 bits, big-endian. */
export function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Signed 32 bits, big-endian: a small integer for V8, used for hashing and equality only. */
export function i32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Unsigned 16 bits, little-endian. */
export function u16le(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** Unsigned 32 bits, little-endian. */
export function u32le(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Unsigned 64 bits, big-endian; exact up to 2^53 - 1, rounded above. */
export function u64(bytes: Uint8Array, at: number): number {
  return u32(bytes, at) * 0x1_0000_0000 + u32(bytes, at + 4);
}

/** Unsigned 64 bits, little-endian; exact up to 2^53 - 1, rounded above. */
export function u64le(bytes: Uint8Array, at: number): number {
  return u32le(bytes, at + 4) * 0x1_0000_0000 + u32le(bytes, at);
}

/** Write 16 bits, big-endian. */
export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Write 32 bits, big-endian. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** True when `literal` stands at `at`, wholly before `end`. */
export function hasAt(bytes: Uint8Array, at: number, end: number, literal: Uint8Array): boolean {
  if (at + literal.length > end) return false;
  for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false;
  return true;
}

/**
 * True when the bytes at `at` equal `lower` ignoring ASCII letter case.
 * `lower` must already be in lower case.
 */
export function hasAtIgnoringCase(bytes: Uint8Array, at: number, end: number, lower: Uint8Array): boolean {
  if (at + lower.length > end) return false;
  for (let i = 0; i < lower.length; i++) {
    let b = bytes[at + i]!;
    if (b >= 0x41 && b <= 0x5a) b |= 0x20;
    if (b !== lower[i]) return false;
  }
  return true;
}

/** Position of `literal` in [from, end), or -1. */
export function indexOf(bytes: Uint8Array, from: number, end: number, literal: Uint8Array): number {
  const last = end - literal.length;
  const first = literal[0];
  for (let at = from; at <= last; at++) {
    if (bytes[at] === first && hasAt(bytes, at, end, literal)) return at;
  }
  return -1;
}

/** Position of `byte` in [from, end), or -1. */
export function indexOfByte(bytes: Uint8Array, from: number, end: number, byte: number): number {
  for (let at = from; at < end; at++) if (bytes[at] === byte) return at;
  return -1;
}

/** How many bytes of [start, end) are below 16: one in 16 of random ones, nearly all in tables of small numbers. */
export function countSmall(bytes: Uint8Array, start: number, end: number): number {
  let small = 0;
  for (let i = start; i < end; i++) if (u8(bytes, i) < 16) small++;
  return small;
}

/** The bytes of an ASCII or Latin-1 string (code units above 255 are truncated). */
export function ascii(text: string): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

/**
 * Latin-1 text of [start, end): one character for each byte, never throws.
 * Sixteen at a time: joining single characters is eight times slower (bench/identify.ts, HTTP fields).
 */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  let out = '';
  let at = start;
  for (; at + 16 <= end; at += 16) {
    out += String.fromCharCode(
      bytes[at]!,
      bytes[at + 1]!,
      bytes[at + 2]!,
      bytes[at + 3]!,
      bytes[at + 4]!,
      bytes[at + 5]!,
      bytes[at + 6]!,
      bytes[at + 7]!,
      bytes[at + 8]!,
      bytes[at + 9]!,
      bytes[at + 10]!,
      bytes[at + 11]!,
      bytes[at + 12]!,
      bytes[at + 13]!,
      bytes[at + 14]!,
      bytes[at + 15]!,
    );
  }
  for (; at < end; at++) out += String.fromCharCode(bytes[at]!);
  return out;
}

/** Bytes of a hexadecimal string; blanks are ignored, so that samples can be annotated. Throws on other characters. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-fA-F]/.test(digits)) throw new Error(`not hexadecimal: ${text}`);
  const out = new Uint8Array(digits.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return out;
}

const HEX_PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hexadecimal of [start, end). */
export function toHex(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let out = '';
  for (let at = start; at < end; at++) out += HEX_PAIRS[bytes[at]!]!;
  return out;
}

/** One array holding all parts in order. */
export function concat(...parts: Uint8Array[]): Uint8Array {
  let lengthBytes = 0;
  for (const part of parts) lengthBytes += part.length;
  const out = new Uint8Array(lengthBytes);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
