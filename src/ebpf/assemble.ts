/**
 * From instructions with names to the bytes that the kernel takes: resolves
 * labels and maps, checks field ranges, encodes; and the way back.
 *
 * Distances count slots, not instructions: a 64-bit immediate takes two. All
 * problems are collected, none is thrown: a program made by a compiler with a
 * bug must be reportable with its source line.
 *
 * Specification: RFC 9669 section 3.
 */
import { u16le, u32le } from '../base/bytes.js';
import { isLabel, type Instruction, type Item } from './instruction.js';
import {
  BPF_CALL, BPF_DW, BPF_EXIT, BPF_IMM, BPF_JA, BPF_JMP, BPF_JMP32, BPF_LD, BPF_PSEUDO_CALL, classOf, operationOf,
} from './isa.js';

export const SLOT_BYTES = 8;

/** Code of a 64-bit immediate, the only instruction of two slots. */
export const LD_IMM64 = BPF_LD | BPF_IMM | BPF_DW;

/** Something that keeps a program from being encoded. */
export interface AssemblyProblem {
  /** Index among the instructions, labels not counted. */
  readonly instruction: number;
  readonly message: string;
  readonly line?: number;
}

/** A program with nothing left to resolve. */
export interface Assembled {
  /** Encoded slots, ready for BPF_PROG_LOAD. */
  readonly bytes: Uint8Array;
  readonly slots: number;
  /** Resolved instructions, in order. */
  readonly instructions: readonly Instruction[];
  /** First slot of each instruction. */
  readonly slotOf: readonly number[];
}

export type AssemblyResult =
  | { readonly ok: true; readonly program: Assembled }
  | { readonly ok: false; readonly problems: readonly AssemblyProblem[] };

/** Slots that an instruction takes. */
export function slotsOf(instruction: Instruction): 1 | 2 {
  return instruction.code === LD_IMM64 ? 2 : 1;
}

/**
 * Resolves and encodes. `maps` gives the file descriptor of each map that the
 * program names.
 */
export function assemble(items: readonly Item[], maps: ReadonlyMap<string, number> = new Map()): AssemblyResult {
  const problems: AssemblyProblem[] = [];
  const instructions: Instruction[] = [];
  const slotOf: number[] = [];
  const labels = new Map<string, number>();
  let slots = 0;
  for (const item of items) {
    if (isLabel(item)) {
      if (labels.has(item.label)) {
        problems.push({ instruction: instructions.length, message: `label "${item.label}" is defined twice` });
      }
      labels.set(item.label, slots);
      continue;
    }
    slotOf.push(slots);
    instructions.push(item);
    slots += slotsOf(item);
  }
  const resolved = instructions.map((instruction, index) => {
    const report = (message: string) =>
      problems.push({
        instruction: index,
        message,
        ...(instruction.line !== undefined && { line: instruction.line }),
      });
    if (instruction.problem) report(instruction.problem);
    const out = resolve(instruction, (slotOf[index] ?? 0) + 1, slots, labels, maps, report);
    checkRanges(out, report);
    return typeof out.imm === 'number' ? { ...out, imm: out.imm | 0 } : out;
  });
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, program: { bytes: encode(resolved), slots, instructions: resolved, slotOf } };
}

/** Replaces the names of one instruction by numbers; `next` is the slot after it. */
function resolve(
  instruction: Instruction,
  next: number,
  slots: number,
  labels: ReadonlyMap<string, number>,
  maps: ReadonlyMap<string, number>,
  report: (message: string) => void,
): Instruction {
  if (instruction.map !== undefined) {
    const descriptor = maps.get(instruction.map);
    if (descriptor === undefined) report(`map "${instruction.map}" has no file descriptor`);
    return { ...instruction, imm: BigInt(instruction.imm) | BigInt(descriptor ?? 0) };
  }
  if (instruction.target === undefined) return instruction;
  const at = labels.get(instruction.target);
  if (at === undefined || at >= slots) {
    report(`label "${instruction.target}" ${at === undefined ? 'is not defined' : 'has no instruction after it'}`);
    return instruction;
  }
  const distance = at - next;
  if (instruction.code === LD_IMM64) return { ...instruction, imm: BigInt.asUintN(32, BigInt(distance)) };
  const isLong =
    instruction.code === (BPF_JMP32 | BPF_JA) ||
    (instruction.code === (BPF_JMP | BPF_CALL) && instruction.src === BPF_PSEUDO_CALL);
  if (isLong) return { ...instruction, imm: distance };
  if (distance < -32768 || distance > 32767) {
    report(`"${instruction.target}" is ${distance} slots away; a jump reaches 32767`);
  }
  return { ...instruction, off: distance };
}

function checkRanges(instruction: Instruction, report: (message: string) => void): void {
  const { dst, src, off, imm, code } = instruction;
  if (!(dst >= 0 && dst <= 10)) report(`destination register ${dst} does not exist`);
  if (!(src >= 0 && src <= 10)) report(`source register ${src} does not exist`);
  if (!Number.isInteger(off) || off < -32768 || off > 32767) report(`offset ${off} does not fit 16 bits`);
  if (code === LD_IMM64) {
    const value = BigInt(imm);
    if (value < -(1n << 63n) || value >= 1n << 64n) report(`immediate ${value} does not fit 64 bits`);
  } else if (typeof imm === 'bigint' || !Number.isInteger(imm) || imm < -0x8000_0000 || imm > 0xffff_ffff) {
    report(`immediate ${imm} does not fit 32 bits`);
  }
}

/** Bytes of resolved instructions. Immediates between 2^31 and 2^32 are taken as their bit pattern. */
export function encode(instructions: readonly Instruction[]): Uint8Array {
  let slots = 0;
  for (const instruction of instructions) slots += slotsOf(instruction);
  const bytes = new Uint8Array(slots * SLOT_BYTES);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { code, dst, src, off, imm } of instructions) {
    view.setUint8(at, code);
    view.setUint8(at + 1, (src << 4) | dst);
    view.setInt16(at + 2, off, true);
    if (code === LD_IMM64) {
      const value = BigInt.asUintN(64, BigInt(imm));
      view.setUint32(at + 4, Number(value & 0xffff_ffffn), true);
      view.setUint32(at + 12, Number(value >> 32n), true);
      at += 2 * SLOT_BYTES;
    } else {
      view.setInt32(at + 4, Number(imm) | 0, true);
      at += SLOT_BYTES;
    }
  }
  return bytes;
}

/**
 * Instructions of encoded slots, immediates signed. A last, lone half of a
 * 64-bit immediate, or bytes that fill no slot, give an instruction with a
 * `problem`, so that nothing is lost silently.
 */
export function decode(bytes: Uint8Array): Instruction[] {
  const out: Instruction[] = [];
  let at = 0;
  for (; at + SLOT_BYTES <= bytes.length; at += SLOT_BYTES) {
    const code = bytes[at] ?? 0;
    const registers = bytes[at + 1] ?? 0;
    const fields = { code, dst: registers & 0x0f, src: registers >> 4, off: (u16le(bytes, at + 2) << 16) >> 16 };
    const low = u32le(bytes, at + 4);
    if (code !== LD_IMM64) {
      out.push({ ...fields, imm: low | 0 });
      continue;
    }
    if (at + 2 * SLOT_BYTES > bytes.length) {
      out.push({ ...fields, imm: BigInt(low), problem: 'the second half of a 64-bit immediate is missing' });
      continue;
    }
    const clean = u32le(bytes, at + 8) === 0;
    const value = BigInt.asIntN(64, (BigInt(u32le(bytes, at + 12)) << 32n) | BigInt(low));
    const problem = 'the second half of a 64-bit immediate holds other fields';
    out.push(clean ? { ...fields, imm: value } : { ...fields, imm: value, problem });
    at += SLOT_BYTES;
  }
  if (at < bytes.length) {
    out.push({ code: 0, dst: 0, src: 0, off: 0, imm: 0, problem: `${bytes.length - at} bytes fill no slot` });
  }
  return out;
}

/** True for an instruction whose offset field (or immediate, for `gotol`) is a distance. Calls are none. */
export function isJump(instruction: Instruction): boolean {
  const kind = classOf(instruction.code);
  const operation = operationOf(instruction.code);
  return (kind === BPF_JMP || kind === BPF_JMP32) && operation !== BPF_CALL && operation !== BPF_EXIT;
}
