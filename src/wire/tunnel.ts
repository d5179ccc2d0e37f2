/**
 * Tunnels: where the inner datagram of an already decoded outer one begins.
 *
 * IP-in-IP (RFC 2003, RFC 2473), 6in4 (RFC 4213), GRE (RFC 2784, RFC 2890, PPTP's of
 * RFC 2637) and Teredo (RFC 4380). Encrypted or compressed payloads are left alone.
 */
import { u16, u32, u8 } from '../base/bytes.js';
import {
  ETHERTYPE_EOIP,
  ETHERTYPE_ERSPAN,
  ETHERTYPE_ERSPAN_III,
  ETHERTYPE_PPP,
  ETHERTYPE_TEB,
  IPPROTO_GRE,
  IPPROTO_IPIP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
} from './constants.js';
import { locateByEtherType, locateInEthernet, locateInPpp } from './ether-type.js';
import { IPV6_HEADER_BYTES } from './ip.js';
import { MALFORMED, TRUNCATED, UNSUPPORTED, ipAt } from './locate.js';
import type { PacketView } from './packet-view.js';

/** IANA: Teredo servers listen here. Clients talk to each other from any port. */
export const TEREDO_PORT = 3544;

/** Cheap test: whether `locateInTunnel` is worth a call for a view decoded `ok`. */
export function mayBeTunnel(view: PacketView): boolean {
  switch (view.protocol) {
    case IPPROTO_UDP:
      return (
        view.payloadAt < view.end &&
        (u8(view.bytes, view.payloadAt) >> 4 === 6 || view.dstPort === TEREDO_PORT || view.srcPort === TEREDO_PORT)
      );
    case IPPROTO_IPIP:
    case IPPROTO_IPV6:
    case IPPROTO_GRE:
      return true;
    default:
      return false;
  }
}

/** Offset of the inner IP header, or a negative reason of `locate.ts`. */
export function locateInTunnel(view: PacketView): number {
  const { bytes, payloadAt, end } = view;
  switch (view.protocol) {
    case IPPROTO_UDP:
      return locateInTeredo(view);
    case IPPROTO_IPIP:
      return ipAt(bytes, payloadAt, end, 4);
    case IPPROTO_IPV6:
      return ipAt(bytes, payloadAt, end, 6);
    default:
      return locateInGre(bytes, payloadAt, end);
  }
}

/**
 * GRE
 *    0 |C|R|K|S|s|Recur|A|Flags| Ver |         Protocol Type         |
 *      [ checksum and offset 4 ] [ key 4 ] [ sequence 4 ] [ version 1: acknowledgement 4 ]
 */
function locateInGre(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 4) return TRUNCATED;
  const flags = u16(bytes, at);
  const type = u16(bytes, at + 2);
  const version = flags & 7;
  // RFC 2784 section 2.3: receivers that do not know source routing discard such packets.
  if (version > 1 || (flags & 0x4000) !== 0) return UNSUPPORTED;
  let headerBytes = 4;
  if ((flags & 0x8000) !== 0) headerBytes += 4;
  if ((flags & 0x2000) !== 0) headerBytes += 4;
  if ((flags & 0x1000) !== 0) headerBytes += 4;
  if (version === 1) {
    // Not in an RFC: the key field holds length and tunnel, as RFC 2637 has it; then a frame.
    if (type === ETHERTYPE_EOIP && flags === 0x2001) return locateInEthernet(bytes, at + headerBytes, end);
    if (type !== ETHERTYPE_PPP || (flags & 0x2000) === 0) return MALFORMED;
    if ((flags & 0x0080) !== 0) headerBytes += 4;
    return locateInPpp(bytes, at + headerBytes, end);
  }
  at += headerBytes;
  switch (type) {
    case ETHERTYPE_TEB:
      return locateInEthernet(bytes, at, end);
    case ETHERTYPE_ERSPAN:
      // draft-foschiano-erspan section 4: type II has a sequence number and a header of 8 bytes, type I neither.
      return locateInEthernet(bytes, (flags & 0x1000) !== 0 ? at + 8 : at, end);
    case ETHERTYPE_ERSPAN_III:
      // 12 bytes, the last bit of which announces 8 more.
      if (end - at < 12) return TRUNCATED;
      return locateInEthernet(bytes, at + ((u8(bytes, at + 11) & 1) !== 0 ? 20 : 12), end);
    default:
      return locateByEtherType(type, bytes, at, end);
  }
}

/**
 * Teredo: [ authentication ] [ origin ] IPv6 packet, and trailers (RFC 6081 section 4).
 *
 * Any port may carry it, so ordinary UDP must not pass: the payload must be an IPv6 header
 * whose length fits the datagram to the byte and one of whose addresses is Teredo's. Odds
 * for random bytes: 2^-4 (version) * 2^-16 (length) * 2 * 2^-32 (prefix) = 2^-51. Router
 * solicitations between link-local addresses count on the server's port only: 2^-4 * 2^-16 * 2^-10.
 */
function locateInTeredo(view: PacketView): number {
  const { bytes, end } = view;
  const isServerPort = view.srcPort === TEREDO_PORT || view.dstPort === TEREDO_PORT;
  const payloadEnd = view.payloadAt + view.payloadLengthBytes;
  let at = view.payloadAt;
  if (isServerPort) {
    // RFC 4380 section 5.1.1: 0001, client id length, authentication length, both, nonce 8, confirmation 1.
    if (end - at >= 4 && u16(bytes, at) === 0x0001) at += 13 + u8(bytes, at + 2) + u8(bytes, at + 3);
    // 0000, port 2, address 4 (obfuscated).
    if (end - at >= 2 && u16(bytes, at) === 0x0000) at += 8;
  }
  if (end - at < IPV6_HEADER_BYTES) return TRUNCATED;
  if (u8(bytes, at) >> 4 !== 6) return UNSUPPORTED;
  if (!isTrailerRun(bytes, at + IPV6_HEADER_BYTES + u16(bytes, at + 4), end, payloadEnd)) return UNSUPPORTED;
  // RFC 4380 section 2.6: 2001:0000::/32.
  const isTeredo = u32(bytes, at + 8) === 0x2001_0000 || u32(bytes, at + 24) === 0x2001_0000;
  const isLinkLocal = u16(bytes, at + 8) >> 6 === 0xfe80 >> 6;
  return isTeredo || (isServerPort && isLinkLocal) ? at : UNSUPPORTED;
}

/** Whether `[at, payloadEnd)` is empty or filled by whole trailers (type 1, length 1, value); at most 8 of them. */
function isTrailerRun(bytes: Uint8Array, at: number, end: number, payloadEnd: number): boolean {
  for (let count = 0; count <= 8; count++) {
    if (at === payloadEnd) return true;
    if (at + 2 > end) return false;
    at += 2 + u8(bytes, at + 1);
  }
  return false;
}
