/**
 * The packet header of UDX, the reliable stream protocol of Hyperswarm, as the public
 * source of libudx shows it (include/udx.h, docs/wireshark).
 *
 *   ff | version 1 | type flags | data offset | stream id 4 | receive window 4 | seq 4 | ack 4 | ...
 *
 * Numbers are little-endian; the id is the one the receiver chose; seq counts packets.
 */
import { u32le, u8 } from '../../../base/bytes.js';

export const UDX_HEADER_BYTES = 20;
const MAGIC = 0xff;
const VERSION = 1;
/** DATA 1, END 2, SACK 4, MESSAGE 8, DESTROY 16, HEARTBEAT 32. */
const TYPES_KNOWN = 0x3f;
const TYPE_DATA = 1;
const TYPE_SACK = 4;
/** Packets that may be in flight between two compared headers. */
const MAX_DISTANCE = 0x10000;

/** True when a header stands at `at` and fits before `end` (of the whole datagram: `datagramEnd`). */
export function isUdxHeader(bytes: Uint8Array, at: number, end: number, datagramEnd = end): boolean {
  if (end - at < UDX_HEADER_BYTES) return false;
  if (u8(bytes, at) !== MAGIC || u8(bytes, at + 1) !== VERSION) return false;
  const type = u8(bytes, at + 2);
  if (type > TYPES_KNOWN) return false;
  const offset = u8(bytes, at + 3);
  if (at + UDX_HEADER_BYTES + offset > datagramEnd) return false;
  // Selective acknowledgements are pairs of 32-bit numbers; without them the space is padding of path probes.
  if ((type & TYPE_SACK) !== 0 && offset % 8 !== 0) return false;
  return isRandomId(bytes, at + 4);
}

/**
 * True for the first data packet of a stream: seq and ack are zero, the id and the window are
 * not. Random bytes behind the magic show 64 zero bits with odds of 2^-64.
 */
export function isUdxOpening(bytes: Uint8Array, at: number): boolean {
  return (u8(bytes, at + 2) & TYPE_DATA) !== 0 && u32le(bytes, at + 8) !== 0 && u32le(bytes, at + 12) === 0 && u32le(bytes, at + 16) === 0;
}

/** Stream ids are random 32-bit numbers: two zero bytes in one (odds 2^-13) are more likely small fields of another protocol (KCP has some there). */
function isRandomId(bytes: Uint8Array, at: number): boolean {
  let zeros = 0;
  for (let i = at; i < at + 4; i++) if (u8(bytes, i) === 0) zeros++;
  return zeros < 2;
}

/** Distance of two 32-bit counters around their circle. */
function isNear(a: number, b: number): boolean {
  const distance = (a - b) | 0;
  return distance > -MAX_DISTANCE && distance < MAX_DISTANCE;
}

/** True when two headers of one direction belong to one stream: same id, counters close but not both equal (any repeated datagram has that). */
export function isSameStream(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  if (u32le(a, aAt + 12) === u32le(b, bAt + 12) && u32le(a, aAt + 16) === u32le(b, bAt + 16)) return false;
  return (
    u32le(a, aAt + 4) === u32le(b, bAt + 4) &&
    isNear(u32le(a, aAt + 12), u32le(b, bAt + 12)) &&
    isNear(u32le(a, aAt + 16), u32le(b, bAt + 16))
  );
}

/** True when two headers of opposite directions answer each other: each acknowledges about what the other counts. */
export function isAnswer(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): boolean {
  // Each side chose its own id.
  if (u32le(a, aAt + 4) === u32le(b, bAt + 4)) return false;
  return isNear(u32le(a, aAt + 16), u32le(b, bAt + 12)) && isNear(u32le(b, bAt + 16), u32le(a, aAt + 12));
}
