/**
 * How each word becomes operations of the slot form.
 *
 * Operands arrive bottom to top, read and type-checked as the word's table entry
 * says (a `v` operand is an integer or a string). The record is exhaustive: a
 * word without an entry does not compile.
 */
import { NO, OFFSET_SLOT, YES, type PrintPart } from '../ir.js';
import { CLASS_SETS } from '../classes.js';
import { ARITHMETIC_WORDS, BITWISE_WORDS, COMPARISON_WORDS, DECODE_WORDS, TIME_PART_WORDS, family } from '../word-families.js';
import type { WordName } from '../words.js';
import { lowerEval, lowerExpectOne, lowerIf, lowerLoop, lowerRepeat, lowerTakeWhile } from './control.js';
import { assertThat, end, noteExit } from './endings.js';
import type { Lowering } from './lowering.js';
import { readRegister } from './registers.js';
import { negate } from './tests.js';
import { pushTest, truth } from './truth.js';
import { type IntValue, type Value, constant, slot } from './value.js';
import { atoi, decode, expectStr, format, makeTime, search, take, tm } from './word-packet.js';
import { addTo, greg, put, reg } from './word-registers.js';
import { arithmetic, binary, bitwise, classTest, comparison, mapCase, match, pushSlice, right, strcat } from './word-values.js';
import { type Lower, block, int, ref, scalar, str, valueAt } from './word-operands.js';

export function lowerWord(l: Lowering, word: WordName, args: readonly Value[]): void {
  LOWER[word](l, args);
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
  const test = truth(l, scalar(args, 0));
  lowerIf(l, wanted ? test : negate(test), block(args, thenIndex), elseIndex === null ? null : block(args, elseIndex));
}

const LOWER: Readonly<Record<WordName, Lower>> = {
  ...family(ARITHMETIC_WORDS, (_, fn) => arithmetic(fn)),
  ...family(BITWISE_WORDS, (_, fn) => bitwise(fn)),
  ...family(COMPARISON_WORDS, (_, rel) => comparison(rel)),
  ...family(CLASS_SETS, (word) => classTest(word)),
  ...family(DECODE_WORDS, (word, form) => decode(word, form)),
  ...family(TIME_PART_WORDS, (word, part) => tm(word, part)),
  get: (l, args) => {
    const value = readRegister(l, ref(args, 0));
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
  yes: (l) => end(l, YES),
  no: (l) => end(l, NO),
  hotdrop: (l, args) => {
    l.endings++;
    l.emit({ op: 'hotdrop', message: args.length > 0 ? str(args, 0).str : null });
    l.state = null;
  },
  assert: (l, args) => assertThat(l, truth(l, scalar(args, 0))),
  expect_one: (l, args) => lowerExpectOne(l, args.map((_, i) => block(args, i))),
  not: (l, args) => pushTest(l, negate(truth(l, scalar(args, 0)))),
  abs: (l, args) => {
    const a = int(args, 0);
    if (a.kind === 'const') l.pushInt(constant(Math.abs(a.value) | 0));
    else l.pushComputedInt((dst) => ({ op: 'abs', dst, a }));
  },
  neg: (l, args) => l.pushInt(binary(l, 'sub', constant(0), int(args, 0))),
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
  chr: (l, args) => {
    const of = int(args, 0);
    noteExit(l);
    l.pushComputedStr('arena', 1, 1, (dst) => ({ op: 'chr', dst, of }));
  },
  ipv4_ntoa: format('ipv4_ntoa', 'ipv4'),
  mac_ntoa: format('mac_ntoa', 'mac'),
  localtime: makeTime('local'),
  gmtime: makeTime('utc'),
  print: print(false),
  println: print(true),
  hexdump: (l, args) => l.emit({ op: 'hexdump', of: str(args, 0).str }),
  dump: (l) => l.dynamic("'dump' prints the interpreter's stack", 'print single values instead', true),
};
