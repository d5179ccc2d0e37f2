/**
 * Many FastTrack clients at once, for the benchmark: sends pings at a steady rate from many addresses of a lab host
 * and counts the answers. Runs as the module of a Worker.
 */
import { createSocket } from 'node:dgram';
import type { MessagePort } from 'node:worker_threads';
import { buildPing } from '../fasttrack/udp.js';

export interface FloodData {
  readonly addresses: readonly string[];
  /** Destinations: each client goes through them in turn. */
  readonly peers: readonly string[];
  readonly port: number;
  readonly perSecond: number;
  readonly seconds: number;
}

export interface FloodResult {
  readonly sent: number;
  readonly answered: number;
  readonly tookMs: number;
}

/** Answers that are still on their way. */
const LINGER_MS = 500;
const TURN_MS = 5;

export default async function flood(data: unknown, port: MessagePort): Promise<void> {
  const { addresses, peers, port: peerPort, perSecond, seconds } = data as FloodData;
  let answered = 0;
  const sockets = await Promise.all(
    addresses.map(
      (address) =>
        new Promise<ReturnType<typeof createSocket>>((ready) => {
          const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
          socket.on('message', () => answered++);
          socket.bind(1214, address, () => ready(socket));
        }),
    ),
  );
  const ping = buildPing('KaZaA');
  const startedMs = performance.now();
  let sent = 0;
  port.postMessage({ kind: 'started' });
  await new Promise<void>((done) => {
    const turn = (): void => {
      const elapsedMs = performance.now() - startedMs;
      const wanted = Math.min((elapsedMs / 1000) * perSecond, perSecond * seconds);
      while (sent < wanted) {
        const socket = sockets[sent % sockets.length];
        socket?.send(ping, peerPort, peers[Math.floor(sent / sockets.length) % peers.length] ?? '');
        sent++;
      }
      if (sent >= perSecond * seconds) done();
      else setTimeout(turn, TURN_MS);
    };
    turn();
  });
  const tookMs = performance.now() - startedMs;
  setTimeout(() => port.postMessage({ sent, answered, tookMs } satisfies FloodResult), LINGER_MS);
}
