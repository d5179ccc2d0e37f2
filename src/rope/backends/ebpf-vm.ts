/**
 * Runs a kernel program in our own virtual machine: the same code as in the
 * kernel, without the kernel. Oracle of the tests, and `rope --backend ebpf`.
 *
 * One instance for each script; counters and global registers live as long as
 * it does. Specification: the meaning of results is in ebpf/ends.ts.
 */
import { assemble } from '../../ebpf/assemble.js';
import { SKB_LEN, SKB_MARK, SKB_SIZE_BYTES } from '../../ebpf/helpers.js';
import type { Instruction, Item } from '../../ebpf/instruction.js';
import { Vm } from '../../ebpf/vm.js';
import { VmMap } from '../../ebpf/vm-memory.js';
import { vmHelpers, type VmWorld } from '../../ebpf/vm-helpers.js';
import { FAIL, HOTDROP, NO, OKAY, YES, type ErrorTag, type Ir, type Verdict } from '../ir.js';
import { allOps } from '../operation-use.js';
import type { BackEnd } from './back-end.js';
import { compileForKernel, type KernelProgram } from './ebpf.js';
import { GLOBALS_MAP, initialState, readCounters, STATE_MAP, UTC_CLOCK, writeClock, type ClockState, type Counters } from './ebpf/state.js';

/** Verdict from a program's result, of the form `match`, and the counters before and after. */
export function verdictOf(result: number, before: Counters, after: Counters): Verdict {
  if (result === HOTDROP) return HOTDROP;
  if (result === 0) return after.errors > before.errors ? FAIL : NO;
  return result === 2 ? YES : OKAY;
}

/** A run's outcome: as RunContext tells it for the other back ends, as far as the kernel can. */
export interface KernelRun {
  readonly verdict: Verdict;
  /** Of FAIL and of HOTDROP by a limit, otherwise null. */
  readonly tag: ErrorTag | null;
  readonly at: number;
}

export class KernelMachine {
  readonly #vm: Vm;
  readonly #hotdrop: Vm | null;
  readonly #world: VmWorld = { packet: new Uint8Array(0), bootTimeNs: 0n };
  readonly #maps: ReadonlyMap<string, VmMap>;
  readonly #context = new Uint8Array(SKB_SIZE_BYTES);
  /** Little-endian, 64 of them. */
  readonly globals: Int32Array;

  /** `onStep` is called before each instruction. */
  constructor(program: KernelProgram, options: { readonly onStep?: (instruction: Instruction, slot: number) => void; readonly maxSteps?: number } = {}) {
    const maps = new Map([...program.maps].map(([name, shape]) => [name, new VmMap(shape)]));
    this.#maps = maps;
    const descriptors = new Map([...maps.keys()].map((name, index) => [name, index + 1]));
    const machine = (items: readonly Item[]): Vm => {
      const result = assemble(items, descriptors);
      if (!result.ok) throw new Error(`invariant broken: ${JSON.stringify(result.problems[0])}`);
      return new Vm(result.program.instructions, {
        maps: new Map([...maps.values()].map((map, index) => [index + 1, map])),
        helpers: vmHelpers(this.#world),
        ...options,
      });
    };
    this.#vm = machine(program.items);
    this.#hotdrop = program.hotdrop && machine(program.hotdrop);
    maps.get(STATE_MAP)?.update(new Uint8Array(4), initialState(program.constants, UTC_CLOCK));
    const globals = maps.get(GLOBALS_MAP)?.lookup(new Uint8Array(4)) ?? new Uint8Array(256);
    this.globals = new Int32Array(globals.buffer, globals.byteOffset, globals.length / 4);
  }

  setClock(clock: ClockState): void {
    const state = this.#state();
    if (state) writeClock(state, clock);
  }

  /** Time since boot, in nanoseconds: never negative. */
  get bootTimeNs(): bigint {
    return this.#world.bootTimeNs;
  }

  set bootTimeNs(value: bigint) {
    this.#world.bootTimeNs = value;
  }

  get counters(): Counters {
    return readCounters(this.#state() ?? new Uint8Array(64));
  }

  #state(): Uint8Array | undefined {
    return this.#maps.get(STATE_MAP)?.lookup(new Uint8Array(4));
  }

  /** Runs on a packet that begins with the IP header. Throws VmFault when the program does what no kernel lets pass. */
  run(packet: Uint8Array, mark = 0): KernelRun {
    const before = this.counters;
    this.#load(packet, mark);
    const result = this.#vm.run(this.#context);
    const after = this.counters;
    const verdict = verdictOf(result, before, after);
    const last = verdict === FAIL || verdict === HOTDROP ? after.last : null;
    return { verdict, tag: last?.tag ?? null, at: last?.at ?? -1 };
  }

  /** What the second program says of a packet: whether the rule behind a match drops it. */
  dropsAfterMatch(packet: Uint8Array): boolean {
    this.#load(packet, 0);
    return this.#hotdrop !== null && this.#hotdrop.run(this.#context) !== 0;
  }

  #load(packet: Uint8Array, mark: number): void {
    this.#world.packet = packet;
    const view = new DataView(this.#context.buffer);
    view.setUint32(SKB_LEN, packet.length, true);
    view.setUint32(SKB_MARK, mark >>> 0, true);
  }
}

/** Message of the hotdrop that ended a run, when it is written in the script. */
export function hotdropMessage(ir: Ir, at: number): Uint8Array | null {
  for (const op of allOps(ir.ops)) {
    if (op.op === 'hotdrop' && op.at === at && op.message?.kind === 'literal') return ir.literals[op.message.index] ?? null;
  }
  return null;
}

/** The kernel's code in our own virtual machine, as one of the back ends. */
export const EBPF: BackEnd = {
  name: 'ebpf',
  cannotTell: ['output', 'assert', 'message'],
  prepare: (compiled, _args, context) => {
    const { ir } = compiled;
    if (ir === null) return 'its stack depth or types are known only at run time';
    const result = compileForKernel(ir);
    if (!result.ok) return result.obstacles.map(({ reason }) => reason).join('; ');
    const machine = new KernelMachine(result.program, { maxSteps: 20_000_000 });
    return {
      run: () => {
        const { packet } = context;
        const zoneSeconds = context.utcOffsetSeconds(packet.kernelTime);
        machine.setClock({ ...UTC_CLOCK, epochMinusBootNs: BigInt(packet.kernelTime) * 1_000_000_000n, zoneSeconds });
        machine.globals.set(context.globals.subarray(0, machine.globals.length));
        const run = machine.run(packet.bytes.subarray(packet.start, packet.end), packet.mark);
        context.globals.set(machine.globals);
        context.tag = run.tag;
        context.at = run.at;
        context.message = run.verdict === HOTDROP && run.tag === null ? hotdropMessage(ir, run.at) : null;
        return run.verdict;
      },
    };
  },
};
