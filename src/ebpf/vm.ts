/**
 * A virtual machine for eBPF programs: the oracle that tests compare compiled
 * scripts with, and the back end of last resort on machines without bpf(2).
 *
 * It is stricter than a CPU: reads of registers or stack bytes nobody wrote,
 * accesses out of bounds, unknown helpers and more than `maxSteps` steps raise
 * VmFault, where the kernel's verifier would have refused the program. It does
 * not prove anything about paths that are not taken.
 *
 * Specification: RFC 9669.
 */
import { slotsOf } from './assemble.js';
import type { Instruction } from './instruction.js';
import {
  BPF_ALU, BPF_ALU64, BPF_ATOMIC, BPF_CALL, BPF_CMPXCHG, BPF_END, BPF_EXIT, BPF_FETCH, BPF_JA, BPF_JMP, BPF_JMP32,
  BPF_LD, BPF_LDX, BPF_MEMSX, BPF_MOV, BPF_NEG, BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE, BPF_ST,
  BPF_STX, BPF_TO_BE, BPF_X, BPF_XCHG, MAX_BPF_STACK, MAX_CALL_FRAMES, classOf, modeOf, operationOf, r0, r10,
  sourceOf, widthBytes, widthOf,
} from './isa.js';
import { BPF_FUNC_loop } from './helpers.js';
import { validate } from './validate.js';
import { compute, holds, swapBytes } from './vm-alu.js';
import { VmFault, type VmMap, VmMemory } from './vm-memory.js';

/** What a helper function sees of the running program. */
export interface VmCall {
  readonly memory: VmMemory;
  /** The map behind the value of a register that was loaded with a map. */
  map(pointer: bigint): VmMap;
}

/** r0 = helper(r1 .. r5) */
export type VmHelper = (args: readonly [bigint, bigint, bigint, bigint, bigint], call: VmCall) => bigint;

export interface VmOptions {
  /** Maps by the file descriptor that the program was assembled with. */
  readonly maps?: ReadonlyMap<number, VmMap>;
  readonly helpers: ReadonlyMap<number, VmHelper>;
  /** Steps after which a run counts as endless; one million, the kernel's own limit for verification, when absent. */
  readonly maxSteps?: number;
  /** Called before each step; for traces. */
  readonly onStep?: (instruction: Instruction, slot: number) => void;
}

/** No slot: the program is over. */
const END = -1;
/** Addresses of functions lie outside all regions; the lower half is the slot. */
const FUNCTION_BASE = 0xfffe_0000_0000_0000n;
/** include/linux/bpf_verifier.h: BPF_MAX_LOOPS. */
const MAX_LOOPS = 1n << 23n;
const E2BIG = -7n;

interface Frame {
  readonly returnTo: number;
  readonly kept: readonly (bigint | undefined)[];
  readonly framePointer: bigint;
}

export class Vm {
  readonly #bySlot: (Instruction | undefined)[] = [];
  readonly #options: VmOptions;
  readonly #memory = new VmMemory();
  readonly #mapPointers = new Map<bigint, VmMap>();
  readonly #registers: (bigint | undefined)[] = new Array(11).fill(undefined);
  readonly #frames: Frame[] = [];
  #steps = 0;

  /** Throws VmFault when the program does not validate. */
  constructor(instructions: readonly Instruction[], options: VmOptions) {
    const problems = validate(instructions);
    const first = problems[0];
    if (first) throw new VmFault(`slot ${first.slot}: ${first.message}`);
    for (const instruction of instructions) {
      this.#bySlot.push(instruction);
      if (slotsOf(instruction) === 2) this.#bySlot.push(undefined);
    }
    this.#options = options;
  }

  /** Runs with r1 pointing at `context` (for a packet program struct __sk_buff); the result is the lower half of r0. */
  run(context: Uint8Array): number {
    const memory = this.#memory;
    const contextAt = memory.add('context', context, true);
    const stackAt = memory.add('stack', new Uint8Array(MAX_BPF_STACK), true, true);
    this.#registers.fill(undefined);
    this.#registers[1] = contextAt;
    this.#registers[r10] = stackAt + BigInt(MAX_BPF_STACK);
    this.#frames.length = 0;
    this.#steps = 0;
    try {
      return Number(this.#execute(0, 0) & 0xffff_ffffn);
    } finally {
      memory.remove(contextAt);
      memory.remove(stackAt);
    }
  }

  /** Runs until the function at `start` returns to a depth of `frames` frames; its result. */
  #execute(start: number, frames: number): bigint {
    const { maxSteps = 1_000_000, onStep } = this.#options;
    let slot = start;
    while (this.#steps++ < maxSteps) {
      const instruction = this.#bySlot[slot];
      if (!instruction) throw new VmFault(`slot ${slot} is no instruction`);
      onStep?.(instruction, slot);
      const next = slot + slotsOf(instruction);
      switch (classOf(instruction.code)) {
        case BPF_ALU:
        case BPF_ALU64:
          this.#arithmetic(instruction, slot);
          slot = next;
          break;
        case BPF_LD:
          this.#registers[instruction.dst] = this.#immediate(instruction, slot);
          slot = next;
          break;
        case BPF_LDX:
        case BPF_ST:
        case BPF_STX:
          this.#access(instruction, slot);
          slot = next;
          break;
        default: {
          slot = this.#jump(instruction, slot);
          if (this.#frames.length < frames || slot < 0) return this.#value(r0, slot);
        }
      }
    }
    throw new VmFault(`no end after ${maxSteps} steps`);
  }

  #value(register: number, slot: number): bigint {
    const value = this.#registers[register];
    if (value === undefined) throw new VmFault(`slot ${slot} reads r${register}, which holds nothing`);
    return value;
  }

  #arithmetic({ code, dst, src, off, imm }: Instruction, slot: number): void {
    const wide = classOf(code) === BPF_ALU64;
    const bits = wide ? 64 : 32;
    const operation = operationOf(code);
    if (operation === BPF_END) {
      const value = this.#value(dst, slot);
      const swaps = wide || sourceOf(code) === BPF_TO_BE;
      this.#registers[dst] = swaps ? swapBytes(value, Number(imm)) : BigInt.asUintN(Number(imm), value);
      return;
    }
    const right = sourceOf(code) === BPF_X ? this.#value(src, slot) : BigInt(imm);
    const left = operation === BPF_MOV ? 0n : this.#value(dst, slot);
    this.#registers[dst] = compute(operation, bits, left, operation === BPF_NEG ? 0n : right, off);
  }

  #immediate({ src, imm }: Instruction, slot: number): bigint {
    const value = BigInt.asUintN(64, BigInt(imm));
    if (src === BPF_PSEUDO_FUNC) return FUNCTION_BASE + BigInt(slot + 1) + BigInt.asIntN(32, value);
    if (src !== BPF_PSEUDO_MAP_FD && src !== BPF_PSEUDO_MAP_VALUE) return value;
    const map = this.#options.maps?.get(Number(value & 0xffff_ffffn));
    if (!map) throw new VmFault(`no map has the file descriptor ${value & 0xffff_ffffn}`);
    if (src === BPF_PSEUDO_MAP_VALUE) {
      const bytes = map.lookup(new Uint8Array(map.shape.keyBytes));
      if (!bytes) throw new VmFault('the map has no first value');
      return this.#memory.add('map value', bytes, true) + (value >> 32n);
    }
    // Maps can be passed on but not read: a pointer into no region.
    const pointer = 0xffff_0000_0000_0000n | value;
    this.#mapPointers.set(pointer, map);
    return pointer;
  }

  #access({ code, dst, src, off, imm }: Instruction, slot: number): void {
    const width = widthBytes(widthOf(code));
    const kind = classOf(code);
    const address = BigInt.asUintN(64, this.#value(kind === BPF_LDX ? src : dst, slot) + BigInt(off));
    if (kind === BPF_LDX) {
      const value = this.#memory.read(address, width);
      this.#registers[dst] =
        modeOf(code) === BPF_MEMSX ? BigInt.asUintN(64, BigInt.asIntN(8 * width, value)) : value;
    } else if (kind === BPF_ST) {
      this.#memory.write(address, width, BigInt(imm));
    } else if (modeOf(code) === BPF_ATOMIC) {
      this.#atomic(Number(imm), address, width, src, slot);
    } else {
      this.#memory.write(address, width, this.#value(src, slot));
    }
  }

  #atomic(operation: number, address: bigint, width: 1 | 2 | 4 | 8, src: number, slot: number): void {
    const old = this.#memory.read(address, width);
    const operand = this.#value(src, slot);
    if (operation === BPF_CMPXCHG) {
      const expected = BigInt.asUintN(8 * width, this.#value(r0, slot));
      if (old === expected) this.#memory.write(address, width, operand);
      this.#registers[r0] = old;
      return;
    }
    const value =
      operation === BPF_XCHG ? operand : compute(operation & 0xf0, width === 8 ? 64 : 32, old, operand, 0);
    this.#memory.write(address, width, value);
    if (operation & BPF_FETCH) this.#registers[src] = old;
  }

  /** Slot to go on at, or -1 at the end of the program. */
  #jump({ code, dst, src, off, imm }: Instruction, slot: number): number {
    const wide = classOf(code) === BPF_JMP;
    const operation = operationOf(code);
    if (operation === BPF_JA) return slot + 1 + (wide ? off : Number(imm));
    if (wide && operation === BPF_EXIT) return this.#leave(slot);
    if (wide && operation === BPF_CALL) {
      if (src === BPF_PSEUDO_CALL) return this.#enter(slot + 1 + Number(imm), slot + 1);
      this.#help(Number(imm), src, slot);
      return slot + 1;
    }
    const right = sourceOf(code) === BPF_X ? this.#value(src, slot) : BigInt(imm);
    const taken = holds(operation, classOf(code) === BPF_JMP32 ? 32 : 64, this.#value(dst, slot), right);
    return slot + 1 + (taken ? off : 0);
  }

  #enter(target: number, returnTo: number): number {
    if (this.#frames.length + 1 >= MAX_CALL_FRAMES) throw new VmFault(`more than ${MAX_CALL_FRAMES} frames`);
    const registers = this.#registers;
    this.#frames.push({ returnTo, kept: registers.slice(6, 10), framePointer: registers[r10] ?? 0n });
    const stackAt = this.#memory.add('stack', new Uint8Array(MAX_BPF_STACK), true, true);
    for (let register = 6; register <= 9; register++) registers[register] = undefined;
    registers[r10] = stackAt + BigInt(MAX_BPF_STACK);
    return target;
  }

  #leave(slot: number): number {
    const frame = this.#frames.pop();
    if (!frame) return END;
    const registers = this.#registers;
    const result = this.#value(r0, slot);
    this.#memory.remove((registers[r10] ?? 0n) - BigInt(MAX_BPF_STACK));
    registers.fill(undefined, 0, 6);
    registers[r0] = result;
    for (let i = 0; i < 4; i++) registers[6 + i] = frame.kept[i];
    registers[r10] = frame.framePointer;
    return frame.returnTo;
  }

  #help(id: number, kind: number, slot: number): void {
    const [, a = 0n, b = 0n, c = 0n, d = 0n, e = 0n] = this.#registers;
    if (kind === 0 && id === BPF_FUNC_loop) {
      this.#returnFrom(this.#callInLoop(a, b, c, d));
      return;
    }
    const helper = kind === 0 ? this.#options.helpers.get(id) : undefined;
    if (!helper) throw new VmFault(`slot ${slot} calls ${kind === 0 ? 'helper' : 'kernel function'} ${id}, which is not here`);
    const result = helper([a, b, c, d, e], {
      memory: this.#memory,
      map: (pointer) => {
        const map = this.#mapPointers.get(pointer);
        if (!map) throw new VmFault('a map helper was called without a map');
        return map;
      },
    });
    this.#returnFrom(result);
  }

  #returnFrom(result: bigint): void {
    this.#registers.fill(undefined, 0, 6);
    this.#registers[r0] = BigInt.asUintN(64, result);
  }

  /** bpf_loop: rounds run until the callback returned 1, that one included; or -errno. */
  #callInLoop(rounds: bigint, callback: bigint, context: bigint, flags: bigint): bigint {
    if (BigInt.asUintN(32, rounds) > MAX_LOOPS) return E2BIG;
    if (flags !== 0n || callback < FUNCTION_BASE) throw new VmFault('bpf_loop wants a function and no flags');
    const count = BigInt.asUintN(32, rounds);
    for (let index = 0n; index < count; index++) {
      const slot = this.#enter(Number(callback - FUNCTION_BASE), 0);
      this.#registers.fill(undefined, 0, 6);
      this.#registers[1] = index;
      this.#registers[2] = context;
      const result = this.#execute(slot, this.#frames.length);
      if (result > 1n) throw new VmFault('a callback of bpf_loop returns 0 or 1');
      if (result === 1n) return index + 1n;
    }
    return count;
  }
}
