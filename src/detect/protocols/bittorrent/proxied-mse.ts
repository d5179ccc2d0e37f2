/**
 * The encrypted opening of `mse.ts` behind the negotiation with a proxy, in the same stream:
 *
 *   SOCKS 5   > methods   < choice   (> name and password   < status)   > request   < reply   > key   < key   > ...
 *   SOCKS 4   > request   < reply    > key   < key   > ...
 *   CONNECT   > request   < reply    > key   < key   > ...
 *
 * Only shown to `mse.ts` without what came before; what it says of random bytes stays true. Most streams through proxies
 * are TLS, which it refuses by its first bytes.
 *
 * Specification: RFC 1928, RFC 1929 (passwords), RFC 9110 section 9.3.6; MSE as in `mse.ts`.
 */
import { ascii, hasAt, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, MORE, NO, TCP, type TurnLog } from '../../detector.js';
import { behindProxy } from './behind-proxy.js';
import { MAX_TURNS_SEEN, mse } from './mse.js';

const SOCKS_5 = 5;
const SOCKS_4 = 4;
/** Version of the password negotiation. */
const PASSWORD = 1;
const CONNECT = ascii('CONNECT ');
/** Longest negotiation: a host name, or the head of a request. */
const MAX_NEGOTIATION_BYTES = 1024;

/** Turns of the negotiation, 0 when it is none, or when it cannot be told yet. */
function negotiationTurns(client: Uint8Array, at: number, end: number, turns: TurnLog): number {
  if (u8(client, at) === SOCKS_4 || hasAt(client, at, end, CONNECT)) return 2;
  const secondAt = at + turns.lengthBytes(0);
  if (u8(client, at) !== SOCKS_5 || turns.lengthBytes(0) !== 2 + u8(client, at + 1) || secondAt >= end) return 0;
  if (u8(client, secondAt) === PASSWORD) return 6;
  return u8(client, secondAt) === SOCKS_5 ? 4 : 0;
}

/** The log behind its first `skipped` entries, an even number: directions stay. */
function behind(turns: TurnLog, skipped: number): TurnLog {
  return {
    count: turns.count - skipped,
    heads: turns.heads,
    direction: (index) => turns.direction(index + skipped),
    lengthBytes: (index) => turns.lengthBytes(index + skipped),
    headAt: (index) => turns.headAt(index + skipped),
    headLengthBytes: (index) => turns.headLengthBytes(index + skipped),
  };
}

/** Asked about the client's side only: proxies answer in other words. */
function inspect(input: Inspection): Finding {
  const { turns, bytes, start, end, otherStart, otherEnd } = input;
  if (!input.fromStart || input.direction !== 0 || turns.count === 0 || turns.direction(0) !== 0) return NO;
  if (turns.count < 3) return MORE;
  const skipped = negotiationTurns(bytes, start, end, turns);
  if (skipped === 0 || turns.count > skipped + MAX_TURNS_SEEN) return NO;
  if (turns.count <= skipped) return MORE;
  let at = start;
  let otherAt = otherStart;
  for (let index = 0; index < skipped; index++) {
    if (turns.direction(index) === 0) at += turns.lengthBytes(index);
    else otherAt += turns.lengthBytes(index);
  }
  // Behind the end: cut by a snap length.
  if (at - start > MAX_NEGOTIATION_BYTES || at > end || otherAt > otherEnd) return NO;
  return mse.inspect(behindProxy(input, { start: at, segmentAt: Math.max(at, input.segmentAt), otherStart: otherAt, turns: behind(turns, skipped) }));
}

export const proxiedMse: Feature = {
  feature: 'mse-proxied',
  transport: TCP,
  trigger: {
    kind: 'anchors',
    anchors: [Uint8Array.of(SOCKS_5, 1), Uint8Array.of(SOCKS_5, 2), Uint8Array.of(SOCKS_5, 3), Uint8Array.of(SOCKS_4, 1), CONNECT].map((bytes) => ({ at: 0, bytes })),
  },
  inspect,
  // The responder is the proxy, which serves others too.
  remember: 'none',
};
