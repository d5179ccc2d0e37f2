/** What commands that talk to the daemon share: where its socket is, one question, failures as exit statuses. */
import { existsSync } from 'node:fs';
import { ControlClient } from '../control/client.js';
import { DEFAULT_SOCKET, type Request } from '../control/protocol.js';
import { EXIT_FAILED } from './exit-codes.js';
import { DEFAULT_CONFIG } from './config-path.js';
import { isConfig, readConfig } from './read-config.js';
import { failureOf, sayFailure } from './wall-failure.js';

export interface DaemonOptions {
  readonly config: string;
  readonly socket?: string;
  readonly json?: boolean;
}

/** `--socket`, else what the configuration says, else the default. */
export function socketPath(options: DaemonOptions): string {
  if (options.socket !== undefined) return options.socket;
  if (options.config === DEFAULT_CONFIG && !existsSync(DEFAULT_CONFIG)) return DEFAULT_SOCKET;
  const config = readConfig(options.config);
  return isConfig(config) ? config.file.control.socket : DEFAULT_SOCKET;
}

/** Asks one question and gives the answer to `show`; returns the exit status. */
export async function askDaemon<T>(options: DaemonOptions, request: Request, show: (data: T) => void): Promise<number> {
  try {
    const client = await ControlClient.open(socketPath(options));
    const response = await client.ask(request);
    client.close();
    if (!response.ok) return sayFailure({ message: response.error, hint: response.hint, status: EXIT_FAILED });
    if (options.json === true) process.stdout.write(`${JSON.stringify(response.data)}\n`);
    else show(response.data as T);
    return 0;
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    return sayFailure(failure);
  }
}
