/**
 * Records the sample captures of the repository (`samples/*.pcap`) from real programs in a
 * lab: aria2 and opentracker with and without encryption, and ordinary web, TLS and DNS
 * traffic beside it. Run once by a developer as root: `node dist/src/lab/record-samples.js`.
 * Needs Debian's aria2, opentracker, mktorrent, tcpdump, openssl, curl and python3.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type LabHost, openRoutedLab } from './namespaces.js';

const samples = fileURLToPath(new URL('../../../samples/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'p2pwall-samples-'));
// opentracker gives its privileges up before it reads its list.
chmodSync(folder, 0o755);
const CONTENT_BYTES = 96 << 10;
const TRACKER = '10.77.2.2';

/** Waits until a program ends, at most `ms`; ends it by its own id then. */
async function settle(child: ReturnType<LabHost['spawn']>, ms: number): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await Promise.race([ended, sleep(ms)]);
  if (child.exitCode === null) child.kill('SIGTERM');
}

async function record(name: string, work: (lab: ReturnType<typeof openRoutedLab>) => Promise<void>): Promise<void> {
  const lab = openRoutedLab('p2pw-smp');
  try {
    const path = join(folder, `${name}.pcap`);
    const dump = lab.router.spawn('tcpdump', ['-i', 'inside', '-s', '0', '--immediate-mode', '-U', '-w', path, 'ip and (tcp or udp)'], { stdio: 'ignore' });
    await sleep(4000);
    await work(lab);
    await sleep(500);
    dump.kill('SIGINT');
    await settle(dump, 3000);
    const { status, stderr } = lab.router.run('sh', ['-c', `cp ${path} ${join(samples, `${name}.pcap`)}`]);
    if (status !== 0) throw new Error(stderr);
    console.log(`recorded ${name}`);
  } finally {
    lab.close();
  }
}

function torrent(name: string): { file: string; torrent: string } {
  const file = join(folder, name);
  writeFileSync(file, randomBytes(CONTENT_BYTES));
  return { file, torrent: `${file}.torrent` };
}

async function swarm(lab: ReturnType<typeof openRoutedLab>, name: string, options: readonly string[]): Promise<void> {
  const made = torrent(name);
  lab.server.must('mktorrent', ['-l', '15', '-a', `http://${TRACKER}:6969/announce`, '-o', made.torrent, made.file]);
  const show = lab.server.must('aria2c', ['-S', made.torrent]);
  const hash = /Info Hash: ([0-9a-f]{40})/.exec(show)?.[1] ?? '';
  writeFileSync(join(folder, 'whitelist'), `${hash}\n`);
  lab.server.spawn('opentracker', ['-p', '6969', '-P', '6969', '-w', join(folder, 'whitelist')], { stdio: 'ignore' });
  await sleep(500);
  const common = ['--enable-dht=false', '--bt-enable-lpd=false', '--enable-peer-exchange=false', '--summary-interval=0', ...options];
  lab.server.spawn('aria2c', [...common, '-d', folder, '--seed-ratio=0', '-V', '--listen-port=6881', made.torrent], { stdio: 'ignore' });
  await sleep(9000);
  const into = join(folder, `${name}-out`);
  mkdirSync(into);
  const leecher = lab.client.spawn('aria2c', [...common, '-d', into, '--seed-time=0', '--listen-port=6882', made.torrent], { stdio: 'ignore' });
  await settle(leecher, 40_000);
}

async function web(lab: ReturnType<typeof openRoutedLab>): Promise<void> {
  writeFileSync(join(folder, 'page.html'), '<p>nothing to see here</p>\n'.repeat(200));
  lab.server.must('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=www.example.org', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')]);
  lab.server.spawn('python3', ['-m', 'http.server', '80', '--directory', folder], { stdio: 'ignore' });
  lab.server.spawn('openssl', ['s_server', '-accept', '443', '-key', join(folder, 'key.pem'), '-cert', join(folder, 'cert.pem'), '-www', '-quiet'], { stdio: 'ignore' });
  // The servers need a moment, on a busy machine a long one.
  for (let i = 0; i < 20 && lab.server.run('curl', ['-s', '-o', '/dev/null', `http://${TRACKER}/page.html`]).status !== 0; i++) await sleep(500);
  await sleep(1000);
  for (let i = 0; i < 3; i++) {
    lab.client.run('curl', ['-s', '-o', '/dev/null', '-H', 'Host: www.example.org', `http://${TRACKER}/page.html`]);
    lab.client.run('curl', ['-s', '-k', '-o', '/dev/null', '--resolve', `www.example.org:443:${TRACKER}`, 'https://www.example.org/']);
  }
}

try {
  mkdirSync(samples, { recursive: true });
  await record('bittorrent-plain', (lab) => swarm(lab, 'plain', []));
  await record('bittorrent-encrypted', (lab) => swarm(lab, 'encrypted', ['--bt-require-crypto=true', '--bt-min-crypto-level=arc4']));
  await record('web', web);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
