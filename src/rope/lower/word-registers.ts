/** Lowering of the words about registers. */
import {
  GLOBAL_COUNT, OFFSET_SLOT, type Int, 
} from '../ir.js';
import { numberedRegister } from '../registers.js';
import { failIf } from './endings.js';
import type { Lowering } from './lowering.js';
import { bindArgument, takeOperand } from './operands.js';
import { writeRegister } from './registers.js';
import { type StaticRef, type Value, constant, slot } from './value.js';
import { type Lower, int, ref } from './word-operands.js';

export function put(l: Lowering, value: Value, target: StaticRef): void {
  if (target.kind === 'user') {
    writeRegister(l, target.name, value);
    return;
  }
  if (target.kind === 'int-field' || target.kind === 'str-field') {
    l.error('read-only', `$${target.field} is read-only`, 'store in a register of your own; $offset can be written');
    return;
  }
  if (value.type === 'argument') bindArgument(l, value.index, 'int');
  if (value.type === 'unknown') {
    if (value.because !== '') l.dynamic(`the value for 'put' is not known when the script is compiled: ${value.because}`, 'leave the same kind of value on all paths', true);
    return;
  }
  if (value.type !== 'int') {
    const what = target.kind === 'offset' ? '$offset' : target.kind === 'global' ? 'a global register' : `$${target.name}`;
    l.error('wrong-type', `${what} holds integers only`, 'user registers ($a ...) hold any value');
    return;
  }
  if (target.kind === 'offset') l.emit({ op: 'int', dst: OFFSET_SLOT, value: value.int });
  else if (target.kind === 'global') l.emit({ op: 'setGlobal', index: target.index, value: value.int });
  else putLimit(l, target.name, value.int);
}

/** Limits can be lowered, down to 0, never raised above the configured value. */
function putLimit(l: Lowering, name: 'max_actions' | 'max_while_loops', value: Int): void {
  const dst = l.slots.intRegister(name);
  const configured = constant(name === 'max_actions' ? l.limits.maxActions : l.limits.maxWhileLoops);
  const { at } = l;
  l.emit({ op: 'int', dst, value });
  l.emit({ op: 'if', test: { kind: 'int', rel: 'lt', a: slot(dst), b: constant(0) }, whenTrue: [{ op: 'int', dst, value: constant(0), at }], whenFalse: [] });
  l.emit({ op: 'if', test: { kind: 'int', rel: 'gt', a: slot(dst), b: configured }, whenTrue: [{ op: 'int', dst, value: configured, at }], whenFalse: [] });
}

export function addTo(delta: number): Lower {
  return (l, args) => {
    const target = ref(args, 0);
    if (target.kind === 'int-field' || target.kind === 'str-field') {
      put(l, { type: 'int', int: constant(0) }, target);
      return;
    }
    if (target.kind === 'global') {
      l.emit({ op: 'addGlobal', index: target.index, delta });
      return;
    }
    const value = takeOperand(l, { type: 'ref', ref: target }, 'n', delta > 0 ? 'inc' : 'dec');
    if (value?.type !== 'int') return;
    if (value.int.kind === 'const') put(l, { type: 'int', int: constant((value.int.value + delta) | 0) }, target);
    else {
      const a = value.int;
      const sum = l.computeInt((dst) => ({ op: 'arith', fn: 'add', dst, a, b: constant(delta) }));
      put(l, { type: 'int', int: sum }, target);
    }
  };
}

export function greg(l: Lowering, args: readonly Value[]): void {
  let index = int(args, 0);
  if (index.kind === 'const') {
    if (index.value < 0 || index.value >= GLOBAL_COUNT) {
      l.error('out-of-range', `there is no global register ${index.value}`, `they are numbered 0 to ${GLOBAL_COUNT - 1}`);
      index = constant(0);
    }
    l.push({ type: 'ref', ref: { kind: 'global', index } });
    return;
  }
  const from = index;
  const copy = l.computeInt((dst) => ({ op: 'int', dst, value: from }));
  failIf(l, { kind: 'int', rel: 'lt', a: copy, b: constant(0) }, 'EBadRegister');
  failIf(l, { kind: 'int', rel: 'ge', a: copy, b: constant(GLOBAL_COUNT) }, 'EBadRegister');
  l.push({ type: 'ref', ref: { kind: 'global', index: copy } });
}

export function reg(l: Lowering, args: readonly Value[]): void {
  l.usesComputedRegisters = true;
  const index = int(args, 0);
  if (index.kind === 'slot') {
    l.dynamic("the number for 'reg' is not known when the script is compiled", 'write the register itself: $a', true);
    l.push({ type: 'unknown', because: '' });
    return;
  }
  const name = numberedRegister(index.value);
  if (name === null) l.error('out-of-range', `there is no user register ${index.value}`, 'reg counts from 0 ($a) to 25 ($z)');
  l.push({ type: 'ref', ref: { kind: 'user', name: name ?? 'a' } });
}
