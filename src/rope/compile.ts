/**
 * From source text to a checked program: the door to the compiler.
 *
 * Pure: options carry what comes from the system. Diagnostics of all passes come
 * together; a program with errors among them must not be run.
 */
import type { Argument } from './argument.js';
import type { Program } from './code.js';
import { type Diagnostic, DiagnosticList, hasErrors, tidy } from './diagnostics.js';
import type { Ir, Limits } from './ir.js';
import type { ArgumentType } from './lower/lowering.js';
import { lower } from './lower/lower.js';
import { type ParseOptions, parse } from './parse.js';

export interface CompileOptions extends ParseOptions {
  readonly limits?: Limits;
  /** As `LowerOptions.args`. */
  readonly args?: readonly Argument[];
}

export interface Compiled {
  /** Runs on the interpreter whenever `isValid`. */
  readonly program: Program;
  readonly diagnostics: readonly Diagnostic[];
  /** No errors. */
  readonly isValid: boolean;
  /** Also for the compiling back ends. */
  readonly isStatic: boolean;
  readonly ir: Ir | null;
  readonly signature: readonly ArgumentType[];
}

export function compile(source: string, options: CompileOptions = {}): Compiled {
  const found = new DiagnosticList();
  const program = parse(
    source,
    (diagnostic) => {
      found.add(diagnostic);
    },
    options,
  );
  return check(program, found.all, options);
}

/** Checks a program that was parsed before, or read from a container. */
export function compileProgram(program: Program, options: CompileOptions = {}): Compiled {
  return check(program, [], options);
}

function check(program: Program, parseDiagnostics: readonly Diagnostic[], options: CompileOptions): Compiled {
  const lowered = lower(program, { ...options, isIncomplete: hasErrors(parseDiagnostics) });
  const diagnostics = tidy([...parseDiagnostics, ...lowered.diagnostics]);
  const isValid = !hasErrors(diagnostics);
  return {
    program,
    diagnostics,
    isValid,
    isStatic: isValid && lowered.isStatic,
    ir: isValid ? lowered.ir : null,
    signature: lowered.signature,
  };
}
