/**
 * The peer handshake over TCP (BEP 3), sent in either direction, and what clear
 * messages after it tell: listening ports (BEP 10), peer exchange (BEP 11).
 * The handshake that follows an encrypted opening is recognised in `mse.ts`.
 */
import { ascii, hasAt, indexOf } from '../../../base/bytes.js';
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
import { tellPeerMessages } from './peer-messages.js';

/*
 *     0    1                     20         28            48          68
 *     +----+---------------------+----------+-------------+-----------+
 *     | 19 | BitTorrent protocol | reserved | info-hash   | peer id   |
 *     +----+---------------------+----------+-------------+-----------+
 */
export const HANDSHAKE_OPENING = ascii('\x13BitTorrent protocol');
export const HANDSHAKE_BYTES = 68;

/* Odds of `certain`: 20 fixed bytes at the start of a stream, that name the protocol. */
const HANDSHAKE = match('certain', 'BitTorrent peer handshake');

function inspect({ bytes, start, end }: Inspection): Finding {
  return hasAt(bytes, start, end, HANDSHAKE_OPENING) ? HANDSHAKE : MORE;
}

/** Walks the clear messages after the handshake, wherever in the prefix it stands. */
export function harvestHandshake(input: Inspection, sink: PeerSink): boolean {
  const { bytes, start, end } = input;
  const openingAt = hasAt(bytes, start, end, HANDSHAKE_OPENING)
    ? start
    : indexOf(bytes, start, end, HANDSHAKE_OPENING);
  if (openingAt >= 0) tellPeerMessages(bytes, openingAt + HANDSHAKE_BYTES, end, sink);
  return end - start < MAX_PREFIX_BYTES;
}

/* Odds: the same 20 bytes behind the opening of a proxy's client. */
const PROXIED = match('certain', 'BitTorrent peer handshake through a proxy');
/** A SOCKS negotiation with user name, password and host name, or the head of a CONNECT request, is shorter. */
const MAX_PROXY_BYTES = 1024;

/** RFC 1928 (version 5: methods, then a request), SOCKS 4, RFC 9110 section 9.3.6 (CONNECT): the handshake follows in the same stream. */
function inspectProxied({ bytes, start, end }: Inspection): Finding {
  const limit = Math.min(end, start + MAX_PROXY_BYTES + HANDSHAKE_OPENING.length);
  if (indexOf(bytes, start, limit, HANDSHAKE_OPENING) >= 0) return PROXIED;
  return end - start < MAX_PROXY_BYTES ? MORE : NO;
}

const PROXY_OPENINGS = [Uint8Array.of(5, 1), Uint8Array.of(5, 2), Uint8Array.of(5, 3), Uint8Array.of(4, 1), ascii('CONNECT ')];

export const proxiedHandshake: Feature = {
  feature: 'handshake-proxied',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: PROXY_OPENINGS.map((bytes) => ({ at: 0, bytes })) },
  inspect: inspectProxied,
  harvest: harvestHandshake,
  // The responder is the proxy, which serves others too.
  remember: 'none',
};

export const handshake: Feature = {
  feature: 'handshake',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: HANDSHAKE_OPENING }] },
  inspect,
  harvest: harvestHandshake,
};
