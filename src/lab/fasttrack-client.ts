/**
 * A simulated Kazaa client for live tests and the demo. It behaves as the clients of 2003 did:
 *
 *   1. floods all peers of its list with UDP pings; connects to those that answer 0x28;
 *   2. when no answer of any kind comes, connects to many at once;
 *   3. when all fail, connects to one after the other, patiently, and begins again.
 *
 * An answer of any kind tells it that UDP works: it stays with style 1. Connected, it makes the genuine session handshake
 * and downloads a file. It answers pings that reach it, as any node does. Runs as the module of a Worker inside a lab host.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import { buildClientInfo, CLIENT_INFO } from '../fasttrack/messages.js';
import { clientSession } from '../fasttrack/session.js';
import { buildTransferRequest } from '../fasttrack/transfer.js';
import { buildPing, buildPong2, parsePing, PONG, PONG_2 } from '../fasttrack/udp.js';

export interface KazaaData {
  readonly ownAddress: string;
  readonly port: number;
  readonly peers: readonly { readonly address: string; readonly port: number }[];
  /** Begin with this style; default 1. */
  readonly style?: 1 | 2 | 3;
  /** Download straight from the first peer, without joining (the UDP of such a client never appears). */
  readonly downloadsOnly?: boolean;
  readonly pingIntervalMs: number;
  /** Without any answer for so long it goes on to the next style. */
  readonly patienceMs: number;
  readonly connectTimeoutMs: number;
}

/** `contentBytes`: without the head of the answer, and only those of the value that the simulated supernode serves. */
export type KazaaReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'style'; readonly style: 1 | 2 | 3 }
  | { readonly kind: 'pong'; readonly from: string; readonly type: number }
  | { readonly kind: 'probed' }
  | { readonly kind: 'attempt'; readonly to: string; readonly port: number }
  | { readonly kind: 'connected'; readonly to: string }
  | { readonly kind: 'joined'; readonly to: string }
  | { readonly kind: 'downloaded'; readonly bytes: number; readonly contentBytes: number };

const NETWORK = 'KaZaA';
const HASH = '8e0cda92da564448da5ec5070f3231907abac2a6';
const PARALLEL = 20;
/** What the simulated supernode's file is made of. */
const SERVED_VALUE = 0x5a;

export default async function kazaa(data: unknown, port: MessagePort): Promise<void> {
  const client = new KazaaClient(data as KazaaData, (message) => port.postMessage(message));
  port.once('message', () => client.stop());
  await client.start();
}

class KazaaClient {
  readonly #config: KazaaData;
  readonly #report: (message: KazaaReport) => void;
  readonly #udp: UdpSocket = createSocket('udp4');
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #style: 1 | 2 | 3 = 1;
  #hasAnswer = false;
  #isJoined = false;
  #isStopped = false;

  constructor(config: KazaaData, report: (message: KazaaReport) => void) {
    this.#config = config;
    this.#report = report;
  }

  async start(): Promise<void> {
    this.#udp.on('message', (bytes, from) => this.#datagram(bytes, from));
    // Refused datagrams are what a firewall does.
    this.#udp.on('error', () => undefined);
    await new Promise<void>((ready) => this.#udp.bind(this.#config.port, this.#config.ownAddress, ready));
    this.#report({ kind: 'ready' });
    if (this.#config.downloadsOnly) void this.#download(this.#config.peers[0]?.address ?? '', this.#config.peers[0]?.port ?? 0);
    else this.#enter(this.#config.style ?? 1);
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of this.#sockets) socket.destroy();
    this.#udp.close();
  }

  #later(ms: number, call: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#isStopped) call();
    }, ms);
    this.#timers.add(timer);
  }

  #enter(style: 1 | 2 | 3): void {
    if (this.#isStopped || this.#isJoined) return;
    this.#report({ kind: 'style', style });
    this.#style = style;
    if (style === 1) {
      this.#flood();
      this.#later(this.#config.patienceMs, () => {
        if (!this.#hasAnswer) this.#enter(2);
      });
    } else if (style === 2) void this.#parallel();
    else void this.#serial();
  }

  #flood(): void {
    if (this.#isJoined || this.#style !== 1) return;
    const ping = buildPing(NETWORK, 0xa9);
    for (const { address, port } of this.#config.peers) this.#udp.send(ping, port, address);
    this.#later(this.#config.pingIntervalMs, () => this.#flood());
  }

  async #parallel(): Promise<void> {
    await Promise.all(this.#config.peers.slice(0, PARALLEL).map((peer) => this.#join(peer.address, peer.port)));
    this.#enter(3);
  }

  async #serial(): Promise<void> {
    for (const { address, port } of this.#config.peers) {
      if (this.#isStopped || this.#isJoined) return;
      await this.#join(address, port);
    }
    this.#later(100, () => this.#enter(3));
  }

  #datagram(bytes: Uint8Array, from: { address: string; port: number }): void {
    if (parsePing(bytes, 0, bytes.length)) {
      this.#report({ kind: 'probed' });
      this.#udp.send(buildPong2(0x51), from.port, from.address);
      return;
    }
    const type = bytes[0];
    if (type !== PONG && type !== PONG_2) return;
    this.#hasAnswer = true;
    this.#report({ kind: 'pong', from: from.address, type });
    if (type === PONG && !this.#isJoined) void this.#join(from.address, from.port);
  }

  /** A TCP connection, or null when it is refused or times out. */
  #connect(address: string, port: number): Promise<Socket | null> {
    this.#report({ kind: 'attempt', to: address, port });
    return new Promise((done) => {
      const socket = connect({ host: address, port });
      this.#sockets.add(socket);
      const finish = (result: Socket | null): void => {
        clearTimeout(timer);
        if (!result) socket.destroy();
        done(result);
      };
      const timer = setTimeout(() => finish(null), this.#config.connectTimeoutMs);
      socket.once('connect', () => {
        this.#report({ kind: 'connected', to: address });
        finish(socket);
      });
      socket.on('error', () => finish(null));
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  async #join(address: string, port: number): Promise<void> {
    const socket = await this.#connect(address, port);
    const started = socket && clientSession({ network: NETWORK });
    if (!started) return;
    socket.write(started.opening);
    await new Promise<void>((done) => {
      const timer = setTimeout(done, this.#config.connectTimeoutMs);
      socket.once('close', done);
      socket.on('data', (bytes) => {
        const step = started.session.receive(bytes);
        if (step.send.length > 0) socket.write(step.send);
        if (!step.events.some((event) => event.kind === 'open') || this.#isJoined) return;
        this.#isJoined = true;
        clearTimeout(timer);
        this.#report({ kind: 'joined', to: address });
        const own = { address: Uint8Array.from(this.#config.ownAddress.split('.').map(Number)), port: this.#config.port, bandwidth: 0x60, userName: 'tester' };
        socket.write(started.session.packet(CLIENT_INFO, buildClientInfo(own)));
        void this.#download(address, port);
        done();
      });
    });
  }

  async #download(address: string, port: number): Promise<void> {
    const socket = await this.#connect(address, port);
    if (!socket) return;
    const fields = { userName: 'tester', network: NETWORK, ownEndpoint: `${this.#config.ownAddress}:${this.#config.port}`, supernode: `${address}:${port}` };
    let received = 0;
    let contentBytes = 0;
    let head = '';
    socket.on('data', (bytes) => {
      received += bytes.length;
      let at = 0;
      if (!head.includes('\r\n\r\n')) {
        const before = head.length;
        head += bytes.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        at = end < 0 ? bytes.length : end + 4 - before;
      }
      for (; at < bytes.length; at++) if (bytes[at] === SERVED_VALUE) contentBytes++;
    });
    socket.once('close', () => this.#report({ kind: 'downloaded', bytes: received, contentBytes }));
    // Header and fields in two segments, as slow writers do.
    const request = buildTransferRequest(HASH, `${address}:${port}`, fields, 0, 65535);
    socket.write(request.subarray(0, 90));
    this.#later(20, () => socket.write(request.subarray(90)));
  }
}
