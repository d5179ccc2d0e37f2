/**
 * PeerMemory: what peers taught about each other, bounded and aged.
 *
 * Three kinds of entries, all for one protocol (a number the owner chooses):
 * - spoke: this address and port took part in a certain exchange with this client (0: with
 *   a group); proven: for others, too;
 * - told: this address and port was named to this client by a peer, tracker or node;
 * - host: this address took part in a certain exchange.
 *
 * An eight-way set-associative table in one typed array: adding, finding and ageing
 * touch one set, nothing is ever scanned, memory is fixed. A full set forgets its
 * oldest entry. Addresses are four signed words in network order (IPv4 in word 3).
 *
 * Security: an outsider who floods the memory makes it forget (misses), never invent:
 * entries carry the whole address, only the client is reduced to 32 bits by hash.
 *
 * Several threads may share one memory (`shared`): what one has learnt when it lets a packet go, all others
 * know. Writers take turns by a lock; readers take none, and skip an entry that is being written.
 */

const WAYS = 8;
/**
 * Words of a set: the details of its entries (kind | protocol << 8 | port << 16), the seconds when they were last taught,
 * then for each entry an address (4) and a client hash. What rules an entry out stands together: a look at a set
 * reads one cache line or two instead of four (bench/identify.ts).
 */
const TAUGHT_AT = WAYS;
const ADDRESSES = 2 * WAYS;
const ADDRESS_WORDS = 5;
const CLIENT = 4;
/** Rounded up to whole cache lines. */
const SET_WORDS = 64;

const KIND_SPOKE = 1;
const KIND_TOLD = 2;
const KIND_HOST = 3;
const KIND_TOLD_ANY = 4;
/** Bit of the kind: what the endpoint spoke with that client counts for everybody. */
const PROVEN = 0x10;
/** Detail of an entry that is being written: no kind, and not empty. */
const BEING_WRITTEN = 0xff;
/** Attempts to get the lock, which is held for some ten nanoseconds, before a lesson is forgotten: its holder may have been ended. */
const LOCK_ATTEMPTS = 1000;
const DEFAULT_ENTRIES = 131_072;

/** Result of `look`: nothing, or the owner's number of a protocol. */
export const NO_PROTOCOL = -1;
/** Question to `look`: whatever the protocol. */
export const ANY_PROTOCOL = -1;

export interface PeerMemoryOptions {
  /** Entries in all; rounded up to a power of two. Default 131,072 (4.2 MB). */
  readonly entries?: number;
  /** Entries older than this do not count. Default 1,800,000 (half an hour). */
  readonly ageMs?: number;
  /** Memory of `sharedPeerMemory` for the same number of entries: this object is one user of several. */
  readonly shared?: SharedArrayBuffer;
}

function setCount(entries: number): number {
  let sets = 1;
  while (sets * WAYS < entries) sets *= 2;
  return sets;
}

/** After the end of a thread that may have held the lock: the next one gets it. */
export function unlockPeerMemory(shared: SharedArrayBuffer): void {
  const words = new Int32Array(shared);
  Atomics.store(words, words.length - 1, 0);
}

/** Zeroed memory for the objects of several threads; the lock is its last word. */
export function sharedPeerMemory(entries = DEFAULT_ENTRIES): SharedArrayBuffer {
  return new SharedArrayBuffer((setCount(entries) * SET_WORDS + 1) * 4);
}

export class PeerMemory {
  readonly #table: Int32Array;
  readonly #lockAt: number;
  readonly #isShared: boolean;
  readonly #setMask: number;
  readonly #ageS: number;

  /** Nothing was ever taught: every question would be answered with no. Never true of shared memory, which others teach. */
  isEmpty: boolean;
  /** After `look`: the protocol that the endpoint spoke with that client. */
  spokeHere = NO_PROTOCOL;
  /** After `look`: the protocol for which the endpoint was named to that client, or to everybody. */
  told = NO_PROTOCOL;
  /** After `look`: the protocol that the endpoint spoke with anybody. */
  spokeAny = NO_PROTOCOL;

  constructor(options: PeerMemoryOptions = {}) {
    const sets = setCount(options.entries ?? DEFAULT_ENTRIES);
    this.#lockAt = sets * SET_WORDS;
    this.#isShared = options.shared !== undefined;
    this.isEmpty = !this.#isShared;
    this.#table = options.shared ? new Int32Array(options.shared) : new Int32Array(this.#lockAt);
    this.#setMask = sets - 1;
    this.#ageS = Math.ceil((options.ageMs ?? 1_800_000) / 1000);
  }

  /**
   * The endpoint took part in a certain exchange with that client. `isProven` false: all that is known is that the client
   * spoke to it, which says nothing to others. Client 0: it spoke to a group, that is to all.
   */
  addSpoke(protocol: number, a0: number, a1: number, a2: number, a3: number, port: number, client: number, timeMs: number, isProven: boolean): void {
    const kind = isProven || client === 0 ? KIND_SPOKE | PROVEN : KIND_SPOKE;
    this.#add(a0, a1, a2, a3, kind | (protocol << 8) | (port << 16), client, timeMs);
  }

  /** A client other than that one spoke to the endpoint. */
  spokeWithAnother(protocol: number, a0: number, a1: number, a2: number, a3: number, port: number, client: number, timeMs: number): boolean {
    const table = this.#table;
    const detail = KIND_SPOKE | (protocol << 8) | (port << 16);
    const setAt = this.#setAt(a0, a1, a2, a3, port);
    const oldestS = timeMs / 1000 - this.#ageS;
    for (let way = 0; way < WAYS; way++) {
      const entry = table[setAt + way]!;
      if ((entry & ~PROVEN) !== detail || !this.#hasAddress(setAt, way, a0, a1, a2, a3)) continue;
      const other = table[clientAt(setAt, way)]!;
      if (other !== client && other !== 0 && table[setAt + TAUGHT_AT + way]! > oldestS && this.#isStill(setAt + way, entry)) return true;
    }
    return false;
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

  /** The host took part in a certain exchange of that protocol. */
  hasHost(protocol: number, a0: number, a1: number, a2: number, a3: number, timeMs: number): boolean {
    const table = this.#table;
    const setAt = this.#setAt(a0, a1, a2, a3, 0);
    const detail = KIND_HOST | (protocol << 8);
    for (let way = 0; way < WAYS; way++) {
      const entry = table[setAt + way]!;
      if (entry === 0) return false;
      if (entry !== detail || !this.#hasAddress(setAt, way, a0, a1, a2, a3)) continue;
      const taughtAtS = table[setAt + TAUGHT_AT + way]!;
      if (this.#isStill(setAt + way, entry)) return taughtAtS > timeMs / 1000 - this.#ageS;
    }
    return false;
  }

  /**
   * Everything about an endpoint in one walk through its set (bench/identify.ts): sets `spokeHere`, `told` and
   * `spokeAny`. `protocol` limits the question to one; ANY_PROTOCOL asks for the one taught last.
   */
  look(protocol: number, a0: number, a1: number, a2: number, a3: number, port: number, client: number, timeMs: number): void {
    this.spokeHere = NO_PROTOCOL;
    this.told = NO_PROTOCOL;
    this.spokeAny = NO_PROTOCOL;
    let toldAny = NO_PROTOCOL;
    let spokeHereS = 0;
    let toldS = 0;
    let spokeAnyS = 0;
    let toldAnyS = 0;
    const table = this.#table;
    const setAt = this.#setAt(a0, a1, a2, a3, port);
    const oldestS = timeMs / 1000 - this.#ageS;
    for (let way = 0; way < WAYS; way++) {
      const entry = table[setAt + way]!;
      // Sets are filled from their beginning.
      if (entry === 0) break;
      if (entry >>> 16 !== port || !this.#hasAddress(setAt, way, a0, a1, a2, a3)) continue;
      const taughtAtS = table[setAt + TAUGHT_AT + way]!;
      const candidate = (entry >>> 8) & 0xff;
      if (taughtAtS <= oldestS || (protocol !== ANY_PROTOCOL && candidate !== protocol)) continue;
      const entryClient = table[clientAt(setAt, way)]!;
      if (!this.#isStill(setAt + way, entry)) continue;
      const kind = entry & 0xff;
      if ((kind & ~PROVEN) === KIND_SPOKE) {
        if (entryClient === client && isFresher(taughtAtS, candidate, spokeHereS, this.spokeHere)) {
          this.spokeHere = candidate;
          spokeHereS = taughtAtS;
        }
        if (kind !== KIND_SPOKE && isFresher(taughtAtS, candidate, spokeAnyS, this.spokeAny)) {
          this.spokeAny = candidate;
          spokeAnyS = taughtAtS;
        }
      } else if (kind === KIND_TOLD) {
        if (entryClient === client && isFresher(taughtAtS, candidate, toldS, this.told)) {
          this.told = candidate;
          toldS = taughtAtS;
        }
      } else if (kind === KIND_TOLD_ANY && isFresher(taughtAtS, candidate, toldAnyS, toldAny)) {
        toldAny = candidate;
        toldAnyS = taughtAtS;
      }
    }
    if (this.told === NO_PROTOCOL) this.told = toldAny;
  }

  /** Sets are chosen by address and port, so that one look serves every protocol. */
  #setAt(a0: number, a1: number, a2: number, a3: number, port: number): number {
    let h = Math.imul(a3 ^ Math.imul(a0 ^ a1 ^ a2, 0x85ebca6b) ^ Math.imul(port, 0x9e3779b1), 0xcc9e2d51);
    h ^= h >>> 15;
    h = Math.imul(h, 0xc2b2ae35);
    h ^= h >>> 13;
    return (h & this.#setMask) * SET_WORDS;
  }

  #hasAddress(setAt: number, way: number, a0: number, a1: number, a2: number, a3: number): boolean {
    const table = this.#table;
    const at = setAt + ADDRESSES + way * ADDRESS_WORDS;
    return table[at + 3] === a3 && table[at] === a0 && table[at + 1] === a1 && table[at + 2] === a2;
  }

  /** The entry whose words were read has not been overwritten meanwhile. */
  #isStill(detailAt: number, entry: number): boolean {
    return !this.#isShared || Atomics.load(this.#table, detailAt) === entry;
  }

  #lock(): boolean {
    for (let attempts = LOCK_ATTEMPTS; attempts > 0; attempts--) {
      if (Atomics.compareExchange(this.#table, this.#lockAt, 0, 1) === 0) return true;
    }
    return false;
  }

  #add(a0: number, a1: number, a2: number, a3: number, detail: number, client: number, timeMs: number): void {
    if (!this.#isShared) {
      this.#write(a0, a1, a2, a3, detail, client, timeMs);
      return;
    }
    if (!this.#lock()) return;
    this.#write(a0, a1, a2, a3, detail, client, timeMs);
    Atomics.store(this.#table, this.#lockAt, 0);
  }

  #write(a0: number, a1: number, a2: number, a3: number, detail: number, client: number, timeMs: number): void {
    this.isEmpty = false;
    const table = this.#table;
    const setAt = this.#setAt(a0, a1, a2, a3, detail >>> 16);
    let victim = 0;
    let victimTaughtAtS = Number.POSITIVE_INFINITY;
    for (let way = 0; way < WAYS; way++) {
      const entry = table[setAt + way]!;
      if (entry === 0) {
        victim = way;
        break;
      }
      const taughtAtS = table[setAt + TAUGHT_AT + way]!;
      if (((entry ^ detail) & ~PROVEN) === 0 && table[clientAt(setAt, way)] === client && this.#hasAddress(setAt, way, a0, a1, a2, a3)) {
        // A lesson for this client alone must not keep an old proof alive.
        if ((entry & ~detail) !== 0 && taughtAtS > timeMs / 1000 - this.#ageS) return;
        table[setAt + TAUGHT_AT + way] = timeMs / 1000;
        if (entry !== detail) this.#setDetail(setAt + way, detail);
        return;
      }
      if (taughtAtS < victimTaughtAtS) {
        victim = way;
        victimTaughtAtS = taughtAtS;
      }
    }
    const at = setAt + ADDRESSES + victim * ADDRESS_WORDS;
    // Stores in this order, for readers of other threads.
    this.#setDetail(setAt + victim, BEING_WRITTEN);
    table[at] = a0;
    table[at + 1] = a1;
    table[at + 2] = a2;
    table[at + 3] = a3;
    table[at + CLIENT] = client;
    table[setAt + TAUGHT_AT + victim] = timeMs / 1000;
    this.#setDetail(setAt + victim, detail);
  }

  #setDetail(at: number, detail: number): void {
    if (this.#isShared) Atomics.store(this.#table, at, detail);
    else this.#table[at] = detail;
  }
}

function clientAt(setAt: number, way: number): number {
  return setAt + ADDRESSES + way * ADDRESS_WORDS + CLIENT;
}

/** The protocol taught last counts; of two taught in one second the lower number, so that the order of teaching does not matter. */
function isFresher(taughtAtS: number, protocol: number, bestS: number, best: number): boolean {
  return best === NO_PROTOCOL || taughtAtS > bestS || (taughtAtS === bestS && protocol < best);
}

/** Reduces a client address to a non-zero 32-bit word for the calls above. */
export function clientHash(a0: number, a1: number, a2: number, a3: number): number {
  let h = Math.imul(a3 ^ Math.imul(a2, 0x85ebca6b) ^ Math.imul(a1, 0xc2b2ae35) ^ Math.imul(a0, 0x27d4eb2f), 0x9e3779b1);
  h ^= h >>> 16;
  return h === 0 ? 1 : h;
}
