/**
 * Time: epoch seconds now, and their parts. The calendar is that of
 * `operations.ts` (years begin in March, 400 of them have 146,097 days), in
 * unsigned 64-bit numbers: one era is added first, so that times before 1970 are
 * positive too.
 */
import { add, div, lsh, mod, mov, mul, sub, arsh } from '../../../ebpf/alu.js';
import { BPF_FUNC_ktime_get_boot_ns } from '../../../ebpf/helpers.js';
import { BPF_DW, BPF_H, BPF_W, r0, r1, r2, r3, r4, r5, r9 } from '../../../ebpf/isa.js';
import { call, jle, jlt, jsgt } from '../../../ebpf/jump.js';
import { load, loadImm64, loadMapValue, store } from '../../../ebpf/load-store.js';
import type { Int, TimePart, Zone } from '../../ir.js';
import { timePartAt } from '../../operations.js';
import { emitAddress, type Place } from './bytes.js';
import type { Program } from './program.js';
import { STATE_CLOCK_AT, STATE_MAP, STATE_ZONE_AFTER_AT, STATE_ZONE_AT, STATE_ZONE_CHANGE_AT } from './state.js';

const DAY = 86_400;
const ERA_DAYS = 146_097;
/** Days between 0000-03-01 and 1970-01-01, and one era more. */
const DAYS_TO_1970 = 719_468 + ERA_DAYS;

/** r1 = epoch seconds now. */
export function emitNow(program: Program): void {
  program.code.emit(
    call(BPF_FUNC_ktime_get_boot_ns),
    loadMapValue(r1, STATE_MAP, STATE_CLOCK_AT),
    load(BPF_DW, r1, r1, 0),
    add.reg(r1, r0),
    mov.imm(r2, 1_000_000_000),
    div.reg(r1, r2),
  );
}

/** r1 = seconds of a signed 32-bit operand in its zone, plus whole eras: never negative. Loses r2-r4. */
function emitShifted(program: Program, zone: Zone, of: Int): void {
  const { code } = program;
  program.loadInt(r1, of);
  code.emit(lsh.imm(r1, 32), arsh.imm(r1, 32));
  if (zone === 'local') {
    const before = code.newLabel('before_change');
    code.emit(
      loadMapValue(r2, STATE_MAP, 0),
      load(BPF_DW, r3, r2, STATE_ZONE_CHANGE_AT),
      load(BPF_W, r4, r2, STATE_ZONE_AT),
    );
    // The change lies in the future: signed, so that times before 1970 come before it.
    code.emit(jsgt.reg(r3, r1, before), load(BPF_W, r4, r2, STATE_ZONE_AFTER_AT));
    code.place(before);
    code.emit(lsh.imm(r4, 32), arsh.imm(r4, 32), add.reg(r1, r4));
  }
  code.emit(loadImm64(r2, BigInt(DAYS_TO_1970) * BigInt(DAY)), add.reg(r1, r2));
}

/** r1 = a part (as scripts see it) of the shifted seconds in r1. Loses r2-r5. */
function emitPart(program: Program, part: TimePart): void {
  const { code } = program;
  switch (part) {
    case 'sec':
      code.emit(mod.imm(r1, 60));
      return;
    case 'min':
      code.emit(div.imm(r1, 60), mod.imm(r1, 60));
      return;
    case 'hour':
      code.emit(div.imm(r1, 3600), mod.imm(r1, 24));
      return;
    case 'wday':
      // 0000-03-01 was a Wednesday (3 with Monday = 1), and an era has whole weeks.
      code.emit(div.imm(r1, DAY), add.imm(r1, 2), mod.imm(r1, 7), add.imm(r1, 1));
      return;
    case 'mday':
    case 'mon':
    case 'year':
      emitCivil(program, part);
  }
}

function emitCivil({ code }: Program, part: 'mday' | 'mon' | 'year'): void {
  // r2 = day of the era, r3 = year of the era, r1 = era, counted from the one before ours.
  code.emit(div.imm(r1, DAY), mov.reg(r2, r1), mod.imm(r2, ERA_DAYS), div.imm(r1, ERA_DAYS));
  code.emit(mov.reg(r3, r2), mov.reg(r4, r2), div.imm(r4, 1460), sub.reg(r3, r4));
  code.emit(mov.reg(r4, r2), div.imm(r4, 36_524), add.reg(r3, r4));
  code.emit(mov.reg(r4, r2), div.imm(r4, ERA_DAYS - 1), sub.reg(r3, r4), div.imm(r3, 365));
  // r2 = day of the year, from March.
  code.emit(mov.reg(r4, r3), mul.imm(r4, 365), sub.reg(r2, r4));
  code.emit(mov.reg(r4, r3), div.imm(r4, 4), sub.reg(r2, r4));
  code.emit(mov.reg(r4, r3), div.imm(r4, 100), add.reg(r2, r4));
  // r4 = month from March.
  code.emit(mov.reg(r4, r2), mul.imm(r4, 5), add.imm(r4, 2), div.imm(r4, 153));
  if (part === 'mday') {
    code.emit(mov.reg(r5, r4), mul.imm(r5, 153), add.imm(r5, 2), div.imm(r5, 5));
    code.emit(mov.reg(r1, r2), sub.reg(r1, r5), add.imm(r1, 1));
    return;
  }
  const late = code.newLabel('january');
  if (part === 'mon') {
    code.emit(mov.reg(r1, r4), add.imm(r1, 3), jle.imm(r1, 12, late), sub.imm(r1, 12));
    code.place(late);
    return;
  }
  code.emit(mul.imm(r1, 400), sub.imm(r1, 400), add.reg(r1, r3), jlt.imm(r4, 10, late), add.imm(r1, 1));
  code.place(late);
}

/** dst = a part of epoch seconds. */
export function emitTimePart(program: Program, dst: number, part: TimePart, zone: Zone, of: Int): void {
  emitShifted(program, zone, of);
  emitPart(program, part);
  program.storeInt(dst, r1);
}

const PARTS: readonly TimePart[] = ['sec', 'min', 'hour', 'mday', 'mon', 'year', 'wday'];

/** The 14 bytes of localtime and gmtime: C conventions (months from 0, years from 1900, Sunday 0). */
export function emitTimeString(program: Program, zone: Zone, of: Int, to: Place): void {
  const { code } = program;
  code.frame.borrow(8, (secondsAt) => {
    emitShifted(program, zone, of);
    code.emit(store(BPF_DW, r9, secondsAt, r1));
    for (const part of PARTS) {
      code.emit(load(BPF_DW, r1, r9, secondsAt));
      emitPart(program, part);
      if (part === 'mon') code.emit(sub.imm(r1, 1));
      if (part === 'year') code.emit(sub.imm(r1, 1900));
      if (part === 'wday') code.emit(mod.imm(r1, 7));
      emitAddress(code, r2, to);
      code.emit(store(BPF_H, r2, timePartAt(part), r1));
    }
  });
}
