/**
 * `script/bench rope`: Speed of rope in user space: packets a second for each supplied script over the visible captures.
 *
 *   node dist/bench/rope.js [SECONDS]
 *
 * Compares the JavaScript back end with the same match written by hand in TypeScript (rope-by-hand.ts), in
 * alternating rounds on the same packets; both include reading the headers. The interpreter is reported. Goals:
 * JavaScript at least half as fast as by hand, compilation below 50 ms. Verdicts are compared first.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CaptureReader } from '../src/pcap/capture-reader.js';
import type { Argument } from '../src/rope/argument.js';
import { INTERPRETER, JAVASCRIPT, type Runner } from '../src/rope/backends/back-end.js';
import { type Compiled, compile } from '../src/rope/compile.js';
import { isMatch } from '../src/rope/ir.js';
import { RunContext } from '../src/rope/run-context.js';
import { buildTcp, buildUdp } from '../src/wire/build.js';
import { locateIp } from '../src/wire/link.js';
import { BY_HAND, CONTLEN_LIMIT, type Match } from './rope-by-hand.js';
import { NETWORKS_BY_HAND } from './rope-by-hand-networks.js';

const seconds = Number(process.argv[2] ?? 0.4);
const root = join(import.meta.dirname, '../..');
const captures = join(root, '../shared/captures');
const MAX_PACKETS = 60_000;

const ARGUMENTS: Readonly<Record<string, readonly Argument[]>> = {
  contlen: [{ type: 'int', value: CONTLEN_LIMIT }],
  subnet: [
    { type: 'str', bytes: Uint8Array.of(192, 168, 0, 0) },
    { type: 'str', bytes: Uint8Array.of(255, 255, 0, 0) },
  ],
};

function visiblePackets(): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (const folder of ['p2p', 'lab', 'programs', 'negatives']) {
    let fromFolder = 0;
    for (const name of readdirSync(join(captures, folder)).filter((file) => /\.pcap(ng)?$/.test(file))) {
      const reader = new CaptureReader();
      reader.feed(readFileSync(join(captures, folder, name)));
      reader.finish();
      while (fromFolder < MAX_PACKETS / 4 && reader.next() === 'packet') {
        const at = locateIp(reader.linkType, reader.bytes, reader.start, reader.end);
        if (at < 0) continue;
        packets.push(reader.bytes.slice(at, reader.end));
        fromFolder++;
      }
    }
  }
  return packets;
}

function builtPackets(): Uint8Array[] {
  const between = { src: '10.0.0.1', dst: '192.0.2.7', srcPort: 51413, dstPort: 6881 };
  return Array.from({ length: 2000 }, (_, i) => {
    const payload = Uint8Array.from({ length: (i * 37) % 1400 }, (__, k) => (i * 7 + k * 13) & 255);
    return i % 2 === 0 ? buildTcp({ ...between, payload }) : buildUdp({ ...between, payload });
  });
}

interface Contender {
  readonly run: () => boolean;
  readonly context: RunContext;
}

function contender(runner: Runner | string, context: RunContext): Contender {
  if (typeof runner === 'string') throw new Error(runner);
  return { run: () => isMatch(runner.run()), context };
}

/** One pass over all packets; returns how many match. */
function pass({ run, context }: Contender, packets: readonly Uint8Array[]): number {
  const { packet } = context;
  let matches = 0;
  for (const bytes of packets) {
    packet.load(bytes, 0, bytes.length);
    if (run()) matches++;
  }
  return matches;
}

/** Packets a second of each contender: best of alternating passes. */
function measure(contenders: readonly Contender[], packets: readonly Uint8Array[]): number[] {
  const best = contenders.map(() => Number.POSITIVE_INFINITY);
  const until = process.hrtime.bigint() + BigInt(Math.round(seconds * contenders.length * 1e9));
  for (const each of contenders) pass(each, packets);
  do {
    contenders.forEach((each, i) => {
      const start = process.hrtime.bigint();
      pass(each, packets);
      best[i] = Math.min(best[i] ?? 0, Number(process.hrtime.bigint() - start));
    });
  } while (process.hrtime.bigint() < until);
  return best.map((ns) => (packets.length / ns) * 1e9);
}

function sameVerdicts(name: string, contenders: readonly Contender[], packets: readonly Uint8Array[]): void {
  for (const [index, bytes] of packets.entries()) {
    const answers = contenders.map(({ run, context }) => {
      context.packet.load(bytes, 0, bytes.length);
      return run();
    });
    if (new Set(answers).size > 1) throw new Error(`${name}: packet ${index}: ${answers.join(' ')}`);
  }
}

/** Best of several, in milliseconds, after a first one that also compiles the compiler. */
function compileTime(source: string, args: readonly Argument[]): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const start = process.hrtime.bigint();
    const compiled = compile(source, { args });
    JAVASCRIPT.prepare(compiled, args, new RunContext());
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e6);
  }
  return best;
}

const packets = existsSync(captures) ? visiblePackets() : builtPackets();
console.log(`${packets.length} packets${existsSync(captures) ? ' of the visible captures' : ' (built: no captures here)'}; thousand packets a second`);
console.log('script           interpreter  JavaScript     by hand   JavaScript/by hand   compile ms   matches');
const hands: Readonly<Record<string, Match>> = { ...BY_HAND, ...NETWORKS_BY_HAND };
let isGoalMet = true;
for (const [name, match] of Object.entries(hands)) {
  const source = readFileSync(join(root, 'rope', `${name}.rope`), 'utf8');
  const args = ARGUMENTS[name] ?? [];
  const compileMs = compileTime(source, args);
  const compiled: Compiled = compile(source, { args });
  const [a, b, c] = [new RunContext(), new RunContext(), new RunContext()];
  const reference = contender(INTERPRETER.prepare(compiled, args, a), a);
  const script = contender(JAVASCRIPT.prepare(compiled, args, b), b);
  const hand = { run: () => match(c.packet), context: c };
  sameVerdicts(name, [reference, script, hand], packets);
  const [scriptSpeed = 0, handSpeed = 1] = measure([script, hand], packets);
  const [referenceSpeed = 0] = measure([reference], packets.slice(0, 20_000));
  const ratio = scriptSpeed / handSpeed;
  if (ratio < 0.5 || compileMs >= 50) isGoalMet = false;
  const thousands = (speed: number): string => String(Math.round(speed / 1000)).padStart(11);
  console.log(
    `${name.padEnd(15)} ${thousands(referenceSpeed)} ${thousands(scriptSpeed)} ${thousands(handSpeed)} ${ratio.toFixed(2).padStart(20)} ${compileMs.toFixed(1).padStart(12)} ${String(pass(script, packets)).padStart(9)}`,
  );
}
console.log(isGoalMet ? 'goals met: JavaScript at least half as fast as by hand, compiled below 50 ms' : 'goal NOT met');
process.exitCode = isGoalMet ? 0 : 1;
