import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, concat } from '../base/bytes.js';
import { WordScan } from './word-scan.js';

const WORDS = ['x-kazaa', 'websocket', 'net=gnutella', 'net=gnutella2', '/.hash=', 'tracker.example', 'track'];

function scanOf(words: readonly string[]): WordScan {
  const scan = new WordScan();
  words.forEach((word, i) => {
    scan.add([word], 1 << i);
  });
  return scan;
}

/** What the scan says, as words. */
function found(text: string, words: readonly string[] = WORDS): string[] {
  const bytes = concat(ascii('x-kaz'), ascii(text), ascii('aa websocket'));
  const bits = scanOf(words).find(bytes, 5, 5 + text.length);
  return words.filter((_, i) => (bits & (1 << i)) !== 0);
}

test('words are found at the start, at the end, in any case, and overlapping', () => {
  assert.deepEqual(found('X-KaZaA-Username: a'), ['x-kazaa']);
  assert.deepEqual(found('Upgrade: WebSocket'), ['websocket']);
  assert.deepEqual(found('GET /?net=gnutella2 '), ['net=gnutella', 'net=gnutella2']);
  assert.deepEqual(found('Host: tracker.example'), ['tracker.example', 'track']);
  assert.deepEqual(found('GET /.HASH=0'), ['/.hash=']);
});

test('near misses are none: cut words, other words, characters that only differ in the bit of letter case', () => {
  for (const text of ['', 'x', 'x-kaza', 'ebsocket', 'x-kazab', 'net.gnutella', 'net\x1dgnutella', '\x0f.hash=', '/\x0ehash=']) {
    assert.deepEqual(found(text), [], text);
  }
});

test('nothing outside the range counts', () => {
  const bytes = ascii('x-kazaa');
  for (let start = 0; start <= bytes.length; start++) {
    for (let end = start; end <= bytes.length; end++) {
      assert.equal(scanOf(['x-kazaa']).find(bytes, start, end), start === 0 && end === 7 ? 1 : 0);
    }
  }
});

test('a word of three letters is refused', () => {
  assert.throws(() => new WordScan().add(['get'], 1), RangeError);
});

test('it finds what includes() finds', () => {
  const letters = fc.constantFrom(...'abAB=./-@`');
  const word = fc.array(letters, { minLength: 4, maxLength: 7 }).map((parts) => parts.join('').toLowerCase());
  const text = fc.array(letters, { maxLength: 60 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 12 }), text, (words, content) => {
      assert.deepEqual(found(content, words), words.filter((it) => content.toLowerCase().includes(it)));
    }),
    { numRuns: 500 },
  );
});
