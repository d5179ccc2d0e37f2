import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didYouMean } from './did-you-mean.js';

test('a slip of the pen gets a guess', () => {
  const table: [string, string | null][] = [
    ['expect_strr', 'expect_str'],
    ['isdigti', 'isdigit'],
    ['Put', 'put'],
    ['dpu', null],
    ['completely_different', null],
    ['x'.repeat(10_000), null],
  ];
  const words = ['expect_str', 'isdigit', 'put', 'expect'];
  for (const [name, guess] of table) assert.equal(didYouMean(name.toLowerCase(), words), guess, name.slice(0, 30));
});
