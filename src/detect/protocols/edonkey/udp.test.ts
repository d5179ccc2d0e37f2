import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import type { Turn } from '../../sample.js';
import { harvested, only, type Sample, sampleProblems } from '../../sample-table.js';
import { FILE, HASH, TAGS } from './samples.js';
import { client, server } from './udp.js';

const bytes = (...parts: (string | Uint8Array)[]): Uint8Array => concat(...parts.map((part) => (typeof part === 'string' ? fromHex(part) : part)));
/** A DNS question whose random number is the given one, padded by its name. */
const question = (id: string, nameBytes: number): Uint8Array =>
  bytes(`${id} 0100 0001 0000 0000 0000`, Uint8Array.of(nameBytes), ascii('n'.repeat(nameBytes)), '00 0001 0001');

const servers: readonly Sample[] = [
  { name: 'status request of eMule', turns: only(fromHex('e396 cabb aa55')), expected: 'certain' },
  { name: 'status answer', turns: only(fromHex('e397 cabb aa55 10000000 20000000')), expected: 'certain', isOpenEnded: true },
  { name: 'status request with another challenge', turns: only(fromHex('e396 cabb 1234')), expected: 'suspected' },
  { name: 'description request', turns: only(fromHex('e3a2 fff0 1234')), expected: 'certain' },
  { name: 'description answer, old form', turns: only(bytes('e3a3 0400', ascii('name'), '0500', ascii('about'))), expected: 'certain' },
  { name: 'description answer, new form', turns: only(bytes('e3a3 fff0 1234', TAGS)), expected: 'certain' },
  { name: 'found sources', turns: only(bytes('e39b', FILE, '01 c6336414 3612')), expected: 'certain' },
  {
    name: 'two answers in one datagram',
    turns: only(bytes('e39b', FILE, '01 c6336414 3612 e39b', FILE, '01 c6336415 3612')),
    expected: 'certain',
    isOpenEnded: true,
  },
  { name: 'server list', turns: only(fromHex('e3a1 02 c0000201 3512 c0000202 3512')), expected: 'certain' },
  { name: 'search result', turns: only(bytes('e399', FILE, 'c0000201 3612', TAGS)), expected: 'certain' },
  { name: 'get sources of two files', turns: only(bytes('e39a', FILE, HASH)), expected: 'suspected' },
  { name: 'get sources with size', turns: only(bytes('e394', FILE, '00100000')), expected: 'suspected' },
  { name: 'get sources beside another request', turns: [...only(fromHex('e3a4')), ...only(bytes('e39a', FILE, HASH))], expected: 'likely' },
  { name: 'get sources twice', turns: [...only(bytes('e39a', FILE)), ...only(bytes('e39a', FILE, HASH))], expected: 'suspected' },
  { name: 'get sources beside other bytes', turns: [...only(fromHex('1234')), ...only(bytes('e39a', FILE, HASH))], expected: 'suspected' },
  { name: 'search for a word', turns: only(bytes('e398 01 0500', ascii('music'))), expected: 'likely' },
  { name: 'status answer with the challenge of an old request', turns: [...only(fromHex('e396 01000001')), { from: 1, bytes: fromHex('e397 01000001 10000000 20000000') }], expected: 'certain', isOpenEnded: true },
  { name: 'global search with tags', turns: only(bytes('e390 01000000 8908 00 01 0500', ascii('music'))), expected: 'likely' },
  { name: 'search for two words, not a third, of a type and a size', turns: only(bytes('e398 0000 01 0500', ascii('music'), '0002 01 0100 61 0000 02 0500', ascii('Audio'), '0100 03 03 00100000 01 0100 02')), expected: 'likely' },
  { name: 'search that goes on behind its tree', turns: only(bytes('e398 01 0500', ascii('music'), '00')), expected: 'no' },
  { name: 'memcached with the number of an opcode', turns: only(bytes('e390 0000 0001 0000', ascii('get music'), '0d0a')), expected: 'no' },
  { name: 'Photon with the number of an opcode', turns: only(fromHex('e398 0001 0001e240 6a1b2c3d 01000000 00000014 00000001 0011223344556677')), expected: 'no' },
  { name: 'callback request', turns: only(fromHex('e39c c0000201 3612 01020000')), expected: 'suspected' },
  { name: 'status answer without challenge', turns: only(fromHex('e397 01000001 00000000 00000000')), expected: 'no' },
  { name: 'DNS question as long as get sources', turns: only(question('e39a', 16)), expected: 'no' },
  { name: 'found sources with another count', turns: only(bytes('e39b', FILE, '02 c6336414 3612')), expected: 'no' },
  { name: 'unknown opcode', turns: only(bytes('e310', FILE)), expected: 'no' },
  { name: 'marker only', turns: only(fromHex('e3')), expected: 'no' },
];

for (const sample of servers) {
  test(`eDonkey server datagram: ${sample.name}`, () => assert.deepEqual(sampleProblems(server, sample), []));
}

const REASK = bytes('c590', FILE, '0900 ff01 0300');
const answered = (hex: string): readonly Turn[] => [
  { from: 0, bytes: REASK },
  { from: 1, bytes: fromHex(hex) },
];

const clients: readonly Sample[] = [
  { name: 'reask with part status and source count', turns: only(REASK), expected: 'certain', isOpenEnded: true },
  { name: 'reask with the hash alone', turns: only(bytes('c590', FILE)), expected: 'suspected' },
  { name: 'reask with the hash alone, beside a rank', turns: [...only(fromHex('c591 0500')), ...only(bytes('c590', FILE))], expected: 'likely' },
  { name: 'rank, asked for', turns: answered('c591 0500'), expected: 'certain' },
  { name: 'file not found, asked for', turns: answered('c592'), expected: 'certain' },
  { name: 'queue full, asked for', turns: answered('c593'), expected: 'certain' },
  { name: 'rank, not asked for', turns: only(fromHex('c591 0500')), expected: 'suspected' },
  { name: 'queue full, not asked for', turns: only(fromHex('c593')), expected: 'suspected' },
  { name: 'direct callback', turns: only(bytes('c595 3612', HASH, '03')), expected: 'suspected' },
  { name: 'reask whose status has other length', turns: only(bytes('c590', FILE, '0900 ff 03 00 00 00 00')), expected: 'no', isOpenEnded: true },
  { name: 'rank with a tail', turns: answered('c591 0500 00'), expected: 'no', isOpenEnded: true },
  { name: 'unknown opcode', turns: only(bytes('c510', FILE)), expected: 'no' },
];

for (const sample of clients) {
  test(`eMule datagram: ${sample.name}`, () => assert.deepEqual(sampleProblems(client, sample), []));
}

test('server datagrams tell servers and sources', () => {
  assert.deepEqual(harvested(server, only(fromHex('e3a1 02 c0000201 3512 c0000202 3612'))), ['192.0.2.1:4661', '192.0.2.2:4662']);
  assert.deepEqual(harvested(server, only(bytes('e39b', FILE, '01 c6336414 3612 e39b', FILE, '01 c6336415 3712'))), [
    '198.51.100.20:4662',
    '198.51.100.21:4663',
  ]);
});
