/**
 * Rope in the running kernel: every conformance case, the samples that reach each part of the back end, the supplied
 * scripts and random programs are loaded and run by BPF_PROG_TEST_RUN; answers must equal the interpreter's.
 *
 * Needs root (CAP_BPF, CAP_NET_ADMIN). Safe: programs are attached to nothing and vanish with their descriptors.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RopeRejected } from '../../src/kernel/rope-program.js';
import { INTERPRETER, type BackEnd, type Runner } from '../../src/rope/backends/back-end.js';
import { compile, type Compiled } from '../../src/rope/compile.js';
import { DEFAULT_LIMITS, type Limits } from '../../src/rope/ir.js';
import { PacketInput } from '../../src/rope/packet.js';
import { RunContext } from '../../src/rope/run-context.js';
import { parseCaseFile, type Case } from '../../src/rope/testing/case-file.js';
import { runCase } from '../../src/rope/testing/run-case.js';
import { Choices, generatePacket, generateProgram } from '../rope/generate.js';
import { generateFollower, generateLetters } from '../rope/generate-followers.js';
import { SAMPLE_PACKETS, SAMPLE_SCRIPTS } from '../rope/kernel-samples.js';
import { KernelBackEnd } from './support/kernel-back-end.js';

const root = join(import.meta.dirname, '../../..');
const skip = process.getuid?.() === 0 ? false : 'needs root for bpf(2)';
const RANDOM_PROGRAMS = process.env.P2PWALL_TEST_ALL === '1' ? 400 : 40;

function caseFiles(): string[] {
  const inFolder = (folder: string): string[] =>
    readdirSync(join(root, folder)).filter((name) => name.endsWith('.md')).map((name) => join(folder, name));
  return [...inFolder('test/rope'), ...inFolder('rope'), ...(existsSync(join(root, 'docs/rope.md')) ? ['docs/rope.md'] : [])];
}

/** In the kernel the time of arrival is now. */
function hasOwnArrival({ packets }: Case): boolean {
  const input = new PacketInput();
  return packets.some(({ annotate }) => {
    annotate(input);
    return input.packetTime !== input.kernelTime;
  });
}

/** Longest packet of a test run (net/bpf/test_run.c: a page without headroom and shared info). */
const MAX_TEST_BYTES = 3400;

for (const path of caseFiles()) {
  test(`${path} in the kernel`, { skip }, () => {
    const kernel = new KernelBackEnd();
    const failed: string[] = [];
    let ran = 0;
    for (const testCase of parseCaseFile(readFileSync(join(root, path), 'utf8')).cases) {
      if (hasOwnArrival(testCase) || testCase.packets.some(({ bytes }) => bytes.length > MAX_TEST_BYTES)) continue;
      const source = testCase.script === null ? testCase.source : readFileSync(join(root, 'rope', `${testCase.script}.rope`), 'utf8');
      const mustRun = testCase.expect.isStatic && testCase.expect.kernel !== false;
      try {
        const { failures, refusal } = runCase(testCase, source, kernel, mustRun);
        if (refusal === null && testCase.expect.verdicts.length > 0) ran++;
        for (const failure of failures) failed.push(`${path}:${testCase.line} ${testCase.name}: ${failure}`);
      } catch (error) {
        if (!(error instanceof RopeRejected)) throw error;
        failed.push(`${path}:${testCase.line} ${testCase.name}: line ${error.line}: ${error.message}`);
      }
    }
    kernel.close();
    assert.deepEqual(failed, []);
    if (/arithmetic|packet|strings|control/.test(path)) assert.ok(ran > 10, `only ${ran} cases ran`);
  });
}

interface Prepared {
  readonly context: RunContext;
  readonly runner: Runner;
}

function prepare(backEnd: BackEnd, compiled: Compiled, limits: Limits): Prepared | string {
  const context = new RunContext({ utcOffsetSeconds: () => 3600 });
  const runner = backEnd.prepare(compiled, [], context, limits);
  return typeof runner === 'string' ? runner : { context, runner };
}

function answer({ context, runner }: Prepared, bytes: Uint8Array): string {
  context.packet.load(bytes, 0, bytes.length);
  const verdict = runner.run();
  const tag = verdict === 0 || verdict === 4 ? context.tag : null;
  return `${verdict} ${tag} ${context.globals.subarray(0, 8).join()}`;
}

/** Differences between the interpreter and the kernel. */
function compare(source: string, packets: readonly Uint8Array[], kernel: KernelBackEnd, limits = DEFAULT_LIMITS): string[] | 'refused' {
  const compiled = compile(source, { limits });
  const theirs = prepare(INTERPRETER, compiled, limits);
  assert.ok(typeof theirs !== 'string');
  const ours = prepare(kernel, compiled, limits);
  if (typeof ours === 'string') return 'refused';
  const failed: string[] = [];
  for (const bytes of packets) {
    const [got, want] = [answer(ours, bytes), answer(theirs, bytes)];
    if (got !== want) failed.push(`${source}\non ${Buffer.from(bytes).toString('hex')}:\nkernel      ${got}\ninterpreter ${want}`);
  }
  return failed;
}

test('scripts that reach every part of the back end agree with the interpreter', { skip }, () => {
  const kernel = new KernelBackEnd();
  const packets = SAMPLE_PACKETS.map(([, bytes]) => bytes);
  for (const source of SAMPLE_SCRIPTS) assert.deepEqual(compare(source, packets, kernel), [], source);
  kernel.close();
});

test('random programs and packets agree with the interpreter', { skip }, (t) => {
  const kernel = new KernelBackEnd();
  let seed = 20_261_122;
  const random = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed >>> 1;
  };
  const choices = (): Choices => new Choices(Array.from({ length: 5 + (random() % 115) }, () => (random() >>> 8) ^ (random() << 7 & 0x7fff_ffff)));
  const limits: Limits[] = [DEFAULT_LIMITS, { ...DEFAULT_LIMITS, maxActions: 60 }, { ...DEFAULT_LIMITS, maxWhileLoops: 2 }, { ...DEFAULT_LIMITS, arenaBytes: 10 }];
  let ran = 0;
  let refused = 0;
  for (let i = 0; i < RANDOM_PROGRAMS; i++) {
    const [program, packet] = i % 2 === 0 ? [generateProgram, generatePacket] : [generateFollower, generateLetters];
    const source = program(choices());
    const packets = [packet(choices()), packet(choices()), packet(choices())];
    try {
      const failed = compare(source, packets, kernel, limits[random() % limits.length]);
      if (failed === 'refused') refused++;
      else {
        ran++;
        assert.deepEqual(failed, []);
      }
    } catch (error) {
      // Too much for the verifier: told to the user, and rare.
      if (!(error instanceof RopeRejected)) throw error;
      refused++;
    }
  }
  kernel.close();
  t.diagnostic(`${ran} ran, ${refused} were refused`);
  assert.ok(refused <= RANDOM_PROGRAMS / 20, `${refused} of ${RANDOM_PROGRAMS} were refused`);
});
