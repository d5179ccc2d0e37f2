/**
 * Simulated OpenNap programs for live tests: no package of Debian speaks it any more. One Worker inside a lab host:
 *
 *   server   takes logins, answers searches with the one file it knows, and download requests with the sharer's endpoint;
 *   sharer   gives the file to whoever connects and asks for it;
 *   client   logs in, searches, asks for the result, downloads it from the sharer; again until it has the file.
 *
 * Deliberately left out: channels, hot lists, pushes by SEND.
 * Specification: drscholl, "napster messages", April 2000 (messages: length and type, 16 bits little-endian, then text).
 */
import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { type Socket, connect, createServer } from 'node:net';
import { concat } from '../base/bytes.js';
import type { WorkerMain } from './namespace-worker.js';

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface OpenNapData {
  readonly role: 'server' | 'sharer' | 'client';
  readonly server: Endpoint;
  readonly sharer: Endpoint;
  /** The file to give, or to write. */
  readonly file: string;
  readonly lengthBytes: number;
}

const LOGIN = 2;
const LOGIN_ACK = 3;
const SEARCH = 200;
const SEARCH_RESULT = 201;
const SEARCH_END = 202;
const DOWNLOAD_REQUEST = 203;
const DOWNLOAD_ACK = 204;
const NAME = 'C:\\music\\data.mp3';
const RETRY_MS = 2000;
const PATIENCE_MS = 4000;

function message(type: number, words: string): Uint8Array {
  const body = Buffer.from(words, 'latin1');
  return concat(Uint8Array.of(body.length & 255, body.length >> 8, type & 255, type >> 8), body);
}

/** Calls `onMessage` for each whole message of the stream. */
function readMessages(socket: Socket, onMessage: (type: number, words: string) => void): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt16LE(0)) {
      const end = 4 + pending.readUInt16LE(0);
      onMessage(pending.readUInt16LE(2), pending.toString('latin1', 4, end));
      pending = pending.subarray(end);
    }
  });
}

function serve(data: OpenNapData): Promise<void> {
  const [a = 0, b = 0, c = 0, d = 0] = data.sharer.address.split('.').map(Number);
  const ip = ((d << 24) | (c << 16) | (b << 8) | a) >>> 0;
  const server = createServer((socket) => {
    // Peers that are cut off are the point of the tests.
    socket.on('error', () => socket.destroy());
    readMessages(socket, (type) => {
      if (type === LOGIN) socket.write(message(LOGIN_ACK, 'anon@example.org'));
      if (type === SEARCH) socket.write(concat(message(SEARCH_RESULT, `"${NAME}" 0123456789abcdef0123456789abcdef ${data.lengthBytes} 128 44100 60 sharer ${ip} 8`), message(SEARCH_END, '')));
      if (type === DOWNLOAD_REQUEST) socket.write(message(DOWNLOAD_ACK, `sharer ${ip} ${data.sharer.port} "${NAME}" 0123456789abcdef0123456789abcdef 8`));
    });
  });
  return new Promise((ready) => server.listen(data.server.port, data.server.address, ready));
}

/** The sharer speaks first: one character. Then the request, the size as text, the bytes. */
function share(data: OpenNapData): Promise<void> {
  const content = readFileSync(data.file);
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write('1');
    let asked = '';
    socket.on('data', (bytes: Buffer) => {
      asked += bytes.toString('latin1');
      if (/^GET\S+ ".*" \d+$/.test(asked)) socket.end(concat(Buffer.from(String(content.length), 'latin1'), content));
    });
  });
  return new Promise((ready) => server.listen(data.sharer.port, data.sharer.address, ready));
}

/** One conversation: true when `step` says so before patience ends. */
function talk({ address, port }: Endpoint, step: (socket: Socket, finish: (isDone: boolean) => void) => void): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: address, port });
    const finish = (isDone: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      done(isDone);
    };
    const timer = setTimeout(() => finish(false), PATIENCE_MS);
    socket.on('error', () => finish(false));
    socket.once('close', () => finish(false));
    step(socket, finish);
  });
}

function ask(data: OpenNapData): Promise<boolean> {
  return talk(data.server, (socket, finish) => {
    socket.once('connect', () => socket.write(message(LOGIN, 'leech secret 6699 "LabPeer 1.0" 8')));
    readMessages(socket, (type) => {
      if (type === LOGIN_ACK) socket.write(message(SEARCH, 'FILENAME CONTAINS "data" MAX_RESULTS 10'));
      if (type === SEARCH_RESULT) socket.write(message(DOWNLOAD_REQUEST, `sharer "${NAME}"`));
      if (type === DOWNLOAD_ACK) finish(true);
    });
  });
}

/** The sharer's character, the request, the size as text, the file. */
function download(data: OpenNapData): Promise<boolean> {
  rmSync(data.file, { force: true });
  const headBytes = 1 + String(data.lengthBytes).length;
  let got = 0;
  return talk(data.sharer, (socket, finish) => {
    socket.on('data', (bytes: Buffer) => {
      if (got === 0) socket.write(`GETleech "${NAME}" 0`);
      const content = bytes.subarray(Math.max(0, headBytes - got));
      got += bytes.length;
      if (content.length > 0) appendFileSync(data.file, content);
      if (got >= headBytes + data.lengthBytes) finish(true);
    });
  });
}

const main: WorkerMain = async (given, port) => {
  const data = given as OpenNapData;
  if (data.role === 'server') await serve(data);
  if (data.role === 'sharer') await share(data);
  port.postMessage('ready');
  if (data.role !== 'client') return;
  while (!((await ask(data)) && (await download(data)))) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
};
export default main;
