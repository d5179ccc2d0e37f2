/**
 * The reference back end: runs the stack form step by step, with a real stack.
 *
 * Handles every program, those too whose depth or types are known only at run
 * time; it is what the other back ends are compared with, and what traces and
 * debugs.
 */
import type { Program } from '../code.js';
import { DEFAULT_LIMITS, type Limits } from '../ir.js';
import type { RunContext } from '../run-context.js';
import { runWord } from './interpreter-words.js';
import { Machine, type Trace } from './machine.js';

/** A machine for the program; `run` it once for each packet in `context.packet`. */
export function makeInterpreter(
  program: Program,
  context: RunContext,
  limits: Limits = DEFAULT_LIMITS,
  trace: Trace | null = null,
): Machine {
  return new Machine(program, context, limits, runWord, trace);
}
