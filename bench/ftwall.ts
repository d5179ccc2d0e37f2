/**
 * `script/bench ftwall`: What ftwall costs: `node dist/bench/ftwall.js`. Needs root; everything happens in namespaces of its own.
 *
 *   latency    time from a ping to its forged pong, one after the other
 *   rate       pings a second from 100 clients, what was answered and what the queue lost
 *   kernel     refused connections to known peers, and how many of them reached the program
 *   memory     of the running program with 200,000 peers from its store file
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildPing } from '../src/fasttrack/udp.js';
import { labUnavailable } from '../src/lab/namespaces.js';
import type { FloodData, FloodResult } from '../src/lab/ping-flood.js';
import { FtwallLab, NODE_PORT, sleep, SUPERNODES } from '../src/lab/ftwall-lab.js';

const CLIENTS = 100;
const PER_SECOND = Number(process.argv[2] ?? 20_000);
const SECONDS = 5;
const STORED_PEERS = 200_000;

const percentile = (sorted: readonly number[], part: number): string => (sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toFixed(2);

async function latency(lab: FtwallLab): Promise<void> {
  const wall = await lab.startWall();
  const visits = await lab.startVisitor(lab.client);
  const times: number[] = [];
  for (let i = 0; i < 400; i++) {
    const host = SUPERNODES[i % SUPERNODES.length] ?? '';
    times.push(Number(await visits({ send: { host, port: NODE_PORT, fromPort: 1214, bytes: buildPing('KaZaA') } })));
  }
  const sorted = times.slice(20).sort((a, b) => a - b);
  console.log(`latency   ping to forged pong: p50 ${percentile(sorted, 0.5)} ms, p95 ${percentile(sorted, 0.95)} ms, p99 ${percentile(sorted, 0.99)} ms (${sorted.length} pings)`);
  const before = lab.queueCounts().packets;
  let refused = 0;
  for (let i = 0; i < 4; i++) if (!(await visits({ visit: { host: SUPERNODES[i] ?? '', port: NODE_PORT } }))) refused++;
  console.log(`kernel    ${refused} of 4 connections to known peers refused, ${lab.queueCounts().packets - before} packets reached the program`);
  await wall.end();
}

async function rate(lab: FtwallLab): Promise<void> {
  const addresses = Array.from({ length: CLIENTS }, (_, i) => `10.77.1.${i + 100}`);
  lab.client.ip(...addresses.map((address) => `addr add ${address}/24 dev eth0`));
  const wall = await lab.startWall();
  const data: FloodData = { addresses, peers: SUPERNODES, port: NODE_PORT, perSecond: PER_SECOND, seconds: SECONDS };
  const worker = lab.client.startWorker(new URL('../src/lab/ping-flood.js', import.meta.url), data);
  await once(worker, 'message');
  const cpuBefore = cpuSeconds(wall.process.pid ?? 0);
  const [result] = (await once(worker, 'message')) as [FloodResult];
  const cpu = cpuSeconds(wall.process.pid ?? 0) - cpuBefore;
  const { lost } = lab.queueCounts();
  console.log(
    `rate      ${Math.round((result.sent / result.tookMs) * 1000)} pings/s from ${CLIENTS} clients for ${(result.tookMs / 1000).toFixed(1)} s: ` +
      `${result.answered} of ${result.sent} answered, ${lost} lost by the queue, ${((cpu / result.sent) * 1e6).toFixed(1)} us of CPU each`,
  );
  await wall.end();
  for (const [line] of wall.text.matchAll(/(ends: |the socket buffer ).*/g)) console.log(`          ${line}`);
}

/** User and system time of a process (proc(5): fields 14 and 15 of stat, in ticks of 10 ms). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function memory(lab: FtwallLab, folder: string): Promise<void> {
  const store = join(folder, 'peers');
  const lines = Array.from({ length: STORED_PEERS }, (_, i) => `198.${18 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}:${1024 + (i % 60_000)}\n`);
  writeFileSync(store, lines.join(''));
  const startedMs = performance.now();
  const wall = await lab.startWall('-f', store);
  const tookMs = performance.now() - startedMs;
  await sleep(500);
  const status = readFileSync(`/proc/${wall.process.pid}/status`, 'utf8');
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  const members = lab.wall.must('ipset', ['list', '-t', 'ftwall-peers']).match(/Number of entries: (\d+)/)?.[1];
  console.log(`memory    ${(kilobytes / 1024).toFixed(0)} MB with ${members} peers, up after ${(tookMs / 1000).toFixed(1)} s`);
  await wall.end();
}

const reason = labUnavailable();
if (reason) console.log(`ftwall: skipped, ${reason}`);
else {
  const folder = mkdtempSync(join(tmpdir(), 'ftwall-bench-'));
  const lab = new FtwallLab();
  try {
    await latency(lab);
    await rate(lab);
    await memory(lab, folder);
  } finally {
    lab.close();
    rmSync(folder, { recursive: true, force: true });
  }
  process.exit(0);
}
