/** A lab for cutting: client, router with every form of NAT, server; crowds of connections; the engine on the router. */
import type { TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import type { Discovery } from '../../../src/kernel/cut/discover.js';
import type { CutReport } from '../../../src/kernel/cut/cut-connections.js';
import { ALL_CONNECTIONS, type Selection } from '../../../src/cutter/selection.js';
import { type LabHost, type RoutedLab, type RoutedLabOptions, openRoutedLab } from '../../../src/lab/namespaces.js';
import type { CutJobMessage } from './cut-worker.js';
import type { CrowdPlan, CrowdReport } from './tcp-crowd.js';

const support = (name: string): URL => new URL(`./${name}.js`, import.meta.url);
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** On the clock that crowds report by. */
export const clockMs = (): number => performance.timeOrigin + performance.now();

export interface CutAnswer {
  readonly discovery: Discovery;
  readonly discoverMs: number;
  readonly report: CutReport;
}

export class CutLab {
  readonly net: RoutedLab;
  private engine: Worker | null = null;

  constructor(t: TestContext, options: RoutedLabOptions = {}) {
    this.net = openRoutedLab('p2pw-cut', options);
    t.after(() => this.net.close());
  }

  /** Starts groups of connections in a host; resolves when all listen or are connected. */
  async crowd(host: LabHost, plans: Readonly<Record<string, CrowdPlan>>): Promise<Worker> {
    const worker = host.startWorker(support('tcp-crowd'), plans);
    worker.on('error', (error) => assert.fail(`${host.namespace}: ${error.message}`));
    await once(worker, 'message');
    return worker;
  }

  async reports(crowd: Worker): Promise<Readonly<Record<string, CrowdReport>>> {
    crowd.postMessage('report');
    const [reports] = (await once(crowd, 'message')) as [Record<string, CrowdReport>];
    return reports;
  }

  /** Asks until `isGood` of the reports, at most `withinMs`; the last reports either way. */
  async reportsWhen(
    crowd: Worker,
    isGood: (reports: Readonly<Record<string, CrowdReport>>) => boolean,
    withinMs = 2000,
  ): Promise<Readonly<Record<string, CrowdReport>>> {
    const endMs = clockMs() + withinMs;
    for (;;) {
      const reports = await this.reports(crowd);
      if (isGood(reports) || clockMs() > endMs) return reports;
      await pause(10);
    }
  }

  /** Cuts from `host` (the router by default); fails with the engine's own words. */
  async cut(message: Partial<CutJobMessage> & Pick<CutJobMessage, 'method'>, host = this.net.router): Promise<CutAnswer> {
    const answer = await this.tryCut(message, host);
    if ('error' in answer) assert.fail(answer.error);
    return answer;
  }

  async tryCut(message: Partial<CutJobMessage> & Pick<CutJobMessage, 'method'>, host = this.net.router): Promise<CutAnswer | { error: string }> {
    if (!this.engine || host !== this.net.router) {
      const engine = host.startWorker(support('cut-worker'));
      engine.on('error', (error) => assert.fail(error.message));
      await once(engine, 'message');
      if (host === this.net.router) this.engine = engine;
      else return this.ask(engine, message);
    }
    return this.ask(this.engine as Worker, message);
  }

  /** Rules of all kinds, to be compared before and after. */
  rules(): string {
    const { router } = this.net;
    const text = [router.must('iptables-save'), router.must('ip6tables-save'), router.run('nft', ['list', 'tables']).stdout];
    // Counters and times differ.
    return text.join('').replace(/\[[0-9]+:[0-9]+\]|^#.*$/gm, '');
  }

  private async ask(engine: Worker, message: Partial<CutJobMessage>): Promise<CutAnswer | { error: string }> {
    engine.postMessage({ selection: ALL_CONNECTIONS, ...message });
    const [answer] = (await once(engine, 'message')) as [CutAnswer | { error: string }];
    return answer;
  }
}

/** Connections with one of these ports at either end. */
export function withPorts(...ports: number[]): Selection {
  const ranges = ports.map((port) => ({ least: port, most: port }));
  return { ...ALL_CONNECTIONS, ends: [{ networks: [], ports: ranges }, { networks: [], ports: [] }] };
}

/** Every group but `except` has ended on this side, by one of `codes`. */
export function assertReset(
  side: string,
  reports: Readonly<Record<string, CrowdReport>>,
  expected: Readonly<Record<string, number>>,
  codes: readonly string[] = ['ECONNRESET'],
): void {
  for (const [name, count] of Object.entries(expected)) {
    const report = reports[name];
    assert.ok(report, `${side} ${name}`);
    assert.equal(report.open, 0, `${side} ${name}: ${report.open} still open`);
    const reset = codes.reduce((sum, code) => sum + (report.ended[code] ?? 0), 0);
    assert.equal(reset, count, `${side} ${name}: ended by ${JSON.stringify(report.ended)}`);
  }
}

/** For debugging failures: how legs ended. */
export function legSummary({ report }: CutAnswer): string {
  const lines = report.results.map(({ connection, legs }) => `${connection.original.destinationPort}: ${legs.map(({ outcome, tries, reason }) => `${outcome}/${tries}${reason}`).join(' ')}`);
  return [...lines, ...report.warnings].join('\n');
}
