/**
 * Message stream encryption (MSE/PE), the obfuscated opening of peer connections:
 *
 *     1 opener    -> Diffie-Hellman key (96 bytes), padding (0..512)
 *     2 responder -> key (96), padding (0..512)
 *     3 opener    -> two hashes (40), RC4: constant, offer, padding, first payload (16 and more)
 *     4 responder -> RC4: constant, choice, padding, payload
 *
 * Nothing is fixed but lengths, so the shape alone is `suspected`, never more: two
 * random-looking bursts of a key's size and a third one of the least size. Where
 * the payload that follows is in clear (many clients choose so by default) the
 * peer handshake appears in message 4 or 5: `certain`.
 *
 * Specification: "Message Stream Encryption", Vuze wiki (2006), "Handshake stream";
 * section 1 of the padding rules.
 */
import { hasAt, indexOf, u16, u16le, u24, u32, u32le, u8 } from '../../../base/bytes.js';
import {
  type Feature,
  type Finding,
  type Inspection,
  type Match,
  MORE,
  NO,
  TCP,
  match,
} from '../../detector.js';
import { HANDSHAKE_BYTES, HANDSHAKE_OPENING, harvestHandshake } from './handshake.js';
import { looksRandom } from './random-bytes.js';

/** A key of 768 bits. */
const KEY_BYTES = 96;
const MAX_PADDING_BYTES = 512;
const MAX_BURST_BYTES = KEY_BYTES + MAX_PADDING_BYTES;
/** HASH('req1', S), HASH('req2', SKEY) xor HASH('req3', S), VC, crypto_provide, len(PadC), len(IA). */
const MIN_THIRD_BYTES = 20 + 20 + 8 + 4 + 2 + 2;
/** The same with all padding and a first payload of handshake, bitfield and extension handshake. */
const MAX_THIRD_BYTES = MIN_THIRD_BYTES + MAX_PADDING_BYTES + 1024;
/** RLPx of Ethereum before EIP-8 opens with exactly 307 and 210 random bytes. */
const RLPX_AUTH_BYTES = 307;
const RLPX_ACK_BYTES = 210;
/**
 * Ports below this belong to services: a random burst to one of them is more likely a
 * tunnel, and is followed for a clear handshake only, unless the endpoint is known.
 */
const FIRST_USER_PORT = 1024;
/** The clear handshake comes in turn 4 or 5; a little more for split bursts. */
export const MAX_TURNS_SEEN = 7;

/*
 * Heuristic. False positives: Shadowsocks and other openings without any structure
 * (about one in fifteen has these lengths), obfuscated eDonkey, Telegram's transport.
 */
const EXCHANGE: Match = {
  confidence: 'suspected',
  why: 'encrypted handshake by shape: two random bursts of a key exchange size and a third that fits',
  needsEndpoint: true,
};
/*
 * Heuristic: one or two bursts only, where endpoint or host are known to speak BitTorrent.
 * That the host does raises neither this nor the whole exchange: its tunnels begin so too,
 * and peers of a host that speaks BitTorrent are mostly known by trackers, DHT or uTP.
 */
const ANSWERED: Match = {
  confidence: 'suspected',
  why: 'encrypted handshake by shape: two random bursts of a key exchange size, with a known peer or host',
  needsEndpoint: true,
};
const OPENED: Match = {
  confidence: 'suspected',
  why: 'encrypted handshake by shape: random burst of a key exchange size, with a known peer or host',
  needsEndpoint: true,
};
/* Odds: 20 fixed bytes that name the protocol, after an opening of the right shape. */
const CLEAR = match('certain', 'BitTorrent peer handshake in clear after an encrypted opening');

/** Fixed openings and length fields of other protocols: a Diffie-Hellman key shows one of them once in 5,000 times. */
function hasKnownOpening(bytes: Uint8Array, start: number, end: number): boolean {
  const count = end - start;
  const first = u8(bytes, start);
  if (first >= 0x14 && first <= 0x19 && (u8(bytes, start + 1) === 0x03 || u8(bytes, start + 1) === 0xf1)) return true; // TLS record, that of WeChat
  const prefix = u16(bytes, start);
  if (prefix === count || prefix === count - 2) return true; // RLPx (EIP-8), DNS, VPN framing
  if (u16le(bytes, start) === count || u16le(bytes, start) === count - 2) return true;
  const word = u32(bytes, start);
  if (word === count || word === count - 4 || (first === 0x03 && u8(bytes, start + 1) === 0)) return true; // TPKT
  const littleWord = u32le(bytes, start);
  if (littleWord === count || littleWord === count - 4) return true;
  // One byte of type or version, then a length: Diameter (RFC 6733 section 3), many private protocols.
  const length24 = u24(bytes, start + 1);
  if (length24 === count || length24 === count - 4) return true;
  return u32le(bytes, start + 1) === count - 5 || u32(bytes, start + 1) === count - 5;
}

/** Bytes among which a length field may stand behind a version, a type or a magic word: WhatsApp, Spotify, TDS, Cassandra and private protocols. */
const LENGTH_FIELD_BYTES = 9;

/** A length field of two bytes or more near the beginning counts exactly what is there, as of a key once in 1,600 times. Asked where little else is left. */
function hasLengthField(bytes: Uint8Array, start: number, end: number): boolean {
  const count = end - start;
  for (let at = 1; at < LENGTH_FIELD_BYTES; at++) {
    const big = u16(bytes, start + at);
    if (big === count || big === count - at - 2) return true;
    const little = u16le(bytes, start + at);
    // Its upper half follows, when it has one.
    if (little === count || little === count - at - 2 || little === count - at - 4) return true;
  }
  return false;
}

/** Twelve bytes of text (fewer when no more are there, at least 4): a key opens so once in 100,000 times. */
function opensWithText(bytes: Uint8Array, start: number, end: number): boolean {
  let run = 0;
  for (let at = start; at < end && run < 12; at++, run++) {
    const byte = u8(bytes, at);
    if ((byte < 0x20 || byte > 0x7e) && byte !== 0x0d && byte !== 0x0a && byte !== 0x09) return false;
  }
  return run >= 4;
}

function isBurst(lengthBytes: number): boolean {
  return lengthBytes >= KEY_BYTES && lengthBytes <= MAX_BURST_BYTES;
}

/** Whether the shape may count at all: peers use ports of their own, and known ones any. */
function mayBePeer(input: Inspection): boolean {
  const responderPort = input.direction === 0 ? input.dstPort : input.srcPort;
  if (responderPort >= FIRST_USER_PORT) return true;
  const known = input.known();
  return known === 'endpoint' || known === 'told';
}

/** Turn 1: the opener's burst so far. */
function inspectOpening(input: Inspection, lengthBytes: number): Finding {
  const { bytes, start, end } = input;
  if (lengthBytes > MAX_BURST_BYTES || opensWithText(bytes, start, end) || isUnknownMidstream(input)) return NO;
  // A plain handshake's length, encrypted without an exchange, is seen from clients that retry.
  if (lengthBytes < HANDSHAKE_BYTES) return MORE;
  if (hasKnownOpening(bytes, start, end) || !looksRandom(bytes, start, end) || hasLengthField(bytes, start, end)) return NO;
  return input.known() !== 'none' && mayBePeer(input) ? OPENED : MORE;
}

/** Without its SYN a stream may have begun long before: only of hosts and endpoints that speak BitTorrent. */
function isUnknownMidstream(input: Inspection): boolean {
  return !input.fromStart && input.known() === 'none';
}

/** Turn 2: the responder's burst so far; the opener's passed the tests. */
function inspectReply(input: Inspection, openingBytes: number, lengthBytes: number): Finding {
  const { bytes, start, end } = input;
  if (!isBurst(openingBytes) || lengthBytes > MAX_BURST_BYTES || opensWithText(bytes, start, end)) return NO;
  if (openingBytes === RLPX_AUTH_BYTES && lengthBytes === RLPX_ACK_BYTES) return NO;
  if (lengthBytes < KEY_BYTES) return MORE;
  if (hasKnownOpening(bytes, start, end)) return NO;
  // Of unknown ends the third turn tests the answer; it is the dearest test of all here (bench/identify.ts).
  if (input.known() === 'none') return input.fromStart ? MORE : NO;
  if (!looksRandom(bytes, start, end)) return NO;
  return mayBePeer(input) ? ANSWERED : MORE;
}

/** Turn 3: the opener goes on; both bursts passed by length, now by content. */
function inspectThird(input: Inspection, openingBytes: number, thirdBytes: number): Finding {
  const { bytes, start, end, otherBytes, otherStart, otherEnd } = input;
  if (thirdBytes > MAX_THIRD_BYTES) return NO;
  if (thirdBytes < MIN_THIRD_BYTES) return MORE;
  if (!mayBePeer(input)) return MORE;
  if (hasKnownOpening(bytes, start, start + openingBytes)) return NO;
  // A snap length leaves less of the opening than its length.
  if (hasLengthField(bytes, start, start + openingBytes)) return NO;
  return looksRandom(otherBytes, otherStart, otherEnd) && looksRandom(bytes, start, Math.min(end, start + openingBytes)) ? EXCHANGE : NO;
}

/** From turn 3 on: the clear handshake. Mostly it opens a segment; after padding it stands inside one. */
function hasClearHandshake({ bytes, start, segmentAt, end }: Inspection): boolean {
  if (hasAt(bytes, segmentAt, end, HANDSHAKE_OPENING)) return true;
  const from = Math.max(start + KEY_BYTES, segmentAt - HANDSHAKE_OPENING.length);
  return indexOf(bytes, from, end, HANDSHAKE_OPENING) >= 0;
}

function inspect(input: Inspection): Finding {
  const { turns } = input;
  if (turns.count === 0 || turns.direction(0) !== 0) return NO;
  const openingBytes = turns.lengthBytes(0);
  if (turns.count === 1) return inspectOpening(input, openingBytes);
  const replyBytes = turns.lengthBytes(1);
  if (turns.count === 2) return inspectReply(input, openingBytes, replyBytes);
  if (!isBurst(openingBytes) || !isBurst(replyBytes) || turns.count > MAX_TURNS_SEEN) return NO;
  if (openingBytes === RLPX_AUTH_BYTES && replyBytes === RLPX_ACK_BYTES) return NO;
  if (isUnknownMidstream(input)) return NO;
  if (hasClearHandshake(input)) return CLEAR;
  return turns.count === 3 ? inspectThird(input, openingBytes, turns.lengthBytes(2)) : MORE;
}

export const mse: Feature = {
  feature: 'mse',
  transport: TCP,
  trigger: { kind: 'always', because: 'an encrypted handshake has no fixed bytes' },
  inspect,
  harvest: harvestHandshake,
};
