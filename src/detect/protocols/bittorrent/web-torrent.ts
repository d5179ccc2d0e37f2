/**
 * WebTorrent trackers in clear WebSocket (RFC 6455): JSON messages with `action`
 * and `info_hash` in text frames, masked by the client, plain from the server.
 * Compressed frames and trackers over TLS stay unnamed; the data channels between
 * browsers are DTLS.
 *
 *     +-+-+-+-+-------+-+-------------+------------------+------------+---------+
 *     |F|R|R|R| opcode|M| length (7)  | length (16 or 64)| mask (32)  | payload |
 *     +-+-+-+-+-------+-+-------------+------------------+------------+---------+
 */
import { ascii, u16, u32, u8 } from '../../../base/bytes.js';
import {
  type Feature,
  type Finding,
  type Inspection,
  MAX_PREFIX_BYTES,
  MORE,
  NO,
  TCP,
  match,
} from '../../detector.js';
import type { HttpMessage } from '../../facets/http.js';

/* Odds: a JSON text frame whose keys are `action` with a tracker's word, and `info_hash`. */
const ANNOUNCE = match('certain', 'WebTorrent tracker message in WebSocket: action and info_hash');

const KEY_INFO_HASH = ascii('"info_hash"');
const ACTIONS = ['"action":"announce"', '"action":"scrape"'].map(ascii);

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

function inspect(input: Inspection): Finding {
  const http = input.http();
  if (!http) return NO;
  if (!http.isComplete) return MORE;
  if (!isUpgrade(http)) return NO;
  const { bytes, end } = http;
  let at = http.bodyAt;
  for (let frame = 0; frame < MAX_FRAMES && at + 2 <= end; frame++) {
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
    const payloadEnd = Math.min(end, next + lengthBytes);
    if (opcode === OPCODE_TEXT || opcode === OPCODE_CONTINUATION) {
      const hasAction = ACTIONS.some((action) => hasText(bytes, next, payloadEnd, maskAt, action));
      if (hasAction && hasText(bytes, next, payloadEnd, maskAt, KEY_INFO_HASH)) return ANNOUNCE;
    }
    at = next + lengthBytes;
  }
  return end - input.start < MAX_PREFIX_BYTES ? MORE : NO;
}

export const webTorrent: Feature = {
  feature: 'webtorrent-tracker',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http' },
  inspect,
  remember: 'none',
};
