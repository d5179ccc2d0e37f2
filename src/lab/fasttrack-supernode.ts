/**
 * A simulated FastTrack supernode for live tests and the demo: answers pings, speaks the genuine session
 * handshake (with the seeds and types whose ciphers are known) and serves one file over its transfer protocol.
 *
 * Runs as the module of a Worker inside a lab host. All of UDP, sessions and transfers share one port, as in the network.
 */
import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import type { MessagePort } from 'node:worker_threads';
import { parseIpv4 } from '../base/address.js';
import { concat } from '../base/bytes.js';
import { buildSupernodeList, NETWORK_NAME, SUPERNODE_LIST, YOUR_ADDRESS } from '../fasttrack/messages.js';
import { supernodeSession } from '../fasttrack/session.js';
import { buildTransferResponse, scanTransferHead } from '../fasttrack/transfer.js';
import { buildPong, buildPong2, parsePing } from '../fasttrack/udp.js';

export interface SupernodeData {
  /** Addresses to serve on: one program plays several nodes. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** 0x28: has room; 0x29: has none; null: never answers pings. */
  readonly pong: 0x28 | 0x29 | null;
  readonly fileBytes: number;
}

/** What it reports to whoever started it. */
export type SupernodeReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'ping'; readonly from: string }
  | { readonly kind: 'connection'; readonly from: string }
  | { readonly kind: 'session'; readonly from: string }
  | { readonly kind: 'transfer'; readonly from: string };

const NETWORK = 'KaZaA';
/** One of the seeds whose mask is known, and the types that can be encrypted. */
const SEED = 0x12345678;
const TYPE = 0x09;

export default async function supernode(data: unknown, port: MessagePort): Promise<void> {
  const config = data as SupernodeData;
  const report = (message: SupernodeReport): void => port.postMessage(message);
  await Promise.all(config.addresses.flatMap((address) => [serveUdp(config, address, report), serveTcp(config, address, report)]));
  report({ kind: 'ready' });
}

function serveUdp(config: SupernodeData, address: string, report: (message: SupernodeReport) => void): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    const ping = parsePing(bytes, 0, bytes.length);
    if (!ping) return;
    report({ kind: 'ping', from: from.address });
    if (config.pong === 0x28) socket.send(buildPong(ping.network, { minimumType: ping.minimumType }), from.port, from.address);
    if (config.pong === 0x29) socket.send(buildPong2(1), from.port, from.address);
  });
  return new Promise((ready, failed) => {
    socket.once('error', failed);
    socket.bind(config.port, address, ready);
  });
}

function serveTcp(config: SupernodeData, address: string, report: (message: SupernodeReport) => void): Promise<void> {
  const server = createServer((socket) => {
    const from = socket.remoteAddress ?? '';
    report({ kind: 'connection', from });
    // Peers that are cut off are the point of the tests.
    socket.on('error', () => socket.destroy());
    socket.once('data', (first) => {
      if (String.fromCharCode(...first.subarray(0, 4)) === 'GET ') serveFile(config, socket, first, report);
      else serveSession(socket, first, from, report);
    });
  });
  return new Promise((ready, failed) => {
    server.once('error', failed);
    server.listen(config.port, address, ready);
  });
}

function serveSession(socket: Socket, first: Uint8Array, from: string, report: (message: SupernodeReport) => void): void {
  const session = supernodeSession({ network: NETWORK, seed: SEED, supportedType: TYPE, minimumType: TYPE });
  const take = (bytes: Uint8Array): void => {
    const step = session.receive(bytes);
    if (step.send.length > 0) socket.write(step.send);
    for (const event of step.events) {
      if (event.kind === 'failed') socket.destroy();
      else if (event.kind === 'open') {
        report({ kind: 'session', from });
        const client = parseIpv4(from.replace(/^::ffff:/, '')) ?? new Uint8Array(4);
        const list = [{ address: Uint8Array.of(192, 0, 2, 10), port: 1214, minutesSinceSeen: 1, loadPercent: 50 }];
        socket.write(concat(session.packet(NETWORK_NAME, Buffer.from(NETWORK)), session.packet(YOUR_ADDRESS, client), session.packet(SUPERNODE_LIST, buildSupernodeList(list))));
      } else if (event.frame.kind === 'ping') socket.write(session.pong());
    }
  };
  take(first);
  socket.on('data', take);
}

function serveFile(config: SupernodeData, socket: Socket, first: Uint8Array, report: (message: SupernodeReport) => void): void {
  let request = first;
  const take = (bytes: Uint8Array): void => {
    request = concat(request, bytes);
    const head = scanTransferHead(request, 0, request.length);
    if (!head?.isComplete) return;
    report({ kind: 'transfer', from: socket.remoteAddress ?? '' });
    const fields = { userName: 'node', network: NETWORK, ownEndpoint: `${socket.localAddress}:${config.port}`, supernode: `${socket.localAddress}:${config.port}` };
    socket.end(concat(buildTransferResponse(fields, 0, config.fileBytes - 1, config.fileBytes), new Uint8Array(config.fileBytes).fill(0x5a)));
  };
  take(new Uint8Array(0));
  socket.on('data', take);
}
