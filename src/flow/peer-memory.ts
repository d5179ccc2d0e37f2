/**
 * PeerMemory: what peers taught about each other, bounded and aged.
 *
 * Three kinds of entries, all for one protocol (a number the owner chooses):
 * - spoke: this address and port took part in a certain exchange, with this client
 *   or (client 0) with anybody;
 * - told: this address and port was named to this client by a peer, tracker or node;
 * - host: this address took part in a certain exchange.
 *
 * An eight-way set-associative table in one typed array: adding, finding and ageing
 * touch one set, nothing is ever scanned, memory is fixed. A full set forgets its
 * oldest entry. Addresses are four signed words in network order (IPv4 in word 3).
 *
 * Security: an outsider who floods the memory makes it forget (misses), never invent:
 * entries carry the whole address, only the client is reduced to 32 bits by hash.
 */

const WAYS = 8;
/** address 4, kind | protocol << 8 | port << 16, client hash, second last taught. */
const WORDS = 7;
const DETAIL = 4;
const CLIENT = 5;
const TAUGHT_AT = 6;

const KIND_SPOKE = 1;
const KIND_TOLD = 2;
const KIND_HOST = 3;
const KIND_TOLD_ANY = 4;

/** Result of `find`: nothing, or the owner's number of a protocol. */
export const NO_PROTOCOL = -1;

export interface PeerMemoryOptions {
  /** Entries in all; rounded up to a power of two. Default 131,072 (3.7 MB). */
  readonly entries?: number;
  /** Entries older than this do not count. Default 1,800,000 (half an hour). */
  readonly ageMs?: number;
}

export class PeerMemory {
  readonly #table: Int32Array;
  readonly #setMask: number;
  readonly #ageS: number;

  constructor(options: PeerMemoryOptions = {}) {
    let sets = 1;
    while (sets * WAYS < (options.entries ?? 131_072)) sets *= 2;
    this.#table = new Int32Array(sets * WAYS * WORDS);
    this.#setMask = sets - 1;
    this.#ageS = Math.ceil((options.ageMs ?? 1_800_000) / 1000);
  }

  /** The endpoint took part in a certain exchange with that client. */
  addSpoke(protocol: number, a0: number, a1: number, a2: number, a3: number, port: number, client: number, timeMs: number): void {
    this.#add(a0, a1, a2, a3, KIND_SPOKE | (protocol << 8) | (port << 16), client, timeMs);
    this.#add(a0, a1, a2, a3, KIND_SPOKE | (protocol << 8) | (port << 16), 0, timeMs);
  }

  /** The endpoint was named to that client. Client 0: to everybody (multicast). */
  addTold(protocol: number, a0: number, a1: number, a2: number, a3: number, port: number, client: number, timeMs: number): void {
    const kind = client === 0 ? KIND_TOLD_ANY : KIND_TOLD;
    this.#add(a0, a1, a2, a3, kind | (protocol << 8) | (port << 16), client, timeMs);
  }

  /** The host took part in a certain exchange. */
  addHost(protocol: number, a0: number, a1: number, a2: number, a3: number, timeMs: number): void {
    this.#add(a0, a1, a2, a3, KIND_HOST | (protocol << 8), 0, timeMs);
  }

  hasSpoke(protocol: number, a0: number, a1: number, a2: number, a3: number, port: number, client: number, timeMs: number): boolean {
    return this.#find(a0, a1, a2, a3, KIND_SPOKE | (protocol << 8) | (port << 16), -1, client, timeMs) !== NO_PROTOCOL;
  }

  hasHost(protocol: number, a0: number, a1: number, a2: number, a3: number, timeMs: number): boolean {
    return this.#find(a0, a1, a2, a3, KIND_HOST | (protocol << 8), -1, 0, timeMs) !== NO_PROTOCOL;
  }

  /** Whether the endpoint was named to that client, or to everybody. */
  wasTold(protocol: number, a0: number, a1: number, a2: number, a3: number, port: number, client: number, timeMs: number): boolean {
    const detail = (protocol << 8) | (port << 16);
    return (
      this.#find(a0, a1, a2, a3, KIND_TOLD | detail, -1, client, timeMs) !== NO_PROTOCOL ||
      this.#find(a0, a1, a2, a3, KIND_TOLD_ANY | detail, -1, 0, timeMs) !== NO_PROTOCOL
    );
  }

  /** The protocol that the endpoint spoke with that client (0: with anybody), or NO_PROTOCOL. */
  findSpoke(a0: number, a1: number, a2: number, a3: number, port: number, client: number, timeMs: number): number {
    return this.#find(a0, a1, a2, a3, KIND_SPOKE | (port << 16), ~0xff00, client, timeMs);
  }

  /** The protocol for which the endpoint was named to that client or to everybody, or NO_PROTOCOL. */
  findTold(a0: number, a1: number, a2: number, a3: number, port: number, client: number, timeMs: number): number {
    const told = this.#find(a0, a1, a2, a3, KIND_TOLD | (port << 16), ~0xff00, client, timeMs);
    return told !== NO_PROTOCOL ? told : this.#find(a0, a1, a2, a3, KIND_TOLD_ANY | (port << 16), ~0xff00, 0, timeMs);
  }

  /** Sets are chosen by address and port, so that one look serves every protocol. */
  #setAt(a0: number, a1: number, a2: number, a3: number, port: number): number {
    let h = Math.imul(a3 ^ Math.imul(a0 ^ a1 ^ a2, 0x85ebca6b) ^ Math.imul(port, 0x9e3779b1), 0xcc9e2d51);
    h ^= h >>> 15;
    h = Math.imul(h, 0xc2b2ae35);
    h ^= h >>> 13;
    return (h & this.#setMask) * WAYS * WORDS;
  }

  #add(a0: number, a1: number, a2: number, a3: number, detail: number, client: number, timeMs: number): void {
    const table = this.#table;
    const setAt = this.#setAt(a0, a1, a2, a3, detail >>> 16);
    let victimAt = setAt;
    for (let way = 0; way < WAYS; way++) {
      const at = setAt + way * WORDS;
      if (
        table[at + 3] === a3 &&
        table[at + DETAIL] === detail &&
        table[at + CLIENT] === client &&
        table[at] === a0 &&
        table[at + 1] === a1 &&
        table[at + 2] === a2
      ) {
        table[at + TAUGHT_AT] = timeMs / 1000;
        return;
      }
      if (table[at + TAUGHT_AT]! < table[victimAt + TAUGHT_AT]!) victimAt = at;
    }
    table[victimAt] = a0;
    table[victimAt + 1] = a1;
    table[victimAt + 2] = a2;
    table[victimAt + 3] = a3;
    table[victimAt + DETAIL] = detail;
    table[victimAt + CLIENT] = client;
    table[victimAt + TAUGHT_AT] = timeMs / 1000;
  }

  /** The protocol of the freshest matching entry: deterministic whatever the order of teaching. */
  #find(a0: number, a1: number, a2: number, a3: number, detail: number, mask: number, client: number, timeMs: number): number {
    const table = this.#table;
    const setAt = this.#setAt(a0, a1, a2, a3, detail >>> 16);
    const oldestS = timeMs / 1000 - this.#ageS;
    let foundAtS = oldestS;
    let protocol = NO_PROTOCOL;
    for (let way = 0; way < WAYS; way++) {
      const at = setAt + way * WORDS;
      const entry = table[at + DETAIL]!;
      if (
        table[at + 3] === a3 &&
        (entry & mask) === detail &&
        table[at + CLIENT] === client &&
        table[at] === a0 &&
        table[at + 1] === a1 &&
        table[at + 2] === a2
      ) {
        const taughtAtS = table[at + TAUGHT_AT]!;
        const candidate = (entry >>> 8) & 0xff;
        if (taughtAtS > foundAtS || (taughtAtS === foundAtS && protocol !== NO_PROTOCOL && candidate < protocol)) {
          foundAtS = taughtAtS;
          protocol = candidate;
        }
      }
    }
    return protocol;
  }
}

/** Reduces a client address to a non-zero 32-bit word for the calls above. */
export function clientHash(a0: number, a1: number, a2: number, a3: number): number {
  let h = Math.imul(a3 ^ Math.imul(a2, 0x85ebca6b) ^ Math.imul(a1, 0xc2b2ae35) ^ Math.imul(a0, 0x27d4eb2f), 0x9e3779b1);
  h ^= h >>> 16;
  return h === 0 ? 1 : h;
}
