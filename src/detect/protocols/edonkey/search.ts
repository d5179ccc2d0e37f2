/**
 * What a person searches for, as programs send it to servers over TCP and UDP: a tree in prefix order.
 *
 *   00 operator (0 to 2), two branches | 01 word | 02 word, field | 03 number (4), comparison, field | 08 number (8), comparison, field
 *
 * "The eMule Protocol Specification" (2005) section 6.2.8; 64-bit numbers as eMule 0.50 sends them.
 */
import { u16le, u8 } from '../../../base/bytes.js';

/** Deepest and widest trees that programs build from what a person types. */
const MAX_SEARCH_NODES = 64;

/**
 * Whether [at, end) is one tree. Connections of games and caches that are numbered like the opcode go on with zeros,
 * too, but not as a tree.
 */
export function isSearchTree(bytes: Uint8Array, at: number, end: number): boolean {
  let next = at;
  let due = 1;
  for (let nodes = 0; due > 0 && nodes < MAX_SEARCH_NODES; nodes++) {
    if (next + 2 > end) return false;
    const kind = u8(bytes, next);
    if (kind === 0x00) {
      if (u8(bytes, next + 1) > 2) return false;
      next += 2;
      due++;
      continue;
    }
    if (kind === 0x01 || kind === 0x02) next = wordEnd(bytes, next + 1, end);
    else if (kind === 0x03) next += 1 + 4 + 1;
    else if (kind === 0x08) next += 1 + 8 + 1;
    else return false;
    // The name of a field has its length in front, like a word.
    if (kind !== 0x01 && next >= 0) next = wordEnd(bytes, next, end);
    if (next < 0) return false;
    due--;
  }
  return due === 0 && next === end;
}

/** Position behind a word of at least one byte, or -1. */
function wordEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 2 > end) return -1;
  const next = at + 2 + u16le(bytes, at);
  return next > at + 2 && next <= end ? next : -1;
}
