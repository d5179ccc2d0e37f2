/**
 * First code of a Worker inside a lab host: enters the namespace, then runs the
 * module it was given. Started by `LabHost.startWorker` only.
 */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { enterNamespace } from '../kernel/netns.js';

/** What a module started in a lab host exports as default. */
export type WorkerMain = (data: unknown, port: MessagePort) => void | Promise<void>;

const { namespacePath, module, data } = workerData as { namespacePath: string; module: string; data: unknown };
enterNamespace(namespacePath);
const main = ((await import(module)) as { default: WorkerMain }).default;
if (!parentPort) throw new Error('namespace-worker runs only as a Worker');
await main(data, parentPort);
