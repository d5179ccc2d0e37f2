/**
 * Arithmetic and comparisons of the virtual machine, on unsigned 64-bit values.
 *
 * Straight from the tables of the standard, written for being checked against
 * them, not for speed. Specification: RFC 9669 sections 4.1 to 4.3.
 */
import {
  BPF_ADD, BPF_AND, BPF_ARSH, BPF_DIV, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JLE, BPF_JLT, BPF_JNE, BPF_JSET, BPF_JSGE,
  BPF_JSGT, BPF_JSLE, BPF_JSLT, BPF_LSH, BPF_MOD, BPF_MOV, BPF_MUL, BPF_NEG, BPF_OR, BPF_RSH, BPF_SUB, BPF_XOR,
} from './isa.js';

/**
 * Result of one operation at `bits` (32 or 64). `off` is the offset field, which
 * makes division signed (1) and moves sign-extending (8, 16, 32).
 */
export function compute(operation: number, bits: 32 | 64, a: bigint, b: bigint, off: number): bigint {
  const unsigned = (value: bigint) => BigInt.asUintN(bits, value);
  const signed = (value: bigint) => BigInt.asIntN(bits, value);
  const left = unsigned(a);
  const right = unsigned(b);
  const shift = right & BigInt(bits - 1);
  switch (operation) {
    case BPF_ADD:
      return unsigned(left + right);
    case BPF_SUB:
      return unsigned(left - right);
    case BPF_MUL:
      return unsigned(left * right);
    case BPF_DIV:
      if (right === 0n) return 0n;
      return off === 1 ? unsigned(signed(left) / signed(right)) : left / right;
    case BPF_MOD:
      if (right === 0n) return left;
      return off === 1 ? unsigned(signed(left) % signed(right)) : left % right;
    case BPF_OR:
      return left | right;
    case BPF_AND:
      return left & right;
    case BPF_XOR:
      return left ^ right;
    case BPF_LSH:
      return unsigned(left << shift);
    case BPF_RSH:
      return left >> shift;
    case BPF_ARSH:
      return unsigned(signed(left) >> shift);
    case BPF_NEG:
      return unsigned(-left);
    case BPF_MOV:
      return off === 0 ? right : unsigned(BigInt.asIntN(off, right));
    default:
      throw new Error(`no arithmetic operation 0x${operation.toString(16)}`);
  }
}

/** Whether a conditional jump at `bits` is taken. */
export function holds(operation: number, bits: 32 | 64, a: bigint, b: bigint): boolean {
  const left = BigInt.asUintN(bits, a);
  const right = BigInt.asUintN(bits, b);
  const signedLeft = BigInt.asIntN(bits, a);
  const signedRight = BigInt.asIntN(bits, b);
  switch (operation) {
    case BPF_JEQ:
      return left === right;
    case BPF_JNE:
      return left !== right;
    case BPF_JSET:
      return (left & right) !== 0n;
    case BPF_JGT:
      return left > right;
    case BPF_JGE:
      return left >= right;
    case BPF_JLT:
      return left < right;
    case BPF_JLE:
      return left <= right;
    case BPF_JSGT:
      return signedLeft > signedRight;
    case BPF_JSGE:
      return signedLeft >= signedRight;
    case BPF_JSLT:
      return signedLeft < signedRight;
    case BPF_JSLE:
      return signedLeft <= signedRight;
    default:
      throw new Error(`no comparison 0x${operation.toString(16)}`);
  }
}

/** The lower `bits` of a value with their bytes reversed. */
export function swapBytes(value: bigint, bits: number): bigint {
  let rest = BigInt.asUintN(bits, value);
  let out = 0n;
  for (let i = 0; i < bits; i += 8) {
    out = (out << 8n) | (rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}
