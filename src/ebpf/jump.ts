/**
 * Jumps, calls and the end: classes BPF_JMP (compares 64 bits) and BPF_JMP32 (32).
 *
 *     7       4   3   2     0
 *   +-----------+---+---------+
 *   | operation | s |  class  |     s = 0: compare dst with imm, s = 1: with register src
 *   +-----------+---+---------+
 *
 * The offset counts slots from the instruction after the jump. Targets are
 * labels here; the resolver turns them into offsets.
 *
 * Specification: RFC 9669 section 4.3.
 */
import {
  BPF_CALL, BPF_EXIT, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JLE, BPF_JLT, BPF_JMP, BPF_JMP32, BPF_JNE, BPF_JSET,
  BPF_JSGE, BPF_JSGT, BPF_JSLE, BPF_JSLT, BPF_K, BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, BPF_X,
} from './isa.js';
import type { Instruction } from './instruction.js';

/** The four forms of a conditional jump: operand immediate or register, 64 or 32 bits. */
export interface JumpOperation {
  imm(dst: number, value: number, target: string): Instruction;
  reg(dst: number, src: number, target: string): Instruction;
  imm32(dst: number, value: number, target: string): Instruction;
  reg32(dst: number, src: number, target: string): Instruction;
}

function operation(code: number): JumpOperation {
  return {
    imm: (dst, value, target) => ({ code: BPF_JMP | BPF_K | code, dst, src: 0, off: 0, imm: value, target }),
    reg: (dst, src, target) => ({ code: BPF_JMP | BPF_X | code, dst, src, off: 0, imm: 0, target }),
    imm32: (dst, value, target) => ({ code: BPF_JMP32 | BPF_K | code, dst, src: 0, off: 0, imm: value, target }),
    reg32: (dst, src, target) => ({ code: BPF_JMP32 | BPF_X | code, dst, src, off: 0, imm: 0, target }),
  };
}

/** jumps if dst == operand */
export const jeq = operation(BPF_JEQ);
/** jumps if dst != operand */
export const jne = operation(BPF_JNE);
/** jumps if dst & operand has a bit set */
export const jset = operation(BPF_JSET);
/** jumps if dst > operand, unsigned */
export const jgt = operation(BPF_JGT);
/** jumps if dst >= operand, unsigned */
export const jge = operation(BPF_JGE);
/** jumps if dst < operand, unsigned */
export const jlt = operation(BPF_JLT);
/** jumps if dst <= operand, unsigned */
export const jle = operation(BPF_JLE);
/** jumps if dst > operand, signed */
export const jsgt = operation(BPF_JSGT);
/** jumps if dst >= operand, signed */
export const jsge = operation(BPF_JSGE);
/** jumps if dst < operand, signed */
export const jslt = operation(BPF_JSLT);
/** jumps if dst <= operand, signed */
export const jsle = operation(BPF_JSLE);

/** jumps always, within 32767 slots */
export function ja(target: string): Instruction {
  return { code: BPF_JMP | BPF_JA, dst: 0, src: 0, off: 0, imm: 0, target };
}

/** jumps always, with a 32-bit distance in the immediate (`gotol`). Requires Linux 6.6. */
export function jaLong(target: string): Instruction {
  return { code: BPF_JMP32 | BPF_JA, dst: 0, src: 0, off: 0, imm: 0, target };
}

/** r0 = helper(r1 .. r5); r1-r5 are lost. `helper` is one of BPF_FUNC_*. */
export function call(helper: number): Instruction {
  return { code: BPF_JMP | BPF_CALL, dst: 0, src: 0, off: 0, imm: helper };
}

/** r0 = the local function at the label; it has a stack frame of its own and sees r1-r5. Requires Linux 4.16. */
export function callLocal(target: string): Instruction {
  return { code: BPF_JMP | BPF_CALL, dst: 0, src: BPF_PSEUDO_CALL, off: 0, imm: 0, target };
}

/** r0 = a kernel function, named by its id in the BTF of vmlinux. Requires Linux 5.13. */
export function callKernelFunction(btfId: number): Instruction {
  return { code: BPF_JMP | BPF_CALL, dst: 0, src: BPF_PSEUDO_KFUNC_CALL, off: 0, imm: btfId };
}

/** ends the program or the local function with the result in r0 */
export function exit(): Instruction {
  return { code: BPF_JMP | BPF_EXIT, dst: 0, src: 0, off: 0, imm: 0 };
}
