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
  view.protocol = protocol;
  view.transportAt = at;
  if (protocol === IPPROTO_TCP) {
    if (end - at < TCP_HEADER_BYTES) return truncatedHeader(view, bytes, at, end);
    view.srcPort = u16(bytes, at);
    view.dstPort = u16(bytes, at + 2);
    view.seq = u32(bytes, at + 4);
    view.ack = u32(bytes, at + 8);
    view.tcpFlags = u8(bytes, at + 13);
    const headerBytes = (u8(bytes, at + 12) >> 4) << 2;
    if (headerBytes < TCP_HEADER_BYTES) return 'malformed';
    const payloadAt = at + headerBytes;
    if (payloadAt > end) return 'truncated';
    view.payloadAt = payloadAt;
    view.payloadLengthBytes = datagramEnd - payloadAt;
    return isFragment ? 'fragment' : 'ok';
  }
  if (protocol === IPPROTO_UDP) {
    if (end - at < UDP_HEADER_BYTES) return truncatedHeader(view, bytes, at, end);
    view.srcPort = u16(bytes, at);
    view.dstPort = u16(bytes, at + 2);
    const lengthBytes = u16(bytes, at + 4);
    let udpEnd = at + lengthBytes;
    if (lengthBytes < UDP_HEADER_BYTES) {
      // RFC 2675 section 4: a jumbogram says 0. Anything else below 8 cannot hold the header.
      if (lengthBytes !== 0) return 'malformed';
      udpEnd = datagramEnd;
    } else if (udpEnd > datagramEnd) {
      // The length of a first fragment is that of the whole datagram. Else receivers drop the packet.
      if (!isFragment) return 'malformed';
      udpEnd = datagramEnd;
    } else if (udpEnd < end) {
      // RFC 9868: what follows inside the IP datagram is options of the transport, never payload.
      view.end = udpEnd;
    }
    view.isClipped = udpEnd > end;
    view.payloadAt = at + UDP_HEADER_BYTES;
    view.payloadLengthBytes = udpEnd - at - UDP_HEADER_BYTES;
    return isFragment ? 'fragment' : 'ok';
  }
  if (protocol === IPPROTO_SCTP || protocol === IPPROTO_UDPLITE) {
    const headerBytes = protocol === IPPROTO_SCTP ? SCTP_HEADER_BYTES : UDP_HEADER_BYTES;
    if (end - at < headerBytes) return truncatedHeader(view, bytes, at, end);
    view.srcPort = u16(bytes, at);
    view.dstPort = u16(bytes, at + 2);
    view.payloadAt = at + headerBytes;
    view.payloadLengthBytes = datagramEnd - at - headerBytes;
    return isFragment ? 'fragment' : 'ok';
  }
  view.payloadAt = at;
  view.payloadLengthBytes = datagramEnd - at;
  return isFragment ? 'fragment' : 'ok';
}

/** Ports survive where their 4 bytes do: an ICMP error quotes only 8 bytes of TCP (RFC 792). */
function truncatedHeader(view: PacketView, bytes: Uint8Array, at: number, end: number): DecodeStatus {
  if (end - at >= 4) {
    view.srcPort = u16(bytes, at);
    view.dstPort = u16(bytes, at + 2);
  }
  return 'truncated';
}
