/**
 * DNS and mDNS messages (RFC 1035, RFC 6762) as far as features need them: the
 * names asked and answered. LLMNR (RFC 4795) and NetBIOS names (RFC 1002) share
 * the format and parse as well.
 *
 * Not a resolver's parser: record data is read only where it is a name (NS,
 * CNAME, PTR, SRV), other data is stepped over, and records beyond the bounds are ignored.
 * It is consulted for many UDP packets that are no DNS at all, so the header's
 * counts are checked against the length first. Odds that 1,400 uniformly random
 * bytes pass these twelve bytes alone: below 10^-10.
 */
import { latin1, u16, u8 } from '../../base/bytes.js';

export interface DnsMessage {
  readonly isResponse: boolean;
  /** Question names, lower case, without the final dot. At most 8 are parsed. */
  readonly questions: readonly string[];
  /**
   * Owner names of the records of all sections, and NS/PTR/CNAME/SRV target names; lower case,
   * each once in a row, the root (OPT) left out. At most 32 records are parsed.
   */
  readonly answers: readonly string[];
}

/** RFC 1035 section 4.1.1. */
const HEADER_BYTES = 12;
/** Shortest question: root name, type, class. */
const MIN_QUESTION_BYTES = 5;
/** Shortest record: root name, type, class, time to live, data length. */
const MIN_RECORD_BYTES = 11;
const MAX_QUESTIONS = 8;
const MAX_RECORDS = 32;
/** RFC 1035 section 2.3.4: 255 octets for a whole name, so at most 127 labels. */
const MAX_NAME_BYTES = 255;
/** RFC 1035 section 4.1.4 has no limit; real messages chain one or two pointers. */
const MAX_POINTERS = 16;

const DOT = 0x2e;

const TYPE_NS = 2;
const TYPE_CNAME = 5;
const TYPE_PTR = 12;
const TYPE_SRV = 33;
/** RFC 6891 section 6.1.2: its class is a size. */
const TYPE_OPT = 41;

/** Result of stepping over a name: no name (malformed), or cut by the end of what was captured. */
const MALFORMED = -1;
const CUT = -2;

/**
 * Parses the message in [start, end); over TCP the first message behind its two length bytes
 * (RFC 1035 section 4.2.2), which may still be incomplete. All questions must be whole; a record
 * section that is cut ends the list of answers, a malformed one refuses the message.
 */
export function dnsFacet(bytes: Uint8Array, start: number, end: number, overTcp: boolean): DnsMessage | null {
  if (!overTcp) return parseMessage(bytes, start, end);
  if (end - start < 2 + HEADER_BYTES + MIN_QUESTION_BYTES) return null;
  const lengthBytes = u16(bytes, start);
  if (lengthBytes < HEADER_BYTES + MIN_QUESTION_BYTES) return null;
  // The header must fit the announced length, not only what has arrived.
  if (!isPlausibleHeader(bytes, start + 2, lengthBytes)) return null;
  return parseMessage(bytes, start + 2, Math.min(end, start + 2 + lengthBytes), true);
}

/**
 *   0                   1
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
 *  |              ID               |
 *  |QR| Opcode  |AA|TC|RD|RA|Z|AD|CD| RCODE |
 *  | QDCOUNT | ANCOUNT | NSCOUNT | ARCOUNT |
 */
function isPlausibleHeader(bytes: Uint8Array, at: number, lengthBytes: number): boolean {
  if (lengthBytes < HEADER_BYTES + MIN_QUESTION_BYTES) return false;
  const high = u8(bytes, at + 2);
  const low = u8(bytes, at + 3);
  // RFC 1035 section 4.1.1: Z "must be zero in all queries and responses".
  if ((low & 0x40) !== 0) return false;
  // IANA opcodes: 0-2, 4 (notify), 5 (update, NetBIOS registration), 6 (stateful), 8 and 15 (NetBIOS).
  const opcode = (high >> 3) & 0x0f;
  if (opcode === 3 || (opcode > 6 && opcode !== 8 && opcode !== 15)) return false;
  // A query has no response code, is not authoritative and offers no recursion, but NetBIOS and mDNS bend the latter two.
  if ((high & 0x80) === 0 && (low & 0x0f) !== 0) return false;
  const questions = u16(bytes, at + 4);
  const records = u16(bytes, at + 6) + u16(bytes, at + 8) + u16(bytes, at + 10);
  // Only mDNS answers come without a question (RFC 6762 section 6); many binary protocols show small numbers here.
  if (questions === 0 && (records === 0 || (high & 0x80) === 0)) return false;
  return questions * MIN_QUESTION_BYTES + records * MIN_RECORD_BYTES <= lengthBytes - HEADER_BYTES;
}

/** A message that is well formed. Its names are spelt when asked for: few messages come so far (bench/identify.ts). */
class Message implements DnsMessage {
  readonly isResponse: boolean;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  #names: Names | null = null;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.isResponse = (u8(bytes, start + 2) & 0x80) !== 0;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }
  get questions(): readonly string[] {
    return this.#spell().questions;
  }
  get answers(): readonly string[] {
    return this.#spell().answers;
  }
  #spell(): Names {
    if (this.#names === null) {
      this.#names = { questions: [], answers: [] };
      walk(this.#bytes, this.#start, this.#end, this.#names);
    }
    return this.#names;
  }
}

interface Names {
  readonly questions: string[];
  readonly answers: string[];
}

function parseMessage(bytes: Uint8Array, start: number, end: number, isChecked = false): DnsMessage | null {
  if (!isChecked && !isPlausibleHeader(bytes, start, end - start)) return null;
  if (!walk(bytes, start, end, null)) return null;
  const message = new Message(bytes, start, end);
  // A message that names nothing at all is none; a question does.
  return u16(bytes, start + 4) > 0 || message.answers.length > 0 ? message : null;
}

/** Steps through the message and spells its names into `names`, if given. False: it is malformed. */
function walk(bytes: Uint8Array, start: number, end: number, names: Names | null): boolean {
  const questionCount = u16(bytes, start + 4);
  const recordCount = u16(bytes, start + 6) + u16(bytes, start + 8) + u16(bytes, start + 10);
  let at = start + HEADER_BYTES;
  for (let i = 0; i < questionCount; i++) {
    const next = skipName(bytes, start, at, end);
    if (next < 0 || next + 4 > end) return false;
    if (!isClass(u16(bytes, next + 2))) return false;
    if (names !== null && i < MAX_QUESTIONS) names.questions.push(readName(bytes, start, at));
    at = next + 4;
  }
  for (let i = 0; i < recordCount && i < MAX_RECORDS; i++) {
    const next = skipName(bytes, start, at, end);
    if (next === MALFORMED) return false;
    if (next === CUT || next + 10 > end) return true;
    const type = u16(bytes, next);
    if (type !== TYPE_OPT && !isClass(u16(bytes, next + 2))) return false;
    if (names !== null) addName(names.answers, readName(bytes, start, at));
    const dataAt = next + 10;
    const dataEnd = dataAt + u16(bytes, next + 8);
    if (dataEnd > end) return true;
    let targetAt = -1;
    if (type === TYPE_PTR || type === TYPE_CNAME || type === TYPE_NS) targetAt = dataAt;
    else if (type === TYPE_SRV) targetAt = dataAt + 6;
    if (targetAt >= 0 && targetAt < dataEnd) {
      // Dynamic updates (RFC 2136) may carry empty data, hence the test above.
      if (skipName(bytes, start, targetAt, dataEnd) < 0) return false;
      if (names !== null) addName(names.answers, readName(bytes, start, targetAt));
    }
    at = dataEnd;
  }
  return true;
}

/** IN, CH, HS, NONE and ANY (IANA); the top bit asks for a unicast reply or flushes caches (RFC 6762 sections 5.4, 10.2). */
function isClass(value: number): boolean {
  const classNumber = value & 0x7fff;
  return classNumber === 1 || classNumber === 3 || classNumber === 4 || classNumber === 254 || classNumber === 255;
}

function addName(names: string[], name: string): void {
  if (name !== '' && names[names.length - 1] !== name) names.push(name);
}

/**
 * Checks the name at `at` and returns the position behind it, MALFORMED or CUT. Pointers must
 * lead strictly backwards from the label run they end, so loops cannot exist.
 */
function skipName(bytes: Uint8Array, messageAt: number, at: number, end: number): number {
  let after = -1;
  let runAt = at;
  let nameBytes = 0;
  let pointers = 0;
  for (;;) {
    if (at >= end) return after < 0 ? CUT : MALFORMED;
    const length = u8(bytes, at);
    if (length === 0) return after < 0 ? at + 1 : after;
    if (length >= 0xc0) {
      if (at + 2 > end) return after < 0 ? CUT : MALFORMED;
      const targetAt = messageAt + (u16(bytes, at) & 0x3fff);
      if (targetAt >= runAt || targetAt < messageAt + HEADER_BYTES || ++pointers > MAX_POINTERS) return MALFORMED;
      if (after < 0) after = at + 2;
      runAt = targetAt;
      at = targetAt;
      continue;
    }
    // RFC 6891 section 5: the label types 0x40 and 0x80 are retired.
    if (length > 63) return MALFORMED;
    nameBytes += length + 1;
    if (nameBytes > MAX_NAME_BYTES) return MALFORMED;
    // Heuristic: names may hold any byte, but real ones are text (UTF-8 in mDNS, RFC 6762 section 16); known loss: tunnels in raw bytes.
    const labelEnd = Math.min(end, at + length + 1);
    for (let i = at + 1; i < labelEnd; i++) if (u8(bytes, i) < 0x20) return MALFORMED;
    at += length + 1;
  }
}

/**
 * Where {@link readName} spells a name: written and read within one call. A buffer for each call would cost
 * more than the name (bench/identify.ts).
 */
const spelled = new Uint8Array(MAX_NAME_BYTES);

/** Text of a name that {@link skipName} accepted, without the final dot; ASCII letters in lower case, other bytes Latin-1. */
function readName(bytes: Uint8Array, messageAt: number, at: number): string {
  let count = 0;
  for (;;) {
    const length = u8(bytes, at);
    if (length === 0) return latin1(spelled, 0, count);
    if (length >= 0xc0) {
      at = messageAt + (u16(bytes, at) & 0x3fff);
      continue;
    }
    if (count > 0) spelled[count++] = DOT;
    for (let i = 1; i <= length; i++) {
      const byte = u8(bytes, at + i);
      spelled[count++] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    }
    at += length + 1;
  }
}
