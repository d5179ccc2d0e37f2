/** What commands that talk to the daemon share: where its socket is, one question, failures as exit statuses. */
import { readFileSync } from 'node:fs';
import { controlSocket } from '../../config/load.js';
import { ControlClient } from '../../control/client.js';
import { DEFAULT_SOCKET, type Request } from '../../control/protocol.js';
import { EXIT_FAILED } from '../exit-codes.js';
import { failureOf, sayFailure } from './wall-failure.js';

export interface DaemonOptions {
  readonly config: string;
  readonly socket?: string;
  readonly json?: boolean;
}

/** `--socket`, else what the configuration says, else the default. */
export function socketPath(options: DaemonOptions): string {
  if (options.socket !== undefined) return options.socket;
  try {
    return controlSocket(readFileSync(options.config, 'utf8')) ?? DEFAULT_SOCKET;
  } catch (error) {
    // Users of the socket's group need not be able to read the configuration.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EACCES') throw error;
    return DEFAULT_SOCKET;
  }
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
