/**
 * The first turns of a flow: who sent how much, and for UDP the first bytes of each
 * datagram. What stateless features compare a packet with. Bounded; later turns are
 * not recorded.
 */

/** Entries kept, and bytes of each datagram. The detector contract states the same bounds. */
export interface TurnLimits {
  readonly turns: number;
  readonly headBytes: number;
}

/** Memory for the logs of many flows: a few large arrays instead of several small ones for each flow. */
export class TurnSlab {
  readonly limits: TurnLimits;
  readonly lengths: Int32Array;
  readonly heads: Uint8Array;

  constructor(limits: TurnLimits, logs: number) {
    this.limits = limits;
    this.lengths = new Int32Array(logs * limits.turns);
    this.heads = new Uint8Array(logs * limits.turns * limits.headBytes);
  }
}

export class Turns {
  count = 0;
  /** Copied heads of datagrams, among those of other flows: entry i at `headAt(i)`. */
  readonly heads: Uint8Array;
  readonly #lengths: Int32Array;
  readonly #limits: TurnLimits;
  /** First entry of this log in the slab. */
  readonly #entry: number;
  /** Bit i: direction of entry i. */
  #directions = 0;
  #isDatagrams = false;

  constructor(slab: TurnSlab, index: number) {
    this.heads = slab.heads;
    this.#lengths = slab.lengths;
    this.#limits = slab.limits;
    this.#entry = index * slab.limits.turns;
  }

  reset(): void {
    this.count = 0;
    this.#directions = 0;
  }

  /** Records a datagram and a copy of its head. */
  addDatagram(direction: 0 | 1, bytes: Uint8Array, start: number, end: number): void {
    if (this.count >= this.#limits.turns) return;
    const at = this.headAt(this.count);
    const lengthBytes = Math.min(end - start, this.#limits.headBytes);
    const heads = this.heads;
    for (let i = 0; i < lengthBytes; i++) heads[at + i] = bytes[start + i]!;
    this.#isDatagrams = true;
    this.#append(direction, end - start);
  }

  /** Records stream bytes: a run in one direction is one turn. */
  addStream(direction: 0 | 1, lengthBytes: number): void {
    const last = this.count - 1;
    if (last >= 0 && this.direction(last) === direction) {
      this.#lengths[this.#entry + last]! += lengthBytes;
      return;
    }
    if (this.count >= this.#limits.turns) return;
    this.#isDatagrams = false;
    this.#append(direction, lengthBytes);
  }

  #append(direction: 0 | 1, lengthBytes: number): void {
    this.#lengths[this.#entry + this.count] = lengthBytes;
    this.#directions |= direction << this.count;
    this.count++;
  }

  direction(index: number): 0 | 1 {
    return ((this.#directions >>> index) & 1) === 1 ? 1 : 0;
  }
  lengthBytes(index: number): number {
    return this.#lengths[this.#entry + index]!;
  }
  headAt(index: number): number {
    return (this.#entry + index) * this.#limits.headBytes;
  }
  headLengthBytes(index: number): number {
    return this.#isDatagrams ? Math.min(this.lengthBytes(index), this.#limits.headBytes) : 0;
  }
}
