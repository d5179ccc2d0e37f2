/**
 * G2 datagrams: the reliability layer `GND` and its acknowledgements.
 *
 *   47 4e 44 | flags: 01 deflate, 02 acknowledge me | sequence (2) | part | count | fragment
 *   acknowledgement: count 0, nothing behind (4 bytes more in gtk-gnutella's extended form)
 *
 * Gnutella2 developers' network, "UDP Transceiver".
 */
import { ascii, hasAt, u16, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, match, NO, UDP } from '../../detector.js';
import { CUT, rootEnd } from './packet.js';

const GND = ascii('GND');
const HEADER_BYTES = 8;
const DEFLATED = 0x01;
/** Programs cut at 400 bytes or more; snap lengths of 96 leave 54. */
const LEAST_FULL_BYTES = 40;
/** Deflate, acknowledge me, and gtk-gnutella's "acknowledgements may be cumulative"; other bits are undefined, and text has them. */
const FRAGMENT_FLAGS = 0x13;
/** Cumulative (10) and extended (20) acknowledgements are gtk-gnutella's; "acknowledge me" is ignored there. */
const ACK_FLAGS = 0x32;
const EXTENDED_ACK = 0x20;

/** Odds: 24 literal bits, flags, part and count (2^-12), then a known packet that ends with the datagram or a zlib header. */
const PACKET = match('certain', 'G2 datagram (GND) with a known packet');
const DEFLATED_PACKET = match('certain', 'G2 datagram (GND), deflated');
/** Odds: the literal twice (48 bits) and the same sequence number (16), with part and count that belong together. */
const RELATED = match('certain', 'G2 datagrams (GND) of one sequence: fragments, or a packet and its acknowledgement');
/** Heuristic: literal, flags, part and count; the content is no packet's beginning. False positives: another protocol of numbered parts behind the letters GND. */
const FRAGMENT = match('likely', 'G2 datagram (GND), fragment with a consistent header');
/** Heuristic: literal, flags, count, and exactly 8 (or 12) bytes. False positives: as above. */
const ACKNOWLEDGEMENT = match('likely', 'G2 acknowledgement (GND)');
/** Odds: 24 literal bits, flags, part and count (2^-12), a known name whose packet goes on behind the datagram: 2^-50. */
const FIRST_FRAGMENT = match('certain', 'G2 datagram (GND), first fragment of a known packet');
const UNKNOWN_PACKET = match('likely', 'G2 datagram (GND) with an unknown packet');

/**
 * Whether another datagram of the flow has this sequence number: the fragment that an acknowledgement is for, or the
 * acknowledgement, on the other side; another part of the packet on the same side.
 */
function isRelated({ bytes, start, direction, turns }: Inspection): boolean {
  const count = u8(bytes, start + 7);
  const part = u8(bytes, start + 6);
  for (let i = 0; i < turns.count; i++) {
    const at = turns.headAt(i);
    const { heads } = turns;
    if (turns.headLengthBytes(i) < HEADER_BYTES || !hasAt(heads, at, at + 3, GND) || u16(heads, at + 4) !== u16(bytes, start + 4)) continue;
    const otherCount = u8(heads, at + 7);
    const otherPart = u8(heads, at + 6);
    if (turns.direction(i) === direction) {
      if (count > 1 && otherCount === count && otherPart !== part && otherPart > 0 && otherPart <= count) return true;
    } else if ((count === 0 && part > 0 && otherCount >= part) || (otherCount === 0 && otherPart > 0 && count >= otherPart)) return true;
  }
  return false;
}

function inspectDatagram(input: Inspection): Finding {
  const finding = fitDatagram(input);
  return (finding === FRAGMENT || finding === ACKNOWLEDGEMENT) && isRelated(input) ? RELATED : finding;
}

function fitDatagram({ bytes, start, end }: Inspection): Finding {
  const lengthBytes = end - start;
  if (lengthBytes < HEADER_BYTES) return NO;
  const flags = u8(bytes, start + 3);
  const part = u8(bytes, start + 6);
  const count = u8(bytes, start + 7);
  if (count === 0) return isAcknowledgement(bytes, start, lengthBytes) ? ACKNOWLEDGEMENT : NO;
  if (part === 0 || part > count || (flags & ~FRAGMENT_FLAGS) !== 0 || lengthBytes === HEADER_BYTES) return NO;
  const bodyAt = start + HEADER_BYTES;
  // Packets are cut into parts of some hundred bytes: all but the last are full.
  if (part < count && lengthBytes < LEAST_FULL_BYTES) return NO;
  if (part > 1) return FRAGMENT;
  if ((flags & DEFLATED) !== 0) {
    // RFC 1950: method 8, the two header bytes a multiple of 31; RFC 1951: of four types of blocks three exist.
    const isZlib = lengthBytes > HEADER_BYTES + 2 && (u8(bytes, bodyAt) & 0x8f) === 0x08 && u16(bytes, bodyAt) % 31 === 0 && (u8(bytes, bodyAt + 2) & 6) !== 6;
    return isZlib ? DEFLATED_PACKET : NO;
  }
  const next = rootEnd(bytes, bodyAt, end);
  if (next === end) return count === 1 ? PACKET : FRAGMENT;
  return count > 1 && next === CUT ? FIRST_FRAGMENT : UNKNOWN_PACKET;
}

/** Nothing follows, or 4 bytes of which the first is how many parts have come. Part 0 asks for an acknowledgement again (gtk-gnutella). */
function isAcknowledgement(bytes: Uint8Array, start: number, lengthBytes: number): boolean {
  const flags = u8(bytes, start + 3);
  if ((flags & ~ACK_FLAGS) !== 0) return false;
  if ((flags & EXTENDED_ACK) === 0) return lengthBytes === HEADER_BYTES;
  return lengthBytes === HEADER_BYTES + 4 && u8(bytes, start + 6) > 0 && u8(bytes, start + 8) > 0;
}

export const datagrams: Feature = {
  feature: 'udp',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: GND }] },
  inspect: inspectDatagram,
};
