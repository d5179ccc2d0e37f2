/**
 * Obfuscated Kad and eMule datagrams, by the sizes and marker bits of a dialogue.
 *
 *   eMule:  random (bit 0 set) | key part 2 | magic 4, padding length 1 | message           8 bytes more
 *   Kad:    random (bit 0 clear) | key part 2 | magic 4, padding length 1 | keys 4 + 4 | message  16 bytes more
 *
 * The first byte avoids the markers of clear messages. Its lower bits say which key was used:
 * 00 the receiver's Kad id, 10 the number that the receiver gave the sender for answers, x1 eMule.
 * Everything behind the key part is RC4 with MD5(key, key part). The keys (Kad ids, user hashes,
 * secret numbers) are not in the flow, so nothing is decrypted here: a Kad id that passed in clear
 * elsewhere would do, but features have no memory.
 *
 * eMule "Protocol obfuscation"; aMule 2.3. Padding is 0 in all released programs.
 */
import { u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, type Match, match, NO, UDP } from '../../detector.js';
import { looksRandom } from './random.js';

/**
 * Heuristic: a lookup of 51 bytes one way, an answer of 35 + 25n the other, marker bits as each must have.
 * Chance for random datagrams of those lengths: 2^-4 for a pair. Known false positives: none in the
 * captures at hand; a tunnel with packets of 51 and 35 bytes would be one time in 16.
 */
const PAIR = match('suspected', 'datagrams with the sizes and marker bits of an obfuscated Kad lookup and its answer');
const GREETING = match('suspected', 'datagrams with the sizes and marker bits of an obfuscated Kad hello or ping');
/** Heuristic: two bits for each of at least six datagrams: 2^-12, and all lengths from one short list, both ways. */
const DIALOGUE = match('likely', 'dialogue with the sizes and marker bits of obfuscated Kad lookups and answers');
/** The same datagrams of one side, where the other was not captured. */
const ONE_SIDE = match('suspected', 'one side of a dialogue with the sizes and marker bits of obfuscated Kad lookups and answers');
/**
 * Heuristic: nodes that have a new id cannot read what is encrypted for the old one, so both sides ask and none answers: two bits for
 * each of six datagrams, and bytes before them that differ. Known false positives: beats of 51 bytes with two zero bits in a first byte that varies.
 */
const UNANSWERED: Match = {
  confidence: 'suspected',
  why: 'datagrams of both sides with the size and marker bits of obfuscated Kad lookups, none answered',
  needsEndpoint: true,
};
const KNOWN: Match = {
  confidence: 'suspected',
  why: 'sizes and marker bits of obfuscated Kad, at a host or endpoint that speaks eDonkey',
  needsEndpoint: true,
};
const REASK = match('suspected', 'size and marker bit of an obfuscated eMule reask, at an endpoint of the network');

const KAD_OVERHEAD_BYTES = 16;
const EMULE_OVERHEAD_BYTES = 8;
const CONTACT_BYTES = 25;
const LOOKUP_BYTES = 35 + KAD_OVERHEAD_BYTES;
/** Answer without contacts: marker, opcode, target, count. */
const ANSWER_BYTES = 19 + KAD_OVERHEAD_BYTES;
const MAX_LOOKUP_CONTACTS = 20;

/** First bytes of clear eDonkey and Kad messages (E3 E4 E5 C5 D4) and two reserved ones: never those of an obfuscated one. */
function isClearMarker(byte: number): boolean {
  return (byte >= 0xe3 && byte <= 0xe5) || byte === 0xc5 || byte === 0xd4 || byte === 0xa3 || byte === 0xb2;
}

const OTHER = 0;
const CLEAR = 1;
/** Lookup, encrypted for the receiver's Kad id. */
const LOOKUP = 2;
/** Answer to a lookup, with the receiver's number as key. */
const ANSWER = 3;
/** Hello, ping, bootstrap: either key. */
const SMALL = 4;

/** What a datagram of that length and first byte can be. */
function kind(firstByte: number, lengthBytes: number): number {
  if (isClearMarker(firstByte)) return CLEAR;
  const key = firstByte & 3;
  if ((key & 1) !== 0) return OTHER;
  if (lengthBytes === LOOKUP_BYTES) return LOOKUP;
  const contacts = lengthBytes - ANSWER_BYTES;
  if (key === 2 && contacts >= 0 && contacts % CONTACT_BYTES === 0 && contacts <= MAX_LOOKUP_CONTACTS * CONTACT_BYTES) return ANSWER;
  return isSmall(lengthBytes - KAD_OVERHEAD_BYTES) ? SMALL : OTHER;
}

/** Clear lengths of other messages with a fixed size, and of a bootstrap answer with 20 contacts. */
function isSmall(lengthBytes: number): boolean {
  switch (lengthBytes) {
    case 2: // ping, bootstrap request, acknowledgement
    case 4: // pong, firewall check of Kad 1
    case 6: // firewall answer
    case 19: // hello acknowledged, publish answer
    case 20: // publish answer with options
    case 21: // firewall check
    case 22: // hello without tags
    case 26: // notes search
    case 27: // hello with one tag
    case 28: // source search; hello with another tag
    case 33: // hello with both tags
    case 36: // buddy request and answer
      return true;
    default:
      return lengthBytes === 23 + 20 * CONTACT_BYTES;
  }
}

/**
 * Every obfuscated datagram begins with new random bytes: 14 bits are equal by chance once in 16,000 times. Games, calls and
 * tunnels repeat a number of the connection there.
 */
function hasSameOpening(bytes: Uint8Array, at: number, heads: Uint8Array, headAt: number): boolean {
  return u8(bytes, at) === u8(heads, headAt) && u8(bytes, at + 1) === u8(heads, headAt + 1);
}

const DIALOGUE_DATAGRAMS = 6;
/** Different values among five bits of six first bytes: random ones have fewer than four once in 400 times. */
const UNANSWERED_FIRST_BYTES = 4;

/** Whether the lookups are all for the receiver's id, and their first bytes differ as random ones do. */
function areForeignLookups({ bytes, start, turns }: Inspection): boolean {
  let values = 1 << ((u8(bytes, start) >> 2) & 31);
  if ((u8(bytes, start) & 3) !== 0) return false;
  for (let i = 0; i < turns.count; i++) {
    const first = u8(turns.heads, turns.headAt(i));
    if (isClearMarker(first)) continue;
    if ((first & 3) !== 0) return false;
    values |= 1 << ((first >> 2) & 31);
  }
  let count = 0;
  for (; values !== 0; values &= values - 1) count++;
  return count >= UNANSWERED_FIRST_BYTES;
}

function inspectKad(input: Inspection): Finding {
  const { bytes, start, end, turns } = input;
  const lengthBytes = end - start;
  if (lengthBytes < 2 + KAD_OVERHEAD_BYTES) return NO;
  const own = kind(u8(bytes, start), lengthBytes);
  if (own < LOOKUP || !looksRandom(bytes, start, end)) return NO;
  let lookups = own === LOOKUP ? 1 : 0;
  let answers = own === ANSWER ? 1 : 0;
  let smalls = own === SMALL ? 1 : 0;
  let ways = 1 << input.direction;
  let isAnswered = false;
  for (let i = 0; i < turns.count; i++) {
    const past = kind(u8(turns.heads, turns.headAt(i)), turns.lengthBytes(i));
    if (past === OTHER) return NO;
    if (past === CLEAR) continue;
    if (turns.direction(i) === input.direction && hasSameOpening(bytes, start, turns.heads, turns.headAt(i))) return NO;
    ways |= 1 << turns.direction(i);
    if (past === LOOKUP) {
      lookups++;
      isAnswered ||= own === ANSWER && turns.direction(i) !== input.direction;
    } else if (past === ANSWER) answers++;
    else smalls++;
  }
  const isDialogue = lookups + answers + smalls >= DIALOGUE_DATAGRAMS;
  if (isDialogue && lookups >= 2 && answers >= 2) return ways === 3 ? DIALOGUE : ONE_SIDE;
  if (isAnswered) return PAIR;
  if (isDialogue && ways === 3 && lookups >= DIALOGUE_DATAGRAMS && answers === 0 && areForeignLookups(input)) return UNANSWERED;
  if (ways === 3 && lookups + answers > 0 && smalls > 0 && lookups + answers + smalls >= 3) return GREETING;
  const known = input.known();
  // One datagram is little where a host has other encrypted traffic, too; an endpoint of the network has none.
  return known === 'told' || known === 'endpoint' || (known === 'host' && lookups + answers + smalls > 1) ? KNOWN : NO;
}

export const kadObfuscated: Feature = {
  feature: 'kad-obfuscated',
  transport: UDP,
  trigger: { kind: 'always', because: 'obfuscated datagrams begin with random bytes; all but a few lengths are refused at once' },
  inspect: inspectKad,
};

/** Reask: hash 16 and, behind it, part status or nothing; answers: rank, file not found, queue full. */
function inspectReask(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const clearBytes = end - start - EMULE_OVERHEAD_BYTES;
  if (clearBytes < 2 || clearBytes > 400) return NO;
  const first = u8(bytes, start);
  if ((first & 1) === 0 || isClearMarker(first)) return NO;
  const isRequest = clearBytes === 18 || clearBytes >= 20;
  const isAnswer = clearBytes === 2 || clearBytes === 4;
  if ((!isRequest && !isAnswer) || !looksRandom(bytes, start, end)) return NO;
  const known = input.known();
  return known === 'told' || known === 'endpoint' ? REASK : NO;
}

export const reaskObfuscated: Feature = {
  feature: 'client-udp-obfuscated',
  transport: UDP,
  trigger: { kind: 'always', because: 'obfuscated datagrams begin with random bytes; asked for the endpoint only when its look fits' },
  inspect: inspectReask,
};
