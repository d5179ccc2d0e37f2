/**
 * Numbered slots of the slot form. Values of the stack share the lowest free ones; each user
 * register has one integer slot and one string slot of its own, made when first needed.
 */
import type { IntSlotInfo, StrBase, StrSlotInfo } from '../ir.js';
import { MAX_STRING_BYTES, joinBase } from './value.js';

interface MutableStrSlot {
  base: StrBase;
  maxLengthBytes: number;
  readonly register: string | null;
}

export class Slots {
  readonly ints: IntSlotInfo[] = [{ register: 'offset' }];
  readonly strs: MutableStrSlot[] = [];
  readonly #intRegisters = new Map<string, number>();
  readonly #strRegisters = new Map<string, number>();

  /** A slot for a value of the stack that is not in `busy`. */
  int(busy: ReadonlySet<number>): number {
    const free = this.ints.findIndex((info, index) => info.register === null && !busy.has(index));
    return free >= 0 ? free : this.ints.push({ register: null }) - 1;
  }

  /** Slots are shared by values of the same base and bound only, so that each stays as exact as possible. */
  str(base: StrBase, bound: number, busy: ReadonlySet<number>): number {
    const maxLengthBytes = roundedUp(bound);
    const free = this.strs.findIndex(
      (info, index) => info.register === null && info.base === base && info.maxLengthBytes === maxLengthBytes && !busy.has(index),
    );
    return free >= 0 ? free : this.strs.push({ base, maxLengthBytes, register: null }) - 1;
  }

  isIntRegister(slot: number): boolean {
    return this.ints[slot]?.register !== null;
  }

  isStrRegister(slot: number): boolean {
    return this.strs[slot]?.register !== null;
  }

  intRegister(name: string): number {
    let slot = this.#intRegisters.get(name);
    if (slot === undefined) {
      slot = this.ints.push({ register: name }) - 1;
      this.#intRegisters.set(name, slot);
    }
    return slot;
  }

  /** Widens what the register's slot can hold. */
  strRegister(name: string, base: StrBase, maxLengthBytes: number): number {
    const slot = this.#strRegisters.get(name);
    if (slot === undefined) {
      const made = this.strs.push({ base, maxLengthBytes, register: name }) - 1;
      this.#strRegisters.set(name, made);
      return made;
    }
    this.widen(slot, base, maxLengthBytes);
    return slot;
  }

  /** True when the slot could not hold such values before. */
  widen(slot: number, base: StrBase, maxLengthBytes: number): boolean {
    const info = this.strs[slot];
    if (info === undefined) return false;
    const joined = joinBase(info.base, base);
    if (joined === info.base && maxLengthBytes <= info.maxLengthBytes) return false;
    info.base = joined;
    info.maxLengthBytes = Math.max(info.maxLengthBytes, maxLengthBytes);
    return true;
  }

  strInfo(): StrSlotInfo[] {
    return this.strs.map((info) => ({ ...info }));
  }
}

/** Bounds above 64 share slots up to the next power of two: scripts with many different lengths stay small. */
function roundedUp(bound: number): number {
  return bound <= 64 ? bound : Math.min(MAX_STRING_BYTES, 2 ** Math.ceil(Math.log2(bound)));
}
