/** Lowering of logic, arithmetic, comparison, strings and classes. */
import { CLASS_SETS, specSet, type ClassWord } from '../classes.js';
import type {
  ArithFn, Int, Rel, 
} from '../ir.js';
import { arith } from '../operations.js';
import type { WordName } from '../words.js';
import { failIf, noteExit } from './endings.js';
import type { Lowering } from './lowering.js';
import { pushTest } from './truth.js';
import { MAX_STRING_BYTES, type StrValue, type Value, constant, slot } from './value.js';
import { type Lower, int, str, valueAt } from './word-operands.js';

export function binary(l: Lowering, fn: ArithFn, a: Int, b: Int): Int {
  const isDivision = fn === 'div' || fn === 'mod';
  if (isDivision && b.kind === 'const' && b.value === 0) {
    l.report('warning', 'division-by-zero', `'${fn}' always divides by zero`, 'the script ends with EDivideByZero here, unless inside eval');
  }
  if (a.kind === 'const' && b.kind === 'const' && !(isDivision && b.value === 0)) return constant(arith(fn, a.value, b.value));
  if (isDivision && (b.kind === 'slot' || b.value === 0)) {
    failIf(l, { kind: 'int', rel: 'eq', a: b, b: constant(0) }, 'EDivideByZero');
    // What follows never runs, but must be sound for every back end.
    if (b.kind === 'const') return constant(0);
  }
  return l.computeInt((dst) => ({ op: 'arith', fn, dst, a, b }));
}

export function arithmetic(fn: ArithFn): Lower {
  return (l, args) => l.pushInt(args.slice(1).reduce<Int>((sum, _, i) => binary(l, fn, sum, int(args, i + 1)), int(args, 0)));
}

export function bitwise(fn: 'and' | 'or' | 'xor'): Lower {
  return (l, args) => {
    if (!sameTypes(l, fn, args)) return;
    if (valueAt(args, 0).type === 'int') {
      arithmetic(fn)(l, args);
      return;
    }
    let result = str(args, 0);
    for (let i = 1; i < args.length; i++) {
      const other = str(args, i);
      requireEqualLengths(l, fn, result, other);
      const min = Math.max(result.min, other.min);
      const max = Math.min(result.max, other.max);
      const dst = l.newStr('arena', Math.max(max, 0));
      l.pinnedStrs.push(dst);
      noteExit(l);
      l.emit({ op: 'bitwise', fn, dst, a: result.str, b: other.str });
      result = { type: 'str', str: slot(dst), base: 'arena', min, max, time: null, isDigits: false };
    }
    l.pushStr(result);
  };
}

function requireEqualLengths(l: Lowering, word: WordName, a: StrValue, b: StrValue): void {
  if (a.min === a.max && b.min === b.max && a.max === b.max) return;
  if (a.max < b.min || b.max < a.min) {
    l.report('warning', 'bad-length', `'${word}' gets strings of different lengths`, 'it always ends with EBadLength here, unless inside eval; both strings must be equally long');
  }
  const length = (value: StrValue): Int => (value.min === value.max ? constant(value.min) : l.computeInt((dst) => ({ op: 'length', dst, of: value.str })));
  failIf(l, { kind: 'int', rel: 'ne', a: length(a), b: length(b) }, 'EBadLength');
}

function sameTypes(l: Lowering, word: WordName, args: readonly Value[]): boolean {
  const first = valueAt(args, 0);
  if (args.every((arg) => arg.type === first.type)) return true;
  l.error('mixed-types', `'${word}' gets an integer and a string`, 'both must be of one type: atoi makes an integer of decimal text, be16_to_uint and so on of binary numbers');
  l.push({ type: 'unknown', because: '' });
  return false;
}

export function comparison(rel: Rel, ignoreCase = false): Lower {
  return (l, args) => {
    if (!sameTypes(l, rel, args)) return;
    const [a, b] = [valueAt(args, 0), valueAt(args, 1)];
    if (a.type === 'int' && b.type === 'int') pushTest(l, { kind: 'int', rel, a: a.int, b: b.int });
    if (a.type !== 'str' || b.type !== 'str') return;
    if ((rel === 'eq' || rel === 'ne') && (a.max < b.min || b.max < a.min)) {
      l.report('warning', 'constant-condition', `these strings are never equal: one has ${lengthText(a)}, the other ${lengthText(b)}`, 'compare strings of the same length');
    }
    pushTest(l, { kind: 'str', rel, ignoreCase, a: a.str, b: b.str });
  };
}

export function lengthText(value: StrValue): string {
  if (value.min === value.max) return `${value.min} ${value.min === 1 ? 'byte' : 'bytes'}`;
  return value.max === MAX_STRING_BYTES ? `at least ${value.min} bytes` : `${value.min} to ${value.max} bytes`;
}

export function classTest(word: ClassWord): Lower {
  return (l, args) => pushTest(l, { kind: 'all', of: str(args, 0).str, set: l.set(CLASS_SETS[word]), negated: false });
}

export function match(l: Lowering, args: readonly Value[]): void {
  const spec = l.literalBytes(str(args, 1).str);
  if (spec === null) {
    l.dynamic("the set for 'match' is not a literal", 'write the set as a string literal', true);
    l.pushComputedInt((dst) => ({ op: 'int', dst, value: constant(0) }));
    return;
  }
  pushTest(l, { kind: 'all', of: str(args, 0).str, set: l.set(specSet(spec)), negated: false });
}

export function pushSlice(l: Lowering, of: StrValue, start: Int, length: Int): void {
  const max = length.kind === 'const' ? Math.min(of.max, Math.max(length.value, 0)) : of.max;
  const isPrefix = start.kind === 'const' && start.value <= 0;
  const min = isPrefix && length.kind === 'const' ? Math.min(of.min, Math.max(length.value, 0)) : 0;
  l.pushComputedStr(of.base, min, max, (dst) => ({ op: 'slice', dst, of: of.str, start, length }));
}

export function right(l: Lowering, args: readonly Value[]): void {
  const of = str(args, 0);
  const length = l.computeInt((dst) => ({ op: 'length', dst, of: of.str }));
  pushSlice(l, of, binary(l, 'sub', length, int(args, 1)), int(args, 1));
}

export function strcat(l: Lowering, args: readonly Value[]): void {
  const parts = args.map((_, i) => str(args, i));
  const total = (of: 'min' | 'max'): number => parts.reduce((sum, part) => sum + part[of], 0);
  noteExit(l);
  l.pushComputedStr('arena', total('min'), total('max'), (dst) => ({ op: 'concat', dst, parts: parts.map((part) => part.str) }));
}

export function mapCase(to: 'lower' | 'upper'): Lower {
  return (l, args) => {
    const of = str(args, 0);
    noteExit(l);
    l.pushComputedStr('arena', of.min, of.max, (dst) => ({ op: 'mapCase', to, dst, of: of.str }));
  };
}
