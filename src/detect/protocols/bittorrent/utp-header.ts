/**
 * The header of uTP packets (BEP 29, "header format"), read in place.
 *
 *     0       4       8               16              24              32
 *     +-------+-------+---------------+---------------+---------------+
 *     | type  | ver 1 | extension     | connection_id                 |
 *     +-------+-------+---------------+---------------+---------------+
 *     | timestamp_microseconds                                        |
 *     +---------------+---------------+---------------+---------------+
 *     | timestamp_difference_microseconds                             |
 *     +---------------+---------------+---------------+---------------+
 *     | wnd_size                                                      |
 *     +---------------+---------------+---------------+---------------+
 *     | seq_nr                        | ack_nr                        |
 *     +---------------+---------------+---------------+---------------+
 *
 * Extensions follow as a linked list: type of the next one, length, content.
 */
import { u16, u32, u8 } from '../../../base/bytes.js';

export const HEADER_BYTES = 20;

/** Packet types. */
export const ST_DATA = 0;
export const ST_FIN = 1;
export const ST_STATE = 2;
export const ST_RESET = 3;
export const ST_SYN = 4;

const VERSION = 1;

/** Selective ack (BEP 29): a bit mask, a multiple of 4 bytes and at least 4. */
const EXTENSION_SELECTIVE_ACK = 1;
/** Extension bits (libutp): 8 bytes of flags. */
const EXTENSION_BITS = 2;
/** Close reason (libtorrent): 4 bytes. */
const EXTENSION_CLOSE_REASON = 3;
/** A peer sends one of each kind at most. */
const MAX_EXTENSIONS = 3;

export function typeAt(bytes: Uint8Array, at: number): number {
  return u8(bytes, at) >>> 4;
}
export function connectionIdAt(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + 2);
}
export function timestampAt(bytes: Uint8Array, at: number): number {
  return u32(bytes, at + 4);
}
export function timestampDifferenceAt(bytes: Uint8Array, at: number): number {
  return u32(bytes, at + 8);
}
export function windowAt(bytes: Uint8Array, at: number): number {
  return u32(bytes, at + 12);
}
export function sequenceAt(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + 16);
}
export function acknowledgedAt(bytes: Uint8Array, at: number): number {
  return u16(bytes, at + 18);
}

/**
 * Where the payload begins of the packet that fills [at, end): checks version,
 * type and the chain of extensions, and that only data packets carry payload.
 * -1 when this is no uTP packet. For a copied head give the whole datagram's
 * length as `lengthBytes`; it may exceed what `end` shows.
 */
export function payloadAt(bytes: Uint8Array, at: number, end: number, lengthBytes: number): number {
  if (end - at < HEADER_BYTES) return -1;
  const first = u8(bytes, at);
  if ((first & 0x0f) !== VERSION || first >>> 4 > ST_SYN) return -1;
  let extension = u8(bytes, at + 1);
  let next = at + HEADER_BYTES;
  for (let count = 0; extension !== 0; count++) {
    if (count === MAX_EXTENSIONS || next + 2 > end) return -1;
    const following = u8(bytes, next);
    const contentBytes = u8(bytes, next + 1);
    switch (extension) {
      case EXTENSION_SELECTIVE_ACK:
        if (contentBytes === 0 || (contentBytes & 3) !== 0) return -1;
        break;
      case EXTENSION_BITS:
        if (contentBytes !== 8) return -1;
        break;
      case EXTENSION_CLOSE_REASON:
        if (contentBytes !== 4) return -1;
        break;
      default:
        return -1;
    }
    next += 2 + contentBytes;
    if (next - at > lengthBytes) return -1;
    extension = following;
  }
  const type = first >>> 4;
  const hasPayload = next - at < lengthBytes;
  if (type === ST_DATA) return hasPayload ? next : -1; // every data packet carries something
  return hasPayload && type !== ST_FIN ? -1 : next;
}

/** How far acknowledgements and numbers of one moment may lie apart: packets in flight. */
export const NUMBER_DISTANCE = 512;
/** A packet is answered within 8 s (2^23 microseconds) ... */
const MAX_ANSWER_US = 0x80_0000;
/** ... or the peer names a slightly later packet than the newest recorded one. */
const MAX_REORDER_US = 0x10_0000;

/** Whether two 16-bit numbers lie within `NUMBER_DISTANCE`, either way round. */
export function areNear(one: number, other: number): boolean {
  const distance = (one - other) & 0xffff;
  return distance <= NUMBER_DISTANCE || distance >= 0x1_0000 - NUMBER_DISTANCE;
}

/** Whether the packet that a clock difference names (`seenUs`) can be the recorded one, sent at `sentUs` by the same clock (microseconds, 32 bits that wrap). */
export function isTimely(seenUs: number, sentUs: number): boolean {
  return (seenUs - sentUs + MAX_REORDER_US) >>> 0 < MAX_ANSWER_US + MAX_REORDER_US;
}
