/**
 * Many TCP connections at one end, for lab hosts: listens, or opens `count` of them, and
 * keeps account of how each one ends.
 *
 * Traffic: `idle` says nothing after one byte each way; `flood` sends as fast as it can; `slow` sends a line
 * every 50 ms. Asked `report`, it answers with the account so far; `close` ends politely.
 */
import { type Server, type Socket, connect, createServer } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

export interface CrowdPlan {
  readonly role: 'listen' | 'connect';
  readonly host: string;
  readonly port: number;
  readonly count: number;
  readonly traffic: 'idle' | 'flood' | 'slow';
  /** Local address of connecting sockets. */
  readonly from?: string;
  readonly localPort?: number;
  /** This end sends FIN after its first byte and only reads from then on. */
  readonly halfClose?: boolean;
}

export interface CrowdReport {
  /** Open now. */
  readonly open: number;
  /** Ended, by error code; 'end' for a polite end. */
  readonly ended: Record<string, number>;
  /** performance.timeOrigin-based time of the last end. */
  readonly lastEndMs: number;
  readonly receivedBytes: number;
}

const CHUNK = Buffer.alloc(65536, 0x78);

class Crowd {
  open = 0;
  receivedBytes = 0;
  lastEndMs = 0;
  readonly ended: Record<string, number> = {};
  readonly sockets = new Set<Socket>();
  private readonly plan: CrowdPlan;

  constructor(plan: CrowdPlan) {
    this.plan = plan;
  }

  add(socket: Socket): void {
    this.open++;
    this.sockets.add(socket);
    let code = 'end';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? 'unknown';
    });
    socket.on('close', () => {
      this.open--;
      this.sockets.delete(socket);
      this.ended[code] = (this.ended[code] ?? 0) + 1;
      this.lastEndMs = performance.timeOrigin + performance.now();
    });
    socket.on('data', (bytes) => {
      this.receivedBytes += bytes.length;
    });
    const { traffic } = this.plan;
    if (this.plan.halfClose) socket.end('x');
    else if (traffic === 'idle') socket.write('x');
    else if (traffic === 'flood') this.flood(socket);
    else this.talk(socket);
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

function report({ open, ended, lastEndMs, receivedBytes }: Crowd): CrowdReport {
  return { open, ended, lastEndMs, receivedBytes };
}

const main: WorkerMain = async (data, port) => {
  const plan = data as CrowdPlan;
  const crowd = new Crowd(plan);
  const allowHalfOpen = plan.halfClose === true || plan.port === HALF_OPEN_PORT;
  const server = plan.role === 'listen' ? createServer({ allowHalfOpen }, (socket) => crowd.add(socket)) : null;
  port.on('message', (request: string) => {
    if (request === 'report') port.postMessage(report(crowd));
    if (request === 'close') {
      for (const socket of crowd.sockets) socket.destroy();
      server?.close();
      port.close();
    }
  });
  if (server) await listening(server, plan, port);
  else await connecting(plan, crowd, allowHalfOpen, port);
};
/** A listener on this port lets its peers close one half. */
export const HALF_OPEN_PORT = 7099;

function listening(server: Server, plan: CrowdPlan, port: MessagePort): Promise<void> {
  return new Promise((resolve) => {
    server.listen({ port: plan.port, host: plan.host, backlog: 4096 }, () => {
      port.postMessage('ready');
      resolve();
    });
  });
}

/** At most 200 handshakes at a time, so that no SYN is lost to a full backlog. */
async function connecting(plan: CrowdPlan, crowd: Crowd, allowHalfOpen: boolean, port: MessagePort): Promise<void> {
  for (let from = 0; from < plan.count; from += 200) {
    const some = Array.from({ length: Math.min(200, plan.count - from) }, () => connected(plan, crowd, allowHalfOpen));
    await Promise.all(some);
  }
  port.postMessage('ready');
}

function connected(plan: CrowdPlan, crowd: Crowd, allowHalfOpen: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const { host, port, from, localPort } = plan;
    const options = { host, port, allowHalfOpen, ...(from ? { localAddress: from } : {}), ...(localPort ? { localPort } : {}) };
    const socket = connect(options, () => {
      socket.off('error', reject);
      crowd.add(socket);
      resolve();
    });
    socket.once('error', reject);
  });
}

export default main;
