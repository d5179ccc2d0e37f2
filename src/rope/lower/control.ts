/**
 * Lowering of words that run blocks: branches, loops, scopes, and the byte loops of `lift_while`.
 *
 * Where paths meet, values of the stack that differ are copied into a common
 * slot. A loop is lowered again and again until what is known at its start also
 * holds at its end (types and facts only ever get weaker, so that ends soon);
 * only the last version is kept.
 */
import { type Block, visitSteps } from '../code.js';
import { CLASS_SETS } from '../classes.js';
import { NO, OFFSET_SLOT, type Op, type Test } from '../ir.js';
import type { WordName } from '../words.js';
import { findUnchangingLoop } from './loop-check.js';
import type { Lowering } from './lowering.js';
import { copyAll, joinInto } from './join.js';
import {
  type IntValue, MAX_STRING_BYTES, type State, type StrValue, type Value, cloneState, constant, joinStr, mixed, sameValue, slot,
} from './value.js';
import { joinRegister, joinRegisters, readRegister } from './registers.js';
import { bindArgument, takeOperand } from './operands.js';
import { end, noteExit } from './endings.js';
import { truth } from './truth.js';
import { constantTest, negate } from './tests.js';

export function lowerIf(l: Lowering, test: Test, thenBlock: Block | null, elseBlock: Block | null): void {
  if (l.state === null) return;
  l.releaseOperands();
  const known = constantTest(test);
  const before = cloneState(l.state);
  const branch = (block: Block | null): [Op[], State | null] => {
    l.state = cloneState(before);
    const ops = l.collect(() => {
      if (block !== null) l.runBlock(block);
    });
    return [ops, l.state];
  };
  l.held.push(before);
  const [thenOps, thenState] = branch(thenBlock);
  const [elseOps, elseState] = branch(elseBlock);
  l.held.pop();
  if (known !== null) {
    l.ops.push(...(known ? thenOps : elseOps));
    l.state = known ? thenState : elseState;
    return;
  }
  l.state = joinInto(l, thenOps, thenState, elseOps, elseState);
  l.emit({ op: 'if', test, whenTrue: thenOps, whenFalse: elseOps });
}

interface Round {
  /** Where the loop-carried values must be copied back. null: the round never reaches its end. */
  readonly tail: Op[] | null;
}

/**
 * Lowers rounds with `lowerRound` until the state at the loop's start is the same in each; returns the last one.
 * Loop-carried values of the stack get slots of their own, set before the loop (emitted here) and at the end of the
 * round. Afterwards `l.state` is the state at the start of a round. Depth and types that change give null.
 */
function lowerRounds<R extends Round>(l: Lowering, word: WordName, lowerRound: () => R): R | null {
  const entry = l.state;
  if (entry === null) return null;
  const assumed = cloneState(entry);
  const carried = new Map<number, IntValue | StrValue>();
  const mark = l.pins();
  l.held.push(assumed, entry);
  const leave = (result: R | null): R | null => {
    l.held.length -= 2;
    l.unpin(mark);
    return result;
  };
  for (;;) {
    l.state = cloneState(assumed);
    const round = lowerRound();
    const end: State | null = l.state;
    if (end === null || round.tail === null) return leave(finishRounds(l, round, entry, assumed, carried));
    if (end.isOpen || assumed.isOpen) {
      l.open();
      return leave(null);
    }
    const difference = end.stack.length - assumed.stack.length;
    if (difference !== 0) {
      l.dynamic(
        `each round of '${word}' leaves the stack ${Math.abs(difference)} ${Math.abs(difference) === 1 ? 'item' : 'items'} ${difference > 0 ? 'higher' : 'lower'}`,
        'let each round leave the stack as it found it, or keep values in registers',
      );
      return leave(null);
    }
    if (!weaken(l, assumed, end, carried)) {
      copyAll(l, round.tail, [...carried].map(([index, to]) => ({ to, from: end.stack[index] ?? to })));
      return leave(finishRounds(l, round, entry, assumed, carried));
    }
  }
}

function finishRounds<R>(l: Lowering, round: R, entry: State, assumed: State, carried: ReadonlyMap<number, IntValue | StrValue>): R {
  copyAll(l, l.ops, [...carried].map(([index, to]) => ({ to, from: entry.stack[index] ?? to })));
  l.state = assumed;
  return round;
}

/** Makes `assumed` cover `end` too. Returns true when that changed it. */
function weaken(l: Lowering, assumed: State, end: State, carried: Map<number, IntValue | StrValue>): boolean {
  let hasChanged = false;
  for (const [index, was] of assumed.stack.entries()) {
    const now = end.stack[index];
    if (now === undefined || sameValue(was, now) || was.type === 'unknown') continue;
    const weaker = carry(l, was, now, carried.get(index));
    if (weaker === carried.get(index)) continue;
    hasChanged = true;
    assumed.stack[index] = weaker;
    if (weaker.type === 'int' || weaker.type === 'str') carried.set(index, weaker);
    else carried.delete(index);
  }
  for (const name of end.registers.keys()) {
    const was = readRegister(l, { kind: 'user', name });
    const known = assumed.registers.get(name);
    const before = known ?? { type: 'int', int: constant(0) };
    const joined = widen(joinRegister(l, name, before, end.registers.get(name) ?? was), before);
    if (sameValue(joined, before)) continue;
    hasChanged = true;
    if (joined.type === 'str' && joined.str.kind === 'slot') l.slots.widen(joined.str.slot, joined.base, joined.max);
    assumed.registers.set(name, joined);
  }
  return hasChanged;
}

/** A loop-carried value of the stack in a slot of its own; `current` is that slot's value so far. Returns `current` when nothing is new. */
function carry(l: Lowering, was: Value, now: Value, current: IntValue | StrValue | undefined): Value {
  if (was.type === 'int' && now.type === 'int') {
    if (current !== undefined) return current;
    const made = l.newInt();
    l.pinnedInts.push(made);
    return { type: 'int', int: slot(made) };
  }
  if (was.type === 'str' && now.type === 'str') {
    const joined = widen(joinStr(was, now, was.str), was) as StrValue;
    if (current?.type === 'str' && current.base === joined.base && current.max >= joined.max && current.min <= joined.min) {
      const isSame = (current.time === null || joined.time !== null) && (!current.isDigits || joined.isDigits);
      if (isSame) return current;
    }
    const made = l.newStr(joined.base, joined.max);
    l.pinnedStrs.push(made);
    return { ...joined, time: null, str: slot(made) };
  }
  return mixed(was, now);
}

/** A length that grows in a loop has no useful bound: give up at once instead of in 65,535 rounds. */
function widen(joined: Value, before: Value): Value {
  if (joined.type !== 'str' || before.type !== 'str') return joined;
  return { ...joined, min: joined.min < before.min ? 0 : joined.min, max: joined.max > before.max ? MAX_STRING_BYTES : joined.max };
}

/** while and until: `goesOnWhile` is the truth of the condition that goes on. */
export function lowerLoop(l: Lowering, word: WordName, condition: Block, body: Block, goesOnWhile: boolean): void {
  l.releaseOperands();
  const mark = l.pins();
  const counter = l.pinnedInt();
  const endingsBefore = l.endings;
  let exit: State | null = null;
  const round = lowerRounds(l, word, () => {
    let test: Test | null = null;
    exit = null;
    const head = l.collect(() => {
      const headMark = l.pins();
      l.runBlock(condition);
      test = popTest(l, word, 'the condition');
      l.unpin(headMark);
    });
    if (l.state !== null) exit = cloneState(l.state);
    const tail = l.collect(() => l.runBlock(body));
    return { tail: l.state === null ? null : tail, head, test: test as Test | null, body: tail };
  });
  if (round === null) {
    l.unpin(mark);
    return;
  }
  const { head, test } = round;
  // Without a test the condition never comes to its end: it runs once and leaves.
  if (test === null) l.ops.push(...head);
  else {
    const goesOn = goesOnWhile ? test : negate(test);
    const op: Op = { op: 'loop', head, test: goesOn, body: round.body, counter, limit: l.limit('max_while_loops'), at: l.at };
    const reason = l.endings === endingsBefore && round.tail !== null ? findUnchangingLoop(op) : null;
    if (reason !== null) {
      l.report('warning', 'unbounded-loop', `this '${word}' never ends once it begins: ${reason}`, 'change what the condition looks at inside the loop; as it is, the packet is dropped after $max_while_loops rounds');
    }
    l.ops.push(op);
  }
  l.state = exit;
  l.unpin(mark);
}

/** Takes the value a block left for the construct that ran it; null when the path ended or the fault was reported. */
function popTest(l: Lowering, word: WordName, what: string): Test | null {
  if (l.state === null) return null;
  const item = l.pop();
  if (item === null || item.type === 'anchor') {
    if (item !== null) l.push(item);
    l.error('underflow', `${what} of '${word}' leaves no value`, 'it must leave a value that is true or false');
    l.open();
    return { kind: 'int', rel: 'ne', a: constant(0), b: constant(0) };
  }
  const value = takeOperand(l, item, 'v', word);
  if (value?.type === 'argument') bindArgument(l, value.index, 'int');
  if (value?.type !== 'int' && value?.type !== 'str') return { kind: 'int', rel: 'ne', a: constant(0), b: constant(0) };
  return truth(l, value);
}

export function lowerRepeat(l: Lowering, count: IntValue, body: Block): void {
  const mark = l.pins();
  let { int } = count;
  // The count is taken once: a register must be copied, since the body may write it.
  if (int.kind === 'slot' && l.slots.isIntRegister(int.slot)) {
    const from = int;
    int = l.computeInt((dst) => ({ op: 'int', dst, value: from }));
  }
  const counter = l.pinnedInt();
  const round = lowerRounds(l, 'repeat', () => {
    const ops = l.collect(() => l.runBlock(body));
    return { tail: l.state === null ? null : ops, ops };
  });
  if (round !== null) l.emit({ op: 'repeat', count: int, body: round.ops, counter });
  l.unpin(mark);
}

export function lowerTakeWhile(l: Lowering, word: WordName, block: Block, missing: 'short' | 'no'): void {
  const min = missing === 'no' ? 1 : 0;
  const bytes = l.byteSet(block);
  if (bytes !== null) {
    visitSteps(block.steps, (step) => l.visited.add(step));
    if (missing === 'no') noteExit(l);
    const set = l.set(bytes);
    const isDigits = min === 1 && bytes.every((byte, i) => (byte & ~(CLASS_SETS.isdigit[i] ?? 0)) === 0);
    l.pushComputedStr('packet', min, MAX_STRING_BYTES, (dst) => ({ op: 'takeWhile', dst, set, missing }), { isDigits });
    return;
  }
  l.releaseOperands();
  const mark = l.pins();
  const byte = l.newStr('packet', 1);
  l.pinnedStrs.push(byte);
  let test: Test | null = null;
  const round = lowerRounds(l, word, () => {
    const before = l.state === null ? null : cloneState(l.state);
    const roundMark = l.pins();
    const ops = l.collect(() => {
      l.push({ type: 'str', str: slot(byte), base: 'packet', min: 1, max: 1, time: null, isDigits: false });
      l.runBlock(block);
      test = popTest(l, word, 'the block');
    });
    const after = l.state;
    if (before !== null && after !== null && !after.isOpen && !isSameStack(before, after)) {
      const isHigher = after.stack.length > before.stack.length;
      l.dynamic(`the block of '${word}' ${isHigher ? 'leaves more than its answer on the stack' : 'changes the stack below its byte'}`, isHigher ? '`drop` the byte when the block does not use it' : 'keep values in registers instead');
    }
    l.unpin(roundMark);
    return { tail: after === null ? null : ops, ops };
  });
  if (round === null) {
    l.unpin(mark);
    return;
  }
  if (missing === 'no') noteExit(l);
  const never: Test = { kind: 'int', rel: 'ne', a: constant(0), b: constant(0) };
  l.pushComputedStr('packet', min, MAX_STRING_BYTES, (dst) => ({ op: 'scan', dst, byte, body: round.ops, test: test ?? never, missing }));
  l.unpin(mark);
}

function isSameStack(a: State, b: State): boolean {
  return a.stack.length === b.stack.length && a.stack.every((value, i) => sameValue(value, b.stack[i] ?? value));
}

/** eval: pushes the verdict code. */
export function lowerEval(l: Lowering, block: Block): void {
  l.releaseOperands();
  const result = lowerScope(l, block);
  if (result !== null) l.push({ type: 'int', int: slot(result) });
}

/** Emits the scope; returns the slot of its result. null: nothing comes out of it. */
function lowerScope(l: Lowering, block: Block): number | null {
  const body = lowerScopeBody(l, block);
  if (body === null) return null;
  const result = l.newInt();
  l.emit({ op: 'scope', body, result });
  return result;
}

/** The operations of a scope. Afterwards the stack is as before. null: nothing comes out of it, and what runs in it was emitted. */
function lowerScopeBody(l: Lowering, block: Block): Op[] | null {
  if (l.state === null) return null;
  const before = cloneState(l.state);
  const frame: { exits: Map<string, Value> | null } = { exits: null };
  l.held.push(before);
  l.scopes.push(frame);
  const body = l.collect(() => l.runBlock(block));
  l.scopes.pop();
  l.held.pop();
  const end: State | null = l.state;
  const isOpen = end?.isOpen ?? false;
  const registers =
    frame.exits === null ? end?.registers : end === null ? frame.exits : joinRegisters(l, frame.exits, end.registers);
  if (registers === undefined) {
    // Only hotdrop leaves it.
    l.ops.push(...body);
    l.state = null;
    return null;
  }
  l.state = { stack: before.stack, isOpen: before.isOpen || isOpen, registers: new Map(registers) };
  return body;
}

/** expect_one: attempts inside one another, each tried with the offset of the beginning. */
export function lowerExpectOne(l: Lowering, blocks: readonly Block[]): void {
  l.releaseOperands();
  const mark = l.pins();
  const start = l.pinnedInt();
  l.emit({ op: 'int', dst: start, value: slot(OFFSET_SLOT) });
  tryFrom(l, blocks, 0, start);
  l.unpin(mark);
}

function tryFrom(l: Lowering, blocks: readonly Block[], index: number, start: number): void {
  const block = blocks[index];
  if (block === undefined) {
    end(l, NO);
    return;
  }
  const body = lowerScopeBody(l, block);
  if (body === null || l.state === null) return;
  const before = cloneState(l.state);
  l.held.push(before);
  const otherwise = l.collect(() => {
    l.emit({ op: 'int', dst: OFFSET_SLOT, value: slot(start) });
    tryFrom(l, blocks, index + 1, start);
  });
  l.held.pop();
  const otherState = l.state;
  const whenMatched: Op[] = [];
  l.state = joinInto(l, whenMatched, before, otherwise, otherState);
  l.emit({ op: 'attempt', body, whenMatched, otherwise });
}
