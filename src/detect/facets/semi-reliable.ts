/**
 * The layer under datagrams of Gnutella ("GTA") and Gnutella2 ("GND"): three letters, flags, and which part of which
 * message this is. Does not look into the parts but for whether a deflated one begins as such.
 *
 *   letters (3) | flags: 01 deflate, 02 acknowledge me, 10 cumulative, 20 extended | sequence (2) | part | count | part's bytes
 *   acknowledgement: count 0, nothing behind (4 bytes more in the extended form)
 *
 * Gnutella2 developers' network, "UDP Transceiver"; "Gnutella Semi-Reliable UDP" section 2.1.
 */
import { hasAt, u16, u8 } from '../../base/bytes.js';
import type { Inspection } from '../detector.js';

export const SEMI_RELIABLE_HEADER_BYTES = 8;
const DEFLATED = 0x01;
/** Deflate, acknowledge me, and gtk-gnutella's "acknowledgements may be cumulative"; other bits are undefined, and text has them. */
const FRAGMENT_FLAGS = 0x13;
/** Cumulative (10) and extended (20) acknowledgements are gtk-gnutella's; "acknowledge me" is ignored there. */
const ACK_FLAGS = 0x32;
const EXTENDED_ACK = 0x20;
/** Programs cut at 400 bytes or more; snap lengths of 96 leave 54. */
const LEAST_FULL_BYTES = 40;

/** What a datagram of the layer holds. */
export type SemiReliableContent = 'none' | 'acknowledgement' | 'later part' | 'deflated beginning' | 'beginning';

/** By the header and the length; `none`: it is no such datagram. The letters are the caller's. */
export function semiReliableContent(bytes: Uint8Array, start: number, end: number): SemiReliableContent {
  const lengthBytes = end - start;
  if (lengthBytes < SEMI_RELIABLE_HEADER_BYTES) return 'none';
  const flags = u8(bytes, start + 3);
  const part = u8(bytes, start + 6);
  const count = u8(bytes, start + 7);
  if (count === 0) return isAcknowledgement(bytes, start, lengthBytes) ? 'acknowledgement' : 'none';
  if (part === 0 || part > count || (flags & ~FRAGMENT_FLAGS) !== 0 || lengthBytes === SEMI_RELIABLE_HEADER_BYTES) return 'none';
  // Messages are cut into parts of some hundred bytes: all but the last are full.
  if (part < count && lengthBytes < LEAST_FULL_BYTES) return 'none';
  if (part > 1) return 'later part';
  if ((flags & DEFLATED) === 0) return 'beginning';
  const bodyAt = start + SEMI_RELIABLE_HEADER_BYTES;
  // RFC 1950: method 8, the two header bytes a multiple of 31; RFC 1951: of four types of blocks three exist.
  const isZlib = lengthBytes > SEMI_RELIABLE_HEADER_BYTES + 2 && (u8(bytes, bodyAt) & 0x8f) === 0x08 && u16(bytes, bodyAt) % 31 === 0 && (u8(bytes, bodyAt + 2) & 6) !== 6;
  return isZlib ? 'deflated beginning' : 'none';
}

/** Nothing follows, or 4 bytes of which the first is how many parts have come. Part 0 asks for an acknowledgement again (gtk-gnutella). */
function isAcknowledgement(bytes: Uint8Array, start: number, lengthBytes: number): boolean {
  const flags = u8(bytes, start + 3);
  if ((flags & ~ACK_FLAGS) !== 0) return false;
  if ((flags & EXTENDED_ACK) === 0) return lengthBytes === SEMI_RELIABLE_HEADER_BYTES;
  return lengthBytes === SEMI_RELIABLE_HEADER_BYTES + 4 && u8(bytes, start + 6) > 0 && u8(bytes, start + 8) > 0;
}

/**
 * Whether another datagram of the flow with these letters has the same sequence number: the fragment that an
 * acknowledgement is for, or the acknowledgement, on the other side; another part of the message on the same side.
 */
export function hasCounterpart({ bytes, start, direction, turns }: Inspection, letters: Uint8Array): boolean {
  const count = u8(bytes, start + 7);
  const part = u8(bytes, start + 6);
  const { heads } = turns;
  for (let i = 0; i < turns.count; i++) {
    const at = turns.headAt(i);
    if (turns.headLengthBytes(i) < SEMI_RELIABLE_HEADER_BYTES || !hasAt(heads, at, at + 3, letters) || u16(heads, at + 4) !== u16(bytes, start + 4)) continue;
    const otherCount = u8(heads, at + 7);
    const otherPart = u8(heads, at + 6);
    if (turns.direction(i) === direction) {
      if (count > 1 && otherCount === count && otherPart !== part && otherPart > 0 && otherPart <= count) return true;
    } else if ((count === 0 && part > 0 && otherCount >= part) || (otherCount === 0 && otherPart > 0 && count >= otherPart)) return true;
  }
  return false;
}
