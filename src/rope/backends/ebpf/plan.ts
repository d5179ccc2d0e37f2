/**
 * Where each slot of a program lives, decided before anything is emitted.
 *
 * Integers take 4 bytes of the frame, strings 8 for position and length. A
 * string that can hold bytes which are not the packet's has a buffer of its own,
 * as large as the longest of them: strings are immutable, so a copy is as good
 * as the original. Buffers that would crowd the 512 bytes of stack go to the
 * scratch map.
 */
import { OFFSET_SLOT, type ArenaOp, type Ir, type Op, type Str } from '../../ir.js';
import { allOps, isArenaOp, slotUse } from '../../operation-use.js';
import type { Place } from './bytes.js';
import type { Frame } from './frame.js';

export interface StrPlace {
  /** Position in the packet (32 bits), when the slot can hold a packet slice. */
  readonly offsetAt: number | null;
  readonly lengthAt: number;
  readonly buffer: Place | null;
  /** Longest string that the buffer has to hold. */
  readonly capacityBytes: number;
  /** Bytes of the buffer: a power of two, so that a position can be kept inside without a branch. */
  readonly roomBytes: number;
}

/** What a string slot can hold. */
interface Content {
  mayBePacket: boolean;
  capacityBytes: number;
}

/** Frame bytes that buffers may take before they move to the scratch map. */
const FRAME_BUFFER_BYTES = 96;
/** Largest value of the scratch map. */
export const MAX_SCRATCH_BYTES = 1 << 19;

export interface SlotPlan {
  readonly ints: readonly number[];
  readonly strs: readonly StrPlace[];
  /** For operations whose result is also an operand. */
  readonly spare: { readonly buffer: Place; readonly roomBytes: number; readonly lengthAt: number } | null;
  readonly usesScratch: boolean;
  /** Bytes that the buffers would need in the scratch map; more than MAX_SCRATCH_BYTES cannot be compiled. */
  readonly scratchBytes: number;
}

/** True when a program runs code of the script more than once. */
export function hasLoops(ir: Ir): boolean {
  for (const op of allOps(ir.ops)) if (op.op === 'loop' || op.op === 'repeat' || op.op === 'scan') return true;
  return false;
}

/** Longest string that an operand can be. */
export function longest(ir: Ir, str: Str): number {
  return str.kind === 'literal' ? (ir.literals[str.index]?.length ?? 0) : (ir.strSlots[str.slot]?.maxLengthBytes ?? 0);
}

/** True when the result's slot is read while it is written, or when the result may be refused. Changing the case goes byte by byte and may. */
export function needsSpare(ir: Ir, op: Extract<Op, ArenaOp>): boolean {
  if (ir.checksArena) return true;
  return op.op !== 'mapCase' && slotUse(op).readStrs.includes(op.dst);
}

/** What each string slot can hold: grows until nothing changes. */
function contents(ir: Ir): Content[] {
  const slots = ir.strSlots.map((): Content => ({ mayBePacket: false, capacityBytes: 0 }));
  let changed = true;
  const grow = (dst: number | null, mayBePacket: boolean, capacityBytes: number): void => {
    const slot = dst === null ? undefined : slots[dst];
    if (!slot || dst === null) return;
    const bounded = Math.min(capacityBytes, ir.strSlots[dst]?.maxLengthBytes ?? 0);
    if ((mayBePacket && !slot.mayBePacket) || bounded > slot.capacityBytes) {
      slot.mayBePacket ||= mayBePacket;
      slot.capacityBytes = Math.max(slot.capacityBytes, bounded);
      changed = true;
    }
  };
  const copy = (dst: number, from: Str): void => {
    if (from.kind === 'literal') grow(dst, false, longest(ir, from));
    else grow(dst, slots[from.slot]?.mayBePacket ?? false, slots[from.slot]?.capacityBytes ?? 0);
  };
  while (changed) {
    changed = false;
    for (const op of allOps(ir.ops)) {
      switch (op.op) {
        case 'str':
          copy(op.dst, op.value);
          break;
        case 'slice':
          copy(op.dst, op.of);
          break;
        case 'strField':
          grow(op.dst, true, 0);
          break;
        case 'take':
        case 'takeWhile':
        case 'search':
          grow(op.dst, true, 0);
          break;
        case 'scan':
          grow(op.dst, true, 0);
          grow(op.byte, true, 0);
          break;
        case 'bitwise':
          grow(op.dst, false, Math.min(longest(ir, op.a), longest(ir, op.b)));
          break;
        case 'concat':
          grow(op.dst, false, op.parts.reduce((sum, part) => sum + longest(ir, part), 0));
          break;
        case 'mapCase':
          grow(op.dst, false, longest(ir, op.of));
          break;
        case 'chr':
          grow(op.dst, false, 1);
          break;
        case 'format':
          grow(op.dst, false, op.form === 'ipv4' ? 15 : 3 * longest(ir, op.of));
          break;
        case 'time':
          grow(op.dst, false, 14);
          break;
        default:
      }
    }
  }
  return slots;
}

/** How a program uses the 512 bytes of the kernel's stack. */
export interface Layout {
  /** The first bytes of the data are loaded into the frame. */
  readonly hasHead: boolean;
  /** Values of the rope stack take clear places, too: less room, more for the verifier to remember. */
  readonly takesClear: boolean;
  /** Small buffers lie in the frame: otherwise in the scratch map, which costs calls. */
  readonly hasBuffers: boolean;
}

const ROOMY: Layout = { hasHead: true, takesClear: false, hasBuffers: true };
export const LAST_LAYOUT: Layout = { hasHead: false, takesClear: true, hasBuffers: false };
/** From the fastest to the smallest. */
export const LAYOUTS: readonly Layout[] = [
  ROOMY, { ...ROOMY, takesClear: true }, { ...ROOMY, hasHead: false }, { ...LAST_LAYOUT, hasBuffers: true }, LAST_LAYOUT,
];

/** Gives each slot its place in the frame. */
export function planSlots(ir: Ir, frame: Frame, { takesClear, hasBuffers }: Layout): SlotPlan {
  const held = contents(ir);
  const rounded = (bytes: number): number => (bytes === 0 ? 0 : Math.max(8, 2 ** Math.ceil(Math.log2(bytes))));
  let spareBytes = 0;
  for (const op of allOps(ir.ops)) {
    if (isArenaOp(op) && needsSpare(ir, op)) spareBytes = Math.max(spareBytes, rounded(held[op.dst]?.capacityBytes ?? 0));
  }
  const total = held.reduce((sum, { capacityBytes }) => sum + rounded(capacityBytes), spareBytes);
  const usesScratch = total > (hasBuffers ? FRAME_BUFFER_BYTES : 0);
  let scratchBytes = 8; // The first word says whether the value is in use.
  const ints = ir.intSlots.map(({ register }, slot) => {
    if (slot === OFFSET_SLOT) return frame.offsetAt;
    return takesClear && register === null ? frame.take(4) : frame.takeVague();
  });
  const room = (bytes: number): Place => {
    if (!usesScratch) return { region: 'frame', at: frame.take(bytes) };
    scratchBytes += bytes;
    return { region: 'scratch', at: scratchBytes - bytes };
  };
  const strs = held.map(({ mayBePacket, capacityBytes }): StrPlace => {
    // A slot that never holds anything is the empty packet slice.
    const offsetAt = mayBePacket || capacityBytes === 0 ? frame.take(4) : null;
    const lengthAt = frame.takeVague();
    if (capacityBytes === 0) return { offsetAt, lengthAt, buffer: null, capacityBytes, roomBytes: 0 };
    const roomBytes = rounded(capacityBytes);
    return { offsetAt, lengthAt, buffer: room(roomBytes), capacityBytes, roomBytes };
  });
  const spare = spareBytes === 0 ? null : { lengthAt: frame.takeVague(), buffer: room(spareBytes), roomBytes: spareBytes };
  return { ints, strs, spare, usesScratch, scratchBytes: usesScratch ? scratchBytes : 0 };
}
