/**
 * The gate: packets of a live queue in, verdicts out. Joins the identifier with the
 * policy; pure, synchronous, opens nothing. A daemon maps verdicts to marks.
 *
 * - Undecided flows pass without a mark, so that their next packets are seen too.
 * - Rules that block act as soon as a finding satisfies them, on a bare SYN when the
 *   endpoint is a known peer. `allow` and `log` wait until inspection is over, since a later packet may tell more;
 *   rules that shape wait a few packets, so that peers named in the first answers are still learnt.
 * - What goes wrong (malformed, a detector throws, flows given up undecided) falls under the policy's `trouble`.
 *
 * The client of a flow is its end on the inside interface. Packets inside a UDP tunnel are judged one by one: a
 * verdict for the tunnel's connection would judge every flow in it.
 */
import { IPPROTO_TCP } from '../wire/constants.js';
import type { Protocol } from '../detect/detector.js';
import type { Candidate } from '../detect/trigger-index.js';
import type { ReasonCode } from '../events/reasons.js';
import type { FlowEndReason, FlowTableOptions } from '../flow/flow-table.js';
import type { PeerMemoryOptions } from '../flow/peer-memory.js';
import { type ActionKind, type Policy, type Subject, type Verdict, decide } from '../policy/policy.js';
import type { DecodeStatus, PacketView } from '../wire/packet-view.js';
import type { FlowFinding } from './finding.js';
import { FIRST_USER_PORT } from './endpoints.js';
import { Identifier } from './identifier.js';

/** What becomes of a flow. Interned: equal verdicts of one policy are one object. */
export interface FlowVerdict {
  /** `class`: passes in the traffic class of the rule. */
  readonly outcome: 'pass' | 'drop' | 'reject' | 'class';
  readonly action: ActionKind;
  /** Name of the rule; null: none. */
  readonly rule: string | null;
  /** Position of the rule in the policy, -1 for none. */
  readonly ruleIndex: number;
  readonly why: ReasonCode;
}

/** `undecided`: let this packet pass, show me the next. `drop-packet`: this packet alone. */
export type PacketVerdict = FlowVerdict | 'undecided' | 'drop-packet';

/** A client and an endpoint that it shall not reach for a time. Addresses: 4 or 16 bytes, the listener's to keep. */
export interface Containment {
  readonly client: Uint8Array;
  readonly peer: Uint8Array;
  readonly port: number;
  readonly holdMs: number;
  readonly rule: string | null;
}

export interface GateListener {
  /** A flow got its (new) finding and what policy says of it. */
  readonly onFinding?: (flow: number, finding: FlowFinding, verdict: Verdict) => void;
  /** The flow's fate is settled, or settled anew. `finding` is null for ordinary flows. */
  readonly onVerdict?: (flow: number, finding: FlowFinding | null, verdict: FlowVerdict) => void;
  readonly onFlowEnd?: (flow: number, finding: FlowFinding | null, reason: FlowEndReason, verdict: FlowVerdict | null) => void;
  /** `client` was told of a peer. */
  readonly onPeerTold?: (flow: number, protocol: Protocol, client: Uint8Array, peer: Uint8Array, port: number) => void;
  readonly onContain?: (containment: Containment) => void;
  /** A feature threw; `isDisabled` when that was once too often. */
  readonly onThrown?: (feature: string, error: unknown, isDisabled: boolean) => void;
}

export interface GateOptions {
  readonly protocols: readonly Protocol[];
  readonly policy: Policy;
  readonly flows?: Omit<FlowTableOptions, 'onEnd'>;
  readonly peers?: PeerMemoryOptions;
  readonly maxUndecided?: number;
}

/** Packets that a rule was not applied to because something went wrong, by reason. */
export type TroubleCounts = Record<'malformed' | 'truncated' | 'detector-threw' | 'state-evicted' | 'table-full', number>;

/**
 * Payload packets and bytes of a flow before a rule that shapes it takes it out of inspection: tracker answers and first
 * peer lists come within these packets. Flows that carry less than these bytes in them are conversations with hubs and
 * servers, which name peers later too, and there is nothing to shape yet.
 */
const SHAPE_AFTER_PAYLOADS = 6;
const SHAPE_AFTER_BYTES = 8192;
/** A feature that threw this often is not asked any more. */
const THROWS_ALLOWED = 3;

export class Gate {
  readonly identifier: Identifier;
  readonly troubles: TroubleCounts = { malformed: 0, truncated: 0, 'detector-threw': 0, 'state-evicted': 0, 'table-full': 0 };
  #policy: Policy;
  #wantsMac: boolean;
  #protocols: readonly Protocol[];
  readonly #listener: GateListener;
  readonly #interned = new Map<string, FlowVerdict>();
  // By flow number.
  readonly #verdicts: (FlowVerdict | null)[] = [];
  readonly #judged: (FlowFinding | null)[] = [];
  readonly #clientEnds: (0 | 1)[] = [];
  readonly #macs: (string | null)[] = [];
  readonly #throws = new Map<string, number>();
  #flow = -1;
  /** The verdict of the flow that is being reviewed: to come to the same again is no news. */
  #standing: FlowVerdict | null = null;
  /** Where the next review goes on in the table. */
  #reviewAt = 0;
  // Of the packet in hand.
  #isFromInside = false;
  #wallMs = 0;
  #timeMs = 0;

  constructor(options: GateOptions, listener: GateListener = {}) {
    const { flows, peers, maxUndecided } = options;
    this.#protocols = options.protocols;
    this.#policy = options.policy;
    this.#wantsMac = wantsMac(options.policy);
    this.#listener = listener;
    this.identifier = new Identifier({
      protocols: options.protocols,
      isWary: true,
      ...(flows === undefined ? {} : { flows }),
      ...(peers === undefined ? {} : { peers }),
      ...(maxUndecided === undefined ? {} : { maxUndecided }),
      onFlowEnd: (flow, finding, reason) => this.#ended(flow, finding, reason),
      onEvicted: (flow) => this.#troubledFlow(flow, 'state-evicted'),
    });
    this.identifier.endpoints.onTold = (...told) => this.#told(...told);
  }

  get policy(): Policy {
    return this.#policy;
  }

  /** Rules name hardware addresses: give them to `packet`. */
  get needsMac(): boolean {
    return this.#wantsMac;
  }

  /** Other protocols from now on, each at its place: see `Identifier.setProtocols`. */
  setProtocols(protocols: readonly Protocol[]): void {
    this.identifier.setProtocols(protocols);
    this.#protocols = protocols;
  }

  /** Swaps the policy. Flows keep their findings and are judged anew at their next packet, or by `review`. */
  setPolicy(policy: Policy): void {
    this.#policy = policy;
    this.#wantsMac = wantsMac(policy);
    this.#interned.clear();
    this.#verdicts.fill(null);
  }

  /** Flow of the packet that `packet` was given last, -1 for none. */
  get flow(): number {
    return this.#flow;
  }

  /** The end of the flow that is the client's. */
  clientEnd(flow: number): 0 | 1 {
    return this.#clientEnds[flow] ?? 0;
  }

  /** The flow's verdict so far. */
  verdict(flow: number): FlowVerdict | null {
    return this.#verdicts[flow] ?? null;
  }

  /**
   * One packet. `timeMs` is a clock that never jumps, `wallMs` the time of day for schedules. `mac`: hardware address of
   * the sender when it is inside and rules ask for it.
   */
  packet(view: PacketView, status: DecodeStatus, isFromInside: boolean, mac: string | null, timeMs: number, wallMs: number): PacketVerdict {
    this.#isFromInside = isFromInside;
    this.#wallMs = wallMs;
    this.#timeMs = timeMs;
    this.#flow = -1;
    if (status !== 'ok') {
      if (status === 'malformed' || status === 'truncated') return this.#trouble(status);
      if (status !== 'fragment' || view.isLaterFragment || view.transportAt === 0) return 'undecided';
    }
    let flow: number;
    try {
      view.timeMs = timeMs;
      this.identifier.endpoints.isFromInside = isFromInside;
      flow = this.identifier.packet(view);
    } catch (error) {
      this.#thrown(error);
      return this.#trouble('detector-threw');
    }
    if (flow < 0) return 'undecided';
    this.#flow = flow;
    const { table } = this.identifier;
    if (table.isNew) this.#opened(flow, isFromInside === (table.direction === 0) ? 0 : 1);
    if (isFromInside && mac !== null) this.#macs[flow] = mac;
    const verdict = this.#judge(flow) ?? 'undecided';
    if (view.tunnelDepth === 0 || verdict === 'undecided') return verdict;
    return verdict.outcome === 'drop' || verdict.outcome === 'reject' ? 'drop-packet' : 'undecided';
  }

  /**
   * Looks at flows again: later flows may have named their endpoints, hours of rules may have begun or ended. Calls
   * `onChange` for each flow whose verdict is another now, and was settled before. Looks at `count` entries of the table
   * (default all) and goes on there the next time: 100,000 flows at once would hold packets up for 60 ms.
   */
  review(timeMs: number, wallMs: number, onChange: (flow: number, verdict: FlowVerdict) => void, count = Number.MAX_SAFE_INTEGER): void {
    this.#wallMs = wallMs;
    this.#timeMs = timeMs;
    const { identifier } = this;
    this.#reviewAt = identifier.table.forSome(this.#reviewAt, count, (flow) => {
      const before = this.#verdicts[flow] ?? null;
      const finding = identifier.review(flow, timeMs);
      if (before === null || (finding === null && this.#judged[flow] === null)) return;
      this.#verdicts[flow] = null;
      this.#standing = before;
      const now = this.#judge(flow);
      this.#standing = null;
      if (now === null) this.#verdicts[flow] = before;
      else if (now !== before) onChange(flow, now);
    });
  }

  /**
   * Judges the flows that have a finding and no verdict, as after `setPolicy`: idle ones would keep what
   * they had until they speak. Calls `onVerdict` for each that is settled.
   */
  judgeAll(timeMs: number, wallMs: number, onVerdict: (flow: number, verdict: FlowVerdict) => void): void {
    this.#wallMs = wallMs;
    this.#timeMs = timeMs;
    this.identifier.table.forEach((flow) => {
      if ((this.#verdicts[flow] ?? null) !== null || this.identifier.finding(flow) === null) return;
      const verdict = this.#judge(flow);
      if (verdict !== null) onVerdict(flow, verdict);
    });
  }

  #opened(flow: number, clientEnd: 0 | 1): void {
    this.#verdicts[flow] = null;
    this.#judged[flow] = null;
    this.#clientEnds[flow] = clientEnd;
    this.#macs[flow] = null;
  }

  #judge(flow: number): FlowVerdict | null {
    const settled = this.#verdicts[flow];
    const finding = this.identifier.finding(flow);
    // A verdict stands while it blocks, or while nothing new is known.
    if (settled && (finding === this.#judged[flow] || settled.outcome === 'drop' || settled.outcome === 'reject')) return settled;
    const isDone = this.identifier.isDone(flow);
    if (finding === null) return isDone ? this.#settle(flow, null, this.#intern('pass', 'allow', null, -1, 'not-p2p')) : null;
    const verdict = decide(this.#policy, this.#subject(flow, finding));
    if (finding !== this.#judged[flow]) {
      this.#judged[flow] = finding;
      this.#listener.onFinding?.(flow, finding, verdict);
    }
    const outcome = this.#outcome(flow, verdict, isDone);
    if (outcome === null) return null;
    const { action, rule, ruleIndex, why } = verdict;
    if (action.kind === 'contain') this.#containFlow(flow, finding, action.holdMs, rule);
    return this.#settle(flow, finding, this.#intern(outcome, action.kind, rule, ruleIndex, why));
  }

  /** What a verdict of the policy means for the flow now; null: wait. */
  #outcome(flow: number, verdict: Verdict, isDone: boolean): FlowVerdict['outcome'] | null {
    switch (verdict.action.kind) {
      case 'drop':
      case 'contain':
        return 'drop';
      case 'reject':
        return 'reject';
      case 'limit':
      case 'prioritise':
        return isDone || this.#hasVolume(flow) ? 'class' : null;
      case 'allow':
      case 'log':
        return isDone ? 'pass' : null;
    }
  }

  #hasVolume(flow: number): boolean {
    const { table } = this.identifier;
    return table.payloadPackets(flow) >= SHAPE_AFTER_PAYLOADS && table.lengthBytes(flow, 0) + table.lengthBytes(flow, 1) >= SHAPE_AFTER_BYTES;
  }

  #settle(flow: number, finding: FlowFinding | null, verdict: FlowVerdict): FlowVerdict {
    this.#verdicts[flow] = verdict;
    if (verdict !== this.#standing) this.#listener.onVerdict?.(flow, finding, verdict);
    return verdict;
  }

  #intern(outcome: FlowVerdict['outcome'], action: ActionKind, rule: string | null, ruleIndex: number, why: ReasonCode): FlowVerdict {
    const key = `${outcome} ${action} ${ruleIndex} ${why}`;
    const known = this.#interned.get(key);
    if (known) return known;
    const made: FlowVerdict = { outcome, action, rule, ruleIndex, why };
    this.#interned.set(key, made);
    return made;
  }

  /** Address of one end of a flow, fresh. */
  address(flow: number, end: 0 | 1): Uint8Array {
    const bytes = new Uint8Array(16);
    return bytes.subarray(0, this.identifier.table.writeAddress(flow, end, bytes, 0));
  }

  #subject(flow: number, finding: FlowFinding): Subject {
    const clientEnd = this.clientEnd(flow);
    return {
      protocol: finding.protocol.id,
      category: finding.protocol.category,
      confidence: finding.confidence,
      client: this.address(flow, clientEnd),
      outside: this.address(flow, clientEnd === 0 ? 1 : 0),
      mac: this.#macs[flow] ?? null,
      timeMs: this.#wallMs,
    };
  }

  /** The flow's own outside endpoint, unless it also serves others (a tracker on a web server's port, say). */
  #containFlow(flow: number, finding: FlowFinding, holdMs: number, rule: string | null): void {
    const { identifier } = this;
    const end = this.clientEnd(flow) === 0 ? 1 : 0;
    const known = identifier.endpoints.known(flow, finding.protocolIndex, this.#timeMs);
    if (known !== 'endpoint' && known !== 'told') return;
    // The initiator's port of a TCP flow is nobody's address.
    if (end === 0 && identifier.table.protocol(flow) === IPPROTO_TCP) return;
    const [client, peer, port] = [this.address(flow, this.clientEnd(flow)), this.address(flow, end), identifier.table.port(flow, end)];
    this.#listener.onContain?.({ client, peer, port, holdMs, rule });
  }

  #told(flow: number, direction: 0 | 1, protocolIndex: number, peer: Uint8Array, port: number): void {
    const receiver = direction === 0 ? 1 : 0;
    const protocol = this.#protocols[protocolIndex];
    // What a client says of itself or others is for the outside's ears. (A flow's first packet has no client end yet.)
    if (!protocol || this.#isFromInside) return;
    const client = this.address(flow, receiver);
    this.#listener.onPeerTold?.(flow, protocol, client, peer, port);
    // Anybody of the network can name a web server as a peer: that must not close it for the client.
    if (!this.#listener.onContain || client.length !== peer.length || port < FIRST_USER_PORT) return;
    const { id, category } = protocol;
    const mac = this.#macs[flow] ?? null;
    const { action, rule } = decide(this.#policy, { protocol: id, category, confidence: 'certain', client, outside: peer, mac, timeMs: this.#wallMs });
    if (action.kind === 'contain') this.#listener.onContain({ client, peer, port, holdMs: action.holdMs, rule });
  }

  #trouble(reason: keyof TroubleCounts): PacketVerdict {
    this.troubles[reason]++;
    return this.#policy.trouble === 'accept' ? 'undecided' : 'drop-packet';
  }

  #troubledFlow(flow: number, reason: keyof TroubleCounts): void {
    this.troubles[reason]++;
    const finding = this.identifier.finding(flow);
    if (finding !== null || this.#verdicts[flow]) return;
    this.#settle(flow, null, this.#intern(this.#policy.trouble === 'accept' ? 'pass' : 'drop', 'allow', null, -1, 'state-evicted'));
  }

  /** Our bug, met once at the top: counted, reported, and the feature is put to rest when it goes on. */
  #thrown(error: unknown): void {
    const culprit: Candidate | null = this.identifier.asked;
    const name = culprit ? `${culprit.protocol.id}/${culprit.feature.feature}` : 'engine';
    const count = (this.#throws.get(name) ?? 0) + 1;
    this.#throws.set(name, count);
    // Without it flows that it would have named pass: not when what cannot be judged shall stop.
    const isDisabled = culprit !== null && count === THROWS_ALLOWED && this.#policy.trouble === 'accept';
    if (culprit && isDisabled) this.identifier.disable(culprit);
    if (count <= THROWS_ALLOWED) this.#listener.onThrown?.(name, error, isDisabled);
  }

  #ended(flow: number, finding: FlowFinding | null, reason: FlowEndReason): void {
    if (reason === 'table-full' && !this.#verdicts[flow]) this.troubles['table-full']++;
    this.#listener.onFlowEnd?.(flow, finding, reason, this.#verdicts[flow] ?? null);
    this.#verdicts[flow] = null;
    this.#judged[flow] = null;
    this.#macs[flow] = null;
  }
}

function wantsMac(policy: Policy): boolean {
  return policy.rules.some(({ macs }) => macs.length > 0);
}
