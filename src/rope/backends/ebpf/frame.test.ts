import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Frame } from './frame.js';

test('places never overlap, are aligned, and vague ones lie off multiples of 8', () => {
  const frame = new Frame();
  const taken = new Set<number>();
  const occupy = (at: number, lengthBytes: number): void => {
    for (let i = at; i < at + lengthBytes; i++) {
      assert.ok(!taken.has(i), `byte ${i} is taken twice`);
      assert.ok(i < 0 && i >= -512);
      taken.add(i);
    }
  };
  for (const at of [frame.contextAt, frame.scratchPointerAt]) occupy(at, 8);
  for (const at of [frame.exitAt, frame.packetLengthAt, frame.offsetAt]) occupy(at, 4);
  for (let i = 0; i < 9; i++) {
    const [clear, vague, wide] = [frame.take(4), frame.takeVague(), frame.take(12)];
    occupy(clear, 4);
    occupy(vague, 4);
    occupy(wide, 12);
    assert.equal(Math.abs(vague % 8), 4);
    assert.ok(clear % 8 === 0 && wide % 8 === 0);
  }
});

test('room that is given back is taken again by what fits', () => {
  const frame = new Frame();
  const at = frame.take(16);
  const before = frame.totalBytes;
  frame.giveBack(at, 16);
  assert.deepEqual([frame.take(4), frame.take(4)].sort((a, b) => a - b), [at, at + 8]);
  assert.deepEqual([frame.takeVague(), frame.takeVague()].sort((a, b) => a - b), [at + 4, at + 12]);
  assert.equal(frame.totalBytes, before);
});

test('borrowed room is used again, and counts at its deepest', () => {
  const frame = new Frame();
  const before = frame.totalBytes;
  const places: number[] = [];
  for (let i = 0; i < 5; i++) frame.borrow(64, (at) => places.push(at));
  assert.equal(new Set(places).size, 1);
  assert.ok(frame.totalBytes >= before + 64 - 32 && frame.totalBytes <= before + 96);
});

test('levels of loops cost stack and frames', () => {
  const frame = new Frame();
  const flat = frame.totalBytes;
  frame.enterFunction();
  frame.enterFunction();
  frame.leaveFunction();
  frame.leaveFunction();
  assert.equal(frame.totalBytes, flat + 64);
  assert.equal(frame.depth, 3);
});
