/**
 * ClientBook: inside hosts that run a client now, and their time-locks.
 *
 * A client that pings is identified and locked for `lockMs`. Once blocked it may stop pinging, so a probe is
 * due when half of the lock has passed without news, and again after `probeRetryMs`, `probeRetries` times; any news
 * refreshes the lock. Without news the lock runs out, never earlier than `lockMs` after the last refresh.
 *
 * Several programs may share an address (NAT inside, two users): each UDP port that pinged is probed by
 * itself, and the address stays locked until all of them are silent. SYNs carry no sign of the program, so the
 * lock itself is of the address.
 *
 * Pure and bounded (clients, ports of a client). Times in milliseconds of a clock that does not go back.
 */

export interface ClientBookOptions {
  /** Length of the lock; 0: clients are identified but never locked. */
  readonly lockMs: number;
  readonly probeRetryMs: number;
  readonly probeRetries: number;
  readonly maxClients: number;
}

export const CLIENT_BOOK_DEFAULTS = { lockMs: 120_000, probeRetryMs: 5_000, probeRetries: 2, maxClients: 4_096 } as const;

/** A program of a client, known by the UDP port of its pings. */
export interface ClientProgram {
  readonly port: number;
  /** Network name and encryption type of its last ping: probes copy them. */
  network: string;
  minimumType: number;
  heardAtMs: number;
  probeAtMs: number;
  probesSent: number;
}

export interface Client {
  readonly address: string;
  readonly sinceMs: number;
  /** The client counts as present until then; the same as the end of the lock. */
  untilMs: number;
  /** When the owner last told the data plane about the lock. */
  announcedAtMs: number;
  readonly programs: Map<number, ClientProgram>;
}

export interface Heard {
  readonly client: Client;
  /** Was not present before. */
  readonly isNew: boolean;
  /** A new lock begins, rather than one being refreshed. */
  readonly begins: boolean;
}

/** Identified but not locked clients vanish after this time of silence. */
const PRESENCE_MS = 120_000;
/** Programs behind one address that are probed by themselves. */
const MAX_PROGRAMS = 16;

export class ClientBook {
  readonly #clients = new Map<string, Client>();
  readonly #options: ClientBookOptions;
  readonly #lifeMs: number;

  constructor(options: ClientBookOptions) {
    this.#options = options;
    this.#lifeMs = options.lockMs > 0 ? options.lockMs : PRESENCE_MS;
  }

  get size(): number {
    return this.#clients.size;
  }

  find(address: string): Client | null {
    return this.#clients.get(address) ?? null;
  }

  clients(): IterableIterator<Client> {
    return this.#clients.values();
  }

  /** True while new connections of the client are held back. */
  isLocked(address: string, nowMs: number): boolean {
    const client = this.#clients.get(address);
    return this.#options.lockMs > 0 && client !== undefined && nowMs < client.untilMs;
  }

  /** The client gave a sign of life: identifies it or refreshes its lock. null when there is no room for another client. */
  hear(address: string, nowMs: number): Heard | null {
    const known = this.#clients.get(address);
    if (known && nowMs < known.untilMs) {
      known.untilMs = nowMs + this.#lifeMs;
      return { client: known, isNew: false, begins: false };
    }
    if (!known && this.#clients.size >= this.#options.maxClients) return null;
    // A client that ran out but was not collected yet starts anew.
    const client: Client = { address, sinceMs: nowMs, untilMs: nowMs + this.#lifeMs, announcedAtMs: nowMs, programs: new Map() };
    this.#clients.set(address, client);
    return { client, isNew: known === undefined, begins: true };
  }

  /** As `hear`, from a program that can be probed. */
  hearProgram(client: Client, port: number, network: string, minimumType: number, nowMs: number): ClientProgram | null {
    const probeAtMs = nowMs + this.#lifeMs / 2;
    const known = client.programs.get(port);
    if (known) {
      Object.assign(known, { network, minimumType, heardAtMs: nowMs, probeAtMs, probesSent: 0 });
      return known;
    }
    if (client.programs.size >= MAX_PROGRAMS) return null;
    const program: ClientProgram = { port, network, minimumType, heardAtMs: nowMs, probeAtMs, probesSent: 0 };
    client.programs.set(port, program);
    return program;
  }

  /** The program of a client that a probe went to, or null: only such answers refresh a lock. */
  probedProgram(address: string, port: number): ClientProgram | null {
    const program = this.#clients.get(address)?.programs.get(port);
    return program && program.probesSent > 0 ? program : null;
  }

  /** Programs whose probe is due now; they count as probed. */
  dueProbes(nowMs: number): { client: Client; program: ClientProgram }[] {
    const due: { client: Client; program: ClientProgram }[] = [];
    if (this.#options.lockMs === 0) return due;
    for (const client of this.#clients.values()) {
      if (nowMs >= client.untilMs) continue;
      for (const program of client.programs.values()) {
        if (nowMs < program.probeAtMs || program.probesSent > this.#options.probeRetries) continue;
        program.probesSent++;
        program.probeAtMs = nowMs + this.#options.probeRetryMs;
        due.push({ client, program });
      }
    }
    return due;
  }

  /** Removes and returns the clients whose time has run out. */
  takeExpired(nowMs: number): Client[] {
    const expired: Client[] = [];
    for (const client of this.#clients.values()) {
      if (nowMs < client.untilMs) continue;
      this.#clients.delete(client.address);
      expired.push(client);
    }
    return expired;
  }

  /** The earliest time at which a probe or an expiry is due; Infinity when nothing is. */
  nextDueMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const client of this.#clients.values()) {
      next = Math.min(next, client.untilMs);
      if (this.#options.lockMs === 0) continue;
      for (const program of client.programs.values()) {
        if (program.probesSent <= this.#options.probeRetries) next = Math.min(next, program.probeAtMs);
      }
    }
    return next;
  }
}
