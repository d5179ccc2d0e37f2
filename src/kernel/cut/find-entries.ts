/**
 * Entries of connection tracking that a selection can mean, by the shortest way. A netlink dump locks each bucket of the
 * kernel's table: 11 ms for the 262,144 buckets of a machine with 4 GB and more, even when the table is empty. The
 * same walk for /proc/net/nf_conntrack takes no locks: 0.3 ms. So:
 *
 * - few entries: their names from /proc, and then ctnetlink is asked for those that fit
 * - many, and the selection names one address: the kernel searches for it, in both views and both directions
 * - else: everything
 */
import { readFileSync } from 'node:fs';
import { tupleKey } from '../../cutter/connection.js';
import { type Selection, fitsEnds, singleAddress } from '../../cutter/selection.js';
import type { ConntrackEntry } from '../../netlink/conntrack.js';
import { type NamedEntry, readConntrackLine } from '../../netlink/conntrack-text.js';
import type { DumpFilter } from '../../netlink/conntrack-request.js';
import type { Conntrack } from '../conntrack.js';

/** Up to so many entries, text and questions (about 35 us each in a program that has just started) cost less than a dump (11 ms, and 11 us each). */
const FEW_ENTRIES = 500;
/** A table of so many entries is read whole faster than searched four times for an address. */
const SMALL_TABLE = 20_000;

/** The text of the kernel's table; null where this kernel has none (CONFIG_NF_CONNTRACK_PROCFS), or not for us. */
function readTableText(): string | null {
  try {
    // Not /proc/net: that is the namespace of the process, and a thread may be in another one.
    return readFileSync('/proc/thread-self/net/nf_conntrack', 'latin1');
  } catch (error) {
    if (!['ENOENT', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return null;
  }
}

/** Those that can match, each once. `tracked`: how many entries there are, about. */
export function findEntries(table: Conntrack, selection: Selection, tracked: number, readText = readTableText): Iterable<ConntrackEntry> {
  const entries = new Map<number | string, ConntrackEntry>();
  const keep = (entry: ConntrackEntry): void => {
    if (!selection.protocols.includes(entry.protocol)) return;
    // The kernel's numbers are hashes: nearly always enough.
    const known = entries.get(entry.id);
    if (entry.id !== 0 && (known === undefined || isSameEntry(known, entry))) entries.set(entry.id, entry);
    else entries.set(entryKey(entry), entry);
  };
  const text = tracked <= FEW_ENTRIES ? readText() : null;
  if (text !== null) {
    table.findAll(namedEntries(text, selection), keep);
    return entries.values();
  }
  const address = singleAddress(selection);
  if (address === null || tracked <= SMALL_TABLE) {
    table.dump(address === null ? 0 : address.length === 4 ? 4 : 6, selection.mark ? { mark: selection.mark } : {}, keep);
    return entries.values();
  }
  for (const tuple of ['original', 'reply'] as const) {
    for (const side of ['source', 'destination'] as const) {
      const filter: DumpFilter = { address: { tuple, side, value: address } };
      table.dump(address.length === 4 ? 4 : 6, filter, keep);
    }
  }
  return entries.values();
}

function namedEntries(text: string, selection: Selection): NamedEntry[] {
  const found: NamedEntry[] = [];
  for (const line of text.split('\n')) {
    const entry = readConntrackLine(line);
    if (entry && selection.protocols.includes(entry.protocol) && fitsEnds(selection, entry)) found.push(entry);
  }
  return found;
}

function isSameEntry(a: ConntrackEntry, b: ConntrackEntry): boolean {
  const [one, other] = [a.original, b.original];
  return one.sourcePort === other.sourcePort && one.destinationPort === other.destinationPort && entryKey(a) === entryKey(b);
}

const entryKey = ({ protocol, originalZone, original }: ConntrackEntry): string => tupleKey(protocol, originalZone, original);
