/**
 * Cutting one TCP connection: which segments to send when, until both ends are
 * known to be dead. Pure: time and received segments come in, segments go out.
 *
 * A modern peer dies only of a RST whose sequence number is exactly the one it expects
 * next (RFC 5961 section 3.2). The number is learnt in one of three ways:
 *
 *   window     connection tracking knows it: the RST goes out first
 *   challenge  a probe out of the window makes the peer acknowledge (RFC 9293 section 3.10.7.4); its
 *              answer tells what it expects, and by its own sequence number what the other end expects
 *   reject     a rule in the kernel answers the peer's acknowledgement with the RST
 *
 * The probe is FIN|ACK: FIN alone, or no flag at all, is ignored by Linux, and it occupies a sequence number,
 * so answers to it are not rate limited (tcp_oow_rate_limited exempts segments with data). Behind every RST
 * goes another probe: a dead peer answers it with a RST, which is the proof; a living one with an
 * acknowledgement that has the fresh number, because data moved meanwhile. That probe acknowledges what the
 * other end expects, so the dead peer's RST is exact for the other end as well.
 *
 * When the number moves faster than we follow (full-speed transfers in both directions), the connection
 * is to be stalled: its packets are dropped between the ends, and the numbers stand still.
 */
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../wire/constants.js';

export type Method = 'window' | 'challenge' | 'reject';
/** 0: the leg to the originator, 1: to the responder. */
export type LegIndex = 0 | 1;

/** How a leg ended. */
export type LegOutcome =
  /** The peer answered a probe with RST, or sent one. */
  | 'closed'
  /** The peer had answered before the RST and has been silent since. */
  | 'silent'
  /** The peer never answered anything. */
  | 'unanswered'
  /** The peer kept answering with fresh numbers. */
  | 'alive'
  /** The peer kept sending, and none of our segments reached it. */
  | 'deaf';

export interface LegReport {
  readonly outcome: LegOutcome | null;
  /** RSTs sent, ours or (by the reject method) the kernel's. */
  readonly tries: number;
  /** From the start to the outcome. */
  readonly ms: number;
}

/** What the machine wants done; called from within its methods. */
export interface CutActions {
  /** `isUrgent`: what ends a connection or has to be known for it. The rest verifies, and may wait until others have got theirs. */
  send(leg: LegIndex, flags: number, seq: number, ack: number, isUrgent: boolean): void;
  /** Drop packets of this connection between the ends from now on. Called at most once. */
  stall(): void;
}

export interface CutOptions {
  readonly method: Method;
  /** The legs to cut here; others end on this machine and die otherwise. */
  readonly legs: readonly LegIndex[];
  /** Method `window`: what each leg's victim expects next. */
  readonly expected?: readonly [number, number];
  /** Sequence number of the first probe, when nothing is known. */
  readonly probeSeq: number;
  readonly startMs: number;
}

// First wait for an answer, doubled up to the last. A lost packet costs one wait; a round trip beyond it a needless repetition.
const FIRST_WAIT_MS = 150;
const LAST_WAIT_MS = 1000;
// A living peer answers every probe: this many unanswered ones over this time, and more than its round trip, mean that it is gone.
const SILENT_PROBES = 3;
const SILENT_MS = 600;
const SILENT_ROUND_TRIPS = 4;
// Fresh numbers after a RST: data is moving. Two may have been under way already.
const MOVES_BEFORE_STALL = 3;
// A transfer delivers a segment every few microseconds: follow it at this pace.
const FOLLOW_MS = 2;
// RSTs of the kernel that are waited for before ours.
const KERNEL_RESETS = 2;
// Half the sequence space is "before" (RFC 9293 section 3.4); a quarter before the window is out of it for any window (at most 2^30, RFC 7323).
const FAR_BEFORE = 0x4000_0000;

interface LegState {
  isActive: boolean;
  outcome: LegOutcome | null;
  /** What the victim expects next, as far as known. */
  expected: number | null;
  hasAnswered: boolean;
  resets: number;
  probesUnanswered: number;
  moves: number;
  firstProbeMs: number;
  answeredMs: number;
  roundTripMs: number;
  lastResetMs: number;
  waitMs: number;
  nextMs: number;
  endedMs: number;
}

function freshLeg(isActive: boolean, startMs: number): LegState {
  return {
    isActive,
    outcome: null,
    expected: null,
    hasAnswered: false,
    resets: 0,
    probesUnanswered: 0,
    moves: 0,
    firstProbeMs: startMs,
    answeredMs: startMs,
    roundTripMs: 0,
    lastResetMs: Number.NEGATIVE_INFINITY,
    waitMs: FIRST_WAIT_MS,
    nextMs: startMs,
    endedMs: startMs,
  };
}

export class CutMachine {
  /** Nothing happens before this time unless a segment arrives. */
  nextMs: number;
  private readonly options: CutOptions;
  private readonly actions: CutActions;
  private readonly legs: readonly [LegState, LegState];
  private isStalled = false;
  private deadlineMs = Number.POSITIVE_INFINITY;

  constructor(options: CutOptions, actions: CutActions) {
    const { startMs } = options;
    this.options = options;
    this.actions = actions;
    this.legs = [freshLeg(options.legs.includes(0), startMs), freshLeg(options.legs.includes(1), startMs)];
    if (options.expected) for (const leg of [0, 1] as const) this.legs[leg].expected = options.expected[leg];
    // One answer tells what both ends expect: the responder is asked only if the originator is slow to answer.
    else if (options.method === 'challenge' && options.legs.length === 2) this.legs[1].nextMs = startMs + FIRST_WAIT_MS;
    this.nextMs = startMs;
  }

  get isDone(): boolean {
    return this.legs.every((leg) => !leg.isActive || leg.outcome !== null);
  }

  /** All that waited has been sent: answers are awaited from now on, and legs without an outcome get theirs at the first tick from `deadlineMs` on. */
  begun(nowMs: number, deadlineMs: number): void {
    this.deadlineMs = deadlineMs;
    for (const leg of this.legs) if (leg.nextMs > this.options.startMs) leg.nextMs = Math.max(leg.nextMs, nowMs + FIRST_WAIT_MS);
    this.schedule();
  }

  report(index: LegIndex): LegReport {
    const leg = this.legs[index];
    return { outcome: leg.outcome, tries: leg.resets, ms: leg.endedMs - this.options.startMs };
  }

  /** Begins, repeats what was not answered, gives up. To be called at `nextMs`; earlier calls do nothing. */
  tick(nowMs: number): void {
    for (const index of [0, 1] as const) {
      const leg = this.legs[index];
      if (!leg.isActive || leg.outcome !== null) continue;
      if (this.hasFallenSilent(leg, nowMs)) this.end(leg, 'silent', nowMs);
      else if (nowMs >= this.deadlineMs) this.end(leg, this.givenUp(leg), nowMs);
      else if (nowMs >= leg.nextMs) this.attempt(index, nowMs);
    }
    this.schedule();
  }

  /**
   * A TCP segment arrived from the victim of a leg, on its way to the other end. `payloadBytes`: of TCP.
   * Segments that we sent ourselves must not be reported.
   */
  segment(index: LegIndex, flags: number, seq: number, ack: number, payloadBytes: number, nowMs: number): void {
    const leg = this.legs[index];
    if ((flags & TCP_RST) !== 0) {
      if (leg.isActive && leg.outcome === null) this.end(leg, 'closed', nowMs);
    } else if ((flags & TCP_ACK) !== 0) {
      const occupied = payloadBytes + ((flags & TCP_SYN) !== 0 ? 1 : 0) + ((flags & TCP_FIN) !== 0 ? 1 : 0);
      if (leg.isActive && leg.outcome === null) this.answered(index, ack, nowMs);
      this.learnt(index === 0 ? 1 : 0, (seq + occupied) >>> 0, nowMs);
    }
    this.schedule();
  }

  /** The victim itself told what it expects. */
  private answered(index: LegIndex, expected: number, nowMs: number): void {
    const leg = this.legs[index];
    if (!leg.hasAnswered) leg.roundTripMs = nowMs - leg.firstProbeMs;
    leg.hasAnswered = true;
    leg.answeredMs = nowMs;
    leg.probesUnanswered = 0;
    // The number of our last RST: that one is under way or lost, and the clock repeats it.
    if (leg.resets > 0 && leg.expected === expected) return;
    if (leg.resets > 0) this.moved(leg);
    leg.expected = expected;
    if (nowMs - leg.lastResetMs >= FOLLOW_MS) this.reset(index, nowMs);
  }

  /** The other end's segments tell what this victim will expect once it has them. */
  private learnt(index: LegIndex, expected: number, nowMs: number): void {
    const leg = this.legs[index];
    if (!leg.isActive || this.options.method === 'reject') return;
    const isFirst = leg.resets === 0;
    // Its own words count more than what is still on the way to it.
    if (!isFirst && (leg.hasAnswered || leg.expected === expected)) return;
    if (leg.outcome === null) leg.expected = expected;
    else if (!isFirst) return;
    // Also when a first probe was answered with RST: that may have been a firewall on the way.
    if (nowMs - leg.lastResetMs >= FOLLOW_MS) this.reset(index, nowMs, expected);
  }

  private moved(leg: LegState): void {
    leg.moves++;
    if (leg.moves < MOVES_BEFORE_STALL || this.isStalled || this.options.method === 'reject') return;
    this.isStalled = true;
    this.actions.stall();
  }

  private attempt(index: LegIndex, nowMs: number): void {
    const leg = this.legs[index];
    if (leg.expected === null || (this.options.method === 'reject' && !leg.hasAnswered)) this.probe(index, true);
    else this.reset(index, nowMs);
    leg.nextMs = nowMs + leg.waitMs;
    leg.waitMs = Math.min(2 * leg.waitMs, LAST_WAIT_MS);
  }

  private reset(index: LegIndex, nowMs: number, seq = this.legs[index].expected ?? 0): void {
    const leg = this.legs[index];
    leg.resets++;
    leg.lastResetMs = nowMs;
    leg.nextMs = nowMs + leg.waitMs;
    // By the reject method the kernel has sent it in answer to the segment that we saw. Its RST may not find the way
    // (it has lost the mark that chose the uplink): then ours follows.
    if (this.options.method !== 'reject' || leg.resets > KERNEL_RESETS) this.actions.send(index, TCP_RST, seq, 0, true);
    this.probe(index, false);
  }

  private probe(index: LegIndex, isUrgent: boolean): void {
    const leg = this.legs[index];
    const other = this.legs[index === 0 ? 1 : 0];
    leg.probesUnanswered++;
    const seq = leg.expected === null ? this.options.probeSeq : (leg.expected - FAR_BEFORE) >>> 0;
    this.actions.send(index, TCP_FIN | TCP_ACK, seq, other.expected ?? 0, isUrgent);
  }

  private hasFallenSilent(leg: LegState, nowMs: number): boolean {
    if (!leg.hasAnswered || leg.resets === 0 || leg.probesUnanswered < SILENT_PROBES) return false;
    return nowMs - leg.answeredMs >= Math.max(SILENT_MS, SILENT_ROUND_TRIPS * leg.roundTripMs);
  }

  private givenUp({ hasAnswered, moves }: LegState): LegOutcome {
    if (!hasAnswered) return 'unanswered';
    return moves === 0 ? 'deaf' : 'alive';
  }

  private end(leg: LegState, outcome: LegOutcome, nowMs: number): void {
    leg.outcome = outcome;
    leg.endedMs = nowMs;
  }

  private schedule(): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const leg of this.legs) if (leg.isActive && leg.outcome === null) nextMs = Math.min(nextMs, leg.nextMs);
    this.nextMs = Math.min(nextMs, this.deadlineMs);
  }
}
