/**
 * Symbolic values: what the compiler knows of an item before the program runs,
 * and how two such states are joined where paths meet.
 */
import type { Block } from '../code.js';
import type { Int, IntField, Str, StrBase, StrField, Zone } from '../ir.js';
import type { WordName } from '../words.js';

export type StaticRef =
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'int-field'; readonly field: IntField }
  | { readonly kind: 'str-field'; readonly field: StrField }
  | { readonly kind: 'offset' }
  | { readonly kind: 'limit'; readonly name: 'max_actions' | 'max_while_loops' }
  | { readonly kind: 'global'; readonly index: Int };

export interface StrValue {
  readonly type: 'str';
  readonly str: Str;
  readonly base: StrBase;
  /** Bounds of the length in bytes. */
  readonly min: number;
  readonly max: number;
  /** Made by localtime or gmtime of this instant: tm_ words need not decode it. */
  readonly time: { readonly zone: Zone; readonly of: Int } | null;
  /** At least one byte, and digits only: atoi cannot fail. */
  readonly isDigits: boolean;
}

export type Value =
  | { readonly type: 'int'; readonly int: Int }
  | StrValue
  | { readonly type: 'block'; readonly block: Block }
  | { readonly type: 'ref'; readonly ref: StaticRef }
  | { readonly type: 'anchor'; readonly word: WordName }
  /** An argument of the rule whose type is not known yet. */
  | { readonly type: 'argument'; readonly index: number }
  /** Type or value depends on the path; `because` is empty when that was already reported. */
  | { readonly type: 'unknown'; readonly because: string };

export type IntValue = Value & { readonly type: 'int' };

export interface State {
  readonly stack: Value[];
  /** Depth unknown from here on: popping from the empty stack gives unknown values. */
  isOpen: boolean;
  /** What user registers hold; absent: the integer 0. Slots of registers always hold the value too, unless it is a block. */
  readonly registers: Map<string, Value>;
}

export const MAX_STRING_BYTES = 65535;
export const ZERO: IntValue = { type: 'int', int: { kind: 'const', value: 0 } };

export function constant(value: number): Int {
  return { kind: 'const', value };
}

export function slot(index: number): { readonly kind: 'slot'; readonly slot: number } {
  return { kind: 'slot', slot: index };
}

export function cloneState(state: State): State {
  return { stack: [...state.stack], isOpen: state.isOpen, registers: new Map(state.registers) };
}

function sameInt(a: Int, b: Int): boolean {
  return a.kind === 'const' ? b.kind === 'const' && a.value === b.value : b.kind === 'slot' && a.slot === b.slot;
}

function sameStr(a: Str, b: Str): boolean {
  return a.kind === 'literal' ? b.kind === 'literal' && a.index === b.index : b.kind === 'slot' && a.slot === b.slot;
}

function sameTime(a: StrValue['time'], b: StrValue['time']): boolean {
  return a === b || (a !== null && b !== null && a.zone === b.zone && sameInt(a.of, b.of));
}

function sameRef(a: StaticRef, b: StaticRef): boolean {
  if (a.kind === 'global' && b.kind === 'global') return sameInt(a.index, b.index);
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Equal in all that is known: nothing to join. */
export function sameValue(a: Value, b: Value): boolean {
  if (a === b) return true;
  switch (a.type) {
    case 'int':
      return b.type === 'int' && sameInt(a.int, b.int);
    case 'str':
      return (
        b.type === 'str' && sameStr(a.str, b.str) && a.base === b.base && a.min === b.min && a.max === b.max &&
        a.isDigits === b.isDigits && sameTime(a.time, b.time)
      );
    case 'block':
      return b.type === 'block' && a.block === b.block;
    case 'ref':
      return b.type === 'ref' && sameRef(a.ref, b.ref);
    case 'argument':
      return b.type === 'argument' && a.index === b.index;
    case 'unknown':
      return b.type === 'unknown';
    case 'anchor':
      // Anchors are compared by identity.
      return false;
  }
}

export function joinBase(a: StrBase, b: StrBase): StrBase {
  return a === b ? a : 'any';
}

/** What is known of a string that is one or the other; `str` says where it is then. */
export function joinStr(a: StrValue, b: StrValue, str: Str): StrValue {
  return {
    type: 'str', str,
    base: joinBase(a.base, b.base),
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    time: sameTime(a.time, b.time) ? a.time : null,
    isDigits: a.isDigits && b.isDigits,
  };
}

export function typeName(value: Value): string {
  switch (value.type) {
    case 'int':
      return 'an integer';
    case 'str':
      return 'a string';
    case 'block':
      return 'a block';
    case 'ref':
      return 'a register reference';
    case 'anchor':
      return 'the start of its bracket';
    case 'argument':
      return 'an argument';
    case 'unknown':
      return 'a value of unknown type';
  }
}

export function mixed(a: Value, b: Value): Value {
  if ((a.type === 'unknown' && a.because === '') || (b.type === 'unknown' && b.because === '')) return { type: 'unknown', because: '' };
  const because = a.type === b.type ? `it is one of several ${a.type === 'block' ? 'blocks' : 'values'}` : `it is ${typeName(a)} on one path and ${typeName(b)} on another`;
  return { type: 'unknown', because };
}
