/**
 * What an operation of the slot form reads, writes and contains: the one place that analyses, passes and back ends ask.
 */
import { OFFSET_SLOT, type ArenaOp, type Int, type Op, type Str, type Test } from './ir.js';
import { assertNever } from '../base/assert.js';

/** Every operation that makes new bytes; the type keeps the list whole. */
const ARENA_OPS: Readonly<Record<ArenaOp['op'], true>> = {
  bitwise: true, concat: true, mapCase: true, chr: true, format: true, time: true,
};

/** True for operations that make new bytes. */
export function isArenaOp(op: Op): op is Extract<Op, ArenaOp> {
  return op.op in ARENA_OPS;
}

export interface SlotUse {
  readonly readInts: number[];
  readonly readStrs: number[];
  readonly writeInts: number[];
  readonly writeStrs: number[];
}

/** Of the operation itself, without the lists inside it. */
export function slotUse(op: Op): SlotUse {
  const use: SlotUse = { readInts: [], readStrs: [], writeInts: [], writeStrs: [] };
  const int = (...operands: Int[]): void => {
    for (const operand of operands) if (operand.kind === 'slot') use.readInts.push(operand.slot);
  };
  const str = (...operands: readonly Str[]): void => {
    for (const operand of operands) if (operand.kind === 'slot') use.readStrs.push(operand.slot);
  };
  const toInt = (dst: number): void => void use.writeInts.push(dst);
  const toStr = (dst: number | null): void => {
    if (dst !== null) use.writeStrs.push(dst);
  };
  const test = (t: Test): void => {
    if (t.kind === 'int') int(t.a, t.b);
    else if (t.kind === 'str') str(t.a, t.b);
    else str(t.of);
  };
  const packet = (dst: number | null): void => {
    use.readInts.push(OFFSET_SLOT);
    toInt(OFFSET_SLOT);
    toStr(dst);
  };
  switch (op.op) {
    case 'int':
      int(op.value);
      toInt(op.dst);
      break;
    case 'arith':
      int(op.a, op.b);
      toInt(op.dst);
      break;
    case 'abs':
      int(op.a);
      toInt(op.dst);
      break;
    case 'test':
      test(op.test);
      toInt(op.dst);
      break;
    case 'field':
      toInt(op.dst);
      break;
    case 'length':
    case 'decode':
    case 'atoi':
    case 'digits':
      str(op.of);
      toInt(op.dst);
      break;
    case 'timePart':
      int(op.of);
      toInt(op.dst);
      break;
    case 'getGlobal':
      int(op.index);
      toInt(op.dst);
      break;
    case 'setGlobal':
      int(op.index, op.value);
      break;
    case 'addGlobal':
      int(op.index);
      break;
    case 'str':
      str(op.value);
      toStr(op.dst);
      break;
    case 'strField':
      toStr(op.dst);
      break;
    case 'slice':
      str(op.of);
      int(op.start, op.length);
      toStr(op.dst);
      break;
    case 'bitwise':
      str(op.a, op.b);
      toStr(op.dst);
      break;
    case 'concat':
      str(...op.parts);
      toStr(op.dst);
      break;
    case 'mapCase':
    case 'format':
      str(op.of);
      toStr(op.dst);
      break;
    case 'chr':
    case 'time':
      int(op.of);
      toStr(op.dst);
      break;
    case 'take':
      int(op.count);
      packet(op.dst);
      break;
    case 'takeWhile':
      packet(op.dst);
      break;
    case 'scan':
      packet(op.dst);
      toStr(op.byte);
      test(op.test);
      break;
    case 'search':
      str(op.needle);
      packet(op.dst);
      break;
    case 'expectStr':
      str(...op.parts);
      packet(null);
      break;
    case 'if':
      test(op.test);
      break;
    case 'loop':
      test(op.test);
      int(op.limit);
      toInt(op.counter);
      break;
    case 'repeat':
      int(op.count);
      toInt(op.counter);
      break;
    case 'scope':
      toInt(op.result);
      break;
    case 'attempt':
      break;
    case 'hotdrop':
      if (op.message !== null) str(op.message);
      break;
    case 'charge':
      int(op.limit);
      break;
    case 'print':
      for (const part of op.parts) {
        if (part.type === 'int') int(part.value);
        else str(part.value);
      }
      break;
    case 'hexdump':
      str(op.of);
      break;
    case 'end':
      break;
    default:
      assertNever(op);
  }
  return use;
}

/** Lists of operations inside an operation. */
export function childLists(op: Op): readonly (readonly Op[])[] {
  switch (op.op) {
    case 'if':
      return [op.whenTrue, op.whenFalse];
    case 'loop':
      return [op.head, op.body];
    case 'repeat':
    case 'scope':
    case 'scan':
      return [op.body];
    case 'attempt':
      return [op.body, op.whenMatched, op.otherwise];
    default:
      return [];
  }
}

/** All operations, nested ones included, each before those inside it. */
export function* allOps(ops: readonly Op[]): Generator<Op> {
  for (const op of ops) {
    yield op;
    for (const list of childLists(op)) yield* allOps(list);
  }
}
