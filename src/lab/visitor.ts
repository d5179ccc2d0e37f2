/**
 * A worker that visits and asks: on `{ visit: {host, port} }` it opens a TCP connection and reports whether that worked, on
 * `{ ask: {server, name, type, tcp} }` it sends a DNS question and reports the answer's length. It also serves as a
 * web server: on `{ serve: {host, port} }` it accepts and answers everything.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import { buildQuestion } from './name-server.js';
import { concat } from '../base/bytes.js';

export interface VisitorTask {
  readonly id: number;
  readonly visit?: { readonly host: string; readonly port: number };
  readonly ask?: { readonly server: string; readonly name: string; readonly type?: 1 | 28; readonly tcp?: boolean };
  readonly serve?: { readonly host: string; readonly port: number };
  readonly send?: { readonly host: string; readonly port: number; readonly fromPort: number; readonly bytes: Uint8Array };
}

const PATIENCE_MS = 1500;

function visit(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port });
    const finish = (worked: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      done(worked);
    };
    const timer = setTimeout(() => finish(false), PATIENCE_MS);
    socket.on('error', () => finish(false));
    socket.once('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.once('data', () => finish(true));
  });
}

function askUdp(server: string, question: Uint8Array): Promise<number> {
  return new Promise((done) => {
    const socket = createSocket('udp4');
    const finish = (length: number): void => {
      clearTimeout(timer);
      socket.close();
      done(length);
    };
    const timer = setTimeout(() => finish(0), PATIENCE_MS);
    socket.once('message', (bytes) => finish(bytes.length));
    socket.send(question, 53, server);
  });
}

function askTcp(server: string, question: Uint8Array): Promise<number> {
  return new Promise((done) => {
    const socket = connect({ host: server, port: 53 });
    let length = 0;
    socket.on('error', () => done(0));
    socket.once('connect', () => socket.write(concat(Uint8Array.of(0, question.length), question)));
    socket.on('data', (bytes) => {
      length += bytes.length;
    });
    socket.once('close', () => done(length));
  });
}

function serve(host: string, port: number): Promise<boolean> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nhello'));
  });
  return new Promise((done) => server.listen(port, host, () => done(true)));
}

/** Sends one datagram and waits a moment for an answer from its destination: milliseconds until it came, or -1. */
function send(host: string, port: number, fromPort: number, bytes: Uint8Array): Promise<number> {
  return new Promise((done) => {
    const socket = createSocket('udp4');
    const finish = (ms: number): void => {
      clearTimeout(timer);
      socket.close();
      done(ms);
    };
    const timer = setTimeout(() => finish(-1), PATIENCE_MS);
    let sentAtMs = 0;
    socket.on('message', (_, from) => {
      if (from.address === host && from.port === port) finish(performance.now() - sentAtMs);
    });
    socket.bind(fromPort, () => {
      sentAtMs = performance.now();
      socket.send(bytes, port, host);
    });
  });
}

async function perform(task: VisitorTask): Promise<boolean | number> {
  if (task.visit) return visit(task.visit.host, task.visit.port);
  if (task.serve) return serve(task.serve.host, task.serve.port);
  if (task.send) return send(task.send.host, task.send.port, task.send.fromPort, task.send.bytes);
  if (!task.ask) return false;
  const question = buildQuestion(task.id & 0xffff, task.ask.name, task.ask.type ?? 1);
  return task.ask.tcp ? askTcp(task.ask.server, question) : askUdp(task.ask.server, question);
}

export default function visitor(_: unknown, port: MessagePort): void {
  port.on('message', (task: VisitorTask) => {
    void perform(task).then((result) => port.postMessage({ id: task.id, result }));
  });
  port.postMessage({ kind: 'ready' });
}
