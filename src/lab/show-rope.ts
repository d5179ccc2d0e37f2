/**
 * A scene of the demo: BitTorrent programs kept apart by one rule of iptables with a rope script, and nothing else. In
 * network namespaces; needs root; ends by itself within half a minute. Exit status 1 when the rule does not do its work.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countText } from '../report/table.js';
import { Gateway, gatewayUnavailable, pause } from './gateway-lab.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const FILE_BYTES = 2 << 20;
/** Twice as long as the programs need without the rule. */
const BLOCKED_SECONDS = 8;
/** Without the rule the round ends when all are done; a program that asks the tracker at a bad moment waits for its next turn. */
const OPEN_SECONDS = 30;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** A program that wants the file. */
interface Leecher {
  readonly name: string;
  readonly isDone: () => boolean;
  readonly stop: () => void;
}

/** Ports of their own in each round: the seeder holds no grudge against new peers. */
let nextPort = 16_801;

function leechers(gate: Gateway, round: string): Leecher[] {
  const folder = (name: string): string => {
    mkdirSync(gate.path(`${name}-${round}`));
    return `${name}-${round}`;
  };
  const tcp = gate.peer('leech', { folder: folder('tcp'), port: nextPort++, transport: 'tcp' });
  const utp = gate.peer('leech', { folder: folder('utp'), port: nextPort++, transport: 'utp' });
  const aria2 = gate.aria2({ folder: folder('aria2') });
  return [
    { name: 'libtorrent over TCP', isDone: () => tcp.latest.done, stop: () => tcp.stop() },
    { name: 'libtorrent over uTP', isDone: () => utp.latest.done, stop: () => utp.stop() },
    { name: 'aria2', isDone: () => aria2.exitCode === 0, stop: () => void aria2.kill('SIGKILL') },
  ];
}

/** Lets the programs try until all have the file, or patience ends; says who has it. */
async function round(gate: Gateway, name: string, patienceSeconds: number, uploaded: () => number): Promise<{ finished: number; bytes: number }> {
  const before = uploaded();
  const programs = leechers(gate, name);
  const startMs = performance.now();
  while (performance.now() - startMs < patienceSeconds * 1000 && !programs.every(({ isDone }) => isDone())) await pause(200);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  await pause(300);
  const finished = programs.filter(({ isDone }) => isDone());
  for (const { stop } of programs) stop();
  const bytes = uploaded() - before;
  say(`${name.charAt(0).toUpperCase()}${name.slice(1)} the rule: ${finished.length === 0 ? 'nobody' : finished.map((program) => program.name).join(', ')} got the file within ${seconds} s; the seeder gave ${countText(bytes)} bytes.`);
  return { finished: finished.length, bytes };
}

async function show(gate: Gateway): Promise<boolean> {
  const bpffs = gate.path('bpf');
  mkdirSync(bpffs);
  const places = ['--bpffs', bpffs, '--run', gate.path('run')];
  const rope = (...args: string[]): string => {
    const result = spawnSync(process.execPath, [join(root, 'bin/rope'), ...args, ...places], { encoding: 'utf8', cwd: root });
    if (result.status !== 0) throw new Error(`rope ${args.join(' ')}: ${result.stderr}`);
    return result.stdout.trimEnd();
  };
  try {
    say('client 10.77.1.2 -- router -- server 10.77.2.2: opentracker and a libtorrent seeder. The programs do not encrypt.\n');
    gate.share(FILE_BYTES, 'http');
    const seeder = gate.peer('seed', { transport: 'both' });
    await pause(1000);
    const uploaded = (): number => seeder.latest.uploaded;
    const before = await round(gate, 'without', OPEN_SECONDS, uploaded);

    rope('load', 'rope/bittorrent.rope', '--name', 'bt');
    const rule = ['-A', 'FORWARD', ...rope('rule', 'bt').split(' '), '-j', 'DROP'];
    gate.router.must('iptables', ['-w', ...rule]);
    say('\nrouter# rope load rope/bittorrent.rope --name bt');
    say(`router# iptables -A FORWARD $(rope rule bt) -j DROP\n      = iptables ${rule.join(' ').replace(bpffs, '/sys/fs/bpf')}\n`);
    const during = await round(gate, 'with', BLOCKED_SECONDS, uploaded);
    say(`\nrouter# rope list\n${rope('list')}\n`);

    gate.router.must('iptables', ['-w', '-D', ...rule.slice(1)]);
    say(`router# iptables -D FORWARD $(rope rule bt) -j DROP\n`);
    const after = await round(gate, 'after', OPEN_SECONDS, uploaded);
    rope('unload', 'bt');
    const isGood = before.finished === 3 && during.finished === 0 && during.bytes === 0 && after.finished === 3;
    say(isGood ? '\nOne script and one rule: no daemon, no queue, and not one byte of the file.' : '\nThis is not what should have happened: please report it.');
    return isGood;
  } finally {
    spawnSync('umount', [bpffs]);
  }
}

const reason = gatewayUnavailable();
if (reason !== null) say(`rope: skipped, ${reason}`);
else {
  const gate = new Gateway('p2pw-show-rope', { conntrack: false });
  try {
    if (!(await show(gate))) process.exitCode = 1;
  } finally {
    gate.close();
  }
}
