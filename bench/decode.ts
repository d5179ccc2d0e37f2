/**
 * `script/bench decode`: Micro-benchmark of the way from a capture file to decoded packets. Prints nanoseconds per packet.
 *
 *   node dist/bench/decode.js [MEGABYTES]
 *
 * The frames are those of the visible captures (Ethernet ones, see `captures`), or built ones when
 * the captures are absent. A pcap of about MEGABYTES (default 200) is made of them in a temporary
 * directory and removed afterwards. Each line is the best of several rounds: noise only adds.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fromHex } from '../src/base/bytes.js';
import { readCapture } from '../src/cli/captures/capture-input.js';
import { CaptureReader } from '../src/pcap/capture-reader.js';
import { pcapHeader, pcapRecord, pcapngInterface, pcapngPacket, pcapngSection } from '../src/pcap/capture-writer.js';
import { buildEthernet, buildTcp, buildUdp } from '../src/wire/build.js';
import { decodeFrame, decodeIp } from '../src/wire/decode.js';
import { LINKTYPE_ETHERNET } from '../src/wire/link-types.js';
import { PacketView } from '../src/wire/packet-view.js';

const ROUNDS = 5;
const captures = join(import.meta.dirname, '../../../shared/captures');
const megabytes = Number(process.argv[2] ?? 200);

function visibleFrames(): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (const folder of ['p2p', 'lab', 'programs']) {
    for (const name of readdirSync(join(captures, folder))) {
      const reader = new CaptureReader();
      reader.feed(readFileSync(join(captures, folder, name)));
      reader.finish();
      while (reader.next() === 'packet') {
        if (reader.linkType === LINKTYPE_ETHERNET) frames.push(reader.bytes.slice(reader.start, reader.end));
      }
    }
  }
  return frames;
}

function builtFrames(): Uint8Array[] {
  const between = { src: '10.0.0.1', dst: '192.0.2.7', srcPort: 51413, dstPort: 6881 };
  return Array.from({ length: 2000 }, (_, i) => {
    const payload = new Uint8Array((i * 37) % 1400);
    return buildEthernet(i % 2 === 0 ? buildTcp({ ...between, payload }) : buildUdp({ ...between, payload }));
  });
}

/** Best time of some rounds, as nanoseconds for each of `count` things. */
function measure(what: string, count: number, bytes: number, round: () => void): void {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) {
    const started = process.hrtime.bigint();
    round();
    best = Math.min(best, Number(process.hrtime.bigint() - started));
  }
  print(what, count, bytes, best);
}

function print(what: string, count: number, bytes: number, nanoseconds: number): void {
  const each = (nanoseconds / count).toFixed(1).padStart(7);
  const rate = (count / nanoseconds) * 1000;
  const throughput = bytes > 0 ? `, ${((bytes / nanoseconds) * 1000).toFixed(0)} MB/s` : '';
  console.log(`${what.padEnd(46)} ${each} ns/packet  (${rate.toFixed(2)} M packets/s${throughput})`);
}

const frames = existsSync(captures) ? visibleFrames() : builtFrames();
const meanBytes = frames.reduce((sum, frame) => sum + frame.length, 0) / frames.length;
console.log(`${frames.length} frames of ${existsSync(captures) ? 'the visible captures' : 'the packet builder'}, ${meanBytes.toFixed(0)} bytes on average`);

// All frames in one buffer, as they would lie in a chunk of a file.
const flat = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
const starts = new Int32Array(frames.length + 1);
frames.forEach((frame, i) => {
  flat.set(frame, starts[i] ?? 0);
  starts[i + 1] = (starts[i] ?? 0) + frame.length;
});

const view = new PacketView();
let sink = 0;
const repeats = Math.max(1, Math.round(2_000_000 / frames.length));
measure('decodeFrame, frames in memory', frames.length * repeats, 0, () => {
  for (let r = 0; r < repeats; r++) {
    for (let i = 0; i < frames.length; i++) {
      if (decodeFrame(view, LINKTYPE_ETHERNET, flat, starts[i] ?? 0, starts[i + 1] ?? 0) === 'ok') sink += view.payloadLengthBytes;
    }
  }
});
const one = buildEthernet(buildTcp({ src: '10.0.0.1', dst: '192.0.2.7', srcPort: 51413, dstPort: 6881, payload: fromHex('13') }));
measure('decodeIp, one TCP packet again and again', 5_000_000, 0, () => {
  for (let i = 0; i < 5_000_000; i++) if (decodeIp(view, one, 14, one.length) === 'ok') sink += view.seq;
});

const folder = mkdtempSync(join(tmpdir(), 'p2pwall-bench-'));
try {
  const pcap = join(folder, 'large.pcap');
  const pcapng = join(folder, 'large.pcapng');
  const perCopy = meanBytes * frames.length;
  const copies = Math.max(1, Math.round((megabytes * 1e6) / perCopy));
  const count = copies * frames.length;
  let fileBytes = 0;
  for (const [path, head, record] of [
    [pcap, pcapHeader(), (bytes: Uint8Array, timeMs: number) => pcapRecord({ bytes, timeMs })],
    [pcapng, Buffer.concat([pcapngSection(), pcapngInterface({})]), (bytes: Uint8Array, timeMs: number) => pcapngPacket({ bytes, timeMs })],
  ] as const) {
    const file = openSync(path, 'w');
    const body = Buffer.concat(frames.map((frame, i) => record(frame, 1.7e12 + i)));
    writeSync(file, head);
    for (let i = 0; i < copies; i++) writeSync(file, body);
    closeSync(file);
    fileBytes = head.length + copies * body.length;
  }
  const buffer = new Uint8Array(4 << 20);
  const readAll = (path: string, chunkBytes: number, decode: boolean): void => {
    const file = openSync(path, 'r');
    const reader = new CaptureReader();
    for (;;) {
      const n = readSync(file, buffer, 0, chunkBytes, null);
      if (n === 0) reader.finish();
      else reader.feed(buffer, 0, n);
      while (reader.next() === 'packet') {
        if (decode) decodeFrame(view, reader.linkType, reader.bytes, reader.start, reader.end);
        else sink += reader.end;
      }
      if (n === 0) break;
    }
    closeSync(file);
  };
  for (const chunkBytes of [64 << 10, 256 << 10, 1 << 20, 4 << 20]) {
    measure(`read pcap, chunks of ${chunkBytes >> 10} KiB`, count, fileBytes, () => readAll(pcap, chunkBytes, false));
  }
  measure('read and decode pcap, chunks of 1 MiB', count, fileBytes, () => readAll(pcap, 1 << 20, true));
  measure('read and decode pcapng, chunks of 1 MiB', count, fileBytes, () => readAll(pcapng, 1 << 20, true));
  const drain = (reader: CaptureReader): void => {
    while (reader.next() === 'packet') decodeFrame(view, reader.linkType, reader.bytes, reader.start, reader.end);
  };
  const gz = join(folder, 'large.pcap.gz');
  const small = openSync(gz, 'w');
  const gzCopies = Math.max(1, Math.round(copies / 4));
  writeSync(small, gzipSync(pcapHeader()));
  const member = gzipSync(Buffer.concat(frames.map((bytes, i) => pcapRecord({ bytes, timeMs: 1.7e12 + i }))), { level: 1 });
  for (let i = 0; i < gzCopies; i++) writeSync(small, member);
  closeSync(small);
  for (const [what, path, packets] of [
    ['readCapture and decode, plain file', pcap, count],
    ['readCapture and decode, gzip', gz, gzCopies * frames.length],
  ] as const) {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 3; i++) {
      const started = process.hrtime.bigint();
      const error = await readCapture(path, drain);
      if (error) throw new Error(error.message);
      best = Math.min(best, Number(process.hrtime.bigint() - started));
    }
    print(what, packets, 0, best);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (Number.isNaN(sink)) console.log('unreachable: keeps the loops alive');
