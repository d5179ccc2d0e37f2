/** Decoding never throws and never points outside: every prefix, many bit flips, random bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeFrame, decodeIp } from './decode.js';
import { icmpHeader, mayAnswerWithIcmp } from './icmp.js';
import { isKnownLinkType, linkTypeName } from './link-types.js';
import { type DecodeStatus, PacketView } from './packet-view.js';
import { type SampleFrame, allSamples } from './sample-frames.js';
import { viewProblem } from './view-problem.js';

/** The frame inside a larger buffer whose other bytes look like the start of IP headers. */
function guarded(frame: Uint8Array, start: number, end: number): Uint8Array {
  const buffer = new Uint8Array(end + 64).fill(0x45);
  buffer.set(frame.subarray(0, end - start), start);
  return buffer;
}

function checkView(view: PacketView, status: DecodeStatus, start: number, end: number): void {
  assert.equal(viewProblem(view, status, start, end), null);
  icmpHeader(view);
  if (status === 'ok') mayAnswerWithIcmp(view);
}

/** One view for everything, as in the program: stale fields of earlier packets must not show. */
const view = new PacketView();

function decodeAndCheck(linkType: number, frame: Uint8Array, lengthBytes = frame.length): DecodeStatus {
  const start = 3;
  const end = start + lengthBytes;
  const status = decodeFrame(view, linkType, guarded(frame, start, end), start, end);
  checkView(view, status, start, end);
  return status;
}

test('every prefix of every sample stays inside its bytes', () => {
  for (const { name, linkType, frame, tunnelDepth } of allSamples) {
    assert.equal(decodeAndCheck(linkType, frame), 'ok', name);
    const datagramBytes = view.end - 3;
    for (let lengthBytes = 0; lengthBytes < frame.length; lengthBytes++) {
      const status = decodeAndCheck(linkType, frame, lengthBytes);
      // A cut packet may be ok but says that it is clipped; what is only cut in its padding is whole.
      if (status === 'ok') assert.ok(view.isClipped || lengthBytes >= datagramBytes, `${name}, ${lengthBytes} bytes`);
      if (tunnelDepth === 0) assert.equal(view.tunnelDepth, 0, name);
    }
  }
});

test('a prefix that ends inside a header is never ok', () => {
  for (const { name, linkType, frame, tunnelDepth } of allSamples) {
    assert.equal(decodeAndCheck(linkType, frame), 'ok', name);
    if (tunnelDepth !== 0) continue;
    const headerBytes = view.payloadAt - 3;
    for (let lengthBytes = 0; lengthBytes < headerBytes; lengthBytes++) {
      const status = decodeAndCheck(linkType, frame, lengthBytes);
      assert.notEqual(status, 'ok', `${name}, ${lengthBytes} of ${headerBytes} header bytes`);
      assert.notEqual(status, 'fragment', name);
    }
  }
});

test('decoding depends on nothing outside the frame', () => {
  for (const { linkType, frame } of allSamples) {
    for (let lengthBytes = 0; lengthBytes <= frame.length; lengthBytes += 3) {
      const fields = [0x00, 0x45, 0xff].map((filler) => {
        const buffer = new Uint8Array(lengthBytes + 200).fill(filler);
        buffer.set(frame.subarray(0, lengthBytes), 100);
        const fresh = new PacketView();
        const status = decodeFrame(fresh, linkType, buffer, 100, 100 + lengthBytes);
        return JSON.stringify({ ...fresh, bytes: status });
      });
      assert.equal(fields[1], fields[0]);
      assert.equal(fields[2], fields[0]);
    }
  }
});

test('flipped bytes never throw', () => {
  fc.assert(
    fc.property(
      fc.constantFrom<SampleFrame>(...allSamples),
      fc.array(fc.tuple(fc.nat({ max: 120 }), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
      fc.nat({ max: 160 }),
      (sample, flips, lengthBytes) => {
        const frame = sample.frame.slice();
        for (const [at, value] of flips) if (at < frame.length) frame[at] = value;
        decodeAndCheck(sample.linkType, frame, Math.min(lengthBytes, frame.length));
      },
    ),
    { numRuns: 3000 },
  );
});

test('each header byte of each sample takes every value', () => {
  for (const { linkType, frame } of allSamples) {
    const changed = frame.slice();
    for (let at = 0; at < Math.min(frame.length, 100); at++) {
      for (const value of [0x00, 0x01, 0x04, 0x05, 0x06, 0x11, 0x29, 0x2c, 0x2f, 0x33, 0x45, 0x4f, 0x60, 0x7f, 0x80, 0xaa, 0xff]) {
        changed[at] = value;
        decodeAndCheck(linkType, changed);
      }
      changed[at] = frame[at] ?? 0;
    }
  }
});

test('random bytes under every link type never throw', () => {
  const linkTypes = [0, 1, 9, 10, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 147, 166, 192, 228, 229, 239, 276];
  fc.assert(
    fc.property(fc.constantFrom(...linkTypes), fc.uint8Array({ maxLength: 200 }), (linkType, bytes) => {
      decodeAndCheck(linkType, bytes);
      decodeIp(view, bytes, 0, bytes.length);
      checkView(view, decodeIp(view, bytes, 0, bytes.length), 0, bytes.length);
    }),
    { numRuns: 3000 },
  );
});

test('known link types have names, others a number', () => {
  assert.deepEqual([isKnownLinkType(1), isKnownLinkType(147)], [true, false]);
  assert.deepEqual([linkTypeName(276), linkTypeName(147)], ['Linux cooked v2', 'link type 147']);
});
