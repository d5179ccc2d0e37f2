/** Tests of the slot form: their opposites, and their answers when those are known. */
import type { Rel, Test } from '../ir.js';

const INVERSE: Readonly<Record<Rel, Rel>> = { eq: 'ne', ne: 'eq', lt: 'ge', ge: 'lt', gt: 'le', le: 'gt' };

export function negate(test: Test): Test {
  return test.kind === 'all' ? { ...test, negated: !test.negated } : { ...test, rel: INVERSE[test.rel] };
}

/** The answer when both sides are constants. */
export function constantTest(test: Test): boolean | null {
  if (test.kind !== 'int' || test.a.kind !== 'const' || test.b.kind !== 'const') return null;
  const [a, b] = [test.a.value, test.b.value];
  switch (test.rel) {
    case 'eq':
      return a === b;
    case 'ne':
      return a !== b;
    case 'lt':
      return a < b;
    case 'le':
      return a <= b;
    case 'gt':
      return a > b;
    case 'ge':
      return a >= b;
  }
}
