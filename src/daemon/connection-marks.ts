/**
 * Our field in the marks of connections, changed from outside the packet path: forgotten
 * when a policy changes, set when a flow is judged anew while the kernel no longer asks.
 */
import type { Conntrack } from '../kernel/conntrack.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import type { EntryKey } from '../netlink/conntrack-request.js';
import { type MarkField, markOf, markValue } from '../enforce/marks.js';
import type { FlowTable } from '../flow/flow-table.js';

/** The connection of a flow as the FORWARD hook sees it: without destination NAT that is conntrack's original tuple. */
export function flowKey(table: FlowTable, flow: number): EntryKey {
  const end = (which: 0 | 1): Uint8Array => {
    const bytes = new Uint8Array(16);
    return bytes.subarray(0, table.writeAddress(flow, which, bytes, 0));
  };
  return {
    ipVersion: table.ipVersion(flow),
    protocol: table.protocol(flow),
    original: { source: end(0), destination: end(1), sourcePort: table.port(flow, 0), destinationPort: table.port(flow, 1) },
    originalZone: 0,
  };
}

export class ConnectionMarks {
  readonly #conntrack: Conntrack;
  readonly #field: MarkField;

  constructor(conntrack: Conntrack, field: MarkField) {
    this.#conntrack = conntrack;
    this.#field = field;
  }

  /** Makes the kernel ask again for every connection that we decided. Returns how many. */
  forget(): number {
    return this.#setWhere(0, (entry) => markValue(this.#field, entry.mark) !== 0);
  }

  /** Sets the verdict of one connection; false when the kernel does not know it. */
  set(key: EntryKey, value: number): boolean {
    const mark = markOf(this.#field, value);
    if (this.#conntrack.setMark([key], mark, this.#field.mask).done === 1) return true;
    // Picked up in the middle, the flow's first packet may have been an answer.
    const { source, destination, sourcePort, destinationPort } = key.original;
    const turned = { source: destination, destination: source, sourcePort: destinationPort, destinationPort: sourcePort };
    return this.#conntrack.setMark([{ ...key, original: turned }], mark, this.#field.mask).done === 1;
  }

  /** Sets the verdict of every connection of an address. Returns how many. */
  setFor(address: Uint8Array, value: number): number {
    const is = (other: Uint8Array): boolean => other.length === address.length && other.every((byte, i) => byte === address[i]);
    return this.#setWhere(value, ({ original, reply }) => [original.source, original.destination, reply.source].some(is));
  }

  #setWhere(value: number, concerns: (entry: ConntrackEntry) => boolean): number {
    const keys: EntryKey[] = [];
    this.#conntrack.dump(0, {}, (entry) => {
      if (concerns(entry)) keys.push(entry);
    });
    return this.#conntrack.setMark(keys, markOf(this.#field, value), this.#field.mask).done;
  }
}
