/**
 * Every case of test/rope/*.md, rope/*.md and docs/rope.md on every back end: answers must be equal.
 *
 * The eBPF back end is listed here too, in our own virtual machine; test/live runs the same cases in the kernel.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type BackEnd, INTERPRETER, JAVASCRIPT } from '../../src/rope/backends/back-end.js';
import { EBPF } from '../../src/rope/backends/ebpf-vm.js';
import { PacketInput } from '../../src/rope/packet.js';
import { type Case, parseCaseFile } from '../../src/rope/testing/case-file.js';
import { runCase } from '../../src/rope/testing/run-case.js';

const root = join(import.meta.dirname, '../../..');

const BACK_ENDS: readonly BackEnd[] = [INTERPRETER, JAVASCRIPT, EBPF];

function caseFiles(): string[] {
  const inFolder = (folder: string): string[] =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder)).filter((name) => name.endsWith('.md')).map((name) => join(folder, name))
      : [];
  return [...inFolder('test/rope'), ...inFolder('rope'), ...(existsSync(join(root, 'docs/rope.md')) ? ['docs/rope.md'] : [])];
}

function sourceOf(testCase: Case): string {
  return testCase.script === null ? testCase.source : readFileSync(join(root, 'rope', `${testCase.script}.rope`), 'utf8');
}

/** True when a packet's time of arrival is not now: in the kernel both are read off the clock. */
function hasOwnArrival({ packets }: Case): boolean {
  const input = new PacketInput();
  return packets.some(({ annotate }) => {
    annotate(input);
    return input.packetTime !== input.kernelTime;
  });
}

for (const path of caseFiles()) {
  const file = parseCaseFile(readFileSync(join(root, path), 'utf8'));
  test(`${path} can be read`, () => {
    assert.deepEqual(file.faults, []);
    assert.ok(file.cases.length > 0, 'a file of cases has cases');
  });
  for (const backEnd of BACK_ENDS) {
    test(`${path} on the ${backEnd.name} back end`, () => {
      const failed: string[] = [];
      for (const testCase of file.cases) {
        if (backEnd === EBPF && hasOwnArrival(testCase)) continue;
        const mustRun = backEnd === INTERPRETER || (testCase.expect.isStatic && !(backEnd === EBPF && testCase.expect.kernel === false));
        const { failures } = runCase(testCase, sourceOf(testCase), backEnd, mustRun);
        for (const failure of failures) failed.push(`${path}:${testCase.line} ${testCase.name}: ${failure}`);
      }
      assert.deepEqual(failed, []);
    });
  }
}
