/**
 * The stack form of a rope program: what the parser makes, the interpreter runs
 * and a `.rp` file holds.
 *
 * A tree of steps: literals push, words run, `call` is a word with its bracket.
 * It says nothing of types or depth; `lower.ts` finds those.
 */
import type { Span } from './ir.js';
import type { WordName } from './words.js';

export type Step =
  | { readonly kind: 'int'; readonly value: number; readonly at: number }
  | { readonly kind: 'str'; readonly bytes: Uint8Array; readonly at: number }
  /** Register reference; `name` without `$`. */
  | { readonly kind: 'reg'; readonly name: string; readonly at: number }
  | { readonly kind: 'block'; readonly block: Block; readonly at: number }
  | { readonly kind: 'word'; readonly word: WordName; readonly at: number }
  /** `word( args )`: pushes an anchor, runs the steps, removes the anchor, runs the word on what lies above. */
  | { readonly kind: 'call'; readonly word: WordName; readonly args: readonly Step[]; readonly at: number };

export interface Block {
  readonly steps: readonly Step[];
  /** Actions charged when the block begins to run: its steps, those inside brackets included, nested blocks not; at least 1. */
  readonly actions: number;
}

export interface Program {
  readonly main: Block;
  /** Source positions; steps carry an index (`at`). */
  readonly spans: readonly Span[];
}

export const MAX_SOURCE_CHARS = 1 << 20;
/** Different user registers in one script. */
export const MAX_USER_REGISTERS = 256;
/** Nesting of brackets and blocks in the source. */
export const MAX_NESTING = 64;
/** Blocks running inside blocks at run time (recursion through a register included). */
export const MAX_BLOCK_DEPTH = 128;
/** A packet cannot hold more. */
export const MAX_LITERAL_BYTES = 65535;

/** Actions of a list of steps, as `Block.actions` counts them. */
function countActions(steps: readonly Step[]): number {
  let count = 0;
  for (const step of steps) count += step.kind === 'call' ? 1 + countActions(step.args) : 1;
  return count;
}

export function makeBlock(steps: readonly Step[]): Block {
  return { steps, actions: Math.max(1, countActions(steps)) };
}

/** Calls `visit` for every step, blocks and brackets included, in source order. */
export function visitSteps(steps: readonly Step[], visit: (step: Step) => void): void {
  for (const step of steps) {
    visit(step);
    if (step.kind === 'block') visitSteps(step.block.steps, visit);
    else if (step.kind === 'call') visitSteps(step.args, visit);
  }
}
