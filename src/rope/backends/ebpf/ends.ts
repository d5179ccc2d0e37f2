/**
 * How a program ends: counters, and what the kernel gets to see.
 *
 * A script's result is 1 for OKAY and 2 for YES, 4 for HOTDROP, 0 for NO and
 * FAIL: anything but 0 is a match for `iptables -m bpf`. The `inverted` form
 * gives 1 for NO and FAIL and 0 for OKAY and YES; HOTDROP stays 4.
 *
 * Hotdrop must drop the packet whatever the rule's target, but a match cannot
 * drop. So a script that may hotdrop is used by a rule that jumps to a chain of
 * two rules: the first drops when the second program, `hotdrop`, says so. That
 * program does not run the script again, which would count twice and might come
 * to another verdict: HOTDROP leaves the first bytes of the packet in the map
 * `memo` with the time, and the second program looks them up.
 *
 * Heuristic: two packets are the same when their first 64 bytes and the length
 * are. A packet that equals, in all of these, one that got HOTDROP within the
 * last second, and for which the script now says YES, is dropped as well.
 */
import { add, mov, sub } from '../../../ebpf/alu.js';
import {
  BPF_FUNC_ktime_get_boot_ns, BPF_FUNC_map_lookup_elem, BPF_FUNC_map_update_elem, BPF_FUNC_skb_load_bytes, SKB_LEN,
} from '../../../ebpf/helpers.js';
import { label, type Item } from '../../../ebpf/instruction.js';
import { BPF_DW, BPF_W, r0, r1, r2, r3, r4, r6, r7, r9, r10 } from '../../../ebpf/isa.js';
import { call, exit, jeq, jgt, jle } from '../../../ebpf/jump.js';
import { atomicAdd, load, loadImm64, loadMap, loadMapValue, store, storeImm } from '../../../ebpf/load-store.js';
import { FAIL, HOTDROP, NO, OKAY, YES, type Verdict } from '../../ir.js';
import type { Program } from './program.js';
import { releaseScratch } from './scratch.js';
import {
  MEMO_KEY_BYTES, MEMO_MAP, STATE_ERRORS_AT, STATE_HITS_AT, STATE_HOTDROPS_AT, STATE_LAST_STEP_AT, STATE_LAST_TAG_AT,
  STATE_MAP,
} from './state.js';

export type Form = 'match' | 'inverted';

/** Results of the program by verdict. */
export const RESULTS: Readonly<Record<Form, Readonly<Record<Verdict, number>>>> = {
  match: { [FAIL]: 0, [OKAY]: 1, [YES]: 2, [NO]: 0, [HOTDROP]: 4 },
  inverted: { [FAIL]: 1, [OKAY]: 0, [YES]: 0, [NO]: 1, [HOTDROP]: 4 },
};

/** How long a verdict of HOTDROP waits for its second rule. */
const MEMO_NS = 1_000_000_000n;

/** Code of all ends, behind the script. */
export function emitEnds(program: Program, form: Form): void {
  const { code, ends } = program;
  const finish = (verdict: Verdict): void => {
    releaseScratch(program);
    code.emit(mov.imm(r0, RESULTS[form][verdict]), exit());
  };
  const count = (at: number): void =>
    code.emit(loadMapValue(r1, STATE_MAP, 0), mov.imm(r2, 1), atomicAdd(BPF_DW, r1, at, r2));
  code.place(ends[OKAY].label);
  count(STATE_HITS_AT);
  finish(OKAY);
  code.place(ends[YES].label);
  count(STATE_HITS_AT);
  finish(YES);
  code.place(ends[NO].label);
  finish(NO);
  code.place(ends[FAIL].label);
  count(STATE_ERRORS_AT);
  noteError(program);
  finish(FAIL);
  code.place(ends[HOTDROP].label);
  count(STATE_HOTDROPS_AT);
  noteError(program);
  memoKey(program);
  finish(HOTDROP);
}

/** r1 points at the state. */
function noteError({ code, errorStepAt, errorTagAt }: Program): void {
  code.emit(load(BPF_W, r2, r9, errorStepAt), store(BPF_W, r1, STATE_LAST_STEP_AT, r2));
  code.emit(load(BPF_W, r2, r9, errorTagAt), store(BPF_W, r1, STATE_LAST_TAG_AT, r2));
}

/** Items that put the key of the packet in r6 at `at` from r10: zeros, first bytes, length in the last four. */
function keyItems(at: number): Item[] {
  const items: Item[] = [];
  for (let i = 0; i < MEMO_KEY_BYTES; i += 8) items.push(storeImm(BPF_DW, r10, at + i, 0));
  return [
    ...items,
    load(BPF_W, r7, r6, SKB_LEN),
    mov.reg32(r4, r7),
    jle.imm32(r4, MEMO_KEY_BYTES - 4, 'memo_short'),
    mov.imm32(r4, MEMO_KEY_BYTES - 4),
    label('memo_short'),
    jeq.imm32(r4, 0, 'memo_empty'),
    mov.reg(r1, r6),
    mov.imm(r2, 0),
    mov.reg(r3, r10),
    add.imm(r3, at),
    call(BPF_FUNC_skb_load_bytes),
    label('memo_empty'),
    store(BPF_W, r10, at + MEMO_KEY_BYTES - 4, r7),
  ];
}

function memoKey({ code }: Program): void {
  code.frame.borrow(MEMO_KEY_BYTES + 8, (timeAt) => {
    const keyAt = timeAt + 8;
    code.emit(
      ...keyItems(keyAt),
      call(BPF_FUNC_ktime_get_boot_ns),
      store(BPF_DW, r10, timeAt, r0),
      loadMap(r1, MEMO_MAP),
      mov.reg(r2, r10),
      add.imm(r2, keyAt),
      mov.reg(r3, r10),
      add.imm(r3, timeAt),
      mov.imm(r4, 0),
      call(BPF_FUNC_map_update_elem),
    );
  });
}

/** The second program of a script that may hotdrop: 1 when the packet got HOTDROP a moment ago. */
export function hotdropProgram(): Item[] {
  const keyAt = -MEMO_KEY_BYTES;
  return [
    mov.reg(r6, r1),
    ...keyItems(keyAt),
    loadMap(r1, MEMO_MAP),
    mov.reg(r2, r10),
    add.imm(r2, keyAt),
    call(BPF_FUNC_map_lookup_elem),
    jeq.imm(r0, 0, 'no'),
    load(BPF_DW, r7, r0, 0),
    call(BPF_FUNC_ktime_get_boot_ns),
    sub.reg(r0, r7),
    loadImm64(r1, MEMO_NS),
    jgt.reg(r0, r1, 'old'),
    mov.imm(r0, 1),
    exit(),
    label('old'),
    mov.imm(r0, 0),
    label('no'),
    exit(),
  ];
}
