/**
 * `rope run`: a script on packets; one verdict for each, and a count.
 */
import type { Argument } from '../../rope/argument.js';
import type { Runner } from '../../rope/backends/back-end.js';
import { dumpText } from '../../rope/backends/interpreter-output.js';
import { makeInterpreter } from '../../rope/backends/interpreter.js';
import type { Machine, Trace } from '../../rope/backends/machine.js';
import type { Compiled } from '../../rope/compile.js';
import { FAIL, HOTDROP, type Limits, type Span, isMatch } from '../../rope/ir.js';
import { RunContext } from '../../rope/run-context.js';
import { VERDICT_NAMES } from '../../rope/testing/run-case.js';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from '../exit-codes.js';
import { BACK_ENDS } from './back-ends.js';
import { utcOffsetSeconds } from './clock.js';
import { complain, paintFor } from './messages.js';
import { openScript } from './open-script.js';
import type { Push } from './options.js';
import { forEachPacket, type PacketSighting } from './packets.js';
import { Profile } from './profile.js';
import type { Script } from '../../config/rope-script.js';
import { sourceLine, traceLine } from './trace.js';
import { colorsFor } from '../terminal.js';

export interface RunOptions {
  readonly backend: string;
  readonly trace?: boolean;
  readonly dump?: boolean;
  readonly profile?: boolean;
  readonly quiet?: boolean;
  readonly matches?: boolean;
  readonly json?: boolean;
  readonly time?: number;
  readonly limits: string;
}

const PROGRAM = 'rope';

export async function ropeRun(scriptPath: string, packets: readonly string[], options: RunOptions, pushes: readonly Push[]): Promise<number> {
  const opened = await openScript(PROGRAM, scriptPath, pushes, options.limits);
  if (opened === null) return EXIT_USAGE;
  const { script, args, limits, compiled } = opened;
  const run = prepare(script, compiled, args, limits, options);
  if (typeof run === 'string') {
    complain(PROGRAM, run);
    return EXIT_USAGE;
  }
  // The reader of a pipe may go away (head, say): that ends the work, and is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT_OK : EXIT_USAGE));
  return new Session(script, run, options, packets.length > 1).runAll(packets);
}

interface Run {
  readonly context: RunContext;
  readonly runner: Runner;
  /** The interpreter, where it runs. */
  readonly machine: Machine | null;
  readonly profile: Profile | null;
  /** Places of the steps. */
  readonly spans: readonly Span[];
}

/** A string says why the chosen back end cannot do what was asked. */
function prepare(script: Script, compiled: Compiled, args: readonly Argument[], limits: Limits, options: RunOptions): Run | string {
  const context = new RunContext({ utcOffsetSeconds, output: ({ bytes }) => process.stdout.write(bytes) });
  const profile = options.profile === true ? new Profile(script.source) : null;
  if (options.backend === 'interpreter') {
    const paint = paintFor(process.stderr);
    let shownLine = 0;
    const trace: Trace = (step, machine) => {
      const line = machine.program.spans[step.at]?.line ?? 0;
      profile?.count(line);
      if (options.trace !== true) return;
      if (line !== shownLine) process.stderr.write(`${sourceLine(script.source, line, paint)}\n`);
      shownLine = line;
      process.stderr.write(`${traceLine(step, script.source, machine, paint)}\n`);
    };
    const machine = makeInterpreter(compiled.program, context, limits, options.trace === true || profile !== null ? trace : null);
    return { context, runner: { run: () => machine.run(args) }, machine, profile, spans: compiled.program.spans };
  }
  if (options.trace === true || options.dump === true) return `--trace and --dump need --backend interpreter`;
  const backEnd = BACK_ENDS.find(({ name }) => name === options.backend);
  const runner = backEnd?.prepare(compiled, args, context, limits) ?? 'no such back end';
  if (typeof runner === 'string') return `${script.path}: the ${options.backend} back end cannot run it: ${runner}`;
  return { context, runner, machine: null, profile, spans: compiled.program.spans };
}

/** Runs over all packets of all files, prints and counts. */
class Session {
  readonly #script: Script;
  readonly #run: Run;
  readonly #options: RunOptions;
  readonly #namesFiles: boolean;
  readonly #colors = colorsFor(process.stdout);
  #packets = 0;
  #matched = 0;
  #failed = 0;
  #dropped = 0;

  constructor(script: Script, run: Run, options: RunOptions, namesFiles: boolean) {
    this.#script = script;
    this.#run = run;
    this.#options = options;
    this.#namesFiles = namesFiles;
  }

  async runAll(paths: readonly string[]): Promise<number> {
    let hasError = false;
    for (const path of paths) {
      const { error, skipped } = await forEachPacket(path, (sighting) => {
        this.#onPacket(path, sighting);
        return true;
      });
      if (skipped > 0) complain(PROGRAM, `${path}: ${skipped} frames carry no IP packet`);
      if (error !== null) {
        complain(PROGRAM, `${path}: ${error}`);
        hasError = true;
      }
    }
    this.#summary();
    if (hasError) return EXIT_USAGE;
    return this.#matched > 0 ? EXIT_OK : EXIT_FAILED;
  }

  #onPacket(path: string, sighting: PacketSighting): void {
    const { context, runner, machine, profile } = this.#run;
    const nowSeconds = this.#options.time ?? sighting.timeSeconds ?? Math.floor(Date.now() / 1000);
    context.packet.load(sighting.bytes, sighting.start, sighting.end);
    context.packet.packetTime = (this.#options.time ?? sighting.timeSeconds ?? nowSeconds) | 0;
    context.packet.kernelTime = nowSeconds | 0;
    if (this.#options.trace === true) process.stderr.write(`packet ${path}:${sighting.index}\n`);
    profile?.begin();
    const verdict = runner.run();
    profile?.end();
    this.#packets++;
    if (isMatch(verdict)) this.#matched++;
    if (verdict === HOTDROP) this.#dropped++;
    if (verdict === FAIL) this.#failed++;
    if (this.#options.dump === true && machine !== null) process.stdout.write(dumpText(machine));
    if (this.#options.quiet === true || (this.#options.matches === true && !isMatch(verdict) && verdict !== HOTDROP)) return;
    const name = VERDICT_NAMES[verdict] ?? '?';
    const message = context.message === null ? '' : new TextDecoder('latin1').decode(context.message);
    if (this.#options.json === true) {
      const record = { packet: sighting.index, file: path, verdict: name, match: isMatch(verdict), ...(context.tag === null ? {} : { error: context.tag, ...this.#place() }), ...(message === '' ? {} : { message }) };
      process.stdout.write(`${JSON.stringify(record)}\n`);
      return;
    }
    const { green, red, dim } = this.#colors;
    const paint = isMatch(verdict) ? green : verdict === HOTDROP || verdict === FAIL ? red : dim;
    const { line, column } = this.#place();
    const detail = context.tag === null ? (message === '' ? '' : `  ${printable(message)}`) : `  ${context.tag} at ${this.#script.path}:${line}:${column}`;
    process.stdout.write(`${this.#namesFiles ? `${path}:` : ''}${sighting.index}: ${paint(name)}${dim(detail)}\n`);
  }

  #place(): { line: number; column: number } {
    const { context, spans } = this.#run;
    const span = spans[context.at];
    return { line: span?.line ?? 0, column: span?.column ?? 0 };
  }

  #summary(): void {
    const counts = { packets: this.#packets, matched: this.#matched, failed: this.#failed, hotdropped: this.#dropped };
    if (this.#options.json === true) process.stdout.write(`${JSON.stringify({ summary: counts })}\n`);
    else {
      const extra = [this.#failed > 0 ? `${this.#failed} failed` : '', this.#dropped > 0 ? `${this.#dropped} hotdropped` : ''].filter((part) => part !== '').join(', ');
      process.stdout.write(`${this.#matched} of ${this.#packets} ${this.#packets === 1 ? 'packet' : 'packets'} matched${extra === '' ? '' : `, ${extra}`}\n`);
    }
    this.#run.profile?.print((text) => process.stderr.write(text));
  }
}

function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing control characters is the purpose
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '.');
}
