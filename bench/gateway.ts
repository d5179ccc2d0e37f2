/**
 * `script/bench gateway`: what the wall costs. Throughput and new connections through it beside the same path without it (gateway-paths.ts);
 * queued packets that a core sustains and added latency beside a C reader that uses libnetfilter_queue, one verdict for each
 * packet; CPU and memory with 100,000 flows.
 * Alternating rounds in one run; ratios count, absolute numbers swing with the machine. Needs root, iperf3, chrt, a C compiler and
 * libnetfilter-queue-dev. All traffic is in network namespaces of its own.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Status } from '../src/control/protocol.js';
import { Gateway, SERVER, gatewayUnavailable, pause } from '../src/lab/gateway-lab.js';
import { besideNoWall } from './gateway-paths.js';
import { median } from './support/median.js';
import { pairedRatio } from './support/paired-ratio.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const ROUNDS = 3;
/** Turns of each reader, and round trips in each: a hundredth of them is what p99 rests on. */
const PING_TURNS = 40;
const PINGS = 3000;
/** New flows before measuring: a daemon that has run for a minute has compiled its hot functions. */
const WARM_PINGS = 6000;
const QUEUES = { c: '4600', wall: '4601' } as const;
type Side = keyof typeof QUEUES;
const FLOOD_PORT = '7200';
/** Times that the queue is filled and emptied: before code is warm, and measured. */
const WARM_FILLS = 10;
const FILLS = 15;
const LOG = '[[rule]]\nname = "watch"\naction = "log"\n';

function line(what: string, text: string, target: string): void {
  process.stdout.write(`${what.padEnd(44)} ${text}${target === '' ? '' : `   (target ${target})`}\n`);
}

class Bench {
  readonly gate = new Gateway('p2pw-bench');

  compile(name: string, ...libraries: string[]): string {
    const out = this.gate.path(name);
    const result = spawnSync('cc', ['-O2', '-o', out, join(root, 'bench', `${name}.c`), ...libraries], { encoding: 'utf8' });
    if (result.status !== 0) throw new Error(`cc: ${result.stderr} (Debian: gcc libc6-dev libnetfilter-queue-dev)`);
    return out;
  }

  async started(command: string, ...args: string[]): Promise<ChildProcess> {
    const child = this.gate.router.spawn(command, args);
    if (child.stdout) await once(child.stdout, 'data');
    return child;
  }

  async stop(child: ChildProcess): Promise<void> {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /**
   * Datagrams of 600 bytes that one core takes from the queue and answers each second, from the reader's own CPU time while
   * it empties full queues: no sender on these two cores is fast enough to keep either reader busy. They are dropped right behind the queue,
   * so that forwarding and receiving them is nobody's cost.
   */
  async sustained(probe: string, pid: number): Promise<number> {
    const { client } = this.gate.net;
    let [packets, nanoseconds] = [0, 0];
    for (let round = 0; round < WARM_FILLS + FILLS; round++) {
      process.kill(pid, 'SIGSTOP');
      client.must(probe, ['flood', SERVER[4], FLOOD_PORT, '0.15']);
      const [waiting, before] = [this.waiting(), runNanoseconds(pid)];
      process.kill(pid, 'SIGCONT');
      do await pause(20);
      while (this.waiting() > 0);
      if (round < WARM_FILLS) continue;
      packets += waiting;
      nanoseconds += runNanoseconds(pid) - before;
    }
    return (packets / nanoseconds) * 1e9;
  }

  waiting(): number {
    return Number(this.gate.router.must('cat', ['/proc/net/netfilter/nfnetlink_queue']).trim().split(/\s+/)[2]);
  }

  queueAll(how: '-A' | '-D', side: Side): void {
    this.gate.router.must('iptables', ['-w', how, 'FORWARD', '-p', 'udp', '--dport', FLOOD_PORT, '-j', 'DROP']);
    this.gate.router.must('iptables', ['-w', '-t', 'mangle', how, 'FORWARD', '-p', 'udp', '-i', 'inside', '-j', 'NFQUEUE', '--queue-num', QUEUES[side]]);
  }
}

/** Time that the threads of a process have run: first number of schedstat, Documentation/scheduler/sched-stats.rst. */
function runNanoseconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]), 0);
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  // proc(5): utime and stime are fields 14 and 15, in ticks of 10 ms.
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The readers take turns while both stand: what changes slowly on the machine meets both. */
async function latency(bench: Bench, probe: string, start: (side: Side) => Promise<ChildProcess>): Promise<void> {
  const { client } = bench.gate.net;
  const p50: Record<Side, number[]> = { c: [], wall: [] };
  const p99: Record<Side, number[]> = { c: [], wall: [] };
  const readers = { c: await start('c'), wall: await start('wall') };
  for (let turn = 0; turn <= PING_TURNS; turn++) {
    for (const side of turn % 2 === 0 ? (['c', 'wall'] as const) : (['wall', 'c'] as const)) {
      bench.queueAll('-A', side);
      const [half = 0, most = 0] = client.must(probe, ['ping', SERVER[4], '7000', String(turn === 0 ? WARM_PINGS : PINGS)]).split(' ').map(Number);
      bench.queueAll('-D', side);
      if (turn === 0) continue;
      p50[side].push(half);
      p99[side].push(most);
    }
  }
  await bench.stop(readers.c);
  await bench.stop(readers.wall);
  for (const [name, of] of [['round trip p50 with one queued packet, wall / C', p50], ['round trip p99, wall / C', p99]] as const) {
    const { ratio, low, high } = pairedRatio(of.wall, of.c);
    line(name, `${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})   ${median(of.wall).toFixed(0)} beside ${median(of.c).toFixed(0)} us`, '<= 1.3');
  }
}

async function besideC(bench: Bench, probe: string, reader: string): Promise<void> {
  const { gate } = bench;
  const sides = { c: [reader], wall: [process.execPath, join(root, 'dist', 'bench', 'gateway-reader.js')] } as const;
  const start = (side: Side): Promise<ChildProcess> => {
    const [command, ...args] = sides[side];
    return bench.started(command, ...args, QUEUES[side]);
  };
  await latency(bench, probe, start);
  const packets: Record<Side, number[]> = { c: [], wall: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of ['c', 'wall'] as const) {
      const child = await start(side);
      bench.queueAll('-A', side);
      gate.net.client.must(probe, ['ping', SERVER[4], '7000', String(WARM_PINGS)]);
      packets[side].push(await bench.sustained(probe, child.pid ?? 0));
      bench.queueAll('-D', side);
      await bench.stop(child);
    }
  }
  line('queued packets that a core sustains, wall / C', `${(median(packets.wall) / median(packets.c)).toFixed(2)}   ${median(packets.wall).toFixed(0)} beside ${median(packets.c).toFixed(0)}`, '>= 1.5');
}

async function manyFlows(bench: Bench): Promise<void> {
  const { gate } = bench;
  await gate.up(LOG);
  const pid = gate.ask<Status>('status').pid;
  const rssMiB = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;
  const before = { rss: rssMiB(), cpu: cpuSeconds(pid) };
  gate.net.server.ip('addr add 10.77.2.3/24 dev eth0');
  const flood = new URL('../test/live/support/udp-flood.js', import.meta.url);
  for (const host of [SERVER[4], '10.77.2.3']) {
    const worker = gate.net.client.startWorker(flood, { host, ports: 55_000 });
    await once(worker, 'message');
  }
  await pause(1000);
  const { flows, packets } = gate.ask<Status>('status');
  const cpu = cpuSeconds(pid) - before.cpu;
  line(`RSS with ${flows} flows`, `${rssMiB().toFixed(0)} MiB (${before.rss.toFixed(0)} before)`, '');
  line('CPU for opening them', `${cpu.toFixed(2)} s, ${((cpu / packets) * 1e6).toFixed(1)} us for each of ${packets} packets`, '');
  const idle = cpuSeconds(pid);
  await pause(5000);
  line('CPU while they are idle', `${(((cpuSeconds(pid) - idle) / 5) * 100).toFixed(1)} %`, '');
  await gate.end();
}

const reason = gatewayUnavailable();
if (reason !== null) {
  process.stderr.write(`bench gateway: ${reason}\n`);
  process.exitCode = 69;
} else {
  const bench = new Bench();
  try {
    const probe = bench.compile('probe');
    const reader = bench.compile('queue-reader', '-lnetfilter_queue', '-lnfnetlink');
    bench.gate.net.server.spawn(probe, ['echo', '7000'], { stdio: 'ignore' });
    await pause(500);
    await besideNoWall(LOG, probe, line);
    await besideC(bench, probe, reader);
    await manyFlows(bench);
  } finally {
    bench.gate.close();
  }
}
