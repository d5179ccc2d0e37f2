/** Who moves how much, by client and protocol: findings joined to the kernel's counters. */
import { addressText } from '../base/address.js';
import type { LiveFlow, TopRow } from '../control/protocol.js';
import { ConntrackTable } from '../kernel/conntrack.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import { countersOf } from './inspection-news.js';

/** Rows in all; the rest is summed under the client `other`. */
const MAX_ROWS = 5000;

/** Finds the flow of a connection, null when it has no finding. Connections without counters (nf_conntrack_acct off when they began) count as flows of 0 bytes. */
async function topRows(conntrack: ConntrackTable, find: (entry: ConntrackEntry) => LiveFlow | null): Promise<TopRow[]> {
  const rows = new Map<string, { client: string; protocol: string; action: string; flows: number; bytes: number }>();
  await conntrack.dumpInTurns(0, {}, (entry) => {
    const flow = find(entry);
    let client = flow?.client ?? addressText(entry.original.source, 0, entry.original.source.length);
    const protocol = flow?.p2p?.protocol ?? '-';
    const action = flow === null ? '-' : (flow.verdict?.outcome ?? 'inspecting');
    let key = `${client} ${protocol} ${action}`;
    if (!rows.has(key) && rows.size >= MAX_ROWS) {
      client = 'other';
      key = `${client} ${protocol} ${action}`;
    }
    const row = rows.get(key) ?? { client, protocol, action, flows: 0, bytes: 0 };
    row.flows++;
    row.bytes += countersOf(entry)?.bytes ?? 0;
    rows.set(key, row);
  });
  return [...rows.values()].sort((a, b) => b.bytes - a.bytes);
}

/** Lists in turns of the event loop; who asks meanwhile gets the same list. */
export class TopListing {
  readonly #find: (entry: ConntrackEntry) => LiveFlow | null;
  #underWay: Promise<TopRow[]> | null = null;

  constructor(find: (entry: ConntrackEntry) => LiveFlow | null) {
    this.#find = find;
  }

  rows(): Promise<TopRow[]> {
    this.#underWay ??= this.#list().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  async #list(): Promise<TopRow[]> {
    // A socket of its own: others ask for connections meanwhile.
    const conntrack = new ConntrackTable();
    try {
      return await topRows(conntrack, this.#find);
    } finally {
      conntrack.close();
    }
  }
}
