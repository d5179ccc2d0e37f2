/**
 * bpf(2): maps, programs, pins, test runs and statistics.
 *
 * Thin: attributes are encoded in ebpf/attr.ts, this file makes the calls and
 * gives failures their meaning. File descriptors are plain numbers that the
 * caller closes; a map or program lives as long as a descriptor, a pin or a
 * rule refers to it.
 *
 * Needs CAP_BPF and, for programs on packets, CAP_NET_ADMIN. Requires Linux 5.8.
 * Specification: bpf(2), include/uapi/linux/bpf.h.
 */
import {
  BPF_BTF_GET_FD_BY_ID, BPF_BTF_GET_NEXT_ID, BPF_BTF_LOAD, BPF_ENABLE_STATS, BPF_MAP_CREATE, BPF_MAP_DELETE_ELEM,
  BPF_MAP_GET_NEXT_KEY, BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_OBJ_GET, BPF_OBJ_GET_INFO_BY_FD, BPF_OBJ_PIN,
  BPF_PROG_LOAD, BPF_PROG_TEST_RUN, BPF_STATS_RUN_TIME, PROG_INFO_BYTES, btfDataRequest, btfInfoBytes, btfInfoRequest, btfLoadAttr, enableStatsAttr, idAttr,
  mapCreateAttr, mapElementAttr, objectInfoAttr, objectPathAttr, programLoadAttr, readProgramInfo, readTestRun,
  testRunAttr, type ProgramInfo,
} from '../ebpf/attr.js';
import { SLOT_BYTES } from '../ebpf/assemble.js';
import { FUNCTION_INFO_BYTES, type FunctionInfo } from '../ebpf/function-info.js';
import type { MapShape } from '../ebpf/maps.js';
import { readVerifierLog, type VerifierReport } from '../ebpf/verifier-log.js';
import { ascii, concat, latin1, u32le } from '../base/bytes.js';
import { EAGAIN, EINVAL, ENOENT, ENOSPC, ENOSYS, EPERM } from './errno.js';
import { libc, type Libc } from './libc.js';
import { check, SystemError } from './system-error.js';

const BPF_HINT = 'run as root, or give the process CAP_BPF and CAP_NET_ADMIN';
/** Room for the objection and the statistics, and for the first try with the whole log. */
const SHORT_LOG_BYTES = 1 << 14;
const LOG_BYTES = 1 << 20;
/** The log tells each instruction, or only the objection and statistics. */
const BPF_LOG_LEVEL1 = 1;
const BPF_LOG_STATS = 4;
const INTERRUPTED_TRIES = 50;
/** Largest log buffer that the kernel takes (UINT_MAX >> 2), bounded for our own sake. */
const MAX_LOG_BYTES = 1 << 26;

/** The last line of a log. */
const STATISTICS = /^processed \d+ insns/m;

function logText(log: Uint8Array): string {
  const end = log.indexOf(0);
  return latin1(log, 0, end < 0 ? log.length : end);
}

/** The verifier refused a program. */
export class ProgramRejected extends SystemError {
  /** What the verifier wrote; of a very long log the end. */
  readonly log: string;
  readonly report: VerifierReport;

  constructor(name: string, errno: number, log: string) {
    const report = readVerifierLog(log);
    const where = report.slot === undefined ? '' : ` at slot ${report.slot}`;
    super({
      code: 'ERR_PROGRAM_REJECTED',
      syscall: 'bpf(BPF_PROG_LOAD)',
      errno,
      doing: `load the program ${name}`,
      detail: `${report.message}${where}`,
      hint: 'the kernel\'s verifier refused the program; the full log shows the path it followed',
    });
    this.name = 'ProgramRejected';
    this.log = log;
    this.report = report;
  }

  /** Nothing is wrong with the program but its size: the verifier gave up. */
  get isTooMuch(): boolean {
    return /too large|too complex/.test(this.report.message);
  }
}

export interface ProgramSource {
  /** BPF_PROG_TYPE_*. */
  readonly type: number;
  readonly name: string;
  /** Encoded instructions. */
  readonly bytes: Uint8Array;
  /** Kernel functions are open to GPL-compatible programs only. */
  readonly license?: 'MIT' | 'Dual MIT/GPL';
  /** Wanted when a function is passed to a helper. */
  readonly functions?: FunctionInfo;
  /** Descriptors that instructions refer to by index: BTF of modules. */
  readonly descriptors?: readonly number[];
}

export interface TestRun {
  /** What the program returned. */
  readonly result: number;
  /** Average over all repetitions, as the kernel measured it. */
  readonly averageNs: number;
  /** The packet afterwards, cut to the room given; empty without room. */
  readonly packet: Uint8Array;
}

/** The calls; a fake libc stands in for tests. */
export class Bpf {
  readonly #libc: Libc;
  /** What the last call pointed at: holding it after the call keeps the collector away during the call. */
  readonly #held: Uint8Array[][] = [];

  constructor(native: Libc = libc()) {
    this.#libc = native;
  }

  /** The raw call. `memory` are the arrays whose addresses stand in `attr`. */
  #bpf(command: number, attr: Uint8Array, ...memory: Uint8Array[]): number {
    const result = this.#libc.bpf(command, attr);
    this.#held[0] = memory;
    return result;
  }

  #call(command: number, attr: Uint8Array, syscall: string, doing: string, ...memory: Uint8Array[]): number {
    const result = this.#bpf(command, attr, ...memory);
    if (result >= 0) return result;
    const unsupported = result === -ENOSYS;
    throw new SystemError({
      syscall: `bpf(${syscall})`,
      errno: -result,
      doing,
      ...(unsupported && { code: 'ERR_NOT_SUPPORTED', hint: 'a kernel with CONFIG_BPF_SYSCALL is needed' }),
      ...(result === -EPERM && { hint: BPF_HINT }),
      ...(result === -ENOENT && { hint: 'it may have been removed, or the bpf file system is mounted elsewhere' }),
    });
  }

  /** A pointer for a structure; the array is also handed to #bpf. */
  #address(bytes: Uint8Array): bigint {
    return this.#libc.addressOf(bytes);
  }

  close(fd: number): void {
    this.#libc.close(fd);
  }

  createMap(shape: MapShape, name: string): number {
    return this.#call(BPF_MAP_CREATE, mapCreateAttr(shape, name), 'BPF_MAP_CREATE', `create the map ${name}`);
  }

  /** A copy of the value, or null without such a key. Per-CPU maps give one value of 8-byte multiples for each possible CPU. */
  lookup(mapFd: number, key: Uint8Array, valueBytes: number): Uint8Array | null {
    const value = new Uint8Array(valueBytes);
    const attr = mapElementAttr(mapFd, this.#address(key), this.#address(value));
    const result = this.#bpf(BPF_MAP_LOOKUP_ELEM, attr, key, value);
    if (result === -ENOENT) return null;
    check(result, { syscall: 'bpf(BPF_MAP_LOOKUP_ELEM)', doing: 'read a map' });
    return value;
  }

  update(mapFd: number, key: Uint8Array, value: Uint8Array): void {
    const attr = mapElementAttr(mapFd, this.#address(key), this.#address(value));
    this.#call(BPF_MAP_UPDATE_ELEM, attr, 'BPF_MAP_UPDATE_ELEM', 'write a map', key, value);
  }

  /** False without such a key. */
  delete(mapFd: number, key: Uint8Array): boolean {
    const attr = mapElementAttr(mapFd, this.#address(key), 0n);
    const result = this.#bpf(BPF_MAP_DELETE_ELEM, attr, key);
    if (result === -ENOENT) return false;
    check(result, { syscall: 'bpf(BPF_MAP_DELETE_ELEM)', doing: 'delete from a map' });
    return true;
  }

  /** The key after `key`, the first for null, null after the last. */
  nextKey(mapFd: number, key: Uint8Array | null, keyBytes: number): Uint8Array | null {
    const next = new Uint8Array(keyBytes);
    const attr = mapElementAttr(mapFd, key ? this.#address(key) : 0n, this.#address(next));
    const result = this.#bpf(BPF_MAP_GET_NEXT_KEY, attr, next, ...(key ? [key] : []));
    if (result === -ENOENT) return null;
    check(result, { syscall: 'bpf(BPF_MAP_GET_NEXT_KEY)', doing: 'walk a map' });
    return next;
  }

  /** Descriptor of the verified program. Throws ProgramRejected with the verifier's log. */
  loadProgram(source: ProgramSource): number {
    if (!source.functions) return this.#load(source, 0);
    const { btf } = source.functions;
    const attr = btfLoadAttr(this.#address(btf), btf.length);
    const btfFd = this.#call(BPF_BTF_LOAD, attr, 'BPF_BTF_LOAD', `describe the functions of ${source.name}`, btf);
    try {
      return this.#load(source, btfFd);
    } finally {
      this.close(btfFd);
    }
  }

  #load(source: ProgramSource, btfFd: number): number {
    const license = concat(ascii(source.license ?? 'MIT'), Uint8Array.of(0));
    const descriptors = Int32Array.from(source.descriptors ?? []);
    const descriptorBytes = new Uint8Array(descriptors.buffer);
    const records = source.functions?.records ?? new Uint8Array(0);
    const attempt = (log: Uint8Array, logLevel: number): number =>
      this.#bpf(
        BPF_PROG_LOAD,
        programLoadAttr({
          type: source.type,
          slots: source.bytes.length / SLOT_BYTES,
          instructionsAt: this.#address(source.bytes),
          licenseAt: this.#address(license),
          name: source.name,
          logLevel,
          logAt: this.#address(log),
          logBytes: log.length,
          ...(records.length > 0 && {
            types: { btfFd, recordsAt: this.#address(records), records: records.length / FUNCTION_INFO_BYTES },
          }),
          fdArrayAt: descriptors.length > 0 ? this.#address(descriptorBytes) : 0n,
        }),
        source.bytes, license, log, records, descriptorBytes,
      );
    // The whole log costs ten times what verifying does: only a refused program is loaded a second time with it.
    const short = new Uint8Array(SHORT_LOG_BYTES);
    let first = attempt(short, BPF_LOG_STATS);
    // The verifier gives up when a signal waits (a profiler's, a child's end).
    for (let tries = 0; first === -EAGAIN && tries < INTERRUPTED_TRIES; tries++) first = attempt(short, BPF_LOG_STATS);
    if (first >= 0) return first;
    if (first === -EPERM) {
      throw new SystemError({
        syscall: 'bpf(BPF_PROG_LOAD)', errno: EPERM, doing: `load the program ${source.name}`, hint: BPF_HINT,
      });
    }
    // What is too much to verify has no place: the log would show, after many seconds, where the verifier stood when it gave up.
    const objection = new ProgramRejected(source.name, -first, logText(short));
    if (objection.isTooMuch) throw objection;
    let log = new Uint8Array(LOG_BYTES);
    let result = attempt(log, BPF_LOG_LEVEL1);
    // When the log does not fit, the buffer holds its end, which is what matters; before Linux 6.4 its beginning.
    while (result === -ENOSPC && log.length < MAX_LOG_BYTES && !STATISTICS.test(logText(log))) {
      log = new Uint8Array(4 * log.length);
      result = attempt(log, BPF_LOG_LEVEL1);
    }
    if (result >= 0) return result;
    throw new ProgramRejected(source.name, -first, logText(log));
  }

  /** Runs a program on `packet` (with an Ethernet header in front), in the network namespace of the caller. */
  testRun(
    programFd: number,
    packet: Uint8Array,
    options: { readonly repeat?: number; readonly roomBytes?: number; readonly context?: Uint8Array } = {},
  ): TestRun {
    const out = new Uint8Array(options.roomBytes ?? 0);
    const context = options.context ?? new Uint8Array(0);
    const attr = testRunAttr({
      programFd,
      dataAt: this.#address(packet),
      dataBytes: packet.length,
      outAt: this.#address(out),
      outBytes: out.length,
      repeat: options.repeat ?? 1,
      contextAt: this.#address(context),
      contextBytes: context.length,
    });
    const result = this.#bpf(BPF_PROG_TEST_RUN, attr, packet, out, context);
    // ENOSPC: the packet was longer than the room; the run took place.
    if (result !== -ENOSPC) check(result, { syscall: 'bpf(BPF_PROG_TEST_RUN)', doing: 'run a program on a packet' });
    const run = readTestRun(attr);
    return { result: run.result, averageNs: run.averageNs, packet: out.subarray(0, Math.min(run.outBytes, out.length)) };
  }

  /** Gives a map or program a name in a bpf file system. */
  pin(fd: number, path: string): void {
    const name = pathBytes(path);
    const attr = objectPathAttr(this.#address(name), fd);
    const result = this.#bpf(BPF_OBJ_PIN, attr, name);
    check(result, {
      syscall: 'bpf(BPF_OBJ_PIN)',
      doing: `pin ${path}`,
      ...(result === -EINVAL || result === -EPERM
        ? { hint: 'the directory must lie in a mounted bpf file system: mount -t bpf bpf /sys/fs/bpf' }
        : {}),
    });
  }

  /** Descriptor of the map or program with this name. */
  openPinned(path: string): number {
    const name = pathBytes(path);
    return this.#call(BPF_OBJ_GET, objectPathAttr(this.#address(name)), 'BPF_OBJ_GET', `open ${path}`, name);
  }

  programInfo(programFd: number): ProgramInfo {
    const info = new Uint8Array(PROG_INFO_BYTES);
    const attr = objectInfoAttr(programFd, this.#address(info), info.length);
    this.#call(BPF_OBJ_GET_INFO_BY_FD, attr, 'BPF_OBJ_GET_INFO_BY_FD', 'read program information', info);
    return readProgramInfo(info);
  }

  /** While the descriptor is open, the kernel measures run time and count of all programs, at some 20 ns a run. */
  enableStatistics(): number {
    return this.#call(BPF_ENABLE_STATS, enableStatsAttr(BPF_STATS_RUN_TIME), 'BPF_ENABLE_STATS', 'measure programs');
  }

  /**
   * The type information of the kernel (`vmlinux`) or a module as the kernel holds it, or null when it holds none yet. Several
   * times as fast as the file in /sys/kernel/btf, which is read in pages.
   */
  readTypes(name: string): Uint8Array | null {
    const fd = this.openModuleTypes(name);
    if (fd === null) return null;
    try {
      const ask = (data: Uint8Array): number => {
        const info = btfDataRequest(this.#address(data), data.length);
        this.#call(BPF_OBJ_GET_INFO_BY_FD, objectInfoAttr(fd, this.#address(info), info.length), 'BPF_OBJ_GET_INFO_BY_FD', 'read type information', info, data);
        return btfInfoBytes(info);
      };
      const data = new Uint8Array(ask(new Uint8Array(0)));
      return ask(data) === data.length ? data : null;
    } finally {
      this.close(fd);
    }
  }

  /** Descriptor of the type information of a kernel module (or `vmlinux`), or null when no such module is loaded. */
  openModuleTypes(module: string): number | null {
    let id = 0;
    for (;;) {
      const next = idAttr(id);
      const result = this.#bpf(BPF_BTF_GET_NEXT_ID, next);
      if (result === -ENOENT) return null;
      check(result, { syscall: 'bpf(BPF_BTF_GET_NEXT_ID)', doing: 'walk the type information of the kernel' });
      id = u32le(next, 4);
      const fd = this.#bpf(BPF_BTF_GET_FD_BY_ID, idAttr(id));
      if (fd === -ENOENT) continue; // Unloaded meanwhile.
      check(fd, { syscall: 'bpf(BPF_BTF_GET_FD_BY_ID)', doing: 'open type information' });
      const name = new Uint8Array(64);
      const info = btfInfoRequest(this.#address(name), name.length);
      const attr = objectInfoAttr(fd, this.#address(info), info.length);
      this.#call(BPF_OBJ_GET_INFO_BY_FD, attr, 'BPF_OBJ_GET_INFO_BY_FD', 'read the name of a module', info, name);
      if (latin1(name, 0, name.indexOf(0)) === module) return fd;
      this.close(fd);
    }
  }
}

function pathBytes(path: string): Uint8Array {
  return concat(new TextEncoder().encode(path), Uint8Array.of(0));
}
