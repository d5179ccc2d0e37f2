/**
 * bpf(2) and the window program against the running kernel. Needs root (CAP_BPF,
 * CAP_NET_ADMIN, CAP_SYS_ADMIN for the namespace). Safe: nothing is attached to
 * an interface, connections stay on the loopback of a namespace of its own.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { add, mov } from '../../src/ebpf/alu.js';
import { assemble } from '../../src/ebpf/assemble.js';
import { Btf, readBtf } from '../../src/ebpf/btf.js';
import { BPF_PROG_TYPE_SOCKET_FILTER } from '../../src/ebpf/helpers.js';
import type { Item } from '../../src/ebpf/instruction.js';
import { BPF_DW, BPF_W, r0, r1, r2 } from '../../src/ebpf/isa.js';
import { exit } from '../../src/ebpf/jump.js';
import { atomicAdd, load, loadMapValue } from '../../src/ebpf/load-store.js';
import { Bpf, ProgramRejected } from '../../src/kernel/bpf.js';
import { labUnavailable, openLab } from '../../src/lab/namespaces.js';

const skip = labUnavailable() ?? false;

function load1(bpf: Bpf, items: Item[], maps = new Map<string, number>()): number {
  const result = assemble(items, maps);
  assert.ok(result.ok);
  return bpf.loadProgram({ type: BPF_PROG_TYPE_SOCKET_FILTER, name: 'p2pw-test', bytes: result.program.bytes });
}

test('a program counts in a map, and its run time is measured', { skip }, () => {
  const bpf = new Bpf();
  const shape = { type: 'array', keyBytes: 4, valueBytes: 16, maxEntries: 1 } as const;
  const map = bpf.createMap(shape, 'p2pw-test');
  const program = load1(
    bpf,
    [loadMapValue(r1, 'map', 8), mov.imm(r2, 3), atomicAdd(BPF_DW, r1, 0, r2), mov.imm(r0, 77), exit()],
    new Map([['map', map]]),
  );
  const statistics = bpf.enableStatistics();
  try {
    const run = bpf.testRun(program, new Uint8Array(60), { repeat: 100 });
    assert.equal(run.result, 77);
    assert.deepEqual([...(bpf.lookup(map, new Uint8Array(4), 16)?.subarray(8, 12) ?? [])], [0x2c, 1, 0, 0]);
    const info = bpf.programInfo(program);
    assert.deepEqual([info.name, info.runCount], ['p2pw_test', 100]);
    assert.ok(info.runTimeNs > 0);
    bpf.update(map, new Uint8Array(4), new Uint8Array(16).fill(1));
    assert.equal(bpf.lookup(map, new Uint8Array(4), 16)?.[0], 1);
    assert.deepEqual(bpf.nextKey(map, null, 4), new Uint8Array(4));
    assert.equal(bpf.nextKey(map, new Uint8Array(4), 4), null);
  } finally {
    for (const fd of [statistics, program, map]) bpf.close(fd);
  }
});

test('the verifier\'s objection is told with its slot', { skip }, () => {
  const bpf = new Bpf();
  assert.throws(
    () => load1(bpf, [mov.imm(r0, 0), add.imm(r0, 1), load(BPF_W, r0, r1, 1000), exit()]),
    (error: unknown) =>
      error instanceof ProgramRejected && error.report.slot === 2 && /invalid bpf_context access/.test(error.message),
  );
});

test('a module that is not there has no types', { skip }, () => {
  const bpf = new Bpf();
  assert.equal(bpf.openModuleTypes('p2pwall_no_such_module'), null);
  const fd = bpf.openModuleTypes('vmlinux');
  assert.ok(fd !== null && fd > 0);
  bpf.close(fd);
});

test('the types of the running kernel are read', (t) => {
  if (!existsSync('/sys/kernel/btf/vmlinux')) return t.skip('this kernel has no /sys/kernel/btf/vmlinux');
  const types = readBtf(new Uint8Array(readFileSync('/sys/kernel/btf/vmlinux')));
  assert.ok(types instanceof Btf, `${types}`);
  assert.deepEqual(types.member('iphdr', 'daddr'), { offsetBytes: 16, sizeBytes: 4 });
  assert.deepEqual(types.member('ipv6hdr', 'daddr'), { offsetBytes: 24, sizeBytes: 16 });
  assert.equal(types.enumValue('BPF_MAP_TYPE_LRU_HASH'), 9);
  return undefined;
});

test('the window program follows the sequence numbers of live connections', { skip }, async (t) => {
  if (!existsSync('/sys/kernel/btf/vmlinux')) return t.skip('this kernel has no /sys/kernel/btf/vmlinux');
  if (spawnSync('iptables', ['-V']).error) return t.skip('needs the program iptables');
  const lab = openLab('p2pw-ebpf');
  try {
    const host = lab.addHost('window');
    for (const tool of ['iptables', 'ip6tables']) host.must(tool, ['-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT']);
    const worker = host.startWorker(new URL('./support/window-peer.js', import.meta.url));
    const [answers] = (await once(worker, 'message')) as [Record<string, number | string | boolean>[]];
    for (const answer of answers) {
      assert.deepEqual(answer, { family: answer.family, state: 3, sentByClient: 1234, sentByServer: 99, sameFromReply: true, absent: 2 });
    }
    assert.equal(answers.length, 2);
  } finally {
    lab.close();
  }
  return undefined;
});
