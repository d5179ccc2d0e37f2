import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isAnyInDomains, isInDomain } from './domain.js';

test('a domain contains itself and names below it, not names that merely end alike', () => {
  assert.equal(isInDomain('example.org', 'example.org'), true);
  assert.equal(isInDomain('a.b.example.org', 'example.org'), true);
  assert.equal(isInDomain('badexample.org', 'example.org'), false);
  assert.equal(isInDomain('org', 'example.org'), false);
  assert.equal(isInDomain('', 'example.org'), false);
});

test('one fitting pair is enough', () => {
  assert.equal(isAnyInDomains(['x.test', 'y.example.org'], ['a.test', 'example.org']), true);
  assert.equal(isAnyInDomains([], ['example.org']), false);
});
