/**
 * The JavaScript back end: the slot form as one function with local variables.
 *
 * No closure and no object is made for a packet, unless the program prints. The
 * text contains only identifiers and numbers made here: literals, byte sets and
 * error tags are handed over as values. Names: see `javascript-terms.ts`.
 */
import { assertNever } from '../../base/assert.js';
import { OKAY, YES, type ErrorTag, type Ir, type Op, type Str, type Test, type Verdict } from '../ir.js';
import { isInSet } from '../classes.js';
import type { RunContext } from '../run-context.js';
import {
  arithTerm, fieldTerm, hasOwnBytes, intTerm, number, strFieldTerms, strTerm, testTerm, triple, zonedTerm,
} from './javascript-terms.js';
import { writeRead, type Body } from './javascript-reads.js';
import * as runtime from './javascript-runtime.js';

/** A compiled program bound to its context: runs on `context.packet`. */
export interface JavaScriptProgram {
  readonly run: () => Verdict;
  /** The generated text, for `--emit=js`. */
  readonly text: string;
}

/** Compiles; the context is that of all later runs. */
export function compileJavaScript(ir: Ir, context: RunContext): JavaScriptProgram {
  const writer = new Writer(ir);
  const text = writer.program();
  const tables = ir.sets.map((set) => Uint8Array.from({ length: 256 }, (_, byte) => (isInSet(set, byte) ? 1 : 0)));
  const arena = new Uint8Array(ir.limits.arenaBytes);
  // The text is made of the writer's own identifiers and of numbers; nothing of a script's source gets into it.
  const factory = new Function('O', 'L', 'S', 'G', 'A', 'C', text) as (...args: unknown[]) => () => Verdict;
  return { run: factory(runtime, ir.literals, tables, writer.tags, arena, context), text };
}

class Writer implements Body {
  /** Error tags by the numbers that the text uses. */
  readonly tags: ErrorTag[] = [];
  readonly ir: Ir;
  readonly #lines: string[] = [];
  /** Innermost scope last: the statements that end it with a verdict. */
  readonly #scopes: ((verdict: number) => string)[] = [];
  #indent = 1;
  #temporaries = 0;
  #labels = 0;
  #at = 0;

  constructor(ir: Ir) {
    this.ir = ir;
  }

  program(): string {
    const ir = this.ir;
    const head = ["'use strict';"];
    for (const index of ir.literals.keys()) head.push(`const l${index} = L[${index}];`);
    for (const index of ir.sets.keys()) head.push(`const s${index} = S[${index}];`);
    head.push('const P = C.packet, g = C.globals;');
    head.push('function F(verdict, tag, at) { C.tag = G[tag]; C.at = at; return verdict; }');
    head.push('return function run() {');
    head.push('  C.tag = null; C.at = -1; C.message = null;');
    head.push('  const p = P.bytes, B = P.start, N = P.packetLength, T = B + P.transportAt;');
    head.push('  let u = 0, q = 0, i0 = P.dataAt;');
    for (let i = 1; i < ir.intSlots.length; i++) head.push(`  let i${i} = 0;`);
    for (const index of ir.strSlots.keys()) head.push(`  let a${index} = 0, n${index} = 0${hasOwnBytes(ir, index) ? `, b${index} = A` : ''};`);
    this.ops(ir.ops);
    return [...head, ...this.#lines, '  return 1;', '};'].join('\n');
  }

  line(text: string): void {
    this.#lines.push('  '.repeat(this.#indent) + text);
  }

  temporary(): string {
    return `t${this.#temporaries++}`;
  }

  block(opening: string, body: () => void): void {
    this.line(opening);
    this.#indent++;
    body();
    this.#indent--;
    this.line('}');
  }

  ops(ops: readonly Op[]): void {
    for (const op of ops) {
      this.#at = op.at;
      this.#op(op);
    }
  }

  /** Statements that end the innermost scope or the program. */
  end(verdict: number, tag: ErrorTag | null): string {
    const scope = this.#scopes.at(-1);
    if (scope !== undefined) return scope(verdict);
    return tag === null ? `return ${verdict};` : this.#leave(verdict, tag);
  }

  #leave(verdict: number, tag: ErrorTag): string {
    let index = this.tags.indexOf(tag);
    if (index < 0) index = this.tags.push(tag) - 1;
    return `return F(${verdict}, ${index}, ${this.#at});`;
  }

  #str(str: Str): string {
    return triple(strTerm(this.ir, str));
  }

  test(test: Test): string {
    return testTerm(this.ir, test);
  }

  /** Reserves `length` (an expression without side effects) bytes of the arena for string slot `dst`, and says where they begin. */
  #reserve(dst: number, length: string): string {
    const size = this.temporary();
    const at = this.temporary();
    this.line(`const ${size} = ${length}, ${at} = u;`);
    this.line(`u += ${size};`);
    if (this.ir.checksArena) this.line(`if (u > ${this.ir.limits.arenaBytes}) { ${this.end(0, 'EArenaFull')} }`);
    this.#pending = { dst, at, size };
    return at;
  }

  #pending = { dst: 0, at: '', size: '' };

  /** The reserved bytes are the new value of their slot: after its operands were read. */
  #assignReserved(): void {
    const { dst, at, size } = this.#pending;
    const bytes = hasOwnBytes(this.ir, dst) ? ` b${dst} = A;` : '';
    this.line(`a${dst} = ${at}; n${dst} = ${size};${bytes}`);
  }

  /** Assigns a slice of the packet to a slot; `at` counts in p. */
  assignPacket(dst: number | null, at: string, length: string): void {
    if (dst === null) return;
    const bytes = hasOwnBytes(this.ir, dst) ? ` b${dst} = p;` : '';
    this.line(`a${dst} = ${at}; n${dst} = ${length};${bytes}`);
  }

  #op(op: Op): void {
    switch (op.op) {
      case 'int':
        this.line(`i${op.dst} = ${intTerm(op.value)};`);
        break;
      case 'arith':
        this.line(`i${op.dst} = ${arithTerm(op)};`);
        break;
      case 'abs':
        this.line(`i${op.dst} = Math.abs(${intTerm(op.a)}) | 0;`);
        break;
      case 'test':
        this.line(`i${op.dst} = ${this.test(op.test)} ? 1 : 0;`);
        break;
      case 'field':
        this.line(`i${op.dst} = ${fieldTerm(op.field)};`);
        break;
      case 'length':
        this.line(`i${op.dst} = ${strTerm(this.ir, op.of).length};`);
        break;
      case 'decode': {
        const of = strTerm(this.ir, op.of);
        this.line(`i${op.dst} = O.${op.form}(${of.bytes}, ${of.at});`);
        break;
      }
      case 'atoi':
        this.line(`i${op.dst} = O.parseDecimal(${this.#str(op.of)});`);
        break;
      case 'digits':
        this.line(`i${op.dst} = O.hasDigits(${this.#str(op.of)}) ? 1 : 0;`);
        break;
      case 'timePart':
        this.line(`i${op.dst} = O.${op.part}(${zonedTerm(op.zone, op.of)});`);
        break;
      case 'getGlobal':
        this.line(`i${op.dst} = g[${intTerm(op.index)}];`);
        break;
      case 'setGlobal':
        this.line(`g[${intTerm(op.index)}] = ${intTerm(op.value)};`);
        break;
      case 'addGlobal':
        this.line(`g[${intTerm(op.index)}] += ${number(op.delta)};`);
        break;
      case 'str': {
        const from = strTerm(this.ir, op.value);
        const bytes = hasOwnBytes(this.ir, op.dst) ? `b${op.dst} = ${from.bytes}; ` : '';
        this.line(`${bytes}a${op.dst} = ${from.at}; n${op.dst} = ${from.length};`);
        break;
      }
      case 'strField': {
        const [at, length] = strFieldTerms(op.field);
        this.assignPacket(op.dst, at, length);
        break;
      }
      case 'slice':
        this.#slice(op);
        break;
      case 'bitwise': {
        const [a, b] = [strTerm(this.ir, op.a), strTerm(this.ir, op.b)];
        const at = this.#reserve(op.dst, a.length);
        this.line(`O.bitwise_${op.fn}(A, ${at}, ${a.bytes}, ${a.at}, ${a.length}, ${b.bytes}, ${b.at});`);
        this.#assignReserved();
        break;
      }
      case 'concat': {
        const parts = op.parts.map((part) => strTerm(this.ir, part));
        let at = this.#reserve(op.dst, parts.map((part) => part.length).join(' + ') || '0');
        for (const part of parts) {
          this.line(`O.copyTo(A, ${at}, ${triple(part)});`);
          at += ` + ${part.length}`;
        }
        this.#assignReserved();
        break;
      }
      case 'mapCase': {
        const of = strTerm(this.ir, op.of);
        const at = this.#reserve(op.dst, of.length);
        this.line(`O.${op.to}(A, ${at}, ${triple(of)});`);
        this.#assignReserved();
        break;
      }
      case 'chr': {
        const at = this.#reserve(op.dst, '1');
        this.line(`A[${at}] = ${intTerm(op.of)};`);
        this.#assignReserved();
        break;
      }
      case 'format': {
        const at = this.#reserve(op.dst, `O.${op.form}Length(${this.#str(op.of)})`);
        this.line(`O.${op.form}(A, ${at}, ${this.#str(op.of)});`);
        this.#assignReserved();
        break;
      }
      case 'time': {
        const at = this.#reserve(op.dst, '14');
        this.line(`O.writeTime(A, ${at}, ${zonedTerm(op.zone, op.of)});`);
        this.#assignReserved();
        break;
      }
      case 'take':
      case 'takeWhile':
      case 'scan':
      case 'search':
      case 'expectStr':
        writeRead(this, op);
        break;
      case 'if':
        this.#if(op);
        break;
      case 'loop':
        this.line(`i${op.counter} = 0;`);
        this.block('for (;;) {', () => {
          this.ops(op.head);
          this.line(`if (!(${this.test(op.test)})) break;`);
          this.#at = op.at;
          this.line(`if (i${op.counter} >= ${intTerm(op.limit)}) { ${this.#leave(4, 'EMaxLoops')} }`);
          this.line(`i${op.counter}++;`);
          this.ops(op.body);
        });
        break;
      case 'repeat':
        this.block(`for (i${op.counter} = 0; i${op.counter} < ${intTerm(op.count)}; i${op.counter}++) {`, () => this.ops(op.body));
        break;
      case 'scope': {
        const label = `E${this.#labels++}`;
        this.block(`${label}: {`, () => {
          this.#scopes.push((verdict) => `i${op.result} = ${verdict}; break ${label};`);
          this.ops(op.body);
          this.#scopes.pop();
          this.line(`i${op.result} = 1;`);
        });
        break;
      }
      case 'attempt':
        this.#attempt(op);
        break;
      case 'end':
        this.line(this.end(op.verdict, op.tag));
        break;
      case 'hotdrop':
        if (op.message !== null) this.line(`C.message = O.copyOf(${this.#str(op.message)});`);
        this.line('return 4;');
        break;
      case 'charge':
        this.line(`if ((q += ${op.count}) > ${intTerm(op.limit)}) { ${this.#leave(4, 'EMaxActions')} }`);
        break;
      case 'print': {
        const parts = op.parts.map((part) => (part.type === 'int' ? `O.intText(${intTerm(part.value)})` : `O.copyOf(${this.#str(part.value)})`));
        this.line(`C.output(O.printed([${parts.join(', ')}], ${op.newline}));`);
        break;
      }
      case 'hexdump':
        this.line(`C.output(O.hexdumped(${this.#str(op.of)}));`);
        break;
      default:
        assertNever(op);
    }
  }

  #if(op: Op & { readonly op: 'if' }): void {
    this.block(`if (${this.test(op.test)}) {`, () => this.ops(op.whenTrue));
    if (op.whenFalse.length > 0) this.block('else {', () => this.ops(op.whenFalse));
  }

  #attempt(op: Op & { readonly op: 'attempt' }): void {
    const number = this.#labels++;
    const [done, missed, matched] = [`D${number}`, `N${number}`, `Y${number}`];
    this.block(`${done}: {`, () => {
      this.block(`${missed}: {`, () => {
        this.block(`${matched}: {`, () => {
          this.#scopes.push((verdict) => `break ${verdict === OKAY || verdict === YES ? matched : missed};`);
          this.ops(op.body);
          this.#scopes.pop();
        });
        this.ops(op.whenMatched);
        this.line(`break ${done};`);
      });
      this.ops(op.otherwise);
    });
  }

  #slice(op: Op & { readonly op: 'slice' }): void {
    const of = strTerm(this.ir, op.of);
    const [from, left] = [this.temporary(), this.temporary()];
    this.line(`const ${from} = O.clamp(${intTerm(op.start)}, ${of.length}), ${left} = O.clamp(${intTerm(op.length)}, ${of.length} - ${from});`);
    const bytes = hasOwnBytes(this.ir, op.dst) ? `b${op.dst} = ${of.bytes}; ` : '';
    this.line(`${bytes}a${op.dst} = ${of.at} + ${from}; n${op.dst} = ${left};`);
  }
}
