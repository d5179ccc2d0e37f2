/**
 * What all parts of the compiler share while one program is made: the code so
 * far, the places of slots, and the ways to end.
 */
import { BPF_W, r1, r9 } from '../../../ebpf/isa.js';
import { add, mov } from '../../../ebpf/alu.js';
import { ja, jeq } from '../../../ebpf/jump.js';
import { load, store, storeImm } from '../../../ebpf/load-store.js';
import { FAIL, HOTDROP, NO, OKAY, YES, type ErrorTag, type Int, type Ir, type Op, type Str, type Verdict } from '../../ir.js';
import type { Constants, Source } from './bytes.js';
import type { Code, Exit } from './code.js';
import type { HeaderPlaces } from './front.js';
import { hasLoops, type SlotPlan, type StrPlace } from './plan.js';
import { Positions } from './positions.js';
import { KERNEL_ERROR_TAGS } from './state.js';

/** Position of a string that is in its slot's buffer and not in the packet. */
export const IN_BUFFER = -1;

/** Something that keeps the program out of the kernel, by the step of the source. */
export interface Obstacle {
  readonly at: number;
  readonly reason: string;
}

/** Ends a scope whose body is being compiled with a verdict. */
export type ScopeEnd = (verdict: Verdict) => void;

export class Program {
  readonly ir: Ir;
  readonly code: Code;
  readonly plan: SlotPlan;
  readonly headers: HeaderPlaces;
  readonly constants: Constants;
  readonly obstacles: Obstacle[] = [];
  /** Ends of the whole program, by verdict. */
  readonly ends: Readonly<Record<Verdict, Exit>>;
  /** Frame: step and tag of an error, for the counters. */
  readonly errorStepAt: number;
  readonly errorTagAt: number;
  readonly hasLoops: boolean;
  /** Frame: actions so far. */
  readonly actionsAt: number;
  /** Frame: bytes of new strings so far. */
  readonly arenaUsedAt: number;
  readonly positions = new Positions();
  readonly #scopes: ScopeEnd[] = [];
  readonly #compile: (ops: readonly Op[]) => void;

  constructor(
    ir: Ir, code: Code, plan: SlotPlan, headers: HeaderPlaces, constants: Constants,
    compile: (program: Program, ops: readonly Op[]) => void,
  ) {
    this.ir = ir;
    this.code = code;
    this.plan = plan;
    this.headers = headers;
    this.constants = constants;
    this.errorStepAt = code.frame.takeVague();
    this.errorTagAt = code.frame.takeVague();
    this.hasLoops = hasLoops(ir);
    this.actionsAt = code.frame.takeVague();
    this.arenaUsedAt = code.frame.takeVague();
    this.ends = {
      [FAIL]: code.newExit('end_fail'),
      [OKAY]: code.newExit('end_okay'),
      [YES]: code.newExit('end_yes'),
      [NO]: code.newExit('end_no'),
      [HOTDROP]: code.newExit('end_hotdrop'),
    };
    this.#compile = (ops) => compile(this, ops);
  }

  /** Compiles operations in place. */
  compile(ops: readonly Op[]): void {
    this.#compile(ops);
  }

  /** Compiles operations whose ends are `end`'s. */
  inScope(end: ScopeEnd, ops: readonly Op[]): void {
    this.#scopes.push(end);
    this.compile(ops);
    this.#scopes.pop();
  }

  /** Ends the innermost scope, or the program. */
  end(verdict: Verdict, at: number, tag: ErrorTag | null = null): void {
    const { code } = this;
    const scope = verdict === HOTDROP ? undefined : this.#scopes.at(-1);
    if (scope) {
      scope(verdict);
      return;
    }
    if (verdict === FAIL || verdict === HOTDROP) {
      code.emit(storeImm(BPF_W, r9, this.errorStepAt, at), storeImm(BPF_W, r9, this.errorTagAt, tagNumber(tag)));
    }
    code.leave(this.ends[verdict]);
  }

  /** Goes on when control arrives here, but ends with `verdict` when it comes to the label that is handed out. */
  orElse(verdict: Verdict, at: number, tag: ErrorTag | null, body: (elsewhere: string) => void): void {
    const { code } = this;
    const elsewhere = code.newLabel('otherwise');
    const on = code.newLabel('on');
    body(elsewhere);
    code.emit(ja(on));
    code.place(elsewhere);
    this.end(verdict, at, tag);
    code.place(on);
  }

  intAt(slot: number): number {
    const at = this.plan.ints[slot];
    if (at === undefined) throw new Error(`invariant broken: no integer slot ${slot}`);
    return at;
  }

  strPlace(slot: number): StrPlace {
    const place = this.plan.strs[slot];
    if (place === undefined) throw new Error(`invariant broken: no string slot ${slot}`);
    return place;
  }

  /** register = an integer operand. */
  loadInt(register: number, int: Int): void {
    if (int.kind === 'const') this.code.emit(mov.imm32(register, int.value));
    else this.code.emit(load(BPF_W, register, r9, this.intAt(int.slot)));
  }

  storeInt(slot: number, register: number): void {
    this.code.emit(store(BPF_W, r9, this.intAt(slot), register));
  }

  /** Stores a constant where a loop may count from it: the verifier must not know it then. Loses r1. */
  storeConstant(slot: number, value: number): void {
    const { code } = this;
    if (!this.hasLoops) {
      code.emit(storeImm(BPF_W, r9, this.intAt(slot), value));
      return;
    }
    code.unknownZero(r1);
    if (value !== 0) code.emit(add.imm32(r1, value));
    this.storeInt(slot, r1);
  }

  /** A buffer for results whose slot is still being read, with a length of its own. */
  spare(capacityBytes: number): StrPlace {
    const { spare } = this.plan;
    if (!spare) throw new Error('invariant broken: no spare buffer was planned');
    return { ...spare, offsetAt: null, capacityBytes };
  }

  literal(index: number): Uint8Array {
    return this.ir.literals[index] ?? new Uint8Array(0);
  }

  /**
   * Emits `body` for each kind of bytes that the operand can be at this point. Loses r1 before it. Code after it runs
   * whichever kind it was.
   */
  eachSource(str: Str, body: (source: Source) => void): void {
    const { code } = this;
    if (str.kind === 'literal') {
      const bytes = this.literal(str.index);
      body({ kind: 'constant', at: this.constants.add(bytes), lengthBytes: bytes.length });
      return;
    }
    const place = this.strPlace(str.slot);
    const { offsetAt, lengthAt, buffer, capacityBytes, roomBytes } = place;
    const packet: Source | null = offsetAt === null ? null : { kind: 'packet', offsetAt, lengthAt };
    const inBuffer: Source | null = buffer && { kind: 'buffer', at: buffer, capacityBytes, roomBytes, lengthAt };
    if (packet && inBuffer) {
      const otherwise = code.newLabel('in_buffer');
      const done = code.newLabel('either');
      code.emit(load(BPF_W, r1, r9, packet.offsetAt), jeq.imm32(r1, IN_BUFFER, otherwise));
      body(packet);
      code.emit(ja(done));
      code.place(otherwise);
      body(inBuffer);
      code.place(done);
    } else if (packet) body(packet);
    else if (inBuffer) body(inBuffer);
  }

  obstacle(at: number, reason: string): void {
    this.obstacles.push({ at, reason });
  }
}

/** 1 and up for tags of KERNEL_ERROR_TAGS, 0 for none. */
function tagNumber(tag: ErrorTag | null): number {
  return tag === null ? 0 : KERNEL_ERROR_TAGS.indexOf(tag) + 1;
}
