/**
 * Functions that the generated JavaScript calls: `operations.ts`, and forms of it with the choice already made.
 */
import { ascii, concat } from '../../base/bytes.js';
import { hexdumpText } from '../hexdump.js';
import type { TimePart } from '../ir.js';
import { decodeNumber, formatBytes, formatLength, timePart } from '../operations.js';
import type { Output } from '../run-context.js';

export { compareBytes, equalBytes, equalIgnoringCase, hasDigits, parseDecimal, searchBytes, writeTime } from '../operations.js';

/** Every byte has a 1 in the table, and there is one. */
export function allIn(table: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (table[bytes[i] ?? 0] === 0) return false;
  return length > 0;
}

export function clamp(value: number, most: number): number {
  return Math.min(Math.max(value, 0), most);
}

type Decode = (bytes: Uint8Array, at: number) => number;
export const u8: Decode = (bytes, at) => decodeNumber('u8', bytes, at);
export const be16s: Decode = (bytes, at) => decodeNumber('be16s', bytes, at);
export const be16u: Decode = (bytes, at) => decodeNumber('be16u', bytes, at);
export const le16s: Decode = (bytes, at) => decodeNumber('le16s', bytes, at);
export const le16u: Decode = (bytes, at) => decodeNumber('le16u', bytes, at);
export const be32: Decode = (bytes, at) => decodeNumber('be32', bytes, at);
export const le32: Decode = (bytes, at) => decodeNumber('le32', bytes, at);

const part = (name: TimePart) => (epochSeconds: number): number => timePart(name, epochSeconds);
export const sec = part('sec');
export const min = part('min');
export const hour = part('hour');
export const mday = part('mday');
export const mon = part('mon');
export const year = part('year');
export const wday = part('wday');

// Byte loops instead of TypedArray methods: source and target may be the same array, and the strings are short.
export function copyTo(out: Uint8Array, to: number, bytes: Uint8Array, at: number, length: number): void {
  for (let i = 0; i < length; i++) out[to + i] = bytes[at + i] ?? 0;
}

type Combine = (out: Uint8Array, to: number, a: Uint8Array, aAt: number, length: number, b: Uint8Array, bAt: number) => void;
export const bitwise_and: Combine = (out, to, a, aAt, length, b, bAt) => {
  for (let i = 0; i < length; i++) out[to + i] = (a[aAt + i] ?? 0) & (b[bAt + i] ?? 0);
};
export const bitwise_or: Combine = (out, to, a, aAt, length, b, bAt) => {
  for (let i = 0; i < length; i++) out[to + i] = (a[aAt + i] ?? 0) | (b[bAt + i] ?? 0);
};
export const bitwise_xor: Combine = (out, to, a, aAt, length, b, bAt) => {
  for (let i = 0; i < length; i++) out[to + i] = (a[aAt + i] ?? 0) ^ (b[bAt + i] ?? 0);
};

export function lower(out: Uint8Array, to: number, bytes: Uint8Array, at: number, length: number): void {
  for (let i = 0; i < length; i++) {
    const byte = bytes[at + i] ?? 0;
    out[to + i] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  }
}

export function upper(out: Uint8Array, to: number, bytes: Uint8Array, at: number, length: number): void {
  for (let i = 0; i < length; i++) {
    const byte = bytes[at + i] ?? 0;
    out[to + i] = byte >= 0x61 && byte <= 0x7a ? byte & ~0x20 : byte;
  }
}

type Measure = (bytes: Uint8Array, at: number, length: number) => number;
type Format = (out: Uint8Array, to: number, bytes: Uint8Array, at: number, length: number) => number;
export const ipv4Length: Measure = (bytes, at, length) => formatLength('ipv4', bytes, at, length);
export const macLength: Measure = (bytes, at, length) => formatLength('mac', bytes, at, length);
export const ipv4: Format = (out, to, bytes, at, length) => formatBytes('ipv4', out, to, bytes, at, length);
export const mac: Format = (out, to, bytes, at, length) => formatBytes('mac', out, to, bytes, at, length);

export function copyOf(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return bytes.slice(at, at + length);
}

export function intText(value: number): Uint8Array {
  return ascii(String(value));
}

export function printed(parts: readonly Uint8Array[], newline: boolean): Output {
  return { kind: 'print', bytes: newline ? concat(...parts, ascii('\n')) : concat(...parts) };
}

export function hexdumped(bytes: Uint8Array, at: number, length: number): Output {
  return { kind: 'hexdump', bytes: hexdumpText(bytes, at, length) };
}
