/**
 * True and false: pushing the answer of a test, and testing a value.
 */
import type { Test } from '../ir.js';
import type { Lowering } from './lowering.js';
import { constantTest } from './tests.js';
import { type IntValue, type StrValue, constant } from './value.js';

/** Pushes 1 or 0. */
export function pushTest(l: Lowering, test: Test): void {
  const known = constantTest(test);
  if (known !== null) l.push({ type: 'int', int: constant(known ? 1 : 0) });
  else l.pushComputedInt((dst) => ({ op: 'test', dst, test }));
}

/** A test for the truth of a popped value. Takes back the operation that made it when nothing else needs that. */
export function truth(l: Lowering, value: IntValue | StrValue): Test {
  if (value.type === 'str') {
    const bytes = l.literalBytes(value.str);
    const length = bytes === null ? l.computeInt((dst) => ({ op: 'length', dst, of: value.str })) : constant(bytes.length);
    return { kind: 'int', rel: 'ne', a: length, b: constant(0) };
  }
  const last = l.ops.at(-1);
  if (value.int.kind === 'slot' && last?.op === 'test' && last.dst === value.int.slot && !isOnStack(l, last.dst)) {
    l.ops.pop();
    return last.test;
  }
  return { kind: 'int', rel: 'ne', a: value.int, b: constant(0) };
}

function isOnStack(l: Lowering, index: number): boolean {
  if (l.slots.isIntRegister(index)) return true;
  let found = false;
  l.visitValues((value) => {
    if (value.type === 'int' && value.int.kind === 'slot' && value.int.slot === index) found = true;
    if (value.type === 'ref' && value.ref.kind === 'global' && value.ref.index.kind === 'slot' && value.ref.index.slot === index) found = true;
  });
  return found;
}
