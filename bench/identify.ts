/**
 * `script/bench identify`: p2pwall identify beside Debian's ndpiReader on two mixes, whole
 * processes, one core, alternating in one run. Prints ratios; the absolute numbers swing
 * with the machine. The ordinary mix once more with twice the length, because a part of a
 * short run is the start of the process.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Mix, writeOrdinaryMix, writeP2pMix } from './mixes.js';
import { pairedRatio } from './support/paired-ratio.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const captures = join(root, '..', 'shared', 'captures');
const ROUNDS = 11;
/** Of the longer mix, whose runs differ less. */
const LONG_ROUNDS = 5;
const ORDINARY_BYTES = 400e6;

interface Run {
  readonly seconds: number;
  readonly peakMiB: number;
}

/** Runs a program on one core: its wall time, and its peak memory from time(1). */
function timed(command: string, args: readonly string[]): Run {
  const began = process.hrtime.bigint();
  const result = spawnSync('taskset', ['-c', '1', '/usr/bin/time', '-f', 'PEAK %M', command, ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const found = /PEAK ([0-9]+)/.exec(result.stderr);
  if (!found || result.status !== 0) throw new Error(`${command} failed: ${result.stderr.slice(-500)}`);
  return { seconds, peakMiB: Number(found[1]) / 1024 };
}

function best(runs: readonly Run[]): Run {
  return runs.reduce((a, b) => (b.seconds < a.seconds ? b : a));
}

function compare(name: string, mix: Mix, rounds = ROUNDS): void {
  const ours: Run[] = [];
  const theirs: Run[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(timed(join(root, 'bin/p2pwall'), ['identify', '--flows', '0', mix.path]));
    if (existsSync('/usr/bin/ndpiReader')) theirs.push(timed('ndpiReader', ['-q', '-t', '-i', mix.path]));
  }
  console.log(
    `\n${name}: ${mix.packets.toLocaleString('en-US')} packets, ${mix.flows.toLocaleString('en-US')} flows, ` +
      `${(mix.lengthBytes / 1e6).toFixed(0)} MB, best of ${rounds}`,
  );
  const row = (program: string, run: Run): void => {
    const packetsPerSecond = Math.round(mix.packets / run.seconds);
    const flowsPerSecond = Math.round(mix.flows / run.seconds);
    console.log(
      `  ${program.padEnd(12)} ${run.seconds.toFixed(2)} s  ${packetsPerSecond.toLocaleString('en-US').padStart(10)} packets/s  ` +
        `${flowsPerSecond.toLocaleString('en-US').padStart(8)} flows/s  ${run.peakMiB.toFixed(0).padStart(5)} MiB`,
    );
  };
  row('p2pwall', best(ours));
  if (theirs.length === 0) {
    console.log('  ndpiReader   not installed (Debian package libndpi-bin): no ratio');
    return;
  }
  row('ndpiReader', best(theirs));
  // The machine has slow and fast minutes: the two runs of a round share them, the best of each program may not.
  const { ratio, low, high } = pairedRatio(theirs.map(({ seconds }) => seconds), ours.map(({ seconds }) => seconds));
  const memory = best(ours).peakMiB / best(theirs).peakMiB;
  console.log(`  ratio        ${ratio.toFixed(2)} times as fast (${low.toFixed(2)} to ${high.toFixed(2)}), ${memory.toFixed(2)} times the memory`);
}

if (!existsSync(captures)) {
  console.log(`bench identify: no captures at ${captures}: nothing to measure`);
} else {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-bench-'));
  try {
    compare('P2P-heavy mix', writeP2pMix(captures, folder));
    compare('ordinary mix', writeOrdinaryMix(captures, folder, ORDINARY_BYTES));
    compare('ordinary mix, twice as long', writeOrdinaryMix(captures, folder, 2 * ORDINARY_BYTES), LONG_ROUNDS);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
