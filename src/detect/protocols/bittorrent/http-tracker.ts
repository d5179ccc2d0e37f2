/**
 * Trackers over HTTP (BEP 3 "trackers", BEP 7, 23, 24, 48): announce and scrape
 * requests by their query, answers by their bencoded body. Harvests the peers of
 * answers, compact or as dictionaries. Also the query of HTTP seeds (BEP 17).
 * Compressed bodies, and web seeds that look like plain downloads (BEP 19), stay unnamed.
 */
import { ascii, hasAt, indexOf, latin1, u8 } from '../../../base/bytes.js';
import {
  type Feature,
  type Finding,
  type Inspection,
  MAX_PREFIX_BYTES,
  MORE,
  NO,
  type PeerSink,
  TCP,
  match,
} from '../../detector.js';
import type { HttpMessage } from '../../facets/http.js';
import { parseIpv4 } from '../../../base/address.js';
import { contentOfString, CUT, endOfString, endOfValue, integerAt, valueAt } from './bencode.js';
import { bencodedBodyAt } from './http-body.js';
import { ID_BYTES, tellCompactString, tellListeningPort } from './peers.js';

/* Odds: two parameters named info_hash and peer_id that both decode to 20 bytes. */
const ANNOUNCE = match('certain', 'HTTP tracker announce request: info_hash and peer_id of 20 bytes');
/* Odds: as above, with a path of scrape, or with a piece number. */
const SCRAPE = match('certain', 'HTTP tracker scrape request: info_hash of 20 bytes');
const SEED = match('certain', 'HTTP seed request: info_hash of 20 bytes and piece');
/* Heuristic: false positives: interfaces of torrent indexes, asked by a person's browser. */
const INFO_HASH = match('likely', 'HTTP request with an info_hash of 20 bytes');
/* Heuristic: the same with the words of a tracker's path, in a line that is not whole: short snap lengths show no more. */
const CUT_ANNOUNCE = match('likely', 'beginning of an HTTP tracker request: announce or scrape with info_hash');
/* Odds: a bencoded dictionary fills the body, with an integer `interval` and `peers`, or with the 18 bytes of a failure, or `files` whose keys have 20 bytes. */
const PEERS = match('certain', 'HTTP tracker answer: bencoded dictionary with interval and peers');
const FAILURE = match('certain', 'HTTP tracker answer: bencoded dictionary with failure reason');
const FILES = match('certain', 'HTTP tracker scrape answer: bencoded dictionary of files by info-hash');

const KEY_INFO_HASH = ascii('info_hash=');
const KEY_PEER_ID = ascii('peer_id=');
const KEY_PIECE = ascii('piece=');
const KEY_LISTENING_PORT = ascii('port=');
const WORD_ANNOUNCE = ascii('announce');
const WORD_SCRAPE = ascii('scrape');
const KEY_INTERVAL = ascii('interval');
const KEY_FAILURE = ascii('failure reason');
const KEY_FILES = ascii('files');
const KEY_PEERS = ascii('peers');
const KEY_PEERS6 = ascii('peers6');
const KEY_COMPLETE = ascii('complete');
const KEY_IP = ascii('ip');
const KEY_PORT = ascii('port');
const SCRAPED_HASH = ascii('d20:');

const PERCENT = 0x25;
const AMPERSAND = 0x26;
const QUESTION = 0x3f;
const LETTER_D = 0x64;
const LETTER_L = 0x6c;
/** Longest dotted quad. */
const MAX_IPV4_TEXT = 15;

/** First byte of a parameter's value in a query, or -1. Parameters begin after `?` or `&`. */
function parameterAt(bytes: Uint8Array, from: number, end: number, key: Uint8Array): number {
  for (let at = from; ; at++) {
    at = indexOf(bytes, at, end, key);
    if (at < 0) return -1;
    const before = u8(bytes, at - 1);
    if (at > from && (before === QUESTION || before === AMPERSAND)) return at + key.length;
  }
}

/** Bytes that the parameter value at `at` decodes to (RFC 3986 section 2.1). */
function decodedBytes(bytes: Uint8Array, at: number, end: number): number {
  let count = 0;
  for (let next = at; next < end; next++) {
    const byte = u8(bytes, next);
    if (byte === AMPERSAND) break;
    if (byte === PERCENT) next += 2;
    count++;
  }
  return count;
}

/** Whether the parameter's value has the size of an info-hash or peer id: 20 bytes, or 40 hexadecimal digits. */
function hasId(bytes: Uint8Array, at: number, end: number): boolean {
  if (at < 0) return false;
  const count = decodedBytes(bytes, at, end);
  return count === ID_BYTES || (count === 2 * ID_BYTES && isHexadecimal(bytes, at, at + count));
}

function isHexadecimal(bytes: Uint8Array, at: number, end: number): boolean {
  for (let next = at; next < end; next++) {
    const letter = u8(bytes, next) | 0x20;
    if (!(letter >= 0x30 && letter <= 0x39) && !(letter >= 0x61 && letter <= 0x66)) return false;
  }
  return true;
}

function inspectRequest(http: HttpMessage): Finding {
  const { bytes, targetAt, targetEnd } = http;
  if (!http.isLineComplete) return inspectCutLine(http);
  const hashAt = parameterAt(bytes, targetAt, targetEnd, KEY_INFO_HASH);
  if (!hasId(bytes, hashAt, targetEnd)) return NO;
  if (hasId(bytes, parameterAt(bytes, targetAt, targetEnd, KEY_PEER_ID), targetEnd)) return ANNOUNCE;
  if (indexOf(bytes, targetAt, hashAt, WORD_SCRAPE) >= 0) return SCRAPE;
  return parameterAt(bytes, targetAt, targetEnd, KEY_PIECE) >= 0 ? SEED : INFO_HASH;
}

function inspectCutLine({ bytes, targetAt, targetEnd }: HttpMessage): Finding {
  const hashAt = parameterAt(bytes, targetAt, targetEnd, KEY_INFO_HASH);
  if (hashAt < 0) return MORE;
  const isTracker = indexOf(bytes, targetAt, hashAt, WORD_ANNOUNCE) >= 0 || indexOf(bytes, targetAt, hashAt, WORD_SCRAPE) >= 0;
  return isTracker ? CUT_ANNOUNCE : MORE;
}

function inspectResponse(http: HttpMessage): Finding {
  const { bytes, end } = http;
  const bodyAt = bencodedBodyAt(http);
  if (bodyAt < 0) return bodyAt === CUT ? MORE : NO;
  const failureAt = valueAt(bytes, bodyAt, end, KEY_FAILURE);
  if (failureAt >= 0) return endOfString(bytes, failureAt, end) >= 0 ? FAILURE : MORE;
  const intervalAt = valueAt(bytes, bodyAt, end, KEY_INTERVAL);
  if (integerAt(bytes, intervalAt, end) > 0) {
    const hasPeers =
      valueAt(bytes, bodyAt, end, KEY_PEERS) >= 0 || valueAt(bytes, bodyAt, end, KEY_PEERS6) >= 0;
    if (hasPeers || integerAt(bytes, valueAt(bytes, bodyAt, end, KEY_COMPLETE), end) >= 0) return PEERS;
  }
  const filesAt = valueAt(bytes, bodyAt, end, KEY_FILES);
  if (filesAt >= 0 && hasAt(bytes, filesAt, end, SCRAPED_HASH)) return FILES;
  return endOfValue(bytes, bodyAt, end) === CUT ? MORE : NO;
}

function inspect(input: Inspection): Finding {
  const http = input.http();
  if (!http) return NO;
  return http.isRequest ? inspectRequest(http) : inspectResponse(http);
}

/** `peers` as a list of dictionaries with `ip` (text) and `port` (BEP 3). IPv6 texts and names are left out. */
function tellPeerList(bytes: Uint8Array, listAt: number, end: number, sink: PeerSink): void {
  for (let at = listAt + 1; at < end && u8(bytes, at) === LETTER_D; ) {
    const ipAt = valueAt(bytes, at, end, KEY_IP);
    const port = integerAt(bytes, valueAt(bytes, at, end, KEY_PORT), end);
    const ipEnd = ipAt < 0 ? -1 : endOfString(bytes, ipAt, end);
    const textAt = ipEnd < 0 ? -1 : contentOfString(bytes, ipAt, ipEnd);
    if (textAt >= 0 && ipEnd - textAt <= MAX_IPV4_TEXT && port > 0 && port <= 0xffff) {
      const address = parseIpv4(latin1(bytes, textAt, ipEnd));
      if (address) sink.toldIpv4(address, 0, port);
    }
    at = endOfValue(bytes, at, end);
    if (at < 0) return;
  }
}

/** `port=` of an announce: where the client takes connections. True when it was told. */
function tellAnnouncedPort(http: HttpMessage, sink: PeerSink): boolean {
  const { bytes, targetAt, targetEnd } = http;
  const at = http.isLineComplete ? parameterAt(bytes, targetAt, targetEnd, KEY_LISTENING_PORT) : -1;
  if (at < 0) return false;
  tellListeningPort(Number.parseInt(latin1(bytes, at, Math.min(targetEnd, at + 5)), 10), sink);
  return true;
}

function harvest(input: Inspection, sink: PeerSink): boolean {
  const isOpen = input.end - input.start < MAX_PREFIX_BYTES;
  const http = input.http();
  if (!http) return isOpen;
  if (http.isRequest) return tellAnnouncedPort(http, sink) ? false : isOpen;
  const { bytes, end } = http;
  const bodyAt = bencodedBodyAt(http);
  if (bodyAt < 0) return isOpen;
  const peersAt = valueAt(bytes, bodyAt, end, KEY_PEERS);
  if (peersAt >= 0 && peersAt < end && u8(bytes, peersAt) === LETTER_L)
    tellPeerList(bytes, peersAt, end, sink);
  else tellCompactString(bytes, peersAt, end, 4, 0, sink);
  tellCompactString(bytes, valueAt(bytes, bodyAt, end, KEY_PEERS6), end, 16, 0, sink);
  return isOpen;
}

export const httpTracker: Feature = {
  feature: 'http-tracker',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http' },
  inspect,
  harvest,
  remember: 'none',
};
