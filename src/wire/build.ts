/**
 * Building packets from plain options: correct lengths and checksums, each in a new array.
 *
 * Used by tests, by the samples of the demonstration and by everything that sends a packet.
 * Wrong options are the caller's bug and throw. Headers: diagrams in `ip.ts` and `transport.ts`.
 */
import { parseAddress } from '../base/address.js';
import { invariant } from '../base/assert.js';
import { concat, fromHex, putU16, putU32 } from '../base/bytes.js';
import { checksumField, internetChecksum, transportChecksum } from './checksum.js';
import {
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_VLAN,
  IPPROTO_FRAGMENT,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  TCP_ACK,
} from './constants.js';

const NO_BYTES = new Uint8Array(0);

export interface IpOptions {
  /** Text, or 4 or 16 bytes in network order; both ends of the same family, which decides the IP version. */
  readonly src: string | Uint8Array;
  readonly dst: string | Uint8Array;
  /** Time to live or hop limit; default 64. */
  readonly ttl?: number;
  /** Type of service or traffic class byte; default 0. */
  readonly tos?: number;
  /** IPv4 identification, IPv6 flow label; default 0. */
  readonly id?: number;
  /** IPv4 Don't Fragment; default false. */
  readonly dontFragment?: boolean;
  /** IPv4 options, a multiple of 4 and at most 40 bytes. */
  readonly ipOptions?: Uint8Array;
  /** IPv6 extension headers in order; `bytes` whole, the first byte (next header) is filled in. */
  readonly extensions?: readonly { readonly protocol: number; readonly bytes: Uint8Array }[];
  /** Makes the datagram a fragment; `offsetBytes` a multiple of 8. */
  readonly fragment?: { readonly offsetBytes: number; readonly isLast: boolean; readonly id: number };
}

export interface TcpOptions extends IpOptions {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq?: number;
  readonly ack?: number;
  /** TCP_ bits of `constants.ts`; default ACK. */
  readonly flags?: number;
  /** Default 65535. */
  readonly window?: number;
  /** A multiple of 4 and at most 40 bytes. */
  readonly tcpOptions?: Uint8Array;
  readonly payload?: Uint8Array;
}

export interface UdpOptions extends IpOptions {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly payload?: Uint8Array;
}

export interface IcmpOptions extends IpOptions {
  readonly type: number;
  readonly code?: number;
  /** The 4 bytes after the checksum; default 0. */
  readonly rest?: number;
  readonly body?: Uint8Array;
}

/** An IP datagram carrying `payload` as it is. */
export function buildIp(options: IpOptions, protocol: number, payload: Uint8Array): Uint8Array {
  const src = addressOf(options.src);
  const dst = addressOf(options.dst);
  invariant(src.length === dst.length, 'both addresses are of one family');
  return src.length === 4 ? buildIpv4(options, src, dst, protocol, payload) : buildIpv6(options, src, dst, protocol, payload);
}

function buildIpv4(options: IpOptions, src: Uint8Array, dst: Uint8Array, protocol: number, payload: Uint8Array): Uint8Array {
  const ipOptions = options.ipOptions ?? NO_BYTES;
  invariant(ipOptions.length % 4 === 0 && ipOptions.length <= 40, 'IPv4 options are whole words, at most 40 bytes');
  const headerBytes = 20 + ipOptions.length;
  invariant(headerBytes + payload.length <= 0xffff, 'an IPv4 datagram has at most 65535 bytes');
  const out = new Uint8Array(headerBytes + payload.length);
  out[0] = 0x40 | (headerBytes >> 2);
  out[1] = options.tos ?? 0;
  putU16(out, 2, out.length);
  putU16(out, 4, options.fragment?.id ?? options.id ?? 0);
  putU16(out, 6, (options.dontFragment ? 0x4000 : 0) | fragmentField(options, 0x2000, 3));
  out[8] = options.ttl ?? 64;
  out[9] = protocol;
  out.set(src, 12);
  out.set(dst, 16);
  out.set(ipOptions, 20);
  putU16(out, 10, internetChecksum(out, 0, headerBytes));
  out.set(payload, headerBytes);
  return out;
}

function buildIpv6(options: IpOptions, src: Uint8Array, dst: Uint8Array, protocol: number, payload: Uint8Array): Uint8Array {
  const headers = [...(options.extensions ?? [])];
  if (options.fragment) {
    const bytes = new Uint8Array(8);
    putU16(bytes, 2, fragmentField(options, 1, 0));
    putU32(bytes, 4, options.fragment.id);
    headers.push({ protocol: IPPROTO_FRAGMENT, bytes });
  }
  const chain = headers.map((header, i) => {
    const bytes = header.bytes.slice();
    bytes[0] = headers[i + 1]?.protocol ?? protocol;
    return bytes;
  });
  const body = concat(...chain, payload);
  invariant(body.length <= 0xffff, 'an IPv6 datagram has at most 65535 bytes after its header');
  const out = new Uint8Array(40 + body.length);
  putU32(out, 0, 0x6000_0000 | ((options.tos ?? 0) << 20) | ((options.id ?? 0) & 0xf_ffff));
  putU16(out, 4, body.length);
  out[6] = headers[0]?.protocol ?? protocol;
  out[7] = options.ttl ?? 64;
  out.set(src, 8);
  out.set(dst, 24);
  out.set(body, 40);
  return out;
}

/** Offset and "more fragments" as the two versions pack them. */
function fragmentField(options: IpOptions, moreBit: number, shift: number): number {
  const { fragment } = options;
  if (!fragment) return 0;
  invariant(fragment.offsetBytes % 8 === 0 && fragment.offsetBytes < 0x1_0000, 'fragments begin at multiples of 8 below 65536');
  return (fragment.offsetBytes >> shift) | (fragment.isLast ? 0 : moreBit);
}

/** An IP datagram with a TCP segment. */
export function buildTcp(options: TcpOptions): Uint8Array {
  const tcpOptions = options.tcpOptions ?? NO_BYTES;
  invariant(tcpOptions.length % 4 === 0 && tcpOptions.length <= 40, 'TCP options are whole words, at most 40 bytes');
  const header = new Uint8Array(20 + tcpOptions.length);
  putU16(header, 0, options.srcPort);
  putU16(header, 2, options.dstPort);
  putU32(header, 4, options.seq ?? 0);
  putU32(header, 8, options.ack ?? 0);
  header[12] = (header.length >> 2) << 4;
  header[13] = options.flags ?? TCP_ACK;
  putU16(header, 14, options.window ?? 0xffff);
  header.set(tcpOptions, 20);
  return buildChecked(options, IPPROTO_TCP, concat(header, options.payload ?? NO_BYTES), 16);
}

/** An IP datagram with a UDP datagram. */
export function buildUdp(options: UdpOptions): Uint8Array {
  const payload = options.payload ?? NO_BYTES;
  const header = new Uint8Array(8);
  putU16(header, 0, options.srcPort);
  putU16(header, 2, options.dstPort);
  putU16(header, 4, 8 + payload.length);
  return buildChecked(options, IPPROTO_UDP, concat(header, payload), 6);
}

/** An IP datagram with an ICMP message, or ICMPv6 when the addresses are IPv6. */
export function buildIcmp(options: IcmpOptions): Uint8Array {
  const header = Uint8Array.of(options.type, options.code ?? 0, 0, 0, 0, 0, 0, 0);
  putU32(header, 4, options.rest ?? 0);
  const message = concat(header, options.body ?? NO_BYTES);
  if (addressOf(options.src).length === 16) return buildChecked(options, IPPROTO_ICMPV6, message, 2);
  putU16(message, 2, internetChecksum(message, 0, message.length));
  return buildIp(options, IPPROTO_ICMP, message);
}

/** Fills in a checksum that covers the pseudo header. A fragment gets the checksum of what it carries. */
function buildChecked(options: IpOptions, protocol: number, message: Uint8Array, checksumAt: number): Uint8Array {
  const src = addressOf(options.src);
  const dst = addressOf(options.dst);
  const addressBytes = src.length === 4 ? 4 : 16;
  const covered = concat(src, dst, message);
  const sum = transportChecksum(covered, 0, src.length, addressBytes, protocol, 2 * src.length, covered.length);
  putU16(message, checksumAt, checksumField(protocol, sum));
  return buildIp(options, protocol, message);
}

export interface EthernetOptions {
  /** `02:00:00:00:00:01`; these are the defaults' form: locally administered. */
  readonly srcMac?: string;
  readonly dstMac?: string;
  /** VLAN ids, outermost first. */
  readonly vlans?: readonly number[];
  /** Default: by the version nibble of the payload. */
  readonly etherType?: number;
}

/** An Ethernet frame without padding and frame check sequence. */
export function buildEthernet(payload: Uint8Array, options: EthernetOptions = {}): Uint8Array {
  const vlans = options.vlans ?? [];
  const out = new Uint8Array(14 + 4 * vlans.length + payload.length);
  out.set(macOf(options.dstMac ?? '02:00:00:00:00:02'), 0);
  out.set(macOf(options.srcMac ?? '02:00:00:00:00:01'), 6);
  let at = 12;
  for (const vlan of vlans) {
    putU16(out, at, ETHERTYPE_VLAN);
    putU16(out, at + 2, vlan);
    at += 4;
  }
  putU16(out, at, options.etherType ?? ((payload[0] ?? 0) >> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4));
  out.set(payload, at + 2);
  return out;
}

function macOf(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(':', ''));
  invariant(bytes.length === 6, `an Ethernet address has 6 bytes: ${text}`);
  return bytes;
}

function addressOf(address: string | Uint8Array): Uint8Array {
  const bytes = typeof address === 'string' ? parseAddress(address) : address;
  invariant(bytes !== null && (bytes.length === 4 || bytes.length === 16), `not an IP address: ${address}`);
  return bytes;
}
