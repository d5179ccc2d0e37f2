/**
 * Joining two paths: copies of stack values into common slots, and parallel moves.
 */
import type { Op } from '../ir.js';
import type { BareOp, Lowering } from './lowering.js';
import { readRegister } from './registers.js';
import { type IntValue, type State, type StrValue, type Value, joinStr, mixed, sameValue, slot } from './value.js';
import { joinRegisters } from './registers.js';

/** Adds copies to both lists of operations so that their ends agree; null stands for a path that has ended. */
export function joinInto(l: Lowering, aOps: Op[], a: State | null, bOps: Op[], b: State | null): State | null {
  if (a === null) return b;
  if (b === null) return a;
  const registers = joinRegisters(l, a.registers, b.registers);
  if (a.isOpen || b.isOpen) return { stack: [], isOpen: true, registers };
  if (a.stack.length !== b.stack.length) {
    l.state = a;
    l.dynamic(
      `the stack holds ${a.stack.length} items after one branch and ${b.stack.length} after the other`,
      'let both branches leave the same number of values, or keep values in registers',
    );
    return { stack: [], isOpen: true, registers };
  }
  l.held.push(a, b);
  const mark = l.pins();
  const stack = a.stack.map((x, index) => joinValue(l, aOps, x, bOps, b.stack[index] ?? x));
  l.unpin(mark);
  l.held.length -= 2;
  return { stack, isOpen: false, registers };
}

function joinValue(l: Lowering, aOps: Op[], aItem: Value, bOps: Op[], bItem: Value): Value {
  if (sameValue(aItem, bItem)) return aItem;
  const a = fieldValue(l, aOps, aItem);
  const b = fieldValue(l, bOps, bItem);
  if (a.type === 'int' && b.type === 'int') {
    const dst = l.pinnedInt();
    append(l, aOps, { op: 'int', dst, value: a.int });
    append(l, bOps, { op: 'int', dst, value: b.int });
    return { type: 'int', int: slot(dst) };
  }
  if (a.type === 'str' && b.type === 'str') {
    const joined = joinStr(a, b, a.str);
    const dst = l.newStr(joined.base, joined.max);
    l.pinnedStrs.push(dst);
    append(l, aOps, { op: 'str', dst, value: a.str });
    append(l, bOps, { op: 'str', dst, value: b.str });
    return { ...joined, str: slot(dst) };
  }
  return mixed(a, b);
}

/** A reference to a register of the packet always reads the same: its value will do. Other registers may change before they are read. */
function fieldValue(l: Lowering, ops: Op[], item: Value): Value {
  if (item.type !== 'ref' || (item.ref.kind !== 'int-field' && item.ref.kind !== 'str-field')) return item;
  const { ref } = item;
  let value: Value = item;
  ops.push(...l.collect(() => {
    value = readRegister(l, ref);
  }));
  return value;
}

function append(l: Lowering, ops: Op[], op: BareOp): void {
  ops.push({ ...op, at: l.at } as Op);
}

export interface Move {
  readonly to: IntValue | StrValue;
  readonly from: Value;
}

/** Appends copies that happen as if at once: through temporaries when one move's source is another's target. */
export function copyAll(l: Lowering, ops: Op[], moves: readonly Move[]): void {
  const real = moves.filter(({ to, from }) => !sameValue(to, from) && to.type === from.type && !isSamePlace(to, from));
  const isTarget = (from: Value): boolean => real.some(({ to }) => isSamePlace(to, from));
  const mark = l.pins();
  const late: Op[] = [];
  for (const { to, from } of real) {
    if (to.type === 'int' && from.type === 'int' && to.int.kind === 'slot') {
      let source = from.int;
      if (isTarget(from)) {
        const dst = l.pinnedInt();
        append(l, ops, { op: 'int', dst, value: source });
        source = slot(dst);
      }
      append(l, late, { op: 'int', dst: to.int.slot, value: source });
    } else if (to.type === 'str' && from.type === 'str' && to.str.kind === 'slot') {
      let source = from.str;
      if (isTarget(from)) {
        const dst = l.newStr(from.base, from.max);
        l.pinnedStrs.push(dst);
        append(l, ops, { op: 'str', dst, value: source });
        source = slot(dst);
      }
      append(l, late, { op: 'str', dst: to.str.slot, value: source });
    }
  }
  ops.push(...late);
  l.unpin(mark);
}

function isSamePlace(a: Value, b: Value): boolean {
  if (a.type === 'int' && b.type === 'int') return a.int.kind === 'slot' && b.int.kind === 'slot' && a.int.slot === b.int.slot;
  if (a.type === 'str' && b.type === 'str') return a.str.kind === 'slot' && b.str.kind === 'slot' && a.str.slot === b.str.slot;
  return false;
}
