/**
 * Clients and servers that find each other by name, for live tests: the start of WinMX (a peer cache) and of OpenNap
 * (a server with a login). Two modules in one: with `serve` it plays both servers, with `join` it resolves a name
 * and starts as that client does. Runs as the module of a Worker inside a lab host.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import { ascii, concat } from '../base/bytes.js';
import { parseDnsAnswer } from '../ftwall/dns-answer.js';
import { buildQuestion } from './name-server.js';

export const WINMX_PORT = 7950;
export const OPENNAP_PORT = 8888;

export interface NameStartData {
  readonly serve?: { readonly address: string };
  readonly join?: { readonly network: 'winmx' | 'opennap'; readonly name: string; readonly nameServer: string };
}

export type NameStartReport = { readonly kind: 'ready' } | { readonly kind: 'joined' | 'refused'; readonly address: string };

const KEY_BLOCK_BYTES = 16;
const LIST_BYTES = 132;
const PATIENCE_MS = 1500;

/** An OpenNap message: data length and type, little-endian. */
function message(type: number, data: string): Uint8Array {
  return concat(Uint8Array.of(data.length, data.length >>> 8, type, type >>> 8), ascii(data));
}

/** Bytes without meaning, as a cipher would give them. */
function noise(lengthBytes: number): Uint8Array {
  return new Uint8Array(lengthBytes).map((_, i) => (i * 73 + 41) & 0xff);
}

function serveWinmx(socket: Socket): void {
  socket.write('8');
  socket.once('data', () => socket.write(concat(noise(KEY_BLOCK_BYTES), noise(LIST_BYTES))));
}

function serveOpennap(socket: Socket): void {
  socket.once('data', () => socket.write(message(3, 'tester@example.org')));
}

function listen(port: number, address: string, serve: (socket: Socket) => void): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  return new Promise((ready) => server.listen(port, address, ready));
}

function resolve(name: string, nameServer: string): Promise<readonly string[]> {
  return new Promise((done) => {
    const socket = createSocket('udp4');
    const finish = (addresses: readonly string[]): void => {
      clearTimeout(timer);
      socket.close();
      done(addresses);
    };
    const timer = setTimeout(() => finish([]), PATIENCE_MS);
    socket.once('message', (bytes) => {
      const records = parseDnsAnswer(bytes, 0, bytes.length)?.records ?? [];
      finish(records.filter((record) => !record.isAlias).map((record) => record.target));
    });
    socket.send(buildQuestion(1, name), 53, nameServer);
  });
}

/** Connects and starts; true when the server answered as its network does. */
function start(network: 'winmx' | 'opennap', address: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: address, port: network === 'winmx' ? WINMX_PORT : OPENNAP_PORT });
    let received = 0;
    const finish = (hasJoined: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      done(hasJoined);
    };
    const timer = setTimeout(() => finish(false), PATIENCE_MS);
    socket.on('error', () => finish(false));
    socket.once('connect', () => {
      if (network === 'opennap') socket.write(message(2, 'tester secret 6699 "nap v0.8" 3'));
    });
    socket.on('data', (bytes) => {
      if (network === 'winmx' && received === 0) socket.write(noise(KEY_BLOCK_BYTES));
      received += bytes.length;
      if (network === 'opennap' || received > KEY_BLOCK_BYTES) finish(true);
    });
  });
}

export default async function nameStarts(data: unknown, port: MessagePort): Promise<void> {
  const { serve, join } = data as NameStartData;
  const report = (what: NameStartReport): void => port.postMessage(what);
  if (serve) {
    await Promise.all([listen(WINMX_PORT, serve.address, serveWinmx), listen(OPENNAP_PORT, serve.address, serveOpennap)]);
    report({ kind: 'ready' });
  }
  if (!join) return;
  for (const address of await resolve(join.name, join.nameServer)) {
    report({ kind: (await start(join.network, address)) ? 'joined' : 'refused', address });
  }
}
