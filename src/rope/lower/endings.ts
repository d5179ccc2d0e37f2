/**
 * Ways to end a scope or the program.
 */
import { FAIL, NO, type ErrorTag, type Op, type Test, type YES } from '../ir.js';
import type { Lowering } from './lowering.js';
import { joinRegisters } from './registers.js';
import { negate } from './tests.js';

/** Registers as they are now may be seen behind the innermost scope. */
export function noteExit(l: Lowering): void {
  l.endings++;
  const scope = l.scopes.at(-1);
  if (scope === undefined || l.state === null) return;
  scope.exits = scope.exits === null ? new Map(l.state.registers) : joinRegisters(l, scope.exits, l.state.registers);
}

/** Ends the innermost scope. */
export function end(l: Lowering, verdict: typeof FAIL | typeof YES | typeof NO, tag: ErrorTag | null = null): void {
  noteExit(l);
  l.emit({ op: 'end', verdict, tag });
  l.state = null;
}

/** Ends with FAIL when the test holds. */
export function failIf(l: Lowering, test: Test, tag: ErrorTag): void {
  endIf(l, test, FAIL, tag);
}

/** Ends with NO unless the test holds. */
export function assertThat(l: Lowering, test: Test): void {
  endIf(l, negate(test), NO, 'EAssertFailed');
}

function endIf(l: Lowering, test: Test, verdict: typeof FAIL | typeof NO, tag: ErrorTag): void {
  noteExit(l);
  const then: Op[] = [{ op: 'end', verdict, tag, at: l.at }];
  l.emit({ op: 'if', test, whenTrue: then, whenFalse: [] });
}
