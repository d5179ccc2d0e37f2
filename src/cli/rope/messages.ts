/** Diagnostics of rope scripts on standard error, coloured on terminals, or as JSON lines. */
import { type Diagnostic, type Paint, renderDiagnostic } from '../../rope/diagnostics.js';
import type { Script, ScriptFault } from '../../config/rope-script.js';
import { colorsFor } from '../terminal.js';

export function paintFor(stream: NodeJS.WriteStream): Paint {
  const colors = colorsFor(stream);
  return {
    severity: (severity, text) => (severity === 'error' ? colors.red(text) : severity === 'warning' ? colors.yellow(text) : colors.cyan(text)),
    strong: colors.bold,
    dim: colors.dim,
  };
}

export function isFault(script: Script | ScriptFault): script is ScriptFault {
  return 'message' in script;
}

export function complain(program: string, message: string, hint = ''): void {
  process.stderr.write(`${program}: ${message}${hint === '' ? '' : `; ${hint}`}\n`);
}

export function printDiagnostics(diagnostics: readonly Diagnostic[], script: { readonly path: string; readonly source: string }): void {
  const paint = paintFor(process.stderr);
  for (const diagnostic of diagnostics) process.stderr.write(renderDiagnostic(diagnostic, script.source, script.path, paint));
}

/** One JSON object for a diagnostic. */
export function diagnosticRecord(d: Diagnostic, path: string): object {
  return {
    file: path, line: d.span.line, column: d.span.column, end_column: d.span.column + (d.span.end - d.span.start),
    severity: d.severity, code: d.code, message: d.message, hint: d.hint,
  };
}
