/**
 * Says single messages over real sockets: `{ serve: [...] }` opens the ports of messages and answers with what the server
 * says, `{ say: [...] }` connects (or sends a datagram) and says its own. Reports 'ready' and 'done'.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

export interface Message {
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
  readonly payload: Uint8Array;
  /** The server speaks first, the client only connects (TCP). */
  readonly fromServer: boolean;
}

const PATIENCE_MS = 2000;

async function serve(messages: readonly Message[]): Promise<void> {
  const greetings = new Map<string, Uint8Array>();
  for (const { protocol, host, port, payload, fromServer } of messages) {
    const key = `${protocol} ${host} ${port}`;
    if (greetings.has(key)) continue;
    greetings.set(key, fromServer ? payload : new Uint8Array(0));
    if (protocol === 'udp') {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      socket.bind(port, host);
      await once(socket, 'listening');
      continue;
    }
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.setNoDelay(true);
      if (fromServer) socket.end(payload);
      else socket.on('data', () => socket.end());
    });
    server.listen(port, host);
    await once(server, 'listening');
  }
}

async function say({ protocol, host, port, payload, fromServer }: Message): Promise<void> {
  if (protocol === 'udp') {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    await new Promise((resolve) => socket.send(payload, port, host, resolve));
    socket.close();
    return;
  }
  const socket = connect({ host, port });
  socket.setNoDelay(true);
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  if (!fromServer) socket.once('connect', () => socket.write(payload));
  socket.resume();
  await once(socket, 'close');
}

const main: WorkerMain = async (data, port) => {
  const { serve: served, say: said } = data as { serve?: readonly Message[]; say?: readonly Message[] };
  if (served) {
    await serve(served);
    port.postMessage('ready');
  }
  if (said) {
    for (const message of said) await say(message);
    port.postMessage('done');
  }
};
export default main;
