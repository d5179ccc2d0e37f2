import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fromHex, latin1, toHex } from '../base/bytes.js';
import {
  idAttr, mapCreateAttr, mapElementAttr, objectInfoAttr, objectName, objectPathAttr, PROG_INFO_BYTES, programLoadAttr,
  readProgramInfo, readTestRun, testRunAttr,
} from './attr.js';

const ADDRESS = 0x0000_7fff_1122_3344n;
const ADDRESS_HEX = '44332211 ff7f0000';

function same(actual: Uint8Array, hex: string): void {
  assert.equal(toHex(actual), toHex(fromHex(hex)));
}

test('map creation: type, sizes, entries, flags, inner map, node, name', () => {
  same(
    mapCreateAttr({ type: 'hash', keyBytes: 4, valueBytes: 8, maxEntries: 100 }, 'rope/gregs'),
    '01000000 04000000 08000000 64000000 00000000 00000000 00000000 726f70655f6772656773 000000000000 0000 0000',
  );
});

test('map elements: descriptor, padding, key, value, flags', () => {
  same(
    mapElementAttr(5, ADDRESS, ADDRESS + 1n, 2n),
    `05000000 00000000 ${ADDRESS_HEX} 45332211 ff7f0000 0200000000000000`,
  );
});

test('program loading follows the order of the header', () => {
  const attr = programLoadAttr({
    type: 1, slots: 3, instructionsAt: ADDRESS, licenseAt: ADDRESS, name: 'x', logLevel: 1, logAt: ADDRESS,
    logBytes: 0x1000, fdArrayAt: ADDRESS,
  });
  same(
    attr.subarray(0, 64),
    `01000000 03000000 ${ADDRESS_HEX} ${ADDRESS_HEX} 01000000 00100000 ${ADDRESS_HEX} 00000000 00000000
     78000000000000000000000000000000`,
  );
  // fd_array is at 120 (include/uapi/linux/bpf.h of Linux 5.14 and newer).
  same(attr.subarray(120, 128), ADDRESS_HEX);
  assert.ok(attr.subarray(64, 120).every((byte) => byte === 0));
});

test('paths, information and ids', () => {
  same(objectPathAttr(ADDRESS, 7), `${ADDRESS_HEX} 07000000 00000000`);
  same(objectInfoAttr(7, ADDRESS, 208), `07000000 d0000000 ${ADDRESS_HEX}`);
  same(idAttr(9), '09000000 00000000 00000000');
});

test('a test run carries pointers in and results out', () => {
  const attr = testRunAttr({ programFd: 7, dataAt: ADDRESS, dataBytes: 54, outAt: 0n, outBytes: 0, repeat: 100 });
  same(attr.subarray(0, 40), `07000000 00000000 36000000 00000000 ${ADDRESS_HEX} 0000000000000000 64000000 00000000`);
  attr[4] = 2;
  attr[12] = 54;
  attr[36] = 99;
  assert.deepEqual(readTestRun(attr), { result: 2, outBytes: 54, averageNs: 99 });
});

test('program information is read at the offsets of struct bpf_prog_info', () => {
  const info = new Uint8Array(PROG_INFO_BYTES);
  info.set([1, 0, 0, 0, 97, 0, 0, 0], 0); // type, id
  info.set([43, 0, 0, 0, 48, 0, 0, 0], 16); // jited_prog_len, xlated_prog_len
  info.set([0x74, 0x72, 0x79], 64); // name
  info.set([0x10, 0x27, 0, 0, 1], 192); // run_time_ns
  info.set([5], 200); // run_cnt
  assert.deepEqual(readProgramInfo(info), {
    type: 1, id: 97, name: 'try', machineCodeBytes: 43, translatedBytes: 48, runTimeNs: 0x1_0000_2710, runCount: 5,
  });
});

test('names are cut and cleaned as the kernel demands', () => {
  assert.equal(objectName('rope-bittorrent_v2'), 'rope_bittorrent');
  const attr = mapCreateAttr({ type: 'array', keyBytes: 4, valueBytes: 4, maxEntries: 1 }, 'abcdefghijklmnopqrs');
  assert.equal(latin1(attr, 28, 44), 'abcdefghijklmno\0');
});
