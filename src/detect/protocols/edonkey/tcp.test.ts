import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { findingName, inspectSample } from '../../sample.js';
import { harvested, only, type Sample, sampleProblems } from '../../sample-table.js';
import { FILE, frame, HASH, hello, helloAnswer, login, opening, TAGS } from './samples.js';
import { frames } from './tcp.js';

const EDONKEY = 0xe3;
const EMULE = 0xc5;
const EMPTY = new Uint8Array(0);
const IDENTIFICATION = frame(EMULE, 0x87, fromHex('02 2db14462'));
const KEY = frame(EMULE, 0x85, fromHex('4c'), new Uint8Array(76).fill(0x30));
const QUEUE_RANK = frame(EMULE, 0x60, fromHex('0500'), new Uint8Array(10));
const PART = concat(fromHex('e3 19280000 46'), FILE, fromHex('00000000 00280000'), new Uint8Array(5000).fill(0x61));

const samples: readonly [string, Uint8Array, Sample['expected']][] = [
  ['hello', hello(), 'certain'],
  ['hello answer', helloAnswer(), 'certain'],
  ['login', login(), 'certain'],
  ['server message', frame(EDONKEY, 0x38, fromHex('0500'), ascii('hello')), 'certain'],
  ['id change, then status', concat(frame(EDONKEY, 0x40, fromHex('c0a84d0a 04000000')), frame(EDONKEY, 0x34, fromHex('02000000 01000000'))), 'certain'],
  ['found sources', frame(EDONKEY, 0x42, FILE, fromHex('01 c6336414 3612')), 'certain'],
  ['found sources, one obfuscated', frame(EDONKEY, 0x44, FILE, fromHex('02 c6336414 3612 83'), HASH, fromHex('c6336415 3612 00')), 'certain'],
  ['server list', frame(EDONKEY, 0x32, fromHex('02 c0000201 3512 c0000202 3512')), 'certain'],
  ['server identification', frame(EDONKEY, 0x41, HASH, fromHex('c0000201 3512'), TAGS), 'certain'],
  ['identification and key', concat(IDENTIFICATION, KEY), 'certain'],
  ['public key alone', KEY, 'certain'],
  ['eMule info', frame(EMULE, 0x01, fromHex('47ff'.replace('ff', '01')), fromHex('02000000 94 05 4c696e75 83 20 01000000')), 'certain'],
  ['packed shared files', frame(0xd4, 0x15, fromHex('789c 636060606060')), 'certain'],
  ['file status of 9 parts', frame(EDONKEY, 0x50, FILE, fromHex('0900 ff01')), 'certain'],
  ['hash set of two', frame(EDONKEY, 0x52, FILE, fromHex('0200'), HASH, FILE), 'certain'],
  ['part of 10 KiB, its beginning', PART, 'certain'],
  ['part of a large file', frame(EMULE, 0xa2, FILE, fromHex('0000000001000000 0400000001000000 61626364')), 'certain'],
  ['identification alone', IDENTIFICATION, 'likely'],
  ['queue rank alone', QUEUE_RANK, 'likely'],
  ['file request alone', frame(EDONKEY, 0x54, FILE), 'likely'],
  ['offered files, long', frame(EDONKEY, 0x15, fromHex('20000000'), new Uint8Array(5000)), 'suspected'],
  ['compressed part of a block', concat(fromHex('c5 19280000 40'), FILE, fromHex('00000000 00a00000'), new Uint8Array(3000).fill(0x61)), 'certain'],
  ['compressed part larger than its block', concat(fromHex('c5 19280000 40'), FILE, fromHex('00000000 00100000'), new Uint8Array(3000).fill(0x61)), 'no'],
  ['two file requests', concat(frame(EDONKEY, 0x54, FILE), frame(EDONKEY, 0x54, HASH)), 'likely'],
  ['two file requests, then another', concat(frame(EDONKEY, 0x54, FILE), frame(EDONKEY, 0x54, HASH), frame(EDONKEY, 0x4f, HASH)), 'certain'],
  ['search alone', frame(EDONKEY, 0x16, fromHex('0000 01 0500'), ascii('linux'), fromHex('02 0300'), ascii('Iso'), fromHex('0100 03')), 'certain'],
  ['sources of the third version', frame(EMULE, 0x82, FILE, fromHex('0100 c6336414 3612 c0000201 3512'), HASH), 'certain'],
  ['sources behind a version', frame(EMULE, 0x84, fromHex('04'), FILE, fromHex('0100 c6336414 3612 c0000201 3512'), HASH, fromHex('03')), 'certain'],
  ['result without files', frame(EDONKEY, 0x33, fromHex('00000000 00')), 'likely'],
  ['slot accepted, then out of parts', concat(frame(EDONKEY, 0x55), frame(EDONKEY, 0x57)), 'likely'],
  ['slot accepted, then a request of parts', concat(frame(EDONKEY, 0x55), frame(EDONKEY, 0x47, FILE, new Uint8Array(24))), 'certain'],
  // Near misses
  ['slot accepted, and nothing else', frame(EDONKEY, 0x55), 'suspected'],
  ['length and a type like that of a search', frame(EDONKEY, 0x16, fromHex('8f3a17c2 90d1')), 'suspected'],
  ['length and a type like that of sources', frame(EMULE, 0x82, FILE, fromHex('0300 c6336414')), 'suspected'],
  ['more files than fit', frame(EDONKEY, 0x15, fromHex('02000000'), new Uint8Array(30)), 'no'],
  ['hello with 33 tags', frame(EDONKEY, 0x01, Uint8Array.of(16), HASH, fromHex('c0000201 3612 21000000'), new Uint8Array(60)), 'no'],
  ['hello with a cut tag', frame(EDONKEY, 0x01, Uint8Array.of(16), HASH, fromHex('c0000201 3612 01000000 02 0100 01 ff00 61')), 'no'],
  ['server message with another length', frame(EDONKEY, 0x38, fromHex('0600'), ascii('hello')), 'no'],
  ['found sources with another count', frame(EDONKEY, 0x42, FILE, fromHex('02 c6336414 3612')), 'no'],
  ['unknown opcode', frame(EDONKEY, 0x77, FILE), 'no'],
  ['unknown eMule opcode', frame(EMULE, 0x10, FILE), 'no'],
  ['length 0', fromHex('e3 00000000 01 00'), 'no'],
  ['length 16 MiB', fromHex('e3 00000001 46 00'), 'no'],
  ['part whose range is not its length', frame(EDONKEY, 0x46, FILE, fromHex('00000000 05000000 61626364')), 'no'],
  ['packed without zlib', frame(0xd4, 0x15, fromHex('1234 636060606060')), 'no'],
  ['identification in state 3', frame(EMULE, 0x87, fromHex('03 2db14462')), 'no'],
  ['another protocol behind E3', concat(fromHex('e3 97010000 01'), new Uint8Array(60).fill(0xff)), 'no'],
];

for (const [name, bytes, expected] of samples) {
  test(`eDonkey frame: ${name}`, () => assert.deepEqual(sampleProblems(frames, { name, turns: only(bytes), expected }), []));
}

test('a hello that a short snap length cuts is likely once its user hash has come', () => {
  for (const whole of [hello(), helloAnswer(), login()]) {
    const hashAt = whole.indexOf(0x0e) - 5;
    assert.equal(findingName(inspectSample(frames, only(whole.subarray(0, hashAt + 15)))), 'more');
    for (let end = hashAt + 16; end <= hashAt + 26; end++) {
      assert.equal(findingName(inspectSample(frames, only(whole.subarray(0, end)))), 'likely', `${end} bytes`);
      const unmarked = whole.slice(0, end);
      unmarked[hashAt + 5] = 0;
      assert.equal(findingName(inspectSample(frames, only(unmarked))), 'more', 'a user hash without the mark of eMule');
    }
    const manyTags = whole.slice(0, hashAt + 26);
    manyTags[hashAt + 22] = 33;
    assert.ok(['no', 'more'].includes(findingName(inspectSample(frames, only(manyTags)))), 'a count of tags that nobody sends');
  }
});

test('random streams are never taken for eDonkey', () => {
  for (let seed = 1; seed <= 3000; seed++) {
    for (const marker of [EDONKEY, EMULE, 0xd4]) {
      const finding = findingName(inspectSample(frames, only(opening(marker, 10 + (seed % 80), seed))));
      assert.ok(finding === 'no' || finding === 'more', `seed ${seed}: ${finding}`);
    }
  }
});

test('nearly right streams of any bytes never throw, and are hardly ever certain', () => {
  fc.assert(
    fc.property(fc.constantFrom(0xe3, 0xc5, 0xd4), fc.uint8Array({ minLength: 10, maxLength: 200 }), (marker, tail) => {
      assert.notEqual(findingName(inspectSample(frames, only(concat(Uint8Array.of(marker), tail)))), 'certain');
    }),
    { numRuns: 400, seed: 1 },
  );
});

const told: readonly [string, Uint8Array, readonly string[]][] = [
  ['hello', hello(), ['listens:4662']],
  ['login', login(), ['listens:4662']],
  ['hello answer', helloAnswer(), ['listens:4663']],
  ['found sources, low ids left out', frame(EDONKEY, 0x42, FILE, fromHex('02 c6336414 3612 01000000 0000')), ['198.51.100.20:4662']],
  [
    'found sources with options',
    frame(EDONKEY, 0x44, FILE, fromHex('02 c6336414 3612 83'), HASH, fromHex('c6336415 3712 03')),
    ['198.51.100.20:4662', '198.51.100.21:4663'],
  ],
  ['server list', frame(EDONKEY, 0x32, fromHex('01 c0000201 3512')), ['192.0.2.1:4661']],
  ['callback', frame(EDONKEY, 0x35, fromHex('c0000209 3612')), ['192.0.2.9:4662']],
  [
    'source exchange 2, version 4: ids in host order',
    frame(EMULE, 0x84, fromHex('04'), FILE, fromHex('0100 050200c0 3612 00000000 0000'), HASH, fromHex('03')),
    ['192.0.2.5:4662'],
  ],
  ['source exchange, version 1', frame(EMULE, 0x82, FILE, fromHex('0100 c0000206 3612 00000000 0000')), ['192.0.2.6:4662']],
  ['a cut frame', frame(EDONKEY, 0x42, FILE, fromHex('01 c6336414 3612')).subarray(0, 25), []],
];

for (const [name, bytes, expected] of told) {
  test(`eDonkey tells endpoints: ${name}`, () => {
    assert.deepEqual(harvested(frames, only(bytes)), expected);
    assert.deepEqual(harvested(frames, only(concat(frame(EDONKEY, 0x55, EMPTY), bytes))), expected, 'behind another frame');
  });
}
