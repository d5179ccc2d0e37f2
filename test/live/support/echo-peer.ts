/** A TCP peer for lab hosts: listens and echoes, or connects, says one thing and reports the answer. */
import { connect, createServer } from 'node:net';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const main: WorkerMain = (data, port) => {
  const { listen, connect: to, say } = data as { listen?: Endpoint; connect?: Endpoint; say?: string };
  if (listen) {
    const server = createServer((socket) => {
      port.postMessage(`accepted ${socket.remoteAddress}`);
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    });
    server.listen(listen.port, listen.host, () => port.postMessage('listening'));
  } else if (to) {
    const socket = connect(to.port, to.host, () => socket.write(say ?? ''));
    socket.once('data', (bytes) => {
      port.postMessage(bytes.toString());
      socket.destroy();
    });
  }
};
export default main;
