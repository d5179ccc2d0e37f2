/**
 * Simulated Gnutella 0.6 programs for live tests: no package of Debian speaks it. One Worker inside a lab
 * host, in one of two roles:
 *
 *   servent  an ultrapeer that takes connections, answers pings and queries, and serves one file by HTTP;
 *   leaf     joins an ultrapeer, pings, queries, and downloads from whoever the hit names - or, when no hit comes, from
 *            the address in its host cache; again and again until it has the file.
 *
 * Deliberately left out: query routing tables, pushes, compression, swarming.
 * Specification: Gnutella Protocol Development, "The Annotated Gnutella Protocol Specification v0.4" and "Gnutella 0.6".
 */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { appendFileSync, readFileSync } from 'node:fs';
import { type Socket, connect, createServer } from 'node:net';
import { concat } from '../base/bytes.js';
import type { WorkerMain } from './namespace-worker.js';

export interface GnutellaData {
  readonly role: 'servent' | 'leaf';
  readonly address: string;
  readonly port: number;
  /** The file to serve, or to write. */
  readonly file: string;
  /** Whom a query hit names as the source (servent), and whom the host cache knows as a source (leaf). */
  readonly source: { readonly address: string; readonly port: number };
  /** The ultrapeer to join (leaf). */
  readonly ultrapeer: { readonly address: string; readonly port: number };
  readonly urn: string;
}

const PING = 0x00;
const PONG = 0x01;
const QUERY = 0x80;
const QUERY_HIT = 0x81;
const HEADER_BYTES = 23;
const RETRY_MS = 5000;
const PATIENCE_MS = 4000;
const HEADERS = 'User-Agent: LabPeer/1.0\r\nX-Ultrapeer: %u\r\nX-Query-Routing: 0.1\r\nPong-Caching: 0.1\r\nGGEP: 0.5\r\n';

const text = (words: string): Uint8Array => Buffer.from(words, 'latin1');
const ipv4 = (address: string): Uint8Array => Uint8Array.from(address.split('.').map(Number));
const u16le = (value: number): Uint8Array => Uint8Array.of(value & 255, value >> 8);
const u32le = (value: number): Uint8Array => Uint8Array.of(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);

/** Section 2.2: identifier, type, time to live, hops, length of what follows. */
function message(type: number, body: Uint8Array, seed: string): Uint8Array {
  const id = createHash('md5').update(seed).digest();
  // Byte 8 is 0xff and byte 15 is 0 in modern servents.
  id[8] = 0xff;
  id[15] = 0;
  return concat(id, Uint8Array.of(type, 3, 0), u32le(body.length), body);
}

const pong = (data: GnutellaData): Uint8Array => concat(u16le(data.port), ipv4(data.source.address), u32le(1), u32le(64));

/** One result: count, port, address, speed, then index, size, two strings; an empty extended block; the servent's identifier. */
function queryHit(data: GnutellaData, lengthBytes: number): Uint8Array {
  const result = concat(u32le(1), u32le(lengthBytes), text(`data\0${data.urn}\0`));
  return concat(Uint8Array.of(1), u16le(data.source.port), ipv4(data.source.address), u32le(1000), result, text('LABP\x02\x1c\x19\0'), createHash('md5').update(data.address).digest());
}

function serve(data: GnutellaData): Promise<void> {
  const content = readFileSync(data.file);
  const server = createServer((socket) => {
    let pending: Uint8Array = new Uint8Array(0);
    let isJoined = false;
    // Peers that are cut off are the point of the tests.
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Uint8Array) => {
      pending = concat(pending, bytes);
      const words = Buffer.from(pending).toString('latin1');
      if (!isJoined && words.startsWith('GET ') && words.includes('\r\n\r\n')) {
        socket.end(concat(text(`HTTP/1.1 200 OK\r\nServer: LabPeer/1.0\r\nX-Gnutella-Content-URN: ${data.urn}\r\nContent-Type: application/binary\r\nContent-Length: ${content.length}\r\n\r\n`), content));
      } else if (!isJoined && words.startsWith('GNUTELLA CONNECT/') && words.endsWith('\r\n\r\n')) {
        socket.write(text(`GNUTELLA/0.6 200 OK\r\n${HEADERS.replace('%u', 'True')}\r\n`));
        pending = new Uint8Array(0);
        isJoined = true;
      } else if (isJoined) {
        // The third part of the handshake, then messages.
        if (words.startsWith('GNUTELLA/0.6 200')) pending = pending.subarray(words.indexOf('\r\n\r\n') + 4);
        pending = answer(data, socket, pending, content.length);
      }
    });
  });
  const udp = createSocket('udp4');
  udp.on('error', () => undefined);
  udp.on('message', (bytes, from) => {
    if (bytes.length >= HEADER_BYTES && bytes[16] === PING) udp.send(message(PONG, pong(data), bytes.toString('hex', 0, 16)), from.port, from.address);
  });
  return new Promise((ready) => udp.bind(data.port, data.address, () => server.listen(data.port, data.address, ready)));
}

function answer(data: GnutellaData, socket: Socket, waiting: Uint8Array, lengthBytes: number): Uint8Array {
  let pending = waiting;
  for (;;) {
    const length = pending.length < HEADER_BYTES ? 0 : Buffer.from(pending.buffer, pending.byteOffset).readUInt32LE(19);
    if (pending.length < HEADER_BYTES || pending.length < HEADER_BYTES + length) return pending;
    if (pending[16] === PING) socket.write(message(PONG, pong(data), 'pong'));
    if (pending[16] === QUERY) socket.write(message(QUERY_HIT, queryHit(data, lengthBytes), 'hit'));
    pending = pending.subarray(HEADER_BYTES + length);
  }
}

/** Joins, asks, and returns once a hit has come, or patience is over. */
function ask(data: GnutellaData): Promise<void> {
  return new Promise((done) => {
    const { address, port } = data.ultrapeer;
    const socket = connect({ host: address, port });
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      done();
    };
    const timer = setTimeout(finish, PATIENCE_MS);
    socket.on('error', finish);
    socket.once('connect', () => socket.write(text(`GNUTELLA CONNECT/0.6\r\n${HEADERS.replace('%u', 'False')}\r\n`)));
    let isJoined = false;
    let got: Uint8Array = new Uint8Array(0);
    socket.on('data', (bytes: Uint8Array) => {
      if (!isJoined) {
        isJoined = true;
        socket.write(text('GNUTELLA/0.6 200 OK\r\n\r\n'));
        // A query: minimum speed, words, and the wish for a hash.
        socket.write(concat(message(PING, new Uint8Array(0), 'ping'), message(QUERY, concat(u16le(0x0080), text('data\0urn:sha1:\0')), 'query')));
        return;
      }
      got = concat(got, bytes);
      if (Buffer.from(got).includes(data.urn)) finish();
    });
  });
}

/** Downloads from the source into the file; true when all of it came. */
function download(data: GnutellaData): Promise<boolean> {
  return new Promise((done) => {
    const { address, port } = data.source;
    const socket = connect({ host: address, port });
    let head = '';
    let isHeadOver = false;
    let missing = -1;
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      done(missing === 0);
    };
    let timer = setTimeout(finish, PATIENCE_MS);
    socket.on('error', finish);
    socket.once('close', finish);
    socket.once('connect', () => socket.write(text(`GET /uri-res/N2R?${data.urn} HTTP/1.1\r\nHost: ${address}:${port}\r\nUser-Agent: LabPeer/1.0\r\nX-Gnutella-Content-URN: ${data.urn}\r\nX-Queue: 0.1\r\n\r\n`)));
    socket.on('data', (bytes: Buffer) => {
      clearTimeout(timer);
      timer = setTimeout(finish, PATIENCE_MS);
      let body = bytes;
      if (!isHeadOver) {
        head += bytes.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        isHeadOver = true;
        missing = Number(/Content-Length: (\d+)/.exec(head)?.[1] ?? -1);
        body = Buffer.from(head.slice(end + 4), 'latin1');
      }
      if (body.length > 0) appendFileSync(data.file, body);
      missing -= body.length;
      if (missing === 0) finish();
    });
  });
}

async function fetchUntilDone(data: GnutellaData): Promise<void> {
  const udp = createSocket('udp4');
  udp.on('error', () => undefined);
  await new Promise<void>((ready) => udp.bind(data.port, data.address, ready));
  for (;;) {
    udp.send(message(PING, new Uint8Array(0), 'udp'), data.ultrapeer.port, data.ultrapeer.address);
    await ask(data);
    if (await download(data)) return;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

const main: WorkerMain = async (given, port) => {
  const data = given as GnutellaData;
  if (data.role === 'servent') {
    await serve(data);
    port.postMessage('ready');
    return;
  }
  port.postMessage('ready');
  await fetchUntilDone(data);
};
export default main;
