/**
 * The UDP tracker protocol (BEP 15; options of BEP 41): connect, announce, scrape
 * and their answers, matched by transaction. Harvests the peers of announce answers.
 *
 *     request  0                8       12           16
 *              | connection id  | action| transaction| info-hash, peer id, ... / info-hashes
 *     answer   0       4            8
 *              | action| transaction| interval, leechers, seeders, peers / counts / text
 *
 * Flows picked up after the connect exchange are recognised by an announce request,
 * by a scrape with its answer, or by an announce answer alone.
 */
import { countSmall, fromHex, hasAt, u16, u32, u8 } from '../../../base/bytes.js';
import {
  type Feature,
  type Finding,
  type Inspection,
  MORE,
  NO,
  type PeerSink,
  UDP,
  match,
} from '../../detector.js';
import {
  ID_BYTES,
  IPV4_PEER_BYTES,
  IPV6_PEER_BYTES,
  tellPeers,
  tellListeningPort,
} from './peers.js';

/** BEP 15: protocol_id 0x41727101980, then action 0. */
const CONNECT_OPENING = fromHex('00000417 27101980 00000000');
const CONNECT_BYTES = 16;
const ACTION_CONNECT = 0;
const ACTION_ANNOUNCE = 1;
const ACTION_SCRAPE = 2;
const ACTION_ERROR = 3;
const ANNOUNCE_BYTES = 98;
const ANNOUNCE_ANSWER_BYTES = 20;
/** BEP 15: "Up to about 74 torrents can be scraped at once." */
const MAX_SCRAPED = 74;
/** One triple of counts for each scraped torrent. */
const COUNTS_BYTES = 12;
/** BEP 15: 0 none, 1 completed, 2 started, 3 stopped. */
const MAX_EVENT = 3;
/** Options of BEP 41 carry a path; some clients add two bytes of padding. */
const MAX_OPTION_BYTES = 512;
/** Petabytes: counts of bytes have at least 10 zero bits at the top. */
const MAX_TRANSFER_HIGH = 0x40_0000;
const MAX_WANTED = 5000;
const MAX_HASH_ZEROS = 4;
/** Of 8 random bytes five or more are below 16 once in 20,000 times; of 20, seven or more as rarely. */
const MAX_SMALL_IN_ID = 4;
const MAX_SMALL_IN_HASH = 6;
/** Intervals of real trackers: seconds to a few days. */
const MAX_INTERVAL_S = 7 * 24 * 3600;

/* Odds: 12 fixed bytes and the exact length. */
const CONNECT = match('certain', 'UDP tracker connect request: protocol id and action');
/* Odds: action (32 bits), event (30), size of transfer counts (20), wanted peers (19), port: 2^-100 for random bytes; tables of small numbers have zeros where the info-hash stands. */
const ANNOUNCE = match('certain', 'UDP tracker announce request: action, event and counts in range');
/*
 * Odds: action and a transaction that is no small number repeat (64 bits), both have the lengths that the action asks for, an info-hash
 * stands in the request, and what the answer counts is in range (8 bits of each number). Protocols of numbered calls that have all
 * of this besides are not known.
 */
const ANSWER = match('certain', 'UDP tracker answer with the action and transaction of the request');

/*
 * Heuristic: action (32 bits), a transaction that is no small number, interval, leechers and seeders in range (15 + 12 + 12 bits), peers that fill the datagram and
 * have ports and unicast addresses. False positives: messages of small big-endian numbers that open with 1 and have these lengths.
 */
const PEERS = match('likely', 'UDP tracker announce answer: interval, counts and peers in range');
const ONE_PEER = match('suspected', 'UDP tracker announce answer with one peer: interval and counts in range');
/*
 * Heuristic: action (32 bits), a length of whole hashes (1 in 20), ids and hashes that are random. False positives: other protocols of
 * sessions with 8 bytes, a type 2 and a random number, which carry encrypted bytes.
 */
const SCRAPE = match('suspected', 'UDP tracker scrape request: action and whole info-hashes, alone');
/** Fewer than 16 million peers and downloads: the upper byte of each count is zero. */
const MAX_COUNT_HIGH = 0x0100_0000;
/** Ranges of an answer whose request was not seen: a minute to a day, fewer than a million peers. */
const MIN_ALONE_INTERVAL_S = 60;
const MAX_ALONE_INTERVAL_S = 24 * 3600;
const MAX_ALONE_PEERS = 0x10_0000;
const MAX_COUNTER = 0xffff;

/** An announce answer without its request, over IPv4 (the peers of IPv6 have few fixed bits). */
function inspectAnswerAlone({ bytes, start, end, ipVersion }: Inspection): Finding {
  const peersAt = start + ANNOUNCE_ANSWER_BYTES;
  const count = (end - peersAt) / IPV4_PEER_BYTES;
  if (ipVersion !== 4 || count < 1 || !Number.isInteger(count) || u32(bytes, start) !== ACTION_ANNOUNCE) return NO;
  // Transactions are random; counters of other protocols begin small.
  if (u32(bytes, start + 4) <= MAX_COUNTER) return NO;
  const intervalS = u32(bytes, start + 8);
  if (intervalS < MIN_ALONE_INTERVAL_S || intervalS > MAX_ALONE_INTERVAL_S) return NO;
  const known = u32(bytes, start + 12) + u32(bytes, start + 16);
  if (known < count || known > MAX_ALONE_PEERS) return NO;
  for (let at = peersAt; at < end; at += IPV4_PEER_BYTES) {
    const first = u8(bytes, at);
    if (first === 0 || first === 127 || first >= 224 || u16(bytes, at + 4) === 0) return NO;
  }
  return count > 1 ? PEERS : ONE_PEER;
}

/** An announce request fills the datagram at `at`. `left` may be unknown (all ones, or 2^63 - 1) for magnets. */
function isAnnounce(bytes: Uint8Array, at: number, end: number): boolean {
  const lengthBytes = end - at;
  if (lengthBytes < ANNOUNCE_BYTES || lengthBytes > ANNOUNCE_BYTES + MAX_OPTION_BYTES) return false;
  if (u32(bytes, at + 8) !== ACTION_ANNOUNCE || u32(bytes, at + 80) > MAX_EVENT || u16(bytes, at + 96) === 0)
    return false;
  const wanted = u32(bytes, at + 92) | 0; // -1: the tracker's default
  return (
    u32(bytes, at + 56) < MAX_TRANSFER_HIGH && // downloaded
    u32(bytes, at + 72) < MAX_TRANSFER_HIGH && // uploaded
    wanted >= -1 &&
    wanted <= MAX_WANTED &&
    hasHash(bytes, at + 16)
  );
}

/** Of the 20 bytes of a SHA-1 more than four are zero once in 10^8 times. */
function hasHash(bytes: Uint8Array, at: number): boolean {
  let zeros = 0;
  for (let i = at; i < at + ID_BYTES; i++) if (u8(bytes, i) === 0) zeros++;
  return zeros <= MAX_HASH_ZEROS;
}

/** Whether the info-hash of an announce, or every one of a scrape, in what was kept of the request can be one. */
function hasHashes(heads: Uint8Array, at: number, end: number, action: number): boolean {
  if (at + ID_BYTES > end) return true;
  for (let next = at; next + ID_BYTES <= end; next += ID_BYTES) {
    if (!hasHash(heads, next)) return false;
    if (action === ACTION_ANNOUNCE) break;
  }
  return true;
}

/** Whether the numbers or the sentence of an answer are such as trackers give. Fields end where the datagram was cut. */
function isAnswerBody(bytes: Uint8Array, start: number, end: number, action: number): boolean {
  switch (action) {
    case ACTION_ANNOUNCE:
      return u32(bytes, start + 8) <= MAX_INTERVAL_S && u32(bytes, start + 12) < MAX_COUNT_HIGH && u32(bytes, start + 16) < MAX_COUNT_HIGH;
    case ACTION_SCRAPE:
      for (let at = start + 8; at + 4 <= end; at += 4) if (u32(bytes, at) >= MAX_COUNT_HIGH) return false;
      return true;
    case ACTION_ERROR:
      // Some end with a zero.
      for (let at = start + 8; at < end; at++) if (u8(bytes, at) < 0x20 && !(at === end - 1 && u8(bytes, at) === 0)) return false;
      return true;
    default:
      return true;
  }
}

/** A scrape whose connect exchange was not seen: the connection id, the transaction and all hashes are random, and no text. */
function isScrape(bytes: Uint8Array, start: number, end: number): boolean {
  if (u32(bytes, start + 12) <= MAX_COUNTER || countSmall(bytes, start, start + 8) > MAX_SMALL_IN_ID) return false;
  let letters = 0;
  for (let at = start + 16; at < end; at++) letters += u8(bytes, at) >= 0x20 && u8(bytes, at) < 0x7f ? 1 : 0;
  if (letters * 4 > (end - start - 16) * 3) return false;
  for (let at = start + 16; at < end; at += ID_BYTES) if (!hasHash(bytes, at) || countSmall(bytes, at, at + ID_BYTES) > MAX_SMALL_IN_HASH) return false;
  return true;
}

/** A scrape request has the length of whole info-hashes. */
function isScrapeLength(lengthBytes: number): boolean {
  const hashes = (lengthBytes - 16) / ID_BYTES;
  return Number.isInteger(hashes) && hashes >= 1 && hashes <= MAX_SCRAPED;
}

/** Whether requests with this action can have this length. */
function isRequestLength(action: number, lengthBytes: number): boolean {
  switch (action) {
    case ACTION_CONNECT:
      return lengthBytes === CONNECT_BYTES;
    case ACTION_ANNOUNCE:
      return lengthBytes >= ANNOUNCE_BYTES && lengthBytes <= ANNOUNCE_BYTES + MAX_OPTION_BYTES;
    default:
      return isScrapeLength(lengthBytes);
  }
}

/** Whether an answer to a request of `requestBytes` can have this length. */
function isAnswerLength(action: number, lengthBytes: number, requestBytes: number): boolean {
  switch (action) {
    case ACTION_CONNECT:
      return lengthBytes === CONNECT_BYTES;
    case ACTION_ANNOUNCE: {
      const peersBytes = lengthBytes - ANNOUNCE_ANSWER_BYTES;
      return peersBytes >= 0 && (peersBytes % IPV4_PEER_BYTES === 0 || peersBytes % IPV6_PEER_BYTES === 0);
    }
    case ACTION_SCRAPE:
      return lengthBytes - 8 === ((requestBytes - 16) / ID_BYTES) * COUNTS_BYTES;
    default:
      return lengthBytes > 8 && lengthBytes <= 8 + MAX_OPTION_BYTES; // a sentence
  }
}

/** Whether an earlier request of the other side asked for this answer. */
function hasRequest({ bytes, start, end, direction, turns }: Inspection): boolean {
  const action = u32(bytes, start);
  const transaction = u32(bytes, start + 4);
  const { heads } = turns;
  for (let index = 0; index < turns.count; index++) {
    const at = turns.headAt(index);
    if (turns.direction(index) === direction || turns.headLengthBytes(index) < 16) continue;
    const asked = u32(heads, at + 8);
    // Datagrams of zeros and small counters repeat such numbers, too: a connect request shows its protocol id, other transactions are random.
    if (asked === ACTION_CONNECT ? !hasAt(heads, at, at + CONNECT_BYTES, CONNECT_OPENING) : transaction <= MAX_COUNTER) continue;
    // An error may answer any request; it has no action of its own in common with it.
    if (u32(heads, at + 12) !== transaction || (action === ACTION_ERROR ? asked > ACTION_SCRAPE : asked !== action)) continue;
    const requestBytes = turns.lengthBytes(index);
    if (!isRequestLength(asked, requestBytes) || !isAnswerLength(action, end - start, requestBytes)) continue;
    if (asked !== ACTION_CONNECT && !hasHashes(heads, at + 16, at + turns.headLengthBytes(index), asked)) continue;
    if (isAnswerBody(bytes, start, end, action)) return true;
  }
  return false;
}

/** Whether all earlier datagrams of this side were scrapes with the same connection id. */
function isFirstOfItsSide({ bytes, start, direction, turns }: Inspection): boolean {
  const { heads } = turns;
  for (let index = 0; index < turns.count; index++) {
    if (turns.direction(index) !== direction) continue;
    const at = turns.headAt(index);
    if (!isScrapeLength(turns.lengthBytes(index)) || u32(heads, at + 8) !== ACTION_SCRAPE) return false;
    if (u32(heads, at) !== u32(bytes, start) || u32(heads, at + 4) !== u32(bytes, start + 4)) return false;
  }
  return true;
}

function inspect(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const lengthBytes = end - start;
  if (lengthBytes < CONNECT_BYTES) return NO;
  if (lengthBytes === CONNECT_BYTES && hasAt(bytes, start, end, CONNECT_OPENING)) return CONNECT;
  if (isAnnounce(bytes, start, end)) return ANNOUNCE;
  if (u32(bytes, start) <= ACTION_ERROR && hasRequest(input)) return ANSWER;
  const alone = inspectAnswerAlone(input);
  if (alone !== NO) return alone;
  if (u32(bytes, start + 8) !== ACTION_SCRAPE || !isScrapeLength(lengthBytes)) return NO;
  // By itself it could be another protocol's: its answer decides. Other protocols go on with other types; DNS has two additional records there.
  return isScrape(bytes, start, end) && isFirstOfItsSide(input) && input.dns() === null ? SCRAPE : MORE;
}

/**
 * Announce request: the client's listening port. Announce answer: `interval`,
 * `leechers`, `seeders`, then compact peers of the flow's own IP version.
 */
function harvest(input: Inspection, sink: PeerSink): boolean {
  const { bytes, start, end, ipVersion } = input;
  if (isAnnounce(bytes, start, end)) {
    tellListeningPort(u16(bytes, start + 96), sink);
    return true;
  }
  const peersAt = start + ANNOUNCE_ANSWER_BYTES;
  const peerBytes = ipVersion === 6 ? IPV6_PEER_BYTES : IPV4_PEER_BYTES;
  if (peersAt > end || u32(bytes, start) !== ACTION_ANNOUNCE) return true;
  const intervalS = u32(bytes, start + 8);
  if (intervalS === 0 || intervalS > MAX_INTERVAL_S || (end - peersAt) % peerBytes !== 0) return true;
  tellPeers(bytes, peersAt, end, ipVersion === 6 ? 16 : 4, 0, sink);
  return true;
}

const word = (value: number): Uint8Array => Uint8Array.of(0, 0, 0, value);

export const udpTracker: Feature = {
  feature: 'udp-tracker',
  transport: UDP,
  trigger: {
    kind: 'anchors',
    anchors: [
      { at: 0, bytes: CONNECT_OPENING },
      { at: 8, bytes: word(ACTION_ANNOUNCE) },
      { at: 8, bytes: word(ACTION_SCRAPE) },
      { at: 0, bytes: word(ACTION_CONNECT) },
      { at: 0, bytes: word(ACTION_ANNOUNCE) },
      { at: 0, bytes: word(ACTION_SCRAPE) },
      { at: 0, bytes: word(ACTION_ERROR) },
    ],
  },
  inspect,
  harvest,
};
