/**
 * uTP (BEP 29): BitTorrent's own transport over UDP, recognised by its header
 * dialogue, whatever it carries (clear or encrypted), or by a peer handshake in
 * its payload. A single packet other than SYN proves nothing: packets must agree
 * with earlier ones of the flow in connection id, numbers and clocks, so that
 * flows picked up in the middle are recognised too.
 *
 * uTP is not parsed as a stream: payload split or reordered is not put together.
 *
 * Known look-alikes, and what refuses them: questions to DNS of 20 bytes with id
 * 0x41xx (the last two bytes are the class, 1, not an acknowledgement of 0);
 * WireGuard's first message (0x01 0x00; its answer opens with 0x02); GLBP and HSRP
 * (no clock); channel data of TURN (0x4100 and up; the second word is a length);
 * OpenVPN with key id 1 (0x21, 0x31; eight random session bytes follow).
 */
import { hasAt } from '../../../base/bytes.js';
import {
  type Feature,
  type Finding,
  type Inspection,
  MORE,
  NO,
  type PeerSink,
  UDP,
  match,
} from '../../detector.js';
import { HANDSHAKE_BYTES, HANDSHAKE_OPENING } from './handshake.js';
import { tellPeerMessages } from './peer-messages.js';
import {
  acknowledgedAt,
  areNear,
  connectionIdAt,
  isTimely,
  NUMBER_DISTANCE,
  payloadAt,
  sequenceAt,
  ST_DATA,
  ST_RESET,
  ST_STATE,
  ST_SYN,
  timestampAt,
  timestampDifferenceAt,
  typeAt,
  windowAt,
} from './utp-header.js';

const HANDSHAKE = match('certain', 'uTP packet that carries the BitTorrent peer handshake in clear');
/*
 * Odds: connection id and acknowledged number equal those of the SYN (32 bits),
 * version, type and extensions fit twice (more than 20 bits), and the SYN has its
 * fixed zeros (48 bits).
 */
const ANSWERED_SYN = match(
  'certain',
  'uTP dialogue: SYN and its answer with the same connection id and number',
);
/* Odds: two packets with the fixed zeros of a SYN (48 bits each) and advancing clocks. */
const REPEATED_SYN = match('certain', 'uTP dialogue: repeated SYN with advancing clock');
/* Odds: connection id and sequence number follow on the SYN's by one (32 bits), beside the fields above. */
const FOLLOWED_SYN = match('certain', 'uTP dialogue: SYN and the next packet of its sender');
/*
 * Odds: two packets of opposite direction; connection ids differ by exactly one
 * (15 bits), each acknowledges near the other's number (6 bits each), the clock
 * difference names the other's clock (8 bits), version, type and extensions fit
 * twice (more than 20 bits): 2^-55 for random bytes.
 */
const DIALOGUE = match('certain', 'uTP dialogue: paired connection ids, acknowledgements and clocks');
/*
 * Heuristic: the same from one side only, and microseconds that differ in their lower halves. False positives: media with a constant
 * word, a clock and two counters at the same places.
 */
const ONE_SIDE = match(
  'likely',
  'uTP packets of one side: constant connection id, advancing clock and numbers',
);
/* Heuristic: exact length and six fixed zero bytes. False positives: fixed-format messages of 20 bytes that open with 0x4100. */
const SYN = match('likely', 'uTP SYN: exact length, no clock difference, nothing acknowledged');
/* Heuristic: only for endpoints that are known to be peers; the header alone fits one random datagram in ten thousand. */
const HEADER = match('suspected', 'uTP header');

/** Receive windows are below 256 MiB: libutp and libtorrent use 256 KiB to a few MiB. */
const MAX_WINDOW_BYTES = 0x1000_0000;
/** Packets of one side that are compared lie within about two minutes. */
const MAX_SIDE_US = 0x0800_0000;
/** Packets of one side that must agree, the present one included. */
const ONE_SIDE_PACKETS = 4;
/** Clocks of a few packets differ in their lower 16 bits but once in 65,536 times; tables of small numbers (KCP behind a byte 01) change few bits there. */
const MIN_CLOCKS = 3;

/**
 * Connection ids are random, clocks count microseconds: of these six bytes five or more are below 16 once in 10^5 times.
 * Tables of small numbers behind the bytes 01 00 show that always.
 */
function hasRandomNumbers(bytes: Uint8Array, at: number): boolean {
  let small = 0;
  for (let i = at + 2; i < at + 8; i++) small += bytes[i]! < 16 ? 1 : 0;
  return small < 5;
}

/**
 * The same with the clock difference and the upper halves of both numbers: of these twelve bytes seven may be small where both ends
 * have one clock and count from 1, eight once in 100 such packets. Little-endian small numbers behind 01 00 have a zero in every second byte.
 */
function areNumbersRandom(bytes: Uint8Array, at: number): boolean {
  let small = (bytes[at + 16]! < 16 ? 1 : 0) + (bytes[at + 18]! < 16 ? 1 : 0);
  for (let i = at + 2; i < at + 12; i++) small += bytes[i]! < 16 ? 1 : 0;
  return small < 8 && hasRandomNumbers(bytes, at);
}

/** A SYN as all implementations send it: alone, nothing acknowledged, no clock seen yet. */
function isCleanSyn(bytes: Uint8Array, at: number): boolean {
  return (
    typeAt(bytes, at) === ST_SYN &&
    timestampDifferenceAt(bytes, at) === 0 &&
    acknowledgedAt(bytes, at) === 0 &&
    timestampAt(bytes, at) !== 0 &&
    hasRandomNumbers(bytes, at) &&
    windowAt(bytes, at) < MAX_WINDOW_BYTES
  );
}

/** Whether `now` is later than `then` by less than two minutes (microseconds, 32 bits that wrap). */
function isLater(now: number, then: number): boolean {
  const elapsedUs = (now - then) >>> 0;
  return elapsedUs > 0 && elapsedUs < MAX_SIDE_US;
}

/** The packet at `at` answers the earlier packet `other` of the opposite direction. */
function answer(bytes: Uint8Array, at: number, heads: Uint8Array, otherAt: number): Finding {
  const idDistance = (connectionIdAt(bytes, at) - connectionIdAt(heads, otherAt)) & 0xffff;
  if (typeAt(heads, otherAt) === ST_SYN) {
    const type = typeAt(bytes, at);
    const acknowledges = acknowledgedAt(bytes, at) === sequenceAt(heads, otherAt);
    // BEP 29: the SYN carries the id with which it wants to be answered.
    const fits = idDistance === 0 && (type === ST_STATE || type === ST_DATA || type === ST_RESET);
    return fits && acknowledges && isCleanSyn(heads, otherAt) ? ANSWERED_SYN : MORE;
  }
  if (idDistance !== 1 && idDistance !== 0xffff) return MORE;
  if (!areNear(acknowledgedAt(bytes, at), sequenceAt(heads, otherAt))) return MORE;
  if (!areNear(sequenceAt(bytes, at), acknowledgedAt(heads, otherAt))) return MORE;
  // BEP 29: the difference is between the receiver's clock and the timestamp of the last packet received.
  const seenUs = timestampAt(bytes, at) - timestampDifferenceAt(bytes, at);
  const hasClocks = timestampAt(bytes, at) !== 0 && timestampAt(heads, otherAt) !== 0 && areNumbersRandom(bytes, at) && areNumbersRandom(heads, otherAt);
  return isTimely(seenUs, timestampAt(heads, otherAt)) && hasClocks ? DIALOGUE : MORE;
}

/** The packet continues the earlier packet `other` of the same direction and connection. */
function continues(bytes: Uint8Array, at: number, heads: Uint8Array, otherAt: number): boolean {
  return (
    connectionIdAt(bytes, at) === connectionIdAt(heads, otherAt) &&
    isLater(timestampAt(bytes, at), timestampAt(heads, otherAt)) &&
    ((sequenceAt(bytes, at) - sequenceAt(heads, otherAt)) & 0xffff) <= NUMBER_DISTANCE &&
    ((acknowledgedAt(bytes, at) - acknowledgedAt(heads, otherAt)) & 0xffff) <= NUMBER_DISTANCE &&
    windowAt(heads, otherAt) > 0 &&
    windowAt(heads, otherAt) < MAX_WINDOW_BYTES
  );
}

/** The packet follows the SYN `other` of its own sender. */
function followsSyn(bytes: Uint8Array, at: number, heads: Uint8Array, otherAt: number): Finding {
  if (!isCleanSyn(heads, otherAt) || !isLater(timestampAt(bytes, at), timestampAt(heads, otherAt)))
    return MORE;
  if (isCleanSyn(bytes, at)) return REPEATED_SYN;
  const idDistance = (connectionIdAt(bytes, at) - connectionIdAt(heads, otherAt)) & 0xffff;
  const distance = (sequenceAt(bytes, at) - sequenceAt(heads, otherAt)) & 0xffff;
  return idDistance === 1 && distance === 1 ? FOLLOWED_SYN : MORE;
}

function inspect(input: Inspection): Finding {
  const { bytes, start, end, direction, turns } = input;
  const contentAt = payloadAt(bytes, start, end, end - start);
  if (contentAt < 0) return NO;
  if (hasAt(bytes, contentAt, end, HANDSHAKE_OPENING)) return HANDSHAKE;
  const { heads } = turns;
  let sideCount = 1;
  let clocks = 1;
  let lastClock = timestampAt(bytes, start) & 0xffff;
  let hasAdvanced = false;
  for (let index = turns.count - 1; index >= 0; index--) {
    const otherAt = turns.headAt(index);
    if (payloadAt(heads, otherAt, otherAt + turns.headLengthBytes(index), turns.lengthBytes(index)) < 0)
      continue;
    if (turns.direction(index) !== direction) {
      const finding = answer(bytes, start, heads, otherAt);
      if (finding !== MORE) return finding;
    } else if (typeAt(heads, otherAt) === ST_SYN) {
      const finding = followsSyn(bytes, start, heads, otherAt);
      if (finding !== MORE) return finding;
    } else if (continues(bytes, start, heads, otherAt)) {
      sideCount++;
      const clock = timestampAt(heads, otherAt) & 0xffff;
      if (clock !== lastClock) clocks++;
      lastClock = clock;
      hasAdvanced ||= sequenceAt(bytes, start) !== sequenceAt(heads, otherAt);
    }
  }
  const isSide = sideCount >= ONE_SIDE_PACKETS && clocks >= MIN_CLOCKS && hasAdvanced && hasRandomNumbers(bytes, start);
  if (isSide && timestampDifferenceAt(bytes, start) !== 0) return ONE_SIDE;
  if (isCleanSyn(bytes, start)) return SYN;
  const known = input.known();
  return known === 'endpoint' || known === 'told' ? HEADER : MORE;
}

/** Peer exchange and listening ports, where a packet begins with a clear message or handshake. */
function harvest(input: Inspection, sink: PeerSink): boolean {
  const { bytes, start, end } = input;
  const contentAt = payloadAt(bytes, start, end, end - start);
  if (contentAt < 0 || typeAt(bytes, start) !== ST_DATA) return true;
  const messagesAt = hasAt(bytes, contentAt, end, HANDSHAKE_OPENING)
    ? contentAt + HANDSHAKE_BYTES
    : contentAt;
  tellPeerMessages(bytes, messagesAt, end, sink);
  return true;
}

/** Version 1 and each type, with each extension in use (0: none). */
function openings(): { at: number; bytes: Uint8Array }[] {
  const anchors: { at: number; bytes: Uint8Array }[] = [];
  for (let type = ST_DATA; type <= ST_SYN; type++) {
    for (let extension = 0; extension <= 3; extension++) {
      anchors.push({ at: 0, bytes: Uint8Array.of((type << 4) | 1, extension) });
    }
  }
  return anchors;
}

export const utp: Feature = {
  feature: 'utp',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: openings() },
  inspect,
  harvest,
};
