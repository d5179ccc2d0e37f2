/** Who moves how much, by client and protocol: findings of the gate joined to the kernel's counters. */
import { addressText } from '../base/address.js';
import type { TopRow } from '../control/protocol.js';
import type { Gate } from '../engine/gate.js';
import type { Conntrack } from '../kernel/conntrack.js';
import type { FlowIndex } from './flow-index.js';

/** Rows in all; the rest is summed under the client `other`. */
const MAX_ROWS = 5000;

/** Connections without counters (nf_conntrack_acct off when they began) count as flows of 0 bytes. */
export function topRows(conntrack: Conntrack, gate: Gate, index: FlowIndex): TopRow[] {
  const rows = new Map<string, { client: string; protocol: string; action: string; flows: number; bytes: number }>();
  conntrack.dump(0, {}, (entry) => {
    const flow = index.find(entry);
    const finding = flow < 0 ? null : gate.identifier.finding(flow);
    const clientBytes = flow < 0 ? entry.original.source : gate.address(flow, gate.clientEnd(flow));
    let client = addressText(clientBytes, 0, clientBytes.length);
    const protocol = finding?.protocol.id ?? '-';
    const action = flow < 0 ? '-' : (gate.verdict(flow)?.outcome ?? 'inspecting');
    let key = `${client} ${protocol} ${action}`;
    if (!rows.has(key) && rows.size >= MAX_ROWS) {
      client = 'other';
      key = `${client} ${protocol} ${action}`;
    }
    const row = rows.get(key) ?? { client, protocol, action, flows: 0, bytes: 0 };
    row.flows++;
    row.bytes += (entry.originalCounters?.bytes ?? 0) + (entry.replyCounters?.bytes ?? 0);
    rows.set(key, row);
  });
  return [...rows.values()].sort((a, b) => b.bytes - a.bytes);
}
