/**
 * Mainline DHT messages (KRPC): one bencoded dictionary fills the datagram.
 * BEP 5 (ping, find_node, get_peers, announce_peer), BEP 32 (IPv6 nodes), BEP 42
 * (`ip`), BEP 43 (`ro`), BEP 44 (get, put), BEP 51 (sample_infohashes).
 * Harvests nodes and peers of responses, and the port of an announcing peer.
 * Does not check tokens, signatures or node ids. Vuze's own (binary) DHT is in `vuze.ts`.
 */
import { ascii, hasAt, u8 } from '../../../base/bytes.js';
import {
  type Feature,
  type Finding,
  type Inspection,
  NO,
  type PeerSink,
  UDP,
  match,
} from '../../detector.js';
import { CUT, contentOfString, endOfString, endOfValue, integerAt, MALFORMED, valueAt } from './bencode.js';
import { ID_BYTES, IPV4_PEER_BYTES, IPV6_PEER_BYTES, tellCompactString, tellListeningPort } from './peers.js';

/*
 * Odds of `certain`: a message must open a dictionary and hold `1:y1:q` (or r, e),
 * and inside `a` or `r` the 6 bytes `2:id20:`. These are more than 20 fixed bytes
 * inside a grammar that must fit to the last byte: no other traffic than a copy of
 * KRPC shows them. With sorted keys 19 fixed bytes at both ends say the same without
 * a walk. A cut datagram must show the key and `2:id20:` (10 bytes) and fit the
 * grammar as far as it goes.
 */
const QUERY = match('certain', 'DHT query: bencoded dictionary with arguments and a 20-byte node id');
const RESPONSE = match('certain', 'DHT response: bencoded dictionary with values and a 20-byte node id');
const ERROR = match('certain', 'DHT error: bencoded dictionary with a list of code and text');
const CUT_MESSAGE = match(
  'certain',
  'DHT message (cut): bencoded dictionary that opens with a 20-byte node id',
);

/** `d2:id20:` inside `a` and `r`: the sender's node id. */
const ID_KEY = ascii('id');
const ID_LENGTH = ascii('20:');
const NODES = ascii('5:nodes');
const NODES6 = ascii('6:nodes6');
const VALUES = ascii('6:values');
const PORT = ascii('port');
/** Openings and ends of messages whose keys are sorted, as bencoding wants them. */
const SORTED_QUERY = ascii('d1:ad2:id20:');
const SORTED_RESPONSE = ascii('1:rd2:id20:');
const IP_OPENING = ascii('d2:ip6:');
const QUERY_TAIL = ascii('1:y1:qe');
const RESPONSE_TAIL = ascii('1:y1:re');
const TAIL_BYTES = QUERY_TAIL.length;

const LETTER_A = 0x61;
const LETTER_D = 0x64;
const LETTER_E = 0x65;
const LETTER_I = 0x69;
const LETTER_L = 0x6c;
const LETTER_Q = 0x71;
const LETTER_R = 0x72;
const LETTER_Y = 0x79;

/** Position of the one letter of `1:y1:q`, or -1. */
function letterAt(bytes: Uint8Array, at: number, end: number): number {
  return at + 3 <= end && u8(bytes, at) === 0x31 && u8(bytes, at + 1) === 0x3a ? u8(bytes, at + 2) : -1;
}

/** Whether the dictionary at `at` says `2:id20:` (and 20 bytes follow, unless the datagram is cut). */
function hasNodeId(bytes: Uint8Array, at: number, end: number): boolean {
  const idAt = valueAt(bytes, at, end, ID_KEY);
  return idAt >= 0 && hasAt(bytes, idAt, end, ID_LENGTH);
}

/** BEP 5: "a list. The first element is an integer representing the error code. The second element is a string". */
function isErrorList(bytes: Uint8Array, at: number, end: number): boolean {
  if (u8(bytes, at) !== LETTER_L || u8(bytes, at + 1) !== LETTER_I) return false;
  const textAt = endOfValue(bytes, at + 1, end);
  return textAt >= 0 && endOfString(bytes, textAt, end) >= 0;
}

/** The form that nearly all messages have (keys sorted): recognised by both ends, without a walk. */
function sortedKind(bytes: Uint8Array, start: number, end: number): Finding {
  const tailAt = end - TAIL_BYTES;
  if (tailAt < start + SORTED_QUERY.length) return NO;
  if (hasAt(bytes, start, end, SORTED_QUERY)) return hasAt(bytes, tailAt, end, QUERY_TAIL) ? QUERY : NO;
  const responseAt = hasAt(bytes, start, end, IP_OPENING)
    ? start + IP_OPENING.length + IPV4_PEER_BYTES
    : start + 1;
  return hasAt(bytes, responseAt, end, SORTED_RESPONSE) && hasAt(bytes, tailAt, end, RESPONSE_TAIL)
    ? RESPONSE
    : NO;
}

function inspect({ bytes, start, end }: Inspection): Finding {
  const sorted = sortedKind(bytes, start, end);
  return sorted === NO ? walk(bytes, start, end) : sorted;
}

/** Any order of keys, and cut datagrams: reads the whole outer dictionary. */
function walk(bytes: Uint8Array, start: number, end: number): Finding {
  let kind = -1;
  let argumentsAt = -1;
  let responseAt = -1;
  let errorAt = -1;
  let next = start + 1;
  for (;;) {
    if (next < end && u8(bytes, next) === LETTER_E) {
      next++;
      break;
    }
    const itemAt = endOfString(bytes, next, end);
    if (itemAt === MALFORMED) return NO;
    if (itemAt === CUT) return cutMessage(bytes, end, argumentsAt, responseAt);
    const key = itemAt - next === 3 ? u8(bytes, next + 2) : 0; // keys of one letter; `ip` and `ro` are not needed
    next = endOfValue(bytes, itemAt, end);
    if (next === MALFORMED) return NO;
    if (key === LETTER_A) argumentsAt = itemAt;
    else if (key === LETTER_R) responseAt = itemAt;
    else if (key === LETTER_E) errorAt = itemAt;
    else if (next >= 0 && key === LETTER_Y) kind = letterAt(bytes, itemAt, end);
    if (next === CUT) return cutMessage(bytes, end, argumentsAt, responseAt);
  }
  if (next !== end) return NO;
  switch (kind) {
    case LETTER_Q:
      return argumentsAt >= 0 && hasNodeId(bytes, argumentsAt, end) ? QUERY : NO;
    case LETTER_R:
      return responseAt >= 0 && hasNodeId(bytes, responseAt, end) ? RESPONSE : NO;
    case LETTER_E:
      return errorAt >= 0 && isErrorList(bytes, errorAt, end) ? ERROR : NO;
    default:
      return NO;
  }
}

/** What the part that arrived of a cut datagram shows. */
function cutMessage(bytes: Uint8Array, end: number, argumentsAt: number, responseAt: number): Finding {
  const idHolderAt = argumentsAt >= 0 ? argumentsAt : responseAt;
  return idHolderAt >= 0 && hasNodeId(bytes, idHolderAt, end) ? CUT_MESSAGE : NO;
}

/** `values`: a list of strings, each one compact peer (BEP 5, get_peers). */
function tellValues(bytes: Uint8Array, listAt: number, end: number, sink: PeerSink): void {
  if (listAt < 0 || listAt >= end || u8(bytes, listAt) !== LETTER_L) return;
  for (let at = listAt + 1; at < end; ) {
    const after = endOfString(bytes, at, end);
    if (after < 0) return;
    const contentAt = contentOfString(bytes, at, end);
    if (after - contentAt === IPV4_PEER_BYTES) tellCompactString(bytes, at, end, 4, 0, sink);
    else if (after - contentAt === IPV6_PEER_BYTES) tellCompactString(bytes, at, end, 16, 0, sink);
    at = after;
  }
}

/** Nodes and peers of a response: one pass over its keys. */
function tellResponse(bytes: Uint8Array, dictionaryAt: number, end: number, sink: PeerSink): void {
  if (dictionaryAt >= end || u8(bytes, dictionaryAt) !== LETTER_D) return;
  for (let next = dictionaryAt + 1; next < end; ) {
    const itemAt = endOfString(bytes, next, end);
    if (itemAt < 0) return;
    // The length prefix of these keys has one digit.
    if (hasAt(bytes, next, itemAt, NODES) && itemAt === next + NODES.length)
      tellCompactString(bytes, itemAt, end, 4, ID_BYTES, sink);
    else if (hasAt(bytes, next, itemAt, NODES6)) tellCompactString(bytes, itemAt, end, 16, ID_BYTES, sink);
    else if (hasAt(bytes, next, itemAt, VALUES)) tellValues(bytes, itemAt, end, sink);
    next = endOfValue(bytes, itemAt, end);
    if (next < 0) return;
  }
}

function harvest({ bytes, start, end }: Inspection, sink: PeerSink): boolean {
  if (start >= end || u8(bytes, start) !== LETTER_D) return true;
  for (let next = start + 1; next < end; ) {
    const itemAt = endOfString(bytes, next, end);
    if (itemAt < 0) return true;
    const key = itemAt - next === 3 ? u8(bytes, next + 2) : 0;
    if (key === LETTER_R) {
      tellResponse(bytes, itemAt, end, sink);
      return true;
    }
    if (key === LETTER_A) {
      // announce_peer: the sender takes connections on this port.
      tellListeningPort(integerAt(bytes, valueAt(bytes, itemAt, end, PORT), end), sink);
      return true;
    }
    next = endOfValue(bytes, itemAt, end);
    if (next < 0) return true;
  }
  return true;
}

export const dht: Feature = {
  feature: 'dht',
  transport: UDP,
  // Every key of the outer dictionary has one letter, but `ip` and `ro` (BEP 42, BEP 43).
  trigger: {
    kind: 'anchors',
    anchors: [
      { at: 0, bytes: ascii('d1:') },
      { at: 0, bytes: ascii('d2:') },
    ],
  },
  inspect,
  harvest,
};
