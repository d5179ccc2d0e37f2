/**
 * SHA-256 (FIPS 180-4), HMAC (RFC 2104) and the parts of HKDF (RFC 5869) that
 * QUIC's Initial keys need. Pure TypeScript, because the detection core may not
 * use node:crypto. For published keys only: no constant-time claims.
 */
import { putU32, u32, u8 } from '../../base/bytes.js';

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

/** One hash in progress. */
class Sha256 {
  readonly #state: Int32Array;
  readonly #schedule: Int32Array;
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #blockBytes = 0;
  #totalBytes: number;

  constructor(state: Int32Array, totalBytes: number, schedule: Int32Array) {
    this.#state = state.slice();
    this.#totalBytes = totalBytes;
    this.#schedule = schedule;
  }

  update(bytes: Uint8Array): void {
    this.#totalBytes += bytes.length;
    let at = 0;
    while (at < bytes.length) {
      const take = Math.min(BLOCK_BYTES - this.#blockBytes, bytes.length - at);
      this.#block.set(bytes.subarray(at, at + take), this.#blockBytes);
      this.#blockBytes += take;
      at += take;
      if (this.#blockBytes === BLOCK_BYTES) {
        compress(this.#state, this.#block, this.#schedule);
        this.#blockBytes = 0;
      }
    }
  }

  /** Pads (FIPS 180-4 section 5.1.1) and gives the 32 bytes of the digest. The object is spent then. */
  digest(): Uint8Array {
    const block = this.#block;
    block[this.#blockBytes] = 0x80;
    block.fill(0, this.#blockBytes + 1);
    if (this.#blockBytes >= BLOCK_BYTES - 8) {
      compress(this.#state, block, this.#schedule);
      block.fill(0);
    }
    putU32(block, 56, Math.floor(this.#totalBytes / 0x2000_0000));
    putU32(block, 60, (this.#totalBytes * 8) >>> 0);
    compress(this.#state, block, this.#schedule);
    const out = new Uint8Array(SHA256_BYTES);
    for (let i = 0; i < 8; i++) putU32(out, 4 * i, this.#state[i]!);
    return out;
  }
}

/** FIPS 180-4 section 6.2.2. `schedule`: 64 words of scratch. */
function compress(state: Int32Array, block: Uint8Array, schedule: Int32Array): void {
  for (let i = 0; i < 16; i++) schedule[i] = u32(block, 4 * i);
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
  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
  state[4] = state[4]! + e;
  state[5] = state[5]! + f;
  state[6] = state[6]! + g;
  state[7] = state[7]! + h;
}

/** SHA-256 of some bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const hash = new Sha256(INITIAL, 0, new Int32Array(64));
  hash.update(bytes);
  return hash.digest();
}

/** A key of HMAC-SHA-256 whose two pads are already hashed: two compressions for each short message instead of four. */
export interface HmacKey {
  readonly inner: Int32Array;
  readonly outer: Int32Array;
}

/** Prepares a key of at most 64 bytes (RFC 2104 section 2). */
export function hmacKey(key: Uint8Array): HmacKey {
  const schedule = new Int32Array(64);
  const pad = (value: number): Int32Array => {
    const block = new Uint8Array(BLOCK_BYTES).fill(value);
    for (let i = 0; i < key.length; i++) block[i] = value ^ u8(key, i);
    const state = INITIAL.slice();
    compress(state, block, schedule);
    return state;
  };
  return { inner: pad(0x36), outer: pad(0x5c) };
}

/** HMAC-SHA-256. With a salt as key this is HKDF-Extract (RFC 5869 section 2.2). */
export function hmacSha256(key: HmacKey, message: Uint8Array): Uint8Array {
  const schedule = new Int32Array(64);
  const inner = new Sha256(key.inner, BLOCK_BYTES, schedule);
  inner.update(message);
  const outer = new Sha256(key.outer, BLOCK_BYTES, schedule);
  outer.update(inner.digest());
  return outer.digest();
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
  return hmacSha256(secret, label).subarray(0, lengthBytes);
}
