/**
 * How fast and how surely idle connections are cut, each method beside what else an
 * administrator might run. Needs root; everything happens in network namespaces.
 *
 *   node dist/bench/cutter.js [COUNT...]        default 1 1000 10000
 *
 * client - router - server; all tools run on the router, `ss -K` on the client (it works on end hosts only). "closed": share of
 * connections whose both ends were told. "start-up": of the program, until it begins to work for its user. "both ends closed":
 * from then until the last end of the last connection was told; of that, by cutter's own account: "find" the connections, "get ready"
 * (numbers, routes, rules) and "cut" (first segment to last proof; the ends are closed before their proof). A single connection is
 * cut several times over: the row is the median run, and the slowest one is named.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type LabHost, labUnavailable, openRoutedLab } from '../src/lab/namespaces.js';
import { tableText } from '../src/report/table.js';

const SERVER = '10.77.2.2';
const PORT = 7000;
const GIVE_UP_MS = 4000;
const RUNS_OF_ONE = 7;
const counts = process.argv.slice(2).map(Number);
const cutter = new URL('../../bin/cutter', import.meta.url).pathname;

interface CrowdReport {
  readonly open: number;
  readonly lastEndMs: number;
}

class CrowdProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(host: LabHost, address: string, count?: number) {
    const script = new URL('../../bench/support/crowd.py', import.meta.url).pathname;
    const size = count === undefined ? [] : [String(count)];
    this.child = host.spawn('/usr/bin/python3', [script, address, String(PORT), ...size], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (!this.child.stdout) throw new Error('no output');
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async next(): Promise<unknown> {
    return JSON.parse((await this.lines.next()).value ?? 'null');
  }

  async report(): Promise<CrowdReport> {
    this.child.stdin?.write('report\n');
    return (await this.next()) as CrowdReport;
  }
}

interface Tool {
  readonly name: string;
  readonly isOnClient?: boolean;
  readonly command: readonly string[];
  /** Runs until it is ended. */
  readonly isEndless?: boolean;
}

const TOOLS: readonly Tool[] = [
  ...['window', 'challenge', 'reject'].map((method) => ({
    name: `cutter --method ${method}`,
    command: [cutter, '--yes', '--json', '--method', method, SERVER, String(PORT)],
  })),
  { name: 'tcpkill -9', command: ['tcpkill', '-i', 'inside', '-9', 'host', SERVER], isEndless: true },
  { name: 'conntrack -D', command: ['conntrack', '-D', '-p', 'tcp', '-d', SERVER] },
  { name: 'ss -K (on the client)', isOnClient: true, command: ['ss', '-K', 'dst', SERVER] },
];

/** The last line of `cutter --json`. */
interface Summary {
  /** When its process began, on the clock of performance.timeOrigin. */
  readonly started_at_ms?: number;
  readonly startup_ms?: number;
  readonly discover_ms?: number;
  readonly prepare_ms?: number;
  readonly cut_ms?: number;
}

interface Outcome {
  readonly closedShare: number;
  /** Behind start-up, where that is known. */
  readonly endsMs: number;
  readonly summary: Summary;
}

async function run(tool: Tool, count: number): Promise<Outcome> {
  const net = openRoutedLab('p2pw-cutbench');
  try {
    const server = new CrowdProcess(net.server, '0.0.0.0');
    await server.next();
    const client = new CrowdProcess(net.client, SERVER, count);
    await client.next();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const startedMs = performance.timeOrigin + performance.now();
    const [program = '', ...args] = tool.command;
    const child = (tool.isOnClient ? net.client : net.router).spawn(program, args);
    let output = '';
    child.stdout?.on('data', (bytes) => (output += bytes));
    if (!tool.isEndless) await once(child, 'exit');
    let reports = await Promise.all([client.report(), server.report()]);
    while (reports.some(({ open }) => open > 0) && performance.timeOrigin + performance.now() < startedMs + GIVE_UP_MS) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      reports = await Promise.all([client.report(), server.report()]);
    }
    const last = output.trim().split('\n').at(-1) ?? '';
    const summary = last.startsWith('{') ? (JSON.parse(last) as Summary) : {};
    return {
      closedShare: Math.min(...reports.map(({ open }) => 1 - open / count)),
      endsMs: Math.max(...reports.map(({ lastEndMs }) => lastEndMs)) - (summary.started_at_ms ?? startedMs) - (summary.startup_ms ?? 0),
      summary,
    };
  } finally {
    net.close();
  }
}

const reason = labUnavailable();
if (reason !== null) {
  console.log(`cutter benchmark skipped: ${reason}`);
  process.exit(0);
}
const rows: string[][] = [];
for (const count of counts.length > 0 ? counts : [1, 1000, 10_000]) {
  for (const tool of TOOLS) {
    if (spawnSync('which', [tool.command[0] ?? '']).status !== 0) {
      rows.push([String(count), tool.name, 'not installed', '', '', '', '', '']);
      continue;
    }
    const outcomes: Outcome[] = [];
    const runs = count === 1 && tool.command[0] === cutter ? RUNS_OF_ONE : 1;
    for (let i = 0; i < runs; i++) outcomes.push(await run(tool, count));
    outcomes.sort((one, other) => one.endsMs - other.endsMs);
    const { endsMs, summary } = outcomes[runs >> 1] as Outcome;
    const closedShare = Math.min(...outcomes.map((outcome) => outcome.closedShare));
    const ms = (value: number | undefined): string => (value === undefined ? '' : `${value.toFixed(value < 100 ? 1 : 0)} ms`);
    const own = [summary.startup_ms, summary.discover_ms, summary.prepare_ms, summary.cut_ms].map(ms);
    const slowest = runs === 1 ? '' : ` (slowest of ${runs}: ${ms(outcomes.at(-1)?.endsMs)})`;
    rows.push([String(count), tool.name, `${(100 * closedShare).toFixed(0)} %`, closedShare === 1 ? `${ms(endsMs)}${slowest}` : '', ...own]);
  }
}
const titles = ['connections', 'tool', 'closed', 'both ends closed', 'start-up', 'find', 'get ready', 'cut'];
console.log(tableText(titles.map((title, i) => ({ title, align: i === 1 ? 'left' : 'right' }) as const), rows, null));
