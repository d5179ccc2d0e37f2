/** Opening captures: files, gzip, pipes, and everything that goes wrong with them. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { pcapFile, pcapngFile } from '../../pcap/capture-writer.js';
import type { CaptureReader } from '../../pcap/capture-reader.js';
import { type CaptureInputOptions, readCapture } from './capture-input.js';

const folder = mkdtempSync(join(tmpdir(), 'p2pwall-input-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const packets = Array.from({ length: 3000 }, (_, i) => ({ bytes: new Uint8Array(100 + (i % 700)).fill(i), timeMs: 1.7e12 + i }));
const pcap = pcapFile(packets);
const totalBytes = packets.reduce((sum, packet) => sum + packet.bytes.length, 0);

function saved(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function count(path: string, options: CaptureInputOptions = {}) {
  let packetCount = 0;
  let bytes = 0;
  const error = await readCapture(
    path,
    (reader) => {
      while (reader.next() === 'packet') {
        packetCount++;
        bytes += reader.end - reader.start;
      }
    },
    options,
  );
  return { packetCount, bytes, error };
}

const everything = { packetCount: packets.length, bytes: totalBytes, error: null };

test('files, plain and gzip, pcap and pcapng, in chunks of several sizes', async () => {
  const paths = [
    saved('a.pcap', pcap),
    saved('a.pcap.gz', gzipSync(pcap)),
    saved('a.pcapng', pcapngFile(packets)),
    saved('named-wrongly.pcap', gzipSync(pcapngFile(packets))),
    // Members one after the other, as log rotation makes them.
    saved('members.gz', Buffer.concat([gzipSync(pcap.subarray(0, 1000)), gzipSync(pcap.subarray(1000))])),
  ];
  for (const path of paths) {
    for (const chunkBytes of [1000, 4096, 1 << 20]) assert.deepEqual(await count(path, { chunkBytes }), everything, path);
  }
});

test('progress grows to the size of the file, compressed or not', async () => {
  for (const [name, bytes] of [['p.pcap', pcap], ['p.gz', gzipSync(pcap)]] as const) {
    const seen: number[] = [];
    const totals = new Set<number | null>();
    await count(saved(name, bytes), {
      chunkBytes: 20_000,
      onProgress: (readBytes, total) => {
        seen.push(readBytes);
        totals.add(total);
      },
    });
    assert.deepEqual([...totals], [bytes.length]);
    assert.ok(seen.length > 2);
    assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
    assert.equal(seen.at(-1), bytes.length);
  }
});

test('a cut file gives its packets and the place of the cut', async () => {
  const { packetCount, error } = await count(saved('cut.pcap', pcap.subarray(0, pcap.length - 1)));
  assert.equal(packetCount, packets.length - 1);
  assert.equal(error?.kind, 'truncated');
});

test('a cut or damaged gzip gives the packets before it', async () => {
  const noise = packets.map((packet, i) => ({ ...packet, bytes: packet.bytes.map((_, j) => (i * 7919 + j * j * 31) >> 3) }));
  const zipped = gzipSync(pcapFile(noise));
  const cut = await count(saved('cut.gz', zipped.subarray(0, zipped.length >> 1)), { chunkBytes: 4096 });
  assert.ok(cut.packetCount > 100 && cut.packetCount < packets.length, `${cut.packetCount} packets`);
  assert.equal(cut.error?.kind, 'truncated');
  const damaged = zipped.slice();
  damaged.fill(0xff, zipped.length >> 1, (zipped.length >> 1) + 40);
  const after = await count(saved('damaged.gz', damaged), { chunkBytes: 4096 });
  assert.ok(after.packetCount > 100, `${after.packetCount} packets`);
  assert.ok(after.error);
});

test('what cannot be opened is said with its cause and a remedy', async () => {
  const missing = (await count(join(folder, 'missing.pcap'))).error;
  assert.equal(missing?.kind, 'io');
  assert.deepEqual([missing?.system?.code, missing?.system?.syscall], ['ENOENT', 'open']);
  assert.match(missing?.message ?? '', /^open failed: ENOENT: no such file or directory$/);
  assert.ok(missing?.hint);
  const directory = (await count(folder)).error;
  assert.equal(directory?.kind, 'io');
  assert.equal(directory?.system?.code, 'EISDIR');
});

test('what is no capture is said, also inside gzip', async () => {
  assert.match((await count(saved('empty', new Uint8Array(0)))).error?.message ?? '', /empty/);
  assert.match((await count(saved('text', Buffer.from('hello world')))).error?.message ?? '', /68 65 6c 6c/);
  assert.match((await count(saved('text.gz', gzipSync('hello world')))).error?.message ?? '', /68 65 6c 6c/);
  assert.match((await count(saved('zstd', Buffer.from('28b52ffd00000000', 'hex')))).error?.hint ?? '', /decompress it first/);
});

test('an exception of the drain passes through and the file is closed', async () => {
  const path = saved('throws.pcap', pcap);
  const boom = (_reader: CaptureReader): void => {
    throw new Error('boom');
  };
  await assert.rejects(readCapture(path, boom), /boom/);
});

test('a signal stops between chunks', async () => {
  const stop = new AbortController();
  const { packetCount, error } = await count(saved('stop.pcap', pcap), {
    chunkBytes: 10_000,
    signal: stop.signal,
    onProgress: (readBytes) => readBytes > 50_000 && stop.abort(),
  });
  assert.equal(error?.kind, 'interrupted');
  assert.ok(packetCount > 0 && packetCount < packets.length);
});

/** Runs the reader in a process of its own, to give it a standard input. Prints count and error. */
const script = `
  const { readCapture } = await import(${JSON.stringify(join(import.meta.dirname, 'capture-input.js'))});
  let n = 0;
  const error = await readCapture(process.argv[1] ?? '-', (reader) => { while (reader.next() === 'packet') n++; });
  console.log(n + ' ' + (error?.kind ?? 'done'));
`;

test('standard input: a pipe that trickles, gzip, nothing, and a FIFO by name', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.write(gzipSync(pcap).subarray(0, 1));
  setTimeout(() => child.stdin.end(gzipSync(pcap).subarray(1)), 30);
  let text = '';
  for await (const chunk of child.stdout) text += chunk;
  assert.equal(text, '3000 done\n');
  const run = (input: Uint8Array) => spawnSync(process.execPath, ['--input-type=module', '-e', script], { input, encoding: 'utf8' });
  assert.equal(run(pcap).stdout, '3000 done\n');
  assert.equal(run(new Uint8Array(0)).stdout, '0 not-a-capture\n');
  assert.equal(run(pcap.subarray(0, 5000)).stdout.split(' ')[1], 'truncated\n');
  const path = saved('redirected.pcap', pcap);
  const shell = spawnSync('sh', ['-c', `mkfifo "$1/fifo"; cat "$2" > "$1/fifo" & "$3" --input-type=module -e "$4" "$1/fifo"; "$3" --input-type=module -e "$4" - < "$2"; wait`, 'sh', folder, path, process.execPath, script], { encoding: 'utf8' });
  assert.equal(shell.stdout, '3000 done\n3000 done\n', shell.stderr);
});
