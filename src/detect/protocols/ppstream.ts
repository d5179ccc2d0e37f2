/**
 * PPStream (PPS, later iQIYI): peer and tracker datagrams.
 *
 *   length 2, little-endian | family 1 (0x43, 0x44, 0x55) | command 1 | ...
 *   The length counts all bytes, or leaves out 4 or 6 of them.
 *   0x43: ... FF at 5, then 00 01 00 and zeros;  0x44: B1 71, 73 17 or 74 71;  0x55: zeros or 1B A0 and zeros at 13
 *   masked: second byte 0x80 or 0x84, then two equal bytes at 3 and 4
 *
 * Not recognised: its HTTP requests (ordinary web) and the random-looking body of media datagrams in other flows.
 * No specification was published; these are the facts that public traffic classifiers agree on.
 */
import { defineProtocol, type Finding, type Inspection, match, NO, type TurnLog, UDP } from '../detector.js';
import { ascii, hasAt, u16le, u8 } from '../../base/bytes.js';

const STRUCTURE = match('certain', 'PPStream datagram: length, family, command and the constants of that command');
const DIALOGUE = match('certain', 'PPStream datagrams in both directions, each with a matching length and a known command');
const FRAME = match('suspected', 'datagram with the length field and a command of PPStream');
const MASKED = match('suspected', 'datagram like a masked one of PPStream');

const FAMILY_43 = 0x43;
const FAMILY_44 = 0x44;
const FAMILY_55 = 0x55;
const COMMANDS: ReadonlyMap<number, readonly number[]> = new Map([
  [FAMILY_43, [0x00, 0x22, 0x23, 0x32, 0x46, 0x47, 0x49, 0x4c, 0x4d]],
  [FAMILY_44, [0x73, 0x74, 0xb1, 0xb2, 0xb5]],
  [FAMILY_55, [0x72, 0x75, 0xb3]],
]);
const HEAD_BYTES = 21;
const NAME = ascii('PPStream');
const NAME_AT = 94;

/** Length and known command: 14 + 5 bits of a random datagram. */
function isFrame(bytes: Uint8Array, at: number, lengthBytes: number): boolean {
  if (lengthBytes < 8) return false;
  const stated = u16le(bytes, at);
  if (stated !== lengthBytes && stated !== lengthBytes - 4 && stated !== lengthBytes - 6) return false;
  return COMMANDS.get(u8(bytes, at + 2))?.includes(u8(bytes, at + 3)) === true;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Constants of the commands seen most: 56 bits and more besides the length. */
function hasConstants(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < HEAD_BYTES) return false;
  switch (u8(bytes, at + 2)) {
    case FAMILY_43:
      return u8(bytes, at + 5) === 0xff && u8(bytes, at + 6) === 0 && u8(bytes, at + 7) === 1 && isZero(bytes, at + 8, at + 15);
    case FAMILY_44:
      if (u8(bytes, at + 3) === 0x73) return u8(bytes, at + 4) === 0x17 && isZero(bytes, at + 5, at + 9) && isZero(bytes, at + 14, at + 21);
      if (u8(bytes, at + 3) === 0x74) return u8(bytes, at + 4) === 0x71 && hasAt(bytes, at + NAME_AT, end, NAME);
      return u8(bytes, at + 3) === 0xb1 && u8(bytes, at + 4) === 0x71 && isZero(bytes, at + 13, at + 15) && u8(bytes, at + 15) === 1 && u8(bytes, at + 16) === 0;
    default:
      if (u8(bytes, at + 13) === 0x1b) return u8(bytes, at + 14) === 0xa0 && isZero(bytes, at + 15, at + 21);
      return u8(bytes, at + 1) === 0 && isZero(bytes, at + 5, at + 9) && isZero(bytes, at + 14, at + 21);
  }
}

/** A frame from the other side among the datagrams so far. */
function wasAnswered(turns: TurnLog, direction: 0 | 1): boolean {
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) !== direction && isFrame(turns.heads, turns.headAt(i), turns.lengthBytes(i))) return true;
  }
  return false;
}

function sameWay(turns: TurnLog, direction: 0 | 1): number {
  let count = 0;
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) === direction && isFrame(turns.heads, turns.headAt(i), turns.lengthBytes(i))) count++;
  }
  return count;
}

/**
 * With the constants over 70 bits; a frame of 19 bits in each direction and a third datagram with one make 57 (lengths are exact,
 * so other length-prefixed protocols would need these commands too). One frame alone is a suspicion.
 */
function inspectFrame(input: Inspection): Finding {
  const { bytes, start, end, turns, direction } = input;
  if (!isFrame(bytes, start, end - start)) return NO;
  if (hasConstants(bytes, start, end)) return STRUCTURE;
  return wasAnswered(turns, direction) && sameWay(turns, direction) > 0 ? DIALOGUE : FRAME;
}

/** Heuristic: 15 bits only. Useful for flows of an endpoint that spoke PPStream in the clear form. */
function inspectMasked(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start <= 17) return NO;
  if (u8(bytes, start + 3) !== u8(bytes, start + 4)) return NO;
  return input.known() === 'none' ? NO : MASKED;
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
    },
    {
      feature: 'masked',
      transport: UDP,
      trigger: { kind: 'anchors', anchors: [0x80, 0x84].map((second) => ({ at: 1, bytes: Uint8Array.of(second) })) },
      inspect: inspectMasked,
    },
  ],
});
