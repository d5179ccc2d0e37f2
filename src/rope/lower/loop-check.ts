/**
 * Finds loops whose condition cannot change: once begun, they end only by the limit.
 *
 * Deliberately careful: says nothing when in doubt. Global registers change by other hands.
 */
import type { Op } from '../ir.js';
import { allOps, slotUse } from '../operation-use.js';
import { constantTest } from './tests.js';

/** Why the loop never ends, or null. The caller has made sure that nothing inside it ends the script or a scope. */
export function findUnchangingLoop(loop: Op & { readonly op: 'loop' }): string | null {
  const constant = constantTest(loop.test);
  if (constant === true) return 'its condition is always true';
  if (constant === false) return null;
  const inputs = new Set<string>();
  const made = new Set<string>();
  let isFixed = true;
  for (const op of allOps([...loop.head, { op: 'if', test: loop.test, whenTrue: [], whenFalse: [], at: loop.at }])) {
    if (op.op === 'getGlobal' || op.op === 'charge') isFixed = op.op === 'charge' && isFixed;
    const use = slotUse(op);
    for (const key of keys(use.readInts, use.readStrs)) if (!made.has(key)) inputs.add(key);
    for (const key of keys(use.writeInts, use.writeStrs)) made.add(key);
  }
  if (!isFixed) return null;
  let isChanged = false;
  for (const op of allOps([...loop.head, ...loop.body])) {
    const use = slotUse(op);
    for (const key of keys(use.writeInts, use.writeStrs)) if (inputs.has(key)) isChanged = true;
  }
  return isChanged ? null : 'nothing inside it changes what the condition looks at';
}

function* keys(ints: readonly number[], strs: readonly number[]): Generator<string> {
  for (const slot of ints) yield `n${slot}`;
  for (const slot of strs) yield `s${slot}`;
}
