/**
 * uTP as µTorrent 1.8 and the betas of 2.0 spoke it, before BEP 29 gave it a shorter header.
 *
 *     0            4         8              12                16      17         18     19      21      23
 *     | connection | seconds | microseconds | their difference | window | extension | type | seq_nr | ack_nr |
 *
 * All big-endian; the window counts packets of 350 bytes; extensions and types are those of version 1. A SYN carries
 * eight bytes of extension bits, all zero, and the connection id with which it wants to be answered; all
 * later packets of its sender carry the next number. libutp (2010), `PacketFormat` in utp.cpp.
 *
 * One packet other than a SYN or a handshake proves nothing. Nothing is harvested but what a packet shows alone.
 */
import { countSmall, hasAt, u16, u32, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, MORE, match, NO, UDP } from '../../detector.js';
import { HANDSHAKE_BYTES, HANDSHAKE_OPENING } from './handshake.js';
import { tellPeerMessages } from './peer-messages.js';
import { areNear, isTimely, ST_DATA, ST_FIN, ST_STATE, ST_SYN } from './utp-header.js';

const HANDSHAKE = match('certain', 'uTP packet (version 0) that carries the BitTorrent peer handshake in clear');
/* Odds: two packets of opposite direction; connection ids equal or one apart (31 bits), each acknowledges near the other's number (5 bits each), the clock difference names the other's clock (8 bits), microseconds below a million (12 bits each), type and extension fit twice (24 bits): 2^-97. */
const DIALOGUE = match('certain', 'uTP dialogue (version 0): paired connection ids, acknowledgements and clocks');
/* Odds: two packets of 33 bytes with the 15 fixed zeros of a SYN (120 bits each), the same connection id and advancing clocks. */
const REPEATED_SYN = match('certain', 'uTP dialogue (version 0): repeated SYN with advancing clock');
/* Heuristic: exact length and 18 fixed bytes, most of them zero. False positives: a fixed format of 33 bytes with 02 04 at its 17th. */
const SYN = match('likely', 'uTP SYN (version 0): exact length, no clock difference, nothing acknowledged, empty extension bits');

const HEADER_BYTES = 23;
const SYN_BYTES = 33;
const EXTENSION_AT = 17;
const TYPE_AT = 18;
const SEQUENCE_AT = 19;
const ACKNOWLEDGED_AT = 21;
const SELECTIVE_ACK = 1;
const EXTENSION_BITS = 2;
/** Extension and type, as they occur together: only acknowledgements and SYNs have extensions. */
const PAIRS = [[0, 0], [0, 1], [0, 2], [0, 3], [1, 2], [2, 2], [2, 4]] as const;
const MICROSECONDS = 1_000_000;
/** Packets that are compared lie within two minutes. */
const MAX_APART_S = 120;

/** Where the payload begins of the packet at `at`, or -1. `lengthBytes`: of the whole datagram, of which [at, end) is there. */
function payloadAt(bytes: Uint8Array, at: number, end: number, lengthBytes: number): number {
  if (end - at < HEADER_BYTES) return -1;
  const type = u8(bytes, at + TYPE_AT);
  const extension = u8(bytes, at + EXTENSION_AT);
  if (type > ST_SYN || u32(bytes, at + 8) >= MICROSECONDS) return -1;
  // Ids are random numbers of 32 bits.
  if (u32(bytes, at) <= 0xffff || countSmall(bytes, at, at + 4) > 2) return -1;
  let next = HEADER_BYTES;
  if (extension !== 0) {
    if (next + 2 > end - at || u8(bytes, at + next) !== 0) return -1;
    const contentBytes = u8(bytes, at + next + 1);
    if (extension === SELECTIVE_ACK ? contentBytes !== 4 : extension !== EXTENSION_BITS || contentBytes !== 8) return -1;
    next += 2 + contentBytes;
    if (next > lengthBytes) return -1;
  }
  const hasPayload = next < lengthBytes;
  if (type === ST_DATA) return hasPayload ? at + next : -1;
  return hasPayload && type !== ST_FIN ? -1 : at + next;
}

/** A SYN as µTorrent sends it. */
function isSyn(bytes: Uint8Array, at: number, lengthBytes: number): boolean {
  if (lengthBytes !== SYN_BYTES || u8(bytes, at + TYPE_AT) !== ST_SYN || u8(bytes, at + EXTENSION_AT) !== EXTENSION_BITS) return false;
  if (u32(bytes, at + 12) !== 0 || u16(bytes, at + ACKNOWLEDGED_AT) !== 0 || u32(bytes, at + 8) === 0) return false;
  for (let i = at + HEADER_BYTES + 2; i < at + SYN_BYTES; i++) if (u8(bytes, i) !== 0) return false;
  return true;
}

/** Whether the packet at `at` answers the earlier packet at `otherAt` of the other side. */
function answers(bytes: Uint8Array, at: number, heads: Uint8Array, otherAt: number, otherBytes: number): boolean {
  const distance = (u32(bytes, at) - u32(heads, otherAt)) | 0;
  const acknowledged = u16(bytes, at + ACKNOWLEDGED_AT);
  const otherSequence = u16(heads, otherAt + SEQUENCE_AT);
  if (isSyn(heads, otherAt, otherBytes)) return distance === 0 && acknowledged === otherSequence && u8(bytes, at + TYPE_AT) === ST_STATE;
  if (distance !== 1 && distance !== -1) return false;
  // Counters that stand still are no numbers of packets.
  if (u16(bytes, at + SEQUENCE_AT) === 0 && acknowledged === 0) return false;
  if (!areNear(acknowledged, otherSequence) || !areNear(u16(bytes, at + SEQUENCE_AT), u16(heads, otherAt + ACKNOWLEDGED_AT))) return false;
  // The difference is between the receiver's clock and that of the last packet it received.
  return isTimely(clockUs(bytes, at) - u32(bytes, at + 12), clockUs(heads, otherAt));
}

/** Microseconds, of which 32 bits count. */
function clockUs(bytes: Uint8Array, at: number): number {
  return (Math.imul(u32(bytes, at + 4), MICROSECONDS) + u32(bytes, at + 8)) >>> 0;
}

/** Whether the clock of the packet at `at` is ahead of that of the earlier one of its side, by two minutes at most. */
function isLater(bytes: Uint8Array, at: number, heads: Uint8Array, otherAt: number): boolean {
  const seconds = u32(bytes, at + 4) - u32(heads, otherAt + 4);
  return seconds === 0 ? u32(bytes, at + 8) > u32(heads, otherAt + 8) : seconds > 0 && seconds <= MAX_APART_S;
}

function inspect(input: Inspection): Finding {
  const { bytes, start, end, direction, turns } = input;
  const contentAt = payloadAt(bytes, start, end, end - start);
  if (contentAt < 0) return NO;
  if (hasAt(bytes, contentAt, end, HANDSHAKE_OPENING)) return HANDSHAKE;
  const isOpening = isSyn(bytes, start, end - start);
  const { heads } = turns;
  for (let index = turns.count - 1; index >= 0; index--) {
    const otherAt = turns.headAt(index);
    const otherBytes = turns.lengthBytes(index);
    if (payloadAt(heads, otherAt, otherAt + turns.headLengthBytes(index), otherBytes) < 0) continue;
    if (turns.direction(index) !== direction) {
      if (answers(bytes, start, heads, otherAt, otherBytes)) return DIALOGUE;
    } else if (isOpening && isSyn(heads, otherAt, otherBytes) && u32(bytes, start) === u32(heads, otherAt) && isLater(bytes, start, heads, otherAt)) return REPEATED_SYN;
  }
  return isOpening ? SYN : MORE;
}

export const utpVersion0: Feature = {
  feature: 'utp-version-0',
  transport: UDP,
  trigger: {
    kind: 'anchors',
    anchors: PAIRS.map((pair) => ({ at: EXTENSION_AT, bytes: Uint8Array.from(pair) })),
  },
  inspect,
  harvest(input, sink) {
    const { bytes, start, end } = input;
    const contentAt = payloadAt(bytes, start, end, end - start);
    if (contentAt >= 0 && u8(bytes, start + TYPE_AT) === ST_DATA) {
      tellPeerMessages(bytes, hasAt(bytes, contentAt, end, HANDSHAKE_OPENING) ? contentAt + HANDSHAKE_BYTES : contentAt, end, sink);
    }
    return true;
  },
};
