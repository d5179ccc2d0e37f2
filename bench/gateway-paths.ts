/**
 * Throughput and new connections through the wall beside the same path without it; a part of bench/gateway.ts.
 *
 * One swing of the scheduler is larger than all that a rule costs, so this is built as a comparison and not as a record:
 * - Each path is a lab of its own, and all stand from the first round to the last: client, router and server, with one iperf3
 *   server each. A round measures every path once; which one comes first changes, and every other round goes backwards.
 * - Many short turns of several flows instead of few long ones of one. A single flow is up to a fifth faster or slower than the next to its last
 *   byte, however long it is, without a wall, too (standard deviation 8 to 10 %): probably by the window at which its slow start ended, since nothing is lost
 *   here afterwards. Single flows of a third of a second came out one to two hundredths lower beside the wall than eight at once.
 * - New connections have their turn when all streams are through: their ends are the daemon's business for a minute more.
 * - While another path has its turn the wall's daemon is stopped (SIGSTOP): what it costs, only its own path pays.
 * - Sender, router and receiver share one core, so that all that a packet costs anywhere makes the stream slower; the daemon
 *   may have the others. The receiver runs as soon as anything has come (SCHED_FIFO): without it the same path is fast or half as
 *   fast, as the scheduler happens to let the two take turns.
 * - Reno, which every kernel has: BBR (the default of some systems) measures its own pacing. No metrics of former connections.
 * - The path with tracking is there twice: the ratio of the two is the error of all the others, and what the wall is held against is the
 *   geometric mean of both.
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
const ROUNDS = 70;
/** The bare path has its turn in each of so many rounds. */
const BARE_EVERY = 4;
/** Of a turn, by all flows together: about two thirds of a second. */
const BYTES = '2000M';
const FLOWS = '8';
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
  /** TCP segments that iperf3 counts as sent again, in each turn. */
  readonly resent: number[];
  readonly connections: number[];
}

/** Seconds that all cores were busy, in ticks of 10 ms: user, nice, system, irq, softirq; proc(5). */
function busySeconds(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '').split(/\s+/).map(Number);
  return (user + nice + system + irq + softirq) / 100;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

interface Report {
  readonly end: { readonly sum_sent: { readonly retransmits: number }; readonly sum_received: { readonly bytes: number; readonly bits_per_second: number } };
}

function stream({ gate, bitsPerSecond, cost, resent }: Lane): void {
  const before = busySeconds();
  const core = availableParallelism() - 1;
  const json = gate.net.client.must('iperf3', ['-c', SERVER[4], '-C', 'reno', '-A', `${core},${core}`, '-n', BYTES, '-P', FLOWS, '-J']);
  const busy = busySeconds() - before;
  const { sum_sent, sum_received } = (JSON.parse(json) as Report).end;
  const { bytes, bits_per_second } = sum_received;
  resent.push(sum_sent.retransmits);
  bitsPerSecond.push(bits_per_second);
  cost.push(busy / ((bytes * 8) / 1e9));
}

/** Calls `measure` once for each lane in each round. */
async function everyTurn(lanes: readonly Lane[], rounds: number, measure: (lane: Lane, round: number) => void): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const order = lanes.map((_, at) => lanes[(at + (round >> 1)) % lanes.length] as Lane);
    if (round % 2 === 1) order.reverse();
    for (const lane of order) await turn(lane, () => measure(lane, round));
  }
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
  const lane: Lane = { path, gate, daemon: null, bitsPerSecond: [], cost: [], resent: [], connections: [] };
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
  const both = (values: (lane: Lane) => number[]): number[] => values(lane('tracked')).map((value, round) => Math.sqrt(value * (values(lane('control'))[round] ?? Number.NaN)));
  const text = (of: readonly number[], by: readonly number[]): string => {
    const { ratio, low, high } = pairedRatio(of, by);
    return `${ratio.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
  };
  const rates = (it: Lane): number[] => it.bitsPerSecond;
  const cost = (it: Lane): number[] => it.cost;
  const connections = (it: Lane): number[] => it.connections;
  const [wall, bare, tracked, control] = [lane('wall'), lane('bare'), lane('tracked'), lane('control')];
  const gigabits = (of: Lane, by: Lane): string => `${(median(of.bitsPerSecond) / 1e9).toFixed(1)} of ${(median(by.bitsPerSecond) / 1e9).toFixed(1)} Gbit/s`;
  line('TCP throughput, wall / no rules, tracked', `${text(rates(wall), both(rates))}   ${gigabits(wall, tracked)}`, '>= 0.95');
  line('the same beside a router that tracks nothing', `${text(rates(wall).filter((_, round) => round % BARE_EVERY === 0), rates(bare))}   ${gigabits(wall, bare)}`, '');
  line('control: no rules / no rules, both tracked', `${text(rates(control), rates(tracked))}   ${gigabits(control, tracked)}`, '1.00');
  line('CPU time for a gigabit, wall / tracked', `${text(cost(wall), both(cost))}   control ${text(cost(control), cost(tracked))}`, '');
  line('segments sent again, in each turn', `${mean(wall.resent).toFixed(1)}   ${mean(tracked.resent).toFixed(1)} without the wall`, '');
  for (const by of ['tracked', 'bare'] as const) {
    line(`new TCP connections, wall / no rules, ${by}`, `${text(connections(wall), connections(lane(by)))}   ${median(wall.connections)} of ${median(lane(by).connections)} each second`, '');
  }
}

/** `probe`: the compiled bench/probe.c. */
export async function besideNoWall(policy: string, probe: string, line: Line): Promise<void> {
  const lanes: Lane[] = [];
  try {
    for (const path of PATHS) lanes.push(await openLane(path, policy, probe));
    await pause(500);
    await everyTurn(lanes, ROUNDS, (lane, round) => {
      if (lane.path !== 'bare' || round % BARE_EVERY === 0) stream(lane);
    });
    await everyTurn(lanes, CONNECT_ROUNDS, ({ gate, connections }) => connections.push(Number(gate.net.client.must(probe, ['connect', SERVER[4], SINK_PORT, '0.5']))));
    report(lanes, line);
  } finally {
    for (const { gate, daemon } of lanes) {
      if (daemon !== null) process.kill(daemon, 'SIGCONT');
      await gate.end();
      gate.close();
    }
  }
}
