/**
 * Flows with a finding by the kernel's names for them, so that conntrack's counters (which also see what is no longer
 * queued) can be joined to findings. Bounded by the flow table.
 */
import type { FlowTable } from '../flow/flow-table.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import { flowKey } from './connection-marks.js';

type Ends = Pick<ConntrackEntry, 'protocol' | 'original'>;

function text({ protocol, original }: Ends, isTurned: boolean): string {
  const { source, destination, sourcePort, destinationPort } = original;
  const from = `${source.join('.')}:${sourcePort}`;
  const to = `${destination.join('.')}:${destinationPort}`;
  return isTurned ? `${protocol} ${to} ${from}` : `${protocol} ${from} ${to}`;
}

export class FlowIndex {
  readonly #flows = new Map<string, number>();

  add(table: FlowTable, flow: number): void {
    this.#flows.set(text(flowKey(table, flow), false), flow);
  }

  remove(table: FlowTable, flow: number): void {
    const key = text(flowKey(table, flow), false);
    if (this.#flows.get(key) === flow) this.#flows.delete(key);
  }

  /** The flow of a connection, -1 when it has no finding. */
  find(entry: Ends): number {
    return this.#flows.get(text(entry, false)) ?? this.#flows.get(text(entry, true)) ?? -1;
  }

  get size(): number {
    return this.#flows.size;
  }
}
