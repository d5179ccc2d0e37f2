/**
 * The gate's news as records: EVE events, what `flows` lists, sums for status and metrics. Of one inspection thread;
 * knows nothing of the kernel.
 */
import { addressText } from '../base/address.js';
import type { LiveFlow } from '../control/protocol.js';
import type { FlowVerdict, Gate } from '../engine/gate.js';
import type { FlowFinding } from '../engine/finding.js';
import type { FlowEndReason } from '../flow/flow-table.js';
import type { Verdict } from '../policy/policy.js';
import { flowNames, p2pRecord, timeText } from '../report/flow-record.js';
import type { FlowCounters, SettledCount } from './inspection-news.js';

/** Takes a record for the event log. */
export type EmitEvent = (type: string, record: object) => void;

function verdictRecord({ action, outcome, rule, why }: FlowVerdict): NonNullable<LiveFlow['verdict']> {
  return { action, outcome, rule, why };
}

export class WallEvents {
  /** Flows settled, by outcome and protocol (`-`: not peer-to-peer). */
  readonly settled = new Map<string, SettledCount>();
  readonly byRule = new Map<string, number>();
  readonly #gate: Gate;
  readonly #emit: EmitEvent;

  constructor(gate: Gate, emit: EmitEvent) {
    this.#gate = gate;
    this.#emit = emit;
  }

  finding(flow: number, finding: FlowFinding, { action, rule, why }: Verdict): void {
    this.#emit('p2p', { ...this.#subject(flow, finding), verdict: { action: action.kind, rule, why } });
  }

  verdict(flow: number, finding: FlowFinding | null, verdict: FlowVerdict): void {
    const protocol = finding?.protocol.id ?? '-';
    const key = `${protocol} ${verdict.outcome}`;
    const counted = this.settled.get(key);
    if (counted) counted.count++;
    else this.settled.set(key, { protocol, outcome: verdict.outcome, count: 1 });
    const rule = verdict.rule ?? '(default)';
    if (finding) this.byRule.set(rule, (this.byRule.get(rule) ?? 0) + 1);
    if (verdict.outcome !== 'drop' && verdict.outcome !== 'reject') return;
    this.#emit('block', { ...this.#subject(flow, finding), verdict: verdictRecord(verdict) });
  }

  /** `counted`: the kernel's counters of the whole connection, when known. */
  ended(flow: number, finding: FlowFinding | null, reason: FlowEndReason, verdict: FlowVerdict | null, counted: FlowCounters | null): void {
    const { table } = this.#gate.identifier;
    const { p2p, ...names } = this.#subject(flow, finding);
    this.#emit('flow', {
      ...names,
      start: timeText(table.firstSeenMs(flow)),
      end: timeText(table.lastSeenMs(flow)),
      packets: counted?.packets ?? table.packets(flow, 0) + table.packets(flow, 1),
      bytes: counted?.bytes ?? table.lengthBytes(flow, 0) + table.lengthBytes(flow, 1),
      counted: counted ? 'conntrack' : 'inspected',
      reason,
      p2p,
      verdict: verdict && verdictRecord(verdict),
    });
  }

  /** What `p2pwall flows` shows of a flow. */
  live(flow: number, finding: FlowFinding, verdict: FlowVerdict | null): LiveFlow {
    const { table } = this.#gate.identifier;
    return {
      ...this.#subject(flow, finding),
      verdict: verdict && verdictRecord(verdict),
      start: timeText(table.firstSeenMs(flow)),
      packets_inspected: table.packets(flow, 0) + table.packets(flow, 1),
    };
  }

  #subject(flow: number, finding: FlowFinding | null): Pick<LiveFlow, 'client' | 'p2p'> & ReturnType<typeof flowNames> {
    const { table } = this.#gate.identifier;
    const client = this.#gate.address(flow, this.#gate.clientEnd(flow));
    return {
      ...flowNames(table, flow),
      client: addressText(client, 0, client.length),
      p2p: finding && p2pRecord(finding, table.decidedAtPacket(flow)),
    };
  }
}
