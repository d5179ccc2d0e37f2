/** Operations on integers, and integers out of strings. The semantics are those of `operations.ts`. */
import { add, and, arsh, div, lsh, mod, mov, mul, neg, neg32, or, sub, toBigEndian, xor } from '../../../ebpf/alu.js';
import { BPF_B, BPF_DW, BPF_H, BPF_W, r1, r2, r3, r4, r9 } from '../../../ebpf/isa.js';
import { ja, jeq, jgt, jle, jne, jsge } from '../../../ebpf/jump.js';
import { atomicAdd, load, loadImm64, loadMapValue, store, storeImm } from '../../../ebpf/load-store.js';
import { GLOBAL_COUNT, type ArithFn, type DecodeForm, type Int, type Str } from '../../ir.js';
import { decodeLength, decodeNumber, hasDigits, parseDecimal } from '../../operations.js';
import { emitAddress, emitByteAt, emitLength, emitPacketLoad } from './bytes.js';
import { emitHeadNumber } from './data.js';
import type { Program } from './program.js';
import { GLOBALS_MAP } from './state.js';
import { emitWalk } from './walk.js';

/** dst = a fn b */
export function emitArith(program: Program, fn: ArithFn, dst: number, a: Int, b: Int): void {
  const { code } = program;
  program.loadInt(r1, a);
  program.loadInt(r2, b);
  switch (fn) {
    case 'add':
      code.emit(add.reg32(r1, r2));
      break;
    case 'sub':
      code.emit(sub.reg32(r1, r2));
      break;
    case 'mult':
      code.emit(mul.reg32(r1, r2));
      break;
    case 'and':
      code.emit(and.reg32(r1, r2));
      break;
    case 'or':
      code.emit(or.reg32(r1, r2));
      break;
    case 'xor':
      code.emit(xor.reg32(r1, r2));
      break;
    case 'lshift': {
      const done = code.newLabel('shifted');
      const inside = code.newLabel('shift');
      code.emit(jle.imm32(r2, 31, inside), mov.imm32(r1, 0), ja(done));
      code.place(inside);
      code.emit(lsh.reg32(r1, r2));
      code.place(done);
      break;
    }
    case 'rshift': {
      const inside = code.newLabel('shift');
      code.emit(jle.imm32(r2, 31, inside), mov.imm32(r2, 31));
      code.place(inside);
      code.emit(arsh.reg32(r1, r2));
      break;
    }
    case 'div':
    case 'mod':
      emitDivision(program, fn);
      break;
  }
  program.storeInt(dst, r1);
}

/** r1 = r1 fn r2, signed, with the unsigned instructions that all kernels have. Loses r3, r4. */
function emitDivision({ code }: Program, fn: 'div' | 'mod'): void {
  const absolute = (register: number): void => {
    const done = code.newLabel('positive');
    code.emit(jsge.imm32(register, 0, done), neg32(register));
    code.place(done);
  };
  const done = code.newLabel('signed');
  // The sign of the quotient is that of both together, the sign of the remainder that of the dividend.
  code.emit(mov.reg32(r3, r1));
  if (fn === 'div') code.emit(xor.reg32(r3, r2));
  absolute(r1);
  absolute(r2);
  code.emit(fn === 'div' ? div.reg32(r1, r2) : mod.reg32(r1, r2), jsge.imm32(r3, 0, done), neg32(r1));
  code.place(done);
}

/** dst = |a| */
export function emitAbs(program: Program, dst: number, a: Int): void {
  const { code } = program;
  const done = code.newLabel('positive');
  program.loadInt(r1, a);
  code.emit(jsge.imm32(r1, 0, done), neg32(r1));
  code.place(done);
  program.storeInt(dst, r1);
}

/** r3 = address of a global register. The index is guarded before; a bad one cannot come here, but the verifier wants to see it. Loses r2. */
function emitGlobalAddress(program: Program, index: Int): void {
  const { code } = program;
  if (index.kind === 'const') {
    code.emit(loadMapValue(r3, GLOBALS_MAP, 4 * (index.value & (GLOBAL_COUNT - 1))));
    return;
  }
  program.loadInt(r2, index);
  code.emit(and.imm32(r2, GLOBAL_COUNT - 1), lsh.imm32(r2, 2), loadMapValue(r3, GLOBALS_MAP, 0), add.reg(r3, r2));
}

export function emitGetGlobal(program: Program, dst: number, index: Int): void {
  emitGlobalAddress(program, index);
  program.code.emit(load(BPF_W, r1, r3, 0));
  program.storeInt(dst, r1);
}

export function emitSetGlobal(program: Program, index: Int, value: Int): void {
  emitGlobalAddress(program, index);
  program.loadInt(r1, value);
  program.code.emit(store(BPF_W, r3, 0, r1));
}

export function emitAddGlobal(program: Program, index: Int, delta: number): void {
  emitGlobalAddress(program, index);
  program.code.emit(mov.imm32(r1, delta), atomicAdd(BPF_W, r3, 0, r1));
}

/** dst = number at the start of a string that is long enough. */
export function emitDecode(program: Program, dst: number, form: DecodeForm, of: Str): void {
  const { code } = program;
  const lengthBytes = decodeLength(form);
  if (of.kind === 'literal') {
    // A literal that is too short stands behind a guard that never lets it pass.
    const bytes = program.literal(of.index);
    code.emit(storeImm(BPF_W, r9, program.intAt(dst), bytes.length < lengthBytes ? 0 : decodeNumber(form, bytes, 0)));
    return;
  }
  const width = lengthBytes === 1 ? BPF_B : lengthBytes === 2 ? BPF_H : BPF_W;
  program.eachSource(of, (source) => {
    if (source.kind === 'packet') {
      const place = program.positions.of(of);
      if (place !== null && emitHeadNumber(program, place, lengthBytes)) return;
      code.frame.borrow(8, (at) => {
        const missing = code.newLabel('missing');
        code.emit(storeImm(BPF_DW, r9, at, 0), load(BPF_W, r2, r9, source.offsetAt));
        emitPacketLoad(code, at, lengthBytes, missing);
        code.place(missing);
        code.emit(load(width, r1, r9, at));
      });
    } else if (source.kind === 'buffer') {
      emitAddress(code, r3, source.at);
      code.emit(load(width, r1, r3, 0));
    }
  });
  if (form.startsWith('be')) code.emit(toBigEndian(r1, lengthBytes === 2 ? 16 : 32));
  if (form === 'be16s' || form === 'le16s') code.emit(lsh.imm32(r1, 16), arsh.imm32(r1, 16));
  program.storeInt(dst, r1);
}

const MINUS = 0x2d;
const PLUS = 0x2b;
const ZERO = 0x30;

/** dst = 1 when a decimal number begins the string. */
export function emitDigits(program: Program, dst: number, of: Str): void {
  const { code } = program;
  if (of.kind === 'literal') {
    const bytes = program.literal(of.index);
    code.emit(storeImm(BPF_W, r9, program.intAt(dst), hasDigits(bytes, 0, bytes.length) ? 1 : 0));
    return;
  }
  code.emit(storeImm(BPF_W, r9, program.intAt(dst), 0));
  code.frame.borrow(8, (scratchAt) => {
    const done = code.newLabel('digits');
    program.eachSource(of, (source) => {
      const digit = code.newLabel('digit');
      const sign = code.newLabel('sign');
      emitLength(code, r1, source);
      code.emit(jeq.imm32(r1, 0, done), mov.imm(r2, 0));
      emitByteAt(code, source, scratchAt);
      code.emit(jeq.imm32(r1, MINUS, sign), jne.imm32(r1, PLUS, digit));
      code.place(sign);
      emitLength(code, r1, source);
      code.emit(jle.imm32(r1, 1, done), mov.imm(r2, 1));
      emitByteAt(code, source, scratchAt);
      code.place(digit);
      code.emit(sub.imm32(r1, ZERO), jgt.imm32(r1, 9, done), storeImm(BPF_W, r9, program.intAt(dst), 1));
    });
    code.place(done);
  });
}

/** dst = decimal number at the start of the string, saturated. */
export function emitAtoi(program: Program, dst: number, of: Str): void {
  const { code } = program;
  if (of.kind === 'literal') {
    const bytes = program.literal(of.index);
    code.emit(storeImm(BPF_W, r9, program.intAt(dst), parseDecimal(bytes, 0, bytes.length)));
    return;
  }
  code.frame.borrow(8, (valueAt) => {
    const negativeAt = code.frame.takeVague();
    code.unknownZero(r1);
    code.emit(store(BPF_DW, r9, valueAt, r1), store(BPF_W, r9, negativeAt, r1));
    const over = code.newExit('number_over');
    program.eachSource(of, (source) =>
      emitWalk(code, source, 'atoi', (walk) => {
        const digit = code.newLabel('digit');
        const negative = code.newLabel('negative');
        const inside = code.newLabel('inside');
        const next = code.newLabel('next');
        walk.position();
        code.emit(jne.imm32(r2, 0, digit), jeq.imm32(r1, PLUS, next), jeq.imm32(r1, MINUS, negative));
        code.place(digit);
        code.emit(sub.imm32(r1, ZERO), jle.imm32(r1, 9, inside));
        code.leave(over);
        code.place(negative);
        code.emit(storeImm(BPF_W, r9, negativeAt, 1), ja(next));
        code.place(inside);
        // Beyond 2^31 the value only has to stay there.
        code.emit(load(BPF_DW, r3, r9, valueAt), loadImm64(r4, 0x8000_0000n), jgt.reg(r3, r4, next));
        code.emit(mul.imm(r3, 10), add.reg(r3, r1), store(BPF_DW, r9, valueAt, r3));
        code.place(next);
      }),
    );
    code.place(over.label);
    const positive = code.newLabel('positive');
    const small = code.newLabel('small');
    const done = code.newLabel('number');
    code.emit(load(BPF_DW, r1, r9, valueAt), load(BPF_W, r2, r9, negativeAt), loadImm64(r3, 0x8000_0000n));
    code.emit(jeq.imm32(r2, 0, positive), jgt.reg(r3, r1, small), mov.reg(r1, r3));
    code.place(small);
    code.emit(neg(r1), ja(done));
    code.place(positive);
    code.emit(jgt.reg(r3, r1, done), sub.imm(r3, 1), mov.reg(r1, r3));
    code.place(done);
    program.storeInt(dst, r1);
  });
}
