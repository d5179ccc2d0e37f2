/**
 * Instructions as text, in the notation of the kernel's verifier log, so that
 * both can be laid side by side: `r1 += 5`, `w0 = *(u8 *)(r2 +3)`,
 * `if r1 s> 5 goto 17`. Jump targets are absolute slot numbers.
 *
 * Never fails: what no kernel accepts is printed as `(code)` with its fields.
 * Specification: kernel/bpf/disasm.c for the notation only.
 */
import { decode, LD_IMM64, slotsOf, type Assembled } from './assemble.js';
import { HELPER_NAMES } from './helpers.js';
import type { Instruction } from './instruction.js';
import {
  BPF_ADD, BPF_ALU, BPF_ALU64, BPF_AND, BPF_ARSH, BPF_ATOMIC, BPF_CALL, BPF_CMPXCHG, BPF_DIV, BPF_END, BPF_EXIT,
  BPF_FETCH, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JLE, BPF_JLT, BPF_JMP, BPF_JMP32, BPF_JNE, BPF_JSET, BPF_JSGE,
  BPF_JSGT, BPF_JSLE, BPF_JSLT, BPF_LDX, BPF_LSH, BPF_MEM, BPF_MEMSX, BPF_MOD, BPF_MOV, BPF_MUL, BPF_NEG, BPF_OR,
  BPF_PSEUDO_BTF_ID, BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE, BPF_RSH, BPF_ST, BPF_STX,
  BPF_SUB, BPF_TO_BE, BPF_X, BPF_XCHG, BPF_XOR, classOf, modeOf, operationOf, sourceOf, widthBytes, widthOf,
} from './isa.js';

const ALU_SIGNS: ReadonlyMap<number, string> = new Map([
  [BPF_ADD, '+='], [BPF_SUB, '-='], [BPF_MUL, '*='], [BPF_DIV, '/='], [BPF_OR, '|='], [BPF_AND, '&='],
  [BPF_LSH, '<<='], [BPF_RSH, '>>='], [BPF_MOD, '%='], [BPF_XOR, '^='], [BPF_MOV, '='], [BPF_ARSH, 's>>='],
]);

const JUMP_SIGNS: ReadonlyMap<number, string> = new Map([
  [BPF_JEQ, '=='], [BPF_JGT, '>'], [BPF_JGE, '>='], [BPF_JSET, '&'], [BPF_JNE, '!='], [BPF_JSGT, 's>'],
  [BPF_JSGE, 's>='], [BPF_JLT, '<'], [BPF_JLE, '<='], [BPF_JSLT, 's<'], [BPF_JSLE, 's<='],
]);

const ATOMIC_NAMES: ReadonlyMap<number, string> = new Map([
  [BPF_ADD, 'add'], [BPF_OR, 'or'], [BPF_AND, 'and'], [BPF_XOR, 'xor'],
]);

/** One instruction at `slot`, resolved. */
export function instructionText(instruction: Instruction, slot: number): string {
  if (instruction.code === LD_IMM64) return immediateText(instruction);
  switch (classOf(instruction.code)) {
    case BPF_ALU:
    case BPF_ALU64:
      return aluText(instruction);
    case BPF_JMP:
    case BPF_JMP32:
      return jumpText(instruction, slot);
    case BPF_LDX:
    case BPF_ST:
    case BPF_STX:
      return memoryText(instruction);
    default:
      return unknownText(instruction);
  }
}

function unknownText({ code, dst, src, off, imm }: Instruction): string {
  return `(${code.toString(16).padStart(2, '0')}) dst ${dst} src ${src} off ${off} imm ${imm}`;
}

function immediateText({ dst, src, imm, map, problem }: Instruction): string {
  const value = BigInt(imm);
  const low = BigInt.asIntN(32, value);
  const name = map ?? `fd ${low}`;
  switch (src) {
    case BPF_PSEUDO_MAP_FD:
      return `r${dst} = map[${name}]`;
    case BPF_PSEUDO_MAP_VALUE:
      return `r${dst} = map[${name}][0]+${value >> 32n}`;
    case BPF_PSEUDO_BTF_ID:
      return `r${dst} = variable[id ${low}]`;
    case BPF_PSEUDO_FUNC:
      return `r${dst} = function[pc${low < 0n ? '' : '+'}${low}]`;
    default:
      return `r${dst} = 0x${BigInt.asUintN(64, value).toString(16)} ll${problem ? ` (${problem})` : ''}`;
  }
}

function aluText(instruction: Instruction): string {
  const { code, dst, src, off, imm } = instruction;
  const wide = classOf(code) === BPF_ALU64;
  const letter = wide ? 'r' : 'w';
  const operation = operationOf(code);
  if (operation === BPF_NEG) return `${letter}${dst} = -${letter}${dst}`;
  if (operation === BPF_END) {
    const name = wide ? 'bswap' : sourceOf(code) === BPF_TO_BE ? 'be' : 'le';
    return `r${dst} = ${name}${imm} r${dst}`;
  }
  const sign = ALU_SIGNS.get(operation);
  if (!sign) return unknownText(instruction);
  const operand = sourceOf(code) === BPF_X ? `${letter}${src}` : `${imm}`;
  if (operation === BPF_MOV && off !== 0) return `${letter}${dst} = (s${off})${operand}`;
  const isSigned = (operation === BPF_DIV || operation === BPF_MOD) && off === 1;
  return `${letter}${dst} ${isSigned ? 's' : ''}${sign} ${operand}`;
}

function jumpText(instruction: Instruction, slot: number): string {
  const { code, dst, src, off, imm } = instruction;
  const operation = operationOf(code);
  const wide = classOf(code) === BPF_JMP;
  if (operation === BPF_EXIT && wide) return 'exit';
  if (operation === BPF_JA) return wide ? `goto ${slot + 1 + off}` : `gotol ${slot + 1 + Number(imm)}`;
  if (operation === BPF_CALL && wide) {
    if (src === BPF_PSEUDO_CALL) return `call ${slot + 1 + Number(imm)}`;
    if (src === BPF_PSEUDO_KFUNC_CALL) return `call kernel-function#${imm}`;
    return `call ${HELPER_NAMES.get(Number(imm)) ?? 'helper'}#${imm}`;
  }
  const sign = JUMP_SIGNS.get(operation);
  if (!sign) return unknownText(instruction);
  const letter = wide ? 'r' : 'w';
  const operand = sourceOf(code) === BPF_X ? `${letter}${src}` : `${imm}`;
  return `if ${letter}${dst} ${sign} ${operand} goto ${slot + 1 + off}`;
}

function memoryText(instruction: Instruction): string {
  const { code, dst, src, off, imm } = instruction;
  const bits = 8 * widthBytes(widthOf(code));
  const kind = classOf(code);
  const place = (type: string, register: number) => `*(${type}${bits} *)(r${register} ${off < 0 ? '-' : '+'}${Math.abs(off)})`;
  if (kind === BPF_LDX) {
    if (modeOf(code) === BPF_MEM) return `r${dst} = ${place('u', src)}`;
    return modeOf(code) === BPF_MEMSX ? `r${dst} = ${place('s', src)}` : unknownText(instruction);
  }
  if (kind === BPF_ST && modeOf(code) === BPF_MEM) return `${place('u', dst)} = ${imm}`;
  if (kind === BPF_STX && modeOf(code) === BPF_MEM) return `${place('u', dst)} = r${src}`;
  if (kind !== BPF_STX || modeOf(code) !== BPF_ATOMIC) return unknownText(instruction);
  if (imm === BPF_XCHG) return `r${src} = exchange(${place('u', dst)}, r${src})`;
  if (imm === BPF_CMPXCHG) return `r0 = compare-exchange(${place('u', dst)}, r0, r${src})`;
  const name = ATOMIC_NAMES.get(Number(imm) & ~BPF_FETCH);
  if (!name) return unknownText(instruction);
  return Number(imm) & BPF_FETCH
    ? `r${src} = atomic fetch-${name}(${place('u', dst)}, r${src})`
    : `atomic ${name}(${place('u', dst)}, r${src})`;
}

/** A listing: slot number, text, and comment after `;`. A change of the source line is announced as `; line N`. */
export function disassemble(program: Assembled | Uint8Array): string {
  const instructions = program instanceof Uint8Array ? decode(program) : program.instructions;
  const lines: string[] = [];
  let slot = 0;
  let sourceLine: number | undefined;
  for (const instruction of instructions) {
    if (instruction.line !== undefined && instruction.line !== sourceLine) {
      sourceLine = instruction.line;
      lines.push(`; line ${sourceLine}`);
    }
    const text = `${String(slot).padStart(5)}: ${instructionText(instruction, slot)}`;
    lines.push(instruction.comment ? `${text.padEnd(48)} ; ${instruction.comment}` : text);
    slot += slotsOf(instruction);
  }
  return `${lines.join('\n')}\n`;
}
