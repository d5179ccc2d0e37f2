/**
 * The gate's news as events: EVE records, counters for status and metrics, and what `flows`
 * lists. Knows nothing of the kernel.
 */
import { addressText } from '../base/address.js';
import type { LiveFlow } from '../control/protocol.js';
import type { Containment, FlowVerdict, Gate } from '../engine/gate.js';
import type { FlowFinding } from '../engine/finding.js';
import type { FlowEndReason } from '../flow/flow-table.js';
import type { Verdict } from '../policy/policy.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import type { EventLog } from './event-log.js';
import { flowNames, p2pRecord, timeText } from '../report/flow-record.js';

function verdictRecord(verdict: FlowVerdict): object {
  return { action: verdict.action, outcome: verdict.outcome, rule: verdict.rule, why: verdict.why };
}

export class WallEvents {
  /** Flows settled, by outcome and protocol (`-`: not peer-to-peer). */
  readonly settled = new Map<string, { readonly protocol: string; readonly outcome: string; count: number }>();
  readonly byRule = new Map<string, number>();
  readonly #log: EventLog;
  #counters: ConntrackEntry | null = null;

  constructor(log: EventLog) {
    this.#log = log;
  }

  /** Counters of the connection whose flow is about to end. */
  withCounters(entry: ConntrackEntry, end: () => void): void {
    this.#counters = entry;
    end();
    this.#counters = null;
  }

  finding(gate: Gate, flow: number, finding: FlowFinding, verdict: Verdict): void {
    const { table } = gate.identifier;
    const { action, rule, why } = verdict;
    this.#log.emit('p2p', {
      ...flowNames(table, flow),
      client: this.#client(gate, flow),
      p2p: p2pRecord(finding, table.decidedAtPacket(flow)),
      verdict: { action: action.kind, rule, why },
    });
  }

  verdict(gate: Gate, flow: number, finding: FlowFinding | null, verdict: FlowVerdict): void {
    const protocol = finding?.protocol.id ?? '-';
    const key = `${protocol} ${verdict.outcome}`;
    const counted = this.settled.get(key);
    if (counted) counted.count++;
    else this.settled.set(key, { protocol, outcome: verdict.outcome, count: 1 });
    const rule = verdict.rule ?? '(default)';
    if (finding) this.byRule.set(rule, (this.byRule.get(rule) ?? 0) + 1);
    if (verdict.outcome !== 'drop' && verdict.outcome !== 'reject') return;
    const { table } = gate.identifier;
    this.#log.emit('block', {
      ...flowNames(table, flow),
      client: this.#client(gate, flow),
      p2p: finding && p2pRecord(finding, table.decidedAtPacket(flow)),
      verdict: verdictRecord(verdict),
    });
  }

  contained(containment: Containment): void {
    const text = (bytes: Uint8Array): string => addressText(bytes, 0, bytes.length);
    this.#log.emit('peer', {
      client: text(containment.client),
      peer: { ip: text(containment.peer), port: containment.port, hold_seconds: containment.holdMs / 1000 },
      verdict: { action: 'contain', rule: containment.rule, why: 'contained' },
    });
  }

  ended(gate: Gate, flow: number, finding: FlowFinding | null, reason: FlowEndReason, verdict: FlowVerdict | null): void {
    const { table } = gate.identifier;
    const counted = this.#counters;
    const sum = (pick: 'packets' | 'bytes'): number => (counted?.originalCounters?.[pick] ?? 0) + (counted?.replyCounters?.[pick] ?? 0);
    const isCounted = counted?.originalCounters != null;
    this.#log.emit('flow', {
      ...flowNames(table, flow),
      client: this.#client(gate, flow),
      start: timeText(table.firstSeenMs(flow)),
      end: timeText(table.lastSeenMs(flow)),
      packets: isCounted ? sum('packets') : table.packets(flow, 0) + table.packets(flow, 1),
      bytes: isCounted ? sum('bytes') : table.lengthBytes(flow, 0) + table.lengthBytes(flow, 1),
      counted: isCounted ? 'conntrack' : 'inspected',
      reason,
      p2p: finding && p2pRecord(finding, table.decidedAtPacket(flow)),
      verdict: verdict && verdictRecord(verdict),
    });
  }

  #client(gate: Gate, flow: number): string {
    const bytes = gate.address(flow, gate.clientEnd(flow));
    return addressText(bytes, 0, bytes.length);
  }

  /** Flows with a finding, at most `limit`. */
  flows(gate: Gate, limit: number): LiveFlow[] {
    const { identifier } = gate;
    const { table } = identifier;
    const found: LiveFlow[] = [];
    table.forEach((flow) => {
      const finding = identifier.finding(flow);
      if (finding === null || found.length >= limit) return;
      const verdict = gate.verdict(flow);
      found.push({
        ...flowNames(table, flow),
        client: this.#client(gate, flow),
        p2p: p2pRecord(finding, table.decidedAtPacket(flow)),
        verdict: verdict && { action: verdict.action, outcome: verdict.outcome, rule: verdict.rule, why: verdict.why },
        start: timeText(table.firstSeenMs(flow)),
        packets_inspected: table.packets(flow, 0) + table.packets(flow, 1),
      });
    });
    return found;
  }
}
