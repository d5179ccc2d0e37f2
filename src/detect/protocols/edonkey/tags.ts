/**
 * Tags: typed, named values in hellos, logins, search results and Kad messages.
 * Walks them to learn where they end; values are not kept.
 *
 *   type (bit 7: a name of one byte follows) | name length (2, LE) | name | value
 *
 * Y. Kulbak, D. Bickson: "The eMule Protocol Specification" (2005), section 6.1.3.
 */
import { u16le, u32le, u8 } from '../../../base/bytes.js';

const SHORT_NAME = 0x80;
/** Nicknames, file names and descriptions; longer strings come from no client. */
const MAX_STRING_BYTES = 2048;
const MAX_NAME_BYTES = 64;

/** Position behind one tag, or -1 when it is malformed or cut. */
function tagEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 2 > end) return -1;
  const type = u8(bytes, at) & ~SHORT_NAME;
  let next = at + 2;
  if ((u8(bytes, at) & SHORT_NAME) === 0) {
    if (at + 3 > end) return -1;
    const nameBytes = u16le(bytes, at + 1);
    if (nameBytes === 0 || nameBytes > MAX_NAME_BYTES) return -1;
    next = at + 3 + nameBytes;
  }
  if (next > end) return -1;
  return valueEnd(bytes, type, next, end);
}

function valueEnd(bytes: Uint8Array, type: number, at: number, end: number): number {
  const left = end - at;
  let lengthBytes: number;
  switch (type) {
    case 0x01: // hash
      lengthBytes = 16;
      break;
    case 0x02: // string
      lengthBytes = left < 2 ? -1 : 2 + u16le(bytes, at);
      if (lengthBytes > MAX_STRING_BYTES) return -1;
      break;
    case 0x03: // 32 bits
    case 0x04: // float
      lengthBytes = 4;
      break;
    case 0x05: // boolean
    case 0x09: // 8 bits
      lengthBytes = 1;
      break;
    case 0x08: // 16 bits
      lengthBytes = 2;
      break;
    case 0x0a: // short blob
      lengthBytes = left < 1 ? -1 : 1 + u8(bytes, at);
      break;
    case 0x07: // blob
      lengthBytes = left < 4 ? -1 : 4 + u32le(bytes, at);
      if (lengthBytes > MAX_STRING_BYTES) return -1;
      break;
    case 0x0b: // 64 bits
      lengthBytes = 8;
      break;
    default: // strings of 1 to 16 bytes have their length in the type
      lengthBytes = type >= 0x11 && type <= 0x20 ? type - 0x10 : -1;
  }
  return lengthBytes < 0 || lengthBytes > left ? -1 : at + lengthBytes;
}

/** Position behind `count` tags, or -1. */
export function tagsEnd(bytes: Uint8Array, at: number, end: number, count: number): number {
  let next = at;
  for (let i = 0; i < count && next >= 0; i++) next = tagEnd(bytes, next, end);
  return next;
}

/** A count of 4 bytes (at most `most`) and that many tags: position behind them, or -1. */
export function tagListEnd(bytes: Uint8Array, at: number, end: number, most: number): number {
  if (at + 4 > end) return -1;
  const count = u32le(bytes, at);
  return count > most ? -1 : tagsEnd(bytes, at + 4, end, count);
}
