/**
 * Recognises blocks of `lift_while` and `expect_while` that only classify the byte, and makes a byte set of them:
 * `{ isdigit }`, `{ isspace not }`, `{ "aAd_" match }`, `{ dup isalpha swap "." eq or }`.
 *
 * Such a block is run "natively" on every back end: no actions are charged for
 * its bytes. The rule is syntactic, so that all back ends agree on it.
 */
import type { Block, Step } from './code.js';
import { CLASS_SETS, isClassWord, makeSet, specSet } from './classes.js';
import type { WordName } from './words.js';

/** `byte`: the byte as a string. A set: 1 for members, else 0. A literal. */
type Value = 'byte' | { readonly set: Uint8Array } | { readonly literal: Uint8Array };

/** The set of bytes for which the block leaves a true value, or null when the block does anything else. */
export function byteSetOf(block: Block): Uint8Array | null {
  const stack: Value[] = ['byte'];
  if (!run(block.steps, stack) || stack.length !== 1) return null;
  const [result] = stack;
  if (result === undefined) return null;
  if (result === 'byte') return makeSet(() => true);
  return 'set' in result ? result.set : null;
}

function run(steps: readonly Step[], stack: Value[]): boolean {
  for (const step of steps) {
    switch (step.kind) {
      case 'str':
        stack.push({ literal: step.bytes });
        break;
      case 'word':
        if (!runWord(step.word, step.word === 'not' || isClassWord(step.word) ? 1 : 2, stack)) return false;
        break;
      case 'call': {
        const depth = stack.length;
        if (!run(step.args, stack) || stack.length <= depth) return false;
        if (!runWord(step.word, stack.length - depth, stack)) return false;
        break;
      }
      case 'int':
      case 'reg':
      case 'block':
        return false;
    }
  }
  return true;
}

/** `count`: operands in the bracket, or the usual number. */
function runWord(word: WordName, count: number, stack: Value[]): boolean {
  if (isClassWord(word)) return count === 1 && stack.pop() === 'byte' && stack.push({ set: CLASS_SETS[word] }) > 0;
  switch (word) {
    case 'dup': {
      const top = stack.at(-1);
      return top !== undefined && count <= 2 && stack.push(top) > 0;
    }
    case 'swap': {
      const [a, b] = [stack.pop(), stack.pop()];
      return a !== undefined && b !== undefined && count <= 2 && stack.push(a, b) > 0;
    }
    case 'not':
      return count === 1 && complement(stack);
    case 'and':
      return fold(count, stack, (a, b) => a & b);
    case 'or':
      return fold(count, stack, (a, b) => a | b);
    case 'xor':
      return fold(count, stack, (a, b) => a ^ b);
    case 'match':
      return count <= 2 && compare(stack, specSet, false);
    case 'eq':
      return count <= 2 && compare(stack, (text) => makeSet((b) => text.length === 1 && text[0] === b), true);
    case 'ne':
      return count <= 2 && compare(stack, (text) => makeSet((b) => text.length !== 1 || text[0] !== b), true);
    default:
      return false;
  }
}

function fold(count: number, stack: Value[], combine: (a: number, b: number) => number): boolean {
  if (stack.length < count) return false;
  const operands = stack.splice(stack.length - count);
  const sets: Uint8Array[] = [];
  for (const operand of operands) {
    if (operand === 'byte' || !('set' in operand)) return false;
    sets.push(operand.set);
  }
  const [first, ...others] = sets;
  if (first === undefined) return false;
  const bytes = first.slice();
  for (const other of others) for (let i = 0; i < 32; i++) bytes[i] = combine(bytes[i] ?? 0, other[i] ?? 0);
  stack.push({ set: bytes });
  return true;
}

function complement(stack: Value[]): boolean {
  const operand = stack.pop();
  if (operand === undefined || operand === 'byte' || !('set' in operand)) return false;
  return stack.push({ set: operand.set.map((a) => ~a) }) > 0;
}

/** The byte against a literal, in this order unless `isSymmetric`. */
function compare(stack: Value[], setOf: (text: Uint8Array) => Uint8Array, isSymmetric: boolean): boolean {
  const right = stack.pop();
  const left = stack.pop();
  if (right === undefined || left === undefined) return false;
  const literal = left === 'byte' ? right : isSymmetric && right === 'byte' ? left : 'byte';
  if (literal === 'byte' || !('literal' in literal)) return false;
  stack.push({ set: setOf(literal.literal) });
  return true;
}
