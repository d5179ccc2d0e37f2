/**
 * PeerStore: peers in typed arrays, oldest first, found by endpoint and owner. What PeerBook keeps its entries in:
 * an object and two strings for each of 200,000 peers would take 60 MB, this takes 17.
 *
 * An owner is a number of the caller's: entries of one endpoint with different owners are different entries.
 *
 * Slots are numbers from 0 up; -1 is none. A slot stays the same peer's until `remove`. Knows no rules and no clock.
 * Grows by doubling, never shrinks. Addresses are canonical text outside (`addressText`) and four words here;
 * an IPv4 address has three words of which no IPv6 address of a host can consist (ff00::/8 is for groups).
 */
import { addressText, parseAddress } from '../base/address.js';
import { i32, putU32 } from '../base/bytes.js';

const FIRST_SLOTS = 1024;
const IPV4_WORD = -1;
/** Largest load of the table of heads before it grows: chains of one on average. */
const HEADS_PER_SLOT = 1;

export class PeerStore {
  size = 0;
  // By slot. Seconds would lose order within one; times are milliseconds of the caller's clock.
  seenAtMs = new Float64Array(FIRST_SLOTS);
  lifeMs = new Float64Array(FIRST_SLOTS);
  announcedUntilMs = new Float64Array(FIRST_SLOTS);
  /** A number of the caller's. */
  source = new Uint16Array(FIRST_SLOTS);
  /** Number of the client that revealed it (`clientName`). */
  client = new Int32Array(FIRST_SLOTS);
  isConfirmed = new Uint8Array(FIRST_SLOTS);
  #words = new Int32Array(4 * FIRST_SLOTS);
  #ports = new Uint16Array(FIRST_SLOTS);
  #owners = new Int32Array(FIRST_SLOTS);
  /** Of the same hash; of free slots, the next free one. */
  #chain = new Int32Array(FIRST_SLOTS);
  #older = new Int32Array(FIRST_SLOTS);
  #newer = new Int32Array(FIRST_SLOTS);
  #heads = new Int32Array(HEADS_PER_SLOT * FIRST_SLOTS).fill(-1);
  #oldest = -1;
  #newest = -1;
  /** Slots that were never used begin here. */
  #fresh = 0;
  #free = -1;
  // The address read last: one packet asks about one peer several times.
  #lastText = '';
  readonly #key = new Int32Array(4);
  readonly #clientNumbers = new Map<string, number>();
  readonly #clientNames: string[] = [];
  readonly #freeNumbers: number[] = [];

  /** The slot of an endpoint and owner. */
  find(address: string, port: number, owner: number): number {
    if (!this.#read(address)) return -1;
    const [a, b, c, d] = this.#key as unknown as [number, number, number, number];
    for (let slot = this.#heads[this.#hash(port, owner)] ?? -1; slot >= 0; slot = this.#chain[slot] ?? -1) {
      const at = 4 * slot;
      const words = this.#words;
      if (words[at + 3] !== d || words[at + 2] !== c || words[at + 1] !== b || words[at] !== a) continue;
      if (this.#ports[slot] === port && this.#owners[slot] === owner) return slot;
    }
    return -1;
  }

  /** A new newest slot for an endpoint and owner that have none; its other fields are the caller's to set. -1 when the text is no address. */
  add(address: string, port: number, owner: number): number {
    if (!this.#read(address)) return -1;
    if (this.#free < 0 && this.#fresh === this.#ports.length) this.#grow();
    const slot = this.#free >= 0 ? this.#free : this.#fresh++;
    if (slot === this.#free) this.#free = this.#chain[slot] ?? -1;
    this.#words.set(this.#key, 4 * slot);
    this.#ports[slot] = port;
    this.#owners[slot] = owner;
    this.#chainIn(slot);
    this.#append(slot);
    this.size++;
    return slot;
  }

  remove(slot: number): void {
    const head = this.#hashOf(slot);
    let at = this.#heads[head] ?? -1;
    if (at === slot) this.#heads[head] = this.#chain[slot] ?? -1;
    else {
      while (this.#chain[at] !== slot) at = this.#chain[at] ?? -1;
      this.#chain[at] = this.#chain[slot] ?? -1;
    }
    this.#detach(slot);
    this.#chain[slot] = this.#free;
    this.#free = slot;
    this.size--;
  }

  /** Makes a slot the newest. */
  renew(slot: number): void {
    if (slot === this.#newest) return;
    this.#detach(slot);
    this.#append(slot);
  }

  get oldest(): number {
    return this.#oldest;
  }

  /** The next newer slot. */
  newer(slot: number): number {
    return this.#newer[slot] ?? -1;
  }

  get newest(): number {
    return this.#newest;
  }

  /** The next older slot. */
  older(slot: number): number {
    return this.#older[slot] ?? -1;
  }

  port(slot: number): number {
    return this.#ports[slot] ?? 0;
  }

  address(slot: number): string {
    const bytes = new Uint8Array(16);
    for (let i = 0; i < 4; i++) putU32(bytes, 4 * i, this.#words[4 * slot + i] ?? 0);
    return (this.#words[4 * slot] ?? 0) === IPV4_WORD ? addressText(bytes, 12, 4) : addressText(bytes, 0, 16);
  }

  /** A number for a client, the same until `forgetClient`. */
  clientNumber(name: string): number {
    const known = this.#clientNumbers.get(name);
    if (known !== undefined) return known;
    const number = this.#freeNumbers.pop() ?? this.#clientNames.length;
    this.#clientNames[number] = name;
    this.#clientNumbers.set(name, number);
    return number;
  }

  clientName(number: number): string {
    return this.#clientNames[number] ?? '';
  }

  /** As `clientNumber`, -1 for a client that has none. */
  knownClient(name: string): number {
    return this.#clientNumbers.get(name) ?? -1;
  }

  /** No slot has this client any more. */
  forgetClient(number: number): void {
    this.#clientNumbers.delete(this.clientName(number));
    this.#freeNumbers.push(number);
  }

  /** Reads an address into `#key`. */
  #read(address: string): boolean {
    if (address === this.#lastText) return true;
    const bytes = parseAddress(address);
    if (!bytes) return false;
    this.#lastText = address;
    const key = this.#key;
    if (bytes.length === 4) {
      key.fill(IPV4_WORD);
      key[3] = i32(bytes, 0);
    } else for (let i = 0; i < 4; i++) key[i] = i32(bytes, 4 * i);
    return true;
  }

  #hash(port: number, owner: number): number {
    const [a, b, c, d] = this.#key as unknown as [number, number, number, number];
    return this.#mix(a, b, c, d, port, owner);
  }

  #hashOf(slot: number): number {
    const at = 4 * slot;
    const words = this.#words;
    return this.#mix(words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0, words[at + 3] ?? 0, this.#ports[slot] ?? 0, this.#owners[slot] ?? 0);
  }

  // Multipliers of MurmurHash3's finaliser. A client that chooses colliding peers slows down its own entries only.
  #mix(a: number, b: number, c: number, d: number, port: number, owner: number): number {
    let hash = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b) ^ Math.imul(c ^ Math.imul(owner, 0x27d4eb2f), 0xc2b2ae35);
    hash = Math.imul(hash ^ d ^ (hash >>> 15), 0x85ebca6b);
    hash = Math.imul(hash ^ Math.imul(port, 0x9e3779b1) ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) & (this.#heads.length - 1);
  }

  #chainIn(slot: number): void {
    const head = this.#hashOf(slot);
    this.#chain[slot] = this.#heads[head] ?? -1;
    this.#heads[head] = slot;
  }

  #append(slot: number): void {
    this.#older[slot] = this.#newest;
    this.#newer[slot] = -1;
    if (this.#newest >= 0) this.#newer[this.#newest] = slot;
    else this.#oldest = slot;
    this.#newest = slot;
  }

  #detach(slot: number): void {
    const older = this.#older[slot] ?? -1;
    const newer = this.#newer[slot] ?? -1;
    if (older >= 0) this.#newer[older] = newer;
    else this.#oldest = newer;
    if (newer >= 0) this.#older[newer] = older;
    else this.#newest = older;
  }

  /** Only when all slots are in use. */
  #grow(): void {
    const slots = 2 * this.#ports.length;
    const larger = <T extends Float64Array | Int32Array | Uint16Array | Uint8Array>(made: T, old: T): T => {
      made.set(old);
      return made;
    };
    this.seenAtMs = larger(new Float64Array(slots), this.seenAtMs);
    this.lifeMs = larger(new Float64Array(slots), this.lifeMs);
    this.announcedUntilMs = larger(new Float64Array(slots), this.announcedUntilMs);
    this.source = larger(new Uint16Array(slots), this.source);
    this.client = larger(new Int32Array(slots), this.client);
    this.isConfirmed = larger(new Uint8Array(slots), this.isConfirmed);
    this.#words = larger(new Int32Array(4 * slots), this.#words);
    this.#ports = larger(new Uint16Array(slots), this.#ports);
    this.#owners = larger(new Int32Array(slots), this.#owners);
    this.#chain = new Int32Array(slots);
    this.#older = larger(new Int32Array(slots), this.#older);
    this.#newer = larger(new Int32Array(slots), this.#newer);
    this.#heads = new Int32Array(HEADS_PER_SLOT * slots).fill(-1);
    for (let slot = this.#oldest; slot >= 0; slot = this.newer(slot)) this.#chainIn(slot);
  }
}
