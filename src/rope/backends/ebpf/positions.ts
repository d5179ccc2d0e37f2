/**
 * Where values are known to point, along the operations as they are compiled: so many bytes behind the beginning of the data.
 * `$offset` begins there, and words that expect a literal move it by a known step. What is compared at a known place needs
 * no look at `$offset`, and mostly no call for the bytes either (headers.ts loads the first ones).
 *
 * Exact or nothing: where paths meet that differ, a place is known no longer. A string is at its place when it is not empty.
 */
import { OFFSET_SLOT, OKAY, YES, type Int, type Op, type Str, type Verdict } from '../../ir.js';
import { allOps, slotUse } from '../../operation-use.js';

/** Bytes behind the beginning of the data, by the name of a slot: n0 for integers, s0 for strings. null: no path leads here. */
type Places = ReadonlyMap<string, number> | null;

const intKey = (slot: number): string => `n${slot}`;
const strKey = (slot: number): string => `s${slot}`;
const OFFSET = intKey(OFFSET_SLOT);

/** Farther than any packet reaches. */
const MAX_PLACE = 65535;

function join(a: Places, b: Places): Places {
  if (a === null || b === null) return a ?? b;
  return new Map([...a].filter(([key, place]) => b.get(key) === place));
}

/** The states at the ends of a scope. */
export class ScopePlaces {
  #matched: Places = null;
  #missed: Places = null;

  add(verdict: Verdict, places: Places): void {
    if (verdict === OKAY || verdict === YES) this.#matched = join(this.#matched, places);
    else this.#missed = join(this.#missed, places);
  }

  get matched(): Places {
    return this.#matched;
  }

  get missed(): Places {
    return this.#missed;
  }

  get any(): Places {
    return join(this.#matched, this.#missed);
  }
}

export class Positions {
  places: Places = new Map([[OFFSET, 0]]);

  /** Where `$offset` is, counted from the beginning of the data; null when that is not known. */
  get offset(): number | null {
    return this.places?.get(OFFSET) ?? null;
  }

  /** Where the string is, when it is not empty. */
  of(str: Str): number | null {
    return str.kind === 'slot' ? (this.places?.get(strKey(str.slot)) ?? null) : null;
  }

  /** True when both are known to point to the same byte. */
  areSame(slot: number, int: Int): boolean {
    const place = this.places?.get(intKey(slot));
    return place !== undefined && int.kind === 'slot' && place === this.places?.get(intKey(int.slot));
  }

  /** To be called behind each operation that holds no others. `literalBytes`: what an expectStr has moved, null when that varies. */
  after(op: Op, literalBytes: number | null): void {
    if (this.places === null) return;
    if (op.op === 'end' || op.op === 'hotdrop') {
      this.places = null;
      return;
    }
    const next = new Map(this.places);
    const write = (key: string, place: number | null): void => {
      if (place === null || place < 0 || place > MAX_PLACE) next.delete(key);
      else next.set(key, place);
    };
    const { writeInts, writeStrs } = slotUse(op);
    for (const slot of writeInts) write(intKey(slot), this.#intAfter(op, literalBytes));
    for (const slot of writeStrs) write(strKey(slot), this.#strAfter(op));
    this.places = next;
  }

  /** Where the one integer slot that the operation writes points afterwards. */
  #intAfter(op: Op, literalBytes: number | null): number | null {
    const at = (int: Int): number | null => (int.kind === 'slot' ? (this.places?.get(intKey(int.slot)) ?? null) : null);
    const by = (place: number | null, step: number | null): number | null => (place === null || step === null ? null : place + step);
    switch (op.op) {
      case 'expectStr':
        return by(this.offset, literalBytes);
      case 'take':
        return op.missing === 'no' && op.count.kind === 'const' ? by(this.offset, Math.max(op.count.value, 0)) : null;
      case 'int':
        return at(op.value);
      case 'arith':
        if (op.fn === 'add' && op.b.kind === 'const') return by(at(op.a), op.b.value);
        if (op.fn === 'add' && op.a.kind === 'const') return by(at(op.b), op.a.value);
        return op.fn === 'sub' && op.b.kind === 'const' ? by(at(op.a), -op.b.value) : null;
      case 'field':
        return op.field === 'data_start' ? 0 : null;
      default:
        return null;
    }
  }

  /** Where the one string slot that the operation writes begins afterwards, unless it is empty. */
  #strAfter(op: Op): number | null {
    switch (op.op) {
      case 'strField':
        return op.field === 'data' ? 0 : null;
      case 'str':
        return this.of(op.value);
      case 'slice': {
        const from = this.of(op.of);
        return from === null || op.start.kind !== 'const' ? null : from + Math.max(op.start.value, 0);
      }
      case 'take':
      case 'takeWhile':
      case 'search':
        return this.offset;
      default:
        return null;
    }
  }

  /** Runs the parts from the same state; afterwards what all of them that come to an end agree on is known. */
  branches(...parts: readonly (() => void)[]): void {
    const before = this.places;
    let after: Places = null;
    for (const part of parts) {
      this.places = before;
      part();
      after = join(after, this.places);
    }
    this.places = after;
  }

  /** Something that runs any number of times: nothing is known, in it and behind it, of what it writes itself. */
  rounds(op: Op, compile: () => void): void {
    this.places = this.#without(op);
    const before = this.places;
    compile();
    this.places = before;
  }

  #without(op: Op): Places {
    if (this.places === null) return null;
    const known = new Map(this.places);
    for (const inner of allOps([op])) {
      const { writeInts, writeStrs } = slotUse(inner);
      for (const slot of writeInts) known.delete(intKey(slot));
      for (const slot of writeStrs) known.delete(strKey(slot));
    }
    return known;
  }
}
