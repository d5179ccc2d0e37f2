/**
 * AES-128 encryption of single blocks (FIPS 197), by tables computed once when the module loads.
 * Encryption only: counter modes and header protection need no more. For
 * published keys only: table lookups leak timing.
 */
import { i32, putU32 } from '../../base/bytes.js';

export const AES_BLOCK_BYTES = 16;
const ROUNDS = 10;

/** FIPS 197 section 5.1.1: inverse in GF(2^8), then an affine map. */
const SBOX = makeSbox();
/** SubBytes and MixColumns of a byte in row 0, 1, 2 and 3: the same words, rotated. */
const T0 = makeTable(SBOX);
const T1 = T0.map((word) => (word >>> 8) | (word << 24));
const T2 = T0.map((word) => (word >>> 16) | (word << 16));
const T3 = T0.map((word) => (word >>> 24) | (word << 8));

function makeSbox(): Uint8Array {
  const sbox = new Uint8Array(256);
  // p runs through powers of the generator 3, q through its inverses.
  let p = 1;
  let q = 1;
  do {
    p = (p ^ (p << 1) ^ (p & 0x80 ? 0x11b : 0)) & 0xff;
    q ^= q << 1;
    q ^= q << 2;
    q = (q ^ (q << 4)) & 0xff;
    if (q & 0x80) q ^= 0x09;
    const x = q | (q << 8);
    sbox[p] = (q ^ (x >> 7) ^ (x >> 6) ^ (x >> 5) ^ (x >> 4) ^ 0x63) & 0xff;
  } while (p !== 1);
  sbox[0] = 0x63;
  return sbox;
}

function makeTable(sbox: Uint8Array): Int32Array {
  const table = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    const s = sbox[i]!;
    const s2 = ((s << 1) ^ (s & 0x80 ? 0x11b : 0)) & 0xff;
    table[i] = (s2 << 24) | (s << 16) | (s << 8) | (s2 ^ s);
  }
  return table;
}

/** The 44 round-key words of a 16-byte key (FIPS 197 section 5.2). */
export function aes128Schedule(key: Uint8Array): Int32Array {
  const words = new Int32Array(4 * (ROUNDS + 1));
  for (let i = 0; i < 4; i++) words[i] = i32(key, 4 * i);
  let roundConstant = 1;
  for (let i = 4; i < words.length; i++) {
    let word = words[i - 1]!;
    if (i % 4 === 0) {
      word =
        (SBOX[(word >>> 16) & 0xff]! << 24) | (SBOX[(word >>> 8) & 0xff]! << 16) | (SBOX[word & 0xff]! << 8) | SBOX[word >>> 24]!;
      word ^= roundConstant << 24;
      roundConstant = (roundConstant << 1) ^ (roundConstant & 0x80 ? 0x11b : 0);
    }
    words[i] = words[i - 4]! ^ word;
  }
  return words;
}

/** Encrypts the block at `inAt` of `input` to `outAt` of `out` (may be the same place). */
export function aes128Encrypt(schedule: Int32Array, input: Uint8Array, inAt: number, out: Uint8Array, outAt: number): void {
  let a = i32(input, inAt) ^ schedule[0]!;
  let b = i32(input, inAt + 4) ^ schedule[1]!;
  let c = i32(input, inAt + 8) ^ schedule[2]!;
  let d = i32(input, inAt + 12) ^ schedule[3]!;
  let k = 4;
  for (let round = 1; round < ROUNDS; round++, k += 4) {
    const e = column(a, b, c, d) ^ schedule[k]!;
    const f = column(b, c, d, a) ^ schedule[k + 1]!;
    const g = column(c, d, a, b) ^ schedule[k + 2]!;
    d = column(d, a, b, c) ^ schedule[k + 3]!;
    a = e;
    b = f;
    c = g;
  }
  putU32(out, outAt, lastColumn(a, b, c, d) ^ schedule[k]!);
  putU32(out, outAt + 4, lastColumn(b, c, d, a) ^ schedule[k + 1]!);
  putU32(out, outAt + 8, lastColumn(c, d, a, b) ^ schedule[k + 2]!);
  putU32(out, outAt + 12, lastColumn(d, a, b, c) ^ schedule[k + 3]!);
}

/** SubBytes, ShiftRows and MixColumns for one output column. */
function column(a: number, b: number, c: number, d: number): number {
  return T0[a >>> 24]! ^ T1[(b >>> 16) & 0xff]! ^ T2[(c >>> 8) & 0xff]! ^ T3[d & 0xff]!;
}

/** The final round has no MixColumns. */
function lastColumn(a: number, b: number, c: number, d: number): number {
  return (SBOX[a >>> 24]! << 24) | (SBOX[(b >>> 16) & 0xff]! << 16) | (SBOX[(c >>> 8) & 0xff]! << 8) | SBOX[d & 0xff]!;
}
