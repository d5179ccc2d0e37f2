/**
 * G2 datagrams: the reliability layer `GND` and its acknowledgements.
 *
 *   47 4e 44 | flags: 01 deflate, 02 acknowledge me | sequence (2) | part | count | fragment
 *   acknowledgement: count 0, nothing behind (4 bytes more in gtk-gnutella's extended form)
 *
 * Gnutella2 developers' network, "UDP Transceiver".
 */
import { ascii, u16, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, match, NO, UDP } from '../../detector.js';
import { rootEnd } from './packet.js';

const GND = ascii('GND');
const HEADER_BYTES = 8;
const DEFLATED = 0x01;
/** Deflate, acknowledge me, and gtk-gnutella's "acknowledgements may be cumulative"; other bits are undefined, and text has them. */
const FRAGMENT_FLAGS = 0x13;
/** Cumulative (10) and extended (20) acknowledgements are gtk-gnutella's; "acknowledge me" is ignored there. */
const ACK_FLAGS = 0x32;
const EXTENDED_ACK = 0x20;

/** Odds: 24 literal bits, flags, part and count (2^-12), then a known packet that ends with the datagram or a zlib header. */
const PACKET = match('certain', 'G2 datagram (GND) with a known packet');
const DEFLATED_PACKET = match('certain', 'G2 datagram (GND), deflated');
const FRAGMENT = match('certain', 'G2 datagram (GND), fragment with a consistent header');
/** Odds: 24 literal bits, flags and count (2^-11), and exactly 8 (or 12) bytes. */
const ACKNOWLEDGEMENT = match('certain', 'G2 acknowledgement (GND)');
const UNKNOWN_PACKET = match('likely', 'G2 datagram (GND) with an unknown packet');

function inspectDatagram(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const lengthBytes = end - start;
  if (lengthBytes < HEADER_BYTES) return NO;
  const flags = u8(bytes, start + 3);
  const part = u8(bytes, start + 6);
  const count = u8(bytes, start + 7);
  if (count === 0) {
    const expected = (flags & EXTENDED_ACK) !== 0 ? HEADER_BYTES + 4 : HEADER_BYTES;
    return (flags & ~ACK_FLAGS) === 0 && lengthBytes === expected ? ACKNOWLEDGEMENT : NO;
  }
  if (part === 0 || part > count || (flags & ~FRAGMENT_FLAGS) !== 0) return NO;
  const bodyAt = start + HEADER_BYTES;
  if (part > 1) return FRAGMENT;
  if ((flags & DEFLATED) !== 0) {
    // RFC 1950: method 8, the two header bytes a multiple of 31.
    const isZlib = lengthBytes > HEADER_BYTES + 2 && (u8(bytes, bodyAt) & 0x8f) === 0x08 && u16(bytes, bodyAt) % 31 === 0;
    return isZlib ? DEFLATED_PACKET : NO;
  }
  if (lengthBytes === HEADER_BYTES) return NO;
  const next = rootEnd(bytes, bodyAt, end);
  if (next === end) return PACKET;
  return count > 1 && next === 0 ? FRAGMENT : UNKNOWN_PACKET;
}

export const datagrams: Feature = {
  feature: 'udp',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: GND }] },
  inspect: inspectDatagram,
};
