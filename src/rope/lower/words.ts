/**
 * How each word becomes operations of the slot form.
 *
 * Operands arrive bottom to top, read and type-checked as the word's table entry
 * says (a `v` operand is an integer or a string). The record is exhaustive: a
 * word without an entry does not compile.
 */
import { CLASS_SETS, specSet, type ClassWord } from '../classes.js';
import type { Block } from '../code.js';
import {
  GLOBAL_COUNT, NO, OFFSET_SLOT, YES,
  type ArithFn, type DecodeForm, type Int, type PrintPart, type Rel, type Str, type TimePart, type Zone,
} from '../ir.js';
import { TIME_BYTES, arith, decodeLength, timePartAt } from '../operations.js';
import { numberedRegister } from '../registers.js';
import type { WordName } from '../words.js';
import { lowerEval, lowerExpectOne, lowerIf, lowerLoop, lowerRepeat, lowerTakeWhile } from './control.js';
import { type Lowering, negate } from './lowering.js';
import { type IntValue, MAX_STRING_BYTES, type StaticRef, type StrValue, type Value, constant, slot } from './value.js';

type Lower = (l: Lowering, args: readonly Value[]) => void;

export function lowerWord(l: Lowering, word: WordName, args: readonly Value[]): void {
  LOWER[word](l, args);
}

// The operand kinds of words.ts guarantee these types.
const valueAt = (args: readonly Value[], index: number): Value => args[index] as Value;
const int = (args: readonly Value[], index: number): Int => (args[index] as IntValue).int;
const str = (args: readonly Value[], index: number): StrValue => args[index] as StrValue;
const block = (args: readonly Value[], index: number): Block => (args[index] as Value & { type: 'block' }).block;
const ref = (args: readonly Value[], index: number): StaticRef => (args[index] as Value & { type: 'ref' }).ref;
const scalar = (args: readonly Value[], index: number): IntValue | StrValue => args[index] as IntValue | StrValue;

// ---- registers

function put(l: Lowering, value: Value, target: StaticRef): void {
  if (target.kind === 'user') {
    l.writeUser(target.name, value);
    return;
  }
  if (target.kind === 'int-field' || target.kind === 'str-field') {
    l.error('read-only', `$${target.field} is read-only`, 'store in a register of your own; $offset can be written');
    return;
  }
  if (value.type === 'argument') l.bindArgument(value.index, 'int');
  if (value.type !== 'int') {
    const what = target.kind === 'offset' ? '$offset' : target.kind === 'global' ? 'a global register' : `$${target.name}`;
    l.error('wrong-type', `${what} holds integers only`, 'user registers ($a ...) hold any value');
    return;
  }
  if (target.kind === 'offset') l.emit({ op: 'int', dst: OFFSET_SLOT, value: value.int });
  else if (target.kind === 'global') l.emit({ op: 'setGlobal', index: target.index, value: value.int });
  else putLimit(l, target.name, value.int);
}

/** Limits can be lowered, down to 0, never raised above the configured value. */
function putLimit(l: Lowering, name: 'max_actions' | 'max_while_loops', value: Int): void {
  const dst = l.slots.intRegister(name);
  const configured = constant(name === 'max_actions' ? l.limits.maxActions : l.limits.maxWhileLoops);
  const { at } = l;
  l.emit({ op: 'int', dst, value });
  l.emit({ op: 'if', test: { kind: 'int', rel: 'lt', a: slot(dst), b: constant(0) }, whenTrue: [{ op: 'int', dst, value: constant(0), at }], whenFalse: [] });
  l.emit({ op: 'if', test: { kind: 'int', rel: 'gt', a: slot(dst), b: configured }, whenTrue: [{ op: 'int', dst, value: configured, at }], whenFalse: [] });
}

function addTo(delta: number): Lower {
  return (l, args) => {
    const target = ref(args, 0);
    if (target.kind === 'int-field' || target.kind === 'str-field') {
      put(l, { type: 'int', int: constant(0) }, target);
      return;
    }
    if (target.kind === 'global') {
      l.emit({ op: 'addGlobal', index: target.index, delta });
      return;
    }
    const value = l.operand({ type: 'ref', ref: target }, 'n', delta > 0 ? 'inc' : 'dec');
    if (value?.type !== 'int') return;
    if (value.int.kind === 'const') put(l, { type: 'int', int: constant((value.int.value + delta) | 0) }, target);
    else {
      const a = value.int;
      const sum = l.computeInt((dst) => ({ op: 'arith', fn: 'add', dst, a, b: constant(delta) }));
      put(l, { type: 'int', int: sum }, target);
    }
  };
}

function greg(l: Lowering, args: readonly Value[]): void {
  let index = int(args, 0);
  if (index.kind === 'const') {
    if (index.value < 0 || index.value >= GLOBAL_COUNT) {
      l.error('out-of-range', `there is no global register ${index.value}`, `they are numbered 0 to ${GLOBAL_COUNT - 1}`);
      index = constant(0);
    }
    l.push({ type: 'ref', ref: { kind: 'global', index } });
    return;
  }
  const from = index;
  const copy = l.computeInt((dst) => ({ op: 'int', dst, value: from }));
  l.failIf({ kind: 'int', rel: 'lt', a: copy, b: constant(0) }, 'EBadRegister');
  l.failIf({ kind: 'int', rel: 'ge', a: copy, b: constant(GLOBAL_COUNT) }, 'EBadRegister');
  l.push({ type: 'ref', ref: { kind: 'global', index: copy } });
}

function reg(l: Lowering, args: readonly Value[]): void {
  l.usesComputedRegisters = true;
  const index = int(args, 0);
  if (index.kind === 'slot') {
    l.dynamic("the number for 'reg' is not known when the script is compiled", 'write the register itself: $a', true);
    l.push({ type: 'unknown', because: '' });
    return;
  }
  const name = numberedRegister(index.value);
  if (name === null) l.error('out-of-range', `there is no user register ${index.value}`, 'reg counts from 0 ($a) to 25 ($z)');
  l.push({ type: 'ref', ref: { kind: 'user', name: name ?? 'a' } });
}

// ---- arithmetic and comparison

function binary(l: Lowering, fn: ArithFn, a: Int, b: Int): Int {
  const isDivision = fn === 'div' || fn === 'mod';
  if (isDivision && b.kind === 'const' && b.value === 0) {
    l.report('warning', 'division-by-zero', `'${fn}' always divides by zero`, 'the script ends with EDivideByZero here, unless inside eval');
  }
  if (a.kind === 'const' && b.kind === 'const' && !(isDivision && b.value === 0)) return constant(arith(fn, a.value, b.value));
  if (isDivision && (b.kind === 'slot' || b.value === 0)) {
    l.failIf({ kind: 'int', rel: 'eq', a: b, b: constant(0) }, 'EDivideByZero');
    // What follows never runs, but must be sound for every back end.
    if (b.kind === 'const') return constant(0);
  }
  return l.computeInt((dst) => ({ op: 'arith', fn, dst, a, b }));
}

function arithmetic(fn: ArithFn): Lower {
  return (l, args) => l.pushInt(args.slice(1).reduce<Int>((sum, _, i) => binary(l, fn, sum, int(args, i + 1)), int(args, 0)));
}

function bitwise(fn: 'and' | 'or' | 'xor'): Lower {
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
      l.noteExit();
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
  l.failIf({ kind: 'int', rel: 'ne', a: length(a), b: length(b) }, 'EBadLength');
}

function sameTypes(l: Lowering, word: WordName, args: readonly Value[]): boolean {
  const first = valueAt(args, 0);
  if (args.every((arg) => arg.type === first.type)) return true;
  l.error('mixed-types', `'${word}' gets an integer and a string`, 'both must be of one type: atoi makes an integer of decimal text, be16_to_uint and so on of binary numbers');
  l.push({ type: 'unknown', because: '' });
  return false;
}

function comparison(rel: Rel, ignoreCase = false): Lower {
  return (l, args) => {
    if (!sameTypes(l, rel, args)) return;
    const [a, b] = [valueAt(args, 0), valueAt(args, 1)];
    if (a.type === 'int' && b.type === 'int') l.pushTest({ kind: 'int', rel, a: a.int, b: b.int });
    if (a.type !== 'str' || b.type !== 'str') return;
    if ((rel === 'eq' || rel === 'ne') && (a.max < b.min || b.max < a.min)) {
      l.report('warning', 'constant-condition', `these strings are never equal: one has ${lengthText(a)}, the other ${lengthText(b)}`, 'compare strings of the same length');
    }
    l.pushTest({ kind: 'str', rel, ignoreCase, a: a.str, b: b.str });
  };
}

function lengthText(value: StrValue): string {
  if (value.min === value.max) return `${value.min} ${value.min === 1 ? 'byte' : 'bytes'}`;
  return value.max === MAX_STRING_BYTES ? `at least ${value.min} bytes` : `${value.min} to ${value.max} bytes`;
}

// ---- strings

function classTest(word: ClassWord): Lower {
  return (l, args) => l.pushTest({ kind: 'all', of: str(args, 0).str, set: l.set(CLASS_SETS[word]), negated: false });
}

function match(l: Lowering, args: readonly Value[]): void {
  const spec = l.literalBytes(str(args, 1).str);
  if (spec === null) {
    l.dynamic("the set for 'match' is not a literal", 'write the set as a string literal', true);
    l.pushComputedInt((dst) => ({ op: 'int', dst, value: constant(0) }));
    return;
  }
  l.pushTest({ kind: 'all', of: str(args, 0).str, set: l.set(specSet(spec)), negated: false });
}

function pushSlice(l: Lowering, of: StrValue, start: Int, length: Int): void {
  const max = length.kind === 'const' ? Math.min(of.max, Math.max(length.value, 0)) : of.max;
  const isPrefix = start.kind === 'const' && start.value <= 0;
  const min = isPrefix && length.kind === 'const' ? Math.min(of.min, Math.max(length.value, 0)) : 0;
  l.pushComputedStr(of.base, min, max, (dst) => ({ op: 'slice', dst, of: of.str, start, length }));
}

function right(l: Lowering, args: readonly Value[]): void {
  const of = str(args, 0);
  const length = l.computeInt((dst) => ({ op: 'length', dst, of: of.str }));
  pushSlice(l, of, binary(l, 'sub', length, int(args, 1)), int(args, 1));
}

function strcat(l: Lowering, args: readonly Value[]): void {
  const parts = args.map((_, i) => str(args, i));
  const total = (of: 'min' | 'max'): number => parts.reduce((sum, part) => sum + part[of], 0);
  l.noteExit();
  l.pushComputedStr('arena', total('min'), total('max'), (dst) => ({ op: 'concat', dst, parts: parts.map((part) => part.str) }));
}

function mapCase(to: 'lower' | 'upper'): Lower {
  return (l, args) => {
    const of = str(args, 0);
    l.noteExit();
    l.pushComputedStr('arena', of.min, of.max, (dst) => ({ op: 'mapCase', to, dst, of: of.str }));
  };
}

// ---- packet

function take(missing: 'short' | 'no'): Lower {
  return (l, args) => {
    const count = int(args, 0);
    const known = count.kind === 'const' ? Math.min(Math.max(count.value, 0), MAX_STRING_BYTES) : null;
    if (missing === 'no') l.noteExit();
    l.pushComputedStr('packet', missing === 'no' ? (known ?? 0) : 0, known ?? MAX_STRING_BYTES, (dst) => ({ op: 'take', dst, count, missing }));
  };
}

function search(ignoreCase: boolean, missing: 'no' | 'rest'): Lower {
  return (l, args) => {
    const needle = str(args, 0).str;
    if (missing === 'no') {
      l.noteExit();
      l.emit({ op: 'search', dst: null, needle, ignoreCase, missing });
    } else l.pushComputedStr('packet', 0, MAX_STRING_BYTES, (dst) => ({ op: 'search', dst, needle, ignoreCase, missing }));
  };
}

function expectStr(ignoreCase: boolean): Lower {
  return (l, args) => {
    const parts: Str[] = [];
    let pending: number[] = [];
    const flush = (): void => {
      if (pending.length > 0) parts.push(l.literal(Uint8Array.from(pending)).str);
      pending = [];
    };
    // Neighbouring literals become one comparison.
    args.forEach((_, i) => {
      const bytes = l.literalBytes(str(args, i).str);
      if (bytes !== null && pending.length + bytes.length <= MAX_STRING_BYTES) pending.push(...bytes);
      else {
        flush();
        parts.push(str(args, i).str);
      }
    });
    flush();
    l.noteExit();
    l.emit({ op: 'expectStr', parts, ignoreCase });
  };
}

// ---- conversion and time

/** Ends with EBadLength unless the string has at least (or exactly) so many bytes. */
function requireLength(l: Lowering, word: WordName, of: StrValue, length: number, isExact: boolean): void {
  if (of.min >= length && (!isExact || of.max <= length)) return;
  if (of.max < length || (isExact && of.min > length)) {
    l.report('warning', 'bad-length', `'${word}' wants ${length} bytes, but gets ${lengthText(of)}`, 'it always ends with EBadLength here, unless inside eval');
  }
  const actual = l.computeInt((dst) => ({ op: 'length', dst, of: of.str }));
  l.failIf({ kind: 'int', rel: isExact ? 'ne' : 'lt', a: actual, b: constant(length) }, 'EBadLength');
}

function decode(word: WordName, form: DecodeForm): Lower {
  return (l, args) => {
    const of = str(args, 0);
    requireLength(l, word, of, decodeLength(form), false);
    l.pushComputedInt((dst) => ({ op: 'decode', dst, form, of: of.str }));
  };
}

function atoi(l: Lowering, args: readonly Value[]): void {
  const of = str(args, 0);
  if (!of.isDigits) {
    const digits = l.computeInt((dst) => ({ op: 'digits', dst, of: of.str }));
    l.failIf({ kind: 'int', rel: 'eq', a: digits, b: constant(0) }, 'EBadNumber');
  }
  l.pushComputedInt((dst) => ({ op: 'atoi', dst, of: of.str }));
}

function format(word: WordName, form: 'ipv4' | 'mac'): Lower {
  return (l, args) => {
    const of = str(args, 0);
    if (form === 'ipv4') requireLength(l, word, of, 4, true);
    const min = form === 'ipv4' ? 7 : Math.max(0, 3 * of.min - 1);
    const max = form === 'ipv4' ? 15 : Math.max(0, 3 * of.max - 1);
    l.noteExit();
    l.pushComputedStr('arena', min, max, (dst) => ({ op: 'format', form, dst, of: of.str }));
  };
}

function makeTime(zone: Zone): Lower {
  return (l, args) => {
    let of = int(args, 0);
    if (of.kind === 'slot' && l.slots.isIntRegister(of.slot)) {
      const from = of;
      of = l.computeInt((dst) => ({ op: 'int', dst, value: from }));
    }
    const epoch = of;
    l.noteExit();
    l.pushComputedStr('arena', TIME_BYTES, TIME_BYTES, (dst) => ({ op: 'time', zone, dst, of: epoch }), { time: { zone, of: epoch } });
  };
}

function tm(word: WordName, part: TimePart): Lower {
  return (l, args) => {
    const of = str(args, 0);
    if (of.time !== null) {
      const { zone, of: epoch } = of.time;
      l.pushComputedInt((dst) => ({ op: 'timePart', dst, part, zone, of: epoch }));
      return;
    }
    requireLength(l, word, of, TIME_BYTES, true);
    const field = l.newStr(of.base, 2);
    l.pinnedStrs.push(field);
    l.emit({ op: 'slice', dst: field, of: of.str, start: constant(timePartAt(part)), length: constant(2) });
    const stored = l.computeInt((dst) => ({ op: 'decode', dst, form: 'le16u', of: slot(field) }));
    if (part === 'mon') l.pushInt(binary(l, 'add', stored, constant(1)));
    else if (part === 'year') l.pushInt(binary(l, 'add', stored, constant(1900)));
    else if (part === 'wday') {
      const isSunday = l.computeInt((dst) => ({ op: 'test', dst, test: { kind: 'int', rel: 'eq', a: stored, b: constant(0) } }));
      l.pushInt(binary(l, 'add', stored, binary(l, 'mult', isSunday, constant(7))));
    } else l.pushInt(stored);
  };
}

// ---- output

function print(newline: boolean): Lower {
  return (l, args) => {
    const parts = args.map((_, i): PrintPart => {
      const value = scalar(args, i);
      return value.type === 'int' ? { type: 'int', value: value.int } : { type: 'str', value: value.str };
    });
    l.emit({ op: 'print', parts, newline });
  };
}

function branch(l: Lowering, args: readonly Value[], wanted: boolean, thenIndex: number, elseIndex: number | null): void {
  const test = l.truth(scalar(args, 0));
  lowerIf(l, wanted ? test : negate(test), block(args, thenIndex), elseIndex === null ? null : block(args, elseIndex));
}

const LOWER: Readonly<Record<WordName, Lower>> = {
  get: (l, args) => {
    const value = l.read(ref(args, 0));
    if (value.type === 'int') l.pushInt(value.int);
    else if (value.type === 'str') l.pushStr(value);
    else l.push(value);
  },
  put: (l, args) => put(l, valueAt(args, 0), ref(args, 1)),
  inc: addTo(1),
  dec: addTo(-1),
  greg,
  reg,
  do: (l, args) => {
    l.releaseOperands();
    l.runBlock(block(args, 0));
  },
  eval: (l, args) => lowerEval(l, block(args, 0)),
  if: (l, args) => branch(l, args, true, 1, null),
  unless: (l, args) => branch(l, args, false, 1, null),
  ifelse: (l, args) => branch(l, args, true, 1, 2),
  while: (l, args) => lowerLoop(l, 'while', block(args, 0), block(args, 1), true),
  until: (l, args) => lowerLoop(l, 'until', block(args, 0), block(args, 1), false),
  repeat: (l, args) => lowerRepeat(l, args[0] as IntValue, block(args, 1)),
  yes: (l) => l.end(YES),
  no: (l) => l.end(NO),
  hotdrop: (l, args) => {
    l.endings++;
    l.emit({ op: 'hotdrop', message: args.length > 0 ? str(args, 0).str : null });
    l.state = null;
  },
  assert: (l, args) => l.assertThat(l.truth(scalar(args, 0))),
  expect_one: (l, args) => lowerExpectOne(l, args.map((_, i) => block(args, i))),
  not: (l, args) => l.pushTest(negate(l.truth(scalar(args, 0)))),
  and: bitwise('and'),
  or: bitwise('or'),
  xor: bitwise('xor'),
  add: arithmetic('add'),
  sub: arithmetic('sub'),
  mult: arithmetic('mult'),
  div: arithmetic('div'),
  mod: arithmetic('mod'),
  abs: (l, args) => {
    const a = int(args, 0);
    if (a.kind === 'const') l.pushInt(constant(Math.abs(a.value) | 0));
    else l.pushComputedInt((dst) => ({ op: 'abs', dst, a }));
  },
  neg: (l, args) => l.pushInt(binary(l, 'sub', constant(0), int(args, 0))),
  lshift: arithmetic('lshift'),
  rshift: arithmetic('rshift'),
  gt: comparison('gt'),
  lt: comparison('lt'),
  ge: comparison('ge'),
  le: comparison('le'),
  eq: comparison('eq'),
  ne: comparison('ne'),
  eqi: comparison('eq', true),
  nei: comparison('ne', true),
  dup: (l, args) => {
    l.push(valueAt(args, 0));
    l.push(valueAt(args, 0));
  },
  swap: (l, args) => {
    l.push(valueAt(args, 1));
    l.push(valueAt(args, 0));
  },
  drop: () => undefined,
  tolower: mapCase('lower'),
  toupper: mapCase('upper'),
  strcat,
  strlen: (l, args) => {
    const of = str(args, 0);
    if (of.min === of.max) l.pushInt(constant(of.min));
    else l.pushComputedInt((dst) => ({ op: 'length', dst, of: of.str }));
  },
  left: (l, args) => pushSlice(l, str(args, 0), constant(0), int(args, 1)),
  right,
  substr: (l, args) => pushSlice(l, str(args, 0), int(args, 1), int(args, 2)),
  isupper: classTest('isupper'),
  islower: classTest('islower'),
  isalpha: classTest('isalpha'),
  isdigit: classTest('isdigit'),
  isalnum: classTest('isalnum'),
  isspace: classTest('isspace'),
  iseoln: classTest('iseoln'),
  iscntrl: classTest('iscntrl'),
  isgraph: classTest('isgraph'),
  isprint: classTest('isprint'),
  ispunct: classTest('ispunct'),
  isxdigit: classTest('isxdigit'),
  isascii: classTest('isascii'),
  isuri: classTest('isuri'),
  match,
  lift: take('short'),
  expect: take('no'),
  lift_while: (l, args) => lowerTakeWhile(l, 'lift_while', block(args, 0), 'short'),
  expect_while: (l, args) => lowerTakeWhile(l, 'expect_while', block(args, 0), 'no'),
  lift_to: search(false, 'rest'),
  lifti_to: search(true, 'rest'),
  expect_to: search(false, 'no'),
  expecti_to: search(true, 'no'),
  expect_str: expectStr(false),
  expecti_str: expectStr(true),
  move: (l, args) => l.emit({ op: 'arith', fn: 'add', dst: OFFSET_SLOT, a: slot(OFFSET_SLOT), b: int(args, 0) }),
  atoi,
  ord: decode('ord', 'u8'),
  chr: (l, args) => {
    const of = int(args, 0);
    l.noteExit();
    l.pushComputedStr('arena', 1, 1, (dst) => ({ op: 'chr', dst, of }));
  },
  ipv4_ntoa: format('ipv4_ntoa', 'ipv4'),
  mac_ntoa: format('mac_ntoa', 'mac'),
  be16_to_int: decode('be16_to_int', 'be16s'),
  be16_to_uint: decode('be16_to_uint', 'be16u'),
  be32_to_int: decode('be32_to_int', 'be32'),
  be32_to_uint: decode('be32_to_uint', 'be32'),
  le16_to_int: decode('le16_to_int', 'le16s'),
  le16_to_uint: decode('le16_to_uint', 'le16u'),
  le32_to_int: decode('le32_to_int', 'le32'),
  le32_to_uint: decode('le32_to_uint', 'le32'),
  localtime: makeTime('local'),
  gmtime: makeTime('utc'),
  tm_sec: tm('tm_sec', 'sec'),
  tm_min: tm('tm_min', 'min'),
  tm_hour: tm('tm_hour', 'hour'),
  tm_mday: tm('tm_mday', 'mday'),
  tm_mon: tm('tm_mon', 'mon'),
  tm_year: tm('tm_year', 'year'),
  tm_wday: tm('tm_wday', 'wday'),
  print: print(false),
  println: print(true),
  hexdump: (l, args) => l.emit({ op: 'hexdump', of: str(args, 0).str }),
  dump: (l) => l.dynamic("'dump' prints the interpreter's stack", 'print single values instead', true),
};
