/**
 * What each word does, on the reference interpreter's stack.
 *
 * Operands arrive in `args`, bottom to top, read and type-checked as `words.ts`
 * says. The record is exhaustive: a word without an entry does not compile.
 */
import { CLASS_SETS, allInSet, specSet } from '../classes.js';
import type { Block } from '../code.js';
import { GLOBAL_COUNT, HOTDROP, NO, OKAY, YES, type ArithFn, type DecodeForm, type Rel, type TimePart } from '../ir.js';
import {
  TIME_BYTES, arith, compareBytes, decodeLength, decodeNumber, equalIgnoringCase, formatBytes, formatLength, hasDigits,
  parseDecimal, relHolds, searchBytes, timePartAt, timePartFromStored, writeTime,
} from '../operations.js';
import { hexdumpText } from '../hexdump.js';
import { numberedRegister } from '../registers.js';
import { ARITHMETIC_WORDS, BITWISE_WORDS, COMPARISON_WORDS, DECODE_WORDS, TIME_PART_WORDS, family } from '../word-families.js';
import type { WordName } from '../words.js';
import { dumpText, printText } from './interpreter-output.js';
import { Ending, type Item, type Machine, type Ref, type Str, isTrue } from './machine.js';

type Run = (machine: Machine, args: readonly Item[]) => void;

export function runWord(machine: Machine, word: WordName, args: readonly Item[]): void {
  RUN[word](machine, args);
}

// The operand kinds of words.ts guarantee these types.
const int = (args: readonly Item[], index: number): number => (args[index] as Item & { type: 'int' }).value;
const str = (args: readonly Item[], index: number): Str => args[index] as Str;
const block = (args: readonly Item[], index: number): Block => (args[index] as Item & { type: 'block' }).block;
const ref = (args: readonly Item[], index: number): Ref => (args[index] as Item & { type: 'ref' }).ref;
const item = (args: readonly Item[], index: number): Item => args[index] as Item;
const copyOf = (s: Str): Uint8Array => s.bytes.slice(s.start, s.start + s.length);

function addTo(delta: number): Run {
  return (m, args) => {
    const value = m.read(ref(args, 0));
    if (value.type !== 'int') return m.fail('EBadType');
    m.write(ref(args, 0), { type: 'int', value: (value.value + delta) | 0 });
  };
}

function loop(goesOnWhile: boolean): Run {
  return (m, args) => {
    for (let count = 0; ; count++) {
      m.runBlock(block(args, 0));
      if (isTrue(m.popValue()) !== goesOnWhile) return;
      if (count >= m.maxWhileLoops) throw new Ending(HOTDROP, 'EMaxLoops');
      m.runBlock(block(args, 1));
    }
  };
}

function arithmetic(fn: ArithFn): Run {
  return (m, args) => {
    let result = int(args, 0);
    for (let i = 1; i < args.length; i++) {
      const operand = int(args, i);
      if (operand === 0 && (fn === 'div' || fn === 'mod')) m.fail('EDivideByZero');
      result = arith(fn, result, operand);
    }
    m.pushInt(result);
  };
}

/** and, or, xor: of integers, or bytewise of strings. */
function bitwise(fn: 'and' | 'or' | 'xor'): Run {
  return (m, args) => {
    const first = item(args, 0);
    if (first.type === 'int') {
      for (const arg of args) if (arg.type !== 'int') m.fail('EMixedTypes');
      arithmetic(fn)(m, args);
      return;
    }
    let result = str(args, 0);
    for (let i = 1; i < args.length; i++) {
      const other = item(args, i);
      if (other.type !== 'str') return m.fail('EMixedTypes');
      if (other.length !== result.length) m.fail('EBadLength');
      m.takeArena(result.length);
      const bytes = copyOf(result);
      for (let k = 0; k < bytes.length; k++) bytes[k] = arith(fn, bytes[k] ?? 0, other.bytes[other.start + k] ?? 0);
      result = { type: 'str', bytes, start: 0, length: bytes.length };
    }
    m.push(result);
  };
}

function comparison(rel: Rel): Run {
  return (m, args) => {
    const a = item(args, 0);
    const b = item(args, 1);
    if (a.type === 'int' && b.type === 'int') m.pushInt(relHolds(rel, a.value < b.value ? -1 : a.value > b.value ? 1 : 0) ? 1 : 0);
    else if (a.type === 'str' && b.type === 'str') {
      m.pushInt(relHolds(rel, compareBytes(a.bytes, a.start, a.length, b.bytes, b.start, b.length)) ? 1 : 0);
    } else m.fail('EMixedTypes');
  };
}

function equalityIgnoringCase(wanted: boolean): Run {
  return (m, args) => {
    const a = str(args, 0);
    const b = str(args, 1);
    m.pushInt(equalIgnoringCase(a.bytes, a.start, a.length, b.bytes, b.start, b.length) === wanted ? 1 : 0);
  };
}

function mapCase(from: string, to: string, bit: (byte: number) => number): Run {
  return (m, args) => {
    m.takeArena(str(args, 0).length);
    m.pushNew(copyOf(str(args, 0)).map((b) => (b >= from.charCodeAt(0) && b <= to.charCodeAt(0) ? bit(b) : b)));
  };
}

function slice(bounds: (args: readonly Item[], length: number) => readonly [start: number, length: number]): Run {
  return (m, args) => {
    const s = str(args, 0);
    const [wantedStart, wantedLength] = bounds(args, s.length);
    const start = Math.min(Math.max(wantedStart, 0), s.length);
    const length = Math.min(Math.max(wantedLength, 0), s.length - start);
    m.push({ type: 'str', bytes: s.bytes, start: s.start + start, length });
  };
}

function classTest(set: Uint8Array): Run {
  return (m, args) => {
    const s = str(args, 0);
    m.pushInt(allInSet(set, s.bytes, s.start, s.start + s.length) ? 1 : 0);
  };
}

function take(isStrict: boolean): Run {
  return (m, args) => {
    const wanted = Math.max(int(args, 0), 0);
    const left = m.bytesLeft();
    if (isStrict && left < wanted) throw new Ending(NO);
    const length = Math.min(wanted, left);
    m.pushSlice(m.offset, length);
    m.offset += length;
  };
}

function takeWhile(isStrict: boolean): Run {
  return (m, args) => {
    const { packet } = m.context;
    const body = block(args, 0);
    const set = m.byteSet(body);
    const start = m.offset;
    const end = start + m.bytesLeft();
    let at = start;
    for (; at < end; at++) {
      if (set !== null) {
        if (!allInSet(set, packet.bytes, packet.start + at, packet.start + at + 1)) break;
        continue;
      }
      m.offset = at;
      m.pushSlice(at, 1);
      m.runBlock(body);
      if (!isTrue(m.popValue())) break;
    }
    m.offset = at;
    if (isStrict && at === start) throw new Ending(NO);
    m.pushSlice(start, at - start);
  };
}

function search(ignoreCase: boolean, isStrict: boolean): Run {
  return (m, args) => {
    const { packet } = m.context;
    const needle = str(args, 0);
    const from = packet.start + m.offset;
    const end = from + m.bytesLeft();
    const found = searchBytes(packet.bytes, from, end, needle.bytes, needle.start, needle.length, ignoreCase);
    // An empty needle is found wherever the offset is, be it before the packet.
    const isMissing = found < 0 && needle.length > 0;
    if (isMissing && isStrict) throw new Ending(NO);
    const start = m.offset;
    const length = (isMissing ? end : found) - from;
    m.offset += isMissing ? length : length + needle.length;
    if (!isStrict) m.pushSlice(start, length);
  };
}

function expectStr(ignoreCase: boolean): Run {
  return (m, args) => {
    const { packet } = m.context;
    const compare = ignoreCase ? equalIgnoringCase : (...a: Parameters<typeof compareBytes>) => compareBytes(...a) === 0;
    let at = m.offset;
    const end = at + m.bytesLeft();
    for (let i = 0; i < args.length; i++) {
      const s = str(args, i);
      if (s.length > end - at || !compare(packet.bytes, packet.start + at, s.length, s.bytes, s.start, s.length)) throw new Ending(NO);
      at += s.length;
    }
    m.offset = at;
  };
}

function decode(form: DecodeForm): Run {
  return (m, args) => {
    const s = str(args, 0);
    if (s.length < decodeLength(form)) m.fail('EBadLength');
    m.pushInt(decodeNumber(form, s.bytes, s.start));
  };
}

function format(form: 'ipv4' | 'mac'): Run {
  return (m, args) => {
    const s = str(args, 0);
    if (form === 'ipv4' && s.length !== 4) m.fail('EBadLength');
    const out = new Uint8Array(formatLength(form, s.bytes, s.start, s.length));
    m.takeArena(out.length);
    formatBytes(form, out, 0, s.bytes, s.start, s.length);
    m.pushNew(out);
  };
}

function makeTime(isLocal: boolean): Run {
  return (m, args) => {
    const epoch = int(args, 0);
    const out = new Uint8Array(TIME_BYTES);
    m.takeArena(TIME_BYTES);
    writeTime(out, 0, epoch + (isLocal ? m.context.utcOffsetSeconds(epoch) : 0));
    m.pushNew(out);
  };
}

function tm(part: TimePart): Run {
  return (m, args) => {
    const s = str(args, 0);
    if (s.length !== TIME_BYTES) m.fail('EBadLength');
    m.pushInt(timePartFromStored(part, decodeNumber('le16u', s.bytes, s.start + timePartAt(part))));
  };
}

const RUN: Readonly<Record<WordName, Run>> = {
  ...family(ARITHMETIC_WORDS, (_, fn) => arithmetic(fn)),
  ...family(BITWISE_WORDS, (_, fn) => bitwise(fn)),
  ...family(COMPARISON_WORDS, (_, rel) => comparison(rel)),
  ...family(CLASS_SETS, (_, set) => classTest(set)),
  ...family(DECODE_WORDS, (_, form) => decode(form)),
  ...family(TIME_PART_WORDS, (_, part) => tm(part)),
  get: (m, args) => m.push(m.read(ref(args, 0))),
  put: (m, args) => m.write(ref(args, 1), item(args, 0)),
  inc: addTo(1),
  dec: addTo(-1),
  greg: (m, args) => {
    const index = int(args, 0);
    if (index < 0 || index >= GLOBAL_COUNT) m.fail('EBadRegister');
    m.push({ type: 'ref', ref: { kind: 'global', index } });
  },
  reg: (m, args) => {
    const name = numberedRegister(int(args, 0));
    if (name === null) return m.fail('EBadRegister');
    m.push({ type: 'ref', ref: { kind: 'user', name } });
  },
  do: (m, args) => m.runBlock(block(args, 0)),
  eval: (m, args) => m.pushInt(m.runScope(block(args, 0))),
  if: (m, args) => {
    if (isTrue(item(args, 0))) m.runBlock(block(args, 1));
  },
  unless: (m, args) => {
    if (!isTrue(item(args, 0))) m.runBlock(block(args, 1));
  },
  ifelse: (m, args) => m.runBlock(block(args, isTrue(item(args, 0)) ? 1 : 2)),
  while: loop(true),
  until: loop(false),
  repeat: (m, args) => {
    for (let left = int(args, 0); left > 0; left--) m.runBlock(block(args, 1));
  },
  yes: () => {
    throw new Ending(YES);
  },
  no: () => {
    throw new Ending(NO);
  },
  hotdrop: (m, args) => {
    m.context.message = args.length > 0 ? copyOf(str(args, 0)) : null;
    throw new Ending(HOTDROP);
  },
  assert: (_, args) => {
    if (!isTrue(item(args, 0))) throw new Ending(NO, 'EAssertFailed');
  },
  expect_one: (m, args) => {
    const start = m.offset;
    for (let i = 0; i < args.length; i++) {
      const verdict = m.runScope(block(args, i));
      if (verdict === OKAY || verdict === YES) return;
      m.offset = start;
    }
    throw new Ending(NO);
  },
  not: (m, args) => m.pushInt(isTrue(item(args, 0)) ? 0 : 1),
  abs: (m, args) => m.pushInt(Math.abs(int(args, 0)) | 0),
  neg: (m, args) => m.pushInt(-int(args, 0) | 0),
  eqi: equalityIgnoringCase(true),
  nei: equalityIgnoringCase(false),
  dup: (m, args) => {
    m.push(item(args, 0));
    m.push(item(args, 0));
  },
  swap: (m, args) => {
    m.push(item(args, 1));
    m.push(item(args, 0));
  },
  drop: () => undefined,
  tolower: mapCase('A', 'Z', (b) => b | 0x20),
  toupper: mapCase('a', 'z', (b) => b & ~0x20),
  strcat: (m, args) => {
    let length = 0;
    for (let i = 0; i < args.length; i++) length += str(args, i).length;
    m.takeArena(length);
    const out = new Uint8Array(length);
    let at = 0;
    for (let i = 0; i < args.length; i++) {
      out.set(copyOf(str(args, i)), at);
      at += str(args, i).length;
    }
    m.pushNew(out);
  },
  strlen: (m, args) => m.pushInt(str(args, 0).length),
  left: slice((args) => [0, int(args, 1)]),
  right: slice((args, length) => [length - Math.max(int(args, 1), 0), Math.max(int(args, 1), 0)]),
  substr: slice((args) => [int(args, 1), int(args, 2)]),
  match: (m, args) => {
    const s = str(args, 0);
    m.pushInt(allInSet(specSet(copyOf(str(args, 1))), s.bytes, s.start, s.start + s.length) ? 1 : 0);
  },
  lift: take(false),
  expect: take(true),
  lift_while: takeWhile(false),
  expect_while: takeWhile(true),
  lift_to: search(false, false),
  lifti_to: search(true, false),
  expect_to: search(false, true),
  expecti_to: search(true, true),
  expect_str: expectStr(false),
  expecti_str: expectStr(true),
  move: (m, args) => {
    m.offset = (m.offset + int(args, 0)) | 0;
  },
  atoi: (m, args) => {
    const s = str(args, 0);
    if (!hasDigits(s.bytes, s.start, s.length)) m.fail('EBadNumber');
    m.pushInt(parseDecimal(s.bytes, s.start, s.length));
  },
  chr: (m, args) => {
    m.takeArena(1);
    m.pushNew(Uint8Array.of(int(args, 0)));
  },
  ipv4_ntoa: format('ipv4'),
  mac_ntoa: format('mac'),
  localtime: makeTime(true),
  gmtime: makeTime(false),
  print: (m, args) => m.context.output({ kind: 'print', bytes: printText(args, false) }),
  println: (m, args) => m.context.output({ kind: 'print', bytes: printText(args, true) }),
  hexdump: (m, args) => m.context.output({ kind: 'hexdump', bytes: hexdumpText(str(args, 0).bytes, str(args, 0).start, str(args, 0).length) }),
  dump: (m) => m.context.output({ kind: 'dump', bytes: dumpText(m) }),
};
