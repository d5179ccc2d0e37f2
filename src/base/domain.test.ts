import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DomainSet, isInDomain } from './domain.js';

test('a domain contains itself and names below it, not names that merely end alike', () => {
  assert.equal(isInDomain('example.org', 'example.org'), true);
  assert.equal(isInDomain('a.b.example.org', 'example.org'), true);
  assert.equal(isInDomain('badexample.org', 'example.org'), false);
  assert.equal(isInDomain('org', 'example.org'), false);
  assert.equal(isInDomain('', 'example.org'), false);
});

test('one fitting pair is enough', () => {
  assert.equal(new DomainSet(['a.test', 'example.org']).hasAny(['x.test', 'y.example.org']), true);
  assert.equal(new DomainSet(['example.org']).hasAny([]), false);
  assert.equal(new DomainSet([]).has('example.org'), false);
});

test('a set of domains answers as its domains do one by one', () => {
  const name = fc.array(fc.constantFrom('a', 'bc', 'org', 'example', 'net'), { maxLength: 4 }).map((labels) => labels.join('.'));
  fc.assert(
    fc.property(fc.array(name, { maxLength: 4 }), name, (domains, asked) => {
      assert.equal(
        new DomainSet(domains).has(asked),
        domains.some((domain) => isInDomain(asked, domain)),
      );
    }),
  );
});
