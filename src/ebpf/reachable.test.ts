import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mov } from './alu.js';
import { assemble } from './assemble.js';
import { disassemble } from './disassemble.js';
import { label, type Item } from './instruction.js';
import { r0, r1, r2 } from './isa.js';
import { callLocal, exit, ja, jeq } from './jump.js';
import { loadFunction } from './load-store.js';
import { calledFunctions, removeUnreachable } from './reachable.js';

function listing(items: Item[]): string[] {
  const result = assemble(removeUnreachable(items));
  assert.ok(result.ok, result.ok ? '' : JSON.stringify(result.problems));
  return disassemble(result.program).trimEnd().split('\n').map((line) => line.replace(/^ *\d+: /, ''));
}

test('what stands behind an exit or a jump goes, unless something jumps there', () => {
  const items: Item[] = [
    mov.imm(r0, 0),
    jeq.imm(r1, 0, 'a'),
    exit(),
    mov.imm(r0, 9), // nobody comes here
    ja('b'),
    label('a'),
    mov.imm(r0, 1),
    exit(),
    label('b'), // only from code that went
    mov.imm(r0, 2),
    exit(),
  ];
  assert.deepEqual(listing(items), ['r0 = 0', 'if r1 == 0 goto 3', 'exit', 'r0 = 1', 'exit']);
});

test('a jump to the next instruction goes, over several labels', () => {
  assert.deepEqual(listing([mov.imm(r0, 0), ja('b'), label('a'), label('b'), exit()]), ['r0 = 0', 'exit']);
});

test('functions stay when they are called or passed on, and go when not', () => {
  const items: Item[] = [
    callLocal('used'),
    loadFunction(r2, 'passed'),
    exit(),
    label('unused'),
    mov.imm(r0, 7),
    exit(),
    label('used'),
    mov.imm(r0, 1),
    exit(),
    label('passed'),
    mov.imm(r0, 2),
    exit(),
  ];
  assert.deepEqual(listing(items), ['call 4', 'r2 = function[pc+4]', 'exit', 'r0 = 1', 'exit', 'r0 = 2', 'exit']);
  assert.deepEqual([...calledFunctions(items)].sort(), ['passed', 'used']);
});

test('a loop ends the walk', () => {
  assert.deepEqual(listing([label('a'), mov.imm(r0, 0), ja('a')]), ['r0 = 0', 'goto 0']);
});
