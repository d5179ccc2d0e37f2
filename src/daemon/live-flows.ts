/** Flows with a finding, of all inspection threads, by their ends: what listings show and the kernel's entries are joined to. Bounded by the flow tables. */
import type { LiveFlow } from '../control/protocol.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import { forwardTuple, tupleEnds, turned } from './flow-ends.js';

interface Held {
  readonly live: LiveFlow;
  /** Number of the thread. */
  readonly inspector: number;
}

export interface FoundFlow extends Held {
  readonly ends: string;
}

export class LiveFlows {
  readonly #flows = new Map<string, Held>();

  set(ends: string, inspector: number, live: LiveFlow): void {
    this.#flows.set(ends, { inspector, live });
  }

  delete(ends: string): void {
    this.#flows.delete(ends);
  }

  /** A thread ended, and its flows with it. */
  deleteOf(inspector: number): void {
    for (const [ends, held] of this.#flows) if (held.inspector === inspector) this.#flows.delete(ends);
  }

  /** The flow of a connection; null when it has no finding. */
  find(entry: ConntrackEntry): FoundFlow | null {
    const tuple = forwardTuple(entry);
    // Picked up in the middle, a flow's first packet may have been an answer.
    for (const ends of [tupleEnds(entry.protocol, tuple), tupleEnds(entry.protocol, turned(tuple))]) {
      const held = this.#flows.get(ends);
      if (held) return { ends, ...held };
    }
    return null;
  }

  /** At most `limit`, the oldest first. */
  list(limit: number): LiveFlow[] {
    const found: LiveFlow[] = [];
    for (const { live } of this.#flows.values()) {
      if (found.length >= limit) break;
      found.push(live);
    }
    return found;
  }
}
