/**
 * Direct Connect over TLS: by ALPN (`adc`, `nmdc`), by the certificate that clients make for
 * themselves, whose common name is their client id (clear up to TLS 1.2), and towards
 * endpoints that a hub named.
 *
 * "ALPN" and "ADC-EXT: ADCS" of the Direct Connect protocol documents.
 */
import { ascii, indexOf, u16, u24, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, match, MORE, NO, TCP } from '../../detector.js';

/** Odds: an ALPN name that IANA has not given to others; nothing else uses it. */
const ALPN = match('certain', 'TLS hello with ALPN adc or nmdc');
/** Odds: 39 base32 characters as common name: 2^-117. */
const CERTIFICATE = match('certain', 'TLS certificate whose common name is an ADC client id');
const TOLD = match('suspected', 'TLS hello without server name to an endpoint named by a Direct Connect hub');

const NAMES: ReadonlySet<string> = new Set(['adc', 'nmdc', 'adc/1', 'nmdc/1']);
const RECORD_HEADER_BYTES = 5;
const CERTIFICATE_MESSAGE = 11;
/** Issuer and subject of a self-signed certificate stand in its first 250 bytes. */
const NAMES_BYTES = 300;
/** X.520 commonName, object identifier 2.5.4.3. */
const COMMON_NAME = ascii('\x55\x04\x03');
const CLIENT_ID_CHARACTERS = 39;

function isClientId(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + CLIENT_ID_CHARACTERS > end) return false;
  for (let i = at; i < at + CLIENT_ID_CHARACTERS; i++) {
    const byte = u8(bytes, i);
    if (!(byte >= 0x41 && byte <= 0x5a) && !(byte >= 0x32 && byte <= 0x37)) return false;
  }
  return true;
}

/** Looks into the certificate right behind a ServerHello; records may hold one message each or all. */
function inspectCertificate(bytes: Uint8Array, start: number, end: number): Finding {
  const helloAt = start + RECORD_HEADER_BYTES;
  if (helloAt + 4 > end) return MORE;
  let at = helloAt + 4 + u24(bytes, helloAt + 1);
  if (at === helloAt + u16(bytes, start + 3)) at += RECORD_HEADER_BYTES;
  if (at >= end) return MORE;
  if (u8(bytes, at) !== CERTIFICATE_MESSAGE) return NO;
  const last = Math.min(end, at + NAMES_BYTES);
  for (let nameAt = indexOf(bytes, at, last, COMMON_NAME); nameAt >= 0; nameAt = indexOf(bytes, nameAt + 1, last, COMMON_NAME)) {
    // String type, length, characters.
    if (nameAt + 5 <= end && u8(bytes, nameAt + 4) === CLIENT_ID_CHARACTERS && isClientId(bytes, nameAt + 5, end)) return CERTIFICATE;
  }
  return end - at < NAMES_BYTES ? MORE : NO;
}

function inspectHello(input: Inspection): Finding {
  const hello = input.tls();
  if (!hello) return NO;
  for (const name of hello.alpn) if (NAMES.has(name)) return ALPN;
  if (!hello.isClient) return inspectCertificate(input.bytes, input.start, input.end);
  if (hello.serverName !== '' || hello.alpn.length > 0) return NO;
  if (!hello.isComplete) return MORE;
  const known = input.known();
  return known === 'told' || known === 'endpoint' ? TOLD : NO;
}

export const tls: Feature = {
  feature: 'tls',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'tls' },
  inspect: inspectHello,
};
