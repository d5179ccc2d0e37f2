/**
 * Our field in the marks of connections, changed from outside the packet path: forgotten
 * when a policy changes, set when a flow is judged anew while the kernel no longer asks.
 */
import type { Conntrack } from '../kernel/conntrack.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import type { EntryKey } from '../netlink/conntrack-request.js';
import { type MarkField, markOf, markValue } from '../enforce/marks.js';
import { forwardTuple, tupleEnds, turned } from './flow-ends.js';

/** Connections under source and destination NAT at once whose mark waits for the next look through the whole table. */
const MAX_UNFOUND = 4096;

export class ConnectionMarks {
  readonly #conntrack: Conntrack;
  readonly #field: MarkField;
  /** Marks of flows that the kernel knows under neither of their ends, by these. */
  #unfound = new Map<string, number>();

  constructor(conntrack: Conntrack, field: MarkField) {
    this.#conntrack = conntrack;
    this.#field = field;
  }

  /** Makes the kernel ask again for every connection that we decided. Returns how many. */
  forget(): number {
    return this.#setWhere((entry) => (markValue(this.#field, entry.mark) === 0 ? null : 0));
  }

  /**
   * Sets the verdict of one connection, as FORWARD shows it (`flowKey`). One whose ends are both translated is left to
   * `setUnfound`.
   */
  set(key: EntryKey, value: number): void {
    const mark = markOf(this.#field, value);
    if (this.#conntrack.setMark([key], mark, this.#field.mask).done === 1) return;
    // The kernel finds an entry by the tuple of either direction. Turned, a flow that was picked up in the middle is found by
    // its original tuple, and one under destination NAT by that of the reply.
    if (this.#conntrack.setMark([{ ...key, original: turned(key.original) }], mark, this.#field.mask).done === 1) return;
    if (this.#unfound.size < MAX_UNFOUND) this.#unfound.set(tupleEnds(key.protocol, key.original), value);
  }

  /** Looks through the table for what `set` did not find; what is not there has ended. Returns how many it found. */
  setUnfound(): number {
    const wanted = this.#unfound;
    if (wanted.size === 0) return 0;
    this.#unfound = new Map();
    return this.#setWhere((entry) => {
      const tuple = forwardTuple(entry);
      return wanted.get(tupleEnds(entry.protocol, tuple)) ?? wanted.get(tupleEnds(entry.protocol, turned(tuple))) ?? null;
    });
  }

  /** Sets the verdict of every connection of an address, whatever NAT does to it. Returns how many. */
  setFor(address: Uint8Array, value: number): number {
    const is = (other: Uint8Array): boolean => other.length === address.length && other.every((byte, i) => byte === address[i]);
    return this.#setWhere(({ original, reply }) => ([original.source, original.destination, reply.source, reply.destination].some(is) ? value : null));
  }

  /** `valueFor`: what the connection's field becomes; null: leave it. */
  #setWhere(valueFor: (entry: ConntrackEntry) => number | null): number {
    const keys = new Map<number, EntryKey[]>();
    this.#conntrack.dump(0, {}, (entry) => {
      const value = valueFor(entry);
      if (value === null) return;
      const some = keys.get(value);
      if (some) some.push(entry);
      else keys.set(value, [entry]);
    });
    let done = 0;
    for (const [value, some] of keys) done += this.#conntrack.setMark(some, markOf(this.#field, value), this.#field.mask).done;
    return done;
  }
}
