import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, latin1 } from '../base/bytes.js';
import { GrownBuffers, StreamPrefix } from './stream-prefix.js';

const LIMIT = 64;

/** A prefix whose first place is 16 bytes in the middle of a larger buffer. */
function prefixOf(limitBytes: number): StreamPrefix {
  return new StreamPrefix({ bytes: new Uint8Array(64).fill(0xee), at: 24, sizeBytes: Math.min(16, limitBytes) }, new GrownBuffers(limitBytes));
}

function text(prefix: StreamPrefix): string {
  return latin1(prefix.bytes, prefix.at, prefix.at + prefix.length);
}

function add(prefix: StreamPrefix, content: string, offset: number): number {
  const bytes = ascii(`..${content}..`);
  return prefix.add(bytes, 2, bytes.length - 2, offset);
}

test('a prefix outgrows its place twice: a segment, then all that features can see', () => {
  const grown = new GrownBuffers(4096);
  const prefix = new StreamPrefix({ bytes: new Uint8Array(16), at: 0, sizeBytes: 16 }, grown);
  const stream = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
  const sizes: number[] = [];
  for (let at = 0; at < stream.length; at += 10) {
    prefix.add(stream, at, at + 10, at);
    if (sizes.at(-1) !== prefix.sizeBytes) sizes.push(prefix.sizeBytes);
  }
  assert.deepEqual(sizes, [16, 1536, 4096]);
  assert.deepEqual(prefix.bytes.slice(prefix.at, prefix.at + prefix.length), stream.slice(0, 4096));
  prefix.reset();
  assert.equal(grown.take(100).bytes.length, 32 * 1536, 'what was given back is used again');
});

test('segments in order extend the prefix', () => {
  const prefix = prefixOf(LIMIT);
  assert.equal(add(prefix, 'GET ', 0), 4);
  assert.equal(add(prefix, '/x', 4), 2);
  assert.equal(text(prefix), 'GET /x');
  assert.equal(prefix.hasHole, false);
});

test('a segment behind a hole waits until the hole is filled', () => {
  const prefix = prefixOf(LIMIT);
  assert.equal(add(prefix, 'world', 6), 0);
  assert.equal(prefix.hasHole, true);
  assert.equal(add(prefix, 'hello ', 0), 11);
  assert.equal(text(prefix), 'hello world');
  assert.equal(prefix.hasHole, false);
});

test('of overlapping segments the first one wins, byte by byte', () => {
  const prefix = prefixOf(LIMIT);
  add(prefix, 'CD', 2);
  add(prefix, 'abcdef', 0);
  assert.equal(text(prefix), 'abCDef');
  add(prefix, 'XXXXXXgh', 0);
  assert.equal(text(prefix), 'abCDefgh');
});

test('retransmissions and bytes before the start add nothing', () => {
  const prefix = prefixOf(LIMIT);
  add(prefix, 'abc', 0);
  assert.equal(add(prefix, 'abc', 0), 0);
  assert.equal(add(prefix, 'zz', -2), 0);
  assert.equal(add(prefix, 'zzabcd', -2), 1);
  assert.equal(text(prefix), 'abcd');
});

test('bytes beyond the limit are dropped', () => {
  const prefix = prefixOf(8);
  assert.equal(add(prefix, '0123456789', 0), 8);
  assert.equal(prefix.isFull, true);
  assert.equal(add(prefix, 'x', 8), 0);
  assert.equal(add(prefix, 'x', 1_000_000_000), 0);
  assert.equal(prefix.sizeBytes, 8, 'eight bytes need no growth');
});

test('a prefix stays inside its part of a shared buffer, and returns to it', () => {
  const shared = new Uint8Array(48).fill(0xee);
  const prefix = new StreamPrefix({ bytes: shared, at: 16, sizeBytes: 16 }, new GrownBuffers(LIMIT));
  prefix.add(new Uint8Array(16).fill(1), 0, 16, 0);
  prefix.add(new Uint8Array(30).fill(2), 0, 30, 16);
  assert.deepEqual(shared, Uint8Array.from({ length: 48 }, (_, i) => (i >= 16 && i < 32 ? 1 : 0xee)));
  assert.equal(prefix.length, 46);
  assert.equal(prefix.bytes[prefix.at], 1);
  assert.equal(prefix.bytes[prefix.at + 45], 2);
  prefix.reset();
  assert.equal(prefix.bytes, shared);
  assert.equal(prefix.at, 16);
});

test('a late segment that adjoins the guessed start goes before it', () => {
  const prefix = prefixOf(LIMIT);
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
      const prefix = prefixOf(limit);
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
      assert.deepEqual(prefix.bytes.subarray(prefix.at, prefix.at + prefix.length), stream.subarray(0, prefix.length));
    }),
    { numRuns: 500 },
  );
});
