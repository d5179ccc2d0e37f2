/**
 * Room for strings that do not fit the stack: a value of a map that only this
 * script uses.
 *
 * Several packets can be in the script at once: one on each CPU, and one that
 * interrupts another (a rule of the OUTPUT chain runs in a process, one of INPUT
 * in a soft interrupt). So the map has several values, and the first word of
 * each says whether it is in use. When all are, the run ends with FAIL, as when
 * the arena is full.
 */
import { add, and, mov } from '../../../ebpf/alu.js';
import { BPF_FUNC_get_smp_processor_id, BPF_FUNC_map_lookup_elem } from '../../../ebpf/helpers.js';
import type { MapShape } from '../../../ebpf/maps.js';
import { BPF_DW, BPF_W, r0, r1, r2, r7, r9 } from '../../../ebpf/isa.js';
import { call, jeq, jlt } from '../../../ebpf/jump.js';
import { exchange, load, loadMap, store, storeImm } from '../../../ebpf/load-store.js';
import { FAIL } from '../../ir.js';
import type { Program } from './program.js';

export const SCRATCH_MAP = 'scratch';
/** Values: a power of two. Each CPU begins to look at its own number. */
const VALUES = 16;

export function scratchShape(lengthBytes: number): MapShape {
  return { type: 'array', keyBytes: 4, valueBytes: Math.ceil(lengthBytes / 8) * 8, maxEntries: VALUES };
}

/** Finds a free value, for programs that want one. */
export function acquireScratch(program: Program): void {
  const { code, plan } = program;
  if (!plan.usesScratch) return;
  const { scratchPointerAt } = code.frame;
  code.emit(storeImm(BPF_DW, r9, scratchPointerAt, 0));
  code.frame.borrow(4, (keyAt) => {
    const again = code.newLabel('scratch');
    const next = code.newLabel('scratch_next');
    const free = code.newLabel('scratch_free');
    code.emit(call(BPF_FUNC_get_smp_processor_id), and.imm32(r0, VALUES - 1), store(BPF_W, r9, keyAt, r0));
    code.emit(mov.imm(r7, 0));
    code.place(again);
    code.emit(loadMap(r1, SCRATCH_MAP));
    code.address(r2, keyAt);
    code.emit(call(BPF_FUNC_map_lookup_elem), jeq.imm(r0, 0, next));
    code.emit(mov.imm(r1, 1), exchange(BPF_DW, r0, 0, r1), jeq.imm(r1, 0, free));
    code.place(next);
    code.emit(load(BPF_W, r1, r9, keyAt), add.imm32(r1, 1), and.imm32(r1, VALUES - 1), store(BPF_W, r9, keyAt, r1));
    code.emit(add.imm(r7, 1), jlt.imm(r7, VALUES, again));
    program.end(FAIL, 0, 'EArenaFull');
    code.place(free);
    code.emit(store(BPF_DW, r9, scratchPointerAt, r0));
  });
}

/** Gives the value back at the end of a run. */
export function releaseScratch(program: Program): void {
  const { code, plan } = program;
  if (!plan.usesScratch) return;
  const none = code.newLabel('unscratched');
  code.emit(load(BPF_DW, r1, r9, code.frame.scratchPointerAt), jeq.imm(r1, 0, none), storeImm(BPF_DW, r1, 0, 0));
  code.place(none);
}
