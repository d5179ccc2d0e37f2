import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { findingName, inspectSample, type Turn } from '../../sample.js';
import { harvested, only, type Sample, sampleProblems } from '../../sample-table.js';
import { kad, kadPacked } from './kad.js';
import { contact, FILE, HASH } from './samples.js';

const bytes = (...parts: (string | Uint8Array)[]): Uint8Array => concat(...parts.map((part) => (typeof part === 'string' ? fromHex(part) : part)));
const sample = (name: string, message: Uint8Array, expected: Sample['expected']): Sample => ({ name, turns: only(message), expected });
const NAME_TAG = bytes('02 0100 01 0500', ascii('music'));

const samples: readonly Sample[] = [
  sample('hello', bytes('e411', HASH, '3612 08 01 09 0100 f2 02'), 'certain'),
  sample('hello answer without tags', bytes('e419', HASH, '3612 08 00'), 'certain'),
  sample('hello acknowledged', bytes('e422', HASH, '00'), 'certain'),
  sample('lookup for a node', bytes('e421 0b', FILE, HASH), 'certain'),
  sample('lookup for a value', bytes('e421 02', FILE, HASH), 'certain'),
  sample('lookup answer without contacts', bytes('e429', FILE, '00'), 'certain'),
  sample('lookup answer with two contacts', bytes('e429', FILE, '02', contact(1), contact(2)), 'certain'),
  sample('bootstrap answer', bytes('e409', HASH, '3612 08 0100', contact(1)), 'certain'),
  sample('source search', bytes('e434', FILE, '0000 0000100000000000'), 'certain'),
  sample('notes search', bytes('e435', FILE, '0000100000000000'), 'certain'),
  sample('keyword search with a tree', bytes('e433', FILE, '0080 00 00 01 0300 616263'), 'suspected'),
  sample('search answer', bytes('e43b', HASH, FILE, '0100', HASH, '01', NAME_TAG), 'certain'),
  sample('keyword published', bytes('e443', HASH, '0100', FILE, '01', NAME_TAG), 'certain'),
  sample('source published', bytes('e444', FILE, HASH, '01', NAME_TAG), 'certain'),
  sample('Kad 1 hello', bytes('e410', contact(1).subarray(0, 24), '00'), 'certain'),
  sample('Kad 1 lookup answer', bytes('e428', FILE, '01', contact(1)), 'certain'),
  sample('Kad 1 search answer', bytes('e438', FILE, '0100', HASH, '01', NAME_TAG), 'certain'),
  sample('Kad 1 published', bytes('e440', FILE, '0100', HASH, '01', NAME_TAG), 'certain'),
  sample('Kad 1 note published', bytes('e442', FILE, HASH, '01', NAME_TAG), 'certain'),
  sample('Kad 1 search', bytes('e430', FILE, '00'), 'suspected'),
  sample('Kad 1 search with a tree', bytes('e430', FILE, '01 01 0500', ascii('music')), 'suspected'),
  sample('ping', fromHex('e460'), 'suspected'),
  sample('bootstrap request', fromHex('e401'), 'suspected'),
  sample('pong to another port', fromHex('e461 4012'), 'suspected'),
  sample('firewall check', bytes('e453 3612', HASH, '00'), 'suspected'),
  sample('published', bytes('e44b', FILE, '23'), 'suspected'),
  sample('keyword search', bytes('e433', FILE, '0000'), 'suspected'),
  // Near misses
  sample('hello of version 0', bytes('e411', HASH, '3612 00 00'), 'no'),
  { ...sample('hello with a byte too many', bytes('e419', HASH, '3612 08 00 00'), 'no'), isOpenEnded: true },
  sample('lookup of type 3', bytes('e421 03', FILE, HASH), 'no'),
  sample('lookup answer with another count', bytes('e429', FILE, '01'), 'no'),
  sample('contact of version 200', bytes('e429', FILE, '01', contact(1).subarray(0, 24), 'c8'), 'no'),
  sample('notes search for a file of 2^60 bytes', bytes('e435', FILE, '0000000000000010'), 'no'),
  sample('published with a load of 200 %', bytes('e44b', FILE, 'c8'), 'no'),
  sample('ping with a body', fromHex('e460 00'), 'no'),
  ...['e400', 'e410', 'e418'].map((id) => sample(`question to DNS as long as a Kad 1 hello, ${id}`, bytes(id, '0100 0001 0000 0000 0000 05', ascii('apple'), '03', ascii('com'), '00 0001 0001'), 'no')),
  sample('Kad 1 hello without a port', bytes('e410', HASH, 'c0000201 0000 3612 00'), 'no'),
  sample('unknown opcode', bytes('e4ff', FILE), 'no'),
  sample('Kad 1 search of an unknown kind', bytes('e430', FILE, '02'), 'no'),
  sample('Kad 1 search answer with another count', bytes('e438', FILE, '0200', HASH, '01', NAME_TAG), 'no'),
];

for (const it of samples) {
  // A list of contacts cut to fewer is refused by its count; a whole shorter message inside is not possible.
  test(`Kad: ${it.name}`, () => assert.deepEqual(sampleProblems(kad, it), []));
}

test('a pong that repeats the port it goes to is certain, and so is one to a ping', () => {
  const pong = fromHex('e461 4012');
  assert.equal(findingName(inspectSample(kad, only(pong), { dstPort: 0x1240 })), 'certain');
  const turns: readonly Turn[] = [
    { from: 0, bytes: fromHex('e460') },
    { from: 1, bytes: pong },
  ];
  assert.equal(findingName(inspectSample(kad, turns)), 'certain');
  assert.equal(findingName(inspectSample(kad, [{ from: 1, bytes: fromHex('e460') }, { from: 1, bytes: pong }])), 'suspected');
});

test('short messages of both sides are likely', () => {
  const asked: Turn = { from: 0, bytes: fromHex('e450 3612') };
  assert.equal(findingName(inspectSample(kad, [asked, { from: 1, bytes: fromHex('e458 c0000201') }])), 'likely');
  assert.equal(findingName(inspectSample(kad, [asked, { from: 0, bytes: fromHex('e458 c0000201') }])), 'suspected');
  assert.equal(findingName(inspectSample(kad, [{ from: 0, bytes: fromHex('e450 361200') }, { from: 1, bytes: fromHex('e458 c0000201') }])), 'suspected');
});

test('a message known by its length alone is likely beside another Kad datagram', () => {
  const published = bytes('e44b', FILE, '23');
  for (const [first, expected] of [['e460', 'likely'], ['e529 789c', 'likely'], [`e44b${'11'.repeat(16)}05`, 'suspected'], ['1234', 'suspected'], ['e4', 'suspected']] as const) {
    assert.equal(findingName(inspectSample(kad, [{ from: 0, bytes: fromHex(first) }, { from: 1, bytes: published }])), expected, first);
  }
});

const packed: readonly Sample[] = [
  { name: 'packed lookup answer', turns: only(fromHex('e529 789c 0102030405060708')), expected: 'certain' },
  sample('packed ping', fromHex('e560 789c 0102030405060708'), 'no'),
  sample('no zlib header', fromHex('e529 789d 0102030405060708'), 'no'),
  sample('too short', fromHex('e529 789c 01'), 'no'),
];

for (const it of packed) test(`Kad: ${it.name}`, () => assert.deepEqual(sampleProblems(kadPacked, it), []));

test('contacts tell both ports, hellos the port of their sender', () => {
  assert.deepEqual(harvested(kad, only(bytes('e429', FILE, '02', contact(1), contact(2)))), [
    '192.0.2.1:4672',
    '192.0.2.1:4662',
    '192.0.2.2:4672',
    '192.0.2.2:4662',
  ]);
  assert.deepEqual(harvested(kad, only(bytes('e411', HASH, '3612 08 00'))), ['listens:4662']);
  assert.deepEqual(harvested(kad, only(bytes('e409', HASH, '3612 08 0100', contact(3)))), ['listens:4662', '192.0.2.3:4672', '192.0.2.3:4662']);
});

test('random datagrams are never certain', () => {
  fc.assert(
    fc.property(fc.constantFrom(0xe4, 0xe5), fc.uint8Array({ minLength: 20, maxLength: 80 }), (marker, tail) => {
      for (const feature of [kad, kadPacked]) {
        assert.notEqual(findingName(inspectSample(feature, only(concat(Uint8Array.of(marker), tail)))), 'certain');
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});
