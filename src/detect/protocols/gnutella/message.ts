/**
 * Binary Gnutella messages: the 23-byte header and, for each type, what its body
 * must look like. Deflated bodies are checked by their zlib header only.
 *
 * Gnutella protocol specification 0.6; "Gnutella UDP Traffic Compression" (2006).
 *
 *   0               16     17    18     19            23
 *   | GUID          | type | TTL | hops | length (LE) | body
 */
import { countSmall, u16, u16le, u32le, u8 } from '../../../base/bytes.js';
import { GGEP_MAGIC, ggepEnd } from './ggep.js';

export const HEADER_BYTES = 23;
export const TYPE_AT = 16;

export const PING = 0x00;
export const PONG = 0x01;
export const BYE = 0x02;
export const ROUTE_TABLE = 0x30;
export const VENDOR = 0x31;
export const STANDARD_VENDOR = 0x32;
export const PUSH = 0x40;
/** Reliable UDP between two firewalled servents (RUDP 1.03); LimeWire and BearShare. */
export const RUDP = 0x41;
/** Mojito DHT: TTL and hops hold the version of the message. */
export const DHT = 0x44;
export const QUERY = 0x80;
export const HIT = 0x81;

/** Types seen in datagrams. Route tables and byes travel over TCP only. */
export const UDP_TYPES: readonly number[] = [PING, PONG, VENDOR, STANDARD_VENDOR, PUSH, RUDP, DHT, QUERY, HIT];
export const TCP_TYPES: readonly number[] = [PING, PONG, BYE, ROUTE_TABLE, VENDOR, STANDARD_VENDOR, PUSH, QUERY, HIT];

export const PONG_BYTES = 14;
const PUSH_BYTES = 26;
const VENDOR_BYTES = 8;
export const HIT_BYTES = 11;
const GUID_BYTES = 16;
/** Servents agree on 64 KiB; the upper 16 bits of the length are zero. */
const MAX_BODY_BYTES = 0xffff;
/** "Gnutella UDP Traffic Compression": bit 7 of the TTL marks a deflated body, bit 3 that one may be sent back. */
const TTL_DEFLATED = 0x80;
const TTL_CAN_INFLATE = 0x08;
/** "No servent should send a TTL greater than 7"; hops and TTL together start at 7 too, with some slack for old ones. */
const MAX_TTL = 7;
const MAX_HOPS = 7;

/** Whether 23 readable bytes at `at` can be a header: TTL, hops and length in the limits all servents keep. The type is the caller's to check. */
export function isHeader(bytes: Uint8Array, at: number): boolean {
  const ttl = u8(bytes, at + 17) & ~(TTL_DEFLATED | TTL_CAN_INFLATE);
  const hops = u8(bytes, at + 18);
  return ttl <= MAX_TTL && hops <= MAX_HOPS && ttl + hops > 0 && u32le(bytes, at + 19) <= MAX_BODY_BYTES && isGuid(bytes, at);
}

/**
 * Heuristic: GUIDs are random (LimeWire marks two bytes, out-of-band ones hold an address), so at
 * least 8 of 16 bytes differ from their neighbour and at most 8 are zero. Refuses tables of zeros and text padding.
 */
function isGuid(bytes: Uint8Array, at: number): boolean {
  let changes = 0;
  let zeros = 0;
  for (let i = at; i < at + GUID_BYTES; i++) {
    if (u8(bytes, i) === 0) zeros++;
    if (i > at && u8(bytes, i) !== u8(bytes, i - 1)) changes++;
  }
  return changes >= 8 && zeros <= 8;
}

/** Sixteen random bytes hold more than three zeros, or eight values below 16, once in 10^6 times; servents set the last one to zero. For bodies that prove nothing. */
export function isRandomGuid(bytes: Uint8Array, at: number): boolean {
  let zeros = 0;
  for (let i = at; i < at + GUID_BYTES; i++) if (u8(bytes, i) === 0) zeros++;
  return zeros <= 3 && countSmall(bytes, at, at + GUID_BYTES) <= 8;
}

/** LimeWire, gtk-gnutella, BearShare and Shareaza set byte 8 of the GUIDs of their own messages to FF ("modern servent"). */
export function isModernGuid(bytes: Uint8Array, at: number): boolean {
  return u8(bytes, at + 8) === 0xff;
}

/** Whether the whole body [at, end) fits the type. `headerAt`: the header, for its deflate mark. */
export function isBody(bytes: Uint8Array, headerAt: number, at: number, end: number): boolean {
  const lengthBytes = end - at;
  if ((u8(bytes, headerAt + 17) & TTL_DEFLATED) !== 0) return lengthBytes > 2 && isZlib(bytes, at);
  switch (u8(bytes, headerAt + TYPE_AT)) {
    case PING:
      return isExtended(bytes, at, end);
    case PONG:
      return lengthBytes >= PONG_BYTES && u16le(bytes, at) !== 0 && isExtended(bytes, at + PONG_BYTES, end);
    case PUSH:
      return lengthBytes >= PUSH_BYTES && u16le(bytes, at + 24) !== 0 && isExtended(bytes, at + PUSH_BYTES, end);
    case VENDOR:
    case STANDARD_VENDOR:
      return lengthBytes >= VENDOR_BYTES && isVendorCode(bytes, at) && u16le(bytes, at + 4) < 0x400 && u16le(bytes, at + 6) < 0x20;
    case QUERY:
      return isQuery(bytes, at, end);
    case HIT:
      return lengthBytes > HIT_BYTES + GUID_BYTES && u8(bytes, at) !== 0 && u16le(bytes, at + 1) !== 0;
    case ROUTE_TABLE:
      return isRouteTable(bytes, at, lengthBytes);
    case BYE:
      return lengthBytes >= 3 && u16le(bytes, at) >= 200 && u16le(bytes, at) < 1000 && u8(bytes, at + 2) >= 0x20;
    default:
      return false;
  }
}

/** Nothing, or a whole GGEP block; some old servents leave a zero byte behind it. */
function isExtended(bytes: Uint8Array, at: number, end: number): boolean {
  return at === end || (u8(bytes, at) === GGEP_MAGIC && ggepEnd(bytes, at, end) > 0);
}

/** Four letters or digits (LIME, BEAR, GTKG), or zeros for the messages all vendors share. */
function isVendorCode(bytes: Uint8Array, at: number): boolean {
  if (u8(bytes, at) === 0) return u16(bytes, at) === 0 && u16(bytes, at + 2) === 0;
  for (let i = at; i < at + 4; i++) {
    const byte = u8(bytes, i);
    const letter = byte | 0x20;
    if (!(letter >= 0x61 && letter <= 0x7a) && !(byte >= 0x30 && byte <= 0x39)) return false;
  }
  return true;
}

/** Flags (2 bytes), text up to NUL, then extensions: GGEP, HUGE (`urn:`) or rich text, or nothing. */
function isQuery(bytes: Uint8Array, at: number, end: number): boolean {
  let next = at + 2;
  while (next < end && u8(bytes, next) !== 0) {
    const byte = u8(bytes, next++);
    if (byte < 0x20 || byte === 0x7f) return false;
  }
  if (next >= end) return false;
  next++;
  if (next >= end) return true;
  const byte = u8(bytes, next);
  return byte === GGEP_MAGIC || byte === 0x00 || byte === 0x1c || byte === 0x75 || byte === 0x7b || byte === 0x3c;
}

/** Query routing: RESET (table length, infinity) or PATCH (sequence number, size, compressor, entry bits, data). */
function isRouteTable(bytes: Uint8Array, at: number, lengthBytes: number): boolean {
  if (lengthBytes === 6 && u8(bytes, at) === 0) return true;
  if (lengthBytes < 6 || u8(bytes, at) !== 1) return false;
  const sequence = u8(bytes, at + 1);
  const bits = u8(bytes, at + 4);
  return sequence > 0 && sequence <= u8(bytes, at + 2) && u8(bytes, at + 3) <= 1 && (bits === 1 || bits === 4 || bits === 8);
}

/** RFC 1950: method 8 and a header that is a multiple of 31. One of 1,000 random byte pairs. */
function isZlib(bytes: Uint8Array, at: number): boolean {
  return (u8(bytes, at) & 0x8f) === 0x08 && u16(bytes, at) % 31 === 0;
}
