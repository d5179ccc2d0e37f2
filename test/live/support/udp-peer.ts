/**
 * A UDP peer for lab hosts. `echo`: answers every datagram. Otherwise sends what it is
 * told (`{ send: text, from?: port }` messages) and reports every datagram that arrives.
 */
import { createSocket } from 'node:dgram';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

const main: WorkerMain = (data, port) => {
  const { host, to, echo } = data as { host: string; to?: { host: string; port: number }; echo?: number };
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', (error) => port.postMessage(`error ${error.message}`));
  socket.on('message', (bytes, from) => {
    if (echo !== undefined) socket.send(bytes, from.port, from.address);
    else port.postMessage(bytes.toString());
  });
  socket.bind(echo ?? 0, host, () => port.postMessage('ready'));
  port.on('message', (text: string) => {
    if (to) socket.send(text, to.port, to.host);
  });
};
export default main;
