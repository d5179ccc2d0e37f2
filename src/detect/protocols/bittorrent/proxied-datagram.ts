/**
 * BitTorrent's datagrams inside the header of a SOCKS 5 relay, as clients send them that use a proxy for
 * peers, too: uTP, the hash table and UDP trackers.
 *
 *     +------+------+------+---------------+----------+----------
 *     | 0  0 | 0    | type | address       | port     | datagram
 *     +------+------+------+---------------+----------+----------
 *       reserved, no fragment; 1: 4 bytes, 3: length and name, 4: 16 bytes
 *
 * One flow carries all peers of a client: what answers what is found as in flows of their own. The stream by which
 * the relay was asked for shows nothing of this. Peers told here are reached through the relay: nothing is learnt.
 *
 * Specification: RFC 1928 section 7.
 */
import { ascii, hasAt, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, MORE, NO, type TurnLog, UDP, match } from '../../detector.js';
import { behindProxy } from './behind-proxy.js';
import { dht } from './dht.js';
import { udpTracker } from './udp-tracker.js';
import { utp } from './utp.js';

/* Odds: those of the datagram within, `certain` without a proxy, and 32 bits of header. */
const RELAYED = match('certain', 'BitTorrent datagram (uTP, hash table or tracker) through a SOCKS 5 relay');

const TYPE_IPV4 = 1;
const TYPE_NAME = 3;
const TYPE_IPV6 = 4;
const FIXED_BYTES = 4;
const PORT_BYTES = 2;

/** Bytes of the relay's header at `at`, or 0 when there is none, or nothing behind it. */
function headerBytes(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < FIXED_BYTES + 1 || u8(bytes, at) !== 0 || u8(bytes, at + 1) !== 0 || u8(bytes, at + 2) !== 0) return 0;
  const lengthBytes = FIXED_BYTES + addressBytes(u8(bytes, at + 3), u8(bytes, at + FIXED_BYTES)) + PORT_BYTES;
  return lengthBytes > FIXED_BYTES + PORT_BYTES && at + lengthBytes < end ? lengthBytes : 0;
}

function addressBytes(type: number, first: number): number {
  switch (type) {
    case TYPE_IPV4:
      return 4;
    case TYPE_NAME:
      return 1 + first;
    case TYPE_IPV6:
      return 16;
    default:
      return 0;
  }
}

/** The recorded datagrams without their headers; those that have none are empty. */
function withoutHeaders(turns: TurnLog): TurnLog {
  const { heads } = turns;
  const header = (index: number): number => headerBytes(heads, turns.headAt(index), turns.headAt(index) + turns.headLengthBytes(index));
  const behind = (index: number, lengthBytes: number): number => (header(index) === 0 ? 0 : lengthBytes - header(index));
  return {
    count: turns.count,
    heads,
    direction: (index) => turns.direction(index),
    headAt: (index) => turns.headAt(index) + header(index),
    lengthBytes: (index) => behind(index, turns.lengthBytes(index)),
    headLengthBytes: (index) => behind(index, turns.headLengthBytes(index)),
  };
}

const QUERY_OPENINGS = [ascii('d1:'), ascii('d2:')] as const;

/** Who knows datagrams that begin so. */
function partFor(bytes: Uint8Array, at: number, end: number): Feature {
  if (QUERY_OPENINGS.some((opening) => hasAt(bytes, at, end, opening))) return dht;
  // uTP: version 1 in the lower half, one of five types in the upper one.
  return (u8(bytes, at) & 0x0f) === 1 && u8(bytes, at) < 0x50 ? utp : udpTracker;
}

function inspect(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const skipped = headerBytes(bytes, start, end);
  if (skipped === 0) return NO;
  const at = start + skipped;
  const finding = partFor(bytes, at, end).inspect(behindProxy(input, { start: at, segmentAt: at, turns: withoutHeaders(input.turns) }));
  return finding !== NO && finding !== MORE && finding.confidence === 'certain' ? RELAYED : NO;
}

export const proxiedDatagram: Feature = {
  feature: 'datagram-proxied',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [TYPE_IPV4, TYPE_NAME, TYPE_IPV6].map((type) => ({ at: 0, bytes: Uint8Array.of(0, 0, 0, type) })) },
  inspect,
  // The responder is the proxy, which serves others too.
  remember: 'none',
};
