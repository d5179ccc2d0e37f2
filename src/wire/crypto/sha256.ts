/**
 * SHA-256 (FIPS 180-4), HMAC (RFC 2104) and the parts of HKDF (RFC 5869) that
 * QUIC's Initial keys need. Pure TypeScript, because the detection core may not
 * use node:crypto. For published keys only: no constant-time claims.
 */
import { putU32, u8 } from '../../base/bytes.js';

const BLOCK_BYTES = 64;
export const SHA256_BYTES = 32;

/** FIPS 180-4 section 4.2.2: fractions of the cube roots of the first 64 primes. */
const K = Int32Array.of(
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
  0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
  0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
  0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
  0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
  0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
);

/** FIPS 180-4 section 5.3.3. */
const INITIAL = Int32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19);

/** The block being hashed as words, and the words made of them. Filled and read within one call: an array for each would cost as much as hashing (bench/identify.ts). */
const schedule = new Int32Array(64);
const BLOCK_WORDS = BLOCK_BYTES / 4;
/** Longest end of a message that fits one block with its padding. */
const MAX_SHORT_BYTES = BLOCK_BYTES - 9;

/** The block becomes these bytes, at most 64, and zeros. */
function fillBlock(bytes: Uint8Array, start: number, end: number): void {
  for (let i = 0; i < BLOCK_WORDS; i++) schedule[i] = 0;
  for (let i = 0; i < end - start; i++) schedule[i >> 2]! |= u8(bytes, start + i) << (24 - 8 * (i & 3));
}

/** Behind the last byte of a message, `endAt` bytes into the block (FIPS 180-4 section 5.1.1). */
function putEndMark(endAt: number): void {
  schedule[endAt >> 2]! |= 0x80 << (24 - 8 * (endAt & 3));
}

/** In the last block of a message: its length in bits. */
function putLength(totalBytes: number): void {
  schedule[14] = Math.floor(totalBytes / 0x2000_0000);
  schedule[15] = totalBytes * 8;
}

/** FIPS 180-4 section 6.2.2: takes the block into `state`. */
function compress(state: Int32Array): void {
  for (let i = 16; i < 64; i++) {
    const x = schedule[i - 15]!;
    const y = schedule[i - 2]!;
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    schedule[i] = (schedule[i - 16]! + s0 + schedule[i - 7]! + s1) | 0;
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let f = state[5]!;
  let g = state[6]!;
  let h = state[7]!;
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i]! + schedule[i]!) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
  state[4]! += e;
  state[5]! += f;
  state[6]! += g;
  state[7]! += h;
}

/** Takes a message into a state that has taken `beforeBytes` (whole blocks), and ends it. */
function finish(state: Int32Array, beforeBytes: number, message: Uint8Array): void {
  let at = 0;
  for (; message.length - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
    fillBlock(message, at, at + BLOCK_BYTES);
    compress(state);
  }
  fillBlock(message, at, message.length);
  putEndMark(message.length - at);
  if (message.length - at > MAX_SHORT_BYTES) {
    compress(state);
    schedule.fill(0, 0, BLOCK_WORDS);
  }
  putLength(beforeBytes + message.length);
  compress(state);
}

function digestOf(state: Int32Array): Uint8Array {
  const digest = new Uint8Array(SHA256_BYTES);
  for (let i = 0; i < 8; i++) putU32(digest, 4 * i, state[i]!);
  return digest;
}

/** SHA-256 of some bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const state = INITIAL.slice();
  finish(state, 0, bytes);
  return digestOf(state);
}

/** A key of HMAC-SHA-256 whose two pads are already hashed: two compressions for each short message instead of four. */
export interface HmacKey {
  readonly inner: Int32Array;
  readonly outer: Int32Array;
}

/** Prepares a key of at most 64 bytes (RFC 2104 section 2). */
export function hmacKey(key: Uint8Array): HmacKey {
  return { inner: hashedPad(key, 0x36363636), outer: hashedPad(key, 0x5c5c5c5c) };
}

function hashedPad(key: Uint8Array, pad: number): Int32Array {
  fillBlock(key, 0, key.length);
  for (let i = 0; i < BLOCK_WORDS; i++) schedule[i]! ^= pad;
  const state = INITIAL.slice();
  compress(state);
  return state;
}

/** HMAC-SHA-256. With a salt as key this is HKDF-Extract (RFC 5869 section 2.2). */
export function hmacSha256(key: HmacKey, message: Uint8Array): Uint8Array {
  const inner = key.inner.slice();
  finish(inner, BLOCK_BYTES, message);
  const outer = key.outer.slice();
  for (let i = 0; i < BLOCK_WORDS; i++) schedule[i] = i < 8 ? inner[i]! : 0;
  putEndMark(SHA256_BYTES);
  putLength(BLOCK_BYTES + SHA256_BYTES);
  compress(outer);
  return digestOf(outer);
}

/**
 * The information of HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context, followed by
 * the counter 1 of HKDF-Expand's first block (RFC 5869 section 2.3). Lengths up to 32 need no more.
 */
export function hkdfLabel(label: string, lengthBytes: number): Uint8Array {
  const text = `tls13 ${label}`;
  const out = new Uint8Array(2 + 1 + text.length + 1 + 1);
  out[1] = lengthBytes;
  out[2] = text.length;
  for (let i = 0; i < text.length; i++) out[3 + i] = text.charCodeAt(i);
  out[out.length - 1] = 1;
  return out;
}

/** HKDF-Expand for at most 32 bytes; `label` comes from {@link hkdfLabel} with the same length. */
export function hkdfExpand(secret: HmacKey, label: Uint8Array, lengthBytes: number): Uint8Array {
  const digest = hmacSha256(secret, label);
  return lengthBytes === SHA256_BYTES ? digest : digest.slice(0, lengthBytes);
}
