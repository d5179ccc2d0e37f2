/** The eBPF back end in our own virtual machine gives the interpreter's answers, packet by packet, script by script. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BPF_CALL, BPF_JMP } from '../../src/ebpf/isa.js';
import type { Argument } from '../../src/rope/argument.js';
import { EBPF, KernelMachine } from '../../src/rope/backends/ebpf-vm.js';
import { compileForKernel } from '../../src/rope/backends/ebpf.js';
import { INTERPRETER } from '../../src/rope/backends/back-end.js';
import { compile } from '../../src/rope/compile.js';
import { HOTDROP, NO, YES } from '../../src/rope/ir.js';
import { RunContext } from '../../src/rope/run-context.js';
import { buildTcp, buildUdp } from '../../src/wire/build.js';
import { SAMPLE_PACKETS, SAMPLE_SCRIPTS } from './kernel-samples.js';

function kernelProgram(source: string, args: readonly Argument[] = []) {
  const { ir } = compile(source, { args });
  assert.ok(ir, source);
  const result = compileForKernel(ir);
  assert.ok(result.ok, source);
  return result.program;
}

test('scripts that reach every part of the back end agree with the interpreter', () => {
  const failed: string[] = [];
  for (const source of SAMPLE_SCRIPTS) {
    const compiled = compile(source);
    assert.deepEqual(compiled.diagnostics.filter(({ severity }) => severity === 'error'), [], source);
    const [ours, theirs] = [EBPF, INTERPRETER].map((backEnd) => {
      const context = new RunContext();
      const runner = backEnd.prepare(compiled, [], context);
      assert.ok(typeof runner !== 'string', `${source}: ${String(runner)}`);
      return { context, runner };
    });
    assert.ok(ours && theirs);
    for (const [name, bytes] of SAMPLE_PACKETS) {
      const [got, want] = [ours, theirs].map(({ context, runner }) => {
        context.packet.load(bytes, 0, bytes.length);
        return `${runner.run()} ${context.globals.subarray(0, 8).join()}`;
      });
      if (got !== want) failed.push(`${source} on ${name}: ${got}, the interpreter says ${want}`);
    }
  }
  assert.equal(failed.slice(0, 5).join('\n'), '');
});

const LONG = Uint8Array.from({ length: 1300 }, (_, i) => (i * 7919 + (i >> 3) * 31 + 13) & 255);
const ENDS = { src: '192.0.2.1', dst: '192.0.2.2', srcPort: 51413, dstPort: 6881 };
const LONG_PACKETS = {
  TCP: buildTcp({ ...ENDS, payload: LONG }),
  'TCP with timestamps': buildTcp({ ...ENDS, tcpOptions: new Uint8Array(12), payload: LONG }),
  UDP: buildUdp({ ...ENDS, payload: LONG }),
};

test('a long packet that matches nothing costs each supplied script one call for its bytes, and few instructions', () => {
  for (const name of ['bittorrent', 'gnutella', 'contlen', 'opennap', 'fasttrack', 'edonkey', 'directconnect']) {
    const source = readFileSync(join(import.meta.dirname, '../../../rope', `${name}.rope`), 'utf8');
    for (const [kind, packet] of Object.entries(LONG_PACKETS)) {
      let [calls, steps] = [0, 0];
      const args: Argument[] = name === 'contlen' ? [{ type: 'int', value: 1_000_000 }] : [];
      const machine = new KernelMachine(kernelProgram(source, args), {
        onStep: ({ code }) => {
          steps++;
          if (code === (BPF_JMP | BPF_CALL)) calls++;
        },
      });
      assert.equal(machine.run(packet).verdict, NO, name);
      assert.equal(calls, 1, `${name}, ${kind}: ${calls} calls`);
      assert.ok(steps < (name === 'edonkey' ? 450 : 200), `${name}, ${kind}: ${steps} instructions`);
    }
  }
});

test('a packet that got hotdrop is dropped by the second program, and no other', () => {
  const machine = new KernelMachine(kernelProgram('$data "hello" eq { hotdrop } if yes'));
  machine.bootTimeNs = 5_000_000_000n;
  const find = (name: string) => SAMPLE_PACKETS.find(([title]) => title === name)?.[1] ?? new Uint8Array(0);
  const [hello, http] = [find('TCP hello'), find('TCP http')];
  assert.equal(machine.run(hello).verdict, HOTDROP);
  assert.equal(machine.run(http).verdict, YES);
  assert.equal(machine.dropsAfterMatch(hello), true);
  assert.equal(machine.dropsAfterMatch(http), false);
  machine.bootTimeNs += 2_000_000_000n;
  assert.equal(machine.dropsAfterMatch(hello), false, 'the memory of a packet lasts a second');
  assert.deepEqual(machine.counters, { hits: 1, errors: 0, hotdrops: 1, last: { at: machine.counters.last?.at, tag: null } });
});

test('scripts without a way to hotdrop have no second program', () => {
  assert.equal(kernelProgram('"a" expect_str yes').hotdrop, null);
  assert.notEqual(kernelProgram('{ $a 3 lt } { $a inc } while').hotdrop, null);
});

test('errors are counted with their step', () => {
  const machine = new KernelMachine(kernelProgram('1\n$packet_len 0 mult div'));
  const run = machine.run(SAMPLE_PACKETS[0]?.[1] ?? new Uint8Array(0));
  assert.deepEqual([run.tag, machine.counters.errors, machine.counters.last?.tag], ['EDivideByZero', 1, 'EDivideByZero']);
});

test('what the kernel cannot see is told by step and reason', () => {
  const { ir } = compile('$ct_mark 1 eq assert\n$packet_len assert\n$ct_state assert');
  assert.ok(ir);
  const result = compileForKernel(ir);
  assert.ok(!result.ok);
  assert.deepEqual(
    result.obstacles.map(({ at, reason }) => [ir.spans[at]?.line, /^\$ct_\w+ comes from connection tracking/.test(reason)]),
    [[1, true], [3, true]],
  );
});

test('strings beyond all bounds are told, not cut', () => {
  const { ir } = compile(`$packet ${'dup strcat '.repeat(5)} strlen assert`);
  assert.ok(ir);
  const result = compileForKernel(ir);
  assert.ok(result.ok || /strings of \d+ bytes/.test(result.obstacles[0]?.reason ?? ''));
});

test('instructions carry the line of the script they come from', () => {
  const program = kernelProgram('"a" expect_str\n\n"b" expect_to');
  const lines = new Set(program.items.map((item) => ('label' in item ? undefined : item.line)));
  assert.deepEqual([...lines].filter((line) => line !== undefined).sort(), [1, 3]);
});
