/** Bencode walker: positions, cuts and refusals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat } from '../../../base/bytes.js';
import {
  ABSENT,
  CUT,
  MALFORMED,
  contentOfString,
  endOfString,
  endOfValue,
  integerAt,
  valueAt,
} from './bencode.js';

/** Bytes with a margin on both sides; the text stands at [3, 3 + length). */
function framed(text: string): Uint8Array {
  return concat(ascii('9:9'), ascii(text), ascii('eeee'));
}
function whole(text: string): number {
  const end = endOfValue(framed(text), 3, 3 + text.length);
  return end < 0 ? end : end - 3;
}

const WHOLE = [
  '4:spam',
  '0:',
  'i0e',
  'i-42e',
  'le',
  'de',
  'l4:spami7ee',
  'd3:cow3:moo4:spam4:eggse',
  'd1:ad2:id2:xye1:q4:pinge',
  'd4:listlli1eedei3eee',
  'd1:rd6:valuesl6:abcdef6:ghijkleee',
];

test('a whole value ends where its last byte ends', () => {
  for (const text of WHOLE) {
    assert.equal(whole(text), text.length, text);
    assert.equal(endOfValue(framed(text), 3, 3 + text.length + 2), 3 + text.length, text);
  }
});

test('every truncation of a value is cut, never malformed', () => {
  for (const text of WHOLE) {
    for (let length = 0; length < text.length; length++) {
      assert.equal(endOfValue(framed(text), 3, 3 + length), CUT, `${text} after ${length}`);
    }
  }
});

test('what is no bencoded value is refused', () => {
  for (const text of [
    'e',
    'x',
    ':',
    '04:spam',
    '4spam',
    'ie',
    'i-e',
    'i12x',
    'di1e1:ae',
    'd1:ae',
    'dlee',
    'd1:ai1e1:be',
    '12345678:a',
    'i123456789012345678901e',
    'l'.repeat(13),
  ]) {
    assert.equal(whole(text), MALFORMED, text);
  }
});

test('a key is found in its own dictionary only', () => {
  const text = 'd1:ad2:id2:xye2:idi9e1:q4:ping1:y1:qe';
  const bytes = framed(text);
  const end = 3 + text.length;
  const at = (key: string): number => valueAt(bytes, 3, end, ascii(key));
  assert.equal(at('q'), 3 + text.indexOf('4:ping'));
  assert.equal(at('id'), 3 + text.indexOf('i9e'));
  assert.equal(valueAt(bytes, at('a'), end, ascii('id')), 3 + text.indexOf('2:xy'));
  assert.equal(at('x'), ABSENT);
  assert.equal(valueAt(bytes, 3, end - 1, ascii('x')), CUT);
  assert.equal(valueAt(bytes, 3, 3 + 12, ascii('q')), CUT);
  assert.equal(valueAt(bytes, 4, end, ascii('q')), MALFORMED);
  assert.equal(contentOfString(bytes, at('q'), end), at('q') + 2);
  assert.equal(endOfString(bytes, at('q'), end), at('q') + 6);
});

test('integers are read up to 2^53', () => {
  for (const [text, value] of [
    ['i0e', 0],
    ['i6881e', 6881],
    ['i9007199254740991e', 9007199254740991],
    ['i9007199254740992e', -1],
    ['i-1e', -1],
    ['i68', -1],
    ['4:spam', -1],
    ['', -1],
  ] as const) {
    assert.equal(integerAt(framed(text), 3, 3 + text.length), value, text);
  }
});

const value: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 5 },
    fc.string({ maxLength: 12, unit: 'binary-ascii' }).map((text) => `${text.length}:${text}`),
    fc.integer().map((number) => `i${number}e`),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `l${items.join('')}e`),
    fc
      .array(fc.tuple(fc.string({ maxLength: 4, unit: 'binary-ascii' }), tie('value')), { maxLength: 4 })
      .map((items) => `d${items.map(([key, item]) => `${key.length}:${key}${item}`).join('')}e`),
  ),
})).value;

test('generated values end at their end, and random bytes never run past it', () => {
  fc.assert(
    fc.property(value, (text) => {
      assert.equal(whole(text), text.length);
    }),
    { numRuns: 200 },
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom('', 'd', 'l', 'd1:a', 'll'),
      (tail, head) => {
        const bytes = concat(ascii(head), tail, ascii('1:ae'));
        const end = head.length + tail.length;
        for (const at of [endOfValue(bytes, 0, end), valueAt(bytes, 0, end, ascii('a'))]) {
          assert.ok(at <= end && at >= ABSENT);
        }
      },
    ),
    { numRuns: 300 },
  );
});
