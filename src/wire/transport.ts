/**
 * Transport headers: ports, TCP fields, where the payload begins and ends.
 *
 * Does not verify checksums: captures with checksum offload hold wrong ones for
 * perfectly good packets. TCP options are skipped, not read.
 *
 * TCP (RFC 9293 section 3.1)
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   0 |          Source Port          |        Destination Port       |
 *   4 |                        Sequence Number                        |
 *   8 |                     Acknowledgment Number                     |
 *  12 | Offset| Rsrvd |    Flags      |            Window             |
 *  16 |           Checksum            |         Urgent Pointer        |
 *
 * UDP (RFC 768), UDP-Lite (RFC 3828: `Length` is the checksum coverage)
 *
 *   0 |          Source Port          |        Destination Port       |
 *   4 |            Length             |           Checksum            |
 *
 * SCTP common header (RFC 9260 section 3.1): ports, verification tag, checksum.
 */
import { u16, u32, u8 } from '../base/bytes.js';
import { IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from './constants.js';
import type { DecodeStatus, PacketView } from './packet-view.js';

const TCP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const SCTP_HEADER_BYTES = 12;

/**
 * Decodes the header at `at` of an unfragmented datagram or a first fragment.
 * `at <= end <= datagramEnd`; `end` is the captured end, `datagramEnd` the one
 * the IP header states. Sets every transport field of the view.
 *
 * TCP and UDP have functions of their own, small enough for V8 to inline
 * (bench/decode.ts: the whole decoding is twice as slow without).
 */
export function decodeTransport(
  view: PacketView,
  bytes: Uint8Array,
  protocol: number,
  at: number,
  end: number,
  datagramEnd: number,
  isFragment: boolean,
): DecodeStatus {
  if (protocol === IPPROTO_TCP) return decodeTcp(view, bytes, at, end, datagramEnd, isFragment);
  if (protocol === IPPROTO_UDP) return decodeUdp(view, bytes, at, end, datagramEnd, isFragment);
  return decodeOther(view, bytes, protocol, at, end, datagramEnd, isFragment);
}

export function decodeTcp(
  view: PacketView,
  bytes: Uint8Array,
  at: number,
  end: number,
  datagramEnd: number,
  isFragment: boolean,
): DecodeStatus {
  if (end - at < TCP_HEADER_BYTES) return cutHeader(view, bytes, IPPROTO_TCP, at, end);
  view.protocol = IPPROTO_TCP;
  view.transportAt = at;
  view.srcPort = u16(bytes, at);
  view.dstPort = u16(bytes, at + 2);
  view.seq = u32(bytes, at + 4);
  view.ack = u32(bytes, at + 8);
  view.tcpFlags = u8(bytes, at + 13);
  const headerBytes = (u8(bytes, at + 12) >> 4) << 2;
  const payloadAt = at + headerBytes;
  if (headerBytes < TCP_HEADER_BYTES || payloadAt > end) {
    view.payloadAt = end;
    view.payloadLengthBytes = 0;
    return headerBytes < TCP_HEADER_BYTES ? 'malformed' : 'truncated';
  }
  view.payloadAt = payloadAt;
  view.payloadLengthBytes = datagramEnd - payloadAt;
  return isFragment ? 'fragment' : 'ok';
}

export function decodeUdp(
  view: PacketView,
  bytes: Uint8Array,
  at: number,
  end: number,
  datagramEnd: number,
  isFragment: boolean,
): DecodeStatus {
  if (end - at < UDP_HEADER_BYTES) return cutHeader(view, bytes, IPPROTO_UDP, at, end);
  setPorts(view, bytes, IPPROTO_UDP, at);
  const lengthBytes = u16(bytes, at + 4);
  let udpEnd = at + lengthBytes;
  if (udpEnd !== datagramEnd) {
    if (lengthBytes === 0 || (isFragment && udpEnd > datagramEnd)) {
      // RFC 2675 section 4: a jumbogram says 0. The length of a first fragment is that of the whole datagram.
      udpEnd = datagramEnd;
    } else if (lengthBytes < UDP_HEADER_BYTES || udpEnd > datagramEnd) {
      // Receivers drop such a datagram.
      view.payloadAt = end;
      view.payloadLengthBytes = 0;
      return 'malformed';
    } else if (udpEnd < end) {
      // RFC 9868: what follows inside the IP datagram is options of the transport, never payload.
      view.end = udpEnd;
    }
    view.isClipped = udpEnd > end;
  }
  view.payloadAt = at + UDP_HEADER_BYTES;
  view.payloadLengthBytes = udpEnd - at - UDP_HEADER_BYTES;
  return isFragment ? 'fragment' : 'ok';
}

function decodeOther(
  view: PacketView,
  bytes: Uint8Array,
  protocol: number,
  at: number,
  end: number,
  datagramEnd: number,
  isFragment: boolean,
): DecodeStatus {
  let payloadAt = at;
  if (protocol === IPPROTO_SCTP || protocol === IPPROTO_UDPLITE) {
    payloadAt += protocol === IPPROTO_SCTP ? SCTP_HEADER_BYTES : UDP_HEADER_BYTES;
    if (payloadAt > end) return cutHeader(view, bytes, protocol, at, end);
    setPorts(view, bytes, protocol, at);
  } else {
    setNoTransport(view, protocol, at);
  }
  view.payloadAt = payloadAt;
  view.payloadLengthBytes = datagramEnd - payloadAt;
  return isFragment ? 'fragment' : 'ok';
}

/** Sets every transport field: a header at `at` that starts with two ports and has no more fields of the view. */
function setPorts(view: PacketView, bytes: Uint8Array, protocol: number, at: number): void {
  view.protocol = protocol;
  view.transportAt = at;
  view.srcPort = u16(bytes, at);
  view.dstPort = u16(bytes, at + 2);
  view.tcpFlags = 0;
  view.seq = 0;
  view.ack = 0;
}

/** Sets every transport field: nothing is known but the protocol. */
export function setNoTransport(view: PacketView, protocol: number, at: number): void {
  view.protocol = protocol;
  view.transportAt = at;
  view.payloadAt = at;
  view.payloadLengthBytes = 0;
  view.srcPort = 0;
  view.dstPort = 0;
  view.tcpFlags = 0;
  view.seq = 0;
  view.ack = 0;
}

/** Ports survive where their 4 bytes do: an ICMP error quotes only 8 bytes of TCP (RFC 792). */
function cutHeader(view: PacketView, bytes: Uint8Array, protocol: number, at: number, end: number): DecodeStatus {
  setNoTransport(view, protocol, at);
  if (end - at >= 4) setPorts(view, bytes, protocol, at);
  view.payloadAt = end;
  return 'truncated';
}
