/**
 * DNS answers (RFC 1035, RFC 3596) as far as blocking by name needs them: the A, AAAA and CNAME records of a response,
 * with their times to live. Not a resolver's parser: other records are stepped over.
 *
 * Bytes from the network never throw: pointer loops, absurd counts and cuts end the list or refuse the message.
 */
import { addressText } from '../base/address.js';
import { u16, u32, u8 } from '../base/bytes.js';

export interface DnsRecord {
  /** Owner, lower case, without the final dot. */
  readonly name: string;
  readonly ttlS: number;
  /** Target of a CNAME, or the text of an address. */
  readonly target: string;
  readonly isAlias: boolean;
}

export interface DnsAnswer {
  readonly question: string;
  readonly records: readonly DnsRecord[];
}

const HEADER_BYTES = 12;
const MAX_RECORDS = 64;
const MAX_NAME_LENGTH = 255;
/** RFC 1035 section 4.1.4 sets no limit; more jumps than labels fit a name can only be a loop. */
const MAX_JUMPS = 64;
const TYPE_A = 1;
const TYPE_CNAME = 5;
const TYPE_AAAA = 28;
const CLASS_IN = 1;

/** A name and the offset behind it in the message; null when it is malformed or cut. */
function readName(bytes: Uint8Array, start: number, end: number, from: number): { name: string; next: number } | null {
  let at = from;
  let next = -1;
  let name = '';
  let jumps = 0;
  for (;;) {
    if (at >= end) return null;
    const length = u8(bytes, at);
    if (length === 0) return { name: name.slice(0, -1), next: next < 0 ? at + 1 : next };
    if ((length & 0xc0) === 0xc0) {
      if (at + 2 > end || ++jumps > MAX_JUMPS) return null;
      if (next < 0) next = at + 2;
      at = start + (u16(bytes, at) & 0x3fff);
      continue;
    }
    if (length > 63 || at + 1 + length > end || name.length + length + 1 > MAX_NAME_LENGTH) return null;
    for (let i = 1; i <= length; i++) {
      const byte = u8(bytes, at + i);
      name += String.fromCharCode(byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);
    }
    name += '.';
    at += 1 + length;
  }
}

/** The answer in [start, end), or null when it is no response with one question. Over TCP skip the two length bytes. */
export function parseDnsAnswer(bytes: Uint8Array, start: number, end: number): DnsAnswer | null {
  // QR set, and exactly one question, as all resolvers send.
  if (end - start < HEADER_BYTES || (u8(bytes, start + 2) & 0x80) === 0 || u16(bytes, start + 4) !== 1) return null;
  const question = readName(bytes, start, end, start + HEADER_BYTES);
  if (!question || question.next + 4 > end) return null;
  const records: DnsRecord[] = [];
  const count = Math.min(u16(bytes, start + 6), MAX_RECORDS);
  let at = question.next + 4;
  for (let i = 0; i < count; i++) {
    const owner = readName(bytes, start, end, at);
    if (!owner || owner.next + 10 > end) break;
    const type = u16(bytes, owner.next);
    const dataAt = owner.next + 10;
    const dataBytes = u16(bytes, owner.next + 8);
    if (dataAt + dataBytes > end) break;
    at = dataAt + dataBytes;
    if (u16(bytes, owner.next + 2) !== CLASS_IN) continue;
    const ttlS = u32(bytes, owner.next + 4);
    if ((type === TYPE_A && dataBytes === 4) || (type === TYPE_AAAA && dataBytes === 16)) {
      records.push({ name: owner.name, ttlS, target: addressText(bytes, dataAt, dataBytes), isAlias: false });
    } else if (type === TYPE_CNAME) {
      const target = readName(bytes, start, end, dataAt);
      if (target) records.push({ name: owner.name, ttlS, target: target.name, isAlias: true });
    }
  }
  return { question: question.name, records };
}
