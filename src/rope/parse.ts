/**
 * Tokens to the stack form.
 *
 * Resolves names (words, constants, protocols, registers) and pairs brackets.
 * Always returns a program; with errors among the diagnostics it must not be run,
 * but can still be checked for further faults.
 */
import { didYouMean } from '../base/did-you-mean.js';
import { MAX_NESTING, MAX_USER_REGISTERS, type Program, type Step, makeBlock } from './code.js';
import { type Diagnostic, type DiagnosticCode, MAX_DIAGNOSTICS } from './diagnostics.js';
import type { Span } from './ir.js';
import { type Token, lex, shown } from './lex.js';
import { PROTOCOL_CONSTANTS } from './protocols.js';
import { REGISTERS, isRegister } from './registers.js';
import { CONSTANTS, COMPARISONS, WORD_NAMES, type WordName, isWord } from './words.js';

export interface ParseOptions {
  /** Further `IPPROTO_` names, of the local /etc/protocols say; the built-in ones win. */
  readonly protocols?: ReadonlyMap<string, number>;
}

export function parse(source: string, report: (diagnostic: Diagnostic) => void, options: ParseOptions = {}): Program {
  const parser = new Parser(lex(source, report), report, options.protocols ?? new Map());
  return parser.run();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #report: (diagnostic: Diagnostic) => void;
  readonly #protocols: ReadonlyMap<string, number>;
  readonly #spans: Span[] = [];
  /** Closing brackets awaited, outermost first. */
  readonly #open: ('}' | ')')[] = [];
  #at = 0;
  #nesting = 0;
  #hasGivenUp = false;
  #errors = 0;
  readonly #userRegisters = new Set<string>();

  constructor(tokens: readonly Token[], report: (diagnostic: Diagnostic) => void, protocols: ReadonlyMap<string, number>) {
    this.#tokens = tokens;
    this.#report = report;
    this.#protocols = protocols;
  }

  run(): Program {
    const steps = this.#steps(null, null);
    return { main: makeBlock(steps), spans: this.#spans };
  }

  #error(code: DiagnosticCode, span: Span, message: string, hint: string): void {
    this.#errors++;
    this.#report({ severity: 'error', code, message, span, hint });
  }

  /** A guess at what was meant; none for the many faults of a file that is no script. */
  #guess(name: string, candidates: Iterable<string>): string | null {
    return this.#errors < MAX_DIAGNOSTICS ? didYouMean(name, candidates) : null;
  }

  #mark(span: Span): number {
    return this.#spans.push(span) - 1;
  }

  /** Steps up to `close` (consumed) or the end of the source. `open` is the bracket to be closed. */
  #steps(close: '}' | ')' | null, open: Span | null): Step[] {
    const steps: Step[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token === undefined) {
        if (open !== null && !this.#hasGivenUp) {
          const bracket = close === '}' ? '{' : '(';
          this.#error('unbalanced', open, `'${bracket}' is never closed`, `add the missing '${close}'`);
        }
        return steps;
      }
      this.#at++;
      if (token.kind === close) return steps;
      const step = this.#step(token, close);
      if (step === 'give back') {
        this.#at--;
        return steps;
      }
      if (step !== null) {
        this.#lint(steps.at(-1), step);
        steps.push(step);
      }
    }
  }

  #step(token: Token, close: '}' | ')' | null): Step | null | 'give back' {
    switch (token.kind) {
      case 'int':
        return { kind: 'int', value: token.value, at: this.#mark(token.span) };
      case 'str':
        return { kind: 'str', bytes: token.bytes, at: this.#mark(token.span) };
      case 'reg':
        this.#checkRegister(token.name, token.span);
        return { kind: 'reg', name: token.name, at: this.#mark(token.span) };
      case 'name':
        return this.#name(token.name, token.span);
      case '{': {
        const at = this.#mark(token.span);
        const steps = this.#nested('}', token.span);
        return { kind: 'block', block: makeBlock(steps), at };
      }
      case '(':
        this.#error('bracket-without-word', token.span, "'(' follows no word", 'a bracket belongs to the word before it: add( 3 5 )');
        this.#nested(')', token.span);
        return null;
      case ')':
      case '}': {
        // An outer bracket of this kind may be open: close ours with a complaint, and let the outer one have it.
        const expected = close === null ? 'nothing is open' : `the open bracket wants '${close}'`;
        this.#error('unbalanced', token.span, `'${token.kind}' does not match: ${expected}`, 'brackets close in the reverse order of their opening');
        return close !== null && this.#open.includes(token.kind) ? 'give back' : null;
      }
    }
  }

  #nested(close: '}' | ')', open: Span): Step[] {
    if (++this.#nesting > MAX_NESTING) {
      this.#error('too-deep', open, `more than ${MAX_NESTING} brackets inside each other`, 'store inner blocks in registers: put( { ... } $a )');
      // Nothing sensible can follow: stop reading, and do not complain about every bracket still open.
      this.#hasGivenUp = true;
      this.#at = this.#tokens.length;
      this.#nesting--;
      return [];
    }
    this.#open.push(close);
    const steps = this.#steps(close, open);
    this.#open.pop();
    this.#nesting--;
    return steps;
  }

  #checkRegister(name: string, span: Span): void {
    if (isRegister(name)) {
      if (REGISTERS.has(name) || this.#userRegisters.has(name)) return;
      this.#userRegisters.add(name);
      if (this.#userRegisters.size !== MAX_USER_REGISTERS + 1) return;
      this.#error('too-large', span, `more than ${MAX_USER_REGISTERS} different registers`, 'use registers again for other values');
      return;
    }
    const guess = this.#guess(name, REGISTERS.keys());
    const hint = guess === null ? 'user registers are lower-case names that do not begin like a predefined one (ip_, tcp_, udp_ ...)' : `did you mean $${guess}?`;
    this.#error('unknown-register', span, `unknown register ${shown(`$${name}`)}`, hint);
  }

  #name(name: string, span: Span): Step | null {
    const next = this.#tokens[this.#at];
    const isCall = next?.kind === '(';
    if (isWord(name)) {
      const at = this.#mark(span);
      if (!isCall) return { kind: 'word', word: name, at };
      this.#at++;
      return { kind: 'call', word: name, args: this.#nested(')', next.span), at };
    }
    const constant = CONSTANTS.get(name) ?? PROTOCOL_CONSTANTS.get(name) ?? this.#protocols.get(name);
    if (constant !== undefined && !isCall) return { kind: 'int', value: constant, at: this.#mark(span) };
    this.#unknown(name, span, constant !== undefined);
    if (isCall) {
      this.#at++;
      this.#nested(')', next.span);
    }
    return null;
  }

  #unknown(name: string, span: Span, isConstant: boolean): void {
    if (isConstant) {
      this.#error('bracket-without-word', span, `${name} is a constant and takes no bracket`, 'remove the bracket');
    } else if (name.startsWith('IPPROTO_')) {
      const guess = this.#guess(name, PROTOCOL_CONSTANTS.keys());
      this.#error('unknown-protocol', span, `unknown protocol ${shown(name)}`, guess ? `did you mean ${guess}?` : 'names are those of /etc/protocols in capitals; a number works too');
    } else {
      const guess = this.#guess(name.toLowerCase(), WORD_NAMES);
      const hint = guess ? `did you mean ${guess}?` : isRegister(name) && REGISTERS.has(name) ? `the register is written $${name}` : 'rope words lists all words; text goes in double quotes, registers begin with $';
      this.#error('unknown-word', span, `unknown word ${shown(name)}`, hint);
    }
  }

  /** The manual of the original wrote `eq yes`, as if yes were conditional. */
  #lint(previous: Step | undefined, step: Step): void {
    if (step.kind !== 'word' || (step.word !== 'yes' && step.word !== 'no')) return;
    if (previous?.kind !== 'word' && previous?.kind !== 'call') return;
    if (!COMPARISONS.has(previous.word as WordName)) return;
    const span = this.#spans[step.at];
    if (span === undefined) return;
    this.#report({
      severity: 'warning',
      code: 'unconditional-verdict',
      message: `'${step.word}' ends the script whatever '${previous.word}' found`,
      span,
      hint: step.word === 'yes' ? 'write `assert yes`, or `{ yes } if`' : 'write `{ no } if`, or `assert` with the opposite comparison',
    });
  }
}
