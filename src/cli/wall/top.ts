/**
 * `p2pwall top`: who moves how much now, by client and protocol. Asks the daemon every few seconds; the kernel's
 * counters give the rates. Without a terminal, or with `--once` or `--json`, prints one table.
 */
import type { TopRow } from '../../control/protocol.js';
import { ControlClient } from '../../control/client.js';
import { bytesText, countText, tableText } from '../../report/table.js';
import { type DaemonOptions, askDaemon, socketPath } from './ask-daemon.js';
import { EXIT_OK } from '../exit-codes.js';
import { terminalWidth } from '../terminal.js';
import { failureOf, sayFailure } from './wall-failure.js';

export interface RatedRow extends TopRow {
  readonly bitsPerSecond: number;
}

export type SortKey = 'rate' | 'bytes' | 'flows' | 'client' | 'protocol';
const SORT_KEYS: Readonly<Record<string, SortKey>> = { r: 'rate', b: 'bytes', f: 'flows', c: 'client', p: 'protocol' };

function keyOf({ client, protocol, action }: TopRow): string {
  return `${client} ${protocol} ${action}`;
}

/** Rates from two looks. A sum that shrank (connections ended) gives rate 0. */
export function rated(rows: readonly TopRow[], before: readonly TopRow[], seconds: number): RatedRow[] {
  const earlier = new Map(before.map((row) => [keyOf(row), row.bytes]));
  return rows.map((row) => {
    const grown = row.bytes - (earlier.get(keyOf(row)) ?? row.bytes);
    return { ...row, bitsPerSecond: seconds > 0 && grown > 0 ? (grown * 8) / seconds : 0 };
  });
}

export function sorted(rows: readonly RatedRow[], key: SortKey): RatedRow[] {
  const compare: Readonly<Record<SortKey, (a: RatedRow, b: RatedRow) => number>> = {
    rate: (a, b) => b.bitsPerSecond - a.bitsPerSecond || b.bytes - a.bytes,
    bytes: (a, b) => b.bytes - a.bytes,
    flows: (a, b) => b.flows - a.flows,
    client: (a, b) => a.client.localeCompare(b.client),
    protocol: (a, b) => a.protocol.localeCompare(b.protocol),
  };
  return [...rows].sort(compare[key]);
}

function rateText(bitsPerSecond: number): string {
  if (bitsPerSecond < 1000) return `${Math.round(bitsPerSecond)} bit/s`;
  return bitsPerSecond < 1e6 ? `${(bitsPerSecond / 1e3).toFixed(0)} kbit/s` : `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
}

export function topText(rows: readonly RatedRow[], selected: number, widthColumns: number | null): string {
  const columns = [
    { title: ' ' },
    { title: 'CLIENT' },
    { title: 'PROTOCOL' },
    { title: 'VERDICT' },
    { title: 'FLOWS', align: 'right' as const },
    { title: 'BYTES', align: 'right' as const },
    { title: 'RATE', align: 'right' as const },
  ];
  const cells = rows.map((row, i) => [
    i === selected ? '>' : ' ',
    row.client,
    row.protocol === '-' ? 'ordinary' : row.protocol,
    row.action,
    countText(row.flows),
    bytesText(row.bytes),
    rateText(row.bitsPerSecond),
  ]);
  return tableText(columns, cells, widthColumns);
}

export interface TopOptions extends DaemonOptions {
  readonly once?: boolean;
  readonly interval: number;
}

/** Seconds that the key `k` blocks a client for. */
const BLOCK_SECONDS = 600;

class TopScreen {
  readonly #client: ControlClient;
  readonly #intervalMs: number;
  #before: readonly TopRow[] = [];
  #askedMs = 0;
  #rows: RatedRow[] = [];
  #sort: SortKey = 'rate';
  #selected = 0;
  #message = '';
  #isEnding = false;

  constructor(client: ControlClient, intervalSeconds: number) {
    this.#client = client;
    this.#intervalMs = intervalSeconds * 1000;
  }

  async run(): Promise<void> {
    const { stdin, stdout } = process;
    stdin.setRawMode(true);
    stdin.resume();
    stdin.setEncoding('utf8');
    stdin.on('data', (key: string) => void this.#key(key));
    // Alternate screen, cursor hidden: what stood there before comes back (xterm control sequences).
    stdout.write('\u001b[?1049h\u001b[?25l');
    try {
      while (!this.#isEnding) {
        await this.#look();
        this.#draw();
        await new Promise((resolve) => setTimeout(resolve, this.#intervalMs));
      }
    } finally {
      stdout.write('\u001b[?25h\u001b[?1049l');
      stdin.setRawMode(false);
      stdin.pause();
    }
  }

  async #look(): Promise<void> {
    const response = await this.#client.ask({ command: 'top' });
    const nowMs = performance.now();
    if (!response.ok) {
      this.#message = response.error;
      return;
    }
    const rows = response.data as TopRow[];
    this.#rows = sorted(rated(rows, this.#before, this.#askedMs === 0 ? 0 : (nowMs - this.#askedMs) / 1000), this.#sort);
    this.#before = rows;
    this.#askedMs = nowMs;
  }

  #draw(): void {
    const height = Math.max(3, (process.stdout.rows || 24) - 4);
    this.#selected = Math.max(0, Math.min(this.#selected, this.#rows.length - 1));
    const help = 'q quit  r b f c p sort by rate, bytes, flows, client, protocol  up/down choose  k block the client for 10 minutes';
    const table = topText(this.#rows.slice(0, height), this.#selected, process.stdout.columns);
    process.stdout.write(`\u001b[H\u001b[Jp2pwall top, by ${this.#sort}   ${this.#message}\n${table}\n${help.slice(0, process.stdout.columns - 1)}`);
  }

  async #key(key: string): Promise<void> {
    const sort = SORT_KEYS[key];
    if (key === 'q' || key === '\u0003') this.#isEnding = true;
    else if (key === '\u001b[A') this.#selected--;
    else if (key === '\u001b[B') this.#selected++;
    else if (sort !== undefined) {
      this.#sort = sort;
      this.#rows = sorted(this.#rows, sort);
    } else if (key === 'k') await this.#block();
    if (!this.#isEnding) this.#draw();
  }

  async #block(): Promise<void> {
    const client = this.#rows[this.#selected]?.client;
    if (client === undefined || client === 'other') return;
    const response = await this.#client.ask({ command: 'block', address: client, seconds: BLOCK_SECONDS });
    this.#message = response.ok ? `${client} is blocked for ${BLOCK_SECONDS / 60} minutes` : response.error;
  }
}

export async function top(options: TopOptions): Promise<number> {
  if (options.once === true || options.json === true || process.stdout.isTTY !== true || process.stdin.isTTY !== true) {
    return askDaemon<TopRow[]>(options, { command: 'top' }, (rows) => {
      process.stdout.write(`${topText(sorted(rated(rows, [], 0), 'bytes'), -1, terminalWidth(process.stdout))}\n`);
    });
  }
  try {
    const client = await ControlClient.open(socketPath(options));
    await new TopScreen(client, options.interval).run();
    client.close();
    return EXIT_OK;
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    return sayFailure(failure);
  }
}
