/**
 * Checks of a resolved program before the virtual machine runs it, so that its
 * loop needs none of them: known codes, registers, fields that must be zero,
 * jumps that land on an instruction, no way past the end.
 *
 * This is not the kernel's verifier: types, stack contents and termination are
 * checked while running (vm.ts). Specification: RFC 9669.
 */
import { isJump, LD_IMM64, slotsOf } from './assemble.js';
import type { Instruction } from './instruction.js';
import {
  BPF_ADD, BPF_ALU, BPF_ALU64, BPF_AND, BPF_ARSH, BPF_ATOMIC, BPF_CALL, BPF_CMPXCHG, BPF_DIV, BPF_DW, BPF_END,
  BPF_EXIT, BPF_FETCH, BPF_JA, BPF_JMP, BPF_JMP32, BPF_JSLE, BPF_LDX, BPF_LSH, BPF_MEM, BPF_MEMSX, BPF_MOD, BPF_MOV,
  BPF_NEG, BPF_OR, BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, BPF_RSH, BPF_ST, BPF_STX, BPF_W, BPF_X, BPF_XCHG, BPF_XOR,
  classOf, modeOf, operationOf, r10, sourceOf, widthOf,
} from './isa.js';

/** One fault of a program. */
export interface ProgramProblem {
  readonly slot: number;
  readonly message: string;
  readonly line?: number;
}

/** All faults, in order; empty when the program may run. */
export function validate(instructions: readonly Instruction[]): ProgramProblem[] {
  const problems: ProgramProblem[] = [];
  const starts = new Set<number>();
  let slots = 0;
  for (const instruction of instructions) {
    starts.add(slots);
    slots += slotsOf(instruction);
  }
  if (slots === 0) return [{ slot: 0, message: 'the program is empty' }];
  let slot = 0;
  for (const instruction of instructions) {
    const message = instruction.problem ?? faultOf(instruction) ?? targetFault(instruction, slot, starts);
    if (message) {
      problems.push({ slot, message, ...(instruction.line !== undefined && { line: instruction.line }) });
    }
    slot += slotsOf(instruction);
  }
  const last = instructions[instructions.length - 1];
  if (last && !endsFlow(last)) problems.push({ slot: slots - 1, message: 'control runs past the last instruction' });
  return problems;
}

function endsFlow({ code }: Instruction): boolean {
  return code === (BPF_JMP | BPF_EXIT) || code === (BPF_JMP | BPF_JA) || code === (BPF_JMP32 | BPF_JA);
}

function targetFault(instruction: Instruction, slot: number, starts: ReadonlySet<number>): string | undefined {
  const isLocalCall = instruction.code === (BPF_JMP | BPF_CALL) && instruction.src === BPF_PSEUDO_CALL;
  if (!isJump(instruction) && !isLocalCall) return undefined;
  const byImmediate = isLocalCall || instruction.code === (BPF_JMP32 | BPF_JA);
  const target = slot + 1 + (byImmediate ? Number(instruction.imm) : instruction.off);
  return starts.has(target) ? undefined : `slot ${target} is no instruction`;
}

/** Fault of one instruction by itself. */
function faultOf(instruction: Instruction): string | undefined {
  const { code, dst, src, off } = instruction;
  if (dst > r10 || src > r10) return 'a register above r10 does not exist';
  if (code === LD_IMM64) {
    if (dst === r10) return 'r10 cannot be written';
    return src > 4 || off !== 0 ? 'unknown kind of 64-bit immediate' : undefined;
  }
  switch (classOf(code)) {
    case BPF_ALU:
    case BPF_ALU64:
      return aluFault(instruction);
    case BPF_JMP:
    case BPF_JMP32:
      return jumpFault(instruction);
    case BPF_LDX:
    case BPF_ST:
    case BPF_STX:
      return memoryFault(instruction);
    default:
      return `unknown code 0x${code.toString(16)}`;
  }
}

function aluFault({ code, dst, src, off, imm }: Instruction): string | undefined {
  const operation = operationOf(code);
  const isRegister = sourceOf(code) === BPF_X;
  const wide = classOf(code) === BPF_ALU64;
  if (dst === r10) return 'r10 cannot be written';
  if (operation > BPF_END) return `unknown code 0x${code.toString(16)}`;
  if (operation === BPF_END) {
    if (imm !== 16 && imm !== 32 && imm !== 64) return `bytes of ${imm} bits cannot be swapped`;
    return src !== 0 || off !== 0 || (wide && isRegister) ? 'unused fields must be zero' : undefined;
  }
  if (operation === BPF_NEG) {
    return isRegister || src !== 0 || off !== 0 || imm !== 0 ? 'unused fields must be zero' : undefined;
  }
  if (isRegister ? imm !== 0 : src !== 0) return 'unused fields must be zero';
  const isDivision = operation === BPF_DIV || operation === BPF_MOD;
  if (off !== 0 && !(isDivision && off === 1) && !(operation === BPF_MOV && isRegister && isMoveWidth(off, wide))) {
    return 'unused fields must be zero';
  }
  if (isRegister) return undefined;
  if (isDivision && imm === 0) return 'division by the constant zero';
  const isShift = operation === BPF_LSH || operation === BPF_RSH || operation === BPF_ARSH;
  const limit = wide ? 64 : 32;
  if (isShift && (Number(imm) < 0 || Number(imm) >= limit)) return `a shift by ${imm} leaves the register`;
  return undefined;
}

function isMoveWidth(off: number, wide: boolean): boolean {
  return off === 8 || off === 16 || (off === 32 && wide);
}

function jumpFault({ code, dst, src, off, imm }: Instruction): string | undefined {
  const operation = operationOf(code);
  const wide = classOf(code) === BPF_JMP;
  if (operation > BPF_JSLE || (!wide && (operation === BPF_CALL || operation === BPF_EXIT))) {
    return `unknown code 0x${code.toString(16)}`;
  }
  const isRegister = sourceOf(code) === BPF_X;
  switch (operation) {
    case BPF_EXIT:
      return isRegister || dst !== 0 || src !== 0 || off !== 0 || imm !== 0 ? 'unused fields must be zero' : undefined;
    case BPF_JA:
      return isRegister || dst !== 0 || src !== 0 || (wide ? imm !== 0 : off !== 0)
        ? 'unused fields must be zero'
        : undefined;
    case BPF_CALL:
      if (isRegister || dst !== 0 || off !== 0) return 'unused fields must be zero';
      return src === 0 || src === BPF_PSEUDO_CALL || src === BPF_PSEUDO_KFUNC_CALL
        ? undefined
        : `unknown kind of call ${src}`;
    default:
      return (isRegister ? imm !== 0 : src !== 0) ? 'unused fields must be zero' : undefined;
  }
}

const ATOMICS: ReadonlySet<number> = new Set([
  BPF_ADD, BPF_OR, BPF_AND, BPF_XOR, BPF_ADD | BPF_FETCH, BPF_OR | BPF_FETCH, BPF_AND | BPF_FETCH,
  BPF_XOR | BPF_FETCH, BPF_XCHG, BPF_CMPXCHG,
]);

function memoryFault({ code, dst, src, imm }: Instruction): string | undefined {
  const kind = classOf(code);
  const mode = modeOf(code);
  const width = widthOf(code);
  if (mode === BPF_ATOMIC && kind === BPF_STX) {
    if (width !== BPF_W && width !== BPF_DW) return 'atomic operations take 32 or 64 bits';
    return ATOMICS.has(Number(imm)) ? undefined : `unknown atomic operation ${imm}`;
  }
  if (mode !== BPF_MEM && !(mode === BPF_MEMSX && kind === BPF_LDX && width !== BPF_DW)) {
    return `unknown code 0x${code.toString(16)}`;
  }
  if (kind === BPF_LDX && dst === r10) return 'r10 cannot be written';
  if (kind === BPF_ST ? src !== 0 : imm !== 0) return 'unused fields must be zero';
  return undefined;
}
