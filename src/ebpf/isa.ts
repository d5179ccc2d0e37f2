/**
 * Numbers of the eBPF instruction set, under their kernel names.
 *
 * One instruction is a slot of eight bytes, in the byte order of the machine
 * (little-endian everywhere p2pwall runs); `BPF_LD | BPF_IMM | BPF_DW` takes
 * two slots, the second holding the upper 32 bits of its immediate.
 *
 *    byte 0    byte 1       bytes 2-3        bytes 4-7
 *   +--------+------+------+----------------+--------------------------------+
 *   |  code  | dst  | src  |  off (signed)  |          imm (signed)          |
 *   +--------+------+------+----------------+--------------------------------+
 *              low    high nibble
 *
 * Specification: RFC 9669; include/uapi/linux/bpf.h and bpf_common.h.
 */

// Classes: bits 0-2 of the code (RFC 9669 section 3.1).
export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_JMP32 = 0x06;
export const BPF_ALU64 = 0x07;

// Source operand of arithmetic and jumps: bit 3.
export const BPF_K = 0x00;
export const BPF_X = 0x08;

// Arithmetic operations: bits 4-7.
export const BPF_ADD = 0x00;
export const BPF_SUB = 0x10;
export const BPF_MUL = 0x20;
export const BPF_DIV = 0x30;
export const BPF_OR = 0x40;
export const BPF_AND = 0x50;
export const BPF_LSH = 0x60;
export const BPF_RSH = 0x70;
export const BPF_NEG = 0x80;
export const BPF_MOD = 0x90;
export const BPF_XOR = 0xa0;
export const BPF_MOV = 0xb0;
export const BPF_ARSH = 0xc0;
export const BPF_END = 0xd0;

// Byte order of BPF_END in class BPF_ALU: the source bit.
export const BPF_TO_LE = 0x00;
export const BPF_TO_BE = 0x08;

// Jump operations: bits 4-7.
export const BPF_JA = 0x00;
export const BPF_JEQ = 0x10;
export const BPF_JGT = 0x20;
export const BPF_JGE = 0x30;
export const BPF_JSET = 0x40;
export const BPF_JNE = 0x50;
export const BPF_JSGT = 0x60;
export const BPF_JSGE = 0x70;
export const BPF_CALL = 0x80;
export const BPF_EXIT = 0x90;
export const BPF_JLT = 0xa0;
export const BPF_JLE = 0xb0;
export const BPF_JSLT = 0xc0;
export const BPF_JSLE = 0xd0;

// Widths of loads and stores: bits 3-4.
export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;
export const BPF_DW = 0x18;

// Modes of loads and stores: bits 5-7.
export const BPF_IMM = 0x00;
export const BPF_ABS = 0x20;
export const BPF_IND = 0x40;
export const BPF_MEM = 0x60;
export const BPF_MEMSX = 0x80;
export const BPF_ATOMIC = 0xc0;

// Atomic operations: the immediate of BPF_STX | BPF_ATOMIC (RFC 9669 section 5.3).
export const BPF_FETCH = 0x01;
export const BPF_XCHG = 0xe1;
export const BPF_CMPXCHG = 0xf1;

// Meaning of the source register field of a 64-bit immediate.
export const BPF_PSEUDO_MAP_FD = 1;
export const BPF_PSEUDO_MAP_VALUE = 2;
export const BPF_PSEUDO_BTF_ID = 3;
export const BPF_PSEUDO_FUNC = 4;

// Meaning of the source register field of a call; 0 is a helper function.
export const BPF_PSEUDO_CALL = 1;
export const BPF_PSEUDO_KFUNC_CALL = 2;

// Registers: r0 result, r1-r5 arguments (lost over calls), r6-r9 kept over calls, r10 frame pointer (read only).
export const r0 = 0;
export const r1 = 1;
export const r2 = 2;
export const r3 = 3;
export const r4 = 4;
export const r5 = 5;
export const r6 = 6;
export const r7 = 7;
export const r8 = 8;
export const r9 = 9;
export const r10 = 10;

/** Bytes of stack that all frames of a program share (include/linux/filter.h). */
export const MAX_BPF_STACK = 512;

/** Frames a program may have at once (include/linux/bpf_verifier.h, MAX_CALL_FRAMES). */
export const MAX_CALL_FRAMES = 8;

/** Functions of a program, the main one included (BPF_MAX_SUBPROGS). */
export const MAX_BPF_FUNCTIONS = 256;

/** Furthest jump forwards: the offset field has 16 bits. */
export const MAX_JUMP_SLOTS = 32_767;

/** The classes, widths and modes cut out of a code. */
export function classOf(code: number): number {
  return code & 0x07;
}
export function operationOf(code: number): number {
  return code & 0xf0;
}
export function sourceOf(code: number): number {
  return code & 0x08;
}
export function widthOf(code: number): number {
  return code & 0x18;
}
export function modeOf(code: number): number {
  return code & 0xe0;
}

/** Bytes that a load or store of this width touches. */
export function widthBytes(width: number): 1 | 2 | 4 | 8 {
  return width === BPF_B ? 1 : width === BPF_H ? 2 : width === BPF_W ? 4 : 8;
}
