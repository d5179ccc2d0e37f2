/** Makes many connections: one datagram to each of `ports` ports of a host, then says so. */
import { createSocket } from 'node:dgram';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

const main: WorkerMain = async (data, port) => {
  const { host, ports } = data as { host: string; ports: number };
  const socket = createSocket('udp4');
  // ICMP port unreachable comes back for each of them.
  socket.on('error', () => undefined);
  for (let i = 0; i < ports; i++) {
    socket.send('x', 1024 + i, host);
    if (i % 200 === 199) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  port.postMessage('sent');
};
export default main;
