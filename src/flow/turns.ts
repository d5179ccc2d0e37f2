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

export class Turns {
  count = 0;
  /** Copied heads: entry i at `headAt(i)`. Empty until a datagram is recorded. */
  heads: Uint8Array = new Uint8Array(0);
  readonly #limits: TurnLimits;
  readonly #lengths: Int32Array;
  readonly #headLengths: Uint8Array;
  readonly #directions: Uint8Array;

  constructor(limits: TurnLimits) {
    this.#limits = limits;
    this.#lengths = new Int32Array(limits.turns);
    this.#headLengths = new Uint8Array(limits.turns);
    this.#directions = new Uint8Array(limits.turns);
  }

  reset(): void {
    this.count = 0;
  }

  /** Records a datagram and a copy of its head. */
  addDatagram(direction: 0 | 1, bytes: Uint8Array, start: number, end: number): void {
    if (this.count >= this.#limits.turns) return;
    const { headBytes } = this.#limits;
    const at = this.count * headBytes;
    const lengthBytes = Math.min(end - start, headBytes);
    if (this.heads.length < at + headBytes) {
      // Four entries first: most flows are decided or over by then.
      const entries = this.count < 4 ? 4 : this.#limits.turns;
      const grown = new Uint8Array(entries * headBytes);
      grown.set(this.heads);
      this.heads = grown;
    }
    for (let i = 0; i < lengthBytes; i++) this.heads[at + i] = bytes[start + i]!;
    this.#directions[this.count] = direction;
    this.#lengths[this.count] = end - start;
    this.#headLengths[this.count] = lengthBytes;
    this.count++;
  }

  /** Records stream bytes: a run in one direction is one turn. */
  addStream(direction: 0 | 1, lengthBytes: number): void {
    const last = this.count - 1;
    if (last >= 0 && this.#directions[last] === direction) {
      this.#lengths[last]! += lengthBytes;
      return;
    }
    if (this.count >= this.#limits.turns) return;
    this.#directions[this.count] = direction;
    this.#lengths[this.count] = lengthBytes;
    this.#headLengths[this.count] = 0;
    this.count++;
  }

  direction(index: number): 0 | 1 {
    return this.#directions[index] === 1 ? 1 : 0;
  }
  lengthBytes(index: number): number {
    return this.#lengths[index]!;
  }
  headAt(index: number): number {
    return index * this.#limits.headBytes;
  }
  headLengthBytes(index: number): number {
    return this.#headLengths[index]!;
  }
}
