/**
 * Ends established connections that the policy, or the administrator, has come to refuse: at
 * both ends, idle ones too. Rules of the kernel alone would end each side only when it next speaks.
 *
 * Runs beside the packet path, a batch at a time; what cannot be cut stays refused by its mark.
 */
import { NO_TIMEOUTS, connectionOfEntry, tupleKey } from '../cutter/connection.js';
import { ALL_CONNECTIONS } from '../cutter/selection.js';
import type { Conntrack } from '../kernel/conntrack.js';
import { CutEngine } from '../kernel/cut/cut-connections.js';
import { discover } from '../kernel/cut/discover.js';
import { SystemError } from '../kernel/system-error.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import type { EntryKey } from '../netlink/conntrack-request.js';
import { turned } from './flow-ends.js';
import type { Log } from './log.js';
import { IPPROTO_TCP } from '../wire/constants.js';

/** Flows that are refused within so long are cut together. */
const GATHER_MS = 100;
/** Flows that wait; a flood of refusals beyond it is left to the rules. */
const MAX_WAITING = 1024;
/** A peer that does not answer for so long is left to the rules. */
const TIMEOUT_MS = 2000;

export class ConnectionCuts {
  readonly #conntrack: Conntrack;
  readonly #log: Log;
  readonly #engine = new CutEngine();
  #waiting = new Map<string, EntryKey>();
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(conntrack: Conntrack, log: Log) {
    this.#conntrack = conntrack;
    this.#log = log;
  }

  /** Cuts this TCP connection soon; other protocols have no ends to cut. */
  flow(key: EntryKey): void {
    if (key.protocol !== IPPROTO_TCP || this.#waiting.size >= MAX_WAITING || this.#isClosed) return;
    this.#waiting.set(tupleKey(key.protocol, key.originalZone, key.original), key);
    this.#timer ??= setTimeout(() => this.#cutWaiting(), GATHER_MS).unref();
  }

  /** Cuts every TCP connection of an address now. */
  address(address: Uint8Array): void {
    const network = { address, prefixLength: 8 * address.length };
    const ends = [{ networks: [network], ports: [] }, { networks: [], ports: [] }] as const;
    this.#cut(() => discover({ ...ALL_CONNECTIONS, ends }).connections.flatMap(({ entry }) => (entry ? [entry] : [])), 'connections of a blocked address');
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#engine.close();
  }

  #cutWaiting(): void {
    const keys = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#timer = null;
    this.#cut(() => keys.flatMap((key) => this.#entryOf(key) ?? []), 'connections that the policy refuses');
  }

  #entryOf(key: EntryKey): ConntrackEntry | null {
    // As in `ConnectionMarks.set`; what both kinds of NAT change is left to the rules.
    return this.#conntrack.find(key) ?? this.#conntrack.find({ ...key, original: turned(key.original) });
  }

  #cut(find: () => readonly ConntrackEntry[], what: string): void {
    this.#run(find, what).catch((error: unknown) => {
      if (!(error instanceof SystemError)) throw error;
      if (!this.#isClosed) this.#log.warn({ component: 'cutter', hint: error.hint }, error.message);
    });
  }

  async #run(find: () => readonly ConntrackEntry[], what: string): Promise<void> {
    const connections = find().map((entry) => connectionOfEntry(entry, 0, NO_TIMEOUTS));
    if (connections.length === 0) return;
    const report = await this.#engine.cut({ connections, method: 'auto', timeoutMs: TIMEOUT_MS, holdSeconds: 0 });
    const cut = report.results.filter(({ isCut }) => isCut).length;
    this.#log.info({ component: 'cutter', cut, left: report.results.length - cut }, what);
  }
}
