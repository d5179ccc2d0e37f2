/**
 * The stack machine of the reference interpreter: items, registers, blocks, scopes, limits.
 *
 * It deliberately does not know what words do (`interpreter-words.ts`), and
 * shares nothing with `lower.ts` but the table of words.
 */
import type { Argument } from '../argument.js';
import type { Block, Program, Step } from '../code.js';
import { MAX_BLOCK_DEPTH } from '../code.js';
import { byteSetOf } from '../byte-block.js';
import {
  FAIL, HOTDROP, type NO, OKAY, type YES,
  type ErrorTag, type IntField, type Limits, type StrField, type Verdict,
} from '../ir.js';
import { readIntField, strFieldAt, strFieldLength } from '../packet.js';
import { REGISTERS } from '../registers.js';
import type { RunContext } from '../run-context.js';
import { type OperandKind, type WordName, operandKind, wordInfo } from '../words.js';

export type Ref =
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'int-field'; readonly field: IntField }
  | { readonly kind: 'str-field'; readonly field: StrField }
  | { readonly kind: 'offset' }
  | { readonly kind: 'limit'; readonly name: 'max_actions' | 'max_while_loops' }
  | { readonly kind: 'global'; readonly index: number };

export interface Str {
  readonly type: 'str';
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly length: number;
}

export type Item =
  | { readonly type: 'int'; readonly value: number }
  | Str
  | { readonly type: 'block'; readonly block: Block }
  | { readonly type: 'ref'; readonly ref: Ref }
  | { readonly type: 'anchor'; readonly word: WordName };

/** How a scope or the program ends early: thrown by words, caught at scopes. */
export class Ending {
  readonly verdict: Verdict;
  readonly tag: ErrorTag | null;
  constructor(verdict: Verdict, tag: ErrorTag | null = null) {
    this.verdict = verdict;
    this.tag = tag;
  }
}

/** Does what a word does; operands bottom to top, read and checked. */
export type WordRunner = (machine: Machine, word: WordName, args: readonly Item[]) => void;

/** Called before each step; `machine` must not be changed. */
export type Trace = (step: Step, machine: Machine) => void;

export class Machine {
  readonly program: Program;
  readonly limits: Limits;
  readonly context: RunContext;
  readonly trace: Trace | null;
  readonly #runWord: WordRunner;
  readonly stack: Item[] = [];
  readonly registers = new Map<string, Item>();
  offset = 0;
  actions = 0;
  maxActions: number;
  maxWhileLoops: number;
  arenaUsed = 0;
  /** Step being run, for messages. */
  at = -1;
  #depth = 0;
  readonly #byteSets = new Map<Block, Uint8Array | null>();

  constructor(program: Program, context: RunContext, limits: Limits, runWord: WordRunner, trace: Trace | null) {
    this.program = program;
    this.#runWord = runWord;
    this.context = context;
    this.limits = limits;
    this.trace = trace;
    this.maxActions = limits.maxActions;
    this.maxWhileLoops = limits.maxWhileLoops;
  }

  /** Runs the program on `context.packet`. Never throws for anything a script or packet can do. */
  run(args: readonly Argument[] = []): Verdict {
    const { context } = this;
    this.stack.length = 0;
    this.registers.clear();
    this.offset = context.packet.dataAt;
    this.actions = 0;
    this.maxActions = this.limits.maxActions;
    this.maxWhileLoops = this.limits.maxWhileLoops;
    this.arenaUsed = 0;
    this.#depth = 0;
    this.at = -1;
    context.tag = null;
    context.at = -1;
    context.message = null;
    const ending = this.#caught(() => {
      for (const arg of args) this.push(arg.type === 'int' ? arg : { type: 'str', bytes: arg.bytes, start: 0, length: arg.bytes.length });
      this.runBlock(this.program.main);
    });
    if (ending === null) return OKAY;
    context.tag = ending.tag;
    context.at = ending.tag === null ? -1 : this.at;
    return ending.verdict;
  }

  #caught(body: () => void): Ending | null {
    try {
      body();
      return null;
    } catch (thrown) {
      if (thrown instanceof Ending) return thrown;
      throw thrown;
    }
  }

  /** Runs a block as eval does: what ends inside ends only the block, and the stack is as before. Gives the verdict code; HOTDROP passes through. */
  runScope(block: Block): typeof FAIL | typeof OKAY | typeof YES | typeof NO {
    const saved = this.stack.slice();
    const depth = this.#depth;
    const ending = this.#caught(() => this.runBlock(block));
    this.#depth = depth;
    this.stack.length = 0;
    this.stack.push(...saved);
    if (ending === null) return OKAY;
    if (ending.verdict === HOTDROP) throw ending;
    return ending.verdict;
  }

  runBlock(block: Block): void {
    if (++this.#depth > MAX_BLOCK_DEPTH) this.fail('EStackFull');
    this.actions += block.actions;
    if (this.actions > this.maxActions) throw new Ending(HOTDROP, 'EMaxActions');
    this.#runSteps(block.steps);
    this.#depth--;
  }

  #runSteps(steps: readonly Step[]): void {
    for (const step of steps) {
      this.at = step.at;
      this.trace?.(step, this);
      switch (step.kind) {
        case 'int':
          this.push({ type: 'int', value: step.value });
          break;
        case 'str':
          this.push({ type: 'str', bytes: step.bytes, start: 0, length: step.bytes.length });
          break;
        case 'reg':
          this.push({ type: 'ref', ref: referenceTo(step.name) });
          break;
        case 'block':
          this.push({ type: 'block', block: step.block });
          break;
        case 'word': {
          const { takes } = wordInfo(step.word);
          this.#runWord(this, step.word, this.#pop(step.word, takes.length, false));
          break;
        }
        case 'call':
          this.#runCall(step);
          break;
      }
    }
  }

  #runCall(step: Step & { readonly kind: 'call' }): void {
    const anchor: Item = { type: 'anchor', word: step.word };
    this.push(anchor);
    this.#runSteps(step.args);
    this.at = step.at;
    const anchorIndex = this.stack.lastIndexOf(anchor);
    if (anchorIndex < 0) this.fail('EAnchor');
    this.stack.splice(anchorIndex, 1);
    const count = this.stack.length - anchorIndex;
    const { takes, least } = wordInfo(step.word);
    const isHotdrop = step.word === 'hotdrop';
    if (least === null ? count > takes.length : isHotdrop && count > 1) this.fail('ETooManyValues');
    if (least !== null && count < least) this.fail('EStackEmpty');
    this.#runWord(this, step.word, this.#pop(step.word, least === null ? takes.length : count, true));
  }

  /** Takes the operands of a word off the stack, bottom to top, read and checked as its table entry says. */
  #pop(word: WordName, count: number, isBracketed: boolean): Item[] {
    const info = wordInfo(word);
    const out: Item[] = [];
    for (let i = count - 1; i >= 0; i--) {
      const item = this.stack.pop();
      if (item === undefined) this.fail('EStackEmpty');
      if (item.type === 'anchor') this.fail(isBracketed ? 'EStackEmpty' : 'EAnchor');
      out.unshift(this.#operand(item, operandKind(info, i)));
    }
    return out;
  }

  #operand(item: Item, kind: OperandKind): Item {
    if (kind === 'x') return item;
    if (kind === 'r') return item.type === 'ref' ? item : this.fail('EBadType');
    const value = item.type === 'ref' ? this.read(item.ref) : item;
    const fits =
      kind === 'n' ? value.type === 'int'
      : kind === 's' ? value.type === 'str'
      : kind === 'b' ? value.type === 'block'
      : kind === 'v' ? value.type === 'int' || value.type === 'str'
      : true;
    return fits ? value : this.fail('EBadType');
  }

  push(item: Item): void {
    if (this.stack.length >= this.limits.stackItems) this.fail('EStackFull');
    this.stack.push(item);
  }

  pushInt(value: number): void {
    this.push({ type: 'int', value });
  }

  /** New bytes: counted against the arena. */
  pushNew(bytes: Uint8Array): void {
    this.push({ type: 'str', bytes, start: 0, length: bytes.length });
  }

  /** Must be called before the bytes are made. */
  takeArena(lengthBytes: number): void {
    this.arenaUsed += lengthBytes;
    if (this.arenaUsed > this.limits.arenaBytes) this.fail('EArenaFull');
  }

  /** A slice of the packet; `start` counts from the IP header. */
  pushSlice(start: number, length: number): void {
    const { packet } = this.context;
    this.push({ type: 'str', bytes: packet.bytes, start: packet.start + start, length });
  }

  popValue(): Item {
    const item = this.stack.pop();
    if (item === undefined) return this.fail('EStackEmpty');
    if (item.type === 'anchor') return this.fail('EAnchor');
    return this.#operand(item, 'v');
  }

  fail(tag: ErrorTag): never {
    throw new Ending(FAIL, tag);
  }

  read(ref: Ref): Item {
    const { packet, globals } = this.context;
    switch (ref.kind) {
      case 'user':
        return this.registers.get(ref.name) ?? { type: 'int', value: 0 };
      case 'int-field':
        return { type: 'int', value: readIntField(packet, ref.field) };
      case 'str-field':
        return { type: 'str', bytes: packet.bytes, start: packet.start + strFieldAt(packet, ref.field), length: strFieldLength(packet, ref.field) };
      case 'offset':
        return { type: 'int', value: this.offset };
      case 'limit':
        return { type: 'int', value: ref.name === 'max_actions' ? this.maxActions : this.maxWhileLoops };
      case 'global':
        return { type: 'int', value: globals[ref.index] ?? 0 };
    }
  }

  write(ref: Ref, value: Item): void {
    if (ref.kind === 'user') {
      this.registers.set(ref.name, value);
      return;
    }
    if (ref.kind === 'int-field' || ref.kind === 'str-field') this.fail('EReadOnly');
    if (value.type !== 'int') this.fail('EBadType');
    if (ref.kind === 'offset') this.offset = value.value;
    else if (ref.kind === 'global') this.context.globals[ref.index] = value.value;
    else {
      const configured = ref.name === 'max_actions' ? this.limits.maxActions : this.limits.maxWhileLoops;
      const clamped = Math.min(Math.max(value.value, 0), configured);
      if (ref.name === 'max_actions') this.maxActions = clamped;
      else this.maxWhileLoops = clamped;
    }
  }

  /** Bytes from the offset to the end; 0 when the offset is outside the packet. */
  bytesLeft(): number {
    const { packetLength } = this.context.packet;
    return this.offset >= 0 && this.offset <= packetLength ? packetLength - this.offset : 0;
  }

  /** The byte set of a block that only classifies, or null. */
  byteSet(block: Block): Uint8Array | null {
    let set = this.#byteSets.get(block);
    if (set === undefined) {
      set = byteSetOf(block);
      this.#byteSets.set(block, set);
    }
    return set;
  }
}

export function referenceTo(name: string): Ref {
  const kind = REGISTERS.get(name)?.kind;
  switch (kind) {
    case 'int':
      return { kind: 'int-field', field: name as IntField };
    case 'str':
      return { kind: 'str-field', field: name as StrField };
    case 'offset':
      return { kind: 'offset' };
    case 'limit':
      return { kind: 'limit', name: name as 'max_actions' | 'max_while_loops' };
    case undefined:
      return { kind: 'user', name };
  }
}

/** True: a non-zero integer or non-empty string. */
export function isTrue(item: Item): boolean {
  return item.type === 'int' ? item.value !== 0 : item.type === 'str' && item.length > 0;
}
