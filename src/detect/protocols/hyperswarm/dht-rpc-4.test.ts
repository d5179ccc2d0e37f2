import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { harvested, only, type Sample, sampleProblems } from '../../sample-table.js';
import { dht4 } from './dht-rpc-4.js';

const bytes = (...parts: (string | Uint8Array)[]): Uint8Array => concat(...parts.map((part) => (typeof part === 'string' ? fromHex(part) : part)));
/** 198.51.100.7:50000, where samples go. */
const TO = '52 06 c6336407 c350';
const OTHER = '52 06 cb007109 0a1a';
const ID = `1a 20 ${'5a'.repeat(32)}`;
const TARGET = `22 20 ${'6b'.repeat(32)}`;
const COMMAND = bytes('3a 0a', ascii('_find_node'));
const NODES = `2a 4c ${'7c'.repeat(32)} c0000201 9c40 ${'7d'.repeat(32)} c0000202 9c41`;
const options = { dstPort: 50_000 } as const;
const sample = (name: string, message: Uint8Array, expected: Sample['expected']): Sample => ({ name, turns: only(message), expected, options, isOpenEnded: true });

const samples: readonly Sample[] = [
  sample('question that names its destination', bytes('5801 0801 10 9ece03', TO, TARGET, COMMAND), 'certain'),
  sample('the same behind address translation', bytes('5801 0801 10 9ece03', OTHER, TARGET, COMMAND), 'certain'),
  sample('response with nodes and token', bytes('5801 0803 10 9e03', OTHER, ID, NODES, '32 04 01020304'), 'certain'),
  sample('response without version', bytes('0803 10 07', ID, NODES), 'suspected'),
  sample('ping without version that names its destination', bytes('0801 10 07', TO, bytes('3a 05', ascii('_ping'))), 'certain'),
  // Near misses
  sample('three numbers and a text (another schema)', bytes('0801 10 07 1a 05', ascii('hello')), 'no'),
  sample('id of 31 bytes', bytes('5801 0801 10 07 1a 1f', '5a'.repeat(31), COMMAND), 'no'),
  sample('unknown field', bytes('5801 0801 10 07', TARGET, COMMAND, '62 01 00'), 'no'),
  sample('nodes of 37 bytes', bytes('5801 0803 10 07', ID, `2a 25 ${'7c'.repeat(37)}`), 'no'),
  sample('command with capitals', bytes('5801 0801 10 07', TARGET, bytes('3a 04', ascii('PING'))), 'no'),
  sample('type 4', bytes('5801 0804 10 07', TO), 'no'),
  sample('request id of five bytes', bytes('5801 0801 10 ffffffff07', TO), 'no'),
];

for (const it of samples) test(`dht-rpc 4: ${it.name}`, () => assert.deepEqual(sampleProblems(dht4, it), []));

test('a question that is cut anywhere but between its fields is nothing', () => {
  const whole = bytes('5801 0801 10 9ece03', OTHER, TARGET, COMMAND);
  assert.deepEqual(sampleProblems(dht4, { name: 'cut', turns: only(whole.subarray(0, whole.length - 1)), expected: 'no', options }), []);
});

test('closer nodes are told', () => {
  assert.deepEqual(harvested(dht4, only(bytes('5801 0803 10 9e03', OTHER, ID, NODES)), options), ['192.0.2.1:40000', '192.0.2.2:40001']);
});
