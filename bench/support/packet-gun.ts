/**
 * Fires one packet again and again from a network namespace, through its OUTPUT chain, and measures: on `{ packet, count }` it
 * answers with the nanoseconds for each. Synchronous: the caller's thread waits for nothing else.
 */
import { RawSocket } from '../../src/kernel/raw-socket.js';
import type { WorkerMain } from '../../src/lab/namespace-worker.js';

export interface Shots {
  readonly packet: Uint8Array;
  readonly count: number;
}

const main: WorkerMain = (_data, port) => {
  const socket = new RawSocket({ ipVersion: 4 });
  port.on('message', ({ packet, count }: Shots) => {
    const started = process.hrtime.bigint();
    for (let i = 0; i < count; i++) socket.send(packet);
    port.postMessage(Number(process.hrtime.bigint() - started) / count);
  });
  port.postMessage('ready');
};
export default main;
