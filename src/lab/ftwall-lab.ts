/**
 * The lab of ftwall's live tests, benchmark and demo scene: two inside hosts, the wall, and an outside with many nodes.
 *
 *   client 10.77.1.2 -- inside \
 *                                wall -- outside -- net: supernodes 198.51.100.1-8, web 192.0.2.80, caches 192.0.2.33
 *   neighbour 10.77.3.2 -- inside2 /
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import type { KazaaData, KazaaReport } from './fasttrack-client.js';
import type { SupernodeData, SupernodeReport } from './fasttrack-supernode.js';
import type { NameServerData } from './name-server.js';
import type { NameStartData, NameStartReport } from './name-starts.js';
import { type Lab, type LabHost, openLab } from './namespaces.js';
import type { VisitorTask } from './visitor.js';

export const CLIENT = '10.77.1.2';
export const NEIGHBOUR = '10.77.3.2';
export const WEB = { host: '192.0.2.80', port: 8080 };
export const SUPERNODES = Array.from({ length: 8 }, (_, i) => `198.51.100.${i + 1}`);
export const NODE_PORT = 3128;
export const FILE_BYTES = 65_536;
const root = fileURLToPath(new URL('../../../', import.meta.url));
const module = (path: string): URL => new URL(path, import.meta.url);

export class FtwallLab {
  readonly lab: Lab;
  readonly client: LabHost;
  readonly neighbour: LabHost;
  readonly wall: LabHost;
  readonly net: LabHost;
  /** What the supernodes saw. */
  readonly seen: SupernodeReport[] = [];
  #taskId = 0;

  constructor() {
    this.lab = openLab('p2pw-ftw');
    this.client = this.lab.addHost('client');
    this.neighbour = this.lab.addHost('neighb');
    this.wall = this.lab.addHost('wall');
    this.net = this.lab.addHost('net');
    this.lab.connect({ host: this.client, name: 'eth0', addresses: [`${CLIENT}/24`] }, { host: this.wall, name: 'inside', addresses: ['10.77.1.1/24'] });
    this.lab.connect({ host: this.neighbour, name: 'eth0', addresses: [`${NEIGHBOUR}/24`] }, { host: this.wall, name: 'inside2', addresses: ['10.77.3.1/24'] });
    const outside = [...SUPERNODES, WEB.host, '192.0.2.33', '192.0.2.53'].map((address) => `${address}/32`);
    this.lab.connect({ host: this.wall, name: 'outside', addresses: ['10.77.2.1/24'] }, { host: this.net, name: 'eth0', addresses: ['10.77.2.2/24', ...outside] });
    this.wall.forward();
    this.client.ip('route add default via 10.77.1.1');
    this.neighbour.ip('route add default via 10.77.3.1');
    this.net.ip('route add default via 10.77.2.1');
    this.wall.ip('route add default via 10.77.2.2');
  }

  /** Starts ftwall in the foreground and waits until it stands. */
  async startWall(...args: string[]): Promise<WallProcess> {
    const wall = new WallProcess(this.wall.spawn(process.execPath, [`${root}bin/ftwall`, '-d', 'qtp', '--iface', 'inside', '--iface', 'inside2', ...args], { cwd: '/' }));
    await wall.sees(/walls inside/);
    return wall;
  }

  async startSupernodes(pong: SupernodeData['pong'] = 0x28): Promise<void> {
    const data: SupernodeData = { addresses: SUPERNODES, port: NODE_PORT, pong, fileBytes: FILE_BYTES };
    const worker = this.net.startWorker(module('./fasttrack-supernode.js'), data);
    worker.on('message', (report: SupernodeReport) => this.seen.push(report));
    await once(worker, 'message');
  }

  async startNameServer(table: NameServerData['table']): Promise<void> {
    await once(this.net.startWorker(module('./name-server.js'), { address: '192.0.2.53', table } satisfies NameServerData), 'message');
  }

  /** WinMX cache and OpenNap server on one address. */
  async startNamedServers(address: string): Promise<void> {
    await once(this.net.startWorker(module('./name-starts.js'), { serve: { address } } satisfies NameStartData), 'message');
  }

  /** A client that resolves the name and starts; how that ended. */
  async joinByName(host: LabHost, network: 'winmx' | 'opennap', name: string): Promise<NameStartReport['kind']> {
    const data: NameStartData = { join: { network, name, nameServer: '192.0.2.53' } };
    const [report] = (await once(host.startWorker(module('./name-starts.js'), data), 'message')) as [NameStartReport];
    return report.kind;
  }

  async startKazaa(options: Partial<KazaaData> = {}): Promise<Kazaa> {
    const data: KazaaData = {
      ownAddress: CLIENT,
      port: 1214,
      peers: SUPERNODES.map((address) => ({ address, port: NODE_PORT })),
      pingIntervalMs: 300,
      patienceMs: 1200,
      connectTimeoutMs: 700,
      ...options,
    };
    const kazaa = new Kazaa(this.client.startWorker(module('./fasttrack-client.js'), data));
    await kazaa.until('ready');
    return kazaa;
  }

  async startVisitor(host: LabHost): Promise<(task: Omit<VisitorTask, 'id'>) => Promise<boolean | number>> {
    const worker = host.startWorker(module('./visitor.js'));
    await once(worker, 'message');
    return (task) => {
      const id = ++this.#taskId;
      return new Promise((done) => {
        const take = (answer: { id: number; result: boolean | number }): void => {
          if (answer.id !== id) return;
          worker.off('message', take);
          done(answer.result);
        };
        worker.on('message', take);
        worker.postMessage({ ...task, id });
      });
    };
  }

  /** Packets that the kernel handed to the program so far, and those that a full queue or buffer lost or let pass. */
  queueCounts(): { packets: number; lost: number } {
    // nfnetlink_queue: number, port, waiting, mode, range, dropped by the queue, by the socket, sequence.
    const rows = this.wall.must('cat', ['/proc/net/netfilter/nfnetlink_queue']).trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number));
    const sum = (column: number): number => rows.reduce((total, row) => total + (row[column] ?? 0), 0);
    return { packets: sum(7), lost: sum(5) + sum(6) };
  }

  close(): void {
    this.lab.close();
  }
}

/** A simulated client and what it reported. */
export class Kazaa {
  readonly reports: KazaaReport[] = [];
  readonly #worker: Worker;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (report: KazaaReport) => this.reports.push(report));
  }
  count(kind: KazaaReport['kind']): number {
    return this.reports.filter((report) => report.kind === kind).length;
  }
  styles(): number[] {
    return this.reports.flatMap((report) => (report.kind === 'style' ? [report.style] : []));
  }
  /** Resolves when such a report has come; false after `patienceMs`. */
  async until(kind: KazaaReport['kind'], patienceMs = 5000): Promise<boolean> {
    const end = performance.now() + patienceMs;
    while (this.count(kind) === 0) {
      if (performance.now() > end) return false;
      await sleep(20);
    }
    return true;
  }
  async stop(): Promise<void> {
    this.#worker.postMessage('stop');
    await Promise.race([once(this.#worker, 'exit'), sleep(1000)]);
    await this.#worker.terminate();
  }
}

export class WallProcess {
  readonly process: ChildProcess;
  text = '';

  constructor(process: ChildProcess) {
    this.process = process;
    for (const stream of [process.stdout, process.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.text += bytes.toString();
      });
    }
  }
  /** Waits for output. Fails with everything that was said. */
  async sees(pattern: RegExp, patienceMs = 8000): Promise<void> {
    const end = performance.now() + patienceMs;
    while (!pattern.test(this.text)) {
      if (performance.now() > end || this.process.exitCode !== null) throw new Error(`ftwall did not say ${pattern}, but: ${this.text}`);
      await sleep(20);
    }
  }
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return this.process.exitCode;
    const exited = once(this.process, 'exit');
    this.process.kill(signal);
    const [status] = (await exited) as [number | null];
    return status;
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
