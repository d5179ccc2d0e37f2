/**
 * The TCP segments that a cut sends: bare headers, IPv4 or IPv6. Pure.
 *
 * A template holds addresses and ports of one leg; each segment is a copy with
 * flags, numbers and checksums filled in. Header layouts: RFC 791, 8200, 9293.
 */
import { putU16, putU32 } from '../base/bytes.js';
import { internetChecksum, transportChecksum } from '../wire/checksum.js';
import { IPPROTO_TCP } from '../wire/constants.js';
import type { Leg } from './connection.js';

const TCP_HEADER_BYTES = 20;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
/** Longest segment built here. */
export const MAX_SEGMENT_BYTES = IPV6_HEADER_BYTES + TCP_HEADER_BYTES;
// Far enough for any path (RFC 1122 section 3.2.1.7 wants at least the diameter of the Internet), and not a default of any system.
const TIME_TO_LIVE = 255;
const DONT_FRAGMENT = 0x4000;

/** Packet from `leg.from` to `leg.to` without numbers and checksums. */
export function segmentTemplate({ from, to }: Leg): Uint8Array {
  const isV4 = from.address.length === 4;
  const tcpAt = isV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  const packet = new Uint8Array(tcpAt + TCP_HEADER_BYTES);
  if (isV4) {
    packet[0] = 0x45;
    putU16(packet, 2, packet.length);
    putU16(packet, 6, DONT_FRAGMENT);
    packet[8] = TIME_TO_LIVE;
    packet[9] = IPPROTO_TCP;
    packet.set(from.address, 12);
    packet.set(to.address, 16);
    putU16(packet, 10, internetChecksum(packet, 0, IPV4_HEADER_BYTES));
  } else {
    packet[0] = 0x60;
    putU16(packet, 4, TCP_HEADER_BYTES);
    packet[6] = IPPROTO_TCP;
    packet[7] = TIME_TO_LIVE;
    packet.set(from.address, 8);
    packet.set(to.address, 24);
  }
  putU16(packet, tcpAt, from.port);
  putU16(packet, tcpAt + 2, to.port);
  packet[tcpAt + 12] = (TCP_HEADER_BYTES / 4) << 4;
  return packet;
}

/** Writes a packet of the template's leg to `bytes` at `at`, with these TCP_* flags and numbers (modulo 2^32). */
export function writeSegment(template: Uint8Array, flags: number, seq: number, ack: number, bytes: Uint8Array, at: number): void {
  bytes.set(template, at);
  const isV4 = template[0] === 0x45;
  const tcpAt = at + (isV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES);
  putU32(bytes, tcpAt + 4, seq);
  putU32(bytes, tcpAt + 8, ack);
  bytes[tcpAt + 13] = flags;
  const sourceAt = at + (isV4 ? 12 : 8);
  const addressBytes = isV4 ? 4 : 16;
  const sum = transportChecksum(bytes, sourceAt, sourceAt + addressBytes, addressBytes, IPPROTO_TCP, tcpAt, at + template.length);
  putU16(bytes, tcpAt + 16, sum);
}
