/**
 * What the main thread and the inspection threads say to each other: plain data that structured clone carries.
 * Orders go down, news come up in lists, in order.
 */
import type { RopeConfig } from '../config/schema.js';
import type { LiveFlow } from '../control/protocol.js';
import type { Protocol } from '../detect/detector.js';
import type { MarkField } from '../enforce/marks.js';
import type { TrafficClass } from '../enforce/plan.js';
import type { Containment, TroubleCounts } from '../engine/gate.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import type { EntryKey } from '../netlink/conntrack-request.js';
import type { Policy } from '../policy/policy.js';

/** All that a thread needs to begin. */
export interface InspectionSettings {
  /** Descriptor of the queue's socket; the main thread owns it. */
  readonly queueFd: number;
  readonly policy: Policy;
  readonly classes: readonly TrafficClass[];
  readonly field: MarkField;
  /** What the queue answers for a packet with its verdict in the mark: NF_ACCEPT, or NF_REPEAT where the rules want to see it again. */
  readonly settledVerdict: number;
  readonly inside: readonly string[];
  readonly maxFlows: number;
  readonly hashSeed: number;
  readonly peerAgeMs: number;
  /** What is known of peers, common to all threads. */
  readonly peers: SharedArrayBuffer;
  readonly eventTypes: ReadonlySet<string>;
  readonly rope: RopeSettings;
  /** Rehearse before the first packet: a thread that takes the place of another has packets waiting. */
  readonly isFirst: boolean;
}

/** Detectors of the configuration: functions do not travel, so each thread compiles the scripts itself. */
export interface RopeSettings {
  readonly entries: readonly RopeConfig[];
  readonly configPath: string;
  /** The protocols behind the built-in ones, each at the place that all threads know it by, without features. */
  readonly places: readonly Protocol[];
}

export type Order =
  /** Judge by this from now on; answered with `swapped`. */
  | { readonly kind: 'policy'; readonly policy: Policy; readonly classes: readonly TrafficClass[]; readonly rope: RopeSettings }
  /** Judge all flows that have no verdict now. */
  | { readonly kind: 'judge' }
  /** The kernel forgot the connection: end its flow. */
  | { readonly kind: 'end'; readonly ends: string; readonly counters: FlowCounters | null }
  /** End all flows, and the thread. */
  | { readonly kind: 'stop' };

/** The kernel's counts of a whole connection. */
export interface FlowCounters {
  readonly packets: number;
  readonly bytes: number;
}

/** Sums since the thread began, and what it holds now. */
export interface InspectionCounters {
  packets: number;
  bytes: number;
  droppedPackets: number;
  flows: number;
  troubles: TroubleCounts;
  /** Packets by time spent on their batch, as in `LATENCY_BOUNDS_S`. */
  latency: readonly number[];
  latencySumS: number;
  settled: readonly SettledCount[];
  byRule: ReadonlyMap<string, number>;
}

/** Flows settled, by protocol (`-`: not peer-to-peer) and outcome. */
export interface SettledCount {
  readonly protocol: string;
  readonly outcome: string;
  count: number;
}

export type News =
  | { readonly kind: 'ready' }
  | { readonly kind: 'swapped' }
  /** Lines for the event log. */
  | { readonly kind: 'events'; readonly lines: readonly string[] }
  /** A flow has a finding, or another verdict. */
  | { readonly kind: 'flow'; readonly ends: string; readonly live: LiveFlow }
  | { readonly kind: 'gone'; readonly ends: string }
  /** A client is limited by a rule for the first time, perhaps. */
  | { readonly kind: 'class'; readonly rule: string; readonly client: Uint8Array }
  /** A verdict that no packet waits for: into the mark of the connection. */
  | { readonly kind: 'mark'; readonly key: EntryKey; readonly value: number }
  | { readonly kind: 'cut'; readonly key: EntryKey }
  | { readonly kind: 'contain'; readonly containment: Containment }
  | { readonly kind: 'thrown'; readonly feature: string; readonly stack: string; readonly isDisabled: boolean }
  | { readonly kind: 'refused'; readonly errno: number }
  | { readonly kind: 'counters'; readonly counters: InspectionCounters };

/** Both directions of a connection; null when the kernel did not count (nf_conntrack_acct was off when it began). */
export function countersOf({ originalCounters, replyCounters }: ConntrackEntry): FlowCounters | null {
  if (!originalCounters) return null;
  return { packets: originalCounters.packets + (replyCounters?.packets ?? 0), bytes: originalCounters.bytes + (replyCounters?.bytes ?? 0) };
}

export function noCounters(): InspectionCounters {
  const troubles: TroubleCounts = { malformed: 0, truncated: 0, 'detector-threw': 0, 'state-evicted': 0, 'table-full': 0 };
  return { packets: 0, bytes: 0, droppedPackets: 0, flows: 0, troubles, latency: [], latencySumS: 0, settled: [], byRule: new Map() };
}

export function sumOfCounters(a: InspectionCounters, b: InspectionCounters): InspectionCounters {
  const settled = new Map<string, SettledCount>();
  for (const it of [...a.settled, ...b.settled]) {
    const key = `${it.protocol} ${it.outcome}`;
    settled.set(key, { ...it, count: it.count + (settled.get(key)?.count ?? 0) });
  }
  const byRule = new Map(a.byRule);
  for (const [rule, count] of b.byRule) byRule.set(rule, count + (byRule.get(rule) ?? 0));
  const troubles = { ...a.troubles };
  for (const reason of Object.keys(troubles) as (keyof TroubleCounts)[]) troubles[reason] += b.troubles[reason];
  const longer = a.latency.length > b.latency.length ? a.latency : b.latency;
  return {
    packets: a.packets + b.packets,
    bytes: a.bytes + b.bytes,
    droppedPackets: a.droppedPackets + b.droppedPackets,
    flows: a.flows + b.flows,
    troubles,
    latency: longer.map((_, i) => (a.latency[i] ?? 0) + (b.latency[i] ?? 0)),
    latencySumS: a.latencySumS + b.latencySumS,
    settled: [...settled.values()],
    byRule,
  };
}
