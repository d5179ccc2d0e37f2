/**
 * Each supplied script in a rule, against real programs (simulated peers where no program is left): its counter must equal
 * what the interpreter says of the recorded packets, and with a target the rule must have its effect. Needs root. Safe: all
 * traffic and rules are in namespaces that the tests made.
 *
 * Programs that take minutes run in the second tier (`script/test --all`).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { startDirectConnect } from '../../src/lab/direct-connect-pair.js';
import { startEdonkey } from '../../src/lab/edonkey-pair.js';
import type { Exchange } from '../../src/lab/exchange.js';
import { type Gateway, SERVER, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';
import { startFastTrack, startGnutella, startOpenNap } from '../../src/lab/simulated-pairs.js';
import { SwarmLab, type SwarmSettings } from '../../src/lab/swarm-lab.js';
import { RopeScene, type ScriptUse } from './support/rope-scene.js';

const isAll = process.env.P2PWALL_TEST_ALL === '1';
const has = (program: string): boolean => spawnSync('which', [program]).status === 0;
const reason = gatewayUnavailable() ?? (has('tcpdump') ? null : 'needs tcpdump') ?? (has('curl') ? null : 'needs curl') ?? (has('faketime') ? null : 'needs faketime');

const plain = (name: string): ScriptUse => ({ name, words: [], args: [] });

interface Row {
  readonly script: ScriptUse;
  readonly name: string;
  readonly start: (gate: Gateway, lengthBytes: number) => Promise<Exchange>;
  readonly needs?: readonly string[];
  /** Without the rule it is done within so long; with it, nothing may come for `blockedSeconds`. */
  readonly wholeSeconds: number;
  readonly blockedSeconds: number;
  readonly isSlow?: boolean;
}

const KIB = 1024;
const FILE_BYTES = 256 * KIB;

function swarm(settings: Partial<SwarmSettings>): Row['start'] {
  return async (gate, lengthBytes) => {
    const whole: SwarmSettings = { inside: 'libtorrent', outside: 'libtorrent', insideRole: 'leech', encryption: 'off', transport: 'tcp', discovery: 'http', addressing: 'routed', ...settings };
    const lab = new SwarmLab(gate, whole, lengthBytes);
    await lab.share();
    lab.start('seed');
    lab.start('leech');
    return lab;
  };
}

const bittorrent = (name: string, settings: Partial<SwarmSettings>, more: Partial<Row> = {}): Row => ({ script: plain('bittorrent'), name, start: swarm(settings), wholeSeconds: 60, blockedSeconds: 12, ...more });

const ROWS: readonly Row[] = [
  bittorrent('libtorrent over TCP, HTTP tracker', {}),
  bittorrent('libtorrent over uTP, UDP tracker', { transport: 'utp', discovery: 'udp' }),
  bittorrent('libtorrent over IPv6', { addressing: 'ipv6' }),
  bittorrent('aria2, UDP tracker', { inside: 'aria2', encryption: 'any', discovery: 'udp' }),
  bittorrent('libtorrent, peers by DHT alone', { transport: 'both', discovery: 'dht' }),
  bittorrent('Transmission', { inside: 'transmission', discovery: 'udp' }, { needs: ['transmission-daemon'], wholeSeconds: 90, isSlow: true }),
  bittorrent('rTorrent', { inside: 'rtorrent' }, { needs: ['rtorrent'], wholeSeconds: 90, isSlow: true }),
  { script: plain('gnutella'), name: 'search at an ultrapeer, download (simulated)', start: startGnutella, wholeSeconds: 30, blockedSeconds: 8 },
  { script: plain('fasttrack'), name: 'pings, session, transfer (simulated)', start: startFastTrack, wholeSeconds: 30, blockedSeconds: 8 },
  { script: plain('opennap'), name: 'login, search, transfer (simulated)', start: startOpenNap, wholeSeconds: 30, blockedSeconds: 8 },
  { script: plain('directconnect'), name: 'eiskaltdcpp and uhub', start: (gate, bytes) => startDirectConnect(gate, bytes, false), needs: ['uhub', 'eiskaltdcpp-daemon'], wholeSeconds: 120, blockedSeconds: 40, isSlow: true },
  { script: plain('edonkey'), name: 'aMule', start: (gate, bytes) => startEdonkey(gate, bytes, false), needs: ['amuled'], wholeSeconds: 300, blockedSeconds: 90, isSlow: true },
];

async function until(seconds: number, isDone: () => boolean): Promise<boolean> {
  for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs; await pause(200)) if (isDone()) return true;
  return isDone();
}

async function counts(row: Row): Promise<string> {
  const scene = new RopeScene(row.script);
  try {
    scene.rule();
    await scene.record();
    const exchange = await row.start(scene.gate, FILE_BYTES);
    assert.ok(await until(row.wholeSeconds, () => exchange.isWhole()), `without a target the exchange is done within ${row.wholeSeconds} s: ${exchange.payloadBytes()} bytes`);
    const { kernel, interpreter, packets } = await scene.compare();
    assert.ok(kernel > 0, 'the script matched');
    assert.equal(kernel, interpreter, 'the kernel and the interpreter count the same');
    return `${kernel} of ${packets} packets`;
  } finally {
    scene.close();
  }
}

async function blocks(row: Row): Promise<void> {
  const scene = new RopeScene(row.script);
  try {
    scene.rule('-j', 'DROP');
    const started = row.start(scene.gate, FILE_BYTES);
    // What finds its peer through the router may never be ready.
    const exchange = await Promise.race([started, pause(row.blockedSeconds * 1000).then(() => null)]);
    if (exchange !== null) {
      await until(row.blockedSeconds, () => exchange.payloadBytes() > 0);
      assert.equal(exchange.payloadBytes(), 0, 'not one byte of the file came');
    }
    assert.ok(await until(20, () => scene.counted() > 0), 'the rule dropped packets');
    started.catch(() => undefined);
  } finally {
    scene.close();
  }
}

test('supplied scripts against programs', { skip: reason ?? false, concurrency: 8 }, async (t) => {
  const runs: Promise<void>[] = [];
  for (const row of ROWS.filter(({ isSlow }) => isAll || isSlow !== true)) {
    const lack = row.needs?.find((program) => !has(program));
    if (lack !== undefined) {
      t.diagnostic(`skipped: ${row.name}: needs the program ${lack} (script/setup-live --all installs it)`);
      continue;
    }
    runs.push(t.test(`${row.script.name}: ${row.name}: counter and interpreter agree`, async (own) => own.diagnostic(`${row.script.name}, ${row.name}: matched ${await counts(row)}`)));
    runs.push(t.test(`${row.script.name}: ${row.name}: with DROP nothing comes through`, () => blocks(row)));
  }
  await Promise.all(runs);
});

/** Serves files of a folder by HTTP, with ranges, until the lab ends. */
const WEB = `
import http.server,os,sys
class H(http.server.BaseHTTPRequestHandler):
  protocol_version="HTTP/1.1"
  def log_message(self,*a): pass
  def do_GET(self):
    try: data=open(os.path.join(sys.argv[2],os.path.basename(self.path)),"rb").read()
    except OSError: return self.send_error(404)
    r=self.headers.get("Range")
    if r:
      a,b=r[6:].split("-"); a=int(a); b=min(int(b or len(data)-1),len(data)-1)
      self.send_response(206); self.send_header("Content-Range","bytes %d-%d/%d"%(a,b,len(data))); data=data[a:b+1]
    else: self.send_response(200)
    self.send_header("Content-Type","application/octet-stream"); self.send_header("Content-Length",str(len(data))); self.end_headers(); self.wfile.write(data)
http.server.ThreadingHTTPServer((sys.argv[1],80),H).serve_forever()`;

/** Starts the web server; the answer of curl: how many bytes came. */
async function web(gate: Gateway): Promise<(path: string, ...options: string[]) => number> {
  mkdirSync(gate.path('web'));
  writeFileSync(gate.path('web/large'), Buffer.alloc(400 * KIB, 'large file '));
  writeFileSync(gate.path('web/small'), Buffer.alloc(20 * KIB, 'small file '));
  writeFileSync(gate.path('web/binary'), Buffer.alloc(20 * KIB, 0xf5));
  writeFileSync(gate.path('web/x.torrent'), `d8:announce35:http://tracker.example.org/announce4:infod6:lengthi1e4:name4:data12:piece lengthi16384e6:pieces20:${'x'.repeat(20)}ee`);
  gate.net.server.spawn('/usr/bin/python3', ['-c', WEB, SERVER[4], gate.path('web')], { stdio: 'ignore' });
  const get = (path: string, ...options: string[]): number =>
    Number(gate.net.client.run('curl', ['-s', '-m', '6', '-o', '/dev/null', '-w', '%{size_download}', ...options, `http://${SERVER[4]}/${path}`]).stdout);
  // Port 80 is open soon; asked from beside it, so that no rule is in the way.
  for (let i = 0; i < 100 && gate.net.server.run('curl', ['-s', '-m', '2', `http://${SERVER[4]}/none`]).status !== 0; i++) await pause(100);
  return get;
}

interface WebRow {
  readonly use: ScriptUse;
  readonly target: readonly string[];
  /** Path, options of curl, bytes without the rule, bytes with it: null for "not all of them". */
  readonly gets: readonly (readonly [string, readonly string[], number, number | null])[];
  /** When the script must not match at all. */
  readonly isSilent?: boolean;
  readonly when?: string;
}

/** Seconds from now to the next such hour of local time. */
function untilNext(day: number, hour: number): number {
  const then = new Date();
  then.setHours(hour, 0, 0, 0);
  then.setDate(then.getDate() + ((day - then.getDay() + 7) % 7 || 7));
  return Math.round((then.getTime() - Date.now()) / 1000);
}

const CONTLEN: ScriptUse = { name: 'contlen', words: ['--push-int', '100000'], args: [{ type: 'int', value: 100_000 }] };
const SUBNET: ScriptUse = {
  name: 'subnet',
  words: ['--push-ip', '10.77.1.0', '--push-ip', '255.255.255.0'],
  args: [{ type: 'str', bytes: Uint8Array.of(10, 77, 1, 0) }, { type: 'str', bytes: Uint8Array.of(255, 255, 255, 0) }],
};
const TORRENT_BYTES = 134;

const WEB_ROWS: readonly WebRow[] = [
  {
    use: CONTLEN,
    target: ['-p', 'tcp', '-j', 'REJECT', '--reject-with', 'tcp-reset'],
    gets: [['large', [], 400 * KIB, null], ['small', [], 20 * KIB, 20 * KIB], ['large', ['-r', '0-999'], 1000, null], ['small', ['-r', '0-999'], 1000, 1000]],
  },
  { use: plain('bittorrent'), target: ['-j', 'DROP'], gets: [['x.torrent', [], TORRENT_BYTES, null], ['small', [], 20 * KIB, 20 * KIB]] },
  { use: SUBNET, target: ['-j', 'DROP'], gets: [['small', [], 20 * KIB, null]] },
  { use: plain('ascii-only'), target: ['-j', 'DROP'], gets: [['small', [], 20 * KIB, null]] },
  { use: { ...plain('office-hours'), laterSeconds: untilNext(3, 10) }, when: ' on a Wednesday at ten', target: ['-j', 'DROP'], gets: [['small', [], 20 * KIB, null]] },
  { use: { ...plain('office-hours'), laterSeconds: untilNext(3, 19) }, when: ' on a Wednesday at seven in the evening', target: ['-j', 'DROP'], gets: [['small', [], 20 * KIB, 20 * KIB]], isSilent: true },
  { use: { ...plain('office-hours'), laterSeconds: untilNext(6, 10) }, when: ' on a Saturday at ten', target: ['-j', 'DROP'], gets: [['small', [], 20 * KIB, 20 * KIB]], isSilent: true },
];

test('scripts about downloads and everyday packets, with curl', { skip: reason ?? false, concurrency: 3 }, async (t) => {
  await Promise.all(
    WEB_ROWS.map(({ use, target, gets, isSilent = false, when = '' }) =>
      t.test(`${use.name}${when}: counter, interpreter and effect`, async (own) => {
        const scene = new RopeScene(use);
        try {
          const get = await web(scene.gate);
          scene.rule();
          await scene.record();
          for (const [path, options, bytes] of gets) assert.equal(get(path, ...options), bytes, `${path} ${options.join(' ')} without a target`);
          const { kernel, interpreter, packets } = await scene.compare();
          assert.equal(kernel > 0, !isSilent, `${kernel} of ${packets} packets matched`);
          assert.equal(kernel, interpreter, 'the kernel and the interpreter count the same');
          own.diagnostic(`${use.name}: matched ${interpreter} of ${packets} packets`);
        } finally {
          scene.close();
        }
        const other = new RopeScene(use);
        try {
          const get = await web(other.gate);
          other.rule(...target);
          for (const [path, options, whole, bytes] of gets) {
            const got = get(path, ...options);
            if (bytes === null) assert.ok(got < whole, `${path} ${options.join(' ')}: ${got} of ${whole} bytes in spite of the rule`);
            else assert.equal(got, bytes, `${path} ${options.join(' ')} with the rule`);
          }
          assert.equal(other.counted() > 0, !isSilent);
        } finally {
          other.close();
        }
      }),
    ),
  );
});
