/** Runs the cutting engine inside a lab host: one request for each message, the report as the answer. */
import { type Discovery, discover } from '../../../src/kernel/cut/discover.js';
import { type CutRequest, cutConnections } from '../../../src/kernel/cut/cut-connections.js';
import type { Selection } from '../../../src/cutter/selection.js';
import { SystemError } from '../../../src/kernel/system-error.js';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

export interface CutJobMessage {
  readonly selection: Selection;
  readonly method: CutRequest['method'];
  readonly timeoutMs?: number;
  readonly holdSeconds?: number;
  readonly isListOnly?: boolean;
  /** Cuts what the last job found, as it was then. */
  readonly isStale?: boolean;
}

const main: WorkerMain = (_data, port) => {
  let last: Discovery | null = null;
  const run = async ({ selection, method, timeoutMs = 5000, holdSeconds = 0, isListOnly, isStale }: CutJobMessage): Promise<unknown> => {
    const startedMs = performance.now();
    const discovery: Discovery = isStale === true && last ? last : discover(selection);
    last = discovery;
    const discoverMs = performance.now() - startedMs;
    if (isListOnly) return { discovery };
    const report = await cutConnections({ connections: discovery.connections, method, timeoutMs, holdSeconds });
    return { discovery, discoverMs, report };
  };
  port.on('message', (message: CutJobMessage) => {
    run(message).then(
      (answer) => port.postMessage(answer),
      (error: unknown) => port.postMessage({ error: error instanceof SystemError ? `${error.message} (${error.hint})` : String(error) }),
    );
  });
  port.postMessage('ready');
};
export default main;
