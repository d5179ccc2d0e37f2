/** expect_str and expecti_str: text that must stand at `$offset`. Its meaning: `ir.ts`, ReadOp. */
import { add, mov, sub } from '../../../ebpf/alu.js';
import { BPF_W, r1, r2, r9 } from '../../../ebpf/isa.js';
import { ja, jge, jlt } from '../../../ebpf/jump.js';
import { load, store } from '../../../ebpf/load-store.js';
import { concat } from '../../../base/bytes.js';
import { NO, type Str } from '../../ir.js';
import { emitComparePacket, emitLength } from './bytes.js';
import { emitCompareData, emitHas, emitMoveTo } from './data.js';
import type { Program } from './program.js';
import { emitLeft, emitMatchAt, type Reading } from './reads.js';

/** Bytes that an expectStr moves over; null when that varies. */
export function literalBytes(program: Program, parts: readonly Str[]): number | null {
  let sum = 0;
  for (const part of parts) {
    if (part.kind !== 'literal') return null;
    sum += program.literal(part.index).length;
  }
  return sum;
}

export function emitExpectStr(program: Program, op: Reading<'expectStr'>): void {
  const { code } = program;
  const { frame } = code;
  const pieces = joinLiterals(program, op.parts);
  const [only] = pieces;
  if (pieces.length <= 1 && (only === undefined || only instanceof Uint8Array)) {
    emitExpectLiteral(program, op, only ?? new Uint8Array(0));
    return;
  }
  frame.temporarily(() => {
    const placeAt = frame.takeVague();
    const miss = code.newExit('unexpected');
    const done = code.newLabel('expected');
    const leftAt = frame.takeVague();
    emitLeft(program);
    code.emit(store(BPF_W, r9, placeAt, r1), store(BPF_W, r9, leftAt, r2));
    for (const piece of pieces) {
      const fits = code.newLabel('fits');
      const advance = (): void => {
        code.emit(load(BPF_W, r2, r9, leftAt), jge.reg32(r2, r1, fits));
        code.leave(miss);
        code.place(fits);
        code.emit(sub.reg32(r2, r1), store(BPF_W, r9, leftAt, r2));
      };
      if (piece instanceof Uint8Array) {
        const unlike = code.newLabel('unlike');
        const like = code.newLabel('like');
        code.emit(mov.imm32(r1, piece.length));
        advance();
        code.emit(load(BPF_W, r2, r9, placeAt));
        emitComparePacket(code, piece, op.ignoreCase, unlike);
        code.emit(ja(like));
        code.place(unlike);
        code.leave(miss);
        code.place(like);
        code.emit(load(BPF_W, r1, r9, placeAt), add.imm32(r1, piece.length), store(BPF_W, r9, placeAt, r1));
        continue;
      }
      frame.temporarily(() => {
        const lengthAt = frame.takeVague();
        program.eachSource(piece, (source) => {
          emitLength(code, r1, source);
          code.emit(store(BPF_W, r9, lengthAt, r1));
        });
        code.emit(load(BPF_W, r1, r9, lengthAt));
        advance();
        program.eachSource(piece, (source) => emitMatchAt(program, source, placeAt, op.ignoreCase, () => code.leave(miss)));
        code.emit(load(BPF_W, r1, r9, placeAt), load(BPF_W, r2, r9, lengthAt), add.reg32(r1, r2));
        code.emit(store(BPF_W, r9, placeAt, r1));
      });
    }
    code.emit(load(BPF_W, r1, r9, placeAt), store(BPF_W, r9, frame.offsetAt, r1), ja(done));
    code.place(miss.label);
    program.end(NO, op.at);
    code.place(done);
  });
}

/** Expects one literal: where it would stand is mostly known. */
function emitExpectLiteral(program: Program, op: Reading<'expectStr'>, bytes: Uint8Array): void {
  const { code, positions } = program;
  const { offsetAt } = code.frame;
  const place = positions.offset;
  if (bytes.length === 0) return;
  if (place === null) emitLeft(program);
  program.orElse(NO, op.at, null, (miss) => {
    if (place === null) {
      code.emit(jlt.imm32(r2, bytes.length, miss), mov.reg32(r2, r1));
      emitComparePacket(code, bytes, op.ignoreCase, miss);
      code.emit(load(BPF_W, r1, r9, offsetAt), add.imm32(r1, bytes.length), store(BPF_W, r9, offsetAt, r1));
      return;
    }
    emitHas(program, place + bytes.length, miss);
    emitCompareData(program, place, bytes, op.ignoreCase, miss);
    emitMoveTo(program, place + bytes.length);
  });
}

/** The parts, literals that follow one another made one. */
function joinLiterals(program: Program, parts: readonly Str[]): (Uint8Array | Str)[] {
  const pieces: (Uint8Array | Str)[] = [];
  for (const part of parts) {
    const last = pieces.at(-1);
    if (part.kind === 'slot') pieces.push(part);
    else if (last instanceof Uint8Array) pieces[pieces.length - 1] = concat(last, program.literal(part.index));
    else pieces.push(program.literal(part.index));
  }
  return pieces;
}
