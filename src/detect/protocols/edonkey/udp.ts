/**
 * eDonkey datagrams in clear: clients asking servers (E3) and eMule clients asking
 * each other for their place in a queue (C5).
 *
 *   | E3 or C5 | opcode | body |   no length: a body must fit its opcode
 *
 * "The eMule Protocol Specification" (2005) sections 6.3 and 6.5; challenges as eMule 0.50 makes them.
 */
import { u16le, u32le, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, match, NO, UDP } from '../../detector.js';
import { EDONKEY, EMULE } from './frames.js';
import { toldList } from './harvest.js';
import { isSearchTree } from './search.js';
import { tagListEnd } from './tags.js';

const HASH_BYTES = 16;
const STATUS_REQUEST = 0x96;
const STATUS_ANSWER = 0x97;
const DESCRIPTION_REQUEST = 0xa2;
const DESCRIPTION_ANSWER = 0xa3;
const FOUND_SOURCES = 0x9b;
const SERVER_LIST = 0xa1;

/** Odds: marker, opcode and the fixed half of eMule's challenge (0x55AA, or 0xF0FF for descriptions) make 32 bits, with an exact length. */
const SERVER_STATUS = match('certain', 'eDonkey server status or description over UDP, with eMule\'s challenge');
const SERVER_ANSWER = match('certain', 'eDonkey server answer over UDP: its list or tags end with the datagram');
/** Marker and opcode (2^-16) and a length that the opcode has. */
const SERVER_LIKELY = match('likely', 'eDonkey server message over UDP, with the length of its opcode');
/** The same with a few bytes: one short datagram with a random opening in 250,000 looks so. */
const SERVER_SHORT = match('suspected', 'short eDonkey server message over UDP');
/** Odds: 16 bits of marker and opcode in each of two datagrams that answer each other. */
const QUEUE_ANSWER = match('certain', 'eMule queue answer over UDP to a request of the other side');
const QUEUE_REQUEST = match('certain', 'eMule reask over UDP: file hash, part status that fits its count');
const QUEUE_LIKELY = match('likely', 'eMule reask over UDP: file hash');
const QUEUE_SHORT = match('suspected', 'short eMule queue answer over UDP');
const ALONE = match('suspected', 'eDonkey or eMule message over UDP with the length of its opcode, alone');
const CALLBACK = match('likely', 'eMule callback request over UDP');

/** A weak finding does not stand when the datagram is a DNS message, whose first two bytes are a random number. */
function unlessDns(finding: Finding, input: Inspection): Finding {
  return finding !== NO && input.end - input.start >= 17 && input.dns() !== null ? NO : finding;
}

/**
 * Marker, opcode and length alone: one random datagram in 200,000 has them, so another one with a marker must stand
 * beside, with another opcode: other protocols repeat the number of their connection.
 */
function withKin(finding: Finding, { bytes, start, turns }: Inspection): Finding {
  for (let i = 0; i < turns.count; i++) {
    const at = turns.headAt(i);
    const marker = u8(turns.heads, at);
    const isKin = marker === EDONKEY || marker === EMULE;
    if (isKin && turns.headLengthBytes(i) > 1 && u8(turns.heads, at + 1) !== u8(bytes, start + 1)) return finding;
  }
  return ALONE;
}

function inspectServer(input: Inspection): Finding {
  const finding = fitServer(input);
  return finding === SERVER_LIKELY || finding === ALONE ? unlessDns(finding, input) : finding;
}

function fitServer(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const at = start + 2;
  const bodyBytes = end - at;
  if (bodyBytes < 0) return NO;
  switch (u8(bytes, start + 1)) {
    case STATUS_REQUEST:
      // The upper half of eMule's challenge is fixed, the lower random; other programs' are all random.
      if (bodyBytes !== 4) return NO;
      return u16le(bytes, at + 2) === 0x55aa ? SERVER_STATUS : SERVER_SHORT;
    case STATUS_ANSWER:
      if (bodyBytes < 12 || bodyBytes > 60) return NO;
      return u16le(bytes, at + 2) === 0x55aa || repeatsChallenge(input) ? SERVER_STATUS : NO;
    case DESCRIPTION_REQUEST:
      // The challenge's lower half is 0xF0FF: read as a name's length by old servers, it is refused.
      return bodyBytes === 4 && u16le(bytes, at) === 0xf0ff ? SERVER_STATUS : NO;
    case DESCRIPTION_ANSWER:
      return inspectDescription(bytes, at, end);
    case FOUND_SOURCES:
      return inspectFoundSources(bytes, at, end);
    case SERVER_LIST:
      return bodyBytes > 6 && 1 + 6 * u8(bytes, at) === bodyBytes ? SERVER_ANSWER : NO;
    case 0x99: // search result: hash, id, port, tags
      return bodyBytes > HASH_BYTES + 10 && tagListEnd(bytes, at + HASH_BYTES + 6, end, 64) > 0 ? SERVER_ANSWER : NO;
    case 0x9a: // get sources: hashes
      return bodyBytes > 0 && bodyBytes % HASH_BYTES === 0 && bodyBytes <= 640 ? withKin(SERVER_LIKELY, input) : NO;
    case 0x94: // get sources 2: hash and size, size of 8 bytes behind 4 zeros
      return bodyBytes > 0 && bodyBytes <= 640 && (bodyBytes % 20 === 0 || bodyBytes % 28 === 0) ? withKin(SERVER_LIKELY, input) : NO;
    case 0x90: {
      // global search with tags in front of the tree
      const treeAt = tagListEnd(bytes, at, end, 16);
      return isSearchTree(bytes, treeAt > 0 ? treeAt : at, end) ? SERVER_LIKELY : NO;
    }
    case 0x92:
    case 0x98:
      return isSearchTree(bytes, at, end) ? SERVER_LIKELY : NO;
    case 0xa0: // server list request: own address and port
      return bodyBytes === 6 ? SERVER_SHORT : NO;
    case 0x9c: // callback request: own address, port, the other's id
      return bodyBytes === 10 ? SERVER_SHORT : NO;
    case 0xa4:
      return bodyBytes === 0 || bodyBytes === 4 ? SERVER_SHORT : NO;
    default:
      return NO;
  }
}

/** Whether the status request of the other side began with the same four bytes: 32 bits beside marker and opcode of both. */
function repeatsChallenge({ bytes, start, direction, turns }: Inspection): boolean {
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) === direction || turns.lengthBytes(i) !== 6) continue;
    const at = turns.headAt(i);
    if (u8(turns.heads, at) !== EDONKEY || u8(turns.heads, at + 1) !== STATUS_REQUEST) continue;
    if (u32le(turns.heads, at + 2) === u32le(bytes, start + 2)) return true;
  }
  return false;
}

/** New form: challenge and tags; old form: name and description with their lengths. */
function inspectDescription(bytes: Uint8Array, at: number, end: number): Finding {
  if (end - at < 4) return NO;
  if (u16le(bytes, at) === 0xf0ff) return tagListEnd(bytes, at + 4, end, 32) > 0 ? SERVER_STATUS : NO;
  const secondAt = at + 2 + u16le(bytes, at);
  return secondAt + 2 <= end && secondAt + 2 + u16le(bytes, secondAt) === end ? SERVER_ANSWER : NO;
}

/** Hash, count, sources; further answers may follow, each with marker and opcode. */
function inspectFoundSources(bytes: Uint8Array, at: number, end: number): Finding {
  for (let next = at; ; ) {
    if (next + HASH_BYTES + 1 > end) return NO;
    next += HASH_BYTES + 1 + 6 * u8(bytes, next + HASH_BYTES);
    if (next === end) return SERVER_ANSWER;
    if (next + 2 > end || u8(bytes, next) !== EDONKEY || u8(bytes, next + 1) !== FOUND_SOURCES) return NO;
    next += 2;
  }
}

export const server: Feature = {
  feature: 'server-udp',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(EDONKEY) }] },
  inspect: inspectServer,
  harvest(input, sink) {
    const { bytes, start, end } = input;
    const opcode = end - start > 2 ? u8(bytes, start + 1) : 0;
    if (opcode === SERVER_LIST) toldList(bytes, start + 3, end, u8(bytes, start + 2), 6, sink);
    for (let at = start + 2; opcode === FOUND_SOURCES && at + HASH_BYTES + 1 <= end; ) {
      const count = u8(bytes, at + HASH_BYTES);
      toldList(bytes, at + HASH_BYTES + 1, end, count, 6, sink);
      at += HASH_BYTES + 1 + 6 * count + 2;
    }
    return true;
  },
};

const REASK = 0x90;
const REASK_ACK = 0x91;
const FILE_NOT_FOUND = 0x92;
const QUEUE_FULL = 0x93;

/** Whether the other side asked before (reask, or a reask through a buddy). */
function wasAsked(input: Inspection): boolean {
  const { turns } = input;
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) === input.direction || turns.headLengthBytes(i) < 18) continue;
    const at = turns.headAt(i);
    if (u8(turns.heads, at) === EMULE && u8(turns.heads, at + 1) === REASK) return true;
  }
  return false;
}

/** Part status: a count and as many bits; 0 parts, 0 bits. Position behind it, or -1. */
function statusEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at + 2 > end) return -1;
  const next = at + 2 + ((u16le(bytes, at) + 7) >> 3);
  return next > end ? -1 : next;
}

function inspectClient(input: Inspection): Finding {
  const finding = fitClient(input);
  return finding === QUEUE_LIKELY || finding === CALLBACK ? unlessDns(withKin(finding, input), input) : finding;
}

function fitClient(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const at = start + 2;
  const bodyBytes = end - at;
  if (bodyBytes < 0) return NO;
  switch (u8(bytes, start + 1)) {
    case REASK: {
      if (bodyBytes < HASH_BYTES) return NO;
      const behindHash = at + HASH_BYTES;
      if (behindHash === end || behindHash + 2 === end) return QUEUE_LIKELY;
      const behind = statusEnd(bytes, behindHash, end);
      if (behind < 0) return NO;
      // 16 bits of count that agree with the length, beside marker and opcode.
      return behind === end || behind + 2 === end ? QUEUE_REQUEST : NO;
    }
    case REASK_ACK:
      if (bodyBytes !== 2 && statusEnd(bytes, at, end) !== end - 2) return NO;
      return wasAsked(input) ? QUEUE_ANSWER : QUEUE_SHORT;
    case FILE_NOT_FOUND:
    case QUEUE_FULL:
      if (bodyBytes !== 0) return NO;
      return wasAsked(input) ? QUEUE_ANSWER : QUEUE_SHORT;
    case 0x94: // reask through a buddy: buddy's id, then a reask
      return bodyBytes === 34 || (bodyBytes > 34 && statusEnd(bytes, at + 32, end) > 0) ? QUEUE_LIKELY : NO;
    case 0x95: // direct callback: port, user hash, options
      return bodyBytes === 19 ? CALLBACK : NO;
    default:
      return NO;
  }
}

export const client: Feature = {
  feature: 'client-udp',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(EMULE) }] },
  inspect: inspectClient,
};
