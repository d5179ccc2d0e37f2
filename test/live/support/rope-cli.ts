/** The `rope` program with places of its own for pins and records, as live tests run it. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const launcher = join(import.meta.dirname, '../../../../bin/rope');

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class RopeCli {
  readonly #directory = mkdtempSync(join(tmpdir(), 'p2pw-ebpf-'));
  readonly places: readonly string[];
  readonly #command: readonly string[];

  /** `laterSeconds`: the program believes that it is so much later (faketime). */
  constructor(laterSeconds = 0) {
    this.#command = laterSeconds === 0 ? [] : ['faketime', '-f', `+${laterSeconds}s`];
    // Mounted by `rope load`, outside of namespaces, so that it outlives each `ip netns exec`.
    mkdirSync(join(this.#directory, 'bpf'));
    this.places = ['--bpffs', join(this.#directory, 'bpf'), '--run', join(this.#directory, 'run')];
  }

  run(...args: string[]): Ran {
    const [program = '', ...words] = [...this.#command, process.execPath, launcher, ...args, ...this.places];
    const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8', env: { ...process.env, FAKETIME_DONT_FAKE_MONOTONIC: '1' } });
    return { status: status ?? 255, stdout: stdout ?? '', stderr: stderr ?? '' };
  }

  /** As run; throws with the program's words when it fails. Its standard output. */
  must(...args: string[]): string {
    const result = this.run(...args);
    if (result.status !== 0) throw new Error(`rope ${args.join(' ')}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  /** Runs inside a network namespace until it is ended. */
  spawnIn(namespace: string, ...args: string[]): ChildProcess {
    return spawn('ip', ['netns', 'exec', namespace, process.execPath, launcher, ...args, ...this.places], { stdio: 'pipe' });
  }

  /** Words of the match of a loaded script. */
  match(...args: string[]): string[] {
    return this.must('rule', ...args).trim().split(' ');
  }

  close(): void {
    spawnSync('umount', [join(this.#directory, 'bpf')]);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
