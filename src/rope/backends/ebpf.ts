/**
 * Back end for the kernel: a checked program becomes a socket filter for
 * `iptables -m bpf --object-pinned`, with the maps it needs.
 *
 * It deliberately leaves out what the kernel does not let such a program see
 * (conntrack) and drops output (`print`, `hexdump`): the verdict is the same.
 * Everything else of the slot form is compiled; what does not fit the stack or
 * the scratch map is reported by the step it comes from.
 *
 * Offset 0 is the IP header. Requires Linux 5.8; 5.17 for programs with loops
 * or searches.
 */
import { and, mov, rsh, toBigEndian } from '../../ebpf/alu.js';
import { SKB_MARK } from '../../ebpf/helpers.js';
import { isLabel, type Item } from '../../ebpf/instruction.js';
import { BPF_B, BPF_DW, BPF_H, BPF_W, MAX_BPF_STACK, r1, r2, r6, r9 } from '../../ebpf/isa.js';
import { ja, jne } from '../../ebpf/jump.js';
import { load, store, storeImm } from '../../ebpf/load-store.js';
import { calledFunctions, removeUnreachable } from '../../ebpf/reachable.js';
import type { MapShape } from '../../ebpf/maps.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/constants.js';
import { HOTDROP, OKAY, type IntField, type Ir, type Op } from '../ir.js';
import { allOps, childLists } from '../operation-use.js';
import { HEADER_FIELDS } from '../packet.js';
import { checkFrame, checkSize, deepestLoop, largestBuffer } from './ebpf/bounds.js';
import { Constants } from './ebpf/bytes.js';
import { Code } from './ebpf/code.js';
import { emitTest } from './ebpf/compare.js';
import { emitAttempt, emitCharge, emitIf, emitLoopOp, emitRepeat, emitScope } from './ebpf/control.js';
import { emitEnds, hotdropProgram, type Form } from './ebpf/ends.js';
import { emitExpectStr, literalBytes } from './ebpf/expect.js';
import { emitHeaders } from './ebpf/headers.js';
import { emitArenaOp, emitCopy, emitSlice, emitStrField } from './ebpf/make.js';
import {
  emitAbs, emitAddGlobal, emitArith, emitAtoi, emitDecode, emitDigits, emitGetGlobal, emitSetGlobal,
} from './ebpf/numbers.js';
import { LAST_LAYOUT, LAYOUTS, planSlots, MAX_SCRATCH_BYTES, type Layout } from './ebpf/plan.js';
import { Program, type Obstacle } from './ebpf/program.js';
import { emitScan, emitSearch, emitTake, emitTakeWhile } from './ebpf/reads.js';
import { acquireScratch, SCRATCH_MAP, scratchShape } from './ebpf/scratch.js';
import { GLOBALS_MAP, GLOBALS_SHAPE, MEMO_MAP, MEMO_SHAPE, STATE_MAP, stateShape } from './ebpf/state.js';
import { emitNow, emitTimePart } from './ebpf/times.js';

/** A program for the kernel, not yet bound to maps. */
export interface KernelProgram {
  readonly items: readonly Item[];
  /** Names of the functions, the main one first; each is also the label of its first instruction (except the main one). */
  readonly functions: readonly string[];
  /** Maps by the names that the instructions use. */
  readonly maps: ReadonlyMap<string, MapShape>;
  /** Constants behind the counters in the state map: see ebpf/state.ts, initialState. */
  readonly constants: Uint8Array;
  /** Line of the loop inside the most others, which costs the verifier most. */
  readonly heaviestLine: number | undefined;
  /** The second program, when the script may end with HOTDROP. */
  readonly hotdrop: readonly Item[] | null;
}

export type KernelResult =
  | { readonly ok: true; readonly program: KernelProgram }
  | { readonly ok: false; readonly obstacles: readonly Obstacle[] };

export type { Obstacle } from './ebpf/program.js';
export { RESULTS, type Form } from './ebpf/ends.js';

/** Compiles for the kernel, or says what stands in the way. */
export function compileForKernel(ir: Ir, form: Form = 'match'): KernelResult {
  const isLooked = looksTwice(ir);
  for (const layout of LAYOUTS) {
    if (layout.hasHead && !isLooked) continue;
    const result = compileWith(ir, form, layout, layout === LAST_LAYOUT);
    if (result !== 'stack') return result;
  }
  throw new Error('invariant broken: the last layout says what does not fit');
}

/** 'stack': does not fit, and another layout might. */
function compileWith(ir: Ir, form: Form, layout: Layout, isLast: boolean): KernelResult | 'stack' {
  const code = new Code();
  code.begin();
  const headers = emitHeaders(code, layout.hasHead);
  const constants = new Constants();
  const plan = planSlots(ir, code.frame, layout);
  const program = new Program(ir, code, plan, headers, constants, compileOps);
  if (plan.scratchBytes > MAX_SCRATCH_BYTES) {
    program.obstacle(largestBuffer(program), `strings of ${plan.scratchBytes} bytes may be made here, and kernel programs have room for ${MAX_SCRATCH_BYTES}`);
    return { ok: false, obstacles: program.obstacles };
  }
  emitInitialSlots(program);
  acquireScratch(program);
  program.compile(ir.ops);
  code.leave(program.ends[OKAY]);
  code.line = undefined;
  emitEnds(program, form);
  if (!isLast && code.frame.totalBytes > MAX_BPF_STACK) return 'stack';
  checkFrame(program);
  if (program.obstacles.length > 0) return { ok: false, obstacles: program.obstacles };
  const items = removeUnreachable(code.functions.flatMap((part) => part.items));
  const called = calledFunctions(items);
  const functions = code.functions.filter(({ name }, index) => index === 0 || called.has(name));
  checkSize(program, items, functions);
  if (program.obstacles.length > 0) return { ok: false, obstacles: program.obstacles };
  const maps = new Map<string, MapShape>();
  for (const item of items) {
    if (!isLabel(item) && item.map !== undefined) maps.set(item.map, shapeOf(item.map, constants, plan.scratchBytes));
  }
  return {
    ok: true,
    program: {
      items,
      functions: functions.map(({ name }) => name),
      maps,
      constants: constants.bytes,
      heaviestLine: ir.spans[deepestLoop(code)]?.line,
      hotdrop: maps.has(MEMO_MAP) ? hotdropProgram() : null,
    },
  };
}

/** True when several operations look at single bytes or short pieces of strings, which may begin the data. */
function looksTwice(ir: Ir): boolean {
  let looks = 0;
  for (const op of allOps(ir.ops)) {
    if (op.op === 'expectStr' || op.op === 'decode' || ('test' in op && op.test.kind !== 'int')) looks++;
  }
  return looks > 1;
}

function shapeOf(name: string, constants: Constants, scratchBytes: number): MapShape {
  switch (name) {
    case STATE_MAP:
      return stateShape(constants.bytes);
    case GLOBALS_MAP:
      return GLOBALS_SHAPE;
    case MEMO_MAP:
      return MEMO_SHAPE;
    case SCRATCH_MAP:
      return scratchShape(scratchBytes);
    default:
      throw new Error(`invariant broken: no map ${name}`);
  }
}

/** `$offset`, and the registers that a program may read before it writes them. */
function emitInitialSlots(program: Program): void {
  const { code, ir, plan, headers } = program;
  code.emit(load(BPF_W, r2, r9, headers.dataAt), store(BPF_W, r9, code.frame.offsetAt, r2));
  const start = (at: number): void => {
    if (program.hasLoops) code.emit(store(BPF_W, r9, at, r1));
    else code.emit(storeImm(BPF_W, r9, at, 0));
  };
  if (program.hasLoops) code.unknownZero(r1);
  start(program.actionsAt);
  start(program.arenaUsedAt);
  ir.intSlots.forEach(({ register }, slot) => {
    if (slot !== 0 && register !== null) start(program.intAt(slot));
  });
  plan.strs.forEach(({ buffer, roomBytes, lengthAt, offsetAt }, slot) => {
    if (ir.strSlots[slot]?.register != null) {
      start(lengthAt);
      if (offsetAt !== null) start(offsetAt);
    }
    // Buffers of the stack are read in whole words, and older verifiers want them written before.
    if (buffer?.region === 'frame') {
      for (let i = 0; i < roomBytes; i += 8) code.emit(storeImm(BPF_DW, r9, buffer.at + i, 0));
    }
  });
  if (plan.spare?.buffer.region === 'frame') {
    const { at } = plan.spare.buffer;
    for (let i = 0; i < plan.spare.roomBytes; i += 8) code.emit(storeImm(BPF_DW, r9, at + i, 0));
  }
}

function compileOps(program: Program, ops: readonly Op[]): void {
  const { code, ir } = program;
  for (const op of ops) {
    const line = ir.spans[op.at]?.line;
    if (line !== undefined) code.line = line;
    code.step = op.at;
    compileOp(program, op);
    if (childLists(op).length === 0) program.positions.after(op, op.op === 'expectStr' ? literalBytes(program, op.parts) : null);
  }
}

function compileOp(program: Program, op: Op): void {
  const { code } = program;
  switch (op.op) {
    case 'int':
      if (op.value.kind === 'const') {
        program.storeConstant(op.dst, op.value.value);
        break;
      }
      if (program.positions.areSame(op.dst, op.value)) break;
      program.loadInt(r1, op.value);
      program.storeInt(op.dst, r1);
      break;
    case 'arith':
      emitArith(program, op.fn, op.dst, op.a, op.b);
      break;
    case 'abs':
      emitAbs(program, op.dst, op.a);
      break;
    case 'test': {
      const otherwise = code.newLabel('false');
      const done = code.newLabel('tested');
      emitTest(program, op.test, otherwise);
      code.emit(storeImm(BPF_W, r9, program.intAt(op.dst), 1), ja(done));
      code.place(otherwise);
      code.emit(storeImm(BPF_W, r9, program.intAt(op.dst), 0));
      code.place(done);
      break;
    }
    case 'field':
      emitField(program, op.dst, op.field, op.at);
      break;
    case 'length':
      if (op.of.kind === 'literal') {
        program.storeConstant(op.dst, program.literal(op.of.index).length);
        break;
      }
      code.emit(load(BPF_W, r1, r9, program.strPlace(op.of.slot).lengthAt));
      program.storeInt(op.dst, r1);
      break;
    case 'decode':
      emitDecode(program, op.dst, op.form, op.of);
      break;
    case 'atoi':
      emitAtoi(program, op.dst, op.of);
      break;
    case 'digits':
      emitDigits(program, op.dst, op.of);
      break;
    case 'timePart':
      emitTimePart(program, op.dst, op.part, op.zone, op.of);
      break;
    case 'getGlobal':
      emitGetGlobal(program, op.dst, op.index);
      break;
    case 'setGlobal':
      emitSetGlobal(program, op.index, op.value);
      break;
    case 'addGlobal':
      emitAddGlobal(program, op.index, op.delta);
      break;
    case 'str':
      emitCopy(program, op.dst, op.value);
      break;
    case 'strField':
      emitStrField(program, op.dst, op.field);
      break;
    case 'slice':
      emitSlice(program, op.dst, op.of, op.start, op.length);
      break;
    case 'take':
      emitTake(program, op);
      break;
    case 'takeWhile':
      emitTakeWhile(program, op);
      break;
    case 'scan':
      emitScan(program, op);
      break;
    case 'search':
      emitSearch(program, op);
      break;
    case 'expectStr':
      emitExpectStr(program, op);
      break;
    case 'if':
      emitIf(program, op);
      break;
    case 'loop':
      emitLoopOp(program, op);
      break;
    case 'repeat':
      emitRepeat(program, op);
      break;
    case 'scope':
      emitScope(program, op);
      break;
    case 'attempt':
      emitAttempt(program, op);
      break;
    case 'end':
      program.end(op.verdict, op.at, op.tag);
      break;
    case 'hotdrop':
      program.end(HOTDROP, op.at);
      break;
    case 'charge':
      emitCharge(program, op);
      break;
    case 'print':
    case 'hexdump':
      break;
    default:
      emitArenaOp(program, op);
  }
}

/** dst = a register that comes with the packet. */
function emitField(program: Program, dst: number, field: IntField, at: number): void {
  const { code, headers } = program;
  const from = (place: number): void => code.emit(load(BPF_W, r1, r9, place));
  switch (field) {
    case 'packet_len':
      from(code.frame.packetLengthAt);
      break;
    case 'data_start':
      from(headers.dataAt);
      break;
    case 'data_len':
      from(headers.dataLengthAt);
      break;
    case 'ip_version':
      from(headers.versionAt);
      break;
    case 'ip_protocol':
      from(headers.protocolAt);
      break;
    case 'mark':
      code.emit(load(BPF_W, r1, r6, SKB_MARK));
      break;
    case 'kernel_time':
    case 'packet_time':
      emitNow(program);
      break;
    case 'ct_proto':
    case 'ct_mark':
    case 'ct_state':
      program.obstacle(at, `$${field} comes from connection tracking, which a kernel program in an iptables rule cannot see`);
      break;
    case 'ip6_hop_limit':
    case 'ip6_flow_label': {
      const absent = code.newLabel('absent');
      code.emit(load(BPF_W, r2, r9, headers.versionAt), mov.imm(r1, 0), jne.imm32(r2, 6, absent));
      if (field === 'ip6_hop_limit') code.emit(load(BPF_B, r1, r9, headers.headerAt + 7));
      else code.emit(load(BPF_W, r1, r9, headers.headerAt), toBigEndian(r1, 32), and.imm32(r1, 0xfffff));
      code.place(absent);
      break;
    }
    default: {
      const place = HEADER_FIELDS[field];
      const absent = code.newLabel('absent');
      const [flagAt, flag] =
        place.header === 'ip'
          ? [headers.versionAt, 4]
          : [headers.presentAt, place.header === 'tcp' ? IPPROTO_TCP : IPPROTO_UDP];
      const start = place.header === 'ip' ? headers.headerAt : headers.transportAt;
      code.emit(load(BPF_W, r2, r9, flagAt), mov.imm(r1, 0), jne.imm32(r2, flag, absent));
      const width = place.bytes === 1 ? BPF_B : place.bytes === 2 ? BPF_H : BPF_W;
      code.emit(load(width, r1, r9, start + place.at));
      if (place.bytes !== 1) code.emit(toBigEndian(r1, place.bytes === 2 ? 16 : 32));
      if (place.bytes !== 4) {
        if (place.shift > 0) code.emit(rsh.imm32(r1, place.shift));
        code.emit(and.imm32(r1, place.mask));
      }
      code.place(absent);
    }
  }
  program.storeInt(dst, r1);
}
