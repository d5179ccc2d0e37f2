/** Builds eDonkey and Kad messages for unit tests: frames, hellos, logins, contacts. Deliberately simple. */
import { ascii, concat, fromHex } from '../../../base/bytes.js';

export const HASH = fromHex('10ed3b2c0d0eddf44a842924b4ce6fa6');
export const FILE = fromHex('2168aacaa4d02f2538c07393ae4827a4');

const le16 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, value >> 8);
const le32 = (value: number): Uint8Array => Uint8Array.of(value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24);

/** Marker, length, opcode, body. */
export function frame(marker: number, opcode: number, ...body: Uint8Array[]): Uint8Array {
  const joined = concat(...body);
  return concat(Uint8Array.of(marker), le32(joined.length + 1), Uint8Array.of(opcode), joined);
}

/** Name, version and port tags as aMule writes them. */
export const TAGS = concat(le32(3), fromHex('02 0100 01'), le16(8), ascii('Somebody'), fromHex('03 0100 11 3c000000'), fromHex('03 0100 f9 40124012'));

/** Hello to a client at 192.0.2.1:4662, logged in at 198.51.100.30:4661. */
export function hello(): Uint8Array {
  return frame(0xe3, 0x01, Uint8Array.of(16), HASH, fromHex('c0000201'), le16(4662), TAGS, fromHex('c633641e'), le16(4661));
}

export function helloAnswer(): Uint8Array {
  return frame(0xe3, 0x4c, HASH, fromHex('c0000201'), le16(4663), TAGS, fromHex('000000000000'));
}

/** Login to a server. */
export function login(): Uint8Array {
  return frame(0xe3, 0x01, HASH, fromHex('00000000'), le16(4662), TAGS);
}

/** A Kad contact at 192.0.2.n, UDP 4672, TCP 4662, version 8; its address stands as a little-endian number. */
export function contact(n: number): Uint8Array {
  return concat(HASH, Uint8Array.of(n, 2, 0, 192), le16(4672), le16(4662), Uint8Array.of(8));
}

/** Bytes without pattern, the same for the same seed (xorshift32, George Marsaglia 2003). */
export function pseudoRandom(seed: number, lengthBytes: number): Uint8Array {
  const out = new Uint8Array(lengthBytes);
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  for (let i = 0; i < lengthBytes; i++) {
    for (let round = 0; round < 2; round++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
    }
    out[i] = state >>> 11;
  }
  return out;
}

/** Random bytes whose first one is given. */
export function opening(firstByte: number, lengthBytes: number, seed = 3): Uint8Array {
  const out = pseudoRandom(seed + lengthBytes, lengthBytes);
  out[0] = firstByte;
  return out;
}
