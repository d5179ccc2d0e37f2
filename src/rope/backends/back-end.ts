/**
 * What the runner, the conformance suite and the benchmarks need of a back end.
 *
 * The eBPF back end joins through the same interface from its own folder; this file does not know it.
 */
import type { Argument } from '../argument.js';
import type { Compiled } from '../compile.js';
import { DEFAULT_LIMITS, type Limits, type Verdict } from '../ir.js';
import type { RunContext } from '../run-context.js';
import { makeInterpreter } from './interpreter.js';
import { compileJavaScript } from './javascript.js';

/** Runs the program on `context.packet`; what happened is in the context. */
export interface Runner {
  readonly run: () => Verdict;
}

export interface BackEnd {
  readonly name: string;
  /** What a run on this back end leaves no trace of: printed text, the tag of a false assert, a computed message of hotdrop. */
  readonly cannotTell?: readonly ('output' | 'assert' | 'message')[];
  /**
   * Makes a runner for a valid program that was compiled with `args` and `limits`.
   * A string says why this back end cannot run it.
   */
  readonly prepare: (compiled: Compiled, args: readonly Argument[], context: RunContext, limits?: Limits) => Runner | string;
}

export const INTERPRETER: BackEnd = {
  name: 'interpreter',
  prepare: (compiled, args, context, limits = DEFAULT_LIMITS) => {
    const machine = makeInterpreter(compiled.program, context, limits);
    return { run: () => machine.run(args) };
  },
};

export const JAVASCRIPT: BackEnd = {
  name: 'javascript',
  prepare: (compiled, _args, context) =>
    compiled.ir === null ? 'its stack depth or types are known only at run time' : compileJavaScript(compiled.ir, context),
};
