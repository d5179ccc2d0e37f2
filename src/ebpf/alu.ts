/**
 * Arithmetic: classes BPF_ALU64 (64 bits) and BPF_ALU (32 bits; the upper half
 * of the destination becomes zero).
 *
 *     7       4   3   2     0
 *   +-----------+---+---------+
 *   | operation | s |  class  |     s = 0: operand is imm, s = 1: operand is register src
 *   +-----------+---+---------+
 *
 * An immediate is sign-extended to 64 bits before use. Division by zero gives
 * 0, modulo zero leaves the destination. Division is unsigned, unless the
 * offset field is 1 (signed; requires Linux 6.6).
 *
 * Specification: RFC 9669 section 4.1 and 4.2.
 */
import {
  BPF_ADD, BPF_ALU, BPF_ALU64, BPF_AND, BPF_ARSH, BPF_DIV, BPF_END, BPF_K, BPF_LSH, BPF_MOD, BPF_MOV, BPF_MUL,
  BPF_NEG, BPF_OR, BPF_RSH, BPF_SUB, BPF_TO_BE, BPF_TO_LE, BPF_X, BPF_XOR,
} from './isa.js';
import type { Instruction } from './instruction.js';

/** The four forms of an operation: operand immediate or register, 64 or 32 bits. */
export interface AluOperation {
  imm(dst: number, value: number): Instruction;
  reg(dst: number, src: number): Instruction;
  imm32(dst: number, value: number): Instruction;
  reg32(dst: number, src: number): Instruction;
}

function operation(code: number, off = 0): AluOperation {
  return {
    imm: (dst, value) => ({ code: BPF_ALU64 | BPF_K | code, dst, src: 0, off, imm: value }),
    reg: (dst, src) => ({ code: BPF_ALU64 | BPF_X | code, dst, src, off, imm: 0 }),
    imm32: (dst, value) => ({ code: BPF_ALU | BPF_K | code, dst, src: 0, off, imm: value }),
    reg32: (dst, src) => ({ code: BPF_ALU | BPF_X | code, dst, src, off, imm: 0 }),
  };
}

/** dst += operand */
export const add = operation(BPF_ADD);
/** dst -= operand */
export const sub = operation(BPF_SUB);
/** dst *= operand */
export const mul = operation(BPF_MUL);
/** dst /= operand, unsigned */
export const div = operation(BPF_DIV);
/** dst /= operand, signed, towards zero. Requires Linux 6.6. */
export const sdiv = operation(BPF_DIV, 1);
/** dst |= operand */
export const or = operation(BPF_OR);
/** dst &= operand */
export const and = operation(BPF_AND);
/** dst <<= operand modulo width */
export const lsh = operation(BPF_LSH);
/** dst >>= operand modulo width, zeros coming in */
export const rsh = operation(BPF_RSH);
/** dst %= operand, unsigned */
export const mod = operation(BPF_MOD);
/** dst %= operand, signed, with the sign of the dividend. Requires Linux 6.6. */
export const smod = operation(BPF_MOD, 1);
/** dst ^= operand */
export const xor = operation(BPF_XOR);
/** dst = operand */
export const mov = operation(BPF_MOV);
/** dst >>= operand modulo width, copies of the sign bit coming in */
export const arsh = operation(BPF_ARSH);

/** dst = -dst, 64 bits */
export function neg(dst: number): Instruction {
  return { code: BPF_ALU64 | BPF_NEG, dst, src: 0, off: 0, imm: 0 };
}

/** dst = -dst, 32 bits */
export function neg32(dst: number): Instruction {
  return { code: BPF_ALU | BPF_NEG, dst, src: 0, off: 0, imm: 0 };
}

/** dst = the lower 8, 16 or 32 bits of src, sign-extended to 64. Requires Linux 6.6. */
export function movsx(dst: number, src: number, bits: 8 | 16 | 32): Instruction {
  return { code: BPF_ALU64 | BPF_X | BPF_MOV, dst, src, off: bits, imm: 0 };
}

/** dst = the lower 8 or 16 bits of src, sign-extended to 32. Requires Linux 6.6. */
export function movsx32(dst: number, src: number, bits: 8 | 16): Instruction {
  return { code: BPF_ALU | BPF_X | BPF_MOV, dst, src, off: bits, imm: 0 };
}

/** dst = its lower bits in network order: swaps on little-endian machines, and clears the bits above. */
export function toBigEndian(dst: number, bits: 16 | 32 | 64): Instruction {
  return { code: BPF_ALU | BPF_END | BPF_TO_BE, dst, src: 0, off: 0, imm: bits };
}

/** dst = its lower bits in little-endian order: only clears the bits above on little-endian machines. */
export function toLittleEndian(dst: number, bits: 16 | 32 | 64): Instruction {
  return { code: BPF_ALU | BPF_END | BPF_TO_LE, dst, src: 0, off: 0, imm: bits };
}

/** dst = its lower bits with the bytes reversed, whatever the machine. Requires Linux 6.6. */
export function byteSwap(dst: number, bits: 16 | 32 | 64): Instruction {
  return { code: BPF_ALU64 | BPF_END, dst, src: 0, off: 0, imm: bits };
}
