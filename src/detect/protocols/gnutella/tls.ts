/**
 * Gnutella over TLS, as far as it can be seen: LimeWire and gtk-gnutella offer
 * anonymous Diffie-Hellman suites, which no browser does, and name no server;
 * gtk-gnutella's own certificate (clear up to TLS 1.2) names the program.
 * Everything behind is encrypted.
 *
 * RFC 5246 appendix A.5: anonymous suites "MUST NOT be used [...] except when [...]
 * explicitly requested"; other programs (some mail servers, network scanners) do so.
 */
import { ascii, indexOf, u16, u24, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, type Match, match, MORE, NO, TCP } from '../../detector.js';

/** Heuristic: known false positives are mail servers with anonymous opportunistic TLS and scanners that offer all suites. */
const ANONYMOUS: Match = {
  confidence: 'suspected',
  why: 'TLS hello without server name that offers anonymous key exchange, as Gnutella servents do',
  needsEndpoint: true,
};
const TOLD = match('suspected', 'TLS hello without server name to an endpoint learnt from Gnutella');

/** Odds: 13 literal bytes in the first names of a server's certificate. */
const CERTIFICATE = match('certain', 'TLS certificate of gtk-gnutella');

const RECORD_HEADER_BYTES = 5;
/** Record header, message header, version, random. */
const SESSION_AT = RECORD_HEADER_BYTES + 4 + 2 + 32;
/** Scanners offer hundreds of suites, servents fewer. */
const MAX_SUITES = 100;

/** TLS_DH_anon_* of RFC 5246 A.5, RFC 5932, RFC 5288 and TLS_ECDH_anon_* of RFC 4492. */
function isAnonymous(suite: number): boolean {
  return (
    (suite >= 0x0017 && suite <= 0x001b) ||
    suite === 0x0034 ||
    suite === 0x003a ||
    suite === 0x0046 ||
    suite === 0x006c ||
    suite === 0x006d ||
    suite === 0x0089 ||
    suite === 0x009b ||
    suite === 0x00a6 ||
    suite === 0x00a7 ||
    (suite >= 0xc015 && suite <= 0xc019)
  );
}

function offersAnonymous(bytes: Uint8Array, start: number, end: number): boolean {
  const sessionAt = start + SESSION_AT;
  if (sessionAt >= end) return false;
  const suitesAt = sessionAt + 1 + u8(bytes, sessionAt);
  if (suitesAt + 2 > end) return false;
  const count = u16(bytes, suitesAt) >> 1;
  const last = suitesAt + 2 + count * 2;
  if (count > MAX_SUITES || last > end) return false;
  for (let at = suitesAt + 2; at < last; at += 2) if (isAnonymous(u16(bytes, at))) return true;
  return false;
}

const GTK_GNUTELLA = ascii('gtk-gnutella/');
const CERTIFICATE_MESSAGE = 11;
/** Issuer and subject of a self-signed certificate stand in its first 200 bytes. */
const NAMES_BYTES = 240;

/** Looks into the certificate right behind a ServerHello; records may hold one message each or all. */
function inspectCertificate(bytes: Uint8Array, start: number, end: number): Finding {
  const helloAt = start + RECORD_HEADER_BYTES;
  if (helloAt + 4 > end) return MORE;
  let at = helloAt + 4 + u24(bytes, helloAt + 1);
  if (at === helloAt + u16(bytes, start + 3)) at += RECORD_HEADER_BYTES;
  if (at >= end) return MORE;
  if (u8(bytes, at) !== CERTIFICATE_MESSAGE) return NO;
  if (indexOf(bytes, at, Math.min(end, at + NAMES_BYTES), GTK_GNUTELLA) >= 0) return CERTIFICATE;
  return end - at < NAMES_BYTES ? MORE : NO;
}

function inspectHello(input: Inspection): Finding {
  const hello = input.tls();
  if (!hello) return NO;
  if (!hello.isClient) return inspectCertificate(input.bytes, input.start, input.end);
  if (hello.serverName !== '' || hello.alpn.length > 0) return NO;
  if (!hello.isComplete) return MORE;
  if (offersAnonymous(input.bytes, input.start, input.end)) return ANONYMOUS;
  const known = input.known();
  return known === 'told' || known === 'endpoint' ? TOLD : NO;
}

export const tls: Feature = {
  feature: 'tls',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'tls' },
  inspect: inspectHello,
};
