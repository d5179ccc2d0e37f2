/** uTP: SYN dialogues, flows picked up in the middle, what it carries, and the famous look-alikes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex, putU16, putU32 } from '../../../base/bytes.js';
import { type PeerSink, UDP } from '../../detector.js';
import { findingName, inspectSample, sampleInspection, type SampleOptions, type Turn } from '../../sample.js';
import { utp } from './utp.js';
import { payloadAt, ST_DATA, ST_FIN, ST_RESET, ST_STATE, ST_SYN } from './utp-header.js';

interface Fields {
  readonly type: number;
  readonly id: number;
  readonly timeUs: number;
  readonly differenceUs?: number;
  readonly window?: number;
  readonly seq: number;
  readonly ack?: number;
  /** First extension's number and the chain's bytes. */
  readonly extension?: number;
  readonly chain?: Uint8Array;
  readonly payload?: Uint8Array;
}

/** A uTP packet from its fields. */
function packet(fields: Fields): Uint8Array {
  const header = new Uint8Array(20);
  header[0] = (fields.type << 4) | 1;
  header[1] = fields.extension ?? 0;
  putU16(header, 2, fields.id);
  putU32(header, 4, fields.timeUs);
  putU32(header, 8, fields.differenceUs ?? 0);
  putU32(header, 12, fields.window ?? 0x0010_0000);
  putU16(header, 16, fields.seq);
  putU16(header, 18, fields.ack ?? 0);
  return concat(header, fields.chain ?? new Uint8Array(0), fields.payload ?? new Uint8Array(0));
}

const RANDOM = Uint8Array.from({ length: 300 }, (_, i) => (i * 7919 + (i >> 3) * 31) & 0xff);
const HANDSHAKE = concat(ascii('\x13BitTorrent protocol'), new Uint8Array(8), RANDOM.subarray(0, 40));

// A's clock starts at 0x50000000 us, B's at 0x90000000; each way takes 20 ms.
const SYN = packet({ type: ST_SYN, id: 700, timeUs: 0x5000_0000, seq: 9000 });
/** libutp: extension 2 (extension bits), next 0, length 8. */
const SYN_BITS = packet({
  type: ST_SYN,
  id: 700,
  timeUs: 0x5000_0000,
  seq: 1,
  extension: 2,
  chain: fromHex('00 08 0000000000000000'),
});
const ANSWER = packet({
  type: ST_STATE,
  id: 700,
  timeUs: 0x9000_4e20,
  differenceUs: 0x4000_4e20,
  seq: 500,
  ack: 9000,
});
const DATA = packet({
  type: ST_DATA,
  id: 701,
  timeUs: 0x5000_9c40,
  differenceUs: 0xc000_4e20,
  seq: 9001,
  ack: 499,
  payload: RANDOM,
});
const STATE = packet({
  type: ST_STATE,
  id: 700,
  timeUs: 0x9000_ea60,
  differenceUs: 0x4000_4e20,
  seq: 500,
  ack: 9001,
});
const DATA_BACK = packet({
  type: ST_DATA,
  id: 700,
  timeUs: 0x9000_eb60,
  differenceUs: 0x4000_4e20,
  seq: 500,
  ack: 9001,
  payload: RANDOM,
});
/** Selective ack: extension 1, next 0, length 4. */
const STATE_SACK = packet({
  type: ST_STATE,
  id: 701,
  timeUs: 0x5001_3880,
  differenceUs: 0xc000_4e20,
  seq: 9002,
  ack: 500,
  extension: 1,
  chain: fromHex('00 04 01000000'),
});

const open = (...packets: Uint8Array[]): Turn[] => packets.map((bytes) => ({ from: 0, bytes }));
const answered = (first: Uint8Array, ...back: Uint8Array[]): Turn[] => [
  { from: 0, bytes: first },
  ...back.map((bytes): Turn => ({ from: 1, bytes })),
];
const find = (turns: readonly Turn[], options?: SampleOptions): string =>
  findingName(inspectSample(utp, turns, options));

test('a SYN alone is likely, its answer or repetition makes certain', () => {
  assert.equal(find(open(SYN)), 'likely');
  assert.equal(find(open(SYN_BITS)), 'likely');
  assert.equal(find(answered(SYN, ANSWER)), 'certain');
  assert.equal(find(open(SYN, packet({ type: ST_SYN, id: 700, timeUs: 0x5030_0000, seq: 9000 }))), 'certain');
  assert.equal(
    find(answered(SYN, packet({ type: ST_RESET, id: 700, timeUs: 1, seq: 3, ack: 9000 }))),
    'certain',
  );
  assert.equal(
    find(
      open(
        SYN,
        packet({
          type: ST_DATA,
          id: 701,
          timeUs: 0x5000_9c40,
          differenceUs: 5,
          seq: 9001,
          ack: 7,
          payload: RANDOM,
        }),
      ),
    ),
    'certain',
  );
});

test('a dialogue picked up in the middle is certain at the first answer', () => {
  assert.equal(find(open(DATA)), 'more');
  assert.equal(find(answered(DATA, STATE)), 'certain');
  assert.equal(find(answered(DATA, DATA_BACK)), 'certain');
  assert.equal(
    find([...answered(DATA, RANDOM.subarray(0, 40), DATA_BACK), { from: 0, bytes: STATE_SACK }]),
    'certain',
  );
});

test('one side of a dialogue is likely after four packets', () => {
  const side = [0, 1, 2, 3].map((i) =>
    packet({
      type: ST_DATA,
      id: 701,
      timeUs: 0x5000_0000 + i * 700,
      differenceUs: 0xc000_4e20 + i,
      seq: 9001 + i,
      ack: 499,
      payload: RANDOM,
    }),
  );
  assert.equal(find(open(...side.slice(0, 3))), 'more');
  assert.equal(find(open(...side)), 'likely');
});

test('a clear handshake in the payload is certain by itself', () => {
  const carrying = packet({ type: ST_DATA, id: 701, timeUs: 1, seq: 2, ack: 3, payload: HANDSHAKE });
  assert.equal(find(open(carrying)), 'certain');
  for (let length = 1; length < 40; length++) {
    assert.notEqual(find(open(carrying.subarray(0, length))), 'certain', `${length} bytes`);
  }
});

test('a header counts when the endpoint is known, not when only the host is', () => {
  for (const [known, finding] of [
    ['endpoint', 'suspected'],
    ['told', 'suspected'],
    ['host', 'more'],
    ['none', 'more'],
  ] as const) {
    assert.equal(find(open(DATA), { known }), finding, known);
  }
});

test('answers that do not fit are no dialogue', () => {
  for (const [name, turns] of [
    [
      'other connection',
      answered(SYN, packet({ type: ST_STATE, id: 702, timeUs: 0x9000_4e20, seq: 500, ack: 9000 })),
    ],
    [
      'other number',
      answered(SYN, packet({ type: ST_STATE, id: 700, timeUs: 0x9000_4e20, seq: 500, ack: 9001 })),
    ],
    [
      'ids two apart',
      answered(
        DATA,
        packet({
          type: ST_STATE,
          id: 703,
          timeUs: 0x9000_ea60,
          differenceUs: 0x4000_4e20,
          seq: 500,
          ack: 9001,
        }),
      ),
    ],
    [
      'acknowledges far away',
      answered(
        DATA,
        packet({ type: ST_STATE, id: 700, timeUs: 0x9000_ea60, differenceUs: 0x4000_4e20, seq: 500, ack: 1 }),
      ),
    ],
    [
      'clock of somebody else',
      answered(
        DATA,
        packet({
          type: ST_STATE,
          id: 700,
          timeUs: 0x9000_ea60,
          differenceUs: 0x1000_4e20,
          seq: 500,
          ack: 9001,
        }),
      ),
    ],
    [
      'no clock',
      answered(
        packet({ type: ST_DATA, id: 1, timeUs: 0, seq: 1, ack: 1, payload: RANDOM }),
        packet({ type: ST_STATE, id: 0, timeUs: 0, seq: 1, ack: 1 }),
      ),
    ],
  ] as const) {
    assert.equal(find(turns), 'more', name);
  }
});

test('famous look-alikes are not uTP', () => {
  const words = (...hex: string[]): Turn[] => open(...hex.map(fromHex));
  for (const [name, turns] of [
    // id 0x4100, flags 0x0100, one question, name of 4 bytes, type, class 1: 20 bytes in all
    ['DNS question of 20 bytes', words('4100 0100 0001 0000 0000 0000 02646500 0001 0001')],
    [
      'DNS question of 20 bytes, twice',
      words(
        '4100 0100 0001 0000 0000 0000 02646500 0001 0001',
        '4100 0100 0001 0000 0000 0000 02646500 0001 0001',
      ),
    ],
    [
      'WireGuard initiation, twice',
      open(...[1, 2].map((i) => concat(fromHex('01000000'), RANDOM.subarray(i, i + 144)))),
    ],
    // version 1, unknown 0, group 1, owner address: the same four times
    [
      'GLBP hello',
      words(...Array<string>(5).fill('0100 0001 0000 000102030405 0110 0028 0004 0000 03e8 0000 0bb8')),
    ],
    [
      'HSRP hello of 20 bytes',
      words(...Array<string>(5).fill('0000 10 03 0a 78 01 00 636973636f000000 c0a80101')),
    ],
    [
      'iperf, four in a row',
      words('00000000 4f2a1b3c 0005a1b2 00000000 00000000', '00000001 4f2a1b3c 0005a1b3 00000000 00000000'),
    ],
    [
      'STUN binding success',
      words('0101 000c 2112a442 000102030405060708090a0b 0020 0008 0001 a147 5e12a443'),
    ],
    ['TURN channel data', open(concat(fromHex('4100 00a0'), RANDOM.subarray(0, 160)))],
    ['SYN with payload', open(concat(SYN, ascii('x')))],
    ['state with payload', answered(DATA, concat(STATE, ascii('x')))],
    ['data without payload', open(DATA.subarray(0, 20))],
    ['version 2', open(concat(Uint8Array.of(0x42), SYN.subarray(1)))],
    ['unknown extension', open(concat(SYN.subarray(0, 1), Uint8Array.of(4), SYN.subarray(2)))],
    ['random', open(RANDOM, RANDOM.subarray(1))],
  ] as const) {
    assert.ok(['no', 'more'].includes(find(turns)), name);
  }
});

test('a counter with a constant word is not taken for one side of uTP', () => {
  // 0x01 0x00, constant 0x0007, 32-bit counter, zeros: nothing that looks like a clock difference or a window
  const side = [1, 2, 3, 4, 5].map((i) =>
    packet({ type: ST_DATA, id: 7, timeUs: i, window: 0, seq: i, payload: RANDOM }),
  );
  assert.equal(find(open(...side)), 'more');
});

test('KCP behind a byte 01 (Mirror, games) is not taken for one side of uTP', () => {
  // channel 1, conversation 0, command 81 or 82, fragment, window, clock (ms), number, unacknowledged, length, all little-endian
  const side = [81, 81, 81, 82, 81, 82, 83].map((command, i) =>
    concat(fromHex('01 00000000'), Uint8Array.of(command, 0, 128, 0, i * 30, 1, 0, 0, i, 0, 0, 0, i, 0, 0, 0), RANDOM.subarray(0, 60)),
  );
  for (let count = 1; count <= side.length; count++) assert.equal(find(open(...side.slice(0, count))), 'more', `${count} packets`);
});

test('tables of small numbers in both directions are no dialogue', () => {
  // Bytes 01 00, then 16-bit or 32-bit numbers below 10, whose places are those of ids, clocks and counters.
  const words = (id: number) => concat(fromHex('0100'), Uint8Array.of(0, id, 0, 7, 0, 5, 0, 3, 0, 6, 0, 0, 0, 2, 0, 9, 0, 4), RANDOM);
  const longs = (id: number) => concat(fromHex('0100'), Uint8Array.of(0, id, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 0, 6), RANDOM);
  for (const table of [words, longs]) assert.equal(find(answered(table(4), table(5))), 'more');
  const little = (id: number) => concat(fromHex('0100'), Uint8Array.of(12, id, 0, 0x40, 0, 0x71, 0, 0x23, 1, 0x90, 0, 0x2c, 1, 0x55, 0, 0x8e, 0, 0x20), RANDOM);
  assert.equal(find(answered(little(4), little(5))), 'more', 'little-endian');
  // The clock of a program that began seconds ago, with the same ids: nothing else refuses them.
  const early = [5, 4].map((id) => packet({ type: ST_DATA, id, timeUs: 0x0021_4c80 + id, differenceUs: 1, seq: 9000, ack: 9000, payload: RANDOM }));
  assert.equal(find(answered(early[0] ?? SYN, early[1] ?? SYN)), 'certain');
});

test('extensions are walked to the payload', () => {
  const at = (bytes: Uint8Array): number => payloadAt(bytes, 0, bytes.length, bytes.length);
  assert.equal(at(SYN_BITS), 30);
  assert.equal(at(STATE_SACK), 26);
  assert.equal(
    at(
      packet({
        type: ST_DATA,
        id: 1,
        timeUs: 1,
        seq: 1,
        extension: 1,
        chain: fromHex('02 04 00000001 00 08 0000000000000000'),
        payload: RANDOM,
      }),
    ),
    36,
  );
  assert.equal(at(packet({ type: ST_FIN, id: 1, timeUs: 1, seq: 1 })), 20);
  assert.equal(
    at(packet({ type: ST_FIN, id: 1, timeUs: 1, seq: 1, extension: 3, chain: fromHex('00 04 00000003') })),
    26,
  );
  for (const chain of ['00', '00 03 000000', '00 00', '00 ff', '01 04 00000000']) {
    assert.equal(
      at(packet({ type: ST_STATE, id: 1, timeUs: 1, seq: 1, extension: 1, chain: fromHex(chain) })),
      -1,
      chain,
    );
  }
  for (let length = 0; length < 30; length++)
    assert.equal(at(SYN_BITS.subarray(0, length)), -1, `${length} bytes`);
});

test('peer exchange inside a data packet is told', () => {
  const list = ascii('d5:added6:\xc6\x33\x64\x09\x1a\xe17:added.f1:\x00e');
  const message = concat(Uint8Array.of(0, 0, 0, list.length + 2, 20, 1), list);
  const turns = open(packet({ type: ST_DATA, id: 701, timeUs: 1, seq: 2, payload: message }));
  const told: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (bytes, at, port) => told.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: () => assert.fail(),
    listensOn: () => assert.fail(),
  };
  assert.equal(utp.harvest?.(sampleInspection(UDP, turns), sink), true);
  assert.deepEqual(told, ['198.51.100.9:6881']);
});

test('no bytes make it throw, and random ones after a real packet are never certain', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 60 }),
      fc.constantFrom(0x01, 0x11, 0x21, 0x31, 0x41),
      fc.boolean(),
      (tail, first, isBack) => {
        const bytes = concat(Uint8Array.of(first, 0), tail);
        assert.notEqual(
          find([
            { from: 0, bytes: DATA },
            { from: isBack ? 1 : 0, bytes },
          ]),
          'certain',
        );
        utp.harvest?.(sampleInspection(UDP, open(bytes)), {
          toldIpv4: () => assert.fail(),
          toldIpv6: () => assert.fail(),
          listensOn: () => assert.fail(),
        });
      },
    ),
    { numRuns: 300 },
  );
});
