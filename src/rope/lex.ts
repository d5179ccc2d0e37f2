/**
 * Source text to tokens.
 *
 * Blanks and commas separate; `#` begins a comment. Literals are decoded here,
 * so that a token is either punctuation, a literal or a name. Nothing throws:
 * a malformed literal is a diagnostic and a token with a harmless value, so that
 * later faults are found in the same pass.
 *
 * Specification: docs/rope.md, "Lexical rules".
 */
import type { Diagnostic, DiagnosticCode } from './diagnostics.js';
import { MAX_LITERAL_BYTES, MAX_SOURCE_CHARS } from './code.js';
import type { Span } from './ir.js';

export type Token =
  | { readonly kind: '{' | '}' | '(' | ')'; readonly span: Span }
  | { readonly kind: 'int'; readonly value: number; readonly span: Span }
  | { readonly kind: 'str'; readonly bytes: Uint8Array; readonly span: Span }
  /** `name` without `$`. */
  | { readonly kind: 'reg'; readonly name: string; readonly span: Span }
  | { readonly kind: 'name'; readonly name: string; readonly span: Span };

/** Longest byte literal in dotted or colon form. */
const MAX_DOTTED_BYTES = 255;

export function lex(source: string, report: (diagnostic: Diagnostic) => void): Token[] {
  const lexer = new Lexer(source, report);
  if (source.length > MAX_SOURCE_CHARS) {
    lexer.report('too-large', 0, 1, `the script has ${source.length} characters, more than ${MAX_SOURCE_CHARS}`, 'split it into several scripts');
    return [];
  }
  return lexer.run();
}

class Lexer {
  readonly #source: string;
  readonly #report: (diagnostic: Diagnostic) => void;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  #lineAt = 0;

  constructor(source: string, report: (diagnostic: Diagnostic) => void) {
    this.#source = source;
    this.#report = report;
  }

  report(code: DiagnosticCode, start: number, end: number, message: string, hint: string): void {
    this.#report({ severity: 'error', code, message, span: this.#span(start, end), hint });
  }

  run(): Token[] {
    const source = this.#source;
    // Not line feeds: those are counted one by one.
    const blank = /(?:[^\S\n]|,)+/y;
    const run = /[^\s,#"{}()]+/y;
    while (this.#at < source.length) {
      const start = this.#at;
      const c = source[start] ?? '';
      if (c === '\n') this.#newLine();
      else if (c === '#') this.#skipComment();
      else if (c === '"') this.#lexString();
      else if (c === '{' || c === '}' || c === '(' || c === ')') {
        this.#at++;
        this.#tokens.push({ kind: c, span: this.#span(start, start + 1) });
      } else if (/[\s,]/.test(c)) {
        blank.lastIndex = start;
        blank.test(source);
        this.#at = blank.lastIndex;
      } else {
        run.lastIndex = start;
        run.test(source);
        this.#at = run.lastIndex;
        this.#lexWord(source.slice(start, this.#at), this.#span(start, this.#at));
      }
    }
    return this.#tokens;
  }

  #newLine(): void {
    this.#at++;
    this.#line++;
    this.#lineAt = this.#at;
  }

  #skipComment(): void {
    const end = this.#source.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#source.length : end;
  }

  #span(start: number, end: number): Span {
    return { start, end, line: this.#line, column: start - this.#lineAt + 1 };
  }

  #lexWord(text: string, span: Span): void {
    const fault = (code: DiagnosticCode, message: string, hint: string): void =>
      this.#report({ severity: 'error', code, message, span, hint });
    if (/^-?([0-9]+|0[xX][0-9a-fA-F]+)$/.test(text)) {
      const value = readInteger(text);
      if (value === null) {
        fault('bad-number', `${shown(text)} does not fit in 32 bits`, 'integers go from -2147483648 to 2147483647 (hexadecimal up to 0xFFFFFFFF, which is -1)');
      }
      this.#tokens.push({ kind: 'int', value: value ?? 0, span });
    } else if (/^[0-9]+(\.[0-9]+)+$/.test(text) || /^[0-9a-fA-F]+(:[0-9a-fA-F]+)+$/.test(text)) {
      const bytes = readBytes(text);
      if (typeof bytes === 'string') fault('bad-bytes', `${shown(text)} is not a byte string: ${bytes}`, 'write 192.168.0.10 (decimal bytes 0-255) or 00:0F:1F (pairs of hexadecimal digits)');
      this.#tokens.push({ kind: 'str', bytes: typeof bytes === 'string' ? new Uint8Array(4) : bytes, span });
    } else if (/^\$[A-Za-z0-9_]+$/.test(text)) {
      this.#tokens.push({ kind: 'reg', name: text.slice(1), span });
    } else if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(text)) {
      this.#tokens.push({ kind: 'name', name: text, span });
    } else {
      const hint = text.startsWith('--') ? 'a comment begins with #' : /^[0-9]/.test(text) ? 'numbers are decimal (20, -5) or hexadecimal (0x1F)' : 'words have lower-case letters, digits and _; text goes in double quotes';
      fault('bad-character', `cannot read ${shown(text)}`, hint);
    }
  }

  #lexString(): void {
    const source = this.#source;
    const start = this.#at;
    const bytes: number[] = [];
    let at = start + 1;
    for (;;) {
      const c = source[at];
      if (c === undefined || c === '\n') {
        this.report('unterminated-string', start, at, 'the string has no closing quote on its line', 'end it with "; a line feed inside is written \\n');
        break;
      }
      if (c === '"') {
        at++;
        break;
      }
      if (c === '\\') at = this.#lexEscape(at, bytes);
      else {
        const code = source.codePointAt(at) ?? 0;
        pushUtf8(bytes, code);
        at += code > 0xffff ? 2 : 1;
      }
    }
    this.#at = at;
    const span = this.#span(start, at);
    if (bytes.length > MAX_LITERAL_BYTES) {
      this.report('too-large', start, at, `the string has ${bytes.length} bytes, more than a packet can hold (${MAX_LITERAL_BYTES})`, 'no packet can contain it');
      bytes.length = 0;
    }
    this.#tokens.push({ kind: 'str', bytes: Uint8Array.from(bytes), span });
  }

  /** Reads the escape at `at` (its backslash), returns the position behind it. */
  #lexEscape(at: number, bytes: number[]): number {
    const source = this.#source;
    const next = source[at + 1] ?? '';
    const simple = { n: 10, r: 13, t: 9, '"': 34, '\\': 92 }[next];
    if (simple !== undefined) {
      bytes.push(simple);
      return at + 2;
    }
    const hex = /^0[xX]([0-9a-fA-F]{2})/.exec(source.slice(at + 1, at + 5));
    if (hex) {
      bytes.push(Number.parseInt(hex[1] ?? '0', 16));
      return at + 5;
    }
    const decimal = /^[0-9]{1,3}/.exec(source.slice(at + 1, at + 4));
    if (decimal && !/^0[xX]/.test(source.slice(at + 1, at + 3))) {
      if (Number(decimal[0]) > 255) this.report('bad-escape', at, at + 1 + decimal[0].length, `\\${decimal[0]} is not a byte`, 'decimal bytes go from \\0 to \\255');
      else bytes.push(Number(decimal[0]));
      return at + 1 + decimal[0].length;
    }
    this.report('bad-escape', at, at + 2, `unknown escape ${shown(source.slice(at, at + 2))}`, 'known are \\n \\r \\t \\" \\\\, decimal bytes \\13 and hexadecimal bytes \\0x1F');
    return next === '' || next === '\n' ? at + 1 : at + 2;
  }
}

/** Text for a message: shortened, quoted, without control characters. */
export function shown(text: string): string {
  const short = text.length > 40 ? `${text.slice(0, 37)}...` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: replacing control characters is the purpose
  return `'${short.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}'`;
}

/** Signed 32-bit value of a literal, or null when it does not fit. */
function readInteger(text: string): number | null {
  if (text.length > 40) return null;
  const isNegative = text.startsWith('-');
  const digits = isNegative ? text.slice(1) : text;
  const magnitude = Number(digits);
  const isHex = /^0[xX]/.test(digits);
  const value = isNegative ? -magnitude : magnitude;
  if (value < -0x8000_0000 || value > (isHex ? 0xffff_ffff : 0x7fff_ffff)) return null;
  return value | 0;
}

/** Bytes of dotted or colon form, or what is wrong with it. */
function readBytes(text: string): Uint8Array | string {
  const isHex = text.includes(':');
  const parts = text.split(isHex ? ':' : '.');
  if (parts.length > MAX_DOTTED_BYTES) return `it has ${parts.length} bytes, at most ${MAX_DOTTED_BYTES} are allowed`;
  const out = new Uint8Array(parts.length);
  for (const [i, part] of parts.entries()) {
    if (isHex && part.length !== 2) return `${shown(part)} is not two hexadecimal digits`;
    const value = Number.parseInt(part, isHex ? 16 : 10);
    if (part.length > 3 || value > 255) return `${shown(part)} is more than 255`;
    out[i] = value;
  }
  return out;
}

function pushUtf8(bytes: number[], code: number): void {
  if (code < 0x80) bytes.push(code);
  else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
  else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
}
