/** A script on its way to run: read, its arguments resolved, compiled for them. What is wrong is said on standard error. */
import { type Script, readScript } from '../../config/rope-script.js';
import type { Argument } from '../../rope/argument.js';
import type { Compiled } from '../../rope/compile.js';
import type { Limits } from '../../rope/ir.js';
import { complain, isFault, printDiagnostics } from './messages.js';
import { type Push, limitsNamed, resolvePushes } from './options.js';

export interface OpenScript {
  readonly script: Script;
  readonly args: readonly Argument[];
  readonly limits: Limits;
  /** Valid, and with all the arguments that it takes. */
  readonly compiled: Compiled;
}

/** `program` is the name for complaints, `limitsName` that of an option's choice. Null: it cannot run, and why has been said. */
export async function openScript(program: string, path: string, pushes: readonly Push[], limitsName: string): Promise<OpenScript | null> {
  const script = readScript(path);
  if (isFault(script)) {
    complain(program, script.message, script.hint);
    return null;
  }
  const args = await resolvePushes(pushes);
  if (typeof args === 'string') {
    complain(program, args);
    return null;
  }
  const limits = limitsNamed(limitsName);
  const compiled = compileForRun(program, script, args, limits);
  return compiled && { script, args, limits, compiled };
}

/** Compiles for a run. Prints what is wrong and returns null when the script cannot run with these arguments. */
function compileForRun(program: string, script: Script, args: readonly Argument[], limits: Limits): Compiled | null {
  const compiled = script.compile(args.length > 0 ? { limits, args } : { limits });
  printDiagnostics(compiled.diagnostics.filter((d) => d.severity === 'error'), script);
  if (!compiled.isValid) return null;
  if (args.length === 0 && compiled.signature.length > 0) {
    const names = { int: 'an integer (--push-int)', str: 'a string (--push-str)', any: 'a value (--push-int, --push-str)' };
    complain(program, `${script.path} takes ${compiled.signature.length} argument${compiled.signature.length === 1 ? '' : 's'}: ${compiled.signature.map((type) => names[type]).join(', ')}`);
    return null;
  }
  return compiled;
}
