import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ascii, latin1 } from '../base/bytes.js';
import { TurnSlab, Turns } from './turns.js';

const SLAB = new TurnSlab({ turns: 3, headBytes: 4 }, 2);

function heads(turns: Turns): string[] {
  return Array.from({ length: turns.count }, (_, i) => {
    const at = turns.headAt(i);
    return `${turns.direction(i)} ${turns.lengthBytes(i)} ${latin1(turns.heads, at, at + turns.headLengthBytes(i))}`;
  });
}

test('datagrams are recorded one by one with their heads, and no more than fit', () => {
  const turns = new Turns(SLAB, 1);
  const neighbour = new Turns(SLAB, 0);
  neighbour.addDatagram(1, ascii('zzzz'), 0, 4);
  turns.addDatagram(0, ascii('..abcdef'), 2, 8);
  turns.addDatagram(0, ascii('xy'), 0, 2);
  turns.addDatagram(1, ascii(''), 0, 0);
  turns.addDatagram(1, ascii('late'), 0, 4);
  assert.deepEqual(heads(turns), ['0 6 abcd', '0 2 xy', '1 0 ']);
  assert.deepEqual(heads(neighbour), ['1 4 zzzz']);
});

test('stream bytes in one direction are one turn, also after the log is full', () => {
  const turns = new Turns(SLAB, 1);
  for (const [direction, lengthBytes] of [[0, 5], [0, 7], [1, 3], [0, 1], [0, 2], [1, 9]] as const) {
    turns.addStream(direction, lengthBytes);
  }
  assert.deepEqual(heads(turns), ['0 12 ', '1 3 ', '0 3 ']);
  turns.reset();
  turns.addStream(1, 4);
  assert.deepEqual(heads(turns), ['1 4 ']);
});
