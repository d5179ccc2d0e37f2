import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.js';
import { NAME_FIELD_LENGTHS } from './networks.js';
import { buildPing, buildPong, buildPong2, parsePing, parsePong, parsePong2, TYPE_KAZAA } from './udp.js';

const PING = fromHex('27 00000029 80 4b615a6141 00');
const PONG = fromHex('28 000000a9 00 0f 59d9 4e fa 4b615a6141 00');
const PONG_2 = fromHex('29 000000a9 02 01 0000 00375375 a6403ece bdb0 8f00'.replace('a6403ece', 'cb007107'));
const PONG_2_SHORT = fromHex('29 00000029 01 00 0000 00000007');

const parse = {
  ping: (bytes: Uint8Array) => parsePing(bytes, 0, bytes.length),
  pong: (bytes: Uint8Array) => parsePong(bytes, 0, bytes.length),
  pong2: (bytes: Uint8Array) => parsePong2(bytes, 0, bytes.length),
};

test('pings are built and read', () => {
  assert.deepEqual(buildPing('KaZaA'), PING);
  assert.deepEqual(parse.ping(PING), { kind: 'ping', minimumType: 0x29, network: 'KaZaA', isKnownNetwork: true });
  const lengths = ['KaZaA', 'Grokster', 'fileshare', 'MusicCity'].map((name) => buildPing(name, TYPE_KAZAA).length);
  assert.deepEqual(lengths, [12, 15, 16, 16]);
  assert.equal(parse.ping(buildPing('kazaa'))?.isKnownNetwork, true);
  assert.equal(parse.ping(buildPing('Elsewhere'))?.isKnownNetwork, false);
  assert.deepEqual([...NAME_FIELD_LENGTHS].sort((a, b) => a - b), [6, 9, 10]);
});

test('both pongs are built and read, as giFT describes them and as recorded in 2006', () => {
  const pong = parse.pong(PONG);
  assert.deepEqual(pong, {
    kind: 'pong', minimumType: 0xa9, counter: 0x0f, children: 0x59d9, loadPercent: 0x4e, network: 'KaZaA', isKnownNetwork: true,
  });
  assert.equal(buildPong('KaZaA').length, 17);
  assert.equal(parse.pong(buildPong('fileshare', { loadPercent: 3 }))?.loadPercent, 3);
  assert.deepEqual(parse.pong2(PONG_2), { kind: 'pong2', minimumType: 0xa9, id: 0x375375, addressAt: 13 });
  assert.deepEqual(parse.pong2(PONG_2_SHORT), { kind: 'pong2', minimumType: 0x29, id: 7, addressAt: -1 });
  assert.deepEqual(buildPong2(7), PONG_2_SHORT);
  const long = buildPong2(9, { asker: { address: Uint8Array.of(192, 0, 2, 1), port: 1214 } });
  assert.equal(toHex(long, 13), 'c000020104be0000');
  assert.equal(parse.pong2(long)?.addressAt, 13);
});

test('near misses are refused', () => {
  const pings: [string, string][] = [
    ['type zero', '27 00000000 80 4b615a614100'],
    ['type bits that no client had (0x40)', '27 00000040 80 4b615a614100'],
    ['type beyond a byte', '27 00010029 80 4b615a614100'],
    ['sixth byte not 0x80', '27 00000029 81 4b615a614100'],
    ['name not terminated', '27 00000029 80 4b615a6141'],
    ['zero inside the name', '27 00000029 80 4b005a614100'],
    ['unprintable name', '27 00000029 80 4b015a614100'],
    ['empty name', '27 00000029 80 00 00'],
    ['longer than any name', `27 00000029 80 ${'41'.repeat(34)} 00`],
    ['bytes after the name', '27 00000029 80 4b615a614100 00'],
  ];
  for (const [name, hex] of pings) assert.equal(parse.ping(fromHex(hex)), null, name);
  const pongs: [string, string][] = [
    ['pong 2 of 12 bytes', '29 00000029 01 00 0000 000000'],
    ['pong 2 with the flag but no address', '29 00000029 01 01 0000 00000007'],
    ['pong 2 without the flag but with bytes', '29 00000029 01 00 0000 00000007 c000020104be0000'],
    ['pong 2 of kind 3', '29 00000029 03 00 0000 00000007'],
    ['pong 2 with something in the zeros', '29 00000029 01 00 0001 00000007'],
  ];
  for (const [name, hex] of pongs) assert.equal(parse.pong2(fromHex(hex)), null, name);
});

test('no truncation of a datagram passes, and bytes outside it are not read', () => {
  for (const [sample, read] of [[PING, parsePing], [PONG, parsePong], [PONG_2, parsePong2]] as const) {
    const around = concat(fromHex('4141'), sample, fromHex('00'));
    assert.ok(read(around, 2, 2 + sample.length));
    for (let end = 2; end < 2 + sample.length; end++) {
      // A long pong 2 cut at 13 bytes still carries the flag, so it is refused as well.
      assert.equal(read(around, 2, end), null, `${end - 2} bytes`);
    }
  }
});

test('random datagrams are no pings or pongs', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 40 }), (bytes) => {
      assert.equal(parse.ping(bytes) ?? parse.pong(bytes) ?? parse.pong2(bytes), null);
    }),
    { numRuns: 500 },
  );
});
