/**
 * What a rope program sees of one packet: the model every back end follows.
 *
 * Simpler than `wire/ip.ts` on purpose, since the eBPF back end must do exactly
 * the same in a few instructions: no tunnels, no UDP length, no statuses. A
 * header that is not whole is absent: its registers read 0.
 *
 * The model, with B the bytes from the IP header on and n their number
 * (captured bytes; `skb->len` in the kernel):
 * 1. IPv4 when B[0] >> 4 = 4, n >= 20, ihl >= 5 and 4 ihl <= n. packet_len is the
 *    total length when 4 ihl <= total length <= n, otherwise n.
 * 2. IPv6 when B[0] >> 4 = 6 and n >= 40. packet_len is 40 + payload length when the
 *    payload length is not 0 and that is <= n, otherwise n.
 * 3. Neither: not IP. packet_len = n, the data is the whole packet, all else reads 0.
 * 4. IPv4: the protocol is B[9], its header at 4 ihl; with a fragment offset other
 *    than 0 there is no transport header.
 * 5. IPv6: up to MAX_EXTENSION_HEADERS headers of 0, 43, 60 (length 8 + 8 B[at+1]), 51
 *    (8 + 4 B[at+1]) and 44 (8 bytes) are skipped, each only when 8 bytes of it are in the
 *    packet. A fragment header with an offset other than 0 is the last one skipped, and there
 *    is no transport header. The protocol is the number where the walk stops.
 * 6. TCP is present when the protocol is 6, there is a transport header, 20 bytes of it
 *    are in the packet and doff >= 5; the data begins 4 doff behind. UDP: 17, 8 bytes, 8 behind.
 *    Otherwise the data begins where the transport header would.
 *    A position beyond packet_len becomes packet_len.
 *
 * Specification: RFC 791, RFC 8200, RFC 4302 section 2.2, RFC 9293, RFC 768.
 */
import { u16, u32, u8 } from '../base/bytes.js';
import {
  IPPROTO_AH,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ROUTING,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from '../wire/constants.js';
import type { IntField, StrField } from './ir.js';

/** More extension headers than this end the walk (RFC 8200 section 4.1 names seven, one of them twice). */
export const MAX_EXTENSION_HEADERS = 8;

const NO_BYTES = new Uint8Array(0);

/** One packet, reused: `load` overwrites what the bytes tell; the caller sets the rest where it knows it. */
export class PacketInput {
  /** Borrowed until the run is over. */
  bytes: Uint8Array = NO_BYTES;
  /** Where the IP header begins in `bytes`. All other positions count from here. */
  start = 0;
  /** End of the captured bytes, padding included. */
  end = 0;
  packetLength = 0;
  /** 4, 6, or 0 when not IP. */
  ipVersion = 0;
  protocol = 0;
  transportAt = 0;
  dataAt = 0;
  hasTcp = false;
  hasUdp = false;

  /** Signed 32 bits, as all below. Netfilter mark of the packet. */
  mark = 0;
  /** Conntrack entry: protocol (0: none), mark, state (0 none or invalid, 1 new, 2 established, 3 related, 4 untracked). */
  ctProto = 0;
  ctMark = 0;
  ctState = 0;
  /** Epoch seconds: now, and when the packet arrived. */
  kernelTime = 0;
  packetTime = 0;

  /** Points the input at `[start, end)` of `bytes`, which begin with the IP header. Never throws. */
  load(bytes: Uint8Array, start: number, end: number): void {
    const available = end > start ? end - start : 0;
    this.bytes = bytes;
    this.start = start;
    this.end = start + available;
    this.packetLength = available;
    this.ipVersion = 0;
    this.protocol = 0;
    this.transportAt = 0;
    this.dataAt = 0;
    this.hasTcp = false;
    this.hasUdp = false;
    if (available < 20) return;
    const version = u8(bytes, start) >> 4;
    if (version === 4) this.#loadIpv4(available);
    else if (version === 6 && available >= 40) this.#loadIpv6(available);
  }

  #loadIpv4(available: number): void {
    const { bytes, start } = this;
    const headerLength = (u8(bytes, start) & 15) << 2;
    if (headerLength < 20 || headerLength > available) return;
    const totalLength = u16(bytes, start + 2);
    if (totalLength >= headerLength && totalLength <= available) this.packetLength = totalLength;
    this.ipVersion = 4;
    this.protocol = u8(bytes, start + 9);
    this.#loadTransport(headerLength, (u16(bytes, start + 6) & 0x1fff) === 0);
  }

  #loadIpv6(available: number): void {
    const { bytes, start } = this;
    const payloadLength = u16(bytes, start + 4);
    if (payloadLength !== 0 && payloadLength + 40 <= available) this.packetLength = payloadLength + 40;
    this.ipVersion = 6;
    let protocol = u8(bytes, start + 6);
    let at = 40;
    let hasTransport = true;
    for (let count = 0; count < MAX_EXTENSION_HEADERS && hasTransport; count++) {
      if (at + 8 > this.packetLength) break;
      let length: number;
      if (protocol === IPPROTO_HOPOPTS || protocol === IPPROTO_ROUTING || protocol === IPPROTO_DSTOPTS) {
        length = 8 + (u8(bytes, start + at + 1) << 3);
      } else if (protocol === IPPROTO_AH) length = 8 + (u8(bytes, start + at + 1) << 2);
      else if (protocol === IPPROTO_FRAGMENT) {
        length = 8;
        hasTransport = (u16(bytes, start + at + 2) & 0xfff8) === 0;
      } else break;
      protocol = u8(bytes, start + at);
      at += length;
    }
    this.protocol = protocol;
    this.#loadTransport(at, hasTransport);
  }

  #loadTransport(transportAt: number, hasTransport: boolean): void {
    const { bytes, start, protocol, packetLength } = this;
    const at = Math.min(transportAt, packetLength);
    let dataAt = at;
    if (hasTransport) {
      if (protocol === IPPROTO_TCP && at + 20 <= packetLength) {
        const headerLength = (u8(bytes, start + at + 12) >> 4) << 2;
        if (headerLength >= 20) {
          this.hasTcp = true;
          dataAt = at + headerLength;
        }
      } else if (protocol === IPPROTO_UDP && at + 8 <= packetLength) {
        this.hasUdp = true;
        dataAt = at + 8;
      }
    }
    this.transportAt = at;
    this.dataAt = Math.min(dataAt, packetLength);
  }
}

/** Value of an integer register: signed 32 bits. */
export function readIntField(packet: PacketInput, field: IntField): number {
  const { bytes, start } = packet;
  switch (field) {
    case 'packet_len':
      return packet.packetLength;
    case 'data_len':
      return packet.packetLength - packet.dataAt;
    case 'data_start':
      return packet.dataAt;
    case 'ip_version':
      return packet.ipVersion;
    case 'ip_protocol':
      return packet.protocol;
    case 'mark':
      return packet.mark;
    case 'ct_proto':
      return packet.ctProto;
    case 'ct_mark':
      return packet.ctMark;
    case 'ct_state':
      return packet.ctState;
    case 'kernel_time':
      return packet.kernelTime;
    case 'packet_time':
      return packet.packetTime;
    case 'ip6_hop_limit':
      return packet.ipVersion === 6 ? u8(bytes, start + 7) : 0;
    case 'ip6_flow_label':
      return packet.ipVersion === 6 ? u32(bytes, start) & 0xfffff : 0;
    default: {
      const place = HEADER_FIELDS[field];
      const isThere =
        place.header === 'ip' ? packet.ipVersion === 4 : place.header === 'tcp' ? packet.hasTcp : packet.hasUdp;
      if (!isThere) return 0;
      const at = start + (place.header === 'ip' ? 0 : packet.transportAt) + place.at;
      const raw = place.bytes === 1 ? u8(bytes, at) : place.bytes === 2 ? u16(bytes, at) : u32(bytes, at);
      return place.bytes === 4 ? raw | 0 : (raw >> place.shift) & place.mask;
    }
  }
}

/** Where a header field lies: `bytes` bytes big-endian, shifted right, masked (1 and 2 bytes only). Exists when the header does (`ip`: IPv4). */
export interface HeaderField {
  readonly header: 'ip' | 'tcp' | 'udp';
  readonly at: number;
  readonly bytes: 1 | 2 | 4;
  readonly shift: number;
  readonly mask: number;
}

/** The registers that are plain fields of a header: also read by the compilers. */
export type HeaderFieldName = Exclude<
  IntField,
  | 'packet_len' | 'data_len' | 'data_start' | 'ip_version' | 'ip_protocol' | 'ip6_hop_limit' | 'ip6_flow_label'
  | 'mark' | 'ct_proto' | 'ct_mark' | 'ct_state' | 'kernel_time' | 'packet_time'
>;

function place(header: HeaderField['header'], at: number, bytes: 1 | 2 | 4, shift = 0, mask = 0xffff): HeaderField {
  return { header, at, bytes, shift, mask };
}

export const HEADER_FIELDS: Readonly<Record<HeaderFieldName, HeaderField>> = {
  ip_ihl: place('ip', 0, 1, 0, 15),
  ip_tos: place('ip', 1, 1),
  ip_tot_len: place('ip', 2, 2),
  ip_id: place('ip', 4, 2),
  ip_dont_frag: place('ip', 6, 1, 6, 1),
  ip_frag_off: place('ip', 6, 2, 0, 0x1fff),
  ip_ttl: place('ip', 8, 1),
  ip_check: place('ip', 10, 2),
  tcp_source: place('tcp', 0, 2),
  tcp_dest: place('tcp', 2, 2),
  tcp_seq: place('tcp', 4, 4),
  tcp_ack_seq: place('tcp', 8, 4),
  tcp_doff: place('tcp', 12, 1, 4, 15),
  tcp_urg: place('tcp', 13, 1, 5, 1),
  tcp_ack: place('tcp', 13, 1, 4, 1),
  tcp_psh: place('tcp', 13, 1, 3, 1),
  tcp_rst: place('tcp', 13, 1, 2, 1),
  tcp_syn: place('tcp', 13, 1, 1, 1),
  tcp_fin: place('tcp', 13, 1, 0, 1),
  tcp_window: place('tcp', 14, 2),
  tcp_check: place('tcp', 16, 2),
  tcp_urg_ptr: place('tcp', 18, 2),
  udp_source: place('udp', 0, 2),
  udp_dest: place('udp', 2, 2),
  udp_len: place('udp', 4, 2),
  udp_check: place('udp', 6, 2),
};

/** Start of a string register, counted from the IP header. */
export function strFieldAt(packet: PacketInput, field: StrField): number {
  switch (field) {
    case 'packet':
      return 0;
    case 'data':
      return packet.dataAt;
    case 'ip_saddr':
      return packet.ipVersion === 4 ? 12 : packet.ipVersion === 6 ? 8 : 0;
    case 'ip_daddr':
      return packet.ipVersion === 4 ? 16 : packet.ipVersion === 6 ? 24 : 0;
  }
}

/** Length in bytes of a string register. */
export function strFieldLength(packet: PacketInput, field: StrField): number {
  switch (field) {
    case 'packet':
      return packet.packetLength;
    case 'data':
      return packet.packetLength - packet.dataAt;
    case 'ip_saddr':
    case 'ip_daddr':
      return packet.ipVersion === 4 ? 4 : packet.ipVersion === 6 ? 16 : 0;
  }
}
