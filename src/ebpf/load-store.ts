/**
 * Loads, stores, atomic operations and 64-bit immediates: classes BPF_LDX,
 * BPF_ST, BPF_STX and BPF_LD.
 *
 *     7     5   4   3   2     0
 *   +---------+-------+---------+
 *   |  mode   | width |  class  |     address = register + off; width W 4, H 2, B 1, DW 8 bytes
 *   +---------+-------+---------+
 *
 * The packet loads of classic BPF (BPF_ABS, BPF_IND) are left out: they end the
 * program by themselves on a short packet and cannot say so.
 *
 * Specification: RFC 9669 section 5.
 */
import {
  BPF_ADD, BPF_AND, BPF_ATOMIC, BPF_CMPXCHG, BPF_DW, BPF_FETCH, BPF_IMM, BPF_LD, BPF_LDX, BPF_MEM, BPF_MEMSX, BPF_OR,
  BPF_PSEUDO_FUNC, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, BPF_ST, BPF_STX, BPF_W, BPF_XCHG, BPF_XOR,
} from './isa.js';
import type { Instruction } from './instruction.js';

/** dst = the bytes at src + off, zero-extended */
export function load(width: number, dst: number, src: number, off: number): Instruction {
  return { code: BPF_LDX | BPF_MEM | width, dst, src, off, imm: 0 };
}

/** dst = the bytes at src + off, sign-extended; not for BPF_DW. Requires Linux 6.6. */
export function loadSigned(width: number, dst: number, src: number, off: number): Instruction {
  const instruction = { code: BPF_LDX | BPF_MEMSX | width, dst, src, off, imm: 0 };
  return width === BPF_DW ? { ...instruction, problem: 'a 64-bit load has no sign to extend' } : instruction;
}

/** the bytes at dst + off = lower bytes of register src */
export function store(width: number, dst: number, off: number, src: number): Instruction {
  return { code: BPF_STX | BPF_MEM | width, dst, src, off, imm: 0 };
}

/** the bytes at dst + off = lower bytes of the immediate (sign-extended for BPF_DW) */
export function storeImm(width: number, dst: number, off: number, value: number): Instruction {
  return { code: BPF_ST | BPF_MEM | width, dst, src: 0, off, imm: value };
}

/** Atomic operation on the 4 or 8 bytes at dst + off; with BPF_FETCH the old value comes back in src. */
function atomic(operation: number, width: number, dst: number, off: number, src: number): Instruction {
  const instruction = { code: BPF_STX | BPF_ATOMIC | width, dst, src, off, imm: operation };
  return width === BPF_W || width === BPF_DW
    ? instruction
    : { ...instruction, problem: 'atomic operations take 32 or 64 bits' };
}

export const atomicAdd = (width: number, dst: number, off: number, src: number) =>
  atomic(BPF_ADD, width, dst, off, src);
export const atomicOr = (width: number, dst: number, off: number, src: number) =>
  atomic(BPF_OR, width, dst, off, src);
export const atomicAnd = (width: number, dst: number, off: number, src: number) =>
  atomic(BPF_AND, width, dst, off, src);
export const atomicXor = (width: number, dst: number, off: number, src: number) =>
  atomic(BPF_XOR, width, dst, off, src);
/** As atomicAdd, the old value in src. Requires Linux 5.12. */
export const atomicFetchAdd = (width: number, dst: number, off: number, src: number) =>
  atomic(BPF_ADD | BPF_FETCH, width, dst, off, src);
/** Swaps src with memory. Requires Linux 5.12. */
export const exchange = (width: number, dst: number, off: number, src: number) =>
  atomic(BPF_XCHG, width, dst, off, src);
/** If memory equals r0 it becomes src; r0 becomes the old value. Requires Linux 5.12. */
export const compareExchange = (width: number, dst: number, off: number, src: number) =>
  atomic(BPF_CMPXCHG, width, dst, off, src);

/** dst = 64 bits, in two slots */
export function loadImm64(dst: number, value: bigint): Instruction {
  return { code: BPF_LD | BPF_IMM | BPF_DW, dst, src: 0, off: 0, imm: value };
}

/** dst = the map itself, as an argument for map helpers */
export function loadMap(dst: number, map: string): Instruction {
  return { code: BPF_LD | BPF_IMM | BPF_DW, dst, src: BPF_PSEUDO_MAP_FD, off: 0, imm: 0n, map };
}

/** dst = address of byte `at` of the single value of an array map. Requires Linux 5.2. */
export function loadMapValue(dst: number, map: string, at: number): Instruction {
  return { code: BPF_LD | BPF_IMM | BPF_DW, dst, src: BPF_PSEUDO_MAP_VALUE, off: 0, imm: BigInt(at) << 32n, map };
}

/** dst = address of the local function at the label, for helpers that call back. Requires Linux 5.13. */
export function loadFunction(dst: number, target: string): Instruction {
  return { code: BPF_LD | BPF_IMM | BPF_DW, dst, src: BPF_PSEUDO_FUNC, off: 0, imm: 0n, target };
}
