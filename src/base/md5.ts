/**
 * MD5 (RFC 1321) over one array, for protocols whose wire format contains it.
 * Not for security: MD5 is broken as a cryptographic hash.
 */
import { u32le } from './bytes.js';

/** Rotation amounts of the four rounds (RFC 1321 section 3.4). */
const ROTATIONS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21] as const;

/** RFC 1321 section 3.4: T[i] is the integer part of 2^32 times |sin(i)|, i in radians from 1. */
const SINES: readonly number[] = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 0x1_0000_0000));

/** The 16-byte digest. Allocates a padded copy of the input. */
export function md5(input: Uint8Array): Uint8Array {
  const paddedBytes = ((input.length + 8) >>> 6) * 64 + 64;
  const block = new Uint8Array(paddedBytes);
  block.set(input);
  block[input.length] = 0x80;
  putU32le(block, paddedBytes - 8, (input.length << 3) >>> 0);
  putU32le(block, paddedBytes - 4, Math.floor(input.length / 0x2000_0000));

  let a0 = 0x67452301;
  let b0 = 0xefcdab89 | 0;
  let c0 = 0x98badcfe | 0;
  let d0 = 0x10325476;
  for (let at = 0; at < paddedBytes; at += 64) {
    let a = a0;
    let b = b0;
    let c = c0;
    let d = d0;
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      let mixed: number;
      let wordIndex: number;
      if (round === 0) {
        mixed = (b & c) | (~b & d);
        wordIndex = i;
      } else if (round === 1) {
        mixed = (d & b) | (~d & c);
        wordIndex = (5 * i + 1) & 15;
      } else if (round === 2) {
        mixed = b ^ c ^ d;
        wordIndex = (3 * i + 5) & 15;
      } else {
        mixed = c ^ (b | ~d);
        wordIndex = (7 * i) & 15;
      }
      const sum = (a + mixed + (SINES[i] ?? 0) + u32le(block, at + 4 * wordIndex)) | 0;
      const bits = ROTATIONS[round * 4 + (i & 3)] ?? 0;
      a = d;
      d = c;
      c = b;
      b = (b + ((sum << bits) | (sum >>> (32 - bits)))) | 0;
    }
    a0 = (a0 + a) | 0;
    b0 = (b0 + b) | 0;
    c0 = (c0 + c) | 0;
    d0 = (d0 + d) | 0;
  }
  const out = new Uint8Array(16);
  [a0, b0, c0, d0].forEach((word, i) => {
    putU32le(out, 4 * i, word >>> 0);
  });
  return out;
}

function putU32le(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
