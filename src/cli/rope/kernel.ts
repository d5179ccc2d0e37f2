/**
 * Rope scripts in the kernel: `rope load`, `unload`, `list`, `rule`, `greg`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Bpf } from '../../kernel/bpf.js';
import { RopeRejected } from '../../kernel/rope-program.js';
import { isRopeName, RopeStore, USUAL_PLACES, type RopePlaces, type RopeStatus } from '../../kernel/rope-store.js';
import { tableText } from '../../report/table.js';
import { latin1 } from '../../base/bytes.js';
import { compileForKernel } from '../../rope/backends/ebpf.js';
import { allOps } from '../../rope/operation-use.js';
import { GLOBAL_COUNT, type Ir } from '../../rope/ir.js';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from '../exit-codes.js';
import { kernelObstacles } from './back-ends.js';
import { clockNow } from './clock.js';
import { complain, printDiagnostics } from './messages.js';
import { openScript } from './open-script.js';
import type { Push } from './options.js';
import type { Script } from '../../config/rope-script.js';
import { failureOf } from '../wall/wall-failure.js';

const PROGRAM = 'rope';

export interface PlaceOptions {
  readonly bpffs?: string;
  readonly run?: string;
}

export interface LoadOptions extends PlaceOptions {
  readonly name: string;
  readonly limits: string;
  readonly verbose?: boolean;
}

function placesOf({ bpffs, run }: PlaceOptions): RopePlaces {
  return { bpffs: bpffs ?? USUAL_PLACES.bpffs, run: run ?? USUAL_PLACES.run };
}

/** Runs the work; failures of the system become one line and an exit status. */
function attempt(work: () => number): number {
  try {
    return work();
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    complain(PROGRAM, failure.message, failure.hint);
    return failure.status;
  }
}

export async function ropeLoad(path: string, options: LoadOptions, pushes: readonly Push[]): Promise<number> {
  if (!isRopeName(options.name)) {
    complain(PROGRAM, `'${options.name}' cannot be a name`, 'a letter first, then up to 19 letters, digits, - or _');
    return EXIT_USAGE;
  }
  const opened = await openScript(PROGRAM, path, pushes, options.limits);
  if (opened === null) return EXIT_USAGE;
  const { script, compiled } = opened;
  if (compiled.ir === null) {
    complain(PROGRAM, `${path} runs on the interpreter only`, 'ropec --check says why; rope load --via queue runs it all the same');
    return EXIT_USAGE;
  }
  const { ir } = compiled;
  const [match, inverted] = [compileForKernel(ir, 'match'), compileForKernel(ir, 'inverted')];
  if (!match.ok || !inverted.ok) {
    printDiagnostics(kernelObstacles(ir).map((note) => ({ ...note, severity: 'error' as const })), script);
    return EXIT_USAGE;
  }
  return attempt(() => {
    const store = new RopeStore(new Bpf(), placesOf(options));
    if (store.mount()) process.stderr.write(`rope: mounted the bpf file system at ${placesOf(options).bpffs}\n`);
    const isReplaced = store.has(options.name);
    try {
      const record = store.load(
        { name: options.name, script: path, loadedAt: new Date().toISOString(), pushed: pushes.map(pushText), ...placesIn(ir) },
        { match: match.program, inverted: inverted.program },
        clockNow(),
      );
      process.stderr.write(`rope: loaded ${path} as ${options.name}${isReplaced ? '; rules keep the old one until they are made anew' : ''}\n`);
      if (record.mayHotdrop) process.stderr.write(`rope: it can hotdrop: take its rules from rope rule ${options.name} --chain CHAIN --jump TARGET\n`);
      return EXIT_OK;
    } catch (error) {
      if (!(error instanceof RopeRejected)) throw error;
      sayRejection(error, script, options.verbose === true);
      return EXIT_FAILED;
    }
  });
}

/** The verifier's objection as a diagnostic at the line it stems from. */
function sayRejection(error: RopeRejected, script: Script, isVerbose: boolean): void {
  const { rejection, line } = error;
  const at = line ?? 1;
  const lines = script.source.split('\n');
  const start = lines.slice(0, at - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const text = lines[at - 1] ?? '';
  const indent = text.length - text.trimStart().length;
  printDiagnostics(
    [{
      severity: 'error',
      code: 'not-for-kernel',
      message: `the kernel refused the program: ${rejection.report.message}`,
      span: { start: start + indent, end: start + text.trimEnd().length, line: at, column: indent + 1 },
      hint: rejection.isTooMuch
        ? 'it is too much work to verify, and loops inside loops multiply it: split the script, or use rope load --via queue'
        : 'this kernel may be too old (5.17 is needed for loops and searches); rope load --via queue runs the script all the same',
    }],
    script,
  );
  if (isVerbose) process.stderr.write(rejection.log);
}

function pushText(push: Push): string {
  if (push.type === 'ip') return push.text;
  return push.type === 'int' ? String(push.value) : JSON.stringify(latin1(push.bytes, 0, push.bytes.length));
}

/** Places and messages of what can be counted: errors and hotdrops. */
function placesIn(ir: Ir): { places: Record<string, string>; messages: Record<string, string> } {
  const places: Record<string, string> = {};
  const messages: Record<string, string> = {};
  for (const op of allOps(ir.ops)) {
    if (op.op !== 'end' && op.op !== 'hotdrop' && op.op !== 'loop' && op.op !== 'charge') continue;
    const span = ir.spans[op.at];
    if (span) places[op.at] = `${span.line}:${span.column}`;
    if (op.op === 'hotdrop' && op.message?.kind === 'literal') {
      const bytes = ir.literals[op.message.index] ?? new Uint8Array(0);
      messages[op.at] = latin1(bytes, 0, bytes.length);
    }
  }
  return { places, messages };
}

export function ropeUnload(names: readonly string[], options: PlaceOptions): number {
  return attempt(() => {
    const store = new RopeStore(new Bpf(), placesOf(options));
    let status = EXIT_OK;
    for (const name of names) {
      if (store.unload(name)) continue;
      complain(PROGRAM, `no script is loaded as ${name}`, 'rope list names them');
      status = EXIT_FAILED;
    }
    return status;
  });
}

export interface ListOptions extends PlaceOptions {
  readonly json?: boolean;
  readonly measure?: number;
}

export async function ropeList(options: ListOptions): Promise<number> {
  const { measure } = options;
  let before: Map<string, RopeStatus> | null = null;
  let stop = (): void => undefined;
  if (measure !== undefined) {
    const status = attempt(() => {
      const bpf = new Bpf();
      const statistics = bpf.enableStatistics();
      stop = () => bpf.close(statistics);
      before = statuses(new RopeStore(bpf, placesOf(options)));
      return EXIT_OK;
    });
    if (status !== EXIT_OK) return status;
    await sleep(measure * 1000);
  }
  const status = attempt(() => printList(statuses(new RopeStore(new Bpf(), placesOf(options))), before, options));
  stop();
  return status;
}

function statuses(store: RopeStore): Map<string, RopeStatus> {
  const found = new Map<string, RopeStatus>();
  for (const name of store.names()) {
    const status = store.status(name);
    if (status) found.set(name, status);
    else complain(PROGRAM, `${name} is pinned, but its record is lost`, 'load it again');
  }
  return found;
}

function printList(now: ReadonlyMap<string, RopeStatus>, before: ReadonlyMap<string, RopeStatus> | null, { json }: ListOptions): number {
  const rows = [...now.values()].map((status) => {
    const was = before?.get(status.record.name);
    const runs = status.runs - (was?.runs ?? 0);
    const runTimeNs = status.runTimeNs - (was?.runTimeNs ?? 0);
    return { ...status, runs, averageNs: runs > 0 ? Math.round(runTimeNs / runs) : null };
  });
  if (json === true) {
    for (const { record, counters, runs, averageNs } of rows) {
      const last = lastText(record, counters);
      const { hits, errors, hotdrops } = counters;
      process.stdout.write(`${JSON.stringify({ name: record.name, script: record.script, loaded: record.loadedAt, pushed: record.pushed, hits, errors, hotdrops, runs, average_ns: averageNs, last_error: last === '' ? null : last })}\n`);
    }
    return EXIT_OK;
  }
  if (rows.length === 0) {
    process.stderr.write('rope: no script is loaded\n');
    return EXIT_OK;
  }
  const right = ['HITS', 'ERRORS', 'HOTDROPS', 'RUNS', 'NS/RUN'].map((title) => ({ title, align: 'right' as const }));
  const cells = rows.map(({ record, counters, runs, averageNs }) => {
    const { hits, errors, hotdrops } = counters;
    return [record.name, record.script, ...[hits, errors, hotdrops, runs].map(String), averageNs === null ? '-' : String(averageNs), lastText(record, counters)];
  });
  process.stdout.write(`${tableText([{ title: 'NAME' }, { title: 'SCRIPT' }, ...right, { title: 'LAST ERROR' }], cells, process.stdout.columns ?? null)}\n`);
  if (rows.every(({ averageNs }) => averageNs === null)) {
    process.stderr.write('rope: runs and their time are counted while statistics are on: rope list --measure 5, or sysctl kernel.bpf_stats_enabled=1\n');
  }
  return EXIT_OK;
}

/** `EDivideByZero at 3:5`, or the message of hotdrop; empty when nothing happened. */
function lastText(record: RopeStatus['record'], { last }: RopeStatus['counters']): string {
  if (last === null) return '';
  const message = record.messages[last.at];
  const what = last.tag ?? (message === undefined ? 'hotdrop' : `hotdrop ${JSON.stringify(message)}`);
  return `${what} at ${record.places[last.at] ?? '?'}`;
}

export interface RuleOptions extends PlaceOptions {
  readonly not?: boolean;
  readonly chain?: string;
  readonly jump?: string;
  readonly ipv6?: boolean;
  readonly table?: string;
}

export function ropeRule(nameText: string, options: RuleOptions): number {
  const isInverted = options.not === true || nameText.startsWith('!');
  const name = nameText.replace(/^!\s*/, '');
  const store = new RopeStore(new Bpf(), placesOf(options));
  if (!isRopeName(name) || !store.has(name)) {
    complain(PROGRAM, `no script is loaded as ${name}`, 'load it first: rope load SCRIPT --name NAME');
    return EXIT_FAILED;
  }
  const match = `-m bpf --object-pinned ${store.pin(name, isInverted ? 'inverted' : 'match')}`;
  const mayHotdrop = store.record(name)?.mayHotdrop ?? false;
  if (options.chain === undefined || options.jump === undefined) {
    process.stdout.write(`${match}\n`);
    if (mayHotdrop) {
      process.stderr.write(`rope: ${name} can hotdrop; with this match alone such a packet goes to the target. rope rule ${name} --chain CHAIN --jump TARGET prints rules that drop it\n`);
    }
    return EXIT_OK;
  }
  const tool = `${options.ipv6 === true ? 'ip6tables' : 'iptables'}${options.table === undefined ? '' : ` -t ${options.table}`}`;
  if (!mayHotdrop) process.stdout.write(`${tool} -A ${options.chain} ${match} -j ${options.jump}\n`);
  else {
    const own = `rope-${name}${isInverted ? '-not' : ''}`;
    process.stdout.write(
      [
        `${tool} -N ${own}`,
        `${tool} -A ${own} -m bpf --object-pinned ${store.pin(name, 'hotdrop')} -j DROP`,
        `${tool} -A ${own} -j ${options.jump}`,
        `${tool} -A ${options.chain} ${match} -j ${own}`,
        '',
      ].join('\n'),
    );
  }
  return EXIT_OK;
}

export function ropeGreg(index: number, value: number | undefined, options: PlaceOptions): number {
  if (!Number.isInteger(index) || index < 0 || index >= GLOBAL_COUNT) {
    complain(PROGRAM, `there is no global register ${index}`, `they are numbered 0 to ${GLOBAL_COUNT - 1}`);
    return EXIT_USAGE;
  }
  return attempt(() => {
    const store = new RopeStore(new Bpf(), placesOf(options));
    store.mount();
    const now = store.global(index, value);
    if (value === undefined) process.stdout.write(`${now}\n`);
    return EXIT_OK;
  });
}

export function ropeClock(options: PlaceOptions): number {
  return attempt(() => {
    new RopeStore(new Bpf(), placesOf(options)).setClock(clockNow());
    return EXIT_OK;
  });
}
