/**
 * One queue's packets under the policy: gate, packet path and events of one thread. What concerns the rest of the
 * daemon becomes news. Opens nothing and knows no thread: `inspection-thread.ts` gives it packets, orders and time.
 */
import { Gate, type GateListener } from '../engine/gate.js';
import type { QueuedPacket } from '../netlink/nfqueue.js';
import { flowEnds, flowKey } from './flow-ends.js';
import type { FlowCounters, InspectionCounters, InspectionSettings, News, Order } from './inspection-news.js';
import { eventLine } from './event-log.js';
import { InsideInterfaces } from './interfaces.js';
import { PacketPath } from './packet-path.js';
import { protocolsOf } from './rope-places.js';
import { WallEvents } from './wall-events.js';

/** Flows judged anew in one review (late knowledge, hours of rules): 100,000 of them within two and a half seconds. */
const REVIEW_FLOWS = 8192;
/** Entries of the flow table looked at for age in each housekeeping. */
const SWEEP_FLOWS = 20_000;

export class Inspection {
  readonly #gate: Gate;
  readonly #path: PacketPath;
  readonly #events: WallEvents;
  readonly #inside: InsideInterfaces;
  /** Flows with a finding, by their ends. Bounded by the flow table. */
  readonly #named = new Map<string, number>();
  #news: News[] = [];
  #lines: string[] = [];
  /** Of the connection whose flow is about to end. */
  #counted: FlowCounters | null = null;

  constructor(settings: InspectionSettings) {
    const { policy, rope, maxFlows, hashSeed, peerAgeMs, peers, eventTypes, inside, field, classes, settledVerdict } = settings;
    this.#gate = new Gate(
      { protocols: protocolsOf(rope), policy, flows: { maxFlows, hashSeed }, peers: { ageMs: peerAgeMs, shared: peers } },
      this.#listener(),
    );
    this.#events = new WallEvents(this.#gate, (type, record) => {
      if (eventTypes.has(type)) this.#lines.push(eventLine(type, record));
    });
    this.#inside = new InsideInterfaces(inside);
    this.#path = new PacketPath(this.#gate, field, this.#inside, classes, settledVerdict);
  }

  #listener(): GateListener {
    return {
      onFinding: (flow, finding, verdict) => {
        this.#events.finding(flow, finding, verdict);
        this.#named.set(this.#ends(flow), flow);
        this.tell({ kind: 'flow', ends: this.#ends(flow), live: this.#events.live(flow, finding, null) });
      },
      onVerdict: (flow, finding, verdict) => {
        this.#events.verdict(flow, finding, verdict);
        if (finding) this.tell({ kind: 'flow', ends: this.#ends(flow), live: this.#events.live(flow, finding, verdict) });
        if (verdict.outcome === 'class' && verdict.rule !== null) this.tell({ kind: 'class', rule: verdict.rule, client: this.#gate.address(flow, this.#gate.clientEnd(flow)) });
        if (verdict.outcome === 'reject') this.tell({ kind: 'cut', key: flowKey(this.#gate.identifier.table, flow) });
      },
      onFlowEnd: (flow, finding, reason, verdict) => {
        if (finding) this.#forget(this.#ends(flow));
        this.#events.ended(flow, finding, reason, verdict, this.#counted);
      },
      onContain: (containment) => this.tell({ kind: 'contain', containment }),
      onThrown: (feature, error, isDisabled) => this.tell({ kind: 'thrown', feature, stack: (error as Error).stack ?? String(error), isDisabled }),
    };
  }

  #forget(ends: string): void {
    this.#named.delete(ends);
    this.tell({ kind: 'gone', ends });
  }

  /** Adds to what `takeNews` gives. */
  tell(news: News): void {
    this.#news.push(news);
  }

  #ends(flow: number): string {
    return flowEnds(this.#gate.identifier.table, flow);
  }

  /** A batch from the queue; sets the verdicts of its packets. */
  receive(packets: readonly QueuedPacket[], count: number): void {
    this.#path.receive(packets, count);
  }

  /** `stop` is the thread's own matter. Times as for `Gate.packet`. */
  obey(order: Exclude<Order, { kind: 'stop' }>, timeMs: number, wallMs: number): void {
    switch (order.kind) {
      case 'policy':
        // Undecided flows are asked afresh, so not without need.
        if (order.rope.places.length > 0) this.#gate.setProtocols(protocolsOf(order.rope));
        this.#gate.setPolicy(order.policy);
        this.#path.setClasses(order.classes);
        this.tell({ kind: 'swapped' });
        break;
      case 'judge':
        this.#gate.judgeAll(timeMs, wallMs, (flow, verdict) => this.#enforce(flow, this.#path.value(verdict), verdict.outcome));
        break;
      case 'end':
        this.#end(order.ends, order.counters);
        break;
    }
  }

  #end(ends: string, counters: FlowCounters | null): void {
    const flow = this.#named.get(ends);
    // It may have ended by itself meanwhile.
    if (flow === undefined) return;
    this.#counted = counters;
    this.#gate.identifier.table.remove(flow, 'closed');
    this.#counted = null;
  }

  #enforce(flow: number, value: number, outcome: string): void {
    const key = flowKey(this.#gate.identifier.table, flow);
    this.tell({ kind: 'mark', key, value });
    if (outcome === 'reject' || outcome === 'drop') this.tell({ kind: 'cut', key });
  }

  /** Judges a part of the flows anew. */
  review(timeMs: number, wallMs: number): void {
    this.#gate.review(timeMs, wallMs, (flow, verdict) => this.#enforce(flow, this.#path.value(verdict), verdict.outcome), REVIEW_FLOWS);
  }

  /** Forgets old flows; looks for interfaces that came and went. */
  keepHouse(timeMs: number): void {
    this.#inside.refresh();
    this.#gate.identifier.table.sweep(timeMs, SWEEP_FLOWS);
  }

  counters(): InspectionCounters {
    const { counters, latency, latencySumS } = this.#path;
    return {
      ...counters,
      flows: this.#gate.identifier.table.size,
      troubles: this.#gate.troubles,
      latency,
      latencySumS,
      settled: [...this.#events.settled.values()],
      byRule: this.#events.byRule,
    };
  }

  /** Ends all flows. */
  finish(): void {
    this.#gate.identifier.finish();
  }

  /** What happened since the last call. */
  takeNews(): News[] {
    const news = this.#news;
    if (this.#lines.length > 0) news.push({ kind: 'events', lines: this.#lines });
    this.#news = [];
    this.#lines = [];
    return news;
  }
}
