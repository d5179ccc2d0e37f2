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

/** Whom a peer is blocked for. */
export interface Peer {
  readonly address: string;
  readonly port: number;
  /** The client that revealed it; '' for peers read from a store without that detail. */
  readonly client: string;
  /** Blocked for everybody: the peer answered, a second client named it, or a store said so. */
  isConfirmed: boolean;
  /** Last time it was revealed. */
  seenAtMs: number;
  /** When the owner last told the data plane about it. */
  announcedAtMs: number;
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
  readonly #peers = new Map<string, Peer>();
  readonly #countOfClient = new Map<string, number>();
  readonly #options: PeerBookOptions;

  constructor(options: PeerBookOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** Entries that count against one client's share. */
  countOf(client: string): number {
    return this.#countOfClient.get(client) ?? 0;
  }

  /** The entry, or null. */
  find(address: string, port: number): Peer | null {
    return this.#peers.get(keyOf(address, port)) ?? null;
  }

  peers(): IterableIterator<Peer> {
    return this.#peers.values();
  }

  /** The client named the endpoint as a peer. `find` gives the entry unless the answer is `protected` or `client-full`. */
  reveal(client: string, address: string, port: number, nowMs: number): Revelation {
    const key = keyOf(address, port);
    const known = this.#peers.get(key);
    if (known) {
      this.#touch(key, known, nowMs);
      if (known.isConfirmed || known.client === client) return 'known';
      known.isConfirmed = true;
      return 'confirmed';
    }
    if (port === 0 || this.#options.isProtected(address)) return 'protected';
    const count = this.countOf(client);
    if (count >= this.#options.maxPeersPerClient) return 'client-full';
    this.#add(key, { address, port, client, isConfirmed: false, seenAtMs: nowMs, announcedAtMs: nowMs });
    return 'new';
  }

  /** The endpoint itself proved to be a peer. False when no client revealed it, or it is confirmed already. */
  confirm(address: string, port: number, nowMs: number): boolean {
    const key = keyOf(address, port);
    const known = this.#peers.get(key);
    if (!known) return false;
    this.#touch(key, known, nowMs);
    if (known.isConfirmed) return false;
    known.isConfirmed = true;
    return true;
  }

  /** An entry of a store: client '' means confirmed. False when it is protected, known already or beyond a bound. */
  restore(client: string, address: string, port: number, seenAtMs: number): boolean {
    const key = keyOf(address, port);
    const known = this.#peers.get(key);
    if (known) {
      if (client === '' || known.client !== client) known.isConfirmed = true;
      return false;
    }
    if (port === 0 || this.#options.isProtected(address) || this.#peers.size >= this.#options.maxPeers) return false;
    if (client !== '' && this.countOf(client) >= this.#options.maxPeersPerClient) return false;
    this.#add(key, { address, port, client, isConfirmed: client === '', seenAtMs, announcedAtMs: seenAtMs });
    return true;
  }

  /** Whether the client must not connect there. Protected networks are never blocked. */
  isBlockedFor(client: string, address: string, port: number, nowMs: number): boolean {
    const known = this.#peers.get(keyOf(address, port));
    if (!known || nowMs - known.seenAtMs >= this.#options.ageMs) return false;
    return known.isConfirmed || known.client === client;
  }

  /** Forgets entries that are too old. */
  age(nowMs: number): void {
    for (const [key, peer] of this.#peers) {
      if (nowMs - peer.seenAtMs < this.#options.ageMs) return;
      this.#forget(key, peer);
    }
  }

  #add(key: string, peer: Peer): void {
    if (this.#peers.size >= this.#options.maxPeers) {
      const [oldest] = this.#peers;
      if (oldest) this.#forget(oldest[0], oldest[1]);
    }
    this.#peers.set(key, peer);
    if (peer.client !== '') this.#countOfClient.set(peer.client, this.countOf(peer.client) + 1);
  }

  #touch(key: string, peer: Peer, nowMs: number): void {
    peer.seenAtMs = nowMs;
    this.#peers.delete(key);
    this.#peers.set(key, peer);
  }

  #forget(key: string, peer: Peer): void {
    this.#peers.delete(key);
    const count = this.countOf(peer.client);
    if (count > 1) this.#countOfClient.set(peer.client, count - 1);
    else this.#countOfClient.delete(peer.client);
    this.#options.onForget?.(peer);
  }
}

function keyOf(address: string, port: number): string {
  return `${address} ${port}`;
}
