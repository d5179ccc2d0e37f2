/** Properties of reading: what is written is read, however it is chunked; no bytes make the reader throw or hang. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CaptureReader } from './capture-reader.js';
import { type CapturedPacket, pcapFile, pcapngFile } from './capture-writer.js';

const packets = fc.array(
  fc.record({
    bytes: fc.uint8Array({ maxLength: 200 }),
    timeMs: fc.integer({ min: 0, max: 4_000_000_000_000_000 }).map((microseconds) => microseconds / 1000),
    originalLengthBytes: fc.integer({ min: 0, max: 0xffff_ffff }),
    interfaceIndex: fc.integer({ min: 0, max: 1 }),
  }),
  { maxLength: 12 },
);
const files = fc.oneof(
  fc.tuple(packets, fc.boolean(), fc.boolean()).map(([of, isBigEndian, isNanosecond]) => ({ of, file: pcapFile(of, { isBigEndian, isNanosecond }) })),
  fc.tuple(packets, fc.boolean()).map(([of, isBigEndian]) => ({ of, file: pcapngFile(of, { isBigEndian, interfaces: [{}, { linkType: 113 }] }) })),
);
const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 20 });

/** Reads to the end; each chunk lies at an odd place of a buffer that is destroyed before the next one. */
function read(file: Uint8Array, sizes: readonly number[]): { packets: CapturedPacket[]; end: string } {
  const reader = new CaptureReader();
  const out: CapturedPacket[] = [];
  const buffer = new Uint8Array(file.length + 8);
  let at = 0;
  for (let turn = 0; ; turn++) {
    assert.ok(turn < 10_000, 'comes to an end');
    const status = reader.next();
    if (status === 'packet') {
      assert.ok(reader.start >= 0 && reader.end >= reader.start && reader.end <= reader.bytes.length);
      assert.ok(reader.timeMs >= 0 && reader.timeMs <= 8.64e15);
      const { timeMs, originalLengthBytes } = reader;
      out.push({ bytes: reader.bytes.slice(reader.start, reader.end), timeMs, originalLengthBytes });
    } else if (status !== 'more') {
      return { packets: out, end: status };
    } else if (at >= file.length) {
      reader.finish();
    } else {
      const size = sizes.length === 0 ? file.length : (sizes[turn % sizes.length] ?? 1);
      const chunk = file.subarray(at, at + size);
      buffer.fill(0xee);
      buffer.set(chunk, 3);
      reader.feed(buffer, 3, 3 + chunk.length);
      at += chunk.length;
    }
  }
}

test('what was written is read, in chunks of any sizes', () => {
  fc.assert(
    fc.property(files, cuts, ({ of, file }, sizes) => {
      const { packets: got, end } = read(file, sizes);
      assert.equal(end, 'end');
      assert.equal(got.length, of.length);
      for (const [i, packet] of got.entries()) {
        assert.deepEqual(packet.bytes, of[i]?.bytes);
        assert.equal(packet.originalLengthBytes, of[i]?.originalLengthBytes);
        assert.equal(Math.round(packet.timeMs * 1000), Math.round((of[i]?.timeMs ?? -1) * 1000));
      }
    }),
    { numRuns: 300 },
  );
});

test('damaged files give the same answer in one piece and in chunks, and never throw', () => {
  fc.assert(
    fc.property(files, cuts, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }), ({ file }, sizes, flips) => {
      for (const [at, value] of flips) file[at % file.length] = value;
      assert.deepEqual(read(file, sizes), read(file, []));
    }),
    { numRuns: 500 },
  );
});

test('random bytes never throw', () => {
  const magics = [[], [0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [0x0a, 0x0d, 0x0d, 0x0a, 0x1c, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a]];
  fc.assert(
    fc.property(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 400 }), cuts, (magic, rest, sizes) => {
      const file = Uint8Array.from([...magic, ...rest]);
      assert.deepEqual(read(file, sizes), read(file, []));
    }),
    { numRuns: 500 },
  );
});
