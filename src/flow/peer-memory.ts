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

/** Result of `look`: nothing, or the owner's number of a protocol. */
export const NO_PROTOCOL = -1;
/** Question to `look`: whatever the protocol. */
export const ANY_PROTOCOL = -1;

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

  /** After `look`: the protocol that the endpoint spoke with that client. */
  spokeHere = NO_PROTOCOL;
  /** After `look`: the protocol for which the endpoint was named to that client, or to everybody. */
  told = NO_PROTOCOL;
  /** After `look`: the protocol that the endpoint spoke with anybody. */
  spokeAny = NO_PROTOCOL;

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

  /** The host took part in a certain exchange of that protocol. */
  hasHost(protocol: number, a0: number, a1: number, a2: number, a3: number, timeMs: number): boolean {
    const table = this.#table;
    const setAt = this.#setAt(a0, a1, a2, a3, 0);
    const detail = KIND_HOST | (protocol << 8);
    for (let at = setAt; at < setAt + WAYS * WORDS; at += WORDS) {
      const entry = table[at + DETAIL]!;
      if (entry === 0) return false;
      if (entry === detail && table[at + 3] === a3 && table[at] === a0 && table[at + 1] === a1 && table[at + 2] === a2) {
        return table[at + TAUGHT_AT]! > timeMs / 1000 - this.#ageS;
      }
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
    for (let at = setAt; at < setAt + WAYS * WORDS; at += WORDS) {
      const entry = table[at + DETAIL]!;
      // Sets are filled from their beginning.
      if (entry === 0) break;
      if (table[at + 3] !== a3 || entry >>> 16 !== port || table[at] !== a0 || table[at + 1] !== a1 || table[at + 2] !== a2) continue;
      const taughtAtS = table[at + TAUGHT_AT]!;
      const candidate = (entry >>> 8) & 0xff;
      if (taughtAtS <= oldestS || (protocol !== ANY_PROTOCOL && candidate !== protocol)) continue;
      const entryClient = table[at + CLIENT]!;
      switch (entry & 0xff) {
        case KIND_SPOKE:
          if (entryClient === 0 && isFresher(taughtAtS, candidate, spokeAnyS, this.spokeAny)) {
            this.spokeAny = candidate;
            spokeAnyS = taughtAtS;
          } else if (entryClient === client && isFresher(taughtAtS, candidate, spokeHereS, this.spokeHere)) {
            this.spokeHere = candidate;
            spokeHereS = taughtAtS;
          }
          break;
        case KIND_TOLD:
          if (entryClient === client && isFresher(taughtAtS, candidate, toldS, this.told)) {
            this.told = candidate;
            toldS = taughtAtS;
          }
          break;
        case KIND_TOLD_ANY:
          if (isFresher(taughtAtS, candidate, toldAnyS, toldAny)) {
            toldAny = candidate;
            toldAnyS = taughtAtS;
          }
          break;
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
    return (h & this.#setMask) * WAYS * WORDS;
  }

  #add(a0: number, a1: number, a2: number, a3: number, detail: number, client: number, timeMs: number): void {
    const table = this.#table;
    const setAt = this.#setAt(a0, a1, a2, a3, detail >>> 16);
    let victimAt = setAt;
    for (let at = setAt; at < setAt + WAYS * WORDS; at += WORDS) {
      const entry = table[at + DETAIL]!;
      if (entry === 0) {
        victimAt = at;
        break;
      }
      if (
        entry === detail &&
        table[at + 3] === a3 &&
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
