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
import { decodeTcp, decodeTransport, decodeUdp, setNoTransport } from './transport.js';

export const IPV4_HEADER_BYTES = 20;
export const IPV6_HEADER_BYTES = 40;
/** RFC 8200 section 4.1 names seven headers, one of them twice; more in one packet is an attack on parsers. */
export const MAX_EXTENSION_HEADERS = 8;

/**
 * Decodes the IP datagram at `start` of which `[start, end)` was captured. Overwrites the whole view;
 * never throws. Fields are written once: here those of the IP header, the rest in `transport.ts`.
 */
export function decodeDatagram(view: PacketView, bytes: Uint8Array, start: number, end: number): DecodeStatus {
  // Storing an object costs a write barrier, comparing does not; chunks hold thousands of packets.
  if (view.bytes !== bytes) view.bytes = bytes;
  view.start = start;
  view.isClipped = false;
  view.isLaterFragment = false;
  view.tunnelDepth = 0;
  const version = start < end ? u8(bytes, start) >> 4 : 0;
  if (version === 4) return decodeIpv4(view, bytes, start, end);
  if (version === 6) return decodeIpv6(view, bytes, start, end);
  return setUndecoded(view, start, end, version, start < end ? 'malformed' : 'truncated');
}

/** Sets what `decodeDatagram` did not: there is no usable IP header in `[start, end)`. */
export function setUndecoded(view: PacketView, start: number, end: number, version: number, status: DecodeStatus): DecodeStatus {
  view.end = end;
  view.ipVersion = version;
  view.sourceAt = start;
  view.destinationAt = start;
  setNoTransport(view, 0, end);
  return status;
}

function decodeIpv4(view: PacketView, bytes: Uint8Array, start: number, captured: number): DecodeStatus {
  if (captured - start < IPV4_HEADER_BYTES) return setUndecoded(view, start, captured, 4, 'truncated');
  const headerBytes = (u8(bytes, start) & 0x0f) << 2;
  const totalBytes = u16(bytes, start + 2);
  let end = start + totalBytes;
  let datagramEnd = end;
  if (headerBytes < IPV4_HEADER_BYTES || totalBytes < headerBytes) {
    // Linux leaves length 0 in packets captured before segmentation offload: the captured end is all we know.
    if (headerBytes < IPV4_HEADER_BYTES || totalBytes !== 0) return setUndecoded(view, start, captured, 4, 'malformed');
    datagramEnd = end = captured;
  } else {
    view.isClipped = end > captured;
    end = Math.min(end, captured);
  }
  view.end = end;
  view.ipVersion = 4;
  view.sourceAt = start + 12;
  view.destinationAt = start + 16;
  const at = start + headerBytes;
  const protocol = u8(bytes, start + 9);
  // 0x3fff: More Fragments and the offset. Don't Fragment and the reserved bit do not matter.
  const fragment = u16(bytes, start + 6) & 0x3fff;
  if (at <= end && fragment === 0) {
    if (protocol === IPPROTO_TCP) return decodeTcp(view, bytes, at, end, datagramEnd, false);
    if (protocol === IPPROTO_UDP) return decodeUdp(view, bytes, at, end, datagramEnd, false);
  }
  return decodeUnusualIpv4(view, bytes, protocol, at, datagramEnd, fragment);
}

/** Cut options, fragments, authentication headers, protocols without ports. */
function decodeUnusualIpv4(
  view: PacketView,
  bytes: Uint8Array,
  protocol: number,
  at: number,
  datagramEnd: number,
  fragment: number,
): DecodeStatus {
  const { end } = view;
  if (at > end) {
    setNoTransport(view, protocol, end);
    return 'truncated';
  }
  if ((fragment & 0x1fff) !== 0) return laterFragment(view, protocol, at, datagramEnd);
  if (protocol === IPPROTO_AH) return decodeExtensions(view, bytes, protocol, at, end, datagramEnd, fragment !== 0);
  return decodeTransport(view, bytes, protocol, at, end, datagramEnd, fragment !== 0);
}

function decodeIpv6(view: PacketView, bytes: Uint8Array, start: number, captured: number): DecodeStatus {
  if (captured - start < IPV6_HEADER_BYTES) return setUndecoded(view, start, captured, 6, 'truncated');
  const protocol = u8(bytes, start + 6);
  const payloadBytes = u16(bytes, start + 4);
  const at = start + IPV6_HEADER_BYTES;
  let end = at + payloadBytes;
  let datagramEnd = end;
  if (payloadBytes === 0 && protocol !== IPPROTO_NONE) {
    // RFC 2675 section 3: 0 means a jumbogram; Linux sends such ones for large segmentation offload.
    datagramEnd = end = captured;
  } else if (end > captured) {
    view.isClipped = true;
    end = captured;
  }
  view.end = end;
  view.ipVersion = 6;
  view.sourceAt = start + 8;
  view.destinationAt = start + 24;
  if (protocol === IPPROTO_TCP) return decodeTcp(view, bytes, at, end, datagramEnd, false);
  if (protocol === IPPROTO_UDP) return decodeUdp(view, bytes, at, end, datagramEnd, false);
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
        if (end - at < 8) return cutExtension(view, protocol, end);
        headerBytes = (u8(bytes, at + 1) + 1) << 3;
        break;
      case IPPROTO_AH:
        // RFC 4302 section 2.2: length in 4 bytes, minus 2.
        if (end - at < 8) return cutExtension(view, protocol, end);
        headerBytes = (u8(bytes, at + 1) + 2) << 2;
        break;
      case IPPROTO_FRAGMENT: {
        if (end - at < 8) return cutExtension(view, protocol, end);
        const fragment = u16(bytes, at + 2);
        if ((fragment & 0xfff8) !== 0) return laterFragment(view, u8(bytes, at), at + 8, datagramEnd);
        // RFC 6946: offset 0 without More Fragments is a whole ("atomic") datagram.
        if ((fragment & 1) !== 0) isFragment = true;
        break;
      }
      default:
        return decodeTransport(view, bytes, protocol, at, end, datagramEnd, isFragment);
    }
    if (end - at < headerBytes) return cutExtension(view, protocol, end);
    protocol = u8(bytes, at);
    at += headerBytes;
  }
  setNoTransport(view, protocol, end);
  return 'malformed';
}

function cutExtension(view: PacketView, protocol: number, end: number): DecodeStatus {
  setNoTransport(view, protocol, end);
  return 'truncated';
}

function laterFragment(view: PacketView, protocol: number, at: number, datagramEnd: number): DecodeStatus {
  setNoTransport(view, protocol, at);
  view.isLaterFragment = true;
  view.payloadLengthBytes = datagramEnd - at;
  return 'fragment';
}
