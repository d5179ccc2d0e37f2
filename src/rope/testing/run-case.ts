/**
 * Runs a test case on a back end and says how it differs from what was expected.
 */
import { concat, latin1 } from '../../base/bytes.js';
import type { BackEnd } from '../backends/back-end.js';
import { compile } from '../compile.js';
import type { Verdict } from '../ir.js';
import { RunContext } from '../run-context.js';
import type { Case, VerdictName } from './case-file.js';

export const VERDICT_NAMES: readonly VerdictName[] = ['fail', 'okay', 'yes', 'no', 'hotdrop'];

export interface CaseResult {
  /** Differences, each a sentence; empty: as expected. */
  readonly failures: readonly string[];
  /** Why the back end did not run it, when it refused and that was allowed. */
  readonly refusal: string | null;
}

/** What a run left behind: compared between back ends. */
export interface Outcome {
  readonly verdicts: readonly Verdict[];
  readonly error: string | null;
  readonly message: Uint8Array | null;
  readonly output: Uint8Array;
  readonly globals: Int32Array;
}

/** `source` is the case's own, or the text of the script it names. */
export function runCase(testCase: Case, source: string, backEnd: BackEnd, mustRun: boolean): CaseResult {
  const { expect } = testCase;
  const failures: string[] = [];
  const compiled = compile(source, { args: expect.args, limits: expect.limits });
  const found = compiled.diagnostics.filter((d) => d.code !== 'interpreter-only').map((d) => `${d.severity} ${d.code} ${d.span.line}:${d.span.column}`);
  const expected = expect.diagnostics.filter((text) => !text.includes('interpreter-only'));
  if (found.join('; ') !== expected.join('; ')) failures.push(`diagnostics are [${found.join('; ')}], expected [${expected.join('; ')}]`);
  if (compiled.isValid && compiled.isStatic !== expect.isStatic) failures.push(compiled.isStatic ? 'compiles, but `static: no` was expected' : `does not compile: ${compiled.diagnostics.map((d) => d.message).join('; ')}`);
  if (!compiled.isValid || expect.verdicts.length === 0) {
    if (expect.verdicts.length > 0) failures.push('is refused, but a verdict was expected');
    return { failures, refusal: null };
  }
  const outputs: Uint8Array[] = [];
  const context = new RunContext({ output: ({ bytes }) => outputs.push(bytes), utcOffsetSeconds: () => expect.zoneSeconds });
  const runner = backEnd.prepare(compiled, expect.args, context, expect.limits);
  if (typeof runner === 'string') {
    if (mustRun) failures.push(`the ${backEnd.name} back end refuses it: ${runner}`);
    return { failures, refusal: runner };
  }
  let error: string | null = null;
  let message: Uint8Array | null = null;
  const verdicts = testCase.packets.map((packet) => {
    context.packet.load(packet.bytes, 0, packet.bytes.length);
    packet.annotate(context.packet);
    const verdict = runner.run();
    if (context.tag !== null) error = context.tag;
    if (context.message !== null) message = context.message;
    return verdict;
  });
  compareOutcome(testCase, { verdicts, error, message, output: concat(...outputs), globals: context.globals }, failures, backEnd.cannotTell);
  return { failures, refusal: null };
}

/** Adds a sentence for each difference. `error`, `message` and `output` are compared only where stated. */
function compareOutcome(testCase: Case, outcome: Outcome, failures: string[], cannotTell: BackEnd['cannotTell'] = []): void {
  const { expect } = testCase;
  const names = outcome.verdicts.map((verdict) => VERDICT_NAMES[verdict]);
  if (names.join(' ') !== expect.verdicts.join(' ')) {
    failures.push(`verdict ${names.join(' ')}${outcome.error === null ? '' : ` (${outcome.error})`}, expected ${expect.verdicts.join(' ')}`);
  }
  const isTold = expect.error !== 'EAssertFailed' || !cannotTell.includes('assert');
  if (expect.error !== null && isTold && outcome.error !== expect.error) failures.push(`error ${outcome.error ?? 'none'}, expected ${expect.error}`);
  if (expect.message !== null && !(cannotTell.includes('message') && outcome.message === null) && text(outcome.message) !== text(expect.message)) failures.push(`message ${text(outcome.message)}, expected ${text(expect.message)}`);
  if (expect.output !== null && !cannotTell.includes('output') && text(outcome.output) !== text(expect.output)) failures.push(`output ${text(outcome.output)}, expected ${text(expect.output)}`);
  for (const [index, value] of expect.globals) {
    if (outcome.globals[index] !== value) failures.push(`global ${index} is ${outcome.globals[index]}, expected ${value}`);
  }
}

function text(bytes: Uint8Array | null): string {
  return bytes === null ? 'none' : JSON.stringify(latin1(bytes, 0, bytes.length));
}
