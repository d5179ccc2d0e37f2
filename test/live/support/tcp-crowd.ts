/**
 * Groups of TCP connections at one end, for lab hosts: listens, or opens connections,
 * and keeps account of how each one ends.
 *
 * Traffic: `idle` says nothing after one byte each way; `flood` sends as fast as it can; `slow` sends a line
 * every 50 ms; `half` closes its sending half after one byte. Asked `report`, it answers with the account so far.
 */
import { type Server, type Socket, connect, createServer } from 'node:net';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

export interface CrowdPlan {
  /** Connections to open; absent: listen. */
  readonly count?: number;
  readonly host: string;
  readonly port: number;
  readonly traffic: 'idle' | 'flood' | 'slow' | 'half';
  /** What `idle` says instead of one byte; Latin-1. */
  readonly greeting?: string;
  /** Local address of connecting sockets. */
  readonly from?: string;
  /** The other end's FIN does not end a connection here. */
  readonly staysOpen?: boolean;
}

export interface CrowdReport {
  /** Open now. */
  readonly open: number;
  /** Ended, by error code; 'end' for a polite end. */
  readonly ended: Readonly<Record<string, number>>;
  /** Time of the last end, on the clock of performance.timeOrigin. */
  readonly lastEndMs: number;
  readonly receivedBytes: number;
}

const CHUNK = Buffer.alloc(65536, 0x78);
const HANDSHAKES_AT_ONCE = 200;

class Crowd {
  private readonly plan: CrowdPlan;
  private open = 0;
  private receivedBytes = 0;
  private lastEndMs = 0;
  private readonly ended: Record<string, number> = {};

  constructor(plan: CrowdPlan) {
    this.plan = plan;
  }

  report(): CrowdReport {
    const { open, ended, lastEndMs, receivedBytes } = this;
    return { open, ended, lastEndMs, receivedBytes };
  }

  add(socket: Socket): void {
    this.open++;
    let code = 'end';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? 'unknown';
    });
    socket.on('close', () => {
      this.open--;
      this.ended[code] = (this.ended[code] ?? 0) + 1;
      this.lastEndMs = performance.timeOrigin + performance.now();
    });
    socket.on('data', (bytes) => {
      this.receivedBytes += bytes.length;
    });
    const { traffic } = this.plan;
    if (traffic === 'half') socket.end('x');
    else if (traffic === 'idle') socket.write(this.plan.greeting ?? 'x', 'latin1');
    else if (traffic === 'flood') this.flood(socket);
    else this.talk(socket);
  }

  /** At most 200 handshakes at a time, so that no SYN is lost to a full backlog. */
  async connect(count: number): Promise<void> {
    for (let from = 0; from < count; from += HANDSHAKES_AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(HANDSHAKES_AT_ONCE, count - from) }, () => this.connectOne()));
    }
  }

  private connectOne(): Promise<void> {
    const { host, port, traffic, from } = this.plan;
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, allowHalfOpen: traffic === 'half', ...(from === undefined ? {} : { localAddress: from }) }, () => {
        socket.off('error', reject);
        this.add(socket);
        resolve();
      });
      socket.once('error', reject);
    });
  }

  private flood(socket: Socket): void {
    const more = (): void => {
      while (!socket.destroyed && socket.write(CHUNK));
    };
    socket.on('drain', more);
    more();
  }

  private talk(socket: Socket): void {
    const timer = setInterval(() => socket.write('line\n'), 50);
    socket.on('close', () => clearInterval(timer));
  }
}

function listen(crowd: Crowd, { host, port, staysOpen }: CrowdPlan): Promise<Server> {
  const server = createServer({ allowHalfOpen: staysOpen === true }, (socket) => crowd.add(socket));
  return new Promise((resolve) => server.listen({ port, host, backlog: 4096 }, () => resolve(server)));
}

const main: WorkerMain = async (data, port) => {
  const crowds = new Map<string, Crowd>();
  for (const [name, plan] of Object.entries(data as Record<string, CrowdPlan>)) {
    const crowd = new Crowd(plan);
    crowds.set(name, crowd);
    if (plan.count === undefined) await listen(crowd, plan);
    else await crowd.connect(plan.count);
  }
  port.on('message', () => port.postMessage(Object.fromEntries([...crowds].map(([name, crowd]) => [name, crowd.report()]))));
  port.postMessage('ready');
};
export default main;
