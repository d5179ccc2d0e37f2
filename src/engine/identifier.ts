/**
 * The identifier: packets and their time in, findings for flows out.
 *
 * Joins flow table, peer memory and features. Pure and synchronous: it opens nothing,
 * logs nothing, reads no clock; replaying a capture gives the same findings every
 * time. Bounded in flows, undecided states and memory of peers. Borrowed bytes are
 * not kept beyond the call.
 */
import { MAX_PREFIX_BYTES, type Match, type Protocol, TCP, UDP } from '../detect/detector.js';
import { LiveInspection, TURN_LIMITS } from '../detect/live-inspection.js';
import { isOrdinaryDatagram, isOrdinaryStream } from '../detect/ordinary.js';
import { type AnswerListener, Scheduler, isTriggeredBy } from '../detect/scheduler.js';
import { type Candidate, type TransportIndex, buildTransportIndex } from '../detect/trigger-index.js';
import { type Confidence, confidenceRank } from '../events/confidence.js';
import {
  FLOW_DONE,
  FLOW_HARVESTS,
  FLOW_ORDINARY,
  FLOW_PROVISIONAL,
  type FlowEndReason,
  FlowTable,
  type FlowTableOptions,
} from '../flow/flow-table.js';
import { PeerMemory, type PeerMemoryOptions } from '../flow/peer-memory.js';
import { TurnSlab, Turns } from '../flow/turns.js';
import type { PacketView } from '../wire/packet-view.js';
import { Endpoints } from './endpoints.js';
import { FindingTable, type FlowFinding } from './finding.js';
import { type FlowState, FlowStatePool, type StreamState } from './flow-state.js';

export interface IdentifierOptions {
  readonly protocols: readonly Protocol[];
  readonly flows?: Omit<FlowTableOptions, 'onEnd'>;
  readonly peers?: PeerMemoryOptions;
  /** Most undecided flows with kept bytes; the oldest is given up first. Default 32,768 (about 70 MB at worst). */
  readonly maxUndecided?: number;
  /** Who is spoken to is a peer for others only once it answered, or a second inside host spoke to it: where findings are acted on. */
  readonly isWary?: boolean;
  /** A flow got a finding, or a stronger one. Called before the packet's call returns. */
  readonly onFinding?: (flow: number, finding: FlowFinding) => void;
  /** Every answer of a feature to the packet being inspected; slows everything down. */
  readonly onAnswer?: AnswerListener;
  /** A flow leaves the table; its fields can still be read. */
  readonly onFlowEnd?: (flow: number, finding: FlowFinding | null, reason: FlowEndReason) => void;
  /** A flow is given up although it could still have been decided: too many were undecided at once. */
  readonly onEvicted?: (flow: number) => void;
}

/** Payload packets looked at before a flow is given up: encrypted handshakes show in the first five messages, slow starts in a few more. */
const UDP_BUDGET = 12;
const TCP_BUDGET = 32;
/** The same for streams picked up in the middle: between the bulk of one side, the telling messages of the other are rare (a request for each block of a download). */
const MIDSTREAM_BUDGET = 128;
/**
 * Heuristic: who has sent so much before the other side said a word brings a file or a log, and does not greet a peer. The prefix is full long before;
 * an answer that comes still later is missed.
 */
const MONOLOGUE_BYTES = 65_536;
/** Payload packets of a decided flow in which peers may still be told. */
const HARVEST_BUDGET = 64;
/** Segments that arrive behind a hole at the very start before the stream is taken up after it: the missing one was not captured. */
const LOST_START_SEGMENTS = 8;

const EMPTY = new Uint8Array(0);

export class Identifier {
  readonly table: FlowTable;
  readonly memory: PeerMemory;
  readonly endpoints: Endpoints;
  /** Packets that were not TCP or UDP with a whole transport header. */
  otherPackets = 0;
  /** Undecided flows given up because too many were undecided at once. */
  evictedStates = 0;

  #protocols: readonly Protocol[];
  #tcp: TransportIndex;
  #udp: TransportIndex;
  readonly #scheduler: Scheduler;
  readonly #input: LiveInspection;
  readonly #pool: FlowStatePool;
  readonly #findingTable = new FindingTable();
  readonly #findings: (FlowFinding | null)[] = [];
  readonly #states: (FlowState | null)[] = [];
  readonly #noTurns = new Turns(new TurnSlab(TURN_LIMITS, 1), 0);
  readonly #oneTurn = new Turns(new TurnSlab(TURN_LIMITS, 1), 0);
  readonly #onFinding: ((flow: number, finding: FlowFinding) => void) | undefined;
  readonly #onFlowEnd: ((flow: number, finding: FlowFinding | null, reason: FlowEndReason) => void) | undefined;
  #flow = -1;
  #timeMs = 0;
  /** Payload of the packet in hand that the capture's snap length cut off. */
  #cutBytes = 0;
  /** Something is missing inside the prefix in hand. */
  #isSpliced = false;

  constructor(options: IdentifierOptions) {
    this.#protocols = options.protocols;
    this.#scheduler = new Scheduler(options.onAnswer);
    this.#tcp = buildTransportIndex(options.protocols, TCP);
    this.#udp = buildTransportIndex(options.protocols, UDP);
    this.#onFinding = options.onFinding;
    this.#onFlowEnd = options.onFlowEnd;
    this.table = new FlowTable({ ...options.flows, onEnd: (flow, reason) => this.#ended(flow, reason) });
    this.memory = new PeerMemory(options.peers);
    this.endpoints = new Endpoints(this.table, this.memory, options.isWary === true);
    this.#pool = new FlowStatePool(options.maxUndecided ?? 32_768, (flow) => {
      this.evictedStates++;
      this.#states[flow] = null;
      this.table.setFlag(flow, FLOW_DONE);
      options.onEvicted?.(flow);
    });
    this.#input = new LiveInspection((protocolIndex) => this.endpoints.known(this.#flow, protocolIndex, this.#timeMs));
  }

  /** The flow's finding so far, or null. */
  finding(flow: number): FlowFinding | null {
    return this.#findings[flow] ?? null;
  }

  /** True when no further packet of the flow can change its finding: decided, or given up. */
  isDone(flow: number): boolean {
    return (this.table.flags(flow) & FLOW_DONE) !== 0;
  }

  /**
   * Other protocols from now on. Each must keep its place in the list: findings and memory know it by that
   * (`protocol-places.ts`). Flows that are decided or given up stay so; undecided streams are asked afresh.
   */
  setProtocols(protocols: readonly Protocol[]): void {
    this.#tcp = buildTransportIndex(protocols, TCP);
    this.#udp = buildTransportIndex(protocols, UDP);
    this.#protocols = protocols;
    this.#pool.restart();
  }

  /** Who was asked last: the culprit when `packet` throws. */
  get asked(): Candidate | null {
    return this.#scheduler.asked;
  }

  /** Never asks this feature again: it threw too often. */
  disable(culprit: Candidate): void {
    this.#scheduler.disabled.add(culprit.feature);
  }

  /**
   * What other flows taught since the flow was last looked at may name it, or raise a suspicion. Stores and returns
   * the finding as it is now.
   */
  review(flow: number, timeMs: number): FlowFinding | null {
    const before = this.#findings[flow] ?? null;
    let now = this.#reconsider(flow, timeMs);
    if (now?.confidence === 'suspected' && now.isRaisedByHost && this.endpoints.known(flow, now.protocolIndex, timeMs) === 'host') {
      now = { ...now, confidence: 'likely', why: now.why + raisedBecause('suspected', 'likely') };
    }
    if (now === before) return before;
    this.#findings[flow] = now;
    if (now) this.#onFinding?.(flow, now);
    return now;
  }

  /** Ends all flows: call once at the end of input. */
  finish(): void {
    this.table.endAll('end-of-input');
  }

  /**
   * One decoded packet (status `ok`, or `fragment` that is not a later one) with its time.
   * Returns its flow, or -1 for a packet without one.
   */
  packet(view: PacketView): number {
    const protocol = view.protocol;
    if ((protocol !== TCP && protocol !== UDP) || view.isLaterFragment) {
      this.otherPackets++;
      return -1;
    }
    const { table } = this;
    const flow = table.lookup(view);
    if (table.isNew) this.#opened(flow, view.timeMs);
    const flags = table.flags(flow);
    if ((flags & FLOW_DONE) !== 0 || view.payloadAt >= view.end) return flow;
    this.#flow = flow;
    this.#timeMs = view.timeMs;
    this.#cutBytes = view.payloadLengthBytes - (view.end - view.payloadAt);
    const direction = table.direction;
    const payloads = table.countPayload(flow);
    this.#prepare(view, flow, direction, protocol);
    if (protocol === UDP) this.#datagram(flow, direction, flags, payloads);
    else this.#segment(view, flow, direction, flags, payloads);
    return flow;
  }

  #prepare(view: PacketView, flow: number, direction: 0 | 1, protocol: typeof TCP | typeof UDP): void {
    const input = this.#input;
    input.transport = protocol;
    input.direction = direction;
    input.bytes = view.bytes;
    input.start = view.payloadAt;
    input.end = view.end;
    input.segmentAt = view.payloadAt;
    input.fromStart = false;
    input.otherBytes = EMPTY;
    input.otherStart = 0;
    input.otherEnd = 0;
    input.srcPort = view.srcPort;
    input.dstPort = view.dstPort;
    input.ipVersion = view.ipVersion;
    input.addressBytes = view.bytes;
    input.sourceAt = view.sourceAt;
    input.destinationAt = view.destinationAt;
    input.turns = this.#states[flow]?.turns ?? this.#noTurns;
    input.clearFacets();
  }

  /** A finding from memory alone, until content confirms or refutes it. */
  #opened(flow: number, timeMs: number): void {
    this.#findings[flow] = null;
    this.#states[flow] = null;
    const known = this.endpoints.knownPeer(flow, timeMs);
    if (!known) return;
    const protocol = this.#protocols[known.protocolIndex];
    if (!protocol || isRetired(protocol)) return;
    const finding = this.#findingTable.knownPeer(protocol, known.protocolIndex, known.confidence, known.why);
    this.#findings[flow] = finding;
    this.table.setFlag(flow, FLOW_PROVISIONAL);
    this.table.setDecidedAtPacket(flow, 1);
    this.#onFinding?.(flow, finding);
  }

  #datagram(flow: number, direction: 0 | 1, flags: number, payloads: number): void {
    const { table } = this;
    const input = this.#input;
    if ((flags & FLOW_HARVESTS) !== 0) {
      this.#harvest(flow, direction, this.#udp, payloads);
      return;
    }
    input.fromStart = payloads === 1;
    const list = this.#udp.byFirstByte[input.bytes[input.start]!]!;
    this.#scheduler.search(list, list.low, list.high, input);
    if (this.#scheduler.match !== null) this.#apply(flow, direction, payloads);
    else if (input.hasFacet || (payloads === 1 && isOrdinaryDatagram(input.bytes, input.start, input.end))) {
      this.#noteOrdinary(flow);
      if (input.hasFinalFacet) this.#giveUp(flow);
    }
    if ((table.flags(flow) & (FLOW_DONE | FLOW_HARVESTS)) !== 0) return;
    if (payloads >= UDP_BUDGET) {
      this.#giveUp(flow);
      return;
    }
    const state = this.#states[flow] ?? this.#takeState(flow);
    state.turns.addDatagram(direction, input.bytes, input.start, input.end);
  }

  #takeState(flow: number): FlowState {
    const state = this.#pool.take(flow);
    this.#states[flow] = state;
    return state;
  }

  #segment(view: PacketView, flow: number, direction: 0 | 1, flags: number, payloads: number): void {
    const { table } = this;
    const input = this.#input;
    // RFC 9293 section 3.4: data on a SYN begins one number after it.
    const seq = (view.tcpFlags & 0x02) !== 0 ? (view.seq + 1) >>> 0 : view.seq;
    if (table.streamStart(flow, direction) < 0) table.setStreamStart(flow, direction, seq);
    const offset = (seq - table.streamStart(flow, direction)) | 0;
    const state = this.#states[flow];
    if (state === null && offset === 0 && (flags & FLOW_HARVESTS) === 0) {
      this.#firstSegment(flow, direction, payloads);
      return;
    }
    const own = state ?? this.#takeState(flow);
    const stream = own.stream(direction);
    let grownBytes = stream.add(input.bytes, input.start, input.end, offset);
    if (grownBytes === 0) grownBytes = this.#unusualSegment(flow, direction, own, seq, offset, payloads);
    if (grownBytes === 0) {
      if ((flags & FLOW_HARVESTS) !== 0 ? payloads >= HARVEST_BUDGET : payloads >= this.#budget(flow) || this.#isMonologue(flow, direction, own, offset)) this.#giveUp(flow);
      return;
    }
    own.turns.addStream(direction, grownBytes + this.#cutBytes);
    this.#isSpliced = stream.isSpliced;
    if (this.#cutBytes > 0) this.#skipCut(stream, flow, direction, flags);
    this.#showStream(own, flow, direction, grownBytes);
    if ((flags & FLOW_HARVESTS) !== 0) {
      this.#harvest(flow, direction, this.#tcp, payloads);
      return;
    }
    const list = this.#tcp.byFirstByte[input.bytes[input.start]!]!;
    if (stream.hasBegun) this.#scheduler.search(list, stream.waitingLow, stream.waitingHigh, input);
    else this.#scheduler.search(list, list.low, list.high, input);
    this.#afterStream(flow, direction, own, payloads, !stream.hasBegun);
  }

  /** In-order first payload of a flow: inspected in place, copied only when undecided. */
  #firstSegment(flow: number, direction: 0 | 1, payloads: number): void {
    const input = this.#input;
    input.fromStart = this.table.isFromStart(flow, direction);
    this.#oneTurn.reset();
    this.#oneTurn.addStream(direction, input.end - input.start + this.#cutBytes);
    this.#isSpliced = false;
    input.turns = this.#oneTurn;
    const { bytes, start, end } = input;
    if (end - start > MAX_PREFIX_BYTES) input.end = start + MAX_PREFIX_BYTES;
    const list = this.#tcp.byFirstByte[bytes[start]!]!;
    this.#scheduler.search(list, list.low, list.high, input);
    this.#afterStream(flow, direction, null, payloads, true);
    if ((this.table.flags(flow) & FLOW_DONE) !== 0) return;
    const state = this.#takeState(flow);
    state.turns.addStream(direction, end - start + this.#cutBytes);
    const stream = state.stream(direction);
    stream.add(bytes, start, end, 0);
    stream.keep(this.#scheduler.keptLow, this.#scheduler.keptHigh);
    if (this.#cutBytes > 0) this.#skipCut(stream, flow, direction, this.table.flags(flow));
  }

  /**
   * What a snap length cut off will never come: what follows adjoins what was captured. Good enough for openings, not for
   * reading peers from: a decided flow keeps its hole.
   */
  #skipCut(stream: StreamState, flow: number, direction: 0 | 1, flags: number): void {
    if ((flags & FLOW_HARVESTS) !== 0) return;
    stream.isSpliced = true;
    this.table.skipInStream(flow, direction, this.#cutBytes);
  }

  /** Points the inspection at the reassembled prefixes. */
  #showStream(state: FlowState, flow: number, direction: 0 | 1, grownBytes: number): void {
    const input = this.#input;
    const stream = state.stream(direction);
    input.bytes = stream.bytes;
    input.start = stream.at;
    input.end = stream.at + stream.length;
    input.segmentAt = input.end - grownBytes;
    input.fromStart = this.table.isFromStart(flow, direction);
    input.turns = state.turns;
    const other = state.existingStream(direction === 0 ? 1 : 0);
    if (other) {
      input.otherBytes = other.bytes;
      input.otherStart = other.at;
      input.otherEnd = other.at + other.length;
    }
    input.clearFacets();
  }

  /** A segment that did not extend the prefix: from before a guessed start, or after a start that was never captured. */
  #unusualSegment(flow: number, direction: 0 | 1, state: FlowState, seq: number, offset: number, payloads: number): number {
    const { table } = this;
    const input = this.#input;
    const stream = state.stream(direction);
    const lengthBytes = input.end - input.start;
    if (offset < 0 && offset + lengthBytes === 0 && !table.isFromStart(flow, direction)) {
      if (!stream.prepend(input.bytes, input.start, input.end)) return 0;
      table.setStreamStart(flow, direction, seq);
      stream.hasBegun = false;
      return lengthBytes;
    }
    if (stream.length === 0 && stream.hasHole && payloads >= LOST_START_SEGMENTS) {
      stream.reset();
      table.setStreamStart(flow, direction, seq);
      return stream.add(input.bytes, input.start, input.end, 0);
    }
    return 0;
  }

  /** Takes the search's answer; decides whether the flow still needs inspection. `state` is null on the first segment. */
  #afterStream(flow: number, direction: 0 | 1, state: FlowState | null, payloads: number, isFirst: boolean): void {
    const { table } = this;
    const input = this.#input;
    const scheduler = this.#scheduler;
    const stream = state?.stream(direction);
    stream?.keep(scheduler.keptLow, scheduler.keptHigh);
    if (scheduler.match !== null) this.#apply(flow, direction, payloads);
    else if (isFirst && (input.hasFacet || isOrdinaryStream(input.bytes, input.start, input.end))) this.#noteOrdinary(flow);
    const flags = table.flags(flow);
    if ((flags & (FLOW_DONE | FLOW_HARVESTS)) !== 0) return;
    const isExhausted = (scheduler.keptLow | scheduler.keptHigh) === 0;
    const other = state?.existingStream(direction === 0 ? 1 : 0);
    const isOtherExhausted = other?.hasBegun === true && !other.isWaiting;
    const isFinal = isExhausted && input.hasFinalFacet && scheduler.match === null;
    if (isFinal || (isExhausted && isOtherExhausted) || payloads >= this.#budget(flow)) this.#giveUp(flow);
  }

  /** Not of a flow picked up in the middle: in a download the other side's requests are still to come. Nor by a number far ahead alone. */
  #isMonologue(flow: number, direction: 0 | 1, state: FlowState, offset: number): boolean {
    if (offset < MONOLOGUE_BYTES || !this.table.hasSyn(flow)) return false;
    return state.stream(direction).isFull && state.existingStream(direction === 0 ? 1 : 0) === null;
  }

  #budget(flow: number): number {
    return this.table.hasSyn(flow) ? TCP_BUDGET : MIDSTREAM_BUDGET;
  }

  /** The content parsed as an everyday protocol: a finding from memory alone does not stand against that. */
  #noteOrdinary(flow: number): void {
    const { table } = this;
    table.setFlag(flow, FLOW_ORDINARY);
    if ((table.flags(flow) & FLOW_PROVISIONAL) === 0) return;
    table.clearFlag(flow, FLOW_PROVISIONAL);
    table.setDecidedAtPacket(flow, 0);
    this.#findings[flow] = null;
  }

  #giveUp(flow: number): void {
    this.table.setFlag(flow, FLOW_DONE);
    this.#releaseState(flow);
  }

  #releaseState(flow: number): void {
    const state = this.#states[flow];
    if (!state) return;
    this.#states[flow] = null;
    this.#pool.give(state);
  }

  /** Takes over the scheduler's match when it is better than what the flow has. */
  #apply(flow: number, direction: 0 | 1, payloads: number): void {
    const { match, matched } = this.#scheduler;
    if (match === null || matched === null) return;
    const { table } = this;
    const confidence = this.#raise(flow, match, matched.protocolIndex);
    const current = this.#findings[flow] ?? null;
    const isProvisional = (table.flags(flow) & FLOW_PROVISIONAL) !== 0;
    const isRefinement = isProvisional && current?.protocolIndex === matched.protocolIndex;
    const isWeightier = match.outweighs === true && confidence === current?.confidence && current.protocolIndex !== matched.protocolIndex;
    const isStronger = !current || isWeightier || confidenceRank(confidence) > confidenceRank(current.confidence);
    if (!isStronger && !(isRefinement && confidenceRank(confidence) >= confidenceRank(current.confidence)) && match.confidence !== 'certain') return;
    if (!current || current.protocolIndex !== matched.protocolIndex) {
      table.setDecidedAtPacket(flow, table.packets(flow, 0) + table.packets(flow, 1));
    }
    table.clearFlag(flow, FLOW_PROVISIONAL);
    const finding = this.#findingTable.of(matched, match, confidence, raisedBecause(match.confidence, confidence));
    this.#findings[flow] = finding;
    this.#onFinding?.(flow, finding);
    if (confidence !== 'certain') return;
    if (match.confidence === 'certain') this.#learnAndHarvest(flow, direction, matched, payloads);
    else this.#giveUp(flow);
  }

  /** Context that a feature cannot see: other flows of the same endpoints and hosts. */
  #raise(flow: number, match: Match, protocolIndex: number): Confidence {
    if (match.confidence === 'certain') return 'certain';
    const known = this.endpoints.known(flow, protocolIndex, this.#timeMs);
    if (known === 'endpoint' || known === 'told') return 'certain';
    return known === 'host' && match.needsEndpoint !== true ? 'likely' : match.confidence;
  }

  #learnAndHarvest(flow: number, direction: 0 | 1, matched: Candidate, payloads: number): void {
    this.endpoints.learn(flow, direction, matched.feature, matched.protocolIndex, this.#timeMs);
    const index = matched.feature.transport === UDP ? this.#udp : this.#tcp;
    if (index.harvesters[matched.protocolIndex]!.length === 0 || (index === this.#tcp && this.#isSpliced)) {
      this.#giveUp(flow);
      return;
    }
    this.table.setFlag(flow, FLOW_HARVESTS);
    this.#harvest(flow, direction, index, payloads);
  }

  /** Lets the features of the decided protocol read endpoints from this packet; ends the flow's inspection when none wants more. */
  #harvest(flow: number, direction: 0 | 1, index: TransportIndex, payloads: number): void {
    const protocolIndex = this.#findings[flow]?.protocolIndex ?? -1;
    const harvesters = index.harvesters[protocolIndex] ?? [];
    const input = this.#input;
    let wantsMore = input.transport === UDP;
    for (let i = 0; i < harvesters.length; i++) {
      const harvester = harvesters[i]!;
      if (this.#scheduler.disabled.size > 0 && this.#scheduler.disabled.has(harvester.feature)) continue;
      this.#scheduler.asked = harvester;
      if (!isTriggeredBy(harvester, input)) {
        // The other direction of the stream may still begin with what this one reads.
        wantsMore ||= payloads < 4;
        continue;
      }
      this.endpoints.answered(flow, direction, protocolIndex, this.#timeMs);
      input.protocolIndex = protocolIndex;
      const sink = this.endpoints.harvestFrom(flow, direction, protocolIndex, this.#timeMs);
      if (harvester.feature.harvest?.(input, sink) === true) wantsMore = true;
    }
    if (!wantsMore || payloads >= HARVEST_BUDGET) this.#giveUp(flow);
  }

  #ended(flow: number, reason: FlowEndReason): void {
    this.#releaseState(flow);
    const finding = this.#reconsider(flow, this.table.lastSeenMs(flow));
    this.#onFlowEnd?.(flow, finding, reason);
    this.#findings[flow] = null;
  }

  /** What other flows taught meanwhile may name a flow that its own bytes did not. */
  #reconsider(flow: number, timeMs: number): FlowFinding | null {
    const { table } = this;
    const current = this.#findings[flow] ?? null;
    if (current && current.confidence !== 'suspected') return current;
    if ((table.flags(flow) & FLOW_ORDINARY) !== 0 || table.payloadPackets(flow) === 0) return current;
    const known = this.endpoints.knownPeer(flow, timeMs);
    const protocol = known ? this.#protocols[known.protocolIndex] : undefined;
    if (!known || !protocol || isRetired(protocol)) return current;
    if (!current || current.protocol !== protocol) {
      table.setDecidedAtPacket(flow, table.packets(flow, 0) + table.packets(flow, 1));
      return this.#findingTable.knownPeer(protocol, known.protocolIndex, known.confidence, known.why);
    }
    return { ...current, confidence: known.confidence, why: `${current.why}; ${known.why}` };
  }
}

/** Its detector is gone: what memory holds of it names nothing any more. */
function isRetired(protocol: Protocol): boolean {
  return protocol.features.length === 0;
}

function raisedBecause(before: Confidence, after: Confidence): string {
  if (before === after) return '';
  return after === 'certain' ? '; the endpoint is a known peer of this network' : '; the host speaks the protocol in other flows';
}
