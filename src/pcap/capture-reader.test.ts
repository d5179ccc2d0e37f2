/** Reading pcap and pcapng: annotated files, every variant of the formats, damage, and chunks of every size. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, fromHex } from '../base/bytes.js';
import { CaptureReader } from './capture-reader.js';
import { pcapFile, pcapHeader, pcapRecord, pcapngBlock, pcapngFile, pcapngInterface, pcapngPacket, pcapngSection } from './capture-writer.js';

interface Read {
  readonly bytes: Uint8Array;
  readonly timeMs: number;
  readonly linkType: number;
  readonly originalLengthBytes: number;
}

/** All packets, and how reading ended. `chunkBytes` 0: in one piece. */
function readAll(file: Uint8Array, chunkBytes = 0): { packets: Read[]; end: string; reader: CaptureReader } {
  const reader = new CaptureReader();
  const packets: Read[] = [];
  const step = chunkBytes || Math.max(1, file.length);
  let at = 0;
  for (let turns = 0; turns < 100_000; turns++) {
    const status = reader.next();
    if (status === 'packet') {
      const { timeMs, linkType, originalLengthBytes } = reader;
      packets.push({ bytes: reader.bytes.slice(reader.start, reader.end), timeMs, linkType, originalLengthBytes });
    } else if (status === 'more') {
      if (at >= file.length) reader.finish();
      else {
        // A copy that is overwritten afterwards: the reader must not count on a chunk it gave back.
        const chunk = file.slice(at, at + step);
        reader.feed(chunk);
        at += step;
      }
    } else {
      return { packets, end: status, reader };
    }
  }
  throw new Error('the reader does not come to an end');
}

function annotated(text: string): Uint8Array {
  return fromHex(text.replaceAll(/\|.*$/gm, ''));
}

const TIME = 1_700_000_000_123.456;

test('a little-endian pcap file, byte by byte', () => {
  const file = annotated(`
    d4 c3 b2 a1  02 00 04 00  00 00 00 00  00 00 00 00 | magic, version 2.4, zone, accuracy
    00 00 04 00  01 00 00 00                           | snap length 262144, Ethernet
    00 f1 53 65  40 e2 01 00  03 00 00 00  40 00 00 00 | 1700000000 s, 123456 us, 3 of 64 bytes
    aa bb cc`);
  const { packets, end } = readAll(file);
  assert.equal(end, 'end');
  assert.deepEqual(packets, [{ bytes: fromHex('aa bb cc'), timeMs: TIME, linkType: 1, originalLengthBytes: 64 }]);
});

test('a big-endian pcap file with nanoseconds; upper bits of the link type are not part of it', () => {
  const file = annotated(`
    a1 b2 3c 4d  00 02 00 04  00 00 00 00  00 00 00 00
    00 04 00 00  14 00 00 71                           | FCS length 1, Linux cooked v1
    65 53 f1 00  07 5b ca 00  00 00 00 02  00 00 00 02 | 123456000 ns
    01 02`);
  const { packets, end } = readAll(file);
  assert.equal(end, 'end');
  assert.deepEqual(packets, [{ bytes: fromHex('01 02'), timeMs: TIME, linkType: 113, originalLengthBytes: 2 }]);
});

test('the variant of Kuznetzov has 8 more bytes in each record', () => {
  const file = annotated(`
    34 cd b2 a1  02 00 04 00  00 00 00 00  00 00 00 00  00 00 04 00  65 00 00 00
    00 f1 53 65  40 e2 01 00  02 00 00 00  02 00 00 00
    02 00 00 00  08 00 00 00                           | interface 2, protocol, packet type
    45 00
    00 f1 53 65  40 e2 01 00  00 00 00 00  02 00 00 00  02 00 00 00  08 00 00 00`);
  const { packets, end } = readAll(file);
  assert.equal(end, 'end');
  assert.deepEqual(packets.map((packet) => [packet.bytes.length, packet.linkType]), [[2, 101], [0, 101]]);
});

test('a pcapng file with every packet block, byte by byte', () => {
  const file = annotated(`
    0a 0d 0d 0a  1c 00 00 00  4d 3c 2b 1a  01 00 00 00  ff ff ff ff ff ff ff ff  1c 00 00 00
    01 00 00 00  14 00 00 00  01 00 00 00  04 00 00 00  14 00 00 00 | interface 0: Ethernet, snap length 4
    05 00 00 00  10 00 00 00  00 00 00 00  10 00 00 00 | statistics: skipped
    06 00 00 00  24 00 00 00  00 00 00 00              | enhanced packet, interface 0
    24 0a 06 00  40 3a 61 e9                           | time 0x60a24_e9613a40 us
    03 00 00 00  40 00 00 00  aa bb cc 00  24 00 00 00 | 3 of 64 bytes, padded
    03 00 00 00  14 00 00 00  09 00 00 00              | simple packet of 9 bytes, of which 4 captured
    01 02 03 04  14 00 00 00
    02 00 00 00  20 00 00 00  00 00 05 00              | obsolete packet, interface 0, 5 drops
    24 0a 06 00  41 3a 61 e9  00 00 00 00  07 00 00 00  20 00 00 00`);
  const { packets, end } = readAll(file);
  assert.equal(end, 'end');
  const time = (0x60a24 * 2 ** 32 + 0xe9613a40) / 1000;
  assert.deepEqual(packets, [
    { bytes: fromHex('aa bb cc'), timeMs: time, linkType: 1, originalLengthBytes: 64 },
    { bytes: fromHex('01 02 03 04'), timeMs: time, linkType: 1, originalLengthBytes: 9 },
    { bytes: new Uint8Array(0), timeMs: time + 0.001, linkType: 1, originalLengthBytes: 7 },
  ]);
});

const packet = { bytes: fromHex('45 00 00 14 01'), timeMs: TIME };

test('clocks of pcapng: decimal, binary and coarse resolutions, and offsets', () => {
  const cases: readonly [string, number | undefined, number | undefined, number][] = [
    ['microseconds by default', undefined, undefined, TIME],
    ['nanoseconds', 9, undefined, TIME],
    ['milliseconds', 3, undefined, 1_700_000_000_123],
    ['seconds', 0, undefined, 1_700_000_000_000],
    ['2^-20 seconds', 0x80 + 20, undefined, Math.round((TIME * 2 ** 20) / 1000) * 1000 / 2 ** 20],
    ['microseconds since 2020', 6, 1_577_836_800, TIME],
    ['microseconds with an offset into the past', 6, -86_400, TIME],
  ];
  for (const [name, resolution, offsetSeconds, expected] of cases) {
    for (const isBigEndian of [false, true]) {
      const described = { ...(resolution === undefined ? {} : { resolution }), ...(offsetSeconds === undefined ? {} : { offsetSeconds }) };
      const { packets, end } = readAll(pcapngFile([packet], { interfaces: [described], isBigEndian }));
      assert.equal(end, 'end', name);
      assert.ok(Math.abs((packets[0]?.timeMs ?? 0) - expected) < 0.0005, `${name}: ${packets[0]?.timeMs}`);
    }
  }
});

test('a time that no Date can hold becomes 0', () => {
  const file = concat(pcapngSection(), pcapngInterface({ resolution: 0 }), pcapngPacket(packet, { resolution: 0 }));
  // Raise the upper half of the time stamp, 12 bytes into the block.
  file.fill(0xff, file.length - 40 + 12, file.length - 40 + 16);
  assert.deepEqual(readAll(file).packets.map(({ timeMs }) => timeMs), [0]);
});

test('several interfaces with link types of their own, several sections in both byte orders', () => {
  const interfaces = [{ linkType: 1 }, { linkType: 276, resolution: 9 }];
  const of = [packet, { ...packet, interfaceIndex: 1, timeMs: TIME + 1 }];
  const file = concat(
    pcapngFile(of, { interfaces }),
    pcapngFile(of, { interfaces: [...interfaces].reverse().map((one) => ({ ...one, linkType: one.linkType + 100 })), isBigEndian: true }),
  );
  const { packets, end } = readAll(file);
  assert.equal(end, 'end');
  assert.deepEqual(packets.map(({ linkType }) => linkType), [1, 276, 376, 101]);
  for (const [i, expected] of [TIME, TIME + 1, TIME, TIME + 1].entries()) {
    assert.ok(Math.abs((packets[i]?.timeMs ?? 0) - expected) < 0.0005);
  }
});

test('microseconds survive being a number of milliseconds', () => {
  for (let microseconds = 0; microseconds < 1_000_000; microseconds += 7919) {
    const timeMs = 4_000_000_000_000 + microseconds / 1000;
    for (const file of [pcapFile([{ ...packet, timeMs }]), pcapFile([{ ...packet, timeMs }], { isNanosecond: true }), pcapngFile([{ ...packet, timeMs }])]) {
      const read = readAll(file).packets[0]?.timeMs ?? 0;
      assert.equal(Math.round((read - 4_000_000_000_000) * 1000), microseconds);
    }
  }
});

test('chunks of any size give the same packets', () => {
  const packets = Array.from({ length: 12 }, (_, i) => ({ bytes: new Uint8Array((i * 37) % 90).fill(i), timeMs: TIME + i, originalLengthBytes: 100 + i, interfaceIndex: i % 2 }));
  const interfaces = [{ linkType: 1, resolution: 9 }, { linkType: 101 }];
  for (const file of [
    pcapFile(packets),
    pcapFile(packets, { isBigEndian: true, isNanosecond: true }),
    concat(pcapngFile(packets, { interfaces }), pcapngBlock(0x40000bad, new Uint8Array(77)), pcapngFile(packets, { interfaces, isBigEndian: true })),
  ]) {
    const whole = readAll(file);
    assert.ok(whole.packets.length >= 12);
    for (const chunkBytes of [1, 2, 3, 5, 7, 11, 16, 23, 24, 25, 61, 200]) {
      const parts = readAll(file, chunkBytes);
      assert.deepEqual(parts.packets, whole.packets);
      assert.equal(parts.end, 'end');
    }
  }
});

test('a packet in the middle of a chunk is not copied', () => {
  const reader = new CaptureReader();
  const file = pcapFile([packet, packet]);
  reader.feed(file);
  for (let i = 0; i < 2; i++) {
    assert.equal(reader.next(), 'packet');
    assert.equal(reader.bytes.buffer, file.buffer);
  }
  assert.equal(reader.next(), 'more');
  assert.equal(reader.packetCount, 2);
});

test('every prefix reports the packets it holds, then that the capture is cut', () => {
  const packets = [packet, { ...packet, bytes: new Uint8Array(30) }, packet];
  const header = pcapHeader().length;
  const ends = packets.map((_, i) => pcapFile(packets.slice(0, i + 1)).length);
  const file = pcapFile(packets);
  for (let lengthBytes = 1; lengthBytes < file.length; lengthBytes++) {
    const { packets: read, end, reader } = readAll(file.subarray(0, lengthBytes));
    assert.equal(read.length, ends.filter((one) => one <= lengthBytes).length);
    const isWhole = lengthBytes === header || ends.includes(lengthBytes);
    assert.equal(end, isWhole ? 'end' : 'error');
    if (!isWhole && lengthBytes >= 4) {
      assert.equal(reader.error?.kind, 'truncated');
      const at = [0, header, ...ends].filter((one) => one <= lengthBytes && (one === 0 || lengthBytes >= header)).at(-1);
      assert.equal(reader.error?.atBytes, at, `${lengthBytes} bytes`);
      assert.match(reader.error?.message ?? '', new RegExp(`at byte ${at}\\b`));
    }
  }
});

test('every prefix of pcapng ends well or as truncated', () => {
  const file = pcapngFile([packet, packet], { interfaces: [{ resolution: 9 }] });
  for (let lengthBytes = 4; lengthBytes < file.length; lengthBytes++) {
    const { end, reader, packets } = readAll(file.subarray(0, lengthBytes), 13);
    if (end === 'error') assert.equal(reader.error?.kind, 'truncated');
    else assert.ok(packets.length < 2);
  }
});

test('what is no capture is named', () => {
  const cases: readonly [string, RegExp, boolean][] = [
    ['', /empty/, false],
    ['0a', /begins with 0a \(at byte 0\)$/, true],
    ['23 20 68 69 0a', /begins with 23 20 68 69/, true],
    ['1f 8b 08 00 00 00', /gzip/, true],
    ['28 b5 2f fd 00 00', /zstd/, true],
    ['fd 37 7a 58 5a 00 00', /xz/, true],
    ['42 5a 68 39 31 41', /bzip2/, true],
    ['04 22 4d 18 00 00', /lz4/, true],
    ['50 4b 03 04 00 00', /zip archive/, true],
    ['73 6e 6f 6f 70 00 00 00', /snoop/, true],
  ];
  for (const [hex, message, hasHint] of cases) {
    for (const chunkBytes of [0, 1]) {
      const { end, reader, packets } = readAll(fromHex(hex), chunkBytes);
      assert.equal(end, 'error');
      assert.equal(packets.length, 0);
      assert.equal(reader.error?.kind, 'not-a-capture');
      assert.match(reader.error?.message ?? '', message);
      assert.equal(reader.error?.hint !== undefined, hasHint);
    }
  }
});

test('absurd lengths stop reading at the place, and what came before stays', () => {
  const good = pcapRecord(packet);
  const absurd = annotated('00 00 00 00  00 00 00 00  ff ff ff 7f  05 00 00 00');
  const { packets, reader } = readAll(concat(pcapHeader(), good, absurd, good));
  assert.equal(packets.length, 1);
  assert.deepEqual([reader.error?.kind, reader.error?.atBytes], ['malformed', 24 + good.length]);
  assert.match(reader.error?.message ?? '', /packet 2 says that 2147483647 bytes/);
  assert.equal(reader.next(), 'error', 'and stays so');
});

test('damaged pcapng blocks stop reading', () => {
  const head = concat(pcapngSection(), pcapngInterface({}));
  const enhanced = (caplen: string, index = '00 00 00 00', total = '20 00 00 00') =>
    annotated(`06 00 00 00 ${total} ${index} 00 00 00 00 00 00 00 00 ${caplen} 00 00 00 00 20 00 00 00`);
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ['a block of 8 bytes', annotated('05 00 00 00 08 00 00 00 00 00 00 00'), /type 5 says that it has 8 bytes/],
    ['a length that is no multiple of 4', annotated('05 00 00 00 0d 00 00 00 00 00 00 00'), /13 bytes/],
    ['a packet longer than its block', enhanced('01 00 00 00'), /packet 1 says that 1 bytes/],
    ['a packet block too short for itself', enhanced('00 00 00 00', '00 00 00 00', '1c 00 00 00'), /packet block says that it has 28/],
    ['a packet of interface 3', enhanced('00 00 00 00', '03 00 00 00'), /interface 3, which no block describes/],
    ['a section without byte order', annotated('0a 0d 0d 0a 1c 00 00 00 00 00 00 00'), /byte-order mark/],
    ['an interface block too short', annotated('01 00 00 00 10 00 00 00 01 00 00 00 10 00 00 00'), /interface block/],
    ['an interface block too long', annotated('01 00 00 00 00 00 00 7f 01 00 00 00'), /interface block/],
    ['a simple packet too short', annotated('03 00 00 00 0c 00 00 00 0c 00 00 00'), /simple packet/],
  ];
  for (const [name, block, message] of cases) {
    const { end, reader } = readAll(concat(head, block));
    assert.equal(end, 'error', name);
    assert.equal(reader.error?.kind, 'malformed', name);
    assert.match(reader.error?.message ?? '', message);
    assert.equal(reader.error?.atBytes, head.length, name);
  }
  const orphan = readAll(concat(pcapngSection(), annotated('03 00 00 00 10 00 00 00 00 00 00 00 10 00 00 00')));
  assert.match(orphan.reader.error?.message ?? '', /before any interface/);
});

test('damaged options of an interface are ignored', () => {
  for (const options of ['09 00 ff ff 09 00 00 00', '09 00 02 00 09 09 00 00', '0e 00 04 00 00 00 00 01', 'ff ff 00 00']) {
    const block = pcapngBlock(1, concat(fromHex('01 00 00 00 00 00 00 00'), fromHex(options)));
    const { packets, end } = readAll(concat(pcapngSection(), block, pcapngPacket(packet)));
    assert.equal(end, 'end');
    assert.deepEqual(packets.map(({ timeMs }) => timeMs), [TIME]);
  }
});

test('skipped blocks of any length need no memory', () => {
  const reader = new CaptureReader();
  const huge = concat(fromHex('ad 0b 00 40  00 00 00 40  00 00 00 00'));
  reader.feed(concat(pcapngSection(), huge));
  const chunk = new Uint8Array(1 << 20);
  for (let i = 0; i < 1023; i++) {
    assert.equal(reader.next(), 'more');
    reader.feed(chunk);
  }
  assert.equal(reader.next(), 'more');
  reader.feed(new Uint8Array((1 << 20) - 12));
  assert.equal(reader.next(), 'more');
  reader.finish();
  assert.equal(reader.next(), 'end');
});
