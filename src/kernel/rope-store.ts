/**
 * Rope scripts that live in the kernel: pins in a bpf file system, and a record
 * beside them of what the pins cannot say.
 *
 *   /sys/fs/bpf/p2pwall/globals                   the 64 global registers, of all scripts
 *   /sys/fs/bpf/p2pwall/rope/NAME/match           program for `iptables -m bpf --object-pinned`
 *                                /inverted        the same with the answer turned over
 *                                /hotdrop         second program of scripts that may hotdrop
 *                                /state ...       maps
 *   /run/p2pwall/rope/NAME.json                   source, line numbers, messages
 *
 * A script lives as long as its pins or a rule that uses it; nobody needs to
 * stay. Rules name the pins, so `iptables-save | iptables-restore` works as long
 * as the file system is mounted.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Bpf } from './bpf.js';
import {
  closeRope, createGlobals, GLOBALS_MAP, loadRope, readGlobals, ropeCounters, setRopeClock, writeGlobals, type RopePrograms,
} from './rope-program.js';
import { STATE_MAP, type ClockState, type Counters } from '../rope/backends/ebpf/state.js';
import { SystemError } from './system-error.js';

// include/uapi/linux/magic.h
const BPF_FS_MAGIC = 0xcafe_4a11;

export interface RopePlaces {
  /** A directory in a bpf file system; `p2pwall` is made below it. */
  readonly bpffs: string;
  /** For records; `rope` is made below it. */
  readonly run: string;
}

export const USUAL_PLACES: RopePlaces = { bpffs: '/sys/fs/bpf', run: '/run/p2pwall' };

/** What the kernel cannot tell about a script. */
export interface RopeRecord {
  readonly name: string;
  /** File it was made from. */
  readonly script: string;
  readonly loadedAt: string;
  /** Arguments as they were given. */
  readonly pushed: readonly string[];
  readonly stateBytes: number;
  readonly mayHotdrop: boolean;
  /** `line:column` of each step that can end in an error or hotdrop. */
  readonly places: Readonly<Record<string, string>>;
  /** Texts of hotdrop by step. */
  readonly messages: Readonly<Record<string, string>>;
}

export interface RopeStatus {
  readonly record: RopeRecord;
  readonly counters: Counters;
  /** Of both programs together, while statistics were on. */
  readonly runs: number;
  readonly runTimeNs: number;
}

/** Names are also names of files and of chains: `rope-NAME` must fit 28 characters. */
export function isRopeName(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_-]{0,19}$/.test(name);
}

export class RopeStore {
  readonly #bpf: Bpf;
  readonly #pins: string;
  readonly #records: string;
  readonly #globals: string;
  readonly #bpffs: string;

  constructor(bpf: Bpf, places: RopePlaces = USUAL_PLACES) {
    this.#bpf = bpf;
    this.#bpffs = places.bpffs;
    this.#pins = join(places.bpffs, 'p2pwall', 'rope');
    this.#globals = join(places.bpffs, 'p2pwall', 'globals');
    this.#records = join(places.run, 'rope');
  }

  /** Mounts the bpf file system unless one is there; true when it was mounted now. */
  mount(): boolean {
    if (existsSync(this.#bpffs) && statfsSync(this.#bpffs).type >>> 0 === BPF_FS_MAGIC) return false;
    mkdirSync(this.#bpffs, { recursive: true });
    const result = spawnSync('mount', ['-t', 'bpf', 'bpf', this.#bpffs], { encoding: 'utf8' });
    if (result.status === 0) return true;
    throw new SystemError({
      syscall: 'mount', errno: 0, doing: `mount a bpf file system at ${this.#bpffs}`, detail: (result.stderr ?? '').trim(),
      hint: 'run as root, outside of containers that forbid it, or name a mounted one with --bpffs',
    });
  }

  /** Path of a program for a rule. */
  pin(name: string, program: 'match' | 'inverted' | 'hotdrop'): string {
    return join(this.#pins, name, program);
  }

  has(name: string): boolean {
    return existsSync(join(this.#pins, name));
  }

  names(): string[] {
    if (!existsSync(this.#pins)) return [];
    return readdirSync(this.#pins).filter(isRopeName).sort();
  }

  /**
   * Loads and pins a script, all or nothing. A script of the same name is replaced; rules keep the old one until they are
   * made anew. Throws RopeRejected or SystemError.
   */
  load(record: Omit<RopeRecord, 'stateBytes' | 'mayHotdrop'>, programs: RopePrograms, clock: ClockState): RopeRecord {
    const bpf = this.#bpf;
    mkdirSync(this.#pins, { recursive: true, mode: 0o755 });
    mkdirSync(this.#records, { recursive: true, mode: 0o755 });
    const shared = new Map([[GLOBALS_MAP, this.#openGlobals()]]);
    const { name } = record;
    const place = join(this.#pins, name);
    // Names in a bpf file system cannot hold dots; no script can be called like this.
    const draft = `${place}~new`;
    removePins(draft);
    try {
      const rope = loadRope(bpf, name, programs, clock, shared);
      try {
        mkdirSync(draft, { mode: 0o755 });
        bpf.pin(rope.match, join(draft, 'match'));
        if (rope.inverted !== null) bpf.pin(rope.inverted, join(draft, 'inverted'));
        if (rope.hotdrop !== null) bpf.pin(rope.hotdrop, join(draft, 'hotdrop'));
        for (const [map, fd] of rope.maps) if (!shared.has(map)) bpf.pin(fd, join(draft, map));
        const whole: RopeRecord = { ...record, stateBytes: rope.stateBytes, mayHotdrop: rope.hotdrop !== null };
        writeFileSync(join(this.#records, `${name}.json`), `${JSON.stringify(whole, null, 1)}\n`, { mode: 0o644 });
        removePins(place);
        renameSync(draft, place);
        return whole;
      } finally {
        closeRope(bpf, rope, shared);
      }
    } catch (error) {
      removePins(draft);
      throw error;
    } finally {
      for (const fd of shared.values()) bpf.close(fd);
    }
  }

  /** Removes the pins and the record; false without such a script. Rules that use it keep it alive. */
  unload(name: string): boolean {
    const wasThere = this.has(name);
    removePins(join(this.#pins, name));
    rmSync(join(this.#records, `${name}.json`), { force: true });
    return wasThere;
  }

  /** The record, or null: not loaded, or the record was lost (a reboot removes both). */
  record(name: string): RopeRecord | null {
    const path = join(this.#records, `${name}.json`);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as RopeRecord) : null;
  }

  status(name: string): RopeStatus | null {
    const record = this.record(name);
    if (record === null || !this.has(name)) return null;
    const counters = this.#with(join(this.#pins, name, STATE_MAP), (fd) => ropeCounters(this.#bpf, fd, record.stateBytes));
    let runs = 0;
    let runTimeNs = 0;
    for (const program of ['match', 'inverted'] as const) {
      const path = this.pin(name, program);
      if (!existsSync(path)) continue;
      const info = this.#with(path, (fd) => this.#bpf.programInfo(fd));
      runs += info.runCount;
      runTimeNs += info.runTimeNs;
    }
    return { record, counters, runs, runTimeNs };
  }

  /** Tells all scripts the time: after the system's clock was set, or the time zone changed. */
  setClock(clock: ClockState): void {
    for (const name of this.names()) {
      const record = this.record(name);
      if (record) this.#with(join(this.#pins, name, STATE_MAP), (fd) => setRopeClock(this.#bpf, fd, record.stateBytes, clock));
    }
  }

  /** Value of a global register; sets it first when `value` is given. */
  global(index: number, value?: number): number {
    const fd = this.#openGlobals();
    try {
      const globals = readGlobals(this.#bpf, fd);
      if (value !== undefined) {
        globals[index] = value;
        writeGlobals(this.#bpf, fd, globals);
      }
      return globals[index] ?? 0;
    } finally {
      this.#bpf.close(fd);
    }
  }

  /** Descriptor of the pinned global registers, made on first use. */
  #openGlobals(): number {
    if (existsSync(this.#globals)) return this.#bpf.openPinned(this.#globals);
    mkdirSync(join(this.#bpffs, 'p2pwall'), { recursive: true, mode: 0o755 });
    const fd = createGlobals(this.#bpf);
    this.#bpf.pin(fd, this.#globals);
    return fd;
  }

  #with<T>(path: string, use: (fd: number) => T): T {
    const fd = this.#bpf.openPinned(path);
    try {
      return use(fd);
    } finally {
      this.#bpf.close(fd);
    }
  }
}

function removePins(directory: string): void {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory)) unlinkSync(join(directory, name));
  rmdirSync(directory);
}
