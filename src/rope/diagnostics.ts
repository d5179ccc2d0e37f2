/**
 * What the compiler has to say about a script, as data, and its text form.
 *
 * Diagnostics are collected, never thrown; who prints them decides about
 * colours. It deliberately does not sort or filter by severity beyond `tidy`.
 */
import type { Span } from './ir.js';

/**
 * - `error`: the script is refused.
 * - `warning`: it runs, but hardly does what its author wanted.
 * - `note`: it runs, but not everywhere (`interpreter-only`).
 */
export type Severity = 'error' | 'warning' | 'note';

export type DiagnosticCode =
  // lex and parse
  | 'too-large' | 'bad-character' | 'unterminated-string' | 'bad-escape' | 'bad-number' | 'bad-bytes' | 'too-deep'
  | 'unbalanced' | 'bracket-without-word' | 'unknown-word' | 'unknown-register' | 'unknown-protocol'
  // check
  | 'underflow' | 'wrong-type' | 'mixed-types' | 'too-many-values' | 'empty-bracket' | 'read-only' | 'out-of-range' | 'stack-full'
  | 'bad-length'
  // lint
  | 'unreachable' | 'unbounded-loop' | 'unconditional-verdict' | 'never-written' | 'division-by-zero' | 'constant-condition'
  // limits of compilation
  | 'interpreter-only' | 'not-for-kernel';

export interface Diagnostic {
  readonly severity: Severity;
  readonly code: DiagnosticCode;
  /** One sentence without a full stop; names the word or text concerned. */
  readonly message: string;
  readonly span: Span;
  /** What to do about it; empty when there is nothing to say. */
  readonly hint: string;
}

/** More would only scroll the first ones away. */
export const MAX_DIAGNOSTICS = 100;
/** Each pass stops collecting here, errors and others apart: a file that is no script has a fault in every word. */
const MAX_COLLECTED = 1000;

const WIDTH = 110;

/** Collects within bounds, so that no flood of warnings hides an error. */
export class DiagnosticList {
  readonly all: Diagnostic[] = [];
  #errors = 0;
  #others = 0;

  add(diagnostic: Diagnostic): void {
    const count = diagnostic.severity === 'error' ? ++this.#errors : ++this.#others;
    if (count <= MAX_COLLECTED) this.all.push(diagnostic);
  }
}

/** In order of place, without repetitions (blocks are checked each time they run), bounded: errors are kept before others. */
export function tidy(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  const out: Diagnostic[] = [];
  for (const d of diagnostics) {
    const key = `${d.severity} ${d.code} ${d.span.start} ${d.message}`;
    if (!seen.has(key)) out.push(d);
    seen.add(key);
  }
  const byPlace = (a: Diagnostic, b: Diagnostic): number => a.span.start - b.span.start || rank(a) - rank(b);
  if (out.length <= MAX_DIAGNOSTICS) return out.sort(byPlace);
  const errors = out.filter((d) => d.severity === 'error').sort(byPlace);
  const others = out.filter((d) => d.severity !== 'error').sort(byPlace);
  return [...errors, ...others].slice(0, MAX_DIAGNOSTICS).sort(byPlace);
}

function rank(d: Diagnostic): number {
  return d.severity === 'error' ? 0 : d.severity === 'warning' ? 1 : 2;
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((d) => d.severity === 'error');
}

/** How to colour parts of the text form; identity functions for plain text. */
export interface Paint {
  readonly severity: (severity: Severity, text: string) => string;
  readonly strong: (text: string) => string;
  readonly dim: (text: string) => string;
}

export const PLAIN: Paint = { severity: (_, text) => text, strong: (text) => text, dim: (text) => text };

/**
 * The text form: place, message, the source line with the span underlined, remedy.
 * Long lines are shown as a window around the span. Ends with a newline.
 */
export function renderDiagnostic(d: Diagnostic, source: string, fileName: string, paint: Paint = PLAIN): string {
  const { line, column, start, end } = d.span;
  const head =
    `${paint.strong(`${fileName}:${line}:${column}:`)} ` +
    `${paint.severity(d.severity, `${d.severity}[${d.code}]`)}: ${paint.strong(d.message)}\n`;
  const lineAt = start - (column - 1);
  let lineEnd = source.indexOf('\n', lineAt);
  if (lineEnd < 0) lineEnd = source.length;
  const from = Math.max(lineAt, start - 60);
  const to = Math.min(lineEnd, from + WIDTH);
  const before = from > lineAt ? '...' : '';
  const after = to < lineEnd ? '...' : '';
  const text = before + printable(source.slice(from, to)) + after;
  const indent = before.length + (start - from);
  const width = Math.max(1, Math.min(end, to) - start);
  const number = String(line);
  const gutter = ' '.repeat(number.length);
  let out = head;
  if (source !== '') {
    out += `${paint.dim(` ${number} |`)} ${text}\n`;
    out += `${paint.dim(` ${gutter} |`)} ${' '.repeat(indent)}${paint.severity(d.severity, '^'.repeat(width))}\n`;
  }
  if (d.hint !== '') out += `${paint.dim(` ${gutter} =`)} help: ${d.hint}\n`;
  return out;
}

/** One column for each code unit, nothing that moves a terminal's cursor or colours it. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing control characters is the purpose
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}
