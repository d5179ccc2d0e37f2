/**
 * IPv4 (RFC 791) and IPv6 (RFC 8200) headers down to the transport.
 *
 * Decodes one datagram as it stands: tunnels are `tunnel.ts`'s, reassembly is
 * nobody's (a later fragment has no transport header, a first one has). Header
 * checksums are not verified: see `transport.ts`.
 *
 * IPv4
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   0 |Version|  IHL  |Type of Service|          Total Length         |
 *   4 |         Identification        |Flags|      Fragment Offset    |
 *   8 |  Time to Live |    Protocol   |         Header Checksum       |
 *  12 |                       Source Address                          |
 *  16 |                    Destination Address                        |
 *
 * IPv6
 *   0 |Version| Traffic Class |           Flow Label                  |
 *   4 |         Payload Length        |  Next Header  |   Hop Limit   |
 *   8 |                 Source Address (16 bytes)                     |
 *  24 |              Destination Address (16 bytes)                   |
 */
import { u16, u8 } from '../base/bytes.js';
import {
  IPPROTO_AH,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HIP,
  IPPROTO_HOPOPTS,
  IPPROTO_MH,
  IPPROTO_NONE,
  IPPROTO_ROUTING,
  IPPROTO_SHIM6,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from './constants.js';
import type { DecodeStatus, PacketView } from './packet-view.js';
import { decodeTransport } from './transport.js';

export const IPV4_HEADER_BYTES = 20;
export const IPV6_HEADER_BYTES = 40;
/** RFC 8200 section 4.1 names seven headers, one of them twice; more in one packet is an attack on parsers. */
export const MAX_EXTENSION_HEADERS = 8;

/** Decodes the IP datagram at `start` of which `[start, end)` was captured. Overwrites the whole view; never throws. */
export function decodeDatagram(view: PacketView, bytes: Uint8Array, start: number, end: number): DecodeStatus {
  view.bytes = bytes;
  view.start = start;
  view.end = end;
  view.isClipped = false;
  view.protocol = 0;
  view.sourceAt = start;
  view.destinationAt = start;
  view.transportAt = end;
  view.payloadAt = end;
  view.payloadLengthBytes = 0;
  view.srcPort = 0;
  view.dstPort = 0;
  view.tcpFlags = 0;
  view.seq = 0;
  view.ack = 0;
  view.isLaterFragment = false;
  view.tunnelDepth = 0;
  if (start >= end) return 'truncated';
  const version = u8(bytes, start) >> 4;
  view.ipVersion = version;
  if (version === 4) return decodeIpv4(view, bytes, start, end);
  if (version === 6) return decodeIpv6(view, bytes, start, end);
  return 'malformed';
}

function decodeIpv4(view: PacketView, bytes: Uint8Array, start: number, end: number): DecodeStatus {
  if (end - start < IPV4_HEADER_BYTES) return 'truncated';
  const headerBytes = (u8(bytes, start) & 0x0f) << 2;
  if (headerBytes < IPV4_HEADER_BYTES) return 'malformed';
  const totalBytes = u16(bytes, start + 2);
  let datagramEnd = start + totalBytes;
  if (totalBytes < headerBytes) {
    // Linux leaves 0 in packets captured before segmentation offload: the captured end is all we know.
    if (totalBytes !== 0) return 'malformed';
    datagramEnd = end;
  }
  view.sourceAt = start + 12;
  view.destinationAt = start + 16;
  if (datagramEnd > end) view.isClipped = true;
  else view.end = end = datagramEnd;
  const at = start + headerBytes;
  const protocol = u8(bytes, start + 9);
  view.protocol = protocol;
  if (at > end) return 'truncated';
  // 0x3fff: More Fragments and the offset. Don't Fragment and the reserved bit do not matter.
  const fragment = u16(bytes, start + 6) & 0x3fff;
  if ((fragment & 0x1fff) !== 0) return laterFragment(view, protocol, at, datagramEnd);
  if (protocol === IPPROTO_AH) return decodeExtensions(view, bytes, protocol, at, end, datagramEnd, fragment !== 0);
  return decodeTransport(view, bytes, protocol, at, end, datagramEnd, fragment !== 0);
}

function decodeIpv6(view: PacketView, bytes: Uint8Array, start: number, end: number): DecodeStatus {
  if (end - start < IPV6_HEADER_BYTES) return 'truncated';
  const protocol = u8(bytes, start + 6);
  const payloadBytes = u16(bytes, start + 4);
  let datagramEnd = start + IPV6_HEADER_BYTES + payloadBytes;
  // RFC 2675 section 3: 0 means a jumbogram; Linux sends such ones for large segmentation offload.
  if (payloadBytes === 0 && protocol !== IPPROTO_NONE) datagramEnd = end;
  view.protocol = protocol;
  view.sourceAt = start + 8;
  view.destinationAt = start + 24;
  if (datagramEnd > end) view.isClipped = true;
  else view.end = end = datagramEnd;
  const at = start + IPV6_HEADER_BYTES;
  if (protocol === IPPROTO_TCP || protocol === IPPROTO_UDP) {
    return decodeTransport(view, bytes, protocol, at, end, datagramEnd, false);
  }
  return decodeExtensions(view, bytes, protocol, at, end, datagramEnd, false);
}

/**
 * Walks IPv6 extension headers (RFC 8200 section 4), and the authentication header in IPv4.
 * All but two share the form: next header, length in 8 bytes without the first 8.
 */
function decodeExtensions(
  view: PacketView,
  bytes: Uint8Array,
  first: number,
  firstAt: number,
  end: number,
  datagramEnd: number,
  isFragment: boolean,
): DecodeStatus {
  let protocol = first;
  let at = firstAt;
  for (let count = 0; count <= MAX_EXTENSION_HEADERS; count++) {
    let headerBytes = 8;
    switch (protocol) {
      case IPPROTO_HOPOPTS:
      case IPPROTO_ROUTING:
      case IPPROTO_DSTOPTS:
      case IPPROTO_MH:
      case IPPROTO_HIP:
      case IPPROTO_SHIM6:
        if (end - at < 8) return 'truncated';
        headerBytes = (u8(bytes, at + 1) + 1) << 3;
        break;
      case IPPROTO_AH:
        // RFC 4302 section 2.2: length in 4 bytes, minus 2.
        if (end - at < 8) return 'truncated';
        headerBytes = (u8(bytes, at + 1) + 2) << 2;
        break;
      case IPPROTO_FRAGMENT: {
        if (end - at < 8) return 'truncated';
        const fragment = u16(bytes, at + 2);
        if ((fragment & 0xfff8) !== 0) return laterFragment(view, u8(bytes, at), at + 8, datagramEnd);
        // RFC 6946: offset 0 without More Fragments is a whole ("atomic") datagram.
        if ((fragment & 1) !== 0) isFragment = true;
        break;
      }
      default:
        return decodeTransport(view, bytes, protocol, at, end, datagramEnd, isFragment);
    }
    protocol = u8(bytes, at);
    at += headerBytes;
    view.protocol = protocol;
    if (at > end) return 'truncated';
  }
  return 'malformed';
}

function laterFragment(view: PacketView, protocol: number, at: number, datagramEnd: number): DecodeStatus {
  view.protocol = protocol;
  view.isLaterFragment = true;
  view.transportAt = at;
  view.payloadAt = at;
  view.payloadLengthBytes = datagramEnd - at;
  return 'fragment';
}
