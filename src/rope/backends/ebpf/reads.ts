/** Operations that read at `$offset` and move it. Their meaning: `ir.ts`, ReadOp. */
import { add, mov, sub } from '../../../ebpf/alu.js';
import { BPF_W, r1, r2, r3, r9 } from '../../../ebpf/isa.js';
import { ja, jeq, jge, jgt, jle, jlt, jne, jsge } from '../../../ebpf/jump.js';
import { load, store, storeImm } from '../../../ebpf/load-store.js';
import { NO, type ReadOp } from '../../ir.js';
import { emitByteAt, emitCase, emitLength, type Source } from './bytes.js';
import { MAX_PACKET_BYTES } from './code.js';
import { emitTest } from './compare.js';
import { emitHas } from './data.js';
import type { Program } from './program.js';
import { emitFind } from './search.js';
import { emitSpan, emitWalk } from './walk.js';

export type Reading<K extends ReadOp['op']> = Extract<ReadOp, { op: K }> & { readonly at: number };

/** r1 = `$offset`, r2 = bytes left. */
export function emitLeft(program: Program): void {
  const { code } = program;
  const outside = code.newLabel('outside');
  const inside = code.newLabel('inside');
  const done = code.newLabel('left');
  code.emit(load(BPF_W, r1, r9, code.frame.offsetAt), load(BPF_W, r2, r9, code.frame.packetLengthAt));
  // The usual case first: the verifier then finds the other one covered.
  code.emit(ja(inside));
  code.place(outside);
  code.emit(mov.imm32(r2, 0), ja(done));
  code.place(inside);
  code.emit(jlt.reg32(r2, r1, outside), sub.reg32(r2, r1));
  code.place(done);
}

/** dst = `length` (register) bytes at `$offset`, which moves behind them. Loses r1. */
function emitTaken(program: Program, dst: number | null, lengthRegister: number): void {
  const { code } = program;
  const { offsetAt } = code.frame;
  code.emit(load(BPF_W, r1, r9, offsetAt));
  if (dst !== null) {
    const place = program.strPlace(dst);
    if (place.offsetAt !== null) code.emit(store(BPF_W, r9, place.offsetAt, r1));
    code.emit(store(BPF_W, r9, place.lengthAt, lengthRegister));
  }
  code.emit(add.reg32(r1, lengthRegister), store(BPF_W, r9, offsetAt, r1));
}

export function emitTake(program: Program, op: Reading<'take'>): void {
  const { code, positions } = program;
  const place = positions.offset;
  if (place !== null && op.count.kind === 'const' && op.count.value > 0 && op.missing === 'no') {
    const count = op.count.value;
    program.orElse(NO, op.at, null, (short) => emitHas(program, place + count, short));
    code.emit(mov.imm32(r3, count));
    emitTaken(program, op.dst, r3);
    return;
  }
  emitLeft(program);
  program.loadInt(r3, op.count);
  if (op.count.kind === 'slot') {
    const positive = code.newLabel('positive');
    code.emit(jsge.imm32(r3, 0, positive), mov.imm32(r3, 0));
    code.place(positive);
  } else if (op.count.value < 0) code.emit(mov.imm32(r3, 0));
  if (op.missing === 'no') {
    program.orElse(NO, op.at, null, (short) => code.emit(jgt.reg32(r3, r2, short)));
  } else {
    const enough = code.newLabel('enough');
    code.emit(jle.reg32(r3, r2, enough), mov.reg32(r3, r2));
    code.place(enough);
  }
  emitTaken(program, op.dst, r3);
}

export function emitTakeWhile(program: Program, op: Reading<'takeWhile'>): void {
  const { code } = program;
  const set = program.ir.sets[op.set] ?? new Uint8Array(32);
  code.frame.temporarily(() => {
    const leftAt = code.frame.takeVague();
    const countAt = code.frame.takeVague();
    const over = code.newExit('run_over');
    emitLeft(program);
    code.emit(store(BPF_W, r9, leftAt, r2), store(BPF_W, r9, countAt, r2));
    const source: Source = { kind: 'packet', offsetAt: code.frame.offsetAt, lengthAt: leftAt };
    emitSpan(code, source, program.constants, set, 'run', () => {
      code.emit(store(BPF_W, r9, countAt, r2));
      code.leave(over);
    });
    code.place(over.label);
    if (op.missing === 'no') {
      code.emit(load(BPF_W, r3, r9, countAt));
      program.orElse(NO, op.at, null, (empty) => code.emit(jeq.imm32(r3, 0, empty)));
    }
    code.emit(load(BPF_W, r3, r9, countAt));
    emitTaken(program, op.dst, r3);
  });
}

export function emitScan(program: Program, op: Reading<'scan'>): void {
  const { code } = program;
  const { frame } = code;
  code.frame.temporarily(() => {
    const positionAt = frame.takeVague();
    const startAt = frame.takeVague();
    const endAt = frame.takeVague();
    const over = code.newExit('scan_over');
    emitLeft(program);
    code.emit(store(BPF_W, r9, positionAt, r1), store(BPF_W, r9, startAt, r1), add.reg32(r2, r1), store(BPF_W, r9, endAt, r2));
    code.emit(mov.imm(r1, MAX_PACKET_BYTES));
    code.loop('scan', () => {
      const inside = code.newLabel('inside');
      code.emit(load(BPF_W, r1, r9, positionAt), load(BPF_W, r2, r9, endAt), jne.reg32(r1, r2, inside));
      code.stop();
      code.place(inside);
      const byte = program.strPlace(op.byte);
      if (byte.offsetAt !== null) code.emit(store(BPF_W, r9, byte.offsetAt, r1));
      code.emit(storeImm(BPF_W, r9, byte.lengthAt, 1), store(BPF_W, r9, frame.offsetAt, r1));
      program.positions.rounds(op, () => program.compile(op.body));
      const fails = code.newLabel('scan_stop');
      const next = code.newLabel('scan_next');
      emitTest(program, op.test, fails);
      code.emit(ja(next));
      code.place(fails);
      code.leave(over);
      code.place(next);
      code.emit(load(BPF_W, r1, r9, positionAt), add.imm32(r1, 1), store(BPF_W, r9, positionAt, r1));
    });
    code.place(over.label);
    // The run begins where the offset was; emitTaken moves it to the end of the run.
    code.emit(load(BPF_W, r3, r9, positionAt), load(BPF_W, r1, r9, startAt), sub.reg32(r3, r1));
    code.emit(store(BPF_W, r9, frame.offsetAt, r1));
    if (op.missing === 'no') program.orElse(NO, op.at, null, (empty) => code.emit(jeq.imm32(r3, 0, empty)));
    emitTaken(program, op.dst, r3);
  });
}

export function emitSearch(program: Program, op: Reading<'search'>): void {
  const { code } = program;
  code.frame.temporarily(() => {
    const leftAt = code.frame.takeVague();
    const foundAt = code.frame.takeVague();
    const needleBytesAt = code.frame.takeVague();
    const missed = code.newExit('not_found');
    const found = code.newExit('found');
    const done = code.newLabel('searched');
    emitLeft(program);
    code.emit(store(BPF_W, r9, leftAt, r2));
    program.eachSource(op.needle, (needle) => {
      emitLength(code, r1, needle);
      code.emit(store(BPF_W, r9, needleBytesAt, r1), storeImm(BPF_W, r9, foundAt, 0));
      if (needle.kind === 'constant') {
        const bytes = op.needle.kind === 'literal' ? program.literal(op.needle.index) : new Uint8Array(0);
        emitFind(program, bytes, op.ignoreCase, leftAt, foundAt, found, missed);
      } else emitFindSlot(program, needle, op.ignoreCase, leftAt, foundAt, () => code.leave(found), () => code.leave(missed));
    });
    code.place(missed.label);
    if (op.missing === 'no') program.end(NO, op.at);
    else {
      code.emit(load(BPF_W, r3, r9, leftAt));
      emitTaken(program, op.dst, r3);
      code.emit(ja(done));
    }
    code.place(found.label);
    code.emit(load(BPF_W, r3, r9, foundAt));
    emitTaken(program, op.dst, r3);
    code.emit(load(BPF_W, r1, r9, code.frame.offsetAt), load(BPF_W, r2, r9, needleBytesAt), add.reg32(r1, r2));
    code.emit(store(BPF_W, r9, code.frame.offsetAt, r1));
    code.place(done);
  });
}

/** Search for a needle that is only known at run time: tried at each position where its first byte stands. */
function emitFindSlot(
  program: Program, needle: Source, ignoreCase: boolean, leftAt: number, foundAt: number,
  onFound: () => void, onMissed: () => void,
): void {
  const { code } = program;
  code.frame.borrow(8, (scratchAt) => {
    const firstAt = code.frame.takeVague();
    const placeAt = code.frame.takeVague();
    const lengthAt = code.frame.takeVague();
    const some = code.newLabel('some');
    emitLength(code, r1, needle);
    code.emit(jne.imm32(r1, 0, some));
    onFound();
    code.place(some);
    // Only the positions where the whole needle fits are walked over.
    const fits = code.newLabel('fits');
    code.emit(load(BPF_W, r2, r9, leftAt), jge.reg32(r2, r1, fits));
    onMissed();
    code.place(fits);
    code.emit(sub.reg32(r2, r1), add.imm32(r2, 1), store(BPF_W, r9, lengthAt, r2), mov.imm(r2, 0));
    emitByteAt(code, needle, scratchAt);
    if (ignoreCase) emitCase(code, 'lower');
    code.emit(store(BPF_W, r9, firstAt, r1));
    emitWalk(code, { kind: 'packet', offsetAt: code.frame.offsetAt, lengthAt }, 'search', (walk) => {
      const next = code.newLabel('next');
      const matches = code.newLabel('matches');
      const differs = code.newExit('differs');
      if (ignoreCase) emitCase(code, 'lower');
      code.emit(load(BPF_W, r2, r9, firstAt), jne.reg32(r1, r2, next));
      walk.position();
      code.emit(store(BPF_W, r9, foundAt, r2), load(BPF_W, r1, r9, code.frame.offsetAt), add.reg32(r2, r1));
      code.emit(store(BPF_W, r9, placeAt, r2));
      emitMatchAt(program, needle, placeAt, ignoreCase, () => code.leave(differs));
      code.emit(ja(matches));
      code.place(differs.label);
      code.emit(ja(next));
      code.place(matches);
      onFound();
      code.place(next);
    });
  });
  onMissed();
}

/** Goes on when the packet has the string at the position in the frame; otherwise runs `onDifference`. Keeps r7 and r8. */
export function emitMatchAt(program: Program, text: Source, placeAt: number, ignoreCase: boolean, onDifference: () => void): void {
  const { code } = program;
  code.frame.borrow(8, (scratchAt) => {
    const byteAt = code.frame.takeVague();
    const differs = code.newExit('unlike');
    const same = code.newLabel('same');
    emitWalk(code, text, 'match', (walk) => {
      const next = code.newLabel('next');
      if (ignoreCase) emitCase(code, 'lower');
      code.emit(store(BPF_W, r9, byteAt, r1));
      walk.position();
      emitByteAt(code, { kind: 'packet', offsetAt: placeAt, lengthAt: placeAt }, scratchAt);
      if (ignoreCase) emitCase(code, 'lower');
      code.emit(load(BPF_W, r2, r9, byteAt), jeq.reg32(r1, r2, next));
      code.leave(differs);
      code.place(next);
    });
    code.emit(ja(same));
    code.place(differs.label);
    onDifference();
    code.place(same);
  });
}
