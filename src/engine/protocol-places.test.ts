import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Feature, Protocol } from '../detect/detector.js';
import { TCP, NO } from '../detect/detector.js';
import { replaceProtocols } from './protocol-places.js';

const feature = (name: string): Feature => ({ feature: name, transport: TCP, trigger: { kind: 'always', because: 'test' }, inspect: () => NO });
const protocol = (id: string, name = 'one'): Protocol => ({ id, title: id, category: 'file-sharing', specs: [], features: [feature(name)] });
const shown = (list: readonly Protocol[] | null): string[] => (list ?? []).map(({ id, features }) => `${id} ${features.map((it) => it.feature).join()}`);

test('a protocol keeps its place, with new features; one that is gone keeps it without any; new ones follow', () => {
  const start = [protocol('fixed'), protocol('a'), protocol('b')];
  const next = replaceProtocols(start, 1, [protocol('b', 'two'), protocol('c')]);
  assert.deepEqual(shown(next), ['fixed one', 'a ', 'b two', 'c one']);
  assert.deepEqual(shown(replaceProtocols(next ?? [], 1, [protocol('a', 'three')])), ['fixed one', 'a three', 'b ', 'c ']);
});

test('places are not given twice: when they are used up there is no list', () => {
  let list: readonly Protocol[] | null = [protocol('fixed')];
  for (let i = 1; i < 256; i++) list = replaceProtocols(list ?? [], 1, [protocol(`p${i}`)]);
  assert.equal(list?.length, 256);
  assert.equal(replaceProtocols(list ?? [], 1, [protocol('one-more')]), null);
  assert.equal(replaceProtocols(list ?? [], 1, [protocol('p7')])?.length, 256);
});
