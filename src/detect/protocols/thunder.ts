/**
 * Thunder (Xunlei): requests to its hubs and between peers.
 *
 *   version 4 (0x28 to 0x3F) | sequence 4 | body length 4 | body, encrypted      little-endian
 *   The same frame stands in the body of `POST / HTTP/1.1` with application/octet-stream, in TCP streams and in datagrams.
 *
 * Not recognised: downloads over plain HTTP (ordinary web) and over BitTorrent or eDonkey (those protocols find them).
 * No specification was published; the version word is what public traffic classifiers agree on, the rest shows in use.
 */
import { defineProtocol, type Finding, type Inspection, match, MORE, NO, type TurnLog, TCP, UDP } from '../detector.js';
import { u16le, u32le, u8 } from '../../base/bytes.js';

const HUB_POST = match('certain', 'Thunder frame whose length fits, posted to a hub');
const HUB_POST_OTHER = match('suspected', 'posted bytes that begin like a Thunder frame');
const STREAM = match('suspected', 'Thunder frame whose length fits at the start of a connection');
const DATAGRAMS = match('suspected', 'datagrams in both directions that begin with Thunder version words');
const HUB_NAME = match('likely', 'DNS question for a Thunder hub');

const MIN_VERSION = 0x28;
const MAX_VERSION = 0x3f;
/** Versions that peers and hubs use over TCP and HTTP. */
const MIN_STREAM_VERSION = 0x30;
const HEADER_BYTES = 12;
const MIN_DATAGRAM_BYTES = 9;
const MIN_DATAGRAMS = 4;

function isVersion(bytes: Uint8Array, at: number, least: number): boolean {
  const version = u8(bytes, at);
  return version >= least && version <= MAX_VERSION && u8(bytes, at + 1) === 0 && u16le(bytes, at + 2) === 0;
}

/** `POST /` with octets: 28 bits of version, 32 of length, and the head. */
function inspectPost(input: Inspection): Finding {
  const message = input.http();
  if (!message?.isRequest || message.method !== 'POST') return NO;
  if (!message.isLineComplete) return MORE;
  if (message.target() !== '/') return NO;
  if (!message.isComplete) return MORE;
  if (!/^application\/octet-stream$/i.test(message.field('content-type') ?? '')) return NO;
  const { bytes, bodyAt, end } = message;
  if (end - bodyAt < HEADER_BYTES) return MORE;
  if (!isVersion(bytes, bodyAt, MIN_STREAM_VERSION)) return NO;
  return u32le(bytes, bodyAt + 8) === Number(message.field('content-length')) - HEADER_BYTES ? HUB_POST : HUB_POST_OTHER;
}

/**
 * Heuristic: version (28 bits) and a body length (32) that equals what follows in the first turn. Other little-endian protocols
 * have a length at 0 or 4 (databases, games), not at 8, yet some have type, number and length in this order; and the frame is inferred.
 */
function inspectStream(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (!input.fromStart) return NO;
  if (end - start < HEADER_BYTES) return MORE;
  if (!isVersion(bytes, start, MIN_STREAM_VERSION)) return NO;
  const bodyBytes = u32le(bytes, start + 8);
  if (bodyBytes === 0 || bodyBytes > 0x10000) return NO;
  const arrived = end - start - HEADER_BYTES;
  return arrived < bodyBytes ? MORE : arrived === bodyBytes ? STREAM : NO;
}

/** Heuristic: classifiers ask for four such datagrams; games with small little-endian numbers send them too, so no more than a suspicion. */
function inspectDatagram(input: Inspection): Finding {
  const { bytes, start, end, turns } = input;
  if (end - start < MIN_DATAGRAM_BYTES || !isVersion(bytes, start, MIN_VERSION)) return NO;
  if (!turns.count) return input.known() === 'none' ? MORE : DATAGRAMS;
  return turns.count + 1 >= MIN_DATAGRAMS && areAllVersions(turns) ? DATAGRAMS : MORE;
}

function areAllVersions(turns: TurnLog): boolean {
  let ways = 0;
  for (let i = 0; i < turns.count; i++) {
    if (turns.lengthBytes(i) < MIN_DATAGRAM_BYTES || !isVersion(turns.heads, turns.headAt(i), MIN_VERSION)) return false;
    ways |= 1 << turns.direction(i);
  }
  return ways === 3;
}

/** Hubs that help peers find each other (`hub5btmain.sandai.net`, `imhub5pr.hz.sandai.net`): the company's web sites have other names. */
function inspectName(input: Inspection): Finding {
  const names = input.dns()?.questions ?? [];
  return names.some((name) => /^(im)?hub\d[a-z0-9]*(\.[a-z0-9]+)?\.sandai\.net$/.test(name)) ? HUB_NAME : NO;
}

const VERSIONS = Array.from({ length: MAX_VERSION - MIN_VERSION + 1 }, (_, i) => MIN_VERSION + i);
const anchorsFrom = (least: number) => VERSIONS.filter((version) => version >= least).map((version) => ({ at: 0, bytes: Uint8Array.of(version, 0, 0, 0) }));

export const thunder = defineProtocol({
  id: 'thunder',
  title: 'Thunder (Xunlei)',
  category: 'file-sharing',
  specs: ['https://en.wikipedia.org/wiki/Xunlei'],
  features: [
    { feature: 'hub', transport: TCP, trigger: { kind: 'facet', facet: 'http', words: ['application/octet-stream'] }, inspect: inspectPost, remember: 'none' },
    { feature: 'stream', transport: TCP, trigger: { kind: 'anchors', anchors: anchorsFrom(MIN_STREAM_VERSION) }, inspect: inspectStream },
    { feature: 'datagram', transport: UDP, trigger: { kind: 'anchors', anchors: anchorsFrom(MIN_VERSION) }, inspect: inspectDatagram },
    { feature: 'dns', transport: UDP, trigger: { kind: 'facet', facet: 'dns', words: ['sandai'] }, inspect: inspectName, remember: 'none' },
  ],
});
