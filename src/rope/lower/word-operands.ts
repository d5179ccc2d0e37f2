/** What a word gets: operands by index, with the types that its table entry promises. */
import type { Block } from '../code.js';
import type { Int } from '../ir.js';
import type { Lowering } from './lowering.js';
import type { IntValue, StaticRef, StrValue, Value } from './value.js';

/** Lowers one word; operands bottom to top, read and checked. */
export type Lower = (l: Lowering, args: readonly Value[]) => void;

// The operand kinds of words.ts guarantee these types.
export const valueAt = (args: readonly Value[], index: number): Value => args[index] as Value;
export const int = (args: readonly Value[], index: number): Int => (args[index] as IntValue).int;
export const str = (args: readonly Value[], index: number): StrValue => args[index] as StrValue;
export const block = (args: readonly Value[], index: number): Block => (args[index] as Value & { type: 'block' }).block;
export const ref = (args: readonly Value[], index: number): StaticRef => (args[index] as Value & { type: 'ref' }).ref;
export const scalar = (args: readonly Value[], index: number): IntValue | StrValue => args[index] as IntValue | StrValue;
