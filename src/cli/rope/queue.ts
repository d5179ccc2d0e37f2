/**
 * `rope load --via queue`: scripts that cannot run in the kernel see its packets
 * through NFQUEUE, and tell their answer by a mark.
 *
 * A target cannot be a match, so there are two rules: one queues packets the
 * script has not seen, the other takes those it matched. The packet is sent
 * through the chain again (NF_REPEAT) with the answer in its mark. It stays in
 * the foreground: whoever starts services keeps it running. While it does not
 * run, `--queue-bypass` lets packets pass unseen.
 *
 * A packet costs 3-5 us of processor time this way, in the kernel about 0.1.
 */
import { NF_ACCEPT, NF_DROP, NF_REPEAT, type QueuedPacket } from '../../netlink/nfqueue.js';
import { PacketQueue } from '../../kernel/nfqueue.js';
import { INTERPRETER, JAVASCRIPT, type Runner } from '../../rope/backends/back-end.js';
import { HOTDROP, isMatch } from '../../rope/ir.js';
import { RunContext } from '../../rope/run-context.js';
import { EXIT_OK, EXIT_USAGE } from '../exit-codes.js';
import { utcOffsetSeconds } from './clock.js';
import { complain } from './messages.js';
import { openScript } from './open-script.js';
import type { Push } from './options.js';
import { failureOf } from '../wall/wall-failure.js';

/** Bits of the packet mark: the script has seen the packet; it matched. Others are kept. */
const SEEN = 0x1000_0000;
const MATCHED = 0x2000_0000;

const PROGRAM = 'rope';

export interface QueueOptions {
  readonly name: string;
  readonly queue: number;
  readonly limits: string;
}

/** Runs until SIGINT or SIGTERM. */
export async function ropeQueue(path: string, options: QueueOptions, pushes: readonly Push[]): Promise<number> {
  const opened = await openScript(PROGRAM, path, pushes, options.limits);
  if (opened === null) return EXIT_USAGE;
  const { args, limits, compiled } = opened;
  const context = new RunContext({ utcOffsetSeconds });
  const backEnd = compiled.ir === null ? INTERPRETER : JAVASCRIPT;
  const runner = backEnd.prepare(compiled, args, context, limits);
  if (typeof runner === 'string') {
    complain(PROGRAM, `${path}: ${runner}`);
    return EXIT_USAGE;
  }
  let queue: PacketQueue;
  try {
    // Whole packets: a script may read to the end. GSO packets arrive as one, as a rule would see them.
    queue = new PacketQueue({ queues: [options.queue], copyRangeBytes: 65535 });
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    complain(PROGRAM, failure.message, failure.hint);
    return failure.status;
  }
  const counts = { packets: 0, matched: 0, hotdrops: 0 };
  queue.start((packets, count) => {
    for (const packet of packets.slice(0, count)) answer(packet, context, runner, counts);
  });
  const mark = (bit: number): string => `0x${bit.toString(16)}/0x${bit.toString(16)}`;
  process.stderr.write(
    [
      `rope: ${options.name} reads queue ${options.queue} on the ${backEnd.name} back end; rules for it (CHAIN and TARGET as you like):`,
      `  iptables -A CHAIN -m mark --mark ${mark(MATCHED)} -j TARGET`,
      `  iptables -A CHAIN -m mark ! --mark ${mark(SEEN)} -j NFQUEUE --queue-num ${options.queue} --queue-bypass`,
      '',
    ].join('\n'),
  );
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
  });
  queue.close();
  process.stderr.write(`rope: ${counts.matched} of ${counts.packets} packets matched, ${counts.hotdrops} hotdropped\n`);
  return EXIT_OK;
}

function answer(packet: QueuedPacket, context: RunContext, runner: Runner, counts: { packets: number; matched: number; hotdrops: number }): void {
  const { packet: input } = context;
  const nowSeconds = Math.floor(Date.now() / 1000) | 0;
  input.load(packet.bytes, packet.payloadAt, packet.payloadEnd);
  input.mark = packet.mark | 0;
  input.kernelTime = nowSeconds;
  input.packetTime = nowSeconds;
  counts.packets++;
  const verdict = runner.run();
  if (verdict === HOTDROP) {
    counts.hotdrops++;
    packet.verdict = NF_DROP;
    return;
  }
  const hasMatched = isMatch(verdict);
  if (hasMatched) counts.matched++;
  // Without the mark NF_REPEAT would queue the packet for ever.
  packet.verdictMark = (packet.mark | SEEN | (hasMatched ? MATCHED : 0)) >>> 0;
  packet.verdict = packet.verdictMark === packet.mark >>> 0 ? NF_ACCEPT : NF_REPEAT;
}
