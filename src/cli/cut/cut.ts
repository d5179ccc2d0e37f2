/**
 * `cutter` and `p2pwall cut`: find connections, show or cut them, say what became of
 * each. What is cut is exactly what `--list` shows for the same words.
 */
import { createInterface } from 'node:readline/promises';
import type { Problem } from '../../cutter/arguments.js';
import type { Connection } from '../../cutter/connection.js';
import { CutEngine, type ConnectionResult, type CutReport } from '../../kernel/cut/cut-connections.js';
import { type Discovery, discover } from '../../kernel/cut/discover.js';
import { type Passage, type Passages, passages } from '../../kernel/cut/passages.js';
import { measureRates } from '../../kernel/cut/rates.js';
import { libc } from '../../kernel/libc.js';
import { readSysctl } from '../../kernel/sysctl.js';
import { SystemError } from '../../kernel/system-error.js';
import { tableText } from '../../report/table.js';
import { lookUpNames } from './cut-names.js';
import { p2pConnections } from './cut-p2p.js';
import { type CutOptions, type CutPlan, planOf } from './cut-options.js';
import { type CutTimes, LIST_COLUMNS, connectionJson, countText, listRow, planJson, planLines, resultJson, resultLine, summaryJson, summaryLine } from './cut-text.js';
import { EXIT_FAILED, EXIT_NO_PRIVILEGE, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE } from '../exit-codes.js';
import { Progress, terminalWidth } from '../terminal.js';

/** Some connections could not be cut. */
const EXIT_SOME_FAILED = 3;
/** More than so many are asked about on a terminal. */
const ASK_ABOVE = 20;

/** Prints a line on standard error. */
type Say = (text: string) => void;

/** Runs the command; `name` is how the user called it. Returns the exit status: 0 all cut, 1 none matched, 2 usage, 3 some failed, 69 unavailable, 77 no privilege. */
export async function cut(name: string, words: readonly string[], options: CutOptions): Promise<number> {
  const say: Say = (text) => {
    process.stderr.write(`${name}: ${text}\n`);
  };
  const names = await lookUpNames(words, (host, addresses) => {
    if (options.quiet !== true) say(`${host} is ${addresses.join(', ')}`);
  });
  const planned = planOf(words, options, names);
  if ('problems' in planned) {
    for (const { message, hint } of planned.problems) say(`${message} (${hint})`);
    return EXIT_USAGE;
  }
  const engine = new CutEngine();
  try {
    // The last part of starting up, whatever is cut: the FFI library, the kernel program that knows sequence numbers, the packet socket.
    libc();
    if (!isListing(options)) engine.prepare(planned.plan.method);
    return await carryOut(planned.plan, options, say, engine);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const isForbidden = error.code === 'ERR_NOT_PERMITTED';
    const message = isForbidden ? `this needs privileges that this process has not: ${error.message}` : error.message;
    say(`${message}${error.hint === '' ? '' : ` (${error.hint})`}`);
    return isForbidden ? EXIT_NO_PRIVILEGE : EXIT_UNAVAILABLE;
  } finally {
    engine.close();
  }
}

const isListing = (options: CutOptions): boolean => options.list === true || options.dryRun === true;

/** What the arguments mean at this moment: all that is shown, or all that is cut. */
interface Found {
  readonly connections: readonly Connection[];
  /** How each end would be reached; null unless it was asked for. */
  readonly ways: Passages | null;
  readonly discovery: Discovery;
  /** On the clock of performance.now. */
  readonly searchedAtMs: number;
  readonly foundAtMs: number;
}

/** The connections, or the exit status when that cannot be told. */
async function find(plan: CutPlan, options: CutOptions, say: Say): Promise<Found | number> {
  const isP2p = options.p2p === undefined ? () => true : await p2pConnections(options.p2p, options.socket);
  if (typeof isP2p !== 'function') {
    say(`the wall cannot tell which connections are ${options.p2p ?? ''}: ${isP2p.message} (${isP2p.hint})`);
    return isP2p.status;
  }
  const searchedAtMs = performance.now();
  const discovery = discover(plan.selection);
  const foundAtMs = performance.now();
  if (discovery.keptOwnSession) say('your own SSH session matches; it is left alone');
  const ways = plan.interfaces.length > 0 || options.dryRun === true ? passages(discovery.connections) : null;
  const unknown = plan.interfaces.filter((wanted) => ways?.interfaceNames.includes(wanted) === false);
  if (unknown.length > 0) {
    say(`no interface is named ${unknown.join(' or ')} (there are ${ways?.interfaceNames.join(', ')})`);
    return EXIT_USAGE;
  }
  const passes = (connection: Connection): boolean =>
    plan.interfaces.length === 0 || ways?.of.get(connection)?.some(({ interfaceName }) => interfaceName !== null && plan.interfaces.includes(interfaceName)) === true;
  const connections = discovery.connections.filter((connection) => isP2p(connection) && passes(connection));
  return { connections, ways, discovery, searchedAtMs, foundAtMs };
}

async function carryOut(plan: CutPlan, options: CutOptions, say: Say, engine: CutEngine): Promise<number> {
  const startupMs = performance.now();
  const found = await find(plan, options, say);
  if (typeof found === 'number') return found;
  const { connections, ways, discovery, searchedAtMs, foundAtMs } = found;
  if (connections.length === 0) return noneMatched(discovery, plan, options, say);
  if (isListing(options)) {
    const rates = await measureRates(plan.selection, connections, foundAtMs);
    show(connections, rates, options, options.dryRun === true && ways !== null ? ways.of : null);
    return EXIT_OK;
  }
  if (!(await isConfirmed(connections, options))) {
    say('nothing was cut');
    return EXIT_FAILED;
  }
  const progress = new Progress('cutting', countText);
  const report = await engine.cut({ ...plan, connections, onProgress: (done, total) => progress.update(done, total) });
  progress.clear();
  tell(report, options, say, { startedAtMs: performance.timeOrigin, startupMs, discoverMs: foundAtMs - searchedAtMs });
  return report.results.every(({ isCut }) => isCut) ? EXIT_OK : EXIT_SOME_FAILED;
}

function noneMatched(discovery: Discovery, plan: CutPlan, options: CutOptions, say: Say): number {
  if (options.json === true) printJson([{ type: 'summary', matched: 0 }]);
  if (discovery.tracked === null) {
    say('this kernel has no connection tracking (load it: modprobe nf_conntrack_netlink)');
    return EXIT_UNAVAILABLE;
  }
  say('no matching connections');
  for (const { message, hint } of explanations(discovery, plan)) say(`${message} (${hint})`);
  return EXIT_FAILED;
}

/** Why there may be none, for the commonest mistakes. */
function explanations({ tracked }: Discovery, { selection }: CutPlan): Problem[] {
  const out: Problem[] = [];
  const isOn = (name: string): boolean => readSysctl(name) === 1;
  if (!isOn('net.ipv4.ip_forward') && !isOn('net.ipv6.conf.all.forwarding')) {
    out.push({
      message: 'this machine forwards no packets, so it sees only its own connections',
      hint: 'run it on the router between the two ends; forwarding is switched on by sysctl -w net.ipv4.ip_forward=1',
    });
  } else if (tracked === 0) {
    out.push({
      message: 'connection tracking sees no connection at all',
      hint: 'if some are open, it sleeps until a firewall rule needs it: wake it with iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT',
    });
  }
  if (selection.ageMs && !isOn('net.netfilter.nf_conntrack_timestamp')) {
    out.push({ message: 'ages are not recorded', hint: 'sysctl -w net.netfilter.nf_conntrack_timestamp=1, for connections from then on' });
  }
  if (selection.bytes && !isOn('net.netfilter.nf_conntrack_acct')) {
    out.push({ message: 'bytes are not counted', hint: 'sysctl -w net.netfilter.nf_conntrack_acct=1, for connections from then on' });
  }
  return out;
}

/** `passageOf`: what would be done to each end is shown, too. */
function show(
  connections: readonly Connection[],
  rates: ReadonlyMap<Connection, number>,
  options: CutOptions,
  passageOf: ReadonlyMap<Connection, Passage> | null,
): void {
  const rateOf = (connection: Connection): number | null => rates.get(connection) ?? null;
  if (options.json === true) {
    const lines = connections.map((connection) => {
      const passage = passageOf?.get(connection);
      return { type: 'connection', ...connectionJson(connection), rate_bps: rateOf(connection), ...(passage ? { legs: planJson(connection, passage) } : {}) };
    });
    printJson([...lines, { type: 'summary', matched: connections.length }]);
    return;
  }
  const rows = connections.map((connection) => listRow(connection, rateOf(connection)));
  if (passageOf === null) {
    process.stdout.write(`${tableText(LIST_COLUMNS, rows, terminalWidth(process.stdout))}\n`);
  } else {
    for (const [i, connection] of connections.entries()) {
      const row = rows[i]?.filter((cell) => cell !== '').join('  ') ?? '';
      process.stdout.write(`${[row, ...planLines(connection, passageOf.get(connection) ?? [])].join('\n')}\n`);
    }
  }
  process.stdout.write(`${countText(connections.length)} would be cut\n`);
}

async function isConfirmed(connections: readonly Connection[], options: CutOptions): Promise<boolean> {
  const isOnTerminal = process.stdin.isTTY === true && process.stderr.isTTY === true;
  if (connections.length <= ASK_ABOVE || options.yes === true || !isOnTerminal) return true;
  const question = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await question.question(`Cut ${connections.length} connections? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    question.close();
  }
}

function tell(report: CutReport, options: CutOptions, say: Say, times: CutTimes): void {
  for (const warning of report.warnings) say(warning);
  if (options.json === true) {
    printJson([...report.results.map(resultJson), summaryJson(report, times)]);
    return;
  }
  const isTold = ({ isCut }: ConnectionResult): boolean => options.quiet !== true || !isCut;
  const lines = report.results.filter(isTold).map(resultLine);
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
  if (options.quiet !== true) process.stdout.write(`${summaryLine(report)}\n`);
}

function printJson(lines: readonly object[]): void {
  process.stdout.write(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
}
