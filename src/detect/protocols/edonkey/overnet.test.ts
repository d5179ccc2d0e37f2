import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { harvested, only, type Sample, sampleProblems } from '../../sample-table.js';
import { overnet } from './overnet.js';
import { HASH } from './samples.js';

const bytes = (...parts: (string | Uint8Array)[]): Uint8Array => concat(...parts.map((part) => (typeof part === 'string' ? fromHex(part) : part)));
/** Id, 192.0.2.n, port 8000, type. */
const peer = (n: number, type = 2): Uint8Array => concat(HASH, Uint8Array.of(192, 0, 2, n, 0x40, 0x1f, type));
const CONNECT = bytes('e30a', peer(1));
const LIST = bytes('e30b 0200', peer(2), peer(3));

const samples: readonly Sample[] = [
  { name: 'connect', turns: only(CONNECT), expected: 'likely' },
  { name: 'publicize', turns: only(bytes('e30c', peer(1))), expected: 'likely' },
  { name: 'connect answered with two peers', turns: [...only(CONNECT), { from: 1, bytes: LIST }], expected: 'certain' },
  { name: 'peers without the question', turns: only(LIST), expected: 'certain' },
  { name: 'one peer after the question', turns: [...only(CONNECT), { from: 1, bytes: bytes('e30b 0100', peer(2)) }], expected: 'certain' },
  { name: 'one peer alone', turns: only(bytes('e30b 0100', peer(2))), expected: 'suspected' },
  { name: 'publicize acknowledged', turns: [...only(bytes('e30c', peer(1))), { from: 1, bytes: fromHex('e30d') }], expected: 'certain' },
  { name: 'acknowledgement alone', turns: only(fromHex('e30d')), expected: 'no' },
  { name: 'search', turns: only(bytes('e30e 02', HASH)), expected: 'suspected' },
  { name: 'next peers', turns: only(bytes('e30f', HASH, '02', peer(4), peer(5))), expected: 'certain' },
  { name: 'connect with an unknown type', turns: only(bytes('e30a', peer(1, 9))), expected: 'no' },
  { name: 'a DNS question with such a number and length', turns: only(bytes('e30a 0100 0001 0000 0000 0000 07', ascii('exam-pl'), '00 0001 0001')), expected: 'no' },
  { name: 'connect without port', turns: only(bytes('e30a', HASH, 'c0000201 0000 02')), expected: 'no' },
  { name: 'list that is longer than its count', turns: only(bytes('e30b 0100', peer(2), peer(3))), expected: 'no' },
];

for (const sample of samples) test(`Overnet: ${sample.name}`, () => assert.deepEqual(sampleProblems(overnet, sample), []));

test('Overnet peers are told', () => {
  assert.deepEqual(harvested(overnet, only(LIST)), ['192.0.2.2:8000', '192.0.2.3:8000']);
  assert.deepEqual(harvested(overnet, only(CONNECT)), []);
});
