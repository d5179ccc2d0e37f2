/**
 * The visible captures through reader and decoder: nothing throws, statuses are sane, and damage to
 * any packet stays inside it. Skipped where the captures are absent.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CaptureReader } from '../src/pcap/capture-reader.js';
import { decodeFrame } from '../src/wire/decode.js';
import { isKnownLinkType } from '../src/wire/link-types.js';
import { PacketView } from '../src/wire/packet-view.js';
import { viewProblem } from '../src/wire/view-problem.js';

const captures = join(import.meta.dirname, '../../../shared/captures');
const skip = existsSync(captures) ? false : 'the captures folder ../shared/captures is absent';

function paths(): string[] {
  return readdirSync(captures, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.endsWith('.tsv') && !path.endsWith('.md'))
    .map((path) => join(captures, path))
    .filter((path) => statSync(path).isFile());
}

/** Calls `each` for every packet; the file comes in pieces that cut records. Answers the error. */
function readPackets(file: Uint8Array, each: (reader: CaptureReader) => void): CaptureReader['error'] {
  const reader = new CaptureReader();
  const step = 60_001;
  for (let at = 0; ; at += step) {
    if (at < file.length) reader.feed(file, at, Math.min(file.length, at + step));
    else reader.finish();
    let status = reader.next();
    for (; status === 'packet'; status = reader.next()) each(reader);
    if (status !== 'more') return reader.error;
  }
}

test('every packet of the captures decodes to a sound view', { skip }, () => {
  const view = new PacketView();
  const counts = { ok: 0, fragment: 0, truncated: 0, malformed: 0, unsupported: 0 };
  let unknownLink = 0;
  for (const path of paths()) {
    const error = readPackets(readFileSync(path), (reader) => {
      const status = decodeFrame(view, reader.linkType, reader.bytes, reader.start, reader.end);
      counts[status]++;
      if (!isKnownLinkType(reader.linkType)) unknownLink++;
      const problem = viewProblem(view, status, reader.start, reader.end);
      if (problem !== null) assert.fail(`${path}, packet ${reader.packetCount}: ${problem}`);
    });
    // Public captures are sometimes cut, never misread.
    assert.ok(error === null || error.kind === 'truncated', `${path}: ${error?.message}`);
  }
  const all = counts.ok + counts.fragment + counts.truncated + counts.malformed + counts.unsupported;
  assert.ok(all > 50_000, `${all} packets`);
  // Some captures hold broken packets on purpose; a decoder at odds with reality would fail on far more.
  assert.ok(counts.truncated + counts.malformed < all * 0.003, JSON.stringify(counts));
  assert.ok(counts.unsupported < all * 0.03, JSON.stringify(counts));
  assert.equal(unknownLink, 0);
});

test('flipped bits in the captures leave every view sound', { skip }, () => {
  const view = new PacketView();
  // A fixed linear congruential sequence (Numerical Recipes): failures can be repeated.
  let seed = 20_240_607;
  const below = (limit: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return (seed >>> 8) % limit;
  };
  let flipped = 0;
  for (const path of paths()) {
    const file = readFileSync(path);
    readPackets(file, (reader) => {
      const lengthBytes = Math.min(reader.end - reader.start, 128);
      if (lengthBytes === 0) return;
      const frame = reader.bytes.slice(reader.start, reader.start + lengthBytes);
      for (let i = 0; i < 2; i++) frame[below(lengthBytes)]! ^= 1 << below(8);
      const end = below(4) === 0 ? below(lengthBytes + 1) : lengthBytes;
      const problem = viewProblem(view, decodeFrame(view, reader.linkType, frame, 0, end), 0, end);
      if (problem !== null) assert.fail(`${path}, packet ${reader.packetCount}: ${problem}`);
      flipped++;
    });
    // The file itself, damaged: it may end early, but it ends.
    if (file.length > 300_000) continue;
    for (let i = 0; i < 20; i++) file[below(file.length)]! ^= 1 << below(8);
    readPackets(file, (reader) => {
      const problem = viewProblem(view, decodeFrame(view, reader.linkType, reader.bytes, reader.start, reader.end), reader.start, reader.end);
      if (problem !== null) assert.fail(`${path}, packet ${reader.packetCount}: ${problem}`);
    });
  }
  assert.ok(flipped > 50_000);
});
