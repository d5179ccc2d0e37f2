/** Control: conditions, loops, scopes. */
import { add, mov } from '../../../ebpf/alu.js';
import { BPF_W, r1, r2, r9 } from '../../../ebpf/isa.js';
import { ja, jle, jsge, jsgt, jsle } from '../../../ebpf/jump.js';
import { load, store, storeImm } from '../../../ebpf/load-store.js';
import { HOTDROP, OKAY, YES, type ControlOp } from '../../ir.js';
import { emitTest } from './compare.js';
import { ScopePlaces } from './positions.js';
import type { Program } from './program.js';

type Controlling<K extends ControlOp['op']> = Extract<ControlOp, { op: K }> & { readonly at: number };

/** bpf_loop runs at most this often (BPF_MAX_LOOPS); no script comes near, see Limits.maxActions. */
const MOST_ROUNDS = 1 << 23;

export function emitIf(program: Program, op: Controlling<'if'>): void {
  const { code } = program;
  const otherwise = code.newLabel('else');
  emitTest(program, op.test, otherwise);
  const done = code.newLabel('endif');
  program.positions.branches(
    () => program.compile(op.whenTrue),
    () => {
      if (op.whenFalse.length > 0) code.emit(ja(done));
      code.place(otherwise);
      program.compile(op.whenFalse);
    },
  );
  code.place(done);
}

export function emitLoopOp(program: Program, op: Controlling<'loop'>): void {
  const { code } = program;
  const over = code.newExit('loop_over');
  code.unknownZero(r1);
  program.storeInt(op.counter, r1);
  code.emit(mov.imm(r1, MOST_ROUNDS));
  program.positions.rounds(op, () => code.loop('loop', () => {
    const fails = code.newLabel('loop_fails');
    const on = code.newLabel('loop_on');
    program.compile(op.head);
    emitTest(program, op.test, fails);
    code.emit(ja(on));
    code.place(fails);
    code.leave(over);
    code.place(on);
    program.loadInt(r2, op.limit);
    program.orElse(HOTDROP, op.at, 'EMaxLoops', (tooMany) => {
      code.emit(load(BPF_W, r1, r9, program.intAt(op.counter)), jsge.reg32(r1, r2, tooMany));
      code.emit(add.imm32(r1, 1), store(BPF_W, r9, program.intAt(op.counter), r1));
    });
    program.compile(op.body);
  }));
  program.end(HOTDROP, op.at, 'EMaxLoops');
  code.place(over.label);
}

export function emitRepeat(program: Program, op: Controlling<'repeat'>): void {
  const { code } = program;
  const none = code.newLabel('none');
  const few = code.newLabel('few');
  program.loadInt(r1, op.count);
  code.emit(jsle.imm32(r1, 0, none), jle.imm32(r1, MOST_ROUNDS, few), mov.imm32(r1, MOST_ROUNDS));
  code.place(few);
  program.positions.rounds(op, () => code.loop('repeat', () => {
    program.storeInt(op.counter, r1);
    program.compile(op.body);
  }));
  code.place(none);
}

export function emitScope(program: Program, op: Controlling<'scope'>): void {
  const { code } = program;
  const exit = code.newExit('scope_end');
  const ends = new ScopePlaces();
  const { positions } = program;
  program.inScope((verdict) => {
    ends.add(verdict, positions.places);
    code.emit(storeImm(BPF_W, r9, program.intAt(op.result), verdict));
    code.leave(exit);
  }, op.body);
  ends.add(OKAY, positions.places);
  positions.places = ends.any;
  code.emit(storeImm(BPF_W, r9, program.intAt(op.result), OKAY));
  code.place(exit.label);
}

export function emitAttempt(program: Program, op: Controlling<'attempt'>): void {
  const { code, positions } = program;
  const matched = code.newExit('matched');
  const missed = code.newExit('missed');
  const done = code.newLabel('tried');
  const ends = new ScopePlaces();
  program.inScope((verdict) => {
    ends.add(verdict, positions.places);
    code.leave(verdict === OKAY || verdict === YES ? matched : missed);
  }, op.body);
  ends.add(OKAY, positions.places);
  positions.branches(
    () => {
      code.place(matched.label);
      positions.places = ends.matched;
      program.compile(op.whenMatched);
    },
    () => {
      code.emit(ja(done));
      code.place(missed.label);
      positions.places = ends.missed;
      program.compile(op.otherwise);
    },
  );
  code.place(done);
}

export function emitCharge(program: Program, op: Controlling<'charge'>): void {
  const { code, actionsAt } = program;
  program.loadInt(r2, op.limit);
  program.orElse(HOTDROP, op.at, 'EMaxActions', (tooMany) => {
    code.emit(load(BPF_W, r1, r9, actionsAt), add.imm32(r1, op.count), store(BPF_W, r9, actionsAt, r1));
    code.emit(jsgt.reg32(r1, r2, tooMany));
  });
}
