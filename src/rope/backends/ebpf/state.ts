/**
 * Maps of a compiled script, and the layout of their values.
 *
 * `state`, one value for each script:
 *      0  zero: nobody writes it
 *      8  hits (64 bits), 16 errors, 24 hotdrops
 *     32  step and tag of the last error (32 bits each)
 *     40  nanoseconds to add to time since boot for epoch time (64 bits, signed)
 *     48  seconds from UTC to local time now (32 bits, signed), 52 after the next change
 *     56  epoch second of that change (64 bits)
 *     64  constants of the program: byte sets and literals
 * `globals`: the 64 global registers, shared by all scripts of a host.
 * `memo`: first bytes of packets that got HOTDROP, with the time; see ends.ts.
 */
import { concat, u32le, u64le } from '../../../base/bytes.js';
import type { MapShape } from '../../../ebpf/maps.js';
import { GLOBAL_COUNT, type ErrorTag } from '../../ir.js';

export const STATE_MAP = 'state';
export const GLOBALS_MAP = 'globals';
export const MEMO_MAP = 'memo';

export const STATE_ZERO_AT = 0;
export const STATE_HITS_AT = 8;
export const STATE_ERRORS_AT = 16;
export const STATE_HOTDROPS_AT = 24;
export const STATE_LAST_STEP_AT = 32;
export const STATE_LAST_TAG_AT = 36;
export const STATE_CLOCK_AT = 40;
export const STATE_ZONE_AT = 48;
export const STATE_ZONE_AFTER_AT = 52;
export const STATE_ZONE_CHANGE_AT = 56;
export const STATE_CONSTANTS_AT = 64;

/** Bytes of a packet that identify it between two rules. */
export const MEMO_KEY_BYTES = 64;

export const GLOBALS_SHAPE: MapShape = { type: 'array', keyBytes: 4, valueBytes: 4 * GLOBAL_COUNT, maxEntries: 1 };
export const MEMO_SHAPE: MapShape = { type: 'lru-hash', keyBytes: MEMO_KEY_BYTES, valueBytes: 8, maxEntries: 1024 };

export function stateShape(constants: Uint8Array): MapShape {
  return { type: 'array', keyBytes: 4, valueBytes: STATE_CONSTANTS_AT + constants.length, maxEntries: 1 };
}

/** Error tags by the number stored in the state. */
export const KERNEL_ERROR_TAGS: readonly ErrorTag[] = [
  'EAssertFailed', 'EDivideByZero', 'EBadLength', 'EBadNumber', 'EBadRegister', 'EArenaFull', 'EMaxActions', 'EMaxLoops',
];

/** Epoch time and local time, for programs that ask. */
export interface ClockState {
  /** Epoch nanoseconds minus nanoseconds since boot. */
  readonly epochMinusBootNs: bigint;
  readonly zoneSeconds: number;
  /** Epoch second at which `zoneAfterSeconds` begins to hold; far in the future when nothing changes. */
  readonly zoneChangeSeconds: number;
  readonly zoneAfterSeconds: number;
}

export const UTC_CLOCK: ClockState = {
  epochMinusBootNs: 0n, zoneSeconds: 0, zoneChangeSeconds: 0xffff_ffff, zoneAfterSeconds: 0,
};

/** The value of `state` before the first packet. */
export function initialState(constants: Uint8Array, clock: ClockState): Uint8Array {
  const head = new Uint8Array(STATE_CONSTANTS_AT);
  writeClock(head, clock);
  return concat(head, constants);
}

/** Sets the clock in a state, leaving the counters. */
export function writeClock(state: Uint8Array, clock: ClockState): void {
  const view = new DataView(state.buffer, state.byteOffset);
  view.setBigInt64(STATE_CLOCK_AT, clock.epochMinusBootNs, true);
  view.setInt32(STATE_ZONE_AT, clock.zoneSeconds, true);
  view.setInt32(STATE_ZONE_AFTER_AT, clock.zoneAfterSeconds, true);
  view.setBigInt64(STATE_ZONE_CHANGE_AT, BigInt(clock.zoneChangeSeconds), true);
}

export interface Counters {
  readonly hits: number;
  readonly errors: number;
  readonly hotdrops: number;
  /** Where the last error or hotdrop happened (index into Ir.spans), and which error it was; null when there was none. */
  readonly last: { readonly at: number; readonly tag: ErrorTag | null } | null;
}

export function readCounters(state: Uint8Array): Counters {
  const errors = u64le(state, STATE_ERRORS_AT);
  const hotdrops = u64le(state, STATE_HOTDROPS_AT);
  const tag = KERNEL_ERROR_TAGS[u32le(state, STATE_LAST_TAG_AT) - 1] ?? null;
  const last = errors + hotdrops === 0 ? null : { at: u32le(state, STATE_LAST_STEP_AT), tag };
  return { hits: u64le(state, STATE_HITS_AT), errors, hotdrops, last };
}
