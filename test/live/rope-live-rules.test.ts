/**
 * The conformance cases, and random programs, in live rules: each program that runs in the kernel in a rule of its own, all packets of all cases sent
 * over a cable into the namespace, one after the other. Each rule's counter must be what the interpreter says of the
 * same packets in the same order: a program meets every packet, not only its own.
 *
 * Left out: programs that read the time or the mark (a rule gives others than the case), and packets that the kernel refuses
 * before any rule. Needs root. Safe: namespaces, the bpf file system and all files are the test's own.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { u16 } from '../../src/base/bytes.js';
import { Bpf } from '../../src/kernel/bpf.js';
import { type LoadedRope, RopeRejected, closeRope, loadRope } from '../../src/kernel/rope-program.js';
import { RopeStore } from '../../src/kernel/rope-store.js';
import { type LabHost, labUnavailable, openRoutedLab } from '../../src/lab/namespaces.js';
import { INTERPRETER } from '../../src/rope/backends/back-end.js';
import { UTC_CLOCK } from '../../src/rope/backends/ebpf/state.js';
import { compileForKernel } from '../../src/rope/backends/ebpf.js';
import { type Compiled, compile } from '../../src/rope/compile.js';
import type { Argument } from '../../src/rope/argument.js';
import { DEFAULT_LIMITS, HOTDROP, type Limits, isMatch } from '../../src/rope/ir.js';
import { RunContext } from '../../src/rope/run-context.js';
import { type Case, parseCaseFile } from '../../src/rope/testing/case-file.js';
import { Choices, generatePacket, generateProgram } from '../rope/generate.js';

const root = join(import.meta.dirname, '../../..');
const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;
const skip = labUnavailable() ?? (has('iptables') ? false : 'needs iptables');
/** Of the cable; longer packets would be fragments. */
const MTU = 1500;
const RANDOM_PROGRAMS = process.env.P2PWALL_TEST_ALL === '1' ? 150 : 50;

const inFolder = (folder: string): string[] => readdirSync(join(root, folder)).filter((name) => name.endsWith('.md')).map((name) => join(folder, name));

/** RFC 1071. */
function isChecksumRight(header: Uint8Array): boolean {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += u16(header, at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum === 0xffff;
}

/** Reaches rules: what ip_rcv and ipv6_rcv let pass (net/ipv4/ip_input.c, net/ipv6/ip6_input.c). */
function isAccepted(bytes: Uint8Array): boolean {
  const version = (bytes[0] ?? 0) >> 4;
  if (bytes.length > MTU) return false;
  if (version === 6) return bytes.length >= 40 && 40 + u16(bytes, 4) <= bytes.length && bytes[6] !== 0 && bytes[24] !== 0xff && bytes[8] !== 0xff;
  const headerBytes = 4 * ((bytes[0] ?? 0) & 15);
  // Options are checked word by word: only packets without are surely let in.
  return version === 4 && headerBytes === 20 && bytes.length >= 20 && u16(bytes, 2) >= 20 && u16(bytes, 2) <= bytes.length && isChecksumRight(bytes.subarray(0, 20));
}

interface Program {
  readonly name: string;
  /** Heading of the case, or the source. */
  readonly label: string;
  readonly compiled: Compiled;
  readonly args: readonly Argument[];
  readonly limits: Limits;
  readonly rope: LoadedRope;
}

/** Loads the program of a case; null when it is not for live rules. */
function loadCase(bpf: Bpf, name: string, { name: label, source, script, expect }: Case): Program | null {
  if (!expect.isStatic || expect.verdicts.length === 0) return null;
  const text = script === null ? source : readFileSync(join(root, 'rope', `${script}.rope`), 'utf8');
  return load(bpf, name, label, text, expect.args, expect.limits);
}

function load(bpf: Bpf, name: string, label: string, source: string, args: readonly Argument[], limits: Limits): Program | null {
  if (/time|\$mark/.test(source)) return null;
  const compiled = compile(source, { args, limits });
  const result = compiled.ir && compileForKernel(compiled.ir);
  if (!result?.ok) return null;
  try {
    return { name, label, compiled, args, limits, rope: loadRope(bpf, 'rope-case', { match: result.program }, UTC_CLOCK) };
  } catch (error) {
    if (error instanceof RopeRejected) return null;
    throw error;
  }
}

/** Sends frames as they are, slowly enough that none is lost. */
const SEND = `
import socket,sys,time
s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW); s.bind(("eth0",0))
for line in sys.stdin:
  s.send(bytes.fromhex(line.strip())); time.sleep(0.002)
`;

function counters(router: LabHost): Map<string, number> {
  const found = new Map<string, number>();
  for (const tool of ['iptables', 'ip6tables']) {
    for (const line of router.must(tool, ['-w', '-t', 'raw', '-vnxL', 'PREROUTING']).split('\n')) {
      const name = /\/bpf\/(\w+)/.exec(line)?.[1] ?? (line.includes('DROP') ? 'all' : null);
      if (name !== null) found.set(name, (found.get(name) ?? 0) + Number(line.trim().split(/\s+/)[0]));
    }
  }
  return found;
}

test('every conformance case in a live rule counts what the interpreter matches', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pw-ebpf-cases-'));
  const bpffs = join(folder, 'bpf');
  mkdirSync(bpffs);
  const bpf = new Bpf();
  const net = openRoutedLab('p2pw-ebpf-cases', { conntrack: false });
  const programs: Program[] = [];
  try {
    new RopeStore(bpf, { bpffs, run: join(folder, 'run') }).mount();
    const packets = new Map<string, Uint8Array>();
    for (const path of [...inFolder('test/rope'), ...inFolder('rope'), 'docs/rope.md']) {
      for (const testCase of parseCaseFile(readFileSync(join(root, path), 'utf8')).cases) {
        for (const { bytes } of testCase.packets) if (isAccepted(bytes)) packets.set(Buffer.from(bytes).toString('hex'), bytes);
        const program = loadCase(bpf, `case_${programs.length}`, testCase);
        if (program === null) continue;
        programs.push(program);
        bpf.pin(program.rope.match, join(bpffs, program.name));
      }
    }
    const cases = programs.length;
    let seed = 20_261_122;
    const random = (): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed >>> 8;
    };
    const choices = (): Choices => new Choices(Array.from({ length: 5 + (random() % 115) }, random));
    for (let i = 0; i < RANDOM_PROGRAMS; i++) {
      const source = generateProgram(choices());
      const bytes = generatePacket(choices());
      if (isAccepted(bytes)) packets.set(Buffer.from(bytes).toString('hex'), bytes);
      const program = load(bpf, `case_${programs.length}`, source, source, [], DEFAULT_LIMITS);
      if (program === null) continue;
      programs.push(program);
      bpf.pin(program.rope.match, join(bpffs, program.name));
    }
    const rules = ['*raw', ...programs.map(({ name }) => `-A PREROUTING -i inside -m bpf --object-pinned ${join(bpffs, name)}`), '-A PREROUTING -i inside -j DROP', 'COMMIT', ''].join('\n');
    for (const tool of ['iptables-restore', 'ip6tables-restore']) net.router.must(tool, ['-w'], rules);
    const mac = (host: LabHost, device: string): string => host.must('cat', [`/sys/class/net/${device}/address`]).trim().replaceAll(':', '');
    const [to, from] = [mac(net.router, 'inside'), mac(net.client, 'eth0')];
    // Neighbour discovery and the like would be counted too.
    net.client.must('ip6tables', ['-w', '-A', 'OUTPUT', '-j', 'DROP']);
    net.router.must('ip6tables', ['-w', '-t', 'raw', '-Z']);
    const frames = [...packets].map(([hex, bytes]) => `${to}${from}${(bytes[0] ?? 0) >> 4 === 6 ? '86dd' : '0800'}${hex}\n`);
    const before = counters(net.router).get('all') ?? 0;
    net.client.must('/usr/bin/python3', ['-c', SEND], frames.join(''));
    await sleep(300);
    const found = counters(net.router);
    assert.equal((found.get('all') ?? 0) - before, packets.size, 'every packet came to the rules');

    const failed: string[] = [];
    for (const { name, label, compiled, args, limits } of programs) {
      const context = new RunContext({ utcOffsetSeconds: () => 0 });
      const runner = INTERPRETER.prepare(compiled, args, context, limits);
      assert.ok(typeof runner !== 'string');
      let matched = 0;
      for (const bytes of packets.values()) {
        context.packet.load(bytes, 0, bytes.length);
        const verdict = runner.run();
        if (isMatch(verdict) || verdict === HOTDROP) matched++;
      }
      if (found.get(name) !== matched) failed.push(`${label}: the rule counted ${found.get(name)}, the interpreter ${matched}`);
    }
    assert.deepEqual(failed, []);
    t.diagnostic(`${cases} programs of cases and ${programs.length - cases} random ones, each on ${packets.size} packets`);
    assert.ok(programs.length > 150 && packets.size > 100, `${programs.length} programs, ${packets.size} packets`);
  } finally {
    for (const { rope } of programs) closeRope(bpf, rope);
    net.close();
    spawnSync('umount', [bpffs]);
    rmSync(folder, { recursive: true, force: true });
  }
});
