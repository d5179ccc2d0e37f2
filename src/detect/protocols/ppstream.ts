/**
 * PPStream (PPS, later iQIYI): datagrams of its peers and trackers.
 *
 *   length 2, little-endian | family 1 (0x43, 0x44, 0x55) | type 4 | ...
 *   The length counts all bytes, or leaves out 4 or 6 of them.
 *   family 0x43, peers       00 00 <type> 00: 82 handshake, D2 bitfield, D8/D9 data, E3/E7 keep-alive, EC heartbeat, ED/EE information ...
 *                trackers    <type> 71 (request) or 17 (answer) FF 00: 48/49 information, 4A/4B peers ...
 *   masked                   second byte 0x80 or 0x84, then two equal bytes at 3 and 4
 *   peers in 4B              at 39: count 2 | repeated: 3 | 0x0B | IPv4 4 | port 2, little-endian | 2
 *
 * Not recognised: its HTTP requests (ordinary web).
 * No specification was published; layouts follow public traffic classifiers and a published cache that speaks the protocol.
 */
import { defineProtocol, type Finding, type Inspection, match, NO, type PeerSink, type TurnLog, UDP } from '../detector.js';
import { ascii, hasAt, u16, u16le, u8 } from '../../base/bytes.js';

const PEER_MESSAGE = match('certain', 'PPStream peer message: matching length, family and type');
const TRACKER_MESSAGE = match('certain', 'PPStream tracker message: matching length, family and type');
const STRUCTURE = match('certain', 'PPStream datagram: length, family, command and the constants of that command');
/** Heuristic: exact lengths and letters as commands; text that goes on behind them is refused, other binary protocols could fit. */
const DIALOGUE = match('likely', 'PPStream datagrams in both directions, each with a matching length and a known command');
const FRAME = match('suspected', 'datagram with the length field and a command of PPStream');
const MASKED = match('suspected', 'datagram like a masked one of PPStream');

const FAMILY_43 = 0x43;
const FAMILY_44 = 0x44;
const FAMILY_55 = 0x55;
const PEER_TYPES = [0x82, 0xa1, 0xa2, 0xd2, 0xd8, 0xd9, 0xe3, 0xe7, 0xec, 0xed, 0xee];
const TRACKER_TYPES = [0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d];
const TRACKER_REQUEST = 0x71;
const TRACKER_ANSWER = 0x17;
const PEER_LIST = 0x4b;
/** Types of the less documented families. */
const COMMANDS: ReadonlyMap<number, readonly number[]> = new Map([
  [FAMILY_43, [0x00, 0x22, 0x23, 0x32, ...TRACKER_TYPES]],
  [FAMILY_44, [0x73, 0x74, 0xb1, 0xb2, 0xb5]],
  [FAMILY_55, [0x72, 0x75, 0xb3]],
]);
const HEAD_BYTES = 21;
const NAME = ascii('PPStream');
const NAME_AT = 94;
const LIST_COUNT_AT = 39;
const LIST_AT = 44;
const LIST_ENTRY_BYTES = 12;
const LIST_ENTRY_MARK = 0x0b;

function hasLength(bytes: Uint8Array, at: number, lengthBytes: number): boolean {
  if (lengthBytes < 8) return false;
  const stated = u16le(bytes, at);
  return stated === lengthBytes || stated === lengthBytes - 4 || stated === lengthBytes - 6;
}

/** Length and known command: 14 + 5 bits of a random datagram. */
function isFrame(bytes: Uint8Array, at: number, lengthBytes: number): boolean {
  if (!hasLength(bytes, at, lengthBytes)) return false;
  if (COMMANDS.get(u8(bytes, at + 2))?.includes(u8(bytes, at + 3)) !== true) return false;
  // Length and type as 16-bit numbers are what many games send: command 0 goes on with the zeros around a peer message's type.
  if (u8(bytes, at + 3) === 0) return u8(bytes, at + 4) === 0 && u8(bytes, at + 6) === 0;
  return !isPrintable(u8(bytes, at + 4)) || !isPrintable(u8(bytes, at + 5));
}

/** Families and commands are letters too: text that goes on belongs to another protocol. */
function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte <= 0x7e;
}

/** `00 00 <type> 00`: with length and family 49 bits. */
function isPeerMessage(bytes: Uint8Array, at: number): boolean {
  return u8(bytes, at + 2) === FAMILY_43 && u16(bytes, at + 3) === 0 && u8(bytes, at + 6) === 0 && PEER_TYPES.includes(u8(bytes, at + 5));
}

/** `<type> 71|17 FF 00`: with length and family 50 bits. */
function isTrackerMessage(bytes: Uint8Array, at: number): boolean {
  const way = u8(bytes, at + 4);
  return u8(bytes, at + 2) === FAMILY_43 && (way === TRACKER_REQUEST || way === TRACKER_ANSWER) && u16(bytes, at + 5) === 0xff00 && TRACKER_TYPES.includes(u8(bytes, at + 3));
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Constants of the commands seen most in the other families: 56 bits and more besides the length. */
function hasConstants(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < HEAD_BYTES) return false;
  const type = u8(bytes, at + 3);
  if (u8(bytes, at + 2) === FAMILY_43) return u8(bytes, at + 5) === 0xff && u8(bytes, at + 6) === 0 && u8(bytes, at + 7) === 1 && isZero(bytes, at + 8, at + 15);
  if (u8(bytes, at + 2) === FAMILY_44) {
    if (type === 0x73) return u8(bytes, at + 4) === TRACKER_ANSWER && isZero(bytes, at + 5, at + 9) && isZero(bytes, at + 14, at + 21);
    if (type === 0x74) return u8(bytes, at + 4) === TRACKER_REQUEST && hasAt(bytes, at + NAME_AT, end, NAME);
    return type === 0xb1 && u8(bytes, at + 4) === TRACKER_REQUEST && isZero(bytes, at + 13, at + 15) && u8(bytes, at + 15) === 1 && u8(bytes, at + 16) === 0;
  }
  if (u8(bytes, at + 2) !== FAMILY_55) return false;
  if (u8(bytes, at + 13) === 0x1b) return u8(bytes, at + 14) === 0xa0 && isZero(bytes, at + 15, at + 21);
  return u8(bytes, at + 1) === 0 && isZero(bytes, at + 5, at + 9) && isZero(bytes, at + 14, at + 21);
}

/** Frames so far, in one direction. */
function framesIn(turns: TurnLog, direction: 0 | 1): number {
  let count = 0;
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) === direction && isFrame(turns.heads, turns.headAt(i), turns.lengthBytes(i))) count++;
  }
  return count;
}

/**
 * Documented types fix about 50 bits in one datagram. Of the others a frame in each direction and a third datagram make 57
 * (lengths are exact, so other length-prefixed protocols would need these commands too); one frame alone is a suspicion.
 */
function inspectFrame(input: Inspection): Finding {
  const { bytes, start, end, turns, direction } = input;
  if (!isFrame(bytes, start, end - start)) {
    // Other commands of family 43: the length and eight constant bytes in front of seven zeros decide.
    return u8(bytes, start + 2) === FAMILY_43 && hasLength(bytes, start, end - start) && hasConstants(bytes, start, end) ? STRUCTURE : NO;
  }
  if (isPeerMessage(bytes, start)) return PEER_MESSAGE;
  if (isTrackerMessage(bytes, start)) return TRACKER_MESSAGE;
  if (hasConstants(bytes, start, end)) return STRUCTURE;
  return framesIn(turns, direction === 0 ? 1 : 0) > 0 && framesIn(turns, direction) > 0 ? DIALOGUE : FRAME;
}

/** Peers in the answers of trackers. */
function harvestPeers(input: Inspection, sink: PeerSink): boolean {
  const { bytes, start, end } = input;
  if (end - start < LIST_AT || !isTrackerMessage(bytes, start) || u8(bytes, start + 3) !== PEER_LIST) return true;
  const count = u16(bytes, start + LIST_COUNT_AT);
  for (let i = 0; i < count; i++) {
    const at = start + LIST_AT + i * LIST_ENTRY_BYTES;
    if (at + 7 > end || u8(bytes, at) !== LIST_ENTRY_MARK) break;
    sink.toldIpv4(bytes, at + 1, u16le(bytes, at + 5));
  }
  return true;
}

/** Heuristic: 15 bits only. Useful for flows of an endpoint that spoke PPStream in the clear form. */
function inspectMasked(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start <= 17 || u8(bytes, start + 3) !== u8(bytes, start + 4)) return NO;
  const known = input.known();
  return known === 'told' || known === 'endpoint' ? MASKED : NO;
}

export const ppstream = defineProtocol({
  id: 'ppstream',
  title: 'PPStream (PPS, iQIYI)',
  category: 'streaming',
  specs: ['https://en.wikipedia.org/wiki/PPStream'],
  features: [
    {
      feature: 'peer',
      transport: UDP,
      trigger: { kind: 'anchors', anchors: [...COMMANDS.keys()].map((family) => ({ at: 2, bytes: Uint8Array.of(family) })) },
      inspect: inspectFrame,
      harvest: harvestPeers,
    },
    {
      feature: 'masked',
      transport: UDP,
      trigger: { kind: 'anchors', anchors: [0x80, 0x84].map((second) => ({ at: 1, bytes: Uint8Array.of(second) })) },
      inspect: inspectMasked,
    },
  ],
});
