/**
 * Kad, eMule's Kademlia, in clear: E4 and an opcode, or E5 when the body is
 * zlib-packed (eMule packs above 200 bytes).
 *
 * Kad 2 as eMule 0.50 and aMule 2.3 speak it, Kad 1 by its lengths. Layouts: R. Brunner,
 * "A performance evaluation of the Kad-protocol" (2006) and both programs' opcode lists.
 */
import { u16, u16le, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, match, NO, type TurnLog, UDP } from '../../detector.js';
import { CONTACT_BYTES, harvestContacts } from './harvest.js';
import { isRandomId } from './random.js';
import { tagsEnd } from './tags.js';

export const KAD = 0xe4;
export const KAD_PACKED = 0xe5;
const ID_BYTES = 16;

export const PING = 0x60;
export const PONG = 0x61;
const HELLO_REQUEST = 0x11;
const HELLO_ANSWER = 0x19;
const LOOKUP_ANSWER = 0x29;
const BOOTSTRAP_ANSWER = 0x09;

/** Odds: marker and opcode (2^-16), an exact length, and a type, version, count or tags that agree (2^-5 at least). */
const MESSAGE = match('certain', 'Kad message: opcode, length and inner counts agree');
/** Odds: marker, opcode, zlib header: 2^-29, and at least ten bytes. */
const PACKED = match('certain', 'Kad message, zlib-packed');
/** Odds: 16 bits, 4 bytes in all, and 16 bits more: the port is the one the pong goes to. */
const OWN_PORT = match('certain', 'Kad pong that repeats the port it is sent to');
const ANSWERED = match('certain', 'Kad pong to a ping of the other side');
/** Marker and opcode (2^-16) in a datagram with exactly the opcode's length, beside another with the marker (2^-7). */
const FIXED = match('likely', 'Kad message of fixed length, beside another Kad datagram');
/** Odds: marker and opcode (2^-16) and exact length in each of two datagrams of opposite directions. */
const EXCHANGE = match('likely', 'Kad messages of fixed length in both directions');
/** Alone, or with a few bytes: one short datagram with a random opening in 200,000 looks so. */
const SHORT = match('suspected', 'Kad message of fixed length');
/** Id-less messages have at most the four bytes of an address. */
const SHORT_BYTES = 4;

const NOTHING = 0;
const FITS = 1;
const PROVES = 2;

function inspectKad(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < 2) return NO;
  const opcode = u8(bytes, start + 1);
  const at = start + 2;
  const lengthBytes = end - at;
  if (opcode === PONG && lengthBytes === 2) return inspectPong(input, at);
  switch (fitBody(bytes, opcode, at, end)) {
    case NOTHING:
      return NO;
    case PROVES:
      // The first two bytes of a DNS message are a random number, and its class at the end looks like a type.
      // Every message that proves itself has an id in its first 18 bytes or behind two: small numbers are another protocol's.
      if (lengthBytes > ID_BYTES + 1 ? !isRandomId(bytes, at + 2) : lengthBytes >= ID_BYTES && !isRandomId(bytes, at)) return NO;
      return lengthBytes > 15 && input.dns() !== null ? NO : MESSAGE;
    default:
      if (isAnswered(input, opcode)) return EXCHANGE;
      if (lengthBytes <= SHORT_BYTES) return SHORT;
      return lengthBytes > 15 && input.dns() !== null ? NO : hasKin(input.turns, opcode) ? FIXED : SHORT;
  }
}

/** Whether an earlier datagram of the flow has a Kad marker and another opcode: other protocols repeat the number of their connection. */
function hasKin(turns: TurnLog, opcode: number): boolean {
  for (let i = 0; i < turns.count; i++) {
    const at = turns.headAt(i);
    const marker = u8(turns.heads, at);
    if (turns.headLengthBytes(i) > 1 && (marker === KAD_PACKED || (marker === KAD && u8(turns.heads, at + 1) !== opcode))) return true;
  }
  return false;
}

/** Whether an earlier datagram of the other side is a Kad message with another opcode. Heads hold what messages of fixed length have. */
function isAnswered({ direction, turns }: Inspection, opcode: number): boolean {
  for (let i = 0; i < turns.count; i++) {
    const at = turns.headAt(i);
    const lengthBytes = turns.lengthBytes(i);
    if (turns.direction(i) === direction || lengthBytes < 2 || lengthBytes !== turns.headLengthBytes(i)) continue;
    if (u8(turns.heads, at) === KAD && u8(turns.heads, at + 1) !== opcode && fitBody(turns.heads, u8(turns.heads, at + 1), at + 2, at + lengthBytes) !== NOTHING) return true;
  }
  return false;
}

/** A pong holds the port from which it saw the ping come: this datagram's destination, unless translated. */
function inspectPong(input: Inspection, at: number): Finding {
  if (u16le(input.bytes, at) === input.dstPort) return OWN_PORT;
  const { turns } = input;
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) === input.direction || turns.lengthBytes(i) !== 2) continue;
    if (u8(turns.heads, turns.headAt(i)) === KAD && u8(turns.heads, turns.headAt(i) + 1) === PING) return ANSWERED;
  }
  return SHORT;
}

/** Kad versions so far: 1 (0.46c) to 10. */
function isVersion(version: number): boolean {
  return version >= 1 && version <= 15;
}

/** Contacts of 25 bytes end in a version; Kad 1 wrote 0 there. */
function areContacts(bytes: Uint8Array, at: number, count: number): boolean {
  for (let i = 0; i < count; i++) {
    const lastAt = at + CONTACT_BYTES * (i + 1) - 1;
    if (u8(bytes, lastAt) > 15 || u16le(bytes, lastAt - 4) === 0) return false;
  }
  return true;
}

/** One byte of count, then tags that end with the datagram. */
function areTags(bytes: Uint8Array, at: number, end: number): boolean {
  return at < end && tagsEnd(bytes, at + 1, end, u8(bytes, at)) === end;
}

const only = (isFit: boolean): number => (isFit ? FITS : NOTHING);
const proof = (isFit: boolean): number => (isFit ? PROVES : NOTHING);

function fitBody(bytes: Uint8Array, opcode: number, at: number, end: number): number {
  const lengthBytes = end - at;
  switch (opcode) {
    case 0x01: // bootstrap request
    case PING:
    case 0x4c: // publish answer acknowledged
    case 0x59: // firewall check acknowledged
      return only(lengthBytes === 0);
    case BOOTSTRAP_ANSWER: // id, port, version, count (2), contacts
      if (lengthBytes < ID_BYTES + 5) return NOTHING;
      return proof(
        isVersion(u8(bytes, at + 18)) &&
          lengthBytes === ID_BYTES + 5 + CONTACT_BYTES * u16le(bytes, at + 19) &&
          areContacts(bytes, at + ID_BYTES + 5, u16le(bytes, at + 19)),
      );
    case HELLO_REQUEST: // id, port, version, tags
    case HELLO_ANSWER:
      return proof(lengthBytes >= ID_BYTES + 4 && isVersion(u8(bytes, at + 18)) && areTags(bytes, at + 19, end));
    case 0x21: // lookup: type, target, receiver's id
      return proof(lengthBytes === 33 && isLookupType(u8(bytes, at)));
    case LOOKUP_ANSWER: // target, count, contacts
      if (lengthBytes < ID_BYTES + 1) return NOTHING;
      return proof(
        lengthBytes === ID_BYTES + 1 + CONTACT_BYTES * u8(bytes, at + ID_BYTES) &&
          areContacts(bytes, at + ID_BYTES + 1, u8(bytes, at + ID_BYTES)),
      );
    case 0x22: // hello acknowledged: id, tags
      return proof(lengthBytes >= ID_BYTES + 1 && areTags(bytes, at + ID_BYTES, end));
    case 0x33: // keyword search: target, start, search tree
      return only(lengthBytes === 18 || (lengthBytes > 18 && (u8(bytes, at + 17) & 0x80) !== 0 && u8(bytes, at + 18) <= 3));
    case 0x34: // source search: target, start, size of the file below 2^40
      return proof(lengthBytes === 26 && u8(bytes, at + 25) === 0 && u16(bytes, at + 23) === 0);
    case 0x35: // notes search: target, size
      return proof(lengthBytes === 24 && u8(bytes, at + 23) === 0 && u16(bytes, at + 21) === 0);
    case 0x3b: // search answer: sender, target, count, entries of id and tags
      return proof(lengthBytes >= 34 && areEntries(bytes, at + 34, end, u16le(bytes, at + 32)));
    case 0x43: // publish keyword: key, count, entries
      return proof(lengthBytes >= 18 && areEntries(bytes, at + 18, end, u16le(bytes, at + 16)));
    case 0x44: // publish source: key, source, tags
    case 0x45: // publish note
      return proof(lengthBytes > 33 && areTags(bytes, at + 32, end));
    case 0x4b: // publish answer: key, load in per cent, options
      return only((lengthBytes === 17 || lengthBytes === 18) && u8(bytes, at + 16) <= 100);
    case 0x50: // am I firewalled? TCP port
      return only(lengthBytes === 2);
    case 0x53: // the same with user hash and options
      return only(lengthBytes === 19);
    case 0x51: // buddy wanted: id, user hash, port
    case 0x5a:
      return only(lengthBytes === 34 || lengthBytes === 35);
    case 0x52: // callback through a buddy: buddy, file, port
      return only(lengthBytes === 34);
    case 0x58: // your address
      return only(lengthBytes === 4);
    case PONG:
      return only(lengthBytes === 2);
    case 0x62: // firewall test: error, port
      return only(lengthBytes === 3 && u8(bytes, at) <= 1);
    default:
      return fitKad1(bytes, opcode, at, lengthBytes);
  }
}

/** FIND_VALUE 2, STORE 4, FIND_NODE 11: the number of contacts wanted. The upper bits are reserved. */
function isLookupType(type: number): boolean {
  return type === 0x02 || type === 0x04 || type === 0x0b;
}

function areEntries(bytes: Uint8Array, at: number, end: number, count: number): boolean {
  let next = at;
  for (let i = 0; i < count; i++) {
    next += ID_BYTES;
    if (next >= end) return false;
    next = tagsEnd(bytes, next + 1, end, u8(bytes, next));
    if (next < 0) return false;
  }
  return count > 0 && next === end;
}

/** Kad 1 (until 2007): a contact of 25 bytes, whose last byte is a type of 0 to 4. */
function fitKad1(bytes: Uint8Array, opcode: number, at: number, lengthBytes: number): number {
  switch (opcode) {
    case 0x00: // bootstrap request
    case 0x10: // hello
    case 0x18:
      return proof(lengthBytes === CONTACT_BYTES && u8(bytes, at + CONTACT_BYTES - 1) <= 4 && u16le(bytes, at + ID_BYTES + 4) !== 0);
    case 0x08: // bootstrap answer
      if (lengthBytes < 2 + CONTACT_BYTES) return NOTHING;
      return proof(lengthBytes === 2 + CONTACT_BYTES * u16le(bytes, at) && areContacts(bytes, at + 2, u16le(bytes, at)));
    case 0x20:
      return proof(lengthBytes === 33 && isLookupType(u8(bytes, at)));
    case 0x28:
      if (lengthBytes < ID_BYTES + 1) return NOTHING;
      return proof(lengthBytes === ID_BYTES + 1 + CONTACT_BYTES * u8(bytes, at + ID_BYTES));
    case 0x30: // search: target, 0, or 1 and a search tree
      if (lengthBytes < ID_BYTES + 1) return NOTHING;
      return only(u8(bytes, at + ID_BYTES) === 0 ? lengthBytes === ID_BYTES + 1 : u8(bytes, at + ID_BYTES) === 1 && lengthBytes > ID_BYTES + 4 && u8(bytes, at + ID_BYTES + 1) <= 3);
    case 0x38: // search answer, notes: target, count, entries of id and tags
    case 0x3a:
    case 0x40: // publish
      return proof(lengthBytes >= ID_BYTES + 2 && areEntries(bytes, at + ID_BYTES + 2, at + lengthBytes, u16le(bytes, at + ID_BYTES)));
    case 0x42: // publish a note: target, id, tags
      return proof(lengthBytes > 2 * ID_BYTES + 1 && areTags(bytes, at + 2 * ID_BYTES, at + lengthBytes));
    case 0x48: // published, note published
    case 0x4a:
      return only(lengthBytes === 16 || lengthBytes === 17);
    case 0x32: // notes search
      return only(lengthBytes === 16);
    default:
      return NOTHING;
  }
}

function inspectPacked(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < 12) return NO;
  const opcode = u8(bytes, start + 1);
  // Long messages only: answers with contacts or entries, and publishing.
  const isLong =
    opcode === LOOKUP_ANSWER ||
    opcode === BOOTSTRAP_ANSWER ||
    opcode === 0x3b ||
    (opcode >= 0x43 && opcode <= 0x45) ||
    opcode === 0x33 ||
    opcode === 0x28 ||
    opcode === 0x08 ||
    opcode === 0x38 ||
    opcode === 0x3a ||
    opcode === 0x40;
  return isLong && u8(bytes, start + 2) === 0x78 && u16(bytes, start + 2) % 31 === 0 ? PACKED : NO;
}

export const kad: Feature = {
  feature: 'kad',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(KAD) }] },
  inspect: inspectKad,
  harvest(input, sink) {
    const { bytes, start, end } = input;
    const at = start + 2;
    const lengthBytes = end - at;
    if (lengthBytes < ID_BYTES + 1) return true;
    switch (u8(bytes, start + 1)) {
      case HELLO_REQUEST:
      case HELLO_ANSWER:
        if (lengthBytes >= ID_BYTES + 2) sink.listensOn(u16le(bytes, at + ID_BYTES));
        break;
      case BOOTSTRAP_ANSWER:
        if (lengthBytes < ID_BYTES + 5) break;
        sink.listensOn(u16le(bytes, at + ID_BYTES));
        harvestContacts(bytes, at + ID_BYTES + 5, end, u16le(bytes, at + ID_BYTES + 3), sink);
        break;
      case LOOKUP_ANSWER:
        harvestContacts(bytes, at + ID_BYTES + 1, end, u8(bytes, at + ID_BYTES), sink);
        break;
      default:
    }
    return true;
  },
};

export const kadPacked: Feature = {
  feature: 'kad-packed',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(KAD_PACKED) }] },
  inspect: inspectPacked,
};
