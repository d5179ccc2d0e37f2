/**
 * WebTorrent trackers in clear WebSocket (RFC 6455): JSON messages with `action`
 * and `info_hash` in text frames, masked by the client, plain from the server.
 * Compressed frames and trackers over TLS stay unnamed. The data channels between
 * peers are WebRTC like any call: named when a clear tracker told their endpoints.
 *
 *     +-+-+-+-+-------+-+-------------+------------------+------------+---------+
 *     |F|R|R|R| opcode|M| length (7)  | length (16 or 64)| mask (32)  | payload |
 *     +-+-+-+-+-------+-+-------------+------------------+------------+---------+
 */
import { parseAddress } from '../../../base/address.js';
import { ascii, latin1, u16, u32, u8 } from '../../../base/bytes.js';
import {
  type Feature,
  type Finding,
  type Inspection,
  type Match,
  MAX_PREFIX_BYTES,
  MORE,
  NO,
  type PeerSink,
  TCP,
  UDP,
  match,
} from '../../detector.js';
import type { HttpMessage } from '../../facets/http.js';

/* Odds: a JSON text frame whose keys are `action` with a tracker's word, and `info_hash`. */
const ANNOUNCE = match('certain', 'WebTorrent tracker message in WebSocket: action and info_hash');

const KEY_INFO_HASH = ascii('"info_hash"');
/** Some programs write a blank behind the colon. */
const ACTIONS = ['"action":"announce"', '"action":"scrape"', '"action": "announce"', '"action": "scrape"'].map(ascii);

const OPCODE_TEXT = 1;
const OPCODE_CONTINUATION = 0;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
/** The first frames are enough: the client announces at once. */
const MAX_FRAMES = 4;

/** Whether this message asks for, or accepts, a WebSocket (RFC 6455 section 4). */
function isUpgrade(http: HttpMessage): boolean {
  return http.field('upgrade')?.toLowerCase() === 'websocket' && (http.isRequest || http.status === 101);
}

/** Whether the text stands in the payload [at, end), which is masked with the 4 bytes at `maskAt` (-1: plain). */
function hasText(bytes: Uint8Array, at: number, end: number, maskAt: number, text: Uint8Array): boolean {
  for (let from = at; from + text.length <= end; from++) {
    let i = 0;
    for (; i < text.length; i++) {
      const mask = maskAt < 0 ? 0 : u8(bytes, maskAt + ((from + i - at) & 3));
      if ((u8(bytes, from + i) ^ mask) !== text[i]) break;
    }
    if (i === text.length) return true;
  }
  return false;
}

/** Takes the payload [at, end) of one text frame, masked with the 4 bytes at `maskAt` (-1: plain). True: enough seen. */
type FrameVisitor = (at: number, end: number, maskAt: number) => boolean;

/** Walks the frames behind the head of a WebSocket, as far as they are there. True when the visitor had enough. */
function visitTextFrames(http: HttpMessage, maxFrames: number, visit: FrameVisitor): boolean {
  const { bytes, end } = http;
  let at = http.bodyAt;
  for (let frame = 0; frame < maxFrames && at + 2 <= end; frame++) {
    const opcode = u8(bytes, at) & 0x0f;
    const isMasked = (u8(bytes, at + 1) & MASKED) !== 0;
    let lengthBytes = u8(bytes, at + 1) & 0x7f;
    let next = at + 2;
    if (lengthBytes === LENGTH_16) {
      lengthBytes = u16(bytes, next);
      next += 2;
    } else if (lengthBytes === LENGTH_64) {
      lengthBytes = u32(bytes, next + 4);
      next += 8;
    }
    const maskAt = isMasked ? next : -1;
    if (isMasked) next += 4;
    if (next > end) break;
    const isText = opcode === OPCODE_TEXT || opcode === OPCODE_CONTINUATION;
    if (isText && visit(next, Math.min(end, next + lengthBytes), maskAt)) return true;
    at = next + lengthBytes;
  }
  return false;
}

function inspect(input: Inspection): Finding {
  const http = input.http();
  if (!http) return NO;
  if (!http.isComplete) return MORE;
  if (!isUpgrade(http)) return NO;
  const { bytes, end } = http;
  const isAnnounced = visitTextFrames(http, MAX_FRAMES, (at, payloadEnd, maskAt) => {
    const hasAction = ACTIONS.some((action) => hasText(bytes, at, payloadEnd, maskAt, action));
    return hasAction && hasText(bytes, at, payloadEnd, maskAt, KEY_INFO_HASH);
  });
  if (isAnnounced) return ANNOUNCE;
  return end - input.start < MAX_PREFIX_BYTES ? MORE : NO;
}

/** RFC 8839 section 5.1: foundation, component, transport, priority, address, port, type. */
const CANDIDATE = /candidate:\S{1,32} \d+ udp \d+ ([0-9a-f.:]{2,39}) (\d{1,5}) typ /gi;
/** Frames read for candidates: the tracker passes on one offer or answer in each. */
const MAX_HARVESTED_FRAMES = 24;

/** Offers and answers that the tracker passes on name the sockets of other peers. Own ones are not noted: they change with each offer. */
function harvest(input: Inspection, sink: PeerSink): boolean {
  const http = input.http();
  if (http?.isComplete && input.direction === 1) {
    visitTextFrames(http, MAX_HARVESTED_FRAMES, (at, end, maskAt) => {
      if (maskAt < 0) tellCandidates(latin1(http.bytes, at, end), sink);
      return false;
    });
  }
  return input.end - input.start < MAX_PREFIX_BYTES;
}

function tellCandidates(text: string, sink: PeerSink): void {
  for (const [, addressText = '', portText] of text.matchAll(CANDIDATE)) {
    const address = parseAddress(addressText);
    const port = Number(portText);
    if (address === null || port === 0 || port > 0xffff) continue;
    if (address.length === 4) sink.toldIpv4(address, 0, port);
    else sink.toldIpv6(address, 0, port);
  }
}

export const webTorrent: Feature = {
  feature: 'webtorrent-tracker',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http', words: ['websocket'] },
  inspect,
  harvest,
  remember: 'none',
};

/*
 * STUN and DTLS are those of any browser call: only the endpoint, told by a tracker to this client, makes
 * it a peer connection. The engine raises the match for that reason.
 */
const CHANNEL: Match = {
  confidence: 'suspected',
  why: 'WebRTC connection (STUN or DTLS) to an endpoint that a tracker named',
  needsEndpoint: true,
};

/** RFC 8489 section 5: the magic cookie behind type and length. RFC 9147 section 4.1: record type, version 1.0 or 1.2. */
const CHANNEL_OPENINGS = [
  { at: 4, bytes: Uint8Array.of(0x21, 0x12, 0xa4, 0x42) },
  ...[0x14, 0x16, 0x17].flatMap((type) => [0xff, 0xfd].map((version) => ({ at: 0, bytes: Uint8Array.of(type, 0xfe, version) }))),
];

export const webTorrentPeer: Feature = {
  feature: 'webtorrent-peer',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: CHANNEL_OPENINGS },
  // Endpoints that spoke BitTorrent with others are no such peers: clients ask STUN servers from their own sockets.
  inspect: (input) => (input.known() === 'told' ? CHANNEL : NO),
  remember: 'none',
};
