import { test } from 'node:test';
import assert from 'node:assert/strict';
import { GrowingBuffer } from './growing-buffer.js';
import type { Libc } from './libc.js';

const K = 1024;

/** A socket of a kernel that doubles what it is asked for, as Linux does. `null`: it knows no SO_MEMINFO. */
function socketWith(filledBytes: () => number | null, sizeBytes: number) {
  const asked: number[] = [];
  let looks = 0;
  const libc: Pick<Libc, 'getsockopt' | 'setsockopt'> = {
    getsockopt: (_fd, _level, _option, value) => {
      looks++;
      const filled = filledBytes();
      if (filled === null) return -92;
      new Uint32Array(value.buffer).set([filled, 2 * (asked.at(-1) ?? sizeBytes)]);
      return value.length;
    },
    setsockopt: (_fd, _level, _option, value) => {
      asked.push(new DataView(value.buffer).getUint32(0, true));
      return 0;
    },
  };
  return { asked, looks: () => looks, libc: libc as Libc };
}

test('a lone packet changes nothing, a few waiting ones double it until there is room for many more of them', () => {
  let filled = 960;
  const socket = socketWith(() => filled, 32 * K);
  const buffer = new GrowingBuffer(socket.libc, 3, 32 * K, 8192 * K);
  buffer.look();
  assert.deepEqual(socket.asked, []);
  filled = 3 * 960;
  buffer.look();
  assert.deepEqual(socket.asked, [128 * K]);
  assert.equal(buffer.sizeBytes, 128 * K);
  buffer.look();
  filled = 0;
  buffer.look();
  assert.deepEqual(socket.asked, [128 * K], 'enough now, and never less');
});

test('it ends at its largest size, and is not asked any more then', () => {
  const socket = socketWith(() => 60 * K, 32 * K);
  const buffer = new GrowingBuffer(socket.libc, 3, 32 * K, 1000 * K);
  for (let i = 0; i < 9; i++) buffer.look();
  assert.deepEqual([socket.asked, socket.looks()], [[1000 * K], 1]);
});

test('one of fixed size is left alone; a kernel that cannot tell gets the largest at once', () => {
  const fixed = socketWith(() => 64 * K, 32 * K);
  new GrowingBuffer(fixed.libc, 3, 32 * K, 32 * K).look();
  assert.deepEqual([fixed.asked, fixed.looks()], [[], 0]);
  const old = socketWith(() => null, 32 * K);
  new GrowingBuffer(old.libc, 3, 32 * K, 8192 * K).look();
  assert.deepEqual(old.asked, [8192 * K]);
});
