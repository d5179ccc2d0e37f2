/**
 * ICMP (RFC 792) and ICMPv6 (RFC 4443): the header, and "destination unreachable" as the
 * answer to a packet.
 *
 *   0 |     Type      |     Code      |          Checksum             |
 *   4 |  unused, or identifier and sequence, or next-hop MTU           |
 *   8 |  errors: the offending packet from its IP header on            |
 *
 * Does not decide when an error may be sent (RFC 1122 section 3.2.2 and RFC 4443 section 2.4
 * forbid answers to multicasts, later fragments and other errors): `mayAnswerWithIcmp` says it.
 */
import { u32, u8 } from '../base/bytes.js';
import { buildIcmp } from './build.js';
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from './constants.js';
import type { PacketView } from './packet-view.js';

// RFC 792, RFC 1812 section 5.2.7.1.
export const ICMP_DEST_UNREACH = 3;
export const ICMP_NET_UNREACH = 0;
export const ICMP_HOST_UNREACH = 1;
export const ICMP_PROT_UNREACH = 2;
export const ICMP_PORT_UNREACH = 3;
/** Communication administratively prohibited. */
export const ICMP_PKT_FILTERED = 13;
// RFC 4443 section 3.1.
export const ICMPV6_DEST_UNREACH = 1;
export const ICMPV6_ADM_PROHIBITED = 1;
export const ICMPV6_PORT_UNREACH = 4;
/** RFC 4443 section 2.1: types below 128 are errors. */
const ICMPV6_FIRST_INFORMATIONAL = 128;

/** ICMP types that are errors about another packet: unreachable, source quench, redirect, time exceeded, parameter problem. */
const ICMP_ERRORS: readonly number[] = [3, 4, 5, 11, 12];
const ICMP_HEADER_BYTES = 8;
/** RFC 1812 section 4.3.2.3: as much of the packet as fits an answer of 576 bytes. */
const MAX_ICMP_DATAGRAM_BYTES = 576;
/** RFC 4443 section 2.4 (c): as much as fits the minimum MTU. */
const MAX_ICMPV6_DATAGRAM_BYTES = 1280;

export interface IcmpHeader {
  readonly type: number;
  readonly code: number;
  /** The 4 bytes after the checksum, big-endian. */
  readonly rest: number;
  /** Errors: offset of the quoted IP header, which `decodeIp` reads (usually `truncated`, with ports). Otherwise -1. */
  readonly quotedAt: number;
}

/** Header of the ICMP or ICMPv6 message of a view decoded `ok`, or null when it carries none. */
export function icmpHeader(view: PacketView): IcmpHeader | null {
  const { bytes, payloadAt, end, protocol } = view;
  if (protocol !== IPPROTO_ICMP && protocol !== IPPROTO_ICMPV6) return null;
  if (end - payloadAt < ICMP_HEADER_BYTES) return null;
  const type = u8(bytes, payloadAt);
  return {
    type,
    code: u8(bytes, payloadAt + 1),
    rest: u32(bytes, payloadAt + 4),
    quotedAt: isIcmpError(protocol, type) ? payloadAt + ICMP_HEADER_BYTES : -1,
  };
}

function isIcmpError(protocol: number, type: number): boolean {
  return protocol === IPPROTO_ICMP ? ICMP_ERRORS.includes(type) : type < ICMPV6_FIRST_INFORMATIONAL;
}

/**
 * Whether an error may be sent about the decoded packet: not about errors, later fragments, multicast
 * or broadcast destinations (the limited one; subnets are unknown here), nor to senders without address.
 */
export function mayAnswerWithIcmp(view: PacketView): boolean {
  if (view.isLaterFragment) return false;
  const { bytes, sourceAt, destinationAt } = view;
  const icmp = icmpHeader(view);
  if (icmp !== null && icmp.quotedAt >= 0) return false;
  if (view.ipVersion === 4) {
    // RFC 1122 section 3.2.2: neither end may be 0.0.0.0, multicast (224/4), reserved or broadcast (240/4).
    return u32(bytes, sourceAt) !== 0 && u8(bytes, sourceAt) < 224 && u8(bytes, destinationAt) < 224;
  }
  let isUnspecified = true;
  for (let at = sourceAt; at < sourceAt + 16; at++) if (u8(bytes, at) !== 0) isUnspecified = false;
  return !isUnspecified && u8(bytes, sourceAt) !== 0xff && u8(bytes, destinationAt) !== 0xff;
}

/**
 * A "destination unreachable" datagram about the decoded packet, to its source, in a new array.
 * `code` as the packet's version counts them; `src` is who says so (4 or 16 bytes), by default
 * the packet's destination.
 */
export function buildUnreachable(view: PacketView, code: number, src?: Uint8Array): Uint8Array {
  const isVersion4 = view.ipVersion === 4;
  const addressBytes = isVersion4 ? 4 : 16;
  const room = isVersion4
    ? MAX_ICMP_DATAGRAM_BYTES - 20 - ICMP_HEADER_BYTES
    : MAX_ICMPV6_DATAGRAM_BYTES - 40 - ICMP_HEADER_BYTES;
  return buildIcmp({
    src: src ?? view.bytes.slice(view.destinationAt, view.destinationAt + addressBytes),
    dst: view.bytes.slice(view.sourceAt, view.sourceAt + addressBytes),
    type: isVersion4 ? ICMP_DEST_UNREACH : ICMPV6_DEST_UNREACH,
    code,
    body: view.bytes.subarray(view.start, Math.min(view.end, view.start + room)),
  });
}
