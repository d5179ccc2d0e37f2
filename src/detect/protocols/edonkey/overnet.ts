/**
 * Overnet, the first Kademlia of the eDonkey programs (eDonkey2000, Overnet, MLDonkey; 2002 to 2006):
 * datagrams with eDonkey's marker and opcodes of their own.
 *
 *   | E3 | opcode | body |   peer: id 16 | IPv4 4 | port 2 | type 1, numbers little-endian
 *
 * Not recognised: messages of two to six bytes alone (acknowledgements, address questions), search results.
 * The protocol was never published; layouts as the notes of the KadC project give them.
 */
import { u16le, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, match, NO, type PeerSink, UDP } from '../../detector.js';
import { EDONKEY } from './frames.js';
import { isRandomId } from './random.js';

const PEER_BYTES = 23;
const ID_BYTES = 16;
const CONNECT = 0x0a;
const CONNECT_ANSWER = 0x0b;
const PUBLICIZE = 0x0c;
const PUBLICIZE_ACK = 0x0d;
const SEARCH = 0x0e;
const SEARCH_NEXT = 0x0f;
const FETCH = 0x10;
/** Types of peers fall from 4 as in Kad; programs wrote up to 5. */
const MAX_TYPE = 5;

/** Odds: marker, opcode (2^-16), a count that fills the datagram (2^-8 at least), and in each of two or more peers a port and a type (2^-5). */
const PEERS = match('certain', 'Overnet peers in a list of the stated length');
/** Odds: marker and opcode (2^-16) in each of two datagrams that answer each other, with the exact lengths of both. */
const ANSWERED = match('certain', 'Overnet message and its answer');
/** Heuristic: marker, opcode and a peer's type in a datagram of exactly the right length: one random datagram of 25 bytes in 2,000,000. */
const OWN_PEER = match('likely', 'Overnet message with the peer that sends it');
/** Heuristic: marker, opcode and length alone. */
const SHAPE = match('suspected', 'datagram with the opcode and length of an Overnet message');

function isPeer(bytes: Uint8Array, at: number): boolean {
  return u16le(bytes, at + 20) !== 0 && u8(bytes, at + 22) <= MAX_TYPE && isRandomId(bytes, at);
}

/** Where the peers of a list begin, or -1 when they do not fill the datagram. */
function listAt(bytes: Uint8Array, start: number, end: number): number {
  const isAnswer = u8(bytes, start + 1) === CONNECT_ANSWER;
  const countAt = start + 2 + (isAnswer ? 0 : ID_BYTES);
  const at = countAt + (isAnswer ? 2 : 1);
  if (at > end) return -1;
  const count = isAnswer ? u16le(bytes, countAt) : u8(bytes, countAt);
  if (at + count * PEER_BYTES !== end) return -1;
  for (let next = at; next < end; next += PEER_BYTES) if (!isPeer(bytes, next)) return -1;
  return at;
}

/** Lengths of the messages that are asked and answered, 0 for others. */
function fixedBytes(opcode: number): number {
  switch (opcode) {
    case CONNECT:
    case PUBLICIZE:
      return 2 + PEER_BYTES;
    case PUBLICIZE_ACK:
      return 2;
    case SEARCH:
      return 2 + 1 + ID_BYTES;
    case FETCH:
      return 2 + ID_BYTES + 1 + 2 + 2;
    default:
      return 0;
  }
}

/** Whether a request of the other side asked for this opcode: each answer has the number behind that of its question. */
function wasAsked({ bytes, start, direction, turns }: Inspection): boolean {
  const question = u8(bytes, start + 1) - 1;
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) === direction || turns.lengthBytes(i) !== fixedBytes(question)) continue;
    const at = turns.headAt(i);
    if (u8(turns.heads, at) === EDONKEY && u8(turns.heads, at + 1) === question) return true;
  }
  return false;
}

function inspect(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const lengthBytes = end - start;
  const opcode = u8(bytes, start + 1);
  if (opcode === CONNECT_ANSWER || opcode === SEARCH_NEXT) {
    const at = listAt(bytes, start, end);
    if (at < 0) return NO;
    if (end - at >= 2 * PEER_BYTES) return PEERS;
    return wasAsked(input) ? ANSWERED : input.dns() === null ? SHAPE : NO;
  }
  if (lengthBytes !== fixedBytes(opcode)) return NO;
  if (opcode === PUBLICIZE_ACK) return wasAsked(input) ? ANSWERED : NO;
  // The first two bytes of a DNS message are a random number, and its class at the end looks like a type.
  if (input.dns() !== null) return NO;
  if (opcode === CONNECT || opcode === PUBLICIZE) return isPeer(bytes, start + 2) ? OWN_PEER : NO;
  return SHAPE;
}

function harvest({ bytes, start, end }: Inspection, sink: PeerSink): boolean {
  if (end - start < 4) return true;
  const opcode = u8(bytes, start + 1);
  if (opcode !== CONNECT_ANSWER && opcode !== SEARCH_NEXT) return true;
  const at = listAt(bytes, start, end);
  for (let next = at; at > 0 && next < end; next += PEER_BYTES) sink.toldIpv4(bytes, next + ID_BYTES, u16le(bytes, next + 20));
  return true;
}

export const overnet: Feature = {
  feature: 'overnet',
  transport: UDP,
  trigger: {
    kind: 'anchors',
    anchors: [CONNECT, CONNECT_ANSWER, PUBLICIZE, PUBLICIZE_ACK, SEARCH, SEARCH_NEXT, FETCH].map((opcode) => ({ at: 0, bytes: Uint8Array.of(EDONKEY, opcode) })),
  },
  inspect,
  harvest,
};
