/**
 * The FastTrack stream cipher for encryption types 0x01, 0x08 and 0x09: a 63-byte pad
 * made by a modular cube, stepped for each byte, optionally sent through a permutation.
 *
 * Types with the bits 0x02, 0x20 or 0x80 (the usual 0x29 and 0xA9 among them) need pad
 * mixers that are not described anywhere, and 0x04, 0x10 and 0x100 belong with them:
 * `createKeyStream` answers null for those. Enough for simulated peers, not for reading recorded sessions.
 */
import { fromHex, toHex, u32le } from '../base/bytes.js';
import { md5 } from '../base/md5.js';

const PAD_BYTES = 63;
/** Pad from the modular cube. */
const TYPE_CUBE = 0x01;
/** Output permutation. */
const TYPE_PERMUTE = 0x08;
const AVAILABLE_TYPES: readonly number[] = [TYPE_CUBE, TYPE_PERMUTE, TYPE_CUBE | TYPE_PERMUTE];

/** The 2048-bit modulus of the cube, most significant digit first. */
const MODULUS = BigInt(
  `0x${toHex(
    fromHex(`
    d453ec0a34eb20ca0a532f6aae08473dc6f2dc0e96e62735dd331dd5522f69d10d7a00501928851271a157acde7aa2fedbd26bb04d23ffc1
    b6a31787315d578051be98b0da2d7944ed64060a96e537a7a4037cdbde3c6725e9db63418443fd050829ee6d18e4dd48d61a70558606342a
    c3741ca71e4970e510a931f8b42d2df05250e6fe0a7703d88781ab210032a3dfe957a9b5d238b5b8363dc15e2c0054b3390a5a36b15e2216
    69f29f9af97bb445695b3ca272f554fce475aa9e6e37192e91fd3a9ebc8c0457e7ee26ad19d2974dc11f00e38d5b5eb2e84b25f81b32a36f
    ba1519a15efa55ffe569c5fc96d7f927bf77b6d6193bbd8f31c4a05eeb96841d`),
  )}`,
);

/** Key bytes in order; XOR with data. Encryption and decryption are the same. */
export interface KeyStream {
  /** The next key byte. */
  next(): number;
}

/** The generator behind seeds: a linear congruence modulo 2^32. */
export function step(seed: number): number {
  return (Math.imul(0x10dcd, seed) + 0x4271) >>> 0;
}

/** True for the types that this module can encrypt. */
export function isAvailableType(type: number): boolean {
  return AVAILABLE_TYPES.includes(type);
}

/** A key stream at its first byte, or null when the type needs unavailable mixers. */
export function createKeyStream(seed: number, type: number): KeyStream | null {
  return isAvailableType(type) ? new PadStream(seed >>> 0, (type & TYPE_PERMUTE) !== 0) : null;
}

/** Data XOR the next key bytes, as a new array. */
export function applyKeyStream(stream: KeyStream, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = (data[i] ?? 0) ^ stream.next();
  return out;
}

class PadStream implements KeyStream {
  readonly #pad: Uint8Array;
  readonly #table: Uint8Array;
  readonly #permutes: boolean;
  #at: number;
  #shift = 0;

  constructor(seed: number, permutes: boolean) {
    const { pad, seedAfter } = cubePad(seed);
    if (!pad.some((byte) => (byte & 1) === 1)) pad[0] = (pad[0] ?? 0) | 0x71;
    this.#pad = pad;
    this.#permutes = permutes;
    this.#at = ((step(seedAfter) >>> 16) * PAD_BYTES) >>> 16;
    this.#table = permutation(permutes ? pad : null);
    stir(pad, (this.#at * this.#at + 2) % 59);
  }

  next(): number {
    const pad = this.#pad;
    const before = this.#at === 0 ? PAD_BYTES - 1 : this.#at - 1;
    const x = ((pad[this.#at] ?? 0) + (pad[before] ?? 0)) & 0xff;
    pad[this.#at] = x;
    if (this.#at === 7 && (x & 0x70) === 0) {
      const sum = x + (pad[2] ?? 0);
      stir(pad, (sum * sum + 2) % 59);
    }
    // The byte that ends a round already uses the next shift.
    if (++this.#at === PAD_BYTES) {
      this.#at = 0;
      if (this.#permutes) this.#shift++;
    }
    return this.#table[(this.#shift + x) & 0xff] ?? 0;
  }
}

/** Steps a 256-byte number out of the seed and cubes it modulo MODULUS; the pad is its 63 lowest bytes. */
function cubePad(seed: number): { pad: Uint8Array; seedAfter: number } {
  let state = seed;
  let base = 0n;
  for (let i = 0; i < 255; i++) {
    state = step(state);
    base |= BigInt((state >>> 17) % 0xe0) << BigInt(8 * i);
  }
  base |= 1n << BigInt(8 * 255);
  let cube = (base * base * base) % MODULUS;
  const pad = new Uint8Array(PAD_BYTES);
  for (let i = 0; i < PAD_BYTES; i++) {
    pad[i] = Number(cube & 0xffn);
    cube >>= 8n;
  }
  return { pad, seedAfter: state };
}

/** The identity, or the shuffle drawn from MD5 of the pad. */
function permutation(pad: Uint8Array | null): Uint8Array {
  const table = new Uint8Array(256).map((_, i) => i);
  if (!pad) return table;
  let random = u32le(md5(pad), 0);
  for (let i = 0; i < 256; i++) {
    random = step(random);
    const j = i + (((random >>> 16) * (256 - i)) >>> 16);
    const kept = table[i] ?? 0;
    table[i] = table[j] ?? 0;
    table[j] = kept;
  }
  return table;
}

/** Sorts five pad bytes by (byte XOR 0x20), then changes every third byte from the fifth. */
function stir(pad: Uint8Array, at: number): void {
  const five = [...pad.subarray(at, at + 5)].sort((a, b) => (a ^ 0x20) - (b ^ 0x20));
  pad.set(five, at);
  for (let i = 5; i < PAD_BYTES; i += 3) pad[i] = ((~(pad[i] ?? 0) + i) & 0xff) | 1;
}
