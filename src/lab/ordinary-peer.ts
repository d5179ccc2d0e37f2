/**
 * Everyday protocols beside the P2P traffic: HTTP, TLS, something like SSH, something like QUIC, DNS. As
 * server answers each request with bytes that follow from it; as client asks again and again and compares every byte.
 * Reports `{ exchanges, mismatches }` when asked `report`.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer as createHttp, request as httpRequest } from 'node:http';
import { type Socket, connect, createServer as createTcp } from 'node:net';
import { connect as tlsConnect, createServer as createTls } from 'node:tls';
import type { WorkerMain } from './namespace-worker.js';

export interface OrdinaryReport {
  readonly exchanges: Readonly<Record<string, number>>;
  readonly mismatches: readonly string[];
}

export const ORDINARY_PORTS = { http: 80, tls: 443, ssh: 22, dns: 53, quic: 8443 } as const;
const REPLY_BYTES = 20_000;
const BANNER = 'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n';
/** Long: a machine that runs many labs at once may stand still for seconds. */
const PATIENCE_MS = 20_000;

/** What a server answers to `asked`: reproducible, incompressible. */
function reply(asked: Buffer, lengthBytes: number): Buffer {
  const out: Buffer[] = [];
  for (let size = 0, i = 0; size < lengthBytes; size += 32, i++) out.push(createHash('sha256').update(asked).update(String(i)).digest());
  return Buffer.concat(out).subarray(0, lengthBytes);
}

/** Reads exactly `lengthBytes` from a stream. */
function readExactly(socket: NodeJS.ReadableStream, lengthBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => reject(new Error(`${size} of ${lengthBytes} bytes came`)), PATIENCE_MS);
    const onData = (data: Buffer): void => {
      parts.push(data);
      size += data.length;
      if (size < lengthBytes) return;
      clearTimeout(timer);
      socket.removeListener('data', onData);
      resolve(Buffer.concat(parts));
    };
    socket.on('data', onData);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

function serve(host: string, key: string, cert: string): void {
  const quiet = (socket: Socket): Socket => socket.on('error', () => socket.destroy());
  createHttp((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (data: Buffer) => parts.push(data));
    request.on('end', () => response.end(reply(Buffer.concat(parts), REPLY_BYTES)));
  }).listen(ORDINARY_PORTS.http, host);
  const stream = (socket: Socket): void => {
    socket.once('data', (asked: Buffer) => quiet(socket).end(reply(asked, REPLY_BYTES)));
  };
  createTls({ key, cert }, stream).on('tlsClientError', () => undefined).listen(ORDINARY_PORTS.tls, host);
  createTcp((socket) => {
    quiet(socket).write(BANNER);
    // Their banner, then our key exchange and encrypted packets: random bytes, as SSH has them.
    socket.once('data', (asked: Buffer) => socket.end(reply(asked, REPLY_BYTES)));
  }).listen(ORDINARY_PORTS.ssh, host);
  for (const port of [ORDINARY_PORTS.dns, ORDINARY_PORTS.quic]) {
    const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    udp.on('error', () => undefined);
    udp.on('message', (asked, from) => {
      // A DNS answer repeats the question's identifier with the answer bit set.
      const body = port === ORDINARY_PORTS.dns ? Buffer.concat([asked.subarray(0, 2), Buffer.from([0x81, 0x80]), asked.subarray(4)]) : reply(asked, 1000);
      udp.send(body, from.port, from.address);
    });
    udp.bind(port, host);
  }
}

type Exchange = (host: string) => Promise<boolean>;

async function overStream(socket: Socket, asked: Buffer, before: number): Promise<boolean> {
  try {
    if (before > 0) await readExactly(socket, before);
    socket.write(asked);
    return (await readExactly(socket, REPLY_BYTES)).equals(reply(asked, REPLY_BYTES));
  } finally {
    socket.destroy();
  }
}

function overUdp(host: string, port: number, asked: Buffer, expected: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const timer = setTimeout(() => finish(new Error('no answer')), PATIENCE_MS);
    const again = setInterval(() => udp.send(asked, port, host), 1000);
    const finish = (result: boolean | Error): void => {
      clearTimeout(timer);
      clearInterval(again);
      udp.close();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    udp.once('message', (bytes) => finish(bytes.equals(expected)));
    udp.once('error', finish);
    udp.send(asked, port, host);
  });
}

const EXCHANGES: Readonly<Record<string, Exchange>> = {
  http: (host) =>
    new Promise((resolve, reject) => {
      const asked = randomBytes(500);
      // A connection of its own: a server closes idle ones after five seconds, in the face of a request that comes just then.
      const request = httpRequest({ host, port: ORDINARY_PORTS.http, method: 'POST', path: '/form', timeout: PATIENCE_MS, agent: false }, (response) => {
        readExactly(response, REPLY_BYTES).then((got) => resolve(got.equals(reply(asked, REPLY_BYTES))), reject);
      });
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.on('error', reject);
      request.end(asked);
    }),
  tls: (host) => overStream(tlsConnect({ host, port: ORDINARY_PORTS.tls, rejectUnauthorized: false, servername: 'www.example.org' }), randomBytes(400), 0),
  ssh: (host) => overStream(connect(ORDINARY_PORTS.ssh, host), Buffer.concat([Buffer.from(BANNER), randomBytes(1000)]), BANNER.length),
  dns: (host) => {
    // RFC 1035 section 4.1: www.example.org A IN.
    const question = Buffer.concat([randomBytes(2), Buffer.from('0100000100000000000003777777076578616d706c65036f72670000010001', 'hex')]);
    return overUdp(host, ORDINARY_PORTS.dns, question, Buffer.concat([question.subarray(0, 2), Buffer.from([0x81, 0x80]), question.subarray(4)]));
  },
  quic: (host) => {
    // RFC 9000 section 17.2.2: a long header of version 1, then bytes that look random.
    const asked = Buffer.concat([Buffer.from([0xc3, 0, 0, 0, 1, 8]), randomBytes(1194)]);
    return overUdp(host, ORDINARY_PORTS.quic, asked, reply(asked, 1000));
  },
};

const main: WorkerMain = (data, port) => {
  const { host, role, key, cert, pauseMs } = data as { host: string; role: 'server' | 'client'; key: string; cert: string; pauseMs: number };
  if (role === 'server') {
    serve(host, key, cert);
    setTimeout(() => port.postMessage('ready'), 200);
    return;
  }
  const exchanges: Record<string, number> = {};
  const mismatches: string[] = [];
  const loop = async (name: string, exchange: Exchange): Promise<void> => {
    for (;;) {
      try {
        if (await exchange(host)) exchanges[name] = (exchanges[name] ?? 0) + 1;
        else mismatches.push(`${name}: other bytes came`);
      } catch (error) {
        mismatches.push(`${name}: ${(error as Error).message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  for (const [name, exchange] of Object.entries(EXCHANGES)) void loop(name, exchange);
  port.on('message', () => port.postMessage({ exchanges, mismatches } satisfies OrdinaryReport));
  port.postMessage('ready');
};
export default main;
