/**
 * Gnutella datagrams: plain messages (pings, pongs, vendor messages, hits, out-of-band replies),
 * reliable UDP between firewalled servents (RUDP 1.03), the Mojito DHT and the
 * semi-reliable layer "GTA" of gtk-gnutella. "GND", its G2 twin, belongs to gnutella2.
 *
 * Not recognised: fragments of RUDP data are recognised by their header like all
 * RUDP messages, but what they carry (HTTP) is not read.
 */
import { ascii, u16, u16le, u32le, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, match, NO, UDP } from '../../detector.js';
import { SEMI_RELIABLE_HEADER_BYTES, hasCounterpart, semiReliableContent } from '../../facets/semi-reliable.js';
import { harvestDht, harvestMessage } from './harvest.js';
import {
  DHT,
  HEADER_BYTES,
  isBody,
  isHeader,
  isModernGuid,
  isRandomGuid,
  PING,
  RUDP,
  TYPE_AT,
  UDP_TYPES,
} from './message.js';

/*
 * Odds of a certain finding on random bytes: the length field alone must equal the datagram's length
 * (2^-32), the type is one of nine (2^-5), TTL and hops are small (2^-9); then the body fits. On
 * ordinary traffic the GUID check keeps tables of zeros out.
 */
const MESSAGE = match('certain', 'Gnutella message over UDP: header, length and body fit its type');
const MODERN_PING = match('certain', 'Gnutella ping over UDP: 23 bytes, empty, with the GUID mark of modern servents');
/** Heuristic: seven fixed bytes behind 16 random ones in a datagram of exactly 23; no ordinary protocol known to do that. */
const BARE_PING = match('likely', 'Gnutella ping over UDP: 23 bytes, TTL small, no body');
const UNREAD_BODY = match('likely', 'Gnutella message over UDP: header and length fit, the body is unusual');
const RELIABLE = match('certain', 'Gnutella reliable UDP (RUDP) between firewalled servents');
const MOJITO = match('certain', 'Gnutella DHT (Mojito) message with its sender\'s contact');
/** Odds: 24 literal bits, flags, part and count (2^-12), then a zlib header (2^-10), or a Gnutella header with its length (2^-16 or less). */
const SEMI_RELIABLE = match('certain', 'Gnutella semi-reliable UDP (GTA) with the beginning of a message');
/** Odds: the literal twice (48 bits) and the same sequence number (16), with part and count that belong together. */
const RELATED = match('certain', 'Gnutella semi-reliable UDP (GTA): datagrams of one sequence');
/** Heuristic: literal, flags, part and count. False positives: another protocol of numbered parts behind the letters GTA. */
const SEMI_RELIABLE_ALONE = match('likely', 'Gnutella semi-reliable UDP (GTA) with a consistent header');

/** Four contacts' vendors aside, DHT messages carry versions 0.0 and 0.1 so far. */
const DHT_MAX_VERSION = 2;
const DHT_HEADER_BYTES = 61;
const DHT_MAX_OPCODE = 0x0a;

function inspectMessage(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const lengthBytes = end - start - HEADER_BYTES;
  // Nearly all datagrams end here: the first byte of the length differs.
  if (lengthBytes < 0 || u8(bytes, start + 19) !== (lengthBytes & 0xff) || u32le(bytes, start + 19) !== lengthBytes) return NO;
  const type = u8(bytes, start + TYPE_AT);
  if (type === DHT) return isDht(bytes, start, end) ? MOJITO : NO;
  if (type === RUDP) return isReliable(bytes, start, lengthBytes) ? RELIABLE : NO;
  if (!UDP_TYPES.includes(type) || !isHeader(bytes, start)) return NO;
  if (type === PING && lengthBytes === 0) return isModernGuid(bytes, start) ? MODERN_PING : isRandomGuid(bytes, start) ? BARE_PING : NO;
  if (isBody(bytes, start, start + HEADER_BYTES, end)) return MESSAGE;
  return isRandomGuid(bytes, start) ? UNREAD_BODY : NO;
}

/** Header of 61 bytes: opcode 1 to 10, the sender's vendor (letters), version, KUID, address with its length, extended length. */
function isDht(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < DHT_HEADER_BYTES || u8(bytes, start + 17) > DHT_MAX_VERSION) return false;
  const opcode = u8(bytes, start + 23);
  if (opcode === 0 || opcode > DHT_MAX_OPCODE) return false;
  for (let at = start + 24; at < start + 28; at++) if (u8(bytes, at) < 0x20 || u8(bytes, at) > 0x7e) return false;
  const addressBytes = u8(bytes, start + 50);
  if (addressBytes !== 4 && addressBytes !== 16) return false;
  const extendedAt = start + 51 + addressBytes + 2 + 2;
  return extendedAt + 2 <= end && extendedAt + 2 + u16(bytes, extendedAt) <= end;
}

const RUDP_DATA = 3;
const RUDP_MAX_OPCODE = 4;
/** "MAX_GUID_DATA = 12": data that fits behind the 4 header bytes in the place of the GUID. */
const RUDP_MAX_GUID_DATA = 12;

/**
 * The GUID's place holds: connection, opcode (high nibble) and data length (low nibble), sequence number, 12 bytes.
 * Only DATA has a body. SYN carries a connection id and a version, the unused rest is zero:
 * with TTL 1, hops 0 and the length these are at least 70 fixed bits; DATA has 32 + 8 + 16 + 4 of them.
 */
function isReliable(bytes: Uint8Array, start: number, lengthBytes: number): boolean {
  const opcode = u8(bytes, start + 1) >> 4;
  const dataBytes = u8(bytes, start + 1) & 0x0f;
  if (opcode > RUDP_MAX_OPCODE || u8(bytes, start + 17) !== 1 || u8(bytes, start + 18) !== 0) return false;
  if (opcode === RUDP_DATA) return dataBytes <= RUDP_MAX_GUID_DATA && (lengthBytes === 0 || dataBytes === RUDP_MAX_GUID_DATA);
  if (lengthBytes !== 0 || dataBytes !== 0) return false;
  for (let at = start + 8; at < start + 16; at++) if (u8(bytes, at) !== 0) return false;
  return true;
}

export const messages: Feature = {
  feature: 'udp',
  transport: UDP,
  trigger: { kind: 'always', because: 'a random GUID comes first; the length field refuses all other datagrams at once' },
  inspect: inspectMessage,
  harvest(input, sink) {
    const { bytes, start, end } = input;
    if (end - start < HEADER_BYTES) return true;
    if (u8(bytes, start + TYPE_AT) === DHT) {
      if (isDht(bytes, start, end)) harvestDht(bytes, start, end, sink);
    } else if (u32le(bytes, start + 19) === end - start - HEADER_BYTES) {
      harvestMessage(bytes, start, start + HEADER_BYTES, end, sink);
    }
    return true;
  },
};

const GTA = ascii('GTA');

function inspectSemiReliable(input: Inspection): Finding {
  const finding = fitSemiReliable(input);
  return finding === SEMI_RELIABLE_ALONE && hasCounterpart(input, GTA) ? RELATED : finding;
}

function fitSemiReliable({ bytes, start, end }: Inspection): Finding {
  switch (semiReliableContent(bytes, start, end)) {
    case 'none':
      return NO;
    case 'acknowledgement':
    case 'later part':
      return SEMI_RELIABLE_ALONE;
    case 'deflated beginning':
      return SEMI_RELIABLE;
    case 'beginning': {
      const headerAt = start + SEMI_RELIABLE_HEADER_BYTES;
      const lengthBytes = end - headerAt - HEADER_BYTES;
      if (lengthBytes < 0) return NO;
      const isWhole = u8(bytes, start + 7) === 1;
      if (isWhole) return u16le(bytes, headerAt + 19) === lengthBytes ? SEMI_RELIABLE : NO;
      return isHeader(bytes, headerAt) && UDP_TYPES.includes(u8(bytes, headerAt + TYPE_AT)) ? SEMI_RELIABLE : SEMI_RELIABLE_ALONE;
    }
  }
}

export const semiReliable: Feature = {
  feature: 'udp-reliable',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: GTA }] },
  inspect: inspectSemiReliable,
};
