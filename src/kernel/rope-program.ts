/**
 * Brings a compiled rope script into the kernel: makes its maps, loads its
 * programs, runs them on test packets, reads counters.
 *
 * Pins and rules are the business of rope-store.ts. Descriptors belong to the
 * LoadedRope and are closed with it; pinned objects live on.
 */
import { assemble } from '../ebpf/assemble.js';
import { functionInfo, type FunctionStart } from '../ebpf/function-info.js';
import { BPF_PROG_TYPE_SOCKET_FILTER, SKB_MARK, SKB_SIZE_BYTES } from '../ebpf/helpers.js';
import { isLabel, type Item } from '../ebpf/instruction.js';
import type { MapShape } from '../ebpf/maps.js';
import type { KernelProgram } from '../rope/backends/ebpf.js';
import {
  GLOBALS_MAP, GLOBALS_SHAPE, initialState, readCounters, STATE_MAP, stateShape, writeClock, type ClockState,
  type Counters,
} from '../rope/backends/ebpf/state.js';
import { type Bpf, ProgramRejected } from './bpf.js';

/** The only key of the maps with one value. */
const KEY = new Uint8Array(4);
const ETH_HLEN = 14;

/** The verifier refused a script: a bug of the compiler, or a kernel that is too old. */
export class RopeRejected extends Error {
  override readonly name = 'RopeRejected';
  /** Line of the script that the refused instruction stems from, or of its heaviest loop; undefined for the parts around it. */
  readonly line: number | undefined;
  readonly rejection: ProgramRejected;

  constructor(rejection: ProgramRejected, line: number | undefined) {
    super(rejection.message);
    this.line = line;
    this.rejection = rejection;
  }
}

/** Which programs to load. */
export interface RopePrograms {
  readonly match: KernelProgram;
  /** Compiled from the same script in the form `inverted`. */
  readonly inverted?: KernelProgram;
}

export interface LoadedRope {
  readonly match: number;
  readonly inverted: number | null;
  readonly hotdrop: number | null;
  /** Descriptors by map name; `state` is always there. */
  readonly maps: ReadonlyMap<string, number>;
  readonly stateBytes: number;
}

/** Lines and functions of a program whose maps are known. */
interface Bound {
  /** Line to name when the whole is too much to verify. */
  readonly heaviestLine: number | undefined;
  readonly bytes: Uint8Array;
  readonly functions: readonly FunctionStart[];
  readonly lineOfSlot: (slot: number) => number | undefined;
}

function bind(items: readonly Item[], functions: readonly string[], maps: ReadonlyMap<string, number>, heaviestLine?: number): Bound {
  const result = assemble(items, maps);
  if (!result.ok) throw new Error(`invariant broken: ${result.problems.map(({ message }) => message).join('; ')}`);
  const { program } = result;
  const starts: FunctionStart[] = [];
  const names = new Set(functions.slice(1));
  let index = 0;
  starts.push({ name: functions[0] ?? 'main', slot: 0 });
  for (const item of items) {
    if (!isLabel(item)) index++;
    else if (names.has(item.label)) starts.push({ name: item.label, slot: program.slotOf[index] ?? 0 });
  }
  const lineOfSlot = (slot: number): number | undefined => {
    const at = program.slotOf.findLastIndex((start) => start <= slot);
    return program.instructions[at]?.line;
  };
  return { bytes: program.bytes, functions: starts, lineOfSlot, heaviestLine };
}

function loadBound(bpf: Bpf, name: string, bound: Bound): number {
  try {
    return bpf.loadProgram({
      type: BPF_PROG_TYPE_SOCKET_FILTER,
      name,
      bytes: bound.bytes,
      ...(bound.functions.length > 1 && { functions: functionInfo(bound.functions) }),
    });
  } catch (error) {
    if (!(error instanceof ProgramRejected)) throw error;
    const { slot } = error.report;
    throw new RopeRejected(error, slot === undefined ? bound.heaviestLine : bound.lineOfSlot(slot));
  }
}

/**
 * Creates maps and programs. `shared` are descriptors of maps that exist already (the global registers), which are not
 * closed with the script. Throws RopeRejected or SystemError and leaves nothing behind then.
 */
export function loadRope(
  bpf: Bpf, name: string, programs: RopePrograms, clock: ClockState, shared: ReadonlyMap<string, number> = new Map(),
): LoadedRope {
  const { match, inverted } = programs;
  const made: number[] = [];
  const keep = (fd: number): number => {
    made.push(fd);
    return fd;
  };
  try {
    const maps = new Map(shared);
    // The counters exist even for a script that never touches them: listings read them.
    const shapes = new Map<string, MapShape>([[STATE_MAP, stateShape(match.constants)], ...match.maps]);
    for (const [mapName, shape] of shapes) {
      if (!maps.has(mapName)) maps.set(mapName, keep(bpf.createMap(shape, `rope_${mapName}`)));
    }
    bpf.update(mapOf(maps, STATE_MAP), KEY, initialState(match.constants, clock));
    const load = (items: readonly Item[], functions: readonly string[]): number =>
      keep(loadBound(bpf, name, bind(items, functions, maps, match.heaviestLine)));
    return {
      match: load(match.items, match.functions),
      inverted: inverted ? load(inverted.items, inverted.functions) : null,
      hotdrop: match.hotdrop ? load(match.hotdrop, ['hotdrop']) : null,
      maps,
      stateBytes: stateShape(match.constants).valueBytes,
    };
  } catch (error) {
    for (const fd of made) bpf.close(fd);
    throw error;
  }
}

/** Closes all descriptors but the shared ones. */
export function closeRope(bpf: Bpf, rope: LoadedRope, shared: ReadonlyMap<string, number> = new Map()): void {
  const { match, inverted, hotdrop, maps } = rope;
  for (const fd of [match, inverted, hotdrop]) if (fd !== null) bpf.close(fd);
  for (const [name, fd] of maps) if (!shared.has(name)) bpf.close(fd);
}

function mapOf(maps: ReadonlyMap<string, number>, name: string): number {
  const fd = maps.get(name);
  if (fd === undefined) throw new Error(`invariant broken: no map ${name}`);
  return fd;
}

export function createGlobals(bpf: Bpf): number {
  return bpf.createMap(GLOBALS_SHAPE, 'rope_globals');
}

/** The global registers, signed. */
export function readGlobals(bpf: Bpf, fd: number): Int32Array {
  const value = bpf.lookup(fd, KEY, GLOBALS_SHAPE.valueBytes) ?? new Uint8Array(GLOBALS_SHAPE.valueBytes);
  return new Int32Array(value.buffer, value.byteOffset, value.length / 4);
}

/** Sets all global registers. Packets that change one at the same moment may lose against it. */
export function writeGlobals(bpf: Bpf, fd: number, globals: Int32Array): void {
  bpf.update(fd, KEY, new Uint8Array(globals.buffer, globals.byteOffset, globals.byteLength));
}

export function ropeCounters(bpf: Bpf, stateFd: number, stateBytes: number): Counters {
  return readCounters(bpf.lookup(stateFd, KEY, stateBytes) ?? new Uint8Array(stateBytes));
}

/** Tells a script what time it is, after the system's clock was set. Counts of packets in between may be lost. */
export function setRopeClock(bpf: Bpf, stateFd: number, stateBytes: number, clock: ClockState): void {
  const state = bpf.lookup(stateFd, KEY, stateBytes);
  if (!state) return;
  writeClock(state, clock);
  bpf.update(stateFd, KEY, state);
}

/** Runs a program of a script on a packet that begins with the IP header; the result as `iptables -m bpf` would see it. */
export function testRunRope(
  bpf: Bpf, programFd: number, packet: Uint8Array, options: { readonly repeat?: number; readonly mark?: number } = {},
): { result: number; averageNs: number } {
  // The test run takes an Ethernet frame; with the type 0 a packet may have any length (net/bpf/test_run.c).
  const frame = new Uint8Array(ETH_HLEN + packet.length);
  frame.set(packet, ETH_HLEN);
  const context = new Uint8Array(options.mark ? SKB_SIZE_BYTES : 0);
  if (options.mark) new DataView(context.buffer).setUint32(SKB_MARK, options.mark >>> 0, true);
  const { result, averageNs } = bpf.testRun(programFd, frame, { repeat: options.repeat ?? 1, context });
  return { result, averageNs };
}

export { GLOBALS_MAP };
