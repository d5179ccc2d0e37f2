/**
 * SSL torrents: the whole peer connection inside TLS, opened with the torrent's info-hash in
 * hexadecimal as server name, by which the other side chooses the certificate. Over uTP the
 * dialogue of uTP shows first (`utp.ts`), so only TCP is read here. What TLS hides stays hidden.
 *
 * Specification: libtorrent manual, "SSL torrents".
 */
import { type Feature, type Finding, type Inspection, MORE, NO, TCP, match } from '../../detector.js';

/*
 * Heuristic: a host name has dots, or is the short name of a machine; 40 hexadecimal digits are neither. False positives:
 * private services that name themselves by a SHA-1 hash.
 */
const PEER = match('likely', 'TLS connection whose server name is an info-hash: an SSL torrent');

/** SHA-1 of version 1, the same length of SHA-256 of version 2. */
const INFO_HASH_NAME = /^[0-9a-f]{40}$/;

function inspect(input: Inspection): Finding {
  const tls = input.tls();
  if (!tls?.isClient) return NO;
  if (tls.serverName.length === 40 && INFO_HASH_NAME.test(tls.serverName)) return PEER;
  return tls.isComplete || tls.serverName !== '' ? NO : MORE;
}

export const sslTorrent: Feature = {
  feature: 'ssl-torrent',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'tls' },
  inspect,
};
