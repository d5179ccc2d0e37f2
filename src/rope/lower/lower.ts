/**
 * From the stack form to the slot form, checking on the way: the compiler's middle.
 *
 * Runs the program once on symbolic values. Everything that is wrong on some
 * path becomes a diagnostic; what cannot be decided before run time makes the
 * program one for the interpreter only, and says why.
 *
 * The number and types of arguments pushed by the rule are inferred when they
 * are not given: a `put` at top level that finds the stack empty takes one. Any
 * other word that finds too few items there is an error.
 */
import type { Argument } from '../argument.js';
import { type Program, type Step, visitSteps } from '../code.js';
import { type Diagnostic, hasErrors, tidy } from '../diagnostics.js';
import { DEFAULT_LIMITS, type Ir, type Limits } from '../ir.js';
import { isUserRegister } from '../registers.js';
import { type WordName, operandKind, wordInfo } from '../words.js';
import { finish } from './finish.js';
import { type ArgumentType, Lowering, MAX_ARGUMENTS, MAX_LOWERED_STEPS, Restart, TooLarge } from './lowering.js';
import { type Value, constant, slot } from './value.js';
import { lowerWord } from './words.js';
import { referenceTo, similarRegister } from './registers.js';
import { bindArgument, takeOperand } from './operands.js';

export interface LowerOptions {
  readonly limits?: Limits;
  /** Values pushed by the rule, lowest first. Absent: number and types are inferred, and there is no slot form unless the program takes none. */
  readonly args?: readonly Argument[];
  /** Parts of the source could not be parsed: what is missing must not cause complaints. */
  readonly isIncomplete?: boolean;
}

export interface Lowered {
  readonly diagnostics: readonly Diagnostic[];
  /** True when depth and types are known everywhere: the slot form exists once arguments are given. */
  readonly isStatic: boolean;
  /** null: errors, not static, or arguments missing. */
  readonly ir: Ir | null;
  /** Types of the arguments the program takes, lowest first, as given or inferred. */
  readonly signature: readonly ArgumentType[];
}

export function lower(program: Program, options: LowerOptions = {}): Lowered {
  const inferred: ArgumentType[] | null = options.args === undefined ? [] : null;
  for (;;) {
    const l = new Lowering(program, options.limits ?? DEFAULT_LIMITS, inferred, runSteps);
    try {
      return lowerOnce(l, options);
    } catch (thrown) {
      if (thrown instanceof TooLarge) {
        l.at = 0;
        l.dynamic(`the script is too large to be compiled: more than ${MAX_LOWERED_STEPS} words, those of a block counted each time it runs`, 'split it, or use while, until or repeat instead of running blocks in blocks');
        return { diagnostics: tidy(l.diagnostics), isStatic: false, ir: null, signature: inferred ?? (options.args ?? []).map((arg) => arg.type) };
      }
      if (!(thrown instanceof Restart)) throw thrown;
    }
  }
}

function lowerOnce(l: Lowering, { args, isIncomplete }: LowerOptions): Lowered {
  const given = (args ?? []).map((arg): Value => (arg.type === 'int' ? { type: 'int', int: constant(arg.value | 0) } : l.literal(arg.bytes)));
  const stack = args === undefined ? placeholders(l) : given;
  if (l.state !== null) l.state.stack.push(...stack);
  visitSteps(l.program.main.steps, (step) => {
    if (step.kind === 'reg') referenceTo(l, step.name);
  });
  const ops = l.collect(() => {
    for (const name of ['max_actions', 'max_while_loops'] as const) {
      if (!l.usesLimit.has(name)) continue;
      const value = constant(name === 'max_actions' ? l.limits.maxActions : l.limits.maxWhileLoops);
      l.emit({ op: 'int', dst: l.slots.intRegister(name), value });
    }
    l.runBlock(l.program.main);
  });
  reportUnreached(l, isIncomplete === true);
  reportNeverWritten(l);
  const diagnostics = tidy(l.diagnostics);
  const isStatic = l.isStatic && !hasErrors(diagnostics);
  const signature = l.inferred ?? (args ?? []).map((arg) => arg.type);
  const hasValues = args !== undefined || signature.length === 0;
  return { diagnostics, isStatic, ir: isStatic && hasValues ? finish(l, ops) : null, signature: [...signature] };
}

/** Values of the arguments inferred so far. */
function placeholders(l: Lowering): Value[] {
  return (l.inferred ?? []).map((type, index): Value => {
    if (type === 'any') return { type: 'argument', index };
    const name = `argument ${index + 1}`;
    if (type === 'int') return { type: 'int', int: slot(l.slots.intRegister(name)) };
    return { type: 'str', str: slot(l.slots.strRegister(name, 'literal', 255)), base: 'literal', min: 0, max: 255, time: null, isDigits: false };
  });
}

function runSteps(l: Lowering, steps: readonly Step[]): void {
  for (const step of steps) {
    if (l.state === null) {
      l.skipped.add(step);
      return;
    }
    l.countStep();
    l.visited.add(step);
    l.at = step.at;
    switch (step.kind) {
      case 'int':
        l.push({ type: 'int', int: constant(step.value) });
        break;
      case 'str':
        l.push(l.literal(step.bytes));
        break;
      case 'reg':
        l.push({ type: 'ref', ref: referenceTo(l, step.name) });
        break;
      case 'block':
        l.push({ type: 'block', block: step.block });
        break;
      case 'word':
        runWord(l, step.word, wordInfo(step.word).takes.length, null);
        break;
      case 'call':
        runCall(l, step);
        break;
    }
  }
}

function runCall(l: Lowering, step: Step & { readonly kind: 'call' }): void {
  const anchor: Value = { type: 'anchor', word: step.word };
  l.push(anchor);
  runSteps(l, step.args);
  l.at = step.at;
  if (l.state === null) return;
  const { stack } = l.state;
  const anchorIndex = stack.lastIndexOf(anchor);
  const { takes, least } = wordInfo(step.word);
  if (anchorIndex < 0) {
    // Only when the depth became unknown inside the bracket.
    runWord(l, step.word, takes.length, 0);
    return;
  }
  stack.splice(anchorIndex, 1);
  const count = stack.length - anchorIndex;
  const most = least === null ? takes.length : step.word === 'hotdrop' ? 1 : Number.POSITIVE_INFINITY;
  if (count > most) {
    l.error('too-many-values', `'${step.word}' takes ${most === 1 ? 'one value' : `${most} values`}, but its bracket holds ${count}`, wordInfo(step.word).effect);
    stack.length = anchorIndex + most;
  }
  if (least !== null && count < least) {
    l.error('empty-bracket', `the bracket of '${step.word}' holds no value`, wordInfo(step.word).effect);
    pushResults(l, step.word);
    return;
  }
  runWord(l, step.word, least === null ? takes.length : Math.min(count, most), count);
}

/** Lowers a word with `count` operands; `inBracket`: how many its bracket held, null without one. */
function runWord(l: Lowering, word: WordName, count: number, inBracket: number | null): void {
  const info = wordInfo(word);
  l.withOperands(() => {
    const args: (Value | null)[] = [];
    for (let i = count - 1; i >= 0; i--) {
      const item = l.pop();
      if (item === null || item.type === 'anchor') {
        underflow(l, word, count, count - 1 - i, item, inBracket);
        if (item !== null) l.push(item);
        args.unshift(...new Array<null>(i + 1).fill(null));
        break;
      }
      args.unshift(takeOperand(l, item, operandKind(info, i), word));
    }
    const known = args.filter((arg) => arg !== null);
    if (known.length < args.length) {
      noteFailedWrite(l, word, args.at(-1) ?? null);
      pushResults(l, word);
    } else {
      resolveArguments(l, info.takes, known);
      lowerWord(l, word, known);
    }
  });
}

function underflow(l: Lowering, word: WordName, count: number, found: number, item: Value | null, inBracket: number | null): void {
  // Arguments pushed by the rule are taken by `put` at top level.
  if (item === null && word === 'put' && l.depth === 1 && l.inferred !== null && l.inferred.length < MAX_ARGUMENTS) {
    l.inferred.unshift('any');
    throw new Restart();
  }
  const needs = `'${word}' needs ${count === 1 ? 'a value' : `${count} values`}`;
  if (item?.type === 'anchor') {
    l.error('underflow', `${needs}, but the bracket of '${item.word}' holds ${found === 0 ? 'none' : `only ${found}`} at this point`, `put the operands inside the bracket before '${word}'`);
  } else {
    const hint = inBracket === null && l.depth === 1 ? 'push the operands first; arguments of the rule must be stored first: `$a put`' : `${wordInfo(word).effect}`;
    l.error('underflow', `${needs}, but the stack holds ${found === 0 ? 'none' : `only ${found}`}`, hint);
  }
}

/** A write that could not be lowered is still one: no follow-up complaint that the register is never written. */
function noteFailedWrite(l: Lowering, word: WordName, target: Value | null): void {
  if (word !== 'put' && word !== 'inc' && word !== 'dec') return;
  if (target?.type === 'ref' && target.ref.kind === 'user') {
    l.written.add(target.ref.name);
    l.state?.registers.set(target.ref.name, { type: 'unknown', because: '' });
  } else l.usesComputedRegisters = true;
}

/** Arguments of unknown type where an integer or a string will do: the other operand decides, otherwise integer. */
function resolveArguments(l: Lowering, takes: string, args: readonly Value[]): void {
  if (!takes.startsWith('v')) return;
  const argument = args.find((arg) => arg.type === 'argument');
  if (argument?.type !== 'argument') return;
  const other = args.find((arg) => arg.type === 'int' || arg.type === 'str');
  bindArgument(l, argument.index, other?.type === 'str' ? 'str' : 'int');
}

/** After a fault: what the word would have pushed, so that the check can go on. Words that run blocks leave the depth unknown. */
function pushResults(l: Lowering, word: WordName): void {
  const { takes, effect } = wordInfo(word);
  const unknown: Value = { type: 'unknown', because: '' };
  if (takes.includes('b') && word !== 'eval' && !word.endsWith('_while')) {
    l.open();
    return;
  }
  const results = /--([^)]*)\)/.exec(effect)?.[1]?.trim() ?? '';
  for (const result of results.split(' ')) if (result !== '') l.push(unknown);
}

function reportUnreached(l: Lowering, isIncomplete: boolean): void {
  for (const step of l.skipped) {
    if (l.visited.has(step)) continue;
    l.report('warning', 'unreachable', 'this is never reached: all paths have ended before', 'remove it, or make the verdict before it conditional: `{ yes } if`', step.at);
  }
  if (isIncomplete || !l.isStatic || hasErrors(l.diagnostics)) return;
  const check = (steps: readonly Step[]): void => {
    for (const step of steps) {
      if (step.kind === 'call') check(step.args);
      if (step.kind !== 'block') continue;
      const [first] = step.block.steps;
      const isReached = first === undefined || l.visited.has(first);
      if (isReached) check(step.block.steps);
      else if (l.visited.has(step)) l.report('warning', 'unreachable', 'this block is never run', 'run it with `do`, or remove it', step.at);
    }
  };
  check(l.program.main.steps);
}

/** A user register that is read but never written is most often a slip of the pen. */
function reportNeverWritten(l: Lowering): void {
  if (l.usesComputedRegisters) return;
  const mentions = new Map<string, Step>();
  visitSteps(l.program.main.steps, (step) => {
    if (step.kind === 'reg' && isUserRegister(step.name) && !mentions.has(step.name)) mentions.set(step.name, step);
  });
  for (const [name, step] of mentions) {
    if (l.written.has(name) || !l.visited.has(step) || l.state?.isOpen === true) continue;
    l.report('warning', 'never-written', `$${name} is read but never written: it is always 0`, similarRegister(name), step.at);
  }
}
