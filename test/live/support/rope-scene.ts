/**
 * One supplied script in rules of iptables and ip6tables on a lab's router, and real programs that talk across it:
 * what the kernel counted, and what the interpreter says of the same packets, recorded on the same router.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { forEachPacket } from '../../../src/cli/rope/packets.js';
import { utcOffsetSeconds } from '../../../src/cli/rope/clock.js';
import { readScript } from '../../../src/config/rope-script.js';
import { Gateway } from '../../../src/lab/gateway-lab.js';
import type { Argument } from '../../../src/rope/argument.js';
import { INTERPRETER } from '../../../src/rope/backends/back-end.js';
import { isMatch } from '../../../src/rope/ir.js';
import { type PacketInput, strFieldAt } from '../../../src/rope/packet.js';
import { RunContext } from '../../../src/rope/run-context.js';
import { RopeCli } from './rope-cli.js';

const root = join(import.meta.dirname, '../../../..');

export interface ScriptUse {
  readonly name: string;
  readonly words: readonly string[];
  readonly args: readonly Argument[];
  /** The script runs at a time so much later than now. */
  readonly laterSeconds?: number;
}

/** Addresses of the router, and groups: what goes there is not forwarded. */
function isForwarded(packet: PacketInput): boolean {
  const { bytes, start, protocol } = packet;
  if (protocol !== 6 && protocol !== 17) return false;
  const at = start + strFieldAt(packet, 'ip_daddr');
  const first = bytes[at] ?? 0;
  if ((bytes[start] ?? 0) >> 4 === 6) return first !== 0xff && first !== 0xfe;
  return first < 224 && !(first === 10 && bytes[at + 1] === 77 && bytes[at + 3] === 1);
}

export class RopeScene {
  readonly gate: Gateway;
  readonly #cli: RopeCli;
  readonly #use: ScriptUse;
  #stopRecording: (() => Promise<void>) | null = null;

  constructor(use: ScriptUse) {
    this.#use = use;
    this.#cli = new RopeCli(use.laterSeconds);
    this.gate = new Gateway('p2pw-rscene', { conntrack: false });
    this.#cli.must('load', join(root, 'rope', `${use.name}.rope`), '--name', use.name, ...use.words);
  }

  /** Adds the rule for what goes to and from the client, with a target or, for counting, without one. */
  rule(...target: string[]): void {
    const match = this.#cli.match(this.#use.name);
    for (const tool of ['iptables', 'ip6tables']) {
      for (const way of ['-i', '-o']) this.gate.router.must(tool, ['-w', '-A', 'FORWARD', way, 'inside', ...match, ...target]);
    }
  }

  async record(): Promise<void> {
    // Immediate mode and an unbuffered file: nothing is lost when it is ended.
    const dump = this.gate.router.spawn('tcpdump', ['-i', 'inside', '-n', '-s', '0', '-U', '--immediate-mode', '-B', '32768', '-w', this.gate.path('inside.pcap'), 'ip or ip6']);
    let words = '';
    dump.stderr?.on('data', (data: Buffer) => {
      words += data.toString();
    });
    for (let i = 0; i < 200 && !words.includes('listening'); i++) await sleep(50);
    this.#stopRecording = async () => {
      dump.kill('SIGINT');
      await once(dump, 'close');
      assert.match(words, /\b0 packets dropped by kernel/, words);
    };
  }

  /** Packets that the rules have counted. */
  counted(): number {
    let packets = 0;
    for (const tool of ['iptables', 'ip6tables']) {
      const listing = this.gate.router.must(tool, ['-w', '-vnxL', 'FORWARD']);
      for (const line of listing.split('\n')) if (line.includes(`/rope/${this.#use.name}/match`)) packets += Number(line.trim().split(/\s+/)[0]);
    }
    return packets;
  }

  /** Stops all traffic, then compares. `interpreter`: matches in the recording; `packets`: all in it that were forwarded. */
  async compare(): Promise<{ kernel: number; interpreter: number; packets: number }> {
    for (const host of [this.gate.net.client, this.gate.net.server]) host.ip('link set eth0 down');
    await sleep(500);
    await this.#stopRecording?.();
    const { name, args, laterSeconds = 0 } = this.#use;
    const script = readScript(join(root, 'rope', `${name}.rope`));
    assert.ok('compile' in script);
    const context = new RunContext({ utcOffsetSeconds });
    const runner = INTERPRETER.prepare(script.compile({ args }), args, context);
    assert.ok(typeof runner !== 'string');
    let interpreter = 0;
    let packets = 0;
    const { error } = await forEachPacket(this.gate.path('inside.pcap'), ({ bytes, start, end, timeSeconds }) => {
      context.packet.load(bytes, start, end);
      context.packet.kernelTime = (timeSeconds ?? 0) + laterSeconds;
      context.packet.packetTime = (timeSeconds ?? 0) + laterSeconds;
      if (!isForwarded(context.packet)) return true;
      packets++;
      if (isMatch(runner.run())) interpreter++;
      return true;
    });
    assert.equal(error, null);
    return { kernel: this.counted(), interpreter, packets };
  }

  close(): void {
    this.gate.close();
    this.#cli.close();
  }
}
