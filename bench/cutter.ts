/**
 * How fast and how surely idle connections are cut, each method beside what else an
 * administrator might run. Needs root; everything happens in network namespaces.
 *
 *   node dist/bench/cutter.js [COUNT...]        default 1 1000 10000
 *
 * client - router - server; all tools run on the router, `ss -K` on the client (it works on end hosts only). "closed": share of
 * connections whose both ends were told. "ends": from the start of the program until the last end was closed;
 * "cut" is the part of it behind start-up, as cutter itself measures it (first segment to last answer).
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type LabHost, labUnavailable, openRoutedLab } from '../src/lab/namespaces.js';
import { tableText } from '../src/report/table.js';
import type { CrowdPlan, CrowdReport } from '../test/live/support/tcp-crowd.js';

const SERVER = '10.77.2.2';
const PORT = 7000;
const GIVE_UP_MS = 4000;
const counts = process.argv.slice(2).map(Number);
const cutter = new URL('../../bin/cutter', import.meta.url).pathname;

class CrowdProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(host: LabHost, plan: CrowdPlan) {
    const script = new URL('./support/crowd-process.js', import.meta.url).pathname;
    this.child = host.spawn(process.execPath, [script, JSON.stringify({ all: plan })], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (!this.child.stdout) throw new Error('no output');
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async next(): Promise<unknown> {
    return JSON.parse((await this.lines.next()).value ?? 'null');
  }

  async report(): Promise<CrowdReport> {
    this.child.stdin?.write('report\n');
    return ((await this.next()) as { all: CrowdReport }).all;
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

interface Outcome {
  readonly closedShare: number;
  readonly endsMs: number;
  readonly cutMs: number | null;
  readonly readyMs: number | null;
}

async function run(tool: Tool, count: number): Promise<Outcome> {
  const net = openRoutedLab('p2pw-cutbench');
  try {
    const server = new CrowdProcess(net.server, { host: '::', port: PORT, traffic: 'idle' });
    await server.next();
    const client = new CrowdProcess(net.client, { host: SERVER, port: PORT, traffic: 'idle', count });
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
    const summary = last.startsWith('{') ? (JSON.parse(last) as { cut_ms?: number; prepare_ms?: number }) : {};
    return {
      closedShare: Math.min(...reports.map(({ open }) => 1 - open / count)),
      endsMs: Math.max(...reports.map(({ lastEndMs }) => lastEndMs)) - startedMs,
      cutMs: summary.cut_ms ?? null,
      readyMs: summary.prepare_ms ?? null,
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
      rows.push([String(count), tool.name, 'not installed', '', '', '']);
      continue;
    }
    const { closedShare, endsMs, cutMs, readyMs } = await run(tool, count);
    const ms = (value: number | null): string => (value === null ? '' : `${value.toFixed(value < 100 ? 1 : 0)} ms`);
    rows.push([String(count), tool.name, `${(100 * closedShare).toFixed(0)} %`, closedShare === 1 ? ms(endsMs) : '', ms(readyMs), ms(cutMs)]);
  }
}
const columns = ['connections', 'tool', 'closed', 'ends', 'get ready', 'cut'].map((title, i) => ({ title, align: i === 1 ? 'left' : 'right' }) as const);
console.log(tableText(columns, rows, null));
