/** `p2pwall identify` and `explain` as users run them: output, messages, exit statuses. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ascii, concat } from '../../base/bytes.js';
import { type CapturedPacket, pcapFile, pcapngFile } from '../../pcap/capture-writer.js';
import { buildEthernet, buildTcp, buildUdp } from '../../wire/build.js';
import { TCP_ACK, TCP_SYN } from '../../wire/constants.js';

const folder = mkdtempSync(join(tmpdir(), 'p2pwall-identify-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const launcher = join(import.meta.dirname, '../../../../bin/p2pwall');

const CLIENT = '192.0.2.10';
const PEER = '198.51.100.7';
const handshake = concat(ascii('\x13BitTorrent protocol'), new Uint8Array(48));
const question = Uint8Array.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 0x77, 0x77, 0x77, 0, 0, 1, 0, 1);

function packet(ip: Uint8Array, second: number): CapturedPacket {
  return { bytes: buildEthernet(ip), timeMs: 1_700_000_000_000 + second * 1000 };
}
const peers = { src: CLIENT, dst: PEER, srcPort: 40_000, dstPort: 6881 };
const packets = [
  packet(buildTcp({ ...peers, seq: 99, flags: TCP_SYN, payload: new Uint8Array(0) }), 0),
  packet(buildTcp({ ...peers, seq: 100, flags: TCP_ACK, payload: handshake }), 1),
  packet(buildUdp({ src: CLIENT, dst: PEER, srcPort: 5000, dstPort: 53, payload: question }), 2),
];

function saved(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
const good = saved('good.pcap', pcapFile(packets));

function run(args: readonly string[], input?: Uint8Array, environment: Record<string, string> = {}) {
  const { FORCE_COLOR: _, ...rest } = process.env;
  const { stdout, stderr, status } = spawnSync(process.execPath, [launcher, ...args], { input, encoding: 'utf8', timeout: 30_000, env: { ...rest, ...environment } });
  return { stdout, stderr, status };
}
const lines = (text: string): Record<string, unknown>[] => text.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);

test('--json: one flow a line, in the form of EVE, and a summary last', () => {
  const { stdout, stderr, status } = run(['identify', '--json', good]);
  assert.deepEqual([status, stderr], [0, '']);
  const [flow, summary] = lines(stdout);
  assert.deepEqual(Object.keys(flow ?? {}), ['event_type', 'capture', 'flow_id', 'start', 'end', 'src_ip', 'src_port', 'dest_ip', 'dest_port', 'proto', 'packets', 'bytes', 'p2p']);
  const { flow_id, ...rest } = flow ?? {};
  assert.ok(Number.isSafeInteger(flow_id));
  assert.deepEqual(rest, {
    event_type: 'flow',
    capture: good,
    start: '2023-11-14T22:13:20.000000Z',
    end: '2023-11-14T22:13:21.000000Z',
    src_ip: CLIENT,
    src_port: 40_000,
    dest_ip: PEER,
    dest_port: 6881,
    proto: 'TCP',
    packets: 2,
    bytes: 40 + 40 + 68,
    p2p: { protocol: 'bittorrent', category: 'file-sharing', feature: 'handshake', confidence: 'certain', why: 'BitTorrent peer handshake', packet: 2 },
  });
  assert.equal(summary?.event_type, 'summary');
  assert.deepEqual([summary?.captures, summary?.packets, summary?.flows, summary?.p2p_flows, summary?.errors], [1, 3, 2, 1, []]);
});

test('--json --all lists ordinary flows, too, without a finding', () => {
  const flows = lines(run(['identify', '--json', '--all', good]).stdout).filter((it) => it.event_type === 'flow');
  assert.deepEqual(flows.map(({ dest_port, p2p }) => [dest_port, p2p === null]), [[6881, false], [53, true]]);
});

test('standard input, plain and gzip', () => {
  for (const input of [pcapFile(packets), gzipSync(pcapngFile(packets))]) {
    const { stdout, status } = run(['identify', '--json', '-'], input);
    assert.deepEqual([status, lines(stdout)[0]?.capture], [0, '-']);
  }
});

/** Feeds a capture, interrupts when it was taken, and closes the pipe so long afterwards, or never. */
async function interrupted(closesAfterMs: number | null) {
  const child = spawn(process.execPath, [launcher, 'identify', '--json', '-'], { stdio: ['pipe', 'pipe', 'pipe'], timeout: 30_000 });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // More than the pipe holds: when all is written, the program has begun to read, and heeds signals.
  const filler = Array.from({ length: 200 }, (_, at) => packet(buildUdp({ src: CLIENT, dst: PEER, srcPort: 5000, dstPort: 53, payload: new Uint8Array(1400) }), 3 + at));
  await new Promise((written) => child.stdin.write(pcapFile([...packets, ...filler]), written));
  child.kill('SIGINT');
  if (closesAfterMs !== null) setTimeout(() => child.stdin.end(), closesAfterMs);
  const status = await new Promise((done) => child.once('close', done));
  child.stdin.destroy();
  return { status, stderr, summary: lines(stdout).at(-1) };
}

test('Ctrl-C in a pipe: the rest of what the other program writes is read, and everything reported', async () => {
  const { status, stderr, summary } = await interrupted(50);
  assert.deepEqual([status, stderr, summary?.packets, summary?.p2p_flows], [0, '', 203, 1]);
});

test('Ctrl-C while the other program never ends: what was read is reported, status 1', async () => {
  const { status, stderr, summary } = await interrupted(null);
  assert.deepEqual([status, summary?.packets, summary?.p2p_flows], [1, 203, 1]);
  assert.match(stderr, /^p2pwall: -: interrupted \(at byte [0-9]+\); what was read until then is reported\n$/);
});

test('for people: a summary by protocol, then the flows; colours only when asked for', () => {
  const { stdout, status } = run(['identify', good]);
  assert.equal(status, 0);
  assert.match(stdout, /good\.pcap: 3 packets, .*2 flows, 1 peer-to-peer/);
  assert.match(stdout, /PROTOCOL +CATEGORY +FLOWS +CERTAIN +LIKELY +SUSPECTED +PACKETS +BYTES +CLIENTS\n +bittorrent +file-sharing +1 +1 +0 +0 +2 +148 B +1\n/);
  assert.match(stdout, /bittorrent +handshake +certain +TCP +192\.0\.2\.10:40000 +198\.51\.100\.7:6881/);
  const colour = '\u001b[';
  assert.ok(!stdout.includes(colour));
  assert.ok(run(['identify', good], undefined, { FORCE_COLOR: '1' }).stdout.includes(colour));
  assert.ok(!run(['identify', good], undefined, { FORCE_COLOR: '1', NO_COLOR: '1' }).stdout.includes(colour));
});

const whole = pcapFile(packets);
const absurd = pcapFile(packets);
// The captured length of the second record: file header 24, first record 16 + 54, seconds and fraction 8.
new DataView(absurd.buffer).setUint32(24 + 16 + 54 + 8, 0xfffffff0, true);
const empty = { bytes: new Uint8Array(0), timeMs: 1_700_000_000_000 };

const bad: readonly [name: string, bytes: Uint8Array | null, message: RegExp, flowsFound: number][] = [
  ['missing.pcap', null, /ENOENT/, 0],
  ['empty.pcap', new Uint8Array(0), /the input is empty \(at byte 0\)/, 0],
  ['text.pcap', ascii('no capture at all, but long enough'), /not a pcap or pcapng capture: it begins with 6e 6f 20 63 \(at byte 0\)/, 0],
  ['cut.pcap', whole.subarray(0, whole.length - 3), /ends inside the record after packet 2 \(at byte 232\)/, 1],
  ['cut.pcap.gz', gzipSync(whole).subarray(0, -12), /gzip data ends too early \(at byte \d+/, 1],
  ['absurd.pcap', absurd, /packet 2 says that 4294967280 bytes of it were captured \(at byte 94\)/, 0],
  ['link.pcap', pcapFile(packets, { linkType: 147 }), /link type 147 is not known: 3 packets could not be decoded, the first is packet 1 \(at byte 40\)/, 0],
  ['links.pcapng', pcapngFile([{ ...packets[0]!, interfaceIndex: 1 }, ...packets], { interfaces: [{}, { linkType: 147 }] }), /link type 147 is not known: 1 packet could not be decoded, the first is packet 1 \(at byte \d+\)/, 1],
  ['zero.pcap', pcapFile([...packets, empty, empty]), /2 packets without any byte, the first is packet 4 \(at byte \d+\)/, 1],
];
for (const [name, bytes, message, flowsFound] of bad) {
  test(`bad input: ${name}: a message with file and offset, what was read is reported, status 1`, () => {
    const path = bytes === null ? join(folder, name) : saved(name, bytes);
    const { stdout, stderr, status } = run(['identify', '--json', path]);
    assert.equal(status, 1);
    assert.ok(stderr.startsWith(`p2pwall: ${path}: `), stderr);
    assert.match(stderr, message);
    const found = lines(stdout);
    assert.equal(found.length - 1, flowsFound);
    const summary = found.at(-1);
    assert.ok(summary);
    const [error] = summary.errors as { capture: string; message: string; offset: number }[];
    assert.equal(error?.capture, path);
    assert.equal(typeof error?.offset, 'number');
    assert.ok(stderr.includes(error?.message ?? '-'));
    assert.equal(run(['explain', path]).status, 1);
  });
}

test('a capture of which nothing could be read has no summary that looks like a clean one, only the message', () => {
  for (const [name, bytes] of bad.slice(0, 3)) {
    const path = bytes === null ? join(folder, name) : saved(name, bytes);
    for (const command of ['identify', 'explain']) {
      const { stdout, stderr } = run([command, path]);
      assert.equal(stdout, '', `${command} ${name}`);
      assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    }
  }
  assert.match(run(['identify', join(folder, 'missing.pcap'), good]).stdout, /^\S*good\.pcap: 3 packets/);
});

test('wrong use: status 2', () => {
  for (const args of [['identify'], ['identify', '--bogus', good], ['bogus'], ['identify', '--max-flows', 'many', good]]) {
    assert.equal(run(args).status, 2, args.join(' '));
  }
  for (const args of [['-h'], ['identify', '--help'], ['--version'], ['completion', 'fish']]) assert.equal(run(args).status, 0, args.join(' '));
});

test('explain: which packet, which bytes, which rule, and what was ruled out', () => {
  const { stdout, status } = run(['explain', good]);
  assert.equal(status, 0);
  assert.match(stdout, /TCP 192\.0\.2\.10:40000 > 198\.51\.100\.7:6881 +2 packets/);
  assert.match(stdout, /packet 2 > 68 bytes of payload\n +0000 +13 42 69 74 54 6f 72 72/);
  assert.match(stdout, /bittorrent handshake: certain: BitTorrent peer handshake/);
  const ordinary = run(['explain', good, `${CLIENT}:5000`]).stdout;
  assert.match(ordinary, /no finding/);
  assert.match(ordinary, /ruled out: .*bittorrent/);
  assert.equal(run(['explain', good, '10.9.9.9:1']).status, 1);
});
