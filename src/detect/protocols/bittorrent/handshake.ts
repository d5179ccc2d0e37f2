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

export const handshake: Feature = {
  feature: 'handshake',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: HANDSHAKE_OPENING }] },
  inspect,
  harvest: harvestHandshake,
};
