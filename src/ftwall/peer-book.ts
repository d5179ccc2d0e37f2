/**
 * PeerBook: endpoints that clients revealed as peers of a P2P network, and for whom they are blocked.
 *
 * Two programs keep their peers here: ftwall, whose confirmed peers are blocked for everybody, and the wall's `contain`, whose
 * rules say for whom: there each client has entries of its own (`isSharing` false).
 *
 * Pure and bounded: entries in all, entries for each client, and age. Times come from the caller, in
 * milliseconds of a clock that does not go back. Addresses are canonical text (`addressText`).
 *
 * Security: an inside host can name any address as its peer. Blocking that address for everybody would
 * let it cut off a site for all (the original did). So a peer is blocked for the client that revealed
 * it, until the peer itself answers or a second client names it; networks on the protected list never
 * become peers; one client can hold `maxPeersPerClient` entries, so it cannot push out those of others.
 */

import { PeerStore } from './peer-store.js';

/** What is known of a peer at the moment of asking. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  /** The client that revealed it; '' for peers read from a store without that detail. */
  readonly client: string;
  /** Blocked for everybody: the peer answered, a second client named it, or a store said so. */
  readonly isConfirmed: boolean;
  /** Last time it was revealed. */
  readonly seenAtMs: number;
  /** When it is forgotten unless it is revealed again. */
  readonly untilMs: number;
  /** Until when the data plane was last told to block it. */
  readonly announcedUntilMs: number;
  /** A number that the last revelation brought along. */
  readonly source: number;
}

export type Revelation =
  /** A new entry. */
  | 'new'
  /** Known before; now blocked for everybody. */
  | 'confirmed'
  /** Known before. */
  | 'known'
  /** On a protected network: never a peer. */
  | 'protected'
  /** The client has as many entries as it may have. */
  | 'client-full';

export interface PeerBookOptions {
  readonly maxPeers: number;
  readonly maxPeersPerClient: number;
  /** Entries that nobody revealed for so long are forgotten, unless their revelation said another time. */
  readonly ageMs: number;
  /** Default true: a confirmed peer is blocked for everybody. False: entries are each client's own, and none is ever confirmed. */
  readonly isSharing?: boolean;
  /** True for addresses that must never be blocked. */
  readonly isProtected: (address: string) => boolean;
  /** An entry was forgotten for lack of room. Those that grew too old have run out in the data plane as well. */
  readonly onForget?: (peer: Peer) => void;
}

export const PEER_BOOK_DEFAULTS = { maxPeers: 200_000, maxPeersPerClient: 2_000, ageMs: 24 * 3_600_000 } as const;

export class PeerBook {
  /** Oldest first: revealing an entry again moves it to the end. */
  readonly #store = new PeerStore();
  readonly #countOfClient = new Map<string, number>();
  readonly #options: PeerBookOptions;
  readonly #isSharing: boolean;
  #shortestLifeMs = Number.POSITIVE_INFINITY;

  constructor(options: PeerBookOptions) {
    this.#options = options;
    this.#isSharing = options.isSharing ?? true;
  }

  get size(): number {
    return this.#store.size;
  }

  /** Entries that count against one client's share. */
  countOf(client: string): number {
    return this.#countOfClient.get(client) ?? 0;
  }

  /** The entry that counts for a client, or null. */
  find(client: string, address: string, port: number): Peer | null {
    const slot = this.#slot(client, address, port);
    return slot < 0 ? null : this.#peer(slot);
  }

  /** Whether there is an entry that counts for a client. */
  has(client: string, address: string, port: number): boolean {
    return this.#slot(client, address, port) >= 0;
  }

  /** All entries, the newest first. */
  *newestFirst(): Generator<Peer> {
    for (let slot = this.#store.newest; slot >= 0; slot = this.#store.older(slot)) yield this.#peer(slot);
  }

  /**
   * The client named the endpoint as a peer, for `lifeMs`; an entry that lives longer keeps its time. `find` gives the entry unless the
   * answer is `protected` or `client-full`.
   */
  reveal(client: string, address: string, port: number, nowMs: number, lifeMs = this.#options.ageMs, source = 0): Revelation {
    const store = this.#store;
    const slot = this.#slot(client, address, port);
    if (slot >= 0) {
      if (nowMs + lifeMs >= this.#untilMs(slot)) {
        this.#setLife(slot, lifeMs, source);
        this.#touch(slot, nowMs);
      }
      if (store.isConfirmed[slot] === 1 || this.#clientOf(slot) === client) return 'known';
      store.isConfirmed[slot] = 1;
      return 'confirmed';
    }
    if (port === 0 || this.#options.isProtected(address)) return 'protected';
    if (this.countOf(client) >= this.#options.maxPeersPerClient) return 'client-full';
    const added = this.#add(client, address, port, false, nowMs);
    if (added < 0) return 'protected';
    this.#setLife(added, lifeMs, source);
    return 'new';
  }

  /** The endpoint itself proved to be a peer of the client. False when no client revealed it, or it is confirmed already. */
  confirm(client: string, address: string, port: number, nowMs: number): boolean {
    const slot = this.#slot(client, address, port);
    if (slot < 0 || !this.#isSharing) return false;
    this.#touch(slot, nowMs);
    if (this.#store.isConfirmed[slot] === 1) return false;
    this.#store.isConfirmed[slot] = 1;
    return true;
  }

  /** The data plane was told to block an entry until then. */
  announced(client: string, address: string, port: number, untilMs: number): void {
    const slot = this.#slot(client, address, port);
    if (slot >= 0) this.#store.announcedUntilMs[slot] = untilMs;
  }

  /** Whether the data plane's entry has less than half of its time left. */
  needsRenewal(client: string, address: string, port: number, nowMs: number): boolean {
    const slot = this.#slot(client, address, port);
    return slot >= 0 && (this.#store.announcedUntilMs[slot] ?? 0) - nowMs <= (this.#store.lifeMs[slot] ?? 0) / 2;
  }

  /** An entry of a store file: client '' means confirmed. False when it tells nothing new, is protected or beyond a bound. */
  restore(client: string, address: string, port: number, seenAtMs: number): boolean {
    const store = this.#store;
    const slot = this.#slot(client, address, port);
    if (slot >= 0) {
      const wasConfirmed = store.isConfirmed[slot] === 1;
      const isLater = seenAtMs > (store.seenAtMs[slot] ?? 0);
      if (client === '' || this.#clientOf(slot) !== client) store.isConfirmed[slot] = 1;
      if (isLater) this.#touch(slot, seenAtMs);
      return isLater || (store.isConfirmed[slot] === 1 && !wasConfirmed);
    }
    if (port === 0 || this.#options.isProtected(address) || store.size >= this.#options.maxPeers) return false;
    if (client !== '' && this.countOf(client) >= this.#options.maxPeersPerClient) return false;
    return this.#add(client, address, port, client === '', seenAtMs) >= 0;
  }

  /** Whether the client must not connect there. Protected networks are never blocked. */
  isBlockedFor(client: string, address: string, port: number, nowMs: number): boolean {
    const slot = this.#slot(client, address, port);
    if (slot < 0 || nowMs >= this.#untilMs(slot)) return false;
    return this.#store.isConfirmed[slot] === 1 || this.#clientOf(slot) === client;
  }

  /** Forgets entries that are too old. */
  age(nowMs: number): void {
    const store = this.#store;
    for (let slot = store.oldest; slot >= 0; ) {
      // Those behind it were seen later.
      if (nowMs - (store.seenAtMs[slot] ?? 0) < this.#shortestLifeMs) return;
      const next = store.newer(slot);
      if (nowMs >= this.#untilMs(slot)) this.#forget(slot);
      slot = next;
    }
  }

  /** Entries belong to nobody when they are shared, else to their client. */
  #slot(client: string, address: string, port: number): number {
    return this.#store.find(address, port, this.#isSharing ? 0 : this.#store.knownClient(client) + 1);
  }

  #untilMs(slot: number): number {
    return (this.#store.seenAtMs[slot] ?? 0) + (this.#store.lifeMs[slot] ?? 0);
  }

  #setLife(slot: number, lifeMs: number, source: number): void {
    this.#store.lifeMs[slot] = lifeMs;
    this.#store.source[slot] = source;
    if (lifeMs < this.#shortestLifeMs) this.#shortestLifeMs = lifeMs;
  }

  #clientOf(slot: number): string {
    return this.#store.clientName(this.#store.client[slot] ?? 0);
  }

  #peer(slot: number): Peer {
    const store = this.#store;
    return {
      address: store.address(slot),
      port: store.port(slot),
      client: this.#clientOf(slot),
      isConfirmed: store.isConfirmed[slot] === 1,
      seenAtMs: store.seenAtMs[slot] ?? 0,
      untilMs: this.#untilMs(slot),
      announcedUntilMs: store.announcedUntilMs[slot] ?? 0,
      source: store.source[slot] ?? 0,
    };
  }

  /** The new slot, -1 when the text is no address. */
  #add(client: string, address: string, port: number, isConfirmed: boolean, nowMs: number): number {
    const store = this.#store;
    if (store.size >= this.#options.maxPeers && store.oldest >= 0) {
      const peer = this.#peer(store.oldest);
      this.#forget(store.oldest);
      this.#options.onForget?.(peer);
    }
    const number = store.clientNumber(client);
    const slot = store.add(address, port, this.#isSharing ? 0 : number + 1);
    if (slot < 0) {
      if (this.countOf(client) === 0) store.forgetClient(number);
      return slot;
    }
    store.client[slot] = number;
    store.isConfirmed[slot] = isConfirmed ? 1 : 0;
    store.seenAtMs[slot] = nowMs;
    store.announcedUntilMs[slot] = nowMs;
    this.#setLife(slot, this.#options.ageMs, 0);
    this.#countOfClient.set(client, this.countOf(client) + 1);
    return slot;
  }

  #touch(slot: number, nowMs: number): void {
    this.#store.seenAtMs[slot] = nowMs;
    this.#store.renew(slot);
  }

  #forget(slot: number): void {
    const store = this.#store;
    const client = this.#clientOf(slot);
    const number = store.client[slot] ?? 0;
    store.remove(slot);
    const count = this.countOf(client) - 1;
    if (count > 0) this.#countOfClient.set(client, count);
    else {
      this.#countOfClient.delete(client);
      store.forgetClient(number);
    }
  }
}
