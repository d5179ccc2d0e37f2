/**
 * The bidirectional flow table: five-tuples to counters, bounded in entries and age.
 *
 * Two typed arrays (64 + 32 bytes for each flow) with chained hashing, so that a
 * million flows cost about 110 MB and a lookup allocates nothing; bench/identify.ts
 * is what this layout serves.
 *
 * It knows addresses, ports, TCP flags and time; no payload and no protocol. One
 * table serves one packet source. Time is the packets' own clock, in milliseconds.
 *
 * Security: flows are chosen by outsiders. The hash takes a seed (a daemon gives a
 * random one), so that collisions cannot be computed in advance; the number of
 * entries is bounded and a full table evicts the longest idle of a small sample.
 */
import { i32 } from '../base/bytes.js';
import { IPPROTO_TCP, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../wire/constants.js';
import type { PacketView } from '../wire/packet-view.js';

/**
 * Integer words of one flow. A: initiator, B: responder. What packets of IPv4 read and write stands before the rest: large
 * arrays begin 16 bytes behind a page, so the last four words stand in another cache line (bench/identify.ts).
 */
const WORDS = 16;
const META = 0;
const PORTS = 1; // A's port in the upper half
const LOW_A = 2; // an IPv4 address, or the last word of an IPv6 address; that of B follows
const NEXT = 4; // hash chain or free list, -1 at the end
const PACKETS_A = 5; // PACKETS_B follows
const SEQ_A = 7; // sequence number of the first payload byte of A's stream, once known
const SEQ_B = 8;
const DECIDED_AT = 9; // number of the packet that decided the finding, from 1
const HIGH_A = 10; // the three words before LOW_A of an IPv6 address
const HIGH_B = 13;

/** Float words of one flow. */
const FLOATS = 4;
const FIRST_SEEN = 0;
const LAST_SEEN = 1;
const BYTES_A = 2; // BYTES_B follows

// Bits of META; the low byte is the IANA protocol number.
const META_IPV6 = 1 << 8;
const META_USED = 1 << 9;
const META_SYN = 1 << 10;
const META_FIN_A = 1 << 11;
const META_FIN_B = 1 << 12;
const META_RST = 1 << 13;
const META_SEQ_A = 1 << 14;
const META_SEQ_B = 1 << 15;
const META_START_A = 1 << 16;
const META_START_B = 1 << 17;
const META_KIND = 0xff | META_IPV6 | META_USED;
/** Six bits for the owner of the table, see `FLOW_*`. */
const META_OWNER_SHIFT = 18;
const META_OWNER_MASK = 0x3f;
/** Eight bits: packets with payload. */
const META_PAYLOADS_SHIFT = 24;

// The owner's bits, kept for each flow by the table without meaning to it.
/** No further inspection: decided, or given up. */
export const FLOW_DONE = 1;
/** Decided, and its packets still tell endpoints of other peers. */
export const FLOW_HARVESTS = 2;
/** Parsed as an ordinary protocol (HTTP, TLS, DNS ...). */
export const FLOW_ORDINARY = 4;
/** The finding rests on memory of the endpoint alone, not yet on content. */
export const FLOW_PROVISIONAL = 8;

/** Why a flow left the table. */
export type FlowEndReason = 'closed' | 'idle' | 'table-full' | 'port-reuse' | 'end-of-input';

export interface FlowTableOptions {
  /** Most flows at once. Default 1,000,000. */
  readonly maxFlows?: number;
  /** TCP flows without a packet for this long end. Default 3,600,000 (one hour). */
  readonly tcpIdleMs?: number;
  /** TCP flows after RST, or FIN in both directions. Default 60,000. */
  readonly closedIdleMs?: number;
  /** All others. Default 600,000 (ten minutes). */
  readonly udpIdleMs?: number;
  /** Hash seed, 32 bits. Default 0. Findings never depend on it, only the distribution does. */
  readonly hashSeed?: number;
  /** Called before a flow leaves; its fields are still readable. */
  readonly onEnd: (flow: number, reason: FlowEndReason) => void;
}

/**
 * Entries allocated at first. The arrays are zero pages until they are used, so a large
 * table costs no memory before it is filled, and copying while it grows is spared.
 */
const FIRST_CAPACITY = 3 << 16;
const FIRST_HEADS = 1 << 18;
/** Entries looked at to find the longest idle one when the table is full. */
const EVICTION_SAMPLE = 32;
/** Entries swept for age on each new flow: more than one, so that the hand outruns growth. */
const SWEEP_STEP = 2;

export class FlowTable {
  #capacity = FIRST_CAPACITY;
  #ints = new Int32Array(FIRST_CAPACITY * WORDS);
  #floats = new Float64Array(FIRST_CAPACITY * FLOATS);
  /** By hash: 1 + the first slot of the chain, 0 for none (untouched pages stay untouched). */
  #heads = new Int32Array(FIRST_HEADS);
  #headMask = FIRST_HEADS - 1;
  /** Slots below this were used at least once. */
  #fresh = 0;
  #freeHead = -1;
  #hand = 0;
  readonly #maxFlows: number;
  readonly #tcpIdleMs: number;
  readonly #closedIdleMs: number;
  readonly #udpIdleMs: number;
  readonly #shortestIdleMs: number;
  readonly #seed: number;
  readonly #onEnd: (flow: number, reason: FlowEndReason) => void;

  /** Flows in the table now. */
  size = 0;
  /** After `lookup`: direction of the packet, 0 from the initiator. */
  direction: 0 | 1 = 0;
  /** After `lookup`: the packet opened this flow. */
  isNew = false;

  constructor(options: FlowTableOptions) {
    this.#maxFlows = Math.max(1, options.maxFlows ?? 1_000_000);
    this.#tcpIdleMs = options.tcpIdleMs ?? 3_600_000;
    this.#closedIdleMs = options.closedIdleMs ?? 60_000;
    this.#udpIdleMs = options.udpIdleMs ?? 600_000;
    this.#shortestIdleMs = Math.min(this.#tcpIdleMs, this.#closedIdleMs, this.#udpIdleMs);
    this.#seed = (options.hashSeed ?? 0) | 0;
    this.#onEnd = options.onEnd;
  }

  /**
   * The flow of a packet with valid transport fields (TCP or UDP) and its time, opened if new, with
   * its counters updated. Sets `direction` and `isNew`. Never fails: a full table evicts.
   * The number is valid until the flow ends.
   */
  lookup(view: PacketView): number {
    const bytes = view.bytes;
    const isIpv6 = view.ipVersion === 6;
    const sourceAt = view.sourceAt;
    const destinationAt = view.destinationAt;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3: number;
    let d0 = 0;
    let d1 = 0;
    let d2 = 0;
    let d3: number;
    if (isIpv6) {
      s0 = i32(bytes, sourceAt);
      s1 = i32(bytes, sourceAt + 4);
      s2 = i32(bytes, sourceAt + 8);
      s3 = i32(bytes, sourceAt + 12);
      d0 = i32(bytes, destinationAt);
      d1 = i32(bytes, destinationAt + 4);
      d2 = i32(bytes, destinationAt + 8);
      d3 = i32(bytes, destinationAt + 12);
    } else {
      s3 = i32(bytes, sourceAt);
      d3 = i32(bytes, destinationAt);
    }
    const forward = (view.srcPort << 16) | view.dstPort;
    const backward = (view.dstPort << 16) | view.srcPort;
    const kind = view.protocol | META_USED | (isIpv6 ? META_IPV6 : 0);
    const hash = this.#hash(s0 ^ s1 ^ s2, s3, view.srcPort, d0 ^ d1 ^ d2, d3, view.dstPort, view.protocol);
    const ints = this.#ints;
    for (let slot = this.#heads[hash & this.#headMask]! - 1; slot >= 0; ) {
      const at = slot * WORDS;
      const ports = ints[at + PORTS]!;
      // Read for every slot: what V8 has not seen when it optimises undoes that later (bench/identify.ts).
      const next = ints[at + NEXT]!;
      if ((ports === forward || ports === backward) && (ints[at + META]! & META_KIND) === kind) {
        const a3 = ints[at + LOW_A]!;
        const b3 = ints[at + LOW_A + 1]!;
        const isForward = ports === forward && a3 === s3 && b3 === d3 && this.#sameHigh(isIpv6, at, s0, s1, s2, d0, d1, d2);
        if (isForward || (ports === backward && a3 === d3 && b3 === s3 && this.#sameHigh(isIpv6, at, d0, d1, d2, s0, s1, s2))) {
          return this.#touch(slot, isForward ? 0 : 1, view, hash);
        }
      }
      slot = next;
    }
    return this.#open(view, hash, kind, s0, s1, s2, s3, d0, d1, d2, d3);
  }

  /** Whether the upper words of both addresses are the flow's; IPv4 has none. */
  #sameHigh(isIpv6: boolean, at: number, a0: number, a1: number, a2: number, b0: number, b1: number, b2: number): boolean {
    if (!isIpv6) return true;
    const ints = this.#ints;
    return (
      ints[at + HIGH_A] === a0 &&
      ints[at + HIGH_A + 1] === a1 &&
      ints[at + HIGH_A + 2] === a2 &&
      ints[at + HIGH_B] === b0 &&
      ints[at + HIGH_B + 1] === b1 &&
      ints[at + HIGH_B + 2] === b2
    );
  }

  /** Symmetric in the two endpoints; multiplicative mixing with the odd constants of the golden ratio and MurmurHash3. */
  #hash(sHigh: number, s3: number, sPort: number, dHigh: number, d3: number, dPort: number, protocol: number): number {
    let s = Math.imul(s3 ^ Math.imul(sPort ^ this.#seed, 0x9e3779b1) ^ Math.imul(sHigh, 0x85ebca6b), 0xcc9e2d51);
    s ^= s >>> 15;
    let d = Math.imul(d3 ^ Math.imul(dPort ^ this.#seed, 0x9e3779b1) ^ Math.imul(dHigh, 0x85ebca6b), 0xcc9e2d51);
    d ^= d >>> 15;
    let h = Math.imul((s + d + protocol) | 0, 0xc2b2ae35);
    h ^= h >>> 13;
    return h;
  }

  /** Count a packet on an existing flow, or end it and open a new one when the packet belongs to a later connection. */
  #touch(slot: number, direction: 0 | 1, view: PacketView, hash: number): number {
    const { timeMs } = view;
    const at = slot * WORDS;
    const floatAt = slot * FLOATS;
    const ints = this.#ints;
    const floats = this.#floats;
    const idleMs = timeMs - floats[floatAt + LAST_SEEN]!;
    // The shortest limit first: most packets come within it, then no other needs a look.
    if (idleMs > this.#shortestIdleMs && idleMs > this.#idleLimitMs(ints[at + META]!)) {
      return this.#replace(slot, view, hash, 'idle');
    }
    if (view.protocol === IPPROTO_TCP && (view.tcpFlags & (TCP_SYN | TCP_FIN | TCP_RST)) !== 0) {
      if ((view.tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN && this.#isLaterConnection(at, direction, view)) {
        return this.#replace(slot, view, hash, 'port-reuse');
      }
      this.#noteFlags(at, direction, view);
    }
    this.direction = direction;
    this.isNew = false;
    ints[at + PACKETS_A + direction]!++;
    floats[floatAt + LAST_SEEN] = timeMs;
    floats[floatAt + BYTES_A + direction]! += view.end - view.start;
    return slot;
  }

  /** A bare SYN opens a later connection when the old one has closed, or when its number differs and data has flowed. */
  #isLaterConnection(at: number, direction: 0 | 1, view: PacketView): boolean {
    const ints = this.#ints;
    const meta = ints[at + META]!;
    const seqBit = direction === 0 ? META_SEQ_A : META_SEQ_B;
    const startBit = direction === 0 ? META_START_A : META_START_B;
    const expected = ints[at + (direction === 0 ? SEQ_A : SEQ_B)]!;
    const hasPayload = meta >>> META_PAYLOADS_SHIFT > 0;
    const isSame = (meta & seqBit) !== 0 && (meta & startBit) !== 0 && expected === ((view.seq + 1) | 0);
    // The same number again is a retransmission, also after a refusal (some systems retry then); not after data and RST.
    if (isSame && !(hasPayload && (meta & META_RST) !== 0)) return false;
    const isClosing = (meta & (META_RST | META_FIN_A | META_FIN_B)) !== 0;
    return isClosing || hasPayload || (meta & META_SYN) === 0;
  }

  #noteFlags(at: number, direction: 0 | 1, view: PacketView): void {
    const ints = this.#ints;
    let meta = ints[at + META]!;
    if ((view.tcpFlags & TCP_SYN) !== 0) {
      // RFC 9293 section 3.4: the SYN occupies one sequence number before the data.
      ints[at + (direction === 0 ? SEQ_A : SEQ_B)] = (view.seq + 1) | 0;
      meta |= META_SYN | (direction === 0 ? META_SEQ_A | META_START_A : META_SEQ_B | META_START_B);
    }
    if ((view.tcpFlags & TCP_FIN) !== 0) meta |= direction === 0 ? META_FIN_A : META_FIN_B;
    if ((view.tcpFlags & TCP_RST) !== 0) meta |= META_RST;
    ints[at + META] = meta;
  }

  #replace(slot: number, view: PacketView, hash: number, reason: FlowEndReason): number {
    this.#end(slot, hash, reason);
    return this.lookup(view);
  }

  #open(
    view: PacketView,
    hash: number,
    kind: number,
    s0: number,
    s1: number,
    s2: number,
    s3: number,
    d0: number,
    d1: number,
    d2: number,
    d3: number,
  ): number {
    const { timeMs } = view;
    this.#sweep(timeMs);
    const slot = this.#allocate(timeMs);
    // A SYN-ACK is an answer: its sender is the responder, although we saw it first.
    const isAnswer = view.protocol === IPPROTO_TCP && (view.tcpFlags & (TCP_SYN | TCP_ACK)) === (TCP_SYN | TCP_ACK);
    const direction = isAnswer ? 1 : 0;
    const at = slot * WORDS;
    const ints = this.#ints;
    ints[at + LOW_A + direction] = s3;
    ints[at + LOW_A + 1 - direction] = d3;
    if ((kind & META_IPV6) !== 0) {
      const source = at + (isAnswer ? HIGH_B : HIGH_A);
      const destination = at + (isAnswer ? HIGH_A : HIGH_B);
      ints[source] = s0;
      ints[source + 1] = s1;
      ints[source + 2] = s2;
      ints[destination] = d0;
      ints[destination + 1] = d1;
      ints[destination + 2] = d2;
    }
    ints[at + PORTS] = isAnswer ? (view.dstPort << 16) | view.srcPort : (view.srcPort << 16) | view.dstPort;
    ints[at + META] = kind;
    ints[at + PACKETS_A] = 1 - direction;
    ints[at + PACKETS_A + 1] = direction;
    ints[at + DECIDED_AT] = 0;
    const floatAt = slot * FLOATS;
    const floats = this.#floats;
    floats[floatAt + FIRST_SEEN] = timeMs;
    floats[floatAt + LAST_SEEN] = timeMs;
    floats[floatAt + BYTES_A] = 0;
    floats[floatAt + BYTES_A + 1] = 0;
    floats[floatAt + BYTES_A + direction] = view.end - view.start;
    const headAt = hash & this.#headMask;
    ints[at + NEXT] = this.#heads[headAt]! - 1;
    this.#heads[headAt] = slot + 1;
    this.size++;
    if (view.protocol === IPPROTO_TCP && (view.tcpFlags & (TCP_SYN | TCP_FIN | TCP_RST)) !== 0) {
      this.#noteFlags(at, direction, view);
    }
    this.direction = direction;
    this.isNew = true;
    return slot;
  }

  #allocate(timeMs: number): number {
    if (this.size >= this.#maxFlows) this.#evict(timeMs);
    if (this.#freeHead >= 0) {
      const slot = this.#freeHead;
      this.#freeHead = this.#ints[slot * WORDS + NEXT]!;
      return slot;
    }
    if (this.#fresh === this.#capacity) this.#grow();
    return this.#fresh++;
  }

  #grow(): void {
    const capacity = Math.min(this.#capacity * 2, Math.max(this.#maxFlows, FIRST_CAPACITY));
    const ints = new Int32Array(capacity * WORDS);
    ints.set(this.#ints);
    const floats = new Float64Array(capacity * FLOATS);
    floats.set(this.#floats);
    this.#ints = ints;
    this.#floats = floats;
    this.#capacity = capacity;
    let headCount = this.#headMask + 1;
    while (headCount < capacity) headCount *= 2;
    if (headCount === this.#headMask + 1) return;
    this.#heads = new Int32Array(headCount);
    this.#headMask = headCount - 1;
    for (let slot = 0; slot < this.#fresh; slot++) {
      const at = slot * WORDS;
      if ((ints[at + META]! & META_USED) === 0) continue;
      const headAt = this.#hashOf(slot) & this.#headMask;
      ints[at + NEXT] = this.#heads[headAt]! - 1;
      this.#heads[headAt] = slot + 1;
    }
  }

  #hashOf(slot: number): number {
    const ints = this.#ints;
    const at = slot * WORDS;
    const ports = ints[at + PORTS]!;
    let aHigh = 0;
    let bHigh = 0;
    if ((ints[at + META]! & META_IPV6) !== 0) {
      aHigh = ints[at + HIGH_A]! ^ ints[at + HIGH_A + 1]! ^ ints[at + HIGH_A + 2]!;
      bHigh = ints[at + HIGH_B]! ^ ints[at + HIGH_B + 1]! ^ ints[at + HIGH_B + 2]!;
    }
    return this.#hash(aHigh, ints[at + LOW_A]!, ports >>> 16, bHigh, ints[at + LOW_A + 1]!, ports & 0xffff, ints[at + META]! & 0xff);
  }

  /** Ends the longest idle flow of a sample behind the clock hand: O(1), close to least recently used. */
  #evict(timeMs: number): void {
    let victim = -1;
    let longestMs = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < EVICTION_SAMPLE || victim < 0; i++) {
      const slot = this.#advanceHand();
      if ((this.#ints[slot * WORDS + META]! & META_USED) === 0) continue;
      const idleMs = timeMs - this.#floats[slot * FLOATS + LAST_SEEN]!;
      if (idleMs > longestMs) {
        longestMs = idleMs;
        victim = slot;
      }
    }
    this.#end(victim, this.#hashOf(victim), 'table-full');
  }

  #advanceHand(): number {
    if (this.#hand >= this.#fresh) this.#hand = 0;
    return this.#hand++;
  }

  #sweep(timeMs: number): void {
    if (this.#fresh === 0) return;
    for (let i = 0; i < SWEEP_STEP; i++) this.#endIfIdle(this.#advanceHand(), timeMs);
  }

  #endIfIdle(slot: number, timeMs: number): boolean {
    const idleMs = timeMs - this.#floats[slot * FLOATS + LAST_SEEN]!;
    // Mostly the end of it: the other array need not be touched (bench/identify.ts).
    if (idleMs <= this.#shortestIdleMs) return false;
    const meta = this.#ints[slot * WORDS + META]!;
    if ((meta & META_USED) === 0 || idleMs <= this.#idleLimitMs(meta)) return false;
    this.#end(slot, this.#hashOf(slot), isClosed(meta) ? 'closed' : 'idle');
    return true;
  }

  /** Looks at up to `count` entries and ends the idle ones; a daemon calls it on a timer. Returns how many ended. */
  sweep(timeMs: number, count: number): number {
    let ended = 0;
    const limit = Math.min(count, this.#fresh);
    for (let i = 0; i < limit; i++) if (this.#endIfIdle(this.#advanceHand(), timeMs)) ended++;
    return ended;
  }

  #idleLimitMs(meta: number): number {
    if ((meta & 0xff) !== IPPROTO_TCP) return this.#udpIdleMs;
    return isClosed(meta) ? this.#closedIdleMs : this.#tcpIdleMs;
  }

  #end(slot: number, hash: number, reason: FlowEndReason): void {
    this.#onEnd(slot, reason);
    const ints = this.#ints;
    const headAt = hash & this.#headMask;
    let previous = -1;
    for (let other = this.#heads[headAt]! - 1; other !== slot && other >= 0; other = ints[other * WORDS + NEXT]!) {
      previous = other;
    }
    const next = ints[slot * WORDS + NEXT]!;
    if (previous < 0) this.#heads[headAt] = next + 1;
    else ints[previous * WORDS + NEXT] = next;
    ints[slot * WORDS + META] = 0;
    ints[slot * WORDS + NEXT] = this.#freeHead;
    this.#freeHead = slot;
    this.size--;
  }

  /** Ends one flow now (a daemon that cut it, say). */
  remove(flow: number, reason: FlowEndReason): void {
    this.#end(flow, this.#hashOf(flow), reason);
  }

  /** Ends all flows, in the order of their entries. */
  endAll(reason: FlowEndReason): void {
    this.forEach((flow) => {
      this.#onEnd(flow, reason);
    });
    // Emptied at once: taking each flow out of its chain would look at memory all over the table (bench/identify.ts).
    this.#heads.fill(0);
    this.#freeHead = -1;
    this.#fresh = 0;
    this.#hand = 0;
    this.size = 0;
  }

  /** Calls `visit` for every flow in the table; it may end the flow it is given, and no other. */
  forEach(visit: (flow: number) => void): void {
    for (let slot = 0; slot < this.#fresh; slot++) {
      if ((this.#ints[slot * WORDS + META]! & META_USED) !== 0) visit(slot);
    }
  }

  /** As `forEach` for `count` entries from `fromAt` on; returns where the next call goes on, 0 after the last entry. */
  forSome(fromAt: number, count: number, visit: (flow: number) => void): number {
    const endAt = Math.min(fromAt + count, this.#fresh);
    for (let slot = fromAt; slot < endAt; slot++) {
      if ((this.#ints[slot * WORDS + META]! & META_USED) !== 0) visit(slot);
    }
    return endAt >= this.#fresh ? 0 : endAt;
  }

  protocol(flow: number): number {
    return this.#ints[flow * WORDS + META]! & 0xff;
  }
  ipVersion(flow: number): 4 | 6 {
    return (this.#ints[flow * WORDS + META]! & META_IPV6) !== 0 ? 6 : 4;
  }
  /** True when a SYN of this connection was seen. */
  hasSyn(flow: number): boolean {
    return (this.#ints[flow * WORDS + META]! & META_SYN) !== 0;
  }
  isTcpClosed(flow: number): boolean {
    return isClosed(this.#ints[flow * WORDS + META]!);
  }
  /** Port of the initiator (0) or responder (1). */
  port(flow: number, end: 0 | 1): number {
    const ports = this.#ints[flow * WORDS + PORTS]!;
    return end === 0 ? ports >>> 16 : ports & 0xffff;
  }
  /** Word 0..3 of an address as signed 32 bits, network order; an IPv4 address stands in word 3. */
  addressWord(flow: number, end: 0 | 1, word: number): number {
    const at = flow * WORDS;
    if (word === 3) return this.#ints[at + LOW_A + end]!;
    // Of IPv4 flows these words may be left from a flow before.
    return (this.#ints[at + META]! & META_IPV6) === 0 ? 0 : this.#ints[at + (end === 0 ? HIGH_A : HIGH_B) + word]!;
  }
  packets(flow: number, direction: 0 | 1): number {
    return this.#ints[flow * WORDS + PACKETS_A + direction]! >>> 0;
  }
  /** IP bytes as captured. */
  lengthBytes(flow: number, direction: 0 | 1): number {
    return this.#floats[flow * FLOATS + BYTES_A + direction]!;
  }
  firstSeenMs(flow: number): number {
    return this.#floats[flow * FLOATS + FIRST_SEEN]!;
  }
  lastSeenMs(flow: number): number {
    return this.#floats[flow * FLOATS + LAST_SEEN]!;
  }

  /** Sequence number of the first byte of that direction's stream, or -1 while unknown. */
  streamStart(flow: number, direction: 0 | 1): number {
    const at = flow * WORDS;
    const bit = direction === 0 ? META_SEQ_A : META_SEQ_B;
    return (this.#ints[at + META]! & bit) === 0 ? -1 : this.#ints[at + (direction === 0 ? SEQ_A : SEQ_B)]! >>> 0;
  }
  /** Sets where the stream is taken to begin when no SYN told (picked up mid-stream). */
  setStreamStart(flow: number, direction: 0 | 1, seq: number): void {
    const at = flow * WORDS;
    this.#ints[at + (direction === 0 ? SEQ_A : SEQ_B)] = seq | 0;
    this.#ints[at + META]! |= direction === 0 ? META_SEQ_A : META_SEQ_B;
    this.#ints[at + META]! &= direction === 0 ? ~META_START_A : ~META_START_B;
  }
  /** Moves the stream's start on by bytes that will never come, so that what follows adjoins. A SYN's stays a SYN's. */
  skipInStream(flow: number, direction: 0 | 1, bytes: number): void {
    this.#ints[flow * WORDS + (direction === 0 ? SEQ_A : SEQ_B)]! += bytes;
  }
  /** True when the stream start is a SYN's, not a guess. */
  isFromStart(flow: number, direction: 0 | 1): boolean {
    return (this.#ints[flow * WORDS + META]! & (direction === 0 ? META_START_A : META_START_B)) !== 0;
  }

  /** Packets with payload so far, saturating at 255. */
  payloadPackets(flow: number): number {
    return this.#ints[flow * WORDS + META]! >>> META_PAYLOADS_SHIFT;
  }
  /** Counts one more packet with payload; returns the new number (at most 255). */
  countPayload(flow: number): number {
    const at = flow * WORDS + META;
    const payloads = this.#ints[at]! >>> META_PAYLOADS_SHIFT;
    if (payloads === 255) return 255;
    this.#ints[at]! += 1 << META_PAYLOADS_SHIFT;
    return payloads + 1;
  }

  /** The owner's bits (`FLOW_*`). */
  flags(flow: number): number {
    return (this.#ints[flow * WORDS + META]! >>> META_OWNER_SHIFT) & META_OWNER_MASK;
  }
  setFlag(flow: number, flag: number): void {
    this.#ints[flow * WORDS + META]! |= flag << META_OWNER_SHIFT;
  }
  clearFlag(flow: number, flag: number): void {
    this.#ints[flow * WORDS + META]! &= ~(flag << META_OWNER_SHIFT);
  }

  /** Number of the packet that decided the flow, from 1; 0 while undecided. */
  decidedAtPacket(flow: number): number {
    return this.#ints[flow * WORDS + DECIDED_AT]! >>> 0;
  }
  setDecidedAtPacket(flow: number, packetNumber: number): void {
    this.#ints[flow * WORDS + DECIDED_AT] = packetNumber;
  }

  /** Writes the address of an end in network order into `into` at `at`; returns its length, 4 or 16. */
  writeAddress(flow: number, end: 0 | 1, into: Uint8Array, at: number): 4 | 16 {
    const isIpv6 = this.ipVersion(flow) === 6;
    const from = isIpv6 ? 0 : 3;
    for (let word = from; word < 4; word++) {
      const value = this.addressWord(flow, end, word);
      const wordAt = at + (word - from) * 4;
      into[wordAt] = value >>> 24;
      into[wordAt + 1] = value >>> 16;
      into[wordAt + 2] = value >>> 8;
      into[wordAt + 3] = value;
    }
    return isIpv6 ? 16 : 4;
  }
}

/** RST seen, or FIN in both directions. */
function isClosed(meta: number): boolean {
  return (meta & META_RST) !== 0 || ((meta & META_FIN_A) !== 0 && (meta & META_FIN_B) !== 0);
}
