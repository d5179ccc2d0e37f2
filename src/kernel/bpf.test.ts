import { test } from 'node:test';
import assert from 'node:assert/strict';
import { u32le } from '../base/bytes.js';
import { BPF_PROG_LOAD, BPF_PROG_TEST_RUN } from '../ebpf/attr.js';
import { Bpf, ProgramRejected } from './bpf.js';
import type { Libc } from './libc.js';
import { SystemError } from './system-error.js';

/** A libc whose bpf(2) is a function; addresses are indexes into the arrays it was asked about. */
function fake(answer: (command: number, attr: Uint8Array, memory: readonly Uint8Array[]) => number): Bpf {
  const memory: Uint8Array[] = [];
  const native = {
    bpf: (command: number, attr: Uint8Array) => answer(command, attr, memory),
    addressOf: (bytes: Uint8Array) => BigInt(memory.push(bytes)),
  };
  return new Bpf(native as unknown as Libc);
}

const PROGRAM = { type: 1, name: 'rope', bytes: new Uint8Array(16) };

test('a refused program is loaded again with the whole log, and the log summarised', () => {
  const levels: number[] = [];
  const bpf = fake((command, attr, memory) => {
    assert.equal(command, BPF_PROG_LOAD);
    levels.push(u32le(attr, 24));
    if (u32le(attr, 24) === 4) return -22;
    // The log buffer is the array whose address stands at 32.
    memory[u32le(attr, 32) - 1]?.set(Buffer.from('3: (95) exit\nR0 !read_ok\nprocessed 4 insns (limit 1000000)\n'));
    return -13;
  });
  assert.throws(
    () => bpf.loadProgram(PROGRAM),
    (error: unknown) =>
      error instanceof ProgramRejected &&
      error.code === 'ERR_PROGRAM_REJECTED' &&
      error.report.slot === 3 &&
      error.log.includes('processed 4') &&
      /load the program rope.*R0 !read_ok at slot 3$/.test(error.message),
  );
  assert.deepEqual(levels, [4, 1]);
});

test('what is too much to verify is told after one try', () => {
  let tries = 0;
  const bpf = fake((_command, attr, memory) => {
    tries++;
    memory[u32le(attr, 32) - 1]?.set(Buffer.from('BPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns (limit 1000000)\n'));
    return -7;
  });
  assert.throws(
    () => bpf.loadProgram(PROGRAM),
    (error: unknown) => error instanceof ProgramRejected && error.isTooMuch && error.report.slot === undefined && /too large/.test(error.message),
  );
  assert.equal(tries, 1);
});

test('a log that does not fit gets a larger buffer, within bounds', () => {
  const sizes: number[] = [];
  const bpf = fake((_command, attr) => {
    const size = u32le(attr, 28);
    sizes.push(size);
    return u32le(attr, 24) === 4 ? -22 : -28;
  });
  assert.throws(() => bpf.loadProgram(PROGRAM), ProgramRejected);
  assert.deepEqual(sizes, [1 << 14, 1 << 20, 1 << 22, 1 << 24, 1 << 26]);
});

test('missing privileges and missing kernels have their own remedies', () => {
  const table: [number, string, RegExp][] = [
    [-1, 'ERR_NOT_PERMITTED', /CAP_BPF/],
    [-38, 'ERR_NOT_SUPPORTED', /CONFIG_BPF_SYSCALL/],
  ];
  for (const [result, code, hint] of table) {
    assert.throws(
      () => fake(() => result).createMap({ type: 'array', keyBytes: 4, valueBytes: 4, maxEntries: 1 }, 'm'),
      (error: unknown) => error instanceof SystemError && error.code === code && hint.test(error.hint),
    );
  }
  assert.throws(() => fake(() => -1).loadProgram(PROGRAM), { code: 'ERR_NOT_PERMITTED' });
});

test('absent keys are null or false, not failures', () => {
  const bpf = fake(() => -2);
  assert.equal(bpf.lookup(3, new Uint8Array(4), 8), null);
  assert.equal(bpf.delete(3, new Uint8Array(4)), false);
  assert.equal(bpf.nextKey(3, null, 4), null);
  assert.equal(bpf.openModuleTypes('nf_conntrack'), null);
});

test('a test run whose packet outgrew the room still counts', () => {
  const bpf = fake((command, attr) => {
    assert.equal(command, BPF_PROG_TEST_RUN);
    attr.set([4, 0, 0, 0], 4);
    attr.set([100, 0, 0, 0], 12);
    return -28;
  });
  const run = bpf.testRun(3, new Uint8Array(60), { roomBytes: 20 });
  assert.deepEqual([run.result, run.packet.length], [4, 20]);
});
