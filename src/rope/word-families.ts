/**
 * Words that differ in one point only, and the point: both records of what words do (`lower/words.ts`,
 * `backends/interpreter-words.ts`) are built on these tables, and on CLASS_SETS, so that a word cannot mean one thing here and another there.
 */
import type { ArithFn, DecodeForm, Rel, TimePart } from './ir.js';
import type { WordName } from './words.js';

type Family<V> = Readonly<Partial<Record<WordName, V>>>;

export const ARITHMETIC_WORDS = {
  add: 'add', sub: 'sub', mult: 'mult', div: 'div', mod: 'mod', lshift: 'lshift', rshift: 'rshift',
} as const satisfies Family<ArithFn>;

export const BITWISE_WORDS = { and: 'and', or: 'or', xor: 'xor' } as const satisfies Family<ArithFn>;

export const COMPARISON_WORDS = { gt: 'gt', lt: 'lt', ge: 'ge', le: 'le', eq: 'eq', ne: 'ne' } as const satisfies Family<Rel>;

/** Bytes to integers. */
export const DECODE_WORDS = {
  ord: 'u8',
  be16_to_int: 'be16s', be16_to_uint: 'be16u', be32_to_int: 'be32', be32_to_uint: 'be32',
  le16_to_int: 'le16s', le16_to_uint: 'le16u', le32_to_int: 'le32', le32_to_uint: 'le32',
} as const satisfies Family<DecodeForm>;

export const TIME_PART_WORDS = {
  tm_sec: 'sec', tm_min: 'min', tm_hour: 'hour', tm_mday: 'mday', tm_mon: 'mon', tm_year: 'year', tm_wday: 'wday',
} as const satisfies Family<TimePart>;

/** An entry for each word of a family. */
export function family<K extends WordName, V, T>(table: Readonly<Record<K, V>>, make: (word: K, value: V) => T): Record<K, T> {
  const words = Object.keys(table) as K[];
  return Object.fromEntries(words.map((word) => [word, make(word, table[word])])) as Record<K, T>;
}
