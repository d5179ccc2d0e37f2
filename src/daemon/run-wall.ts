/**
 * `p2pwall run` as a process: signals, the control socket, metrics, the service manager.
 * Resolves with the exit status when the daemon has ended.
 */
import { pino } from 'pino';
import type { Server } from 'node:http';
import type { Config } from '../config/load.js';
import type { Request, Response } from '../control/protocol.js';
import { ControlServer } from '../control/server.js';
import { serveMetrics } from './metrics.js';
import { ServiceNotice } from './service-notice.js';
import { Wall } from './wall.js';

export interface RunOptions {
  readonly config: Config;
  readonly configPath: string;
  readonly version: string;
  /** Reads the configuration again: a Config, or every problem as a line of text. */
  readonly readConfig: () => Config | readonly string[];
}

const DEFAULT_LIMIT = 1000;

export async function runWall(options: RunOptions): Promise<void> {
  const { config, configPath, version } = options;
  // Events may go to standard output; what the daemon says of itself goes to standard error.
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime, level: process.env.P2PWALL_LOG ?? 'info' }, pino.destination({ dest: 2, sync: true }));
  const notice = new ServiceNotice(process.env);
  let hasCrashed = false;
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  /** Our own bug: the manager shall start us again. */
  const fail = (error: Error): void => {
    log.error({ stack: error.stack }, `unexpected: ${error.message}`);
    process.exitCode = 1;
    hasCrashed = true;
    end();
  };
  const wall = new Wall({ config, configPath, version, log, onFailure: fail });

  const reload = async (): Promise<Response> => {
    const read = options.readConfig();
    if (!('policy' in read)) {
      for (const problem of read) log.error({ component: 'config' }, problem);
      return { ok: false, error: 'the configuration has mistakes; the policy in force stays', hint: read.join('\n') };
    }
    const fixed = await wall.reload(read);
    if (fixed.length > 0) log.warn({ component: 'config', keys: fixed }, 'these settings change with a restart only');
    log.info({ component: 'config', rules: read.policy.rules.length }, 'policy reloaded');
    return { ok: true, data: { rules: read.policy.rules.length, restart_needed: fixed } };
  };
  const answer = async (request: Request): Promise<Response> => {
    switch (request.command) {
      case 'status':
        return { ok: true, data: wall.status() };
      case 'flows':
        return { ok: true, data: wall.flows(request.limit ?? DEFAULT_LIMIT) };
      case 'peers':
        return { ok: true, data: wall.peers(request.limit ?? DEFAULT_LIMIT) };
      case 'top':
        return { ok: true, data: await wall.top() };
      case 'block':
        return { ok: true, data: { connections: wall.block(request.address ?? '', request.seconds ?? 600) } };
      case 'unblock':
        return { ok: true, data: { was_blocked: wall.unblock(request.address ?? '') } };
      case 'reload':
        return reload();
    }
  };

  const stop = (signal: string): void => {
    log.info({ signal }, 'taking the wall down');
    end();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.on('SIGHUP', () => {
    reload().catch((error: Error & { hint?: string }) => log.error({ component: 'config', hint: error.hint }, error.message));
  });
  process.on('SIGUSR1', () => wall.reopenEvents());
  process.once('uncaughtException', fail);
  const control = new ControlServer(config.file.control.socket, answer);
  let metrics: Server | null = null;
  try {
    // Whatever can fail without touching the network comes first.
    await control.open(config.file.control.group ?? null);
    if (config.file.metrics) metrics = await serveMetrics(config.file.metrics.listen, wall);
    await wall.start();
  } catch (error) {
    control.close();
    metrics?.close();
    throw error;
  }
  const summary = `${config.policy.rules.length} rules, inside ${config.file.gateway.inside.join(' ')}, mode ${config.file.gateway.mode}`;
  log.info({ version, pid: process.pid }, `the wall stands: ${summary}`);
  notice.ready(summary);

  // The wall's sockets do not all hold the process.
  const hold = setInterval(() => undefined, 1 << 30);
  await ended;
  clearInterval(hold);
  notice.stopping();
  control.close();
  metrics?.close();
  // Closed means closed: after a crash the rules keep stopping traffic until the next start or `p2pwall down`.
  const isLeftStanding = hasCrashed && config.file.gateway.mode === 'closed';
  await wall.stop(isLeftStanding);
  log.info({}, isLeftStanding ? 'the rules of the wall stay: mode is closed' : 'the wall is down');
}
