/**
 * The compiler's working state: the symbolic stack and registers, the operations
 * emitted so far, diagnostics, and the primitives that words use to lower
 * themselves. What words do is in `words.ts`, control flow in `control.ts`.
 */
import { byteSetOf } from '../byte-block.js';
import type { Block, Program, Step } from '../code.js';
import { MAX_BLOCK_DEPTH } from '../code.js';
import { type Diagnostic, type DiagnosticCode, DiagnosticList, type Severity } from '../diagnostics.js';
import type { Int, Limits, Op, Span, Str } from '../ir.js';
import { Slots } from './slots.js';
import { MAX_STRING_BYTES, type State, type StrValue, type Value, constant, slot } from './value.js';

export type ArgumentType = 'int' | 'str' | 'any';

/** An operation without its place. */
type Distribute<T> = T extends unknown ? Omit<T, 'at'> : never;
export type BareOp = Distribute<Op>;

/** Thrown when an argument's type or number became known: everything is lowered again with that knowledge. */
export class Restart {}

/** Thrown when the program is too large to be inlined. */
export class TooLarge {}

/** Lowers the steps of a block or bracket, one after another. */
export type StepRunner = (lowering: Lowering, steps: readonly Step[]) => void;

/** Steps lowered, each time a block is inlined counted: bounds compile time. */
export const MAX_LOWERED_STEPS = 60_000;
export const MAX_ARGUMENTS = 16;

const NO_SPAN: Span = { start: 0, end: 0, line: 1, column: 1 };

export class Lowering {
  readonly program: Program;
  readonly limits: Limits;
  readonly slots = new Slots();
  readonly literals: Uint8Array[] = [];
  readonly sets: Uint8Array[] = [];
  readonly #found = new DiagnosticList();
  /** null: paths to here have all ended. */
  state: State | null = { stack: [], isOpen: false, registers: new Map() };
  ops: Op[] = [];
  /** Step being lowered. */
  at = 0;
  /** False once a construct was met that only the interpreter can run. */
  isStatic = true;
  /** States that will be needed again: their slots stay busy. */
  readonly held: State[] = [];
  readonly pinnedInts: number[] = [];
  readonly pinnedStrs: number[] = [];
  /** For each scope around: what registers hold where it is left early; null as long as it is not. */
  readonly scopes: { exits: Map<string, Value> | null }[] = [];
  /** Steps reached on some path. */
  readonly visited = new Set<Step>();
  /** Steps found behind the end of all paths. */
  readonly skipped = new Set<Step>();
  /** Types of the rule's arguments, when they are inferred; null when they were given. */
  readonly inferred: ArgumentType[] | null;
  readonly usesLimit = new Set<string>();
  /** User registers written on some path; unknown when `reg` computes one. */
  readonly written = new Set<string>();
  usesComputedRegisters = false;
  /** Number of operations that can end something, and of hotdrops: tells whether a loop has a way out. */
  endings = 0;
  depth = 0;
  #steps = 0;
  #isStackFull = false;
  readonly #literalIndex = new Map<string, number>();
  readonly #literalValues = new Map<Uint8Array, StrValue>();
  readonly #byteSets = new Map<Block, Uint8Array | null>();

  readonly #runSteps: StepRunner;
  #operandMark: readonly [number, number] = [0, 0];

  constructor(program: Program, limits: Limits, inferred: ArgumentType[] | null, runSteps: StepRunner) {
    this.program = program;
    this.limits = limits;
    this.inferred = inferred;
    this.#runSteps = runSteps;
  }

  // ---- diagnostics

  get diagnostics(): readonly Diagnostic[] {
    return this.#found.all;
  }

  report(severity: Severity, code: DiagnosticCode, message: string, hint: string, at = this.at): void {
    this.#found.add({ severity, code, message, span: this.program.spans[at] ?? NO_SPAN, hint });
  }

  error(code: DiagnosticCode, message: string, hint: string): void {
    this.report('error', code, message, hint);
  }

  /** The construct at hand needs the interpreter's run-time stack. The depth is unknown from here on unless `keepStack`. */
  dynamic(reason: string, hint: string, keepStack = false): void {
    this.isStatic = false;
    this.report('note', 'interpreter-only', reason, hint);
    if (!keepStack) this.open();
  }

  /** Gives up knowing the stack: no follow-up complaints. */
  open(): void {
    if (this.state === null) return;
    this.state.stack.length = 0;
    this.state.isOpen = true;
  }

  // ---- operations and slots

  emit(op: BareOp): void {
    this.ops.push({ ...op, at: this.at } as Op);
  }

  /** Runs `body` with a fresh list of operations and returns that. */
  collect(body: () => void): Op[] {
    const outer = this.ops;
    const inner: Op[] = [];
    this.ops = inner;
    body();
    this.ops = outer;
    return inner;
  }

  #busyInts(): Set<number> {
    const busy = new Set(this.pinnedInts);
    const add = (int: Int): void => {
      if (int.kind === 'slot') busy.add(int.slot);
    };
    const visit = (value: Value): void => {
      if (value.type === 'int') add(value.int);
      else if (value.type === 'ref' && value.ref.kind === 'global') add(value.ref.index);
      else if (value.type === 'str' && value.time !== null) add(value.time.of);
    };
    this.visitValues(visit);
    return busy;
  }

  #busyStrs(): Set<number> {
    const busy = new Set(this.pinnedStrs);
    this.visitValues((value) => {
      if (value.type === 'str' && value.str.kind === 'slot') busy.add(value.str.slot);
    });
    return busy;
  }

  visitValues(visit: (value: Value) => void): void {
    for (const state of this.state === null ? this.held : [this.state, ...this.held]) {
      state.stack.forEach(visit);
      state.registers.forEach(visit);
    }
    for (const scope of this.scopes) scope.exits?.forEach(visit);
  }

  newInt(): number {
    return this.slots.int(this.#busyInts());
  }

  newStr(base: StrValue['base'], max: number): number {
    return this.slots.str(base, max, this.#busyStrs());
  }

  /** A temporary that survives until `unpin` of the mark taken before. */
  pinnedInt(): number {
    const made = this.newInt();
    this.pinnedInts.push(made);
    return made;
  }

  pins(): readonly [number, number] {
    return [this.pinnedInts.length, this.pinnedStrs.length];
  }

  unpin([ints, strs]: readonly [number, number]): void {
    this.pinnedInts.length = ints;
    this.pinnedStrs.length = strs;
  }

  /** Lowers one word with `body`; its operands stay pinned until it is done, or calls `releaseOperands`. */
  withOperands(body: () => void): void {
    const outer = this.#operandMark;
    const mark = this.pins();
    this.#operandMark = mark;
    body();
    this.unpin(mark);
    this.#operandMark = outer;
  }

  /** The operands of the word at hand have been used up. */
  releaseOperands(): void {
    this.unpin(this.#operandMark);
  }

  /** Equal bytes become one literal; the same array is recognised without a look at its bytes. */
  literal(bytes: Uint8Array): StrValue {
    const known = this.#literalValues.get(bytes);
    if (known !== undefined) return known;
    const key = bytes.join(',');
    let index = this.#literalIndex.get(key);
    if (index === undefined) {
      index = this.literals.push(bytes) - 1;
      this.#literalIndex.set(key, index);
    }
    const value: StrValue = {
      type: 'str', str: { kind: 'literal', index }, base: 'literal', min: bytes.length, max: bytes.length, time: null, isDigits: false,
    };
    this.#literalValues.set(bytes, value);
    return value;
  }

  set(bytes: Uint8Array): number {
    const found = this.sets.findIndex((known) => known.every((byte, i) => byte === bytes[i]));
    return found >= 0 ? found : this.sets.push(bytes) - 1;
  }

  /** As `byteSetOf`, once for each block. */
  byteSet(block: Block): Uint8Array | null {
    let set = this.#byteSets.get(block);
    if (set === undefined) {
      set = byteSetOf(block);
      this.#byteSets.set(block, set);
    }
    return set;
  }

  literalBytes(str: Str): Uint8Array | null {
    return str.kind === 'literal' ? (this.literals[str.index] ?? null) : null;
  }

  // ---- the symbolic stack

  push(value: Value): void {
    if (this.state === null) return;
    if (this.state.stack.length >= this.limits.stackItems) {
      if (!this.#isStackFull) this.error('stack-full', `more than ${this.limits.stackItems} items on the stack`, 'store values in registers: `$x put`');
      this.#isStackFull = true;
      // Pushed all the same, so that what follows does not complain of too few; but not without end.
      if (this.state.stack.length >= 4 * this.limits.stackItems) return;
    }
    this.state.stack.push(value);
  }

  /** Pushes an integer; one that lives in a register is copied, since the register may change before it is used. */
  pushInt(int: Int): void {
    if (int.kind === 'slot' && this.slots.isIntRegister(int.slot)) {
      const dst = this.newInt();
      this.emit({ op: 'int', dst, value: int });
      this.push({ type: 'int', int: slot(dst) });
    } else this.push({ type: 'int', int });
  }

  pushStr(value: StrValue): void {
    if (value.str.kind === 'slot' && this.slots.isStrRegister(value.str.slot)) {
      const dst = this.newStr(value.base, value.max);
      this.emit({ op: 'str', dst, value: value.str });
      this.push({ ...value, str: slot(dst) });
    } else this.push(value);
  }

  /** Pushes what `make` computes into a new slot. */
  pushComputedInt(make: (dst: number) => BareOp): void {
    const dst = this.newInt();
    this.emit(make(dst));
    this.push({ type: 'int', int: slot(dst) });
  }

  pushComputedStr(base: StrValue['base'], min: number, max: number, make: (dst: number) => BareOp, facts: Partial<Pick<StrValue, 'time' | 'isDigits'>> = {}): void {
    const bound = Math.min(max, MAX_STRING_BYTES);
    const dst = this.newStr(base, bound);
    this.emit(make(dst));
    this.push({ type: 'str', str: slot(dst), base, min, max: bound, time: null, isDigits: false, ...facts });
  }

  /** A temporary integer for use inside one word. */
  computeInt(make: (dst: number) => BareOp): Int {
    const dst = this.pinnedInt();
    this.emit(make(dst));
    return slot(dst);
  }

  /** Top of the stack as it is. null: the stack is empty (nothing reported). */
  pop(): Value | null {
    if (this.state === null) return { type: 'unknown', because: '' };
    return this.state.stack.pop() ?? (this.state.isOpen ? { type: 'unknown', because: '' } : null);
  }

  /** Keeps the slots of an operand from being reused while its word is lowered. */
  pin(value: Value): void {
    if (value.type === 'int' && value.int.kind === 'slot') this.pinnedInts.push(value.int.slot);
    if (value.type === 'ref' && value.ref.kind === 'global' && value.ref.index.kind === 'slot') this.pinnedInts.push(value.ref.index.slot);
    if (value.type === 'str') {
      if (value.str.kind === 'slot') this.pinnedStrs.push(value.str.slot);
      if (value.time?.of.kind === 'slot') this.pinnedInts.push(value.time.of.slot);
    }
  }

  limit(name: 'max_actions' | 'max_while_loops'): Int {
    if (this.usesLimit.has(name)) return slot(this.slots.intRegister(name));
    return constant(name === 'max_actions' ? this.limits.maxActions : this.limits.maxWhileLoops);
  }

  // ---- blocks and joins

  /** Counts a step against the budget. */
  countStep(): void {
    if (++this.#steps > MAX_LOWERED_STEPS) throw new TooLarge();
  }

  /** Inlines a block. `at` is afterwards what it was before. */
  runBlock(block: Block): void {
    if (this.state === null) return;
    if (this.depth >= MAX_BLOCK_DEPTH) {
      this.dynamic(`blocks run inside each other more than ${MAX_BLOCK_DEPTH} deep: a block that runs itself?`, 'use while, until or repeat');
      return;
    }
    const { at } = this;
    this.depth++;
    this.emit({ op: 'charge', count: block.actions, limit: this.limit('max_actions') });
    this.#runSteps(this, block.steps);
    this.depth--;
    this.at = at;
  }
}
