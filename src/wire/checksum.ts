/**
 * The Internet checksum (RFC 1071) and the pseudo headers it covers in TCP, UDP and ICMPv6.
 *
 * Sums are plain numbers that may exceed 16 bits; `foldChecksum` makes the field of them.
 */
import { u16 } from '../base/bytes.js';
import { IPPROTO_UDP } from './constants.js';

/** Sum of the 16-bit words of `[start, end)` on top of `initial`; an odd last byte counts as its word's high byte. */
export function checksumSum(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  let sum = initial;
  let at = start;
  for (; at + 1 < end; at += 2) sum += u16(bytes, at);
  if (at < end) sum += (bytes[at] ?? 0) << 8;
  return sum;
}

/** The checksum field for a sum: one's complement of the one's complement sum, 0 to 0xffff. */
export function foldChecksum(sum: number): number {
  // Sums of up to 4 GiB of data stay exact; two folds bring them below 17 bits, a third below 16.
  let folded = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  folded = (folded & 0xffff) + (folded >>> 16);
  folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** Internet checksum of `[start, end)`. Over bytes that hold their own right checksum the answer is 0. */
export function internetChecksum(bytes: Uint8Array, start: number, end: number): number {
  return foldChecksum(checksumSum(bytes, start, end));
}

/**
 * Sum of the pseudo header: addresses of 4 (RFC 9293 section 3.1) or 16 bytes (RFC 8200 section 8.1),
 * protocol and length of transport header and payload. Both forms have the same sum, fields
 * differ only in width.
 */
export function pseudoHeaderSum(
  bytes: Uint8Array,
  sourceAt: number,
  destinationAt: number,
  addressBytes: 4 | 16,
  protocol: number,
  lengthBytes: number,
): number {
  const sum = checksumSum(bytes, sourceAt, sourceAt + addressBytes, protocol + (lengthBytes >>> 16) + (lengthBytes & 0xffff));
  return checksumSum(bytes, destinationAt, destinationAt + addressBytes, sum);
}

/**
 * Checksum of the TCP, UDP or ICMPv6 message `[transportAt, end)` whose addresses stand at the given
 * places of the same buffer. The message's checksum field must be 0 to get its value; with the
 * field in place the answer is 0 iff it is right. Not for ICMP over IPv4, which has no pseudo header.
 */
export function transportChecksum(
  bytes: Uint8Array,
  sourceAt: number,
  destinationAt: number,
  addressBytes: 4 | 16,
  protocol: number,
  transportAt: number,
  end: number,
): number {
  const pseudo = pseudoHeaderSum(bytes, sourceAt, destinationAt, addressBytes, protocol, end - transportAt);
  return foldChecksum(checksumSum(bytes, transportAt, end, pseudo));
}

/** What to write into a UDP or TCP field: RFC 768 keeps 0 for "no checksum", so UDP sends 0xffff instead. */
export function checksumField(protocol: number, checksum: number): number {
  return protocol === IPPROTO_UDP && checksum === 0 ? 0xffff : checksum;
}
