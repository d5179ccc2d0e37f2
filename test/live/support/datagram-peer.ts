/** `{ receive, forMs }`: collects datagrams for a time and reports their texts; `{ send, texts }`: sends them in order. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const main: WorkerMain = async (data, port) => {
  const { receive, forMs, send, texts } = data as { receive?: Endpoint; forMs?: number; send?: Endpoint; texts?: readonly string[] };
  const socket = createSocket('udp4');
  if (receive) {
    const got: string[] = [];
    socket.on('message', (bytes) => got.push(bytes.toString()));
    socket.bind(receive.port, receive.host);
    await once(socket, 'listening');
    port.postMessage('ready');
    setTimeout(() => {
      port.postMessage(got);
      socket.close();
    }, forMs ?? 1000);
  } else if (send) {
    for (const text of texts ?? []) await new Promise((resolve) => socket.send(text, send.port, send.host, resolve));
    socket.close();
    port.postMessage('sent');
  }
};
export default main;
