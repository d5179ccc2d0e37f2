/**
 * Gnutella transfers: HTTP requests by URN or index, Gnutella's own header
 * fields in either direction, push (`GIV`, push proxies), browsing a host.
 *
 * G2 programs (Shareaza) use the same requests; a transfer is named gnutella
 * whichever network led to it. `GET /get/<n>/<name>` alone is no evidence: it is
 * an ordinary path too.
 *
 * HUGE 0.94 (URNs), "Push Proxy" 0.6, PARQ, X-Alt, THEX as Gnutella servents use it.
 */
import { ascii, hasAt, hasAtIgnoringCase, u8 } from '../../../base/bytes.js';
import type { HttpMessage } from '../../facets/http.js';
import { type Feature, type Finding, type Inspection, match, MORE, NO, TCP } from '../../detector.js';
import { harvestHeader } from './harvest.js';

/** Odds: 21 literal bytes of a path that RFC 2169 reserves for URN resolvers, and 32 base32 characters; no ordinary server has one. */
const BY_URN = match('certain', 'Gnutella transfer: request by urn:sha1 (/uri-res/N2R?)');
const BY_URN_OTHER = match('likely', 'Gnutella or G2 transfer: /uri-res/ request by another URN');
const BY_INDEX = match('certain', 'Gnutella transfer: GET /get/<index>/ by a Gnutella servent');
const PUSH_PROXY = match('certain', 'Gnutella push proxy request');
const FIELDS = match('certain', 'Gnutella transfer: X-Gnutella- header fields');
const QUEUE = match('certain', 'Gnutella transfer: X-Queue with position and poll times (PARQ)');
const CONTENT = match('certain', 'Gnutella or G2 transfer: X-Content-URN or X-Thex-URI with a SHA-1 or bitprint');
const BROWSE = match('certain', 'Gnutella: browsing a host (application/x-gnutella-packets)');
const SERVENT = match('likely', 'HTTP message of a Gnutella servent, by its name');
const MESH = match('likely', 'Gnutella transfer: download mesh fields (X-Alt, X-Falt, X-NAlt)');

const URI_RES = ascii('/uri-res/n2');
const URN_SHA1 = ascii('urn:sha1:');
const URN_BITPRINT = ascii('urn:bitprint:');
const GET = ascii('/get/');
const GNUTELLA = ascii('/gnutella/');
/** "Push Proxy" proposal: the older path, with the servent id in 32 hexadecimal digits. */
const GNET = ascii('/gnet/push-proxy?guid=');
const BASE32_SHA1_CHARACTERS = 32;

/** Names of servents at the start of User-Agent and Server fields. Words that others use too (Phex, Foxy, FrostWire) are left out. */
const SERVENT_NAME = /^(limewire|bearshare|gtk-gnutella|wireshare|gnucleus|shareaza|gnutella)\b/i;
/** One of these is in every message that matches: a path or field, or a servent's name (gtk-gnutella's and the paths of pushes are in 'gnutella'). */
const FIELD_WORDS = ['/uri-res/n2', '/gnet/push-proxy', 'x-queue', 'x-content-urn', 'x-thex-uri', 'x-falt', 'x-nalt', 'x-alt'];
const SERVENT_WORDS = ['gnutella', 'limewire', 'bearshare', 'wireshare', 'gnucleus', 'shareaza'];
/** Where the tree hashes of the file are: a path for URN resolvers, or the file's SHA-1 behind another one. */
const THEX_URI = /^\S*urn:(sha1|bitprint):[a-z2-7]{32}/i;
const CONTENT_URN = /^urn:(sha1|bitprint):[a-z2-7]{32}/i;

function isBase32(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + BASE32_SHA1_CHARACTERS > end) return false;
  for (let i = at; i < at + BASE32_SHA1_CHARACTERS; i++) {
    const byte = u8(bytes, i);
    const letter = byte | 0x20;
    if (!(letter >= 0x61 && letter <= 0x7a) && !(byte >= 0x32 && byte <= 0x37)) return false;
  }
  return true;
}

/** Digits, then a slash: an index of 0.4. */
function isIndexPath(bytes: Uint8Array, at: number, end: number): boolean {
  let next = at;
  while (next < end && u8(bytes, next) >= 0x30 && u8(bytes, next) <= 0x39) next++;
  return next > at && next - at <= 10 && next < end && u8(bytes, next) === 0x2f;
}

/** `N2R?urn:sha1:` and 32 characters; THEX and bitprints too. `at` stands behind '/uri-res/n2'. */
function urnFinding(bytes: Uint8Array, at: number, end: number): Finding {
  let next = at;
  while (next < end && u8(bytes, next) !== 0x3f) next++;
  next++;
  if (hasAtIgnoringCase(bytes, next, end, URN_SHA1)) return isBase32(bytes, next + URN_SHA1.length, end) ? BY_URN : BY_URN_OTHER;
  if (hasAtIgnoringCase(bytes, next, end, URN_BITPRINT)) return isBase32(bytes, next + URN_BITPRINT.length, end) ? BY_URN : BY_URN_OTHER;
  return hasAtIgnoringCase(bytes, next, end, ascii('urn:')) ? BY_URN_OTHER : NO;
}

function inspectHttp(input: Inspection): Finding {
  const http = input.http();
  if (!http) return NO;
  if (!http.isLineComplete) return MORE;
  const path = http.isRequest ? inspectTarget(http) : NO;
  if (path !== NO) return path;
  if (http.hasFieldPrefix('x-')) {
    if (http.hasFieldPrefix('x-gnutella-')) return FIELDS;
    if (isParq(http)) return QUEUE;
    if (CONTENT_URN.test(http.field('x-content-urn') ?? '')) return CONTENT;
    if (THEX_URI.test(http.field('x-thex-uri') ?? '')) return CONTENT;
    if (http.hasFieldPrefix('x-falt') || http.hasFieldPrefix('x-nalt') || isMesh(http)) return MESH;
  }
  return http.isComplete ? inspectNames(http) : MORE;
}

function inspectTarget(http: HttpMessage): Finding {
  const { bytes, targetAt, targetEnd } = http;
  if (hasAtIgnoringCase(bytes, targetAt, targetEnd, URI_RES)) return urnFinding(bytes, targetAt + URI_RES.length, targetEnd);
  if (hasAt(bytes, targetAt, targetEnd, GNUTELLA)) {
    const target = http.target();
    // push-proxy (LimeWire), pushproxy (older), thex (tiger tree), res (gtk-gnutella).
    if (/^\/gnutella\/push-?proxy\?(server|file|serventid|guid)/i.test(target)) return PUSH_PROXY;
    if (/^\/gnutella\/thex\/v1\?urn:/i.test(target)) return BY_URN;
  }
  if (hasAt(bytes, targetAt, targetEnd, GNET) && /^[0-9a-f]{32}/i.test(http.target().slice(GNET.length))) return PUSH_PROXY;
  if (hasAt(bytes, targetAt, targetEnd, GET) && isIndexPath(bytes, targetAt + GET.length, targetEnd)) {
    const agent = http.field('user-agent');
    if (http.hasFieldPrefix('x-gnutella-')) return FIELDS;
    if (agent !== null) return SERVENT_NAME.test(agent) ? BY_INDEX : NO;
  }
  return NO;
}

/** PARQ: `X-Queue: position=2,length=5,limit=4,pollMin=45,pollMax=120`. */
function isParq(http: HttpMessage): boolean {
  const queue = http.field('x-queue');
  return queue !== null && /position=\d+.*poll(Min|Max)=\d+/i.test(queue);
}

/** `X-Alt` lists endpoints; nothing else is known to use the name, yet it is short. */
function isMesh(http: HttpMessage): boolean {
  const alternates = http.field('x-alt');
  return alternates !== null && /^\d+\.\d+\.\d+\.\d+(:\d+)?([,;]|$)/.test(alternates);
}

function inspectNames(http: HttpMessage): Finding {
  if (http.isRequest && http.targetEnd - http.targetAt === 1 && /x-gnutella-packets/.test(http.field('accept') ?? '')) return BROWSE;
  if (!http.isRequest && /^application\/x-gnutella-packets/i.test(http.field('content-type') ?? '')) return BROWSE;
  const name = http.field(http.isRequest ? 'user-agent' : 'server');
  return name !== null && SERVENT_NAME.test(name) ? SERVENT : NO;
}

export const http: Feature = {
  feature: 'http',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http', words: [...FIELD_WORDS, ...SERVENT_WORDS] },
  inspect: inspectHttp,
  harvest: (input, sink) => harvestHeader(input.bytes, input.start, input.end, sink),
};

/** Odds: 4 letters, digits, a colon, 32 hexadecimal digits and a slash: about 2^-150 on random bytes. */
const GIV = match('certain', 'Gnutella push answer: GIV <index>:<servent id>/');
const PUSH_ID = match('certain', 'Gnutella push request over TCP: PUSH guid:');
const CONNECT_BACK = match('likely', 'Gnutella connect-back test');
const CHAT = match('certain', 'Gnutella chat: CHAT CONNECT/0.1');
const OLD_SERVER = match('certain', 'Gnutella 0.4 transfer: HTTP 200 OK, Server: Gnutella');

const GIV_WORD = ascii('GIV ');
const PUSH_WORD = ascii('PUSH guid:');
const BACK_WORD = ascii('CONNECT BACK');
const CHAT_WORD = ascii('CHAT CONNECT/0.');
const OLD_WORD = ascii('HTTP 200 OK\r\nServer: Gnutella');

function inspectPush(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (hasAt(bytes, start, end, PUSH_WORD)) return PUSH_ID;
  if (hasAt(bytes, start, end, CHAT_WORD)) return CHAT;
  if (hasAt(bytes, start, end, OLD_WORD)) return OLD_SERVER;
  if (hasAt(bytes, start, end, BACK_WORD)) {
    const lineAt = start + BACK_WORD.length;
    if (lineAt >= end) return MORE;
    return u8(bytes, lineAt) === 0x0d || u8(bytes, lineAt) === 0x0a ? CONNECT_BACK : NO;
  }
  return hasAt(bytes, start, end, GIV_WORD) ? inspectGiv(bytes, start + GIV_WORD.length, end) : MORE;
}

/** `GIV <index>:<32 hexadecimal digits>/<name>` LF LF. */
function inspectGiv(bytes: Uint8Array, at: number, end: number): Finding {
  let next = at;
  while (next < end && u8(bytes, next) >= 0x30 && u8(bytes, next) <= 0x39) next++;
  if (next - at > 10) return NO;
  if (next === end) return MORE;
  if (next === at || u8(bytes, next) !== 0x3a) return NO;
  next++;
  for (let i = 0; i < 32; i++, next++) {
    if (next >= end) return MORE;
    const byte = u8(bytes, next);
    const letter = byte | 0x20;
    if (!(byte >= 0x30 && byte <= 0x39) && !(letter >= 0x61 && letter <= 0x66)) return NO;
  }
  if (next >= end) return MORE;
  return u8(bytes, next) === 0x2f ? GIV : NO;
}

export const push: Feature = {
  feature: 'push',
  transport: TCP,
  trigger: {
    kind: 'anchors',
    anchors: [GIV_WORD, PUSH_WORD, BACK_WORD, CHAT_WORD, OLD_WORD].map((bytes) => ({ at: 0, bytes })),
  },
  inspect: inspectPush,
  remember: 'both',
};
