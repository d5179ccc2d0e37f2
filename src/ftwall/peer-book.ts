/**
 * PeerBook: endpoints that clients revealed as peers of a P2P network, and for whom they are blocked.
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
  /** When the owner last told the data plane about it. */
  readonly announcedAtMs: number;
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
  /** Entries that nobody revealed for so long are forgotten. */
  readonly ageMs: number;
  /** True for addresses that must never be blocked. */
  readonly isProtected: (address: string) => boolean;
  /** An entry was forgotten because of age or lack of room. */
  readonly onForget?: (peer: Peer) => void;
}

export const PEER_BOOK_DEFAULTS = { maxPeers: 200_000, maxPeersPerClient: 2_000, ageMs: 24 * 3_600_000 } as const;

export class PeerBook {
  /** Oldest first: revealing an entry again moves it to the end. */
  readonly #store = new PeerStore();
  readonly #countOfClient = new Map<string, number>();
  readonly #options: PeerBookOptions;

  constructor(options: PeerBookOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#store.size;
  }

  /** Entries that count against one client's share. */
  countOf(client: string): number {
    return this.#countOfClient.get(client) ?? 0;
  }

  /** The entry, or null. */
  find(address: string, port: number): Peer | null {
    const slot = this.#store.find(address, port);
    return slot < 0 ? null : this.#peer(slot);
  }

  /** Whether there is an entry. */
  has(address: string, port: number): boolean {
    return this.#store.find(address, port) >= 0;
  }

  /** The client named the endpoint as a peer. `find` gives the entry unless the answer is `protected` or `client-full`. */
  reveal(client: string, address: string, port: number, nowMs: number): Revelation {
    const store = this.#store;
    const slot = store.find(address, port);
    if (slot >= 0) {
      this.#touch(slot, nowMs);
      if (store.isConfirmed[slot] === 1 || this.#clientOf(slot) === client) return 'known';
      store.isConfirmed[slot] = 1;
      return 'confirmed';
    }
    if (port === 0 || this.#options.isProtected(address)) return 'protected';
    if (this.countOf(client) >= this.#options.maxPeersPerClient) return 'client-full';
    return this.#add(client, address, port, false, nowMs) ? 'new' : 'protected';
  }

  /** The endpoint itself proved to be a peer. False when no client revealed it, or it is confirmed already. */
  confirm(address: string, port: number, nowMs: number): boolean {
    const slot = this.#store.find(address, port);
    if (slot < 0) return false;
    this.#touch(slot, nowMs);
    if (this.#store.isConfirmed[slot] === 1) return false;
    this.#store.isConfirmed[slot] = 1;
    return true;
  }

  /** The owner has told the data plane about an entry. */
  announced(address: string, port: number, nowMs: number): void {
    const slot = this.#store.find(address, port);
    if (slot >= 0) this.#store.announcedAtMs[slot] = nowMs;
  }

  /** When `announced` was last called for an entry; -Infinity without one. */
  announcedAtMs(address: string, port: number): number {
    return this.#store.announcedAtMs[this.#store.find(address, port)] ?? Number.NEGATIVE_INFINITY;
  }

  /** An entry of a store file: client '' means confirmed. False when it is protected, known already or beyond a bound. */
  restore(client: string, address: string, port: number, seenAtMs: number): boolean {
    const store = this.#store;
    const slot = store.find(address, port);
    if (slot >= 0) {
      if (client === '' || this.#clientOf(slot) !== client) store.isConfirmed[slot] = 1;
      return false;
    }
    if (port === 0 || this.#options.isProtected(address) || store.size >= this.#options.maxPeers) return false;
    if (client !== '' && this.countOf(client) >= this.#options.maxPeersPerClient) return false;
    return this.#add(client, address, port, client === '', seenAtMs);
  }

  /** Whether the client must not connect there. Protected networks are never blocked. */
  isBlockedFor(client: string, address: string, port: number, nowMs: number): boolean {
    const store = this.#store;
    const slot = store.find(address, port);
    if (slot < 0 || nowMs - (store.seenAtMs[slot] ?? 0) >= this.#options.ageMs) return false;
    return store.isConfirmed[slot] === 1 || this.#clientOf(slot) === client;
  }

  /** Forgets entries that are too old. */
  age(nowMs: number): void {
    const store = this.#store;
    for (let slot = store.oldest; slot >= 0; slot = store.oldest) {
      if (nowMs - (store.seenAtMs[slot] ?? 0) < this.#options.ageMs) return;
      this.#forget(slot);
    }
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
      announcedAtMs: store.announcedAtMs[slot] ?? 0,
    };
  }

  #add(client: string, address: string, port: number, isConfirmed: boolean, nowMs: number): boolean {
    const store = this.#store;
    if (store.size >= this.#options.maxPeers && store.oldest >= 0) this.#forget(store.oldest);
    const slot = store.add(address, port);
    if (slot < 0) return false;
    store.client[slot] = store.clientNumber(client);
    store.isConfirmed[slot] = isConfirmed ? 1 : 0;
    store.seenAtMs[slot] = nowMs;
    store.announcedAtMs[slot] = nowMs;
    this.#countOfClient.set(client, this.countOf(client) + 1);
    return true;
  }

  #touch(slot: number, nowMs: number): void {
    this.#store.seenAtMs[slot] = nowMs;
    this.#store.renew(slot);
  }

  #forget(slot: number): void {
    const store = this.#store;
    const peer = this.#peer(slot);
    const number = store.client[slot] ?? 0;
    store.remove(slot);
    const count = this.countOf(peer.client) - 1;
    if (count > 0) this.#countOfClient.set(peer.client, count);
    else {
      this.#countOfClient.delete(peer.client);
      store.forgetClient(number);
    }
    this.#options.onForget?.(peer);
  }
}
