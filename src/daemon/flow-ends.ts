/**
 * One name for a connection on both sides: flows of the engine and entries of the kernel's connection table.
 *
 * The queue stands in FORWARD, after destination NAT and before source NAT: packets there go from the source of
 * the original direction to the source of the reply, whatever NAT does to either.
 */
import { addressText } from '../base/address.js';
import type { FlowTable } from '../flow/flow-table.js';
import type { ConntrackEntry, Tuple } from '../netlink/conntrack.js';
import type { EntryKey } from '../netlink/conntrack-request.js';
import { endText } from '../report/flow-record.js';

/** The name of a flow, initiator first. */
export function flowEnds(table: FlowTable, flow: number): string {
  return `${table.protocol(flow)} ${endText(table, flow, 0)} ${table.port(flow, 0)} ${endText(table, flow, 1)} ${table.port(flow, 1)}`;
}

/** The ends of an entry as its packets show them in FORWARD. */
export function forwardTuple({ original, reply }: Pick<ConntrackEntry, 'original' | 'reply'>): Tuple {
  return { source: original.source, sourcePort: original.sourcePort, destination: reply.source, destinationPort: reply.sourcePort };
}

export function tupleEnds(protocol: number, tuple: Tuple): string {
  const text = (bytes: Uint8Array): string => addressText(bytes, 0, bytes.length);
  return `${protocol} ${text(tuple.source)} ${tuple.sourcePort} ${text(tuple.destination)} ${tuple.destinationPort}`;
}

export function turned(tuple: Tuple): Tuple {
  return { source: tuple.destination, sourcePort: tuple.destinationPort, destination: tuple.source, destinationPort: tuple.sourcePort };
}

/** The connection of a flow as FORWARD shows it: conntrack's original tuple when there is no destination NAT. */
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
