/**
 * Registers while lowering: references, reads, writes, and what is known of user registers where paths meet.
 */
import { didYouMean } from '../../base/did-you-mean.js';
import { OFFSET_SLOT, type IntField, type StrField } from '../ir.js';
import { REGISTERS } from '../registers.js';
import type { Lowering } from './lowering.js';
import { MAX_STRING_BYTES, type StaticRef, type Value, ZERO, joinStr, mixed, sameValue, slot } from './value.js';

/** What a `$name` refers to. */
export function referenceTo(l: Lowering, name: string): StaticRef {
  const kind = REGISTERS.get(name)?.kind;
  switch (kind) {
    case 'int':
      return { kind: 'int-field', field: name as IntField };
    case 'str':
      return { kind: 'str-field', field: name as StrField };
    case 'offset':
      return { kind: 'offset' };
    case 'limit':
      l.usesLimit.add(name);
      return { kind: 'limit', name: name as 'max_actions' | 'max_while_loops' };
    case undefined:
      return { kind: 'user', name };
  }
}

/** The value a register holds here; may be a register's own slot, valid until the register is written. */
export function readRegister(l: Lowering, ref: StaticRef): Value {
  switch (ref.kind) {
    case 'user':
      return l.state?.registers.get(ref.name) ?? ZERO;
    case 'int-field': {
      const { field } = ref;
      return { type: 'int', int: l.computeInt((dst) => ({ op: 'field', dst, field })) };
    }
    case 'str-field': {
      const max = ref.field === 'packet' || ref.field === 'data' ? MAX_STRING_BYTES : 16;
      const dst = l.newStr('packet', max);
      l.pinnedStrs.push(dst);
      l.emit({ op: 'strField', dst, field: ref.field });
      return { type: 'str', str: slot(dst), base: 'packet', min: 0, max, time: null, isDigits: false };
    }
    case 'offset':
      return { type: 'int', int: slot(OFFSET_SLOT) };
    case 'limit':
      return { type: 'int', int: l.limit(ref.name) };
    case 'global': {
      const { index } = ref;
      return { type: 'int', int: l.computeInt((dst) => ({ op: 'getGlobal', dst, index })) };
    }
  }
}

/** A remedy for a register that is never written. */
export function similarRegister(name: string): string {
  const guess = didYouMean(name, REGISTERS.keys());
  return guess === null ? 'store a value first, or remove it' : `did you mean $${guess}?`;
}

/** Stores in a user register. */
export function writeRegister(l: Lowering, name: string, value: Value): void {
  l.written.add(name);
  if (l.state === null) return;
  let held = value;
  if (value.type === 'int') {
    const dst = l.slots.intRegister(name);
    l.emit({ op: 'int', dst, value: value.int });
    if (value.int.kind === 'slot') held = { type: 'int', int: slot(dst) };
  } else if (value.type === 'str') {
    const dst = l.slots.strRegister(name, value.base, value.max);
    l.emit({ op: 'str', dst, value: value.str });
    if (value.str.kind === 'slot') held = { ...value, str: slot(dst) };
  }
  l.state.registers.set(name, held);
}

/** What user registers can hold where two paths meet. Their slots need no copying: each register has its own. */
export function joinRegisters(l: Lowering, a: ReadonlyMap<string, Value>, b: ReadonlyMap<string, Value>): Map<string, Value> {
  const out = new Map<string, Value>();
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    const [x, y] = [a.get(name) ?? ZERO, b.get(name) ?? ZERO];
    out.set(name, joinRegister(l, name, x, y));
  }
  return out;
}

/** The same for one register. */
export function joinRegister(l: Lowering, name: string, x: Value, y: Value): Value {
  if (sameValue(x, y)) return x;
  if (x.type === 'int' && y.type === 'int') return { type: 'int', int: slot(l.slots.intRegister(name)) };
  if (x.type === 'str' && y.type === 'str') return joinStr(x, y, slot(l.slots.strRegister(name, x.base, x.max)));
  return mixed(x, y);
}
