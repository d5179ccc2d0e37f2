/**
 * Measures what generated JavaScript allocates for a packet: run with --expose-gc and a young generation so large that no
 * collection comes while it is measured. Argument: a JSON list of { name, source, args }; prints a JSON list of { name, bytes }.
 */
import { ascii } from '../../src/base/bytes.js';
import type { Argument } from '../../src/rope/argument.js';
import { JAVASCRIPT } from '../../src/rope/backends/back-end.js';
import { compile } from '../../src/rope/compile.js';
import { RunContext } from '../../src/rope/run-context.js';
import { buildTcp, buildUdp } from '../../src/wire/build.js';

export interface Subject {
  readonly name: string;
  readonly source: string;
  /** Strings and integers to push. */
  readonly args: readonly (string | number)[];
  /** Lets the loop allocate one object for each packet: the measurement must show it. */
  readonly isControl?: boolean;
}

const PACKETS = 1_000_000;
const WARM_UP = 200_000;

const ends = { src: '192.0.2.1', dst: '192.0.2.2', srcPort: 4000, dstPort: 80 };
const texts = ['', 'hello 123 world', 'GET / HTTP/1.1\r\nHost: example.org\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n', '\x13BitTorrent protocol', 'GNUTELLA CONNECT/0.6\r\n', 'd1:ad2:id20:aaaaaaaaaaaaaaaaaaaa'];
const packets = texts.flatMap((text) => [buildTcp({ ...ends, payload: ascii(text) }), buildUdp({ ...ends, payload: ascii(text) })]);
const sink: { kept: object | null } = { kept: null };

function bytesPerPacket({ source, args, isControl }: Subject): number {
  const pushed = args.map((arg): Argument => (typeof arg === 'number' ? { type: 'int', value: arg } : { type: 'str', bytes: ascii(arg) }));
  const context = new RunContext();
  const runner = JAVASCRIPT.prepare(compile(source, pushed.length > 0 ? { args: pushed } : {}), pushed, context);
  if (typeof runner === 'string') throw new Error(runner);
  const { run } = runner;
  const loop = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const packet = packets[i % packets.length] as Uint8Array;
      context.packet.load(packet, 0, packet.length);
      const verdict = run();
      if (isControl === true) sink.kept = { verdict };
    }
  };
  loop(WARM_UP);
  (globalThis as unknown as { gc: () => void }).gc();
  loop(1000);
  const before = process.memoryUsage().heapUsed;
  loop(PACKETS);
  return (process.memoryUsage().heapUsed - before) / PACKETS;
}

const subjects = JSON.parse(process.argv[2] ?? '[]') as Subject[];
process.stdout.write(JSON.stringify(subjects.map((subject) => ({ name: subject.name, bytes: bytesPerPacket(subject) }))));
