/**
 * Downloads of `.torrent` files over HTTP (BEP 3 "metainfo files", BEP 12, 52), by
 * content: a bencoded dictionary with the info dictionary or a tracker's address.
 * File names and content types alone are no evidence; a compressed body of the right type is `likely`.
 */
import { ascii, hasAt } from '../../../base/bytes.js';
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
import { CUT, contentOfString, endOfValue, valueAt } from './bencode.js';
import { bencodedBodyAt } from './http-body.js';

/* Odds: the grammar fits from the body's first byte on, and holds `8:announce` with the scheme of a tracker, or `4:infod`. */
const TRACKERS = match(
  'certain',
  '.torrent file over HTTP: bencoded dictionary with the address of a tracker',
);
const INFO = match('certain', '.torrent file over HTTP: bencoded dictionary with an info dictionary');

/* Heuristic: content type and a compressed body. False positives: pages that a server labels wrongly. */
const COMPRESSED = match('likely', '.torrent file over HTTP: content type application/x-bittorrent, compressed');

const KEY_ANNOUNCE = ascii('announce');
const KEY_INFO = ascii('info');
/** First keys of an info dictionary, in their sorted order; v1, then v2 (BEP 52). */
const INFO_OPENINGS = [
  '5:files',
  '6:length',
  '9:file tree',
  '4:name',
  '8:collections',
  '6:source',
  '7:private',
  '6:pieces',
].map((key) => ascii(`d${key}`));
const SCHEMES = ['http', 'udp:', 'ws:/', 'wss:'].map((scheme) => ascii(scheme));

/** RFC 9110 section 8.4.1: the body is not looked into. */
function isCompressedTorrent(http: HttpMessage): boolean {
  if (!/^application\/x-bittorrent\b/i.test(http.field('content-type') ?? '')) return false;
  return http.status === 200 && /^(gzip|deflate|br|zstd)$/i.test(http.field('content-encoding') ?? '');
}

function inspect(input: Inspection): Finding {
  const http = input.http();
  if (!http || http.isRequest) return NO;
  const { bytes, end } = http;
  const bodyAt = bencodedBodyAt(http);
  if (bodyAt < 0) return bodyAt === CUT ? MORE : isCompressedTorrent(http) ? COMPRESSED : NO;
  const announceAt = valueAt(bytes, bodyAt, end, KEY_ANNOUNCE);
  if (announceAt >= 0) {
    const textAt = contentOfString(bytes, announceAt, end);
    if (textAt >= 0 && SCHEMES.some((scheme) => hasAt(bytes, textAt, end, scheme))) return TRACKERS;
  }
  const infoAt = valueAt(bytes, bodyAt, end, KEY_INFO);
  if (infoAt >= 0 && INFO_OPENINGS.some((opening) => hasAt(bytes, infoAt, end, opening))) return INFO;
  return endOfValue(bytes, bodyAt, end) === CUT && end - input.start < MAX_PREFIX_BYTES ? MORE : NO;
}

export const torrentFile: Feature = {
  feature: 'torrent-file',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http' },
  inspect,
  remember: 'none',
};
