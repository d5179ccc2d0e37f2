/**
 * Throughput and new connections through the wall beside the same path without it; a part of bench/gateway.ts.
 *
 * One swing of the scheduler is larger than all that a rule costs, so this is built as a comparison and not as a record:
 * - Each path is a lab of its own, and all stand from the first round to the last: client, router and server, with one iperf3
 *   server each. A round measures every path once; which one comes first changes, and every other round goes backwards.
 * - While another path has its turn the wall's daemon is stopped (SIGSTOP): what it costs, only its own path pays.
 * - Sender, router and receiver share one core, so that all that a packet costs anywhere makes the stream slower; the daemon
 *   may have the others. The receiver runs as soon as anything has come (SCHED_FIFO): without it the same path is fast or half as
 *   fast, as the scheduler happens to let the two take turns.
 * - Reno, which every kernel has: BBR (the default of some systems) measures its own pacing. No metrics of former connections.
 * - The path with tracking is there twice: the ratio of the two is the error of all the others.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Status } from '../src/control/protocol.js';
import { Gateway, SERVER, pause } from '../src/lab/gateway-lab.js';
import { median } from './support/median.js';
import { pairedRatio } from './support/paired-ratio.js';

/** A router that does nothing but forward; one that tracks connections by one rule, as every stateful gateway has; another such; one with that rule and the wall. */
const PATHS = ['bare', 'tracked', 'control', 'wall'] as const;
type Path = (typeof PATHS)[number];
const ROUNDS = 20;
/** Of one stream: about a second. */
const STREAM = '3000M';
/** New connections for half a second, in each of so many rounds. */
const CONNECT_ROUNDS = 12;
const SINK_PORT = '7100';
/** For the daemon to do what waited while it was stopped; the others wait as long. */
const SETTLE_MS = 20;

interface Lane {
  readonly path: Path;
  readonly gate: Gateway;
  /** The daemon's process; of the wall alone. */
  daemon: number | null;
  readonly bitsPerSecond: number[];
  /** CPU seconds of the whole machine for a gigabit. */
  readonly cost: number[];
  readonly connections: number[];
}

/** Seconds that all cores were busy, in ticks of 10 ms: user, nice, system, irq, softirq; proc(5). */
function busySeconds(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '').split(/\s+/).map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

function stream({ gate, bitsPerSecond, cost }: Lane): void {
  const before = busySeconds();
  const core = availableParallelism() - 1;
  const json = gate.net.client.must('iperf3', ['-c', SERVER[4], '-C', 'reno', '-A', `${core},${core}`, '-n', STREAM, '-J']);
  const busy = busySeconds() - before;
  const { bytes, bits_per_second } = (JSON.parse(json) as { end: { sum_received: { bytes: number; bits_per_second: number } } }).end.sum_received;
  bitsPerSecond.push(bits_per_second);
  cost.push(busy / ((bytes * 8) / 1e9));
}

async function turn(lane: Lane, measure: () => void): Promise<void> {
  if (lane.daemon !== null) process.kill(lane.daemon, 'SIGCONT');
  await pause(SETTLE_MS);
  measure();
  if (lane.daemon !== null) process.kill(lane.daemon, 'SIGSTOP');
}

function server(gate: Gateway, probe: string): ChildProcess {
  const isPrompt = spawnSync('chrt', ['-f', '10', 'true']).status === 0;
  gate.net.server.spawn(probe, ['sink', SINK_PORT], { stdio: 'ignore' });
  return gate.net.server.spawn(isPrompt ? 'chrt' : 'iperf3', [...(isPrompt ? ['-f', '10', 'iperf3'] : []), '-s'], { stdio: 'ignore' });
}

async function openLane(path: Path, policy: string, probe: string): Promise<Lane> {
  const gate = new Gateway(`p2pw-bench-${path}`, { conntrack: path !== 'bare' });
  const lane: Lane = { path, gate, daemon: null, bitsPerSecond: [], cost: [], connections: [] };
  server(gate, probe);
  gate.net.client.sysctl('net.ipv4.tcp_no_metrics_save=1');
  if (path === 'wall') {
    await gate.up(policy);
    lane.daemon = gate.ask<Status>('status').pid;
  }
  return lane;
}

type Line = (what: string, text: string, target: string) => void;

function report(lanes: readonly Lane[], line: Line): void {
  const lane = (path: Path): Lane => lanes.find((it) => it.path === path) as Lane;
  const beside = (path: Path, by: Path, values: (lane: Lane) => number[]): string => {
    const { ratio, low, high } = pairedRatio(values(lane(path)), values(lane(by)));
    return `${ratio.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
  };
  const rates = (it: Lane): number[] => it.bitsPerSecond;
  const gigabits = (path: Path): string => (median(lane(path).bitsPerSecond) / 1e9).toFixed(1);
  const connections = (it: Lane): number[] => it.connections;
  line('TCP throughput, wall / no rules, tracked', `${beside('wall', 'tracked', rates)}   ${gigabits('wall')} of ${gigabits('tracked')} Gbit/s`, '>= 0.95');
  line('the same beside a router that tracks nothing', `${beside('wall', 'bare', rates)}   ${gigabits('wall')} of ${gigabits('bare')} Gbit/s`, '');
  line('control: no rules / no rules, both tracked', `${beside('control', 'tracked', rates)}   ${gigabits('control')} of ${gigabits('tracked')} Gbit/s`, '1.00');
  line('CPU time for a gigabit, wall / tracked', `${beside('wall', 'tracked', (it) => it.cost)}   control ${beside('control', 'tracked', (it) => it.cost)}`, '');
  for (const by of ['tracked', 'bare'] as const) {
    line(`new TCP connections, wall / no rules, ${by}`, `${beside('wall', by, connections)}   ${median(lane('wall').connections)} of ${median(lane(by).connections)} each second`, '');
  }
}

/** `probe`: the compiled bench/probe.c. */
export async function besideNoWall(policy: string, probe: string, line: Line): Promise<void> {
  const lanes: Lane[] = [];
  try {
    for (const path of PATHS) lanes.push(await openLane(path, policy, probe));
    await pause(500);
    for (let round = 0; round < ROUNDS; round++) {
      const order = lanes.map((_, at) => lanes[(at + (round >> 1)) % lanes.length] as Lane);
      if (round % 2 === 1) order.reverse();
      for (const lane of order) {
        await turn(lane, () => stream(lane));
        if (round < CONNECT_ROUNDS) await turn(lane, () => lane.connections.push(Number(lane.gate.net.client.must(probe, ['connect', SERVER[4], SINK_PORT, '0.5']))));
      }
    }
    report(lanes, line);
  } finally {
    for (const { gate, daemon } of lanes) {
      if (daemon !== null) process.kill(daemon, 'SIGCONT');
      await gate.end();
      gate.close();
    }
  }
}
