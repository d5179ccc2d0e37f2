import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, latin1 } from '../base/bytes.js';
import { StreamPrefix } from './stream-prefix.js';

const LIMIT = 64;

function text(prefix: StreamPrefix): string {
  return latin1(prefix.bytes, 0, prefix.length);
}

function add(prefix: StreamPrefix, content: string, offset: number): number {
  const bytes = ascii(`..${content}..`);
  return prefix.add(bytes, 2, bytes.length - 2, offset);
}

test('segments in order extend the prefix', () => {
  const prefix = new StreamPrefix(LIMIT);
  assert.equal(add(prefix, 'GET ', 0), 4);
  assert.equal(add(prefix, '/x', 4), 2);
  assert.equal(text(prefix), 'GET /x');
  assert.equal(prefix.hasHole, false);
});

test('a segment behind a hole waits until the hole is filled', () => {
  const prefix = new StreamPrefix(LIMIT);
  assert.equal(add(prefix, 'world', 6), 0);
  assert.equal(prefix.hasHole, true);
  assert.equal(add(prefix, 'hello ', 0), 11);
  assert.equal(text(prefix), 'hello world');
  assert.equal(prefix.hasHole, false);
});

test('of overlapping segments the first one wins, byte by byte', () => {
  const prefix = new StreamPrefix(LIMIT);
  add(prefix, 'CD', 2);
  add(prefix, 'abcdef', 0);
  assert.equal(text(prefix), 'abCDef');
  add(prefix, 'XXXXXXgh', 0);
  assert.equal(text(prefix), 'abCDefgh');
});

test('retransmissions and bytes before the start add nothing', () => {
  const prefix = new StreamPrefix(LIMIT);
  add(prefix, 'abc', 0);
  assert.equal(add(prefix, 'abc', 0), 0);
  assert.equal(add(prefix, 'zz', -2), 0);
  assert.equal(add(prefix, 'zzabcd', -2), 1);
  assert.equal(text(prefix), 'abcd');
});

test('bytes beyond the limit are dropped', () => {
  const prefix = new StreamPrefix(8);
  assert.equal(add(prefix, '0123456789', 0), 8);
  assert.equal(prefix.isFull, true);
  assert.equal(add(prefix, 'x', 8), 0);
  assert.equal(add(prefix, 'x', 1_000_000_000), 0);
  assert.equal(prefix.sizeBytes <= 512, true);
});

test('a late segment that adjoins the guessed start goes before it', () => {
  const prefix = new StreamPrefix(LIMIT);
  add(prefix, 'world', 0);
  assert.equal(prefix.prepend(ascii('hello '), 0, 6), true);
  assert.equal(text(prefix), 'hello world');
  assert.equal(prefix.prepend(new Uint8Array(LIMIT), 0, LIMIT), false);
});

test('any cut and order of a stream, with repeats, gives the stream back', () => {
  const segment = fc.record({ from: fc.nat(120), length: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 14 }), fc.integer({ min: 1, max: 100 }), (segments, limit) => {
      const stream = Uint8Array.from({ length: 200 }, (_, i) => (i * 7 + 3) & 0xff);
      const prefix = new StreamPrefix(limit);
      const have = new Set<number>();
      let grown = 0;
      for (const { from, length } of segments) {
        grown += prefix.add(stream, from, from + length, from);
        for (let i = from; i < from + length; i++) have.add(i);
      }
      let contiguous = 0;
      while (contiguous < limit && have.has(contiguous)) contiguous++;
      assert.equal(grown, prefix.length);
      // Pieces beyond the bound are forgotten: the prefix may be shorter than ideal, never wrong or longer.
      assert.ok(prefix.length <= contiguous);
      if (segments.length <= 8) assert.equal(prefix.length, contiguous);
      assert.deepEqual(prefix.bytes.subarray(0, prefix.length), stream.subarray(0, prefix.length));
    }),
    { numRuns: 500 },
  );
});
