/**
 * `ropec`: checks scripts and writes containers, or prints a compiled form.
 */
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Argument } from '../../rope/argument.js';
import { compileJavaScript } from '../../rope/backends/javascript.js';
import type { Compiled } from '../../rope/compile.js';
import { encodeContainer } from '../../rope/container.js';
import { irText } from '../../rope/ir-text.js';
import { RunContext } from '../../rope/run-context.js';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from '../exit-codes.js';
import { kernelObstacles, kernelText } from './back-ends.js';
import { complain, diagnosticRecord, isFault, printDiagnostics } from './messages.js';
import { type Push, limitsNamed, resolvePushes } from './options.js';
import { SCRIPTS_DIRECTORY, type Script, readScript } from '../../config/rope-script.js';

export interface RopecOptions {
  readonly output?: string;
  readonly install?: boolean;
  readonly check?: boolean;
  readonly emit?: 'ir' | 'js' | 'ebpf' | 'disasm';
  readonly json?: boolean;
  readonly limits: string;
}

const PROGRAM = 'ropec';

export async function ropec(paths: readonly string[], options: RopecOptions, pushes: readonly Push[]): Promise<number> {
  if (options.output !== undefined && (paths.length > 1 || options.install === true)) {
    complain(PROGRAM, '-o names the output of one script', 'leave it out, or compile one script at a time without -i');
    return EXIT_USAGE;
  }
  const args = await resolvePushes(pushes);
  if (typeof args === 'string') {
    complain(PROGRAM, args);
    return EXIT_USAGE;
  }
  let status = EXIT_OK;
  for (const path of paths) status = Math.max(status, compileOne(path, options, args));
  return status;
}

function compileOne(path: string, options: RopecOptions, args: readonly Argument[]): number {
  if (!path.endsWith('.rope')) {
    complain(PROGRAM, `${path}: not a source file`, 'the name of a source ends in .rope');
    return EXIT_USAGE;
  }
  const script = readScript(path);
  if (isFault(script)) {
    complain(PROGRAM, script.message, script.hint);
    return EXIT_USAGE;
  }
  const limits = limitsNamed(options.limits);
  const compiled = script.compile(args.length > 0 ? { args, limits } : { limits });
  if (options.json === true) {
    for (const diagnostic of compiled.diagnostics) process.stdout.write(`${JSON.stringify(diagnosticRecord(diagnostic, path))}\n`);
  } else printDiagnostics(compiled.diagnostics, script);
  if (!compiled.isValid) return EXIT_FAILED;
  if (options.check === true) {
    if (options.json !== true) reportCheck(script, compiled);
    return EXIT_OK;
  }
  if (options.emit !== undefined) return emit(script, compiled, options.emit);
  return write(script, compiled, options);
}

/** Where the script can run, and what it takes. */
function reportCheck(script: Script, compiled: Compiled): void {
  const types = { int: 'integer', str: 'string', any: 'value' };
  const takes = compiled.signature.length === 0 ? '' : `, takes ${compiled.signature.map((type) => types[type]).join(', ')}`;
  let runs = 'runs on the interpreter only';
  if (compiled.isStatic) {
    // Arguments are constants of the compiled program: any value tells whether it fits the kernel.
    const standIns = compiled.signature.map((type): Argument => (type === 'str' ? { type, bytes: new Uint8Array(4) } : { type: 'int', value: 1 }));
    const { ir } = compiled.ir === null ? script.compile({ args: standIns }) : compiled;
    const obstacles = ir === null ? [] : kernelObstacles(ir);
    runs = obstacles.length === 0 ? 'runs everywhere: interpreter, JavaScript, kernel' : 'runs on interpreter and JavaScript';
    if (obstacles.length > 0) printDiagnostics(obstacles, script);
  }
  process.stdout.write(`${script.path}: ${runs}${takes}\n`);
}

function emit(script: Script, compiled: Compiled, form: 'ir' | 'js' | 'ebpf' | 'disasm'): number {
  const { ir } = compiled;
  if (ir === null) {
    const why = compiled.isStatic
      ? `it takes ${compiled.signature.length} arguments, which become constants: give them with --push-int, --push-str, --push-ip`
      : 'its depth or types are known only at run time';
    complain(PROGRAM, `${script.path}: no compiled form: ${why}`);
    return EXIT_USAGE;
  }
  if (form === 'ir') process.stdout.write(irText(ir));
  else if (form === 'js') process.stdout.write(`${compileJavaScript(ir, new RunContext()).text}\n`);
  else {
    const text = kernelText(ir, form);
    if (typeof text !== 'string') {
      printDiagnostics(text, script);
      return EXIT_FAILED;
    }
    process.stdout.write(text);
  }
  return EXIT_OK;
}

function write(script: Script, compiled: Compiled, options: RopecOptions): number {
  const bytes = encodeContainer(script.name, script.source, compiled.program, compiled.signature);
  if (options.output === '-') {
    process.stdout.write(bytes);
    return EXIT_OK;
  }
  const name = `${basename(script.path, '.rope')}.rp`;
  const target = options.install === true ? join(SCRIPTS_DIRECTORY, name) : (options.output ?? name);
  try {
    if (options.install === true) mkdirSync(SCRIPTS_DIRECTORY, { recursive: true, mode: 0o755 });
    writeWhole(target, bytes);
  } catch (error) {
    complain(PROGRAM, `${target}: ${(error as Error).message}`, options.install === true ? 'installing needs root' : '');
    return EXIT_USAGE;
  }
  return EXIT_OK;
}

/** Writes beside the target and renames, so that no reader sees half a file. Devices and pipes are written to, never replaced. */
function writeWhole(target: string, bytes: Uint8Array): void {
  const stat = lstatSync(target, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isFile()) {
    writeFileSync(target, bytes);
    return;
  }
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}`);
  try {
    writeFileSync(temporary, bytes);
    chmodSync(temporary, 0o644);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
