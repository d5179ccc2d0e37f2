/**
 * A gateway for live tests and the demonstration: client - router with p2pwall - server, real P2P programs on
 * both sides. Everything ends with the lab; files are in a folder that is removed.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LabHost, type RoutedLab, type RoutedLabOptions, labUnavailable, openRoutedLab } from './namespaces.js';
import type { OrdinaryReport } from './ordinary-peer.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const TORRENT_PEER = join(root, 'src', 'lab', 'torrent-peer.py');
/** Debian's own interpreter: the one that has python3-libtorrent. */
export const PYTHON = '/usr/bin/python3';
export const P2PWALL = join(root, 'bin', 'p2pwall');

export const CLIENT = { 4: '10.77.1.2', 6: 'fd77:1::2' } as const;
export const SERVER = { 4: '10.77.2.2', 6: 'fd77:2::2' } as const;
export const SEEDER_PORT = 6881;
const TRACKER_PORT = 6969;
/** A second address of the server, for a tracker that a rule may let pass. */
export const TRACKER = '10.77.2.3';
const LEECHER_PORT = 16_881;

const PROGRAMS: Readonly<Record<string, string>> = { iptables: 'iptables', ipset: 'ipset', tc: 'iproute2', aria2c: 'aria2', opentracker: 'opentracker', mktorrent: 'mktorrent' };

/** Why these tests cannot run here, for skipping; null when they can. */
export function gatewayUnavailable(): string | null {
  const lab = labUnavailable();
  if (lab !== null) return lab;
  for (const [program, packageName] of Object.entries(PROGRAMS)) {
    if (spawnSync('which', [program]).status !== 0) return `needs the program ${program} (Debian package ${packageName}; script/setup-live installs it)`;
  }
  return spawnSync(PYTHON, ['-c', 'import libtorrent']).status === 0 ? null : 'needs python3-libtorrent (script/setup-live installs it)';
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `look` gives something else than null, at most `seconds`. */
export async function eventually<T>(what: string, seconds: number, look: () => T | null | Promise<T | null>): Promise<T> {
  for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs; await pause(50)) {
    const found = await look();
    if (found !== null) return found;
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

export interface Progress {
  readonly bytes: number;
  readonly done: boolean;
  readonly peers: number;
  readonly uploaded: number;
}

/** A libtorrent peer and its latest word. */
export class TorrentPeer {
  readonly process: ChildProcess;
  latest: Progress = { bytes: 0, done: false, peers: 0, uploaded: 0 };
  /** It has told of its progress at least once. */
  isRunning = false;
  words = '';

  constructor(process: ChildProcess) {
    this.process = process;
    let pending = '';
    process.stdout?.on('data', (data: Buffer) => {
      const lines = (pending + data.toString()).split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('{')) this.latest = JSON.parse(line) as Progress;
      this.isRunning ||= lines.length > 0;
    });
    process.stderr?.on('data', (data: Buffer) => {
      this.words += data.toString();
    });
  }

  stop(): void {
    this.process.kill('SIGKILL');
  }
}

export interface PeerSettings {
  readonly encryption?: 'off' | 'any' | 'required';
  readonly transport?: 'tcp' | 'utp' | 'both';
  /** Folder and listening port of a further leecher. */
  readonly folder?: string;
  readonly port?: number;
  readonly ipVersion?: 4 | 6;
  /** The seeder's address is given to it instead of letting a tracker tell; `gossip`: the gossip's address. */
  readonly direct?: boolean | 'gossip';
  /** Addresses and ports that the leecher is given instead of the seeder's own. */
  readonly peers?: readonly (readonly [string, number])[];
  readonly seconds?: number;
  readonly tracker?: 'http' | 'udp';
  /** What it takes of connections that others begin; default as `encryption`. */
  readonly incoming?: 'off' | 'any' | 'required';
  /** A node of the hash table to begin with, `address:port`; empty for the first one itself. */
  readonly dht?: string;
  /** Announces itself on its link (BEP 14). */
  readonly isLocal?: boolean;
}

/** `node`: of the hash table alone. `gossip`: is of the swarm, wants no data and knows who else is. Both stand at `TRACKER`. */
export type PeerRole = 'seed' | 'leech' | 'node' | 'gossip';

export class Gateway {
  readonly net: RoutedLab;
  readonly folder: string;
  daemon: ChildProcess | null = null;
  /** What is started as the daemon. */
  program = P2PWALL;
  daemonWords = '';

  constructor(prefix: string, options: RoutedLabOptions = {}) {
    this.net = openRoutedLab(prefix, options);
    this.folder = mkdtempSync(join(tmpdir(), 'p2pwall-live-'));
    // opentracker gives up its privileges before it reads its list.
    chmodSync(this.folder, 0o755);
    this.net.router.sysctl('net.netfilter.nf_conntrack_acct=1');
  }

  get router(): LabHost {
    return this.net.router;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Writes p2pwall.toml; `rules` is TOML that follows the [gateway] section's settings in `gateway`. */
  configure(rules: string, gateway = ''): string {
    const path = this.path('p2pwall.toml');
    writeFileSync(
      path,
      `[gateway]\ninside = ["inside"]\noutside = ["outside"]\n${gateway}\n[events]\nfile = "${this.path('eve.json')}"\ntypes = ["p2p", "block", "stats", "flow", "peer"]\n[control]\nsocket = "${this.path('control.sock')}"\n${rules}`,
    );
    return path;
  }

  /** Starts the daemon in the router and waits until it says that the wall stands. */
  async up(rules: string, gateway = '', environment: NodeJS.ProcessEnv = {}): Promise<void> {
    await this.upWith(readFileSync(this.configure(rules, gateway), 'utf8'), [], environment);
  }

  /** As `up`, with a configuration file of one's own. */
  async upWith(text: string, wrapper: readonly string[] = [], environment: NodeJS.ProcessEnv = {}): Promise<void> {
    const config = this.path('p2pwall.toml');
    writeFileSync(config, text);
    this.daemonWords = '';
    const [command = '', ...args] = [...wrapper, process.execPath, this.program, 'run', '--config', config];
    const daemon = this.router.spawn(command, args, { env: { ...process.env, ...environment } });
    this.daemon = daemon;
    const listen = (data: Buffer): void => {
      this.daemonWords += data.toString();
    };
    daemon.stderr?.on('data', listen);
    daemon.stdout?.on('data', listen);
    // Long: many labs may start at once on a small machine.
    await eventually('the wall stands', 120, () => {
      if (daemon.exitCode !== null) throw new Error(`the daemon ended: ${this.daemonWords}`);
      return this.daemonWords.includes('the wall stands') ? true : null;
    });
  }

  /** Ends the daemon with a signal; returns its exit status. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { daemon } = this;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return daemon?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => daemon.once('exit', (code) => resolve(code)));
    daemon.kill(signal);
    return ended;
  }

  /** Runs a command of p2pwall in the router and parses its JSON. */
  ask<T>(...args: string[]): T {
    const result = this.command(...args, '--config', this.path('p2pwall.toml'), '--json');
    if (result.status !== 0) throw new Error(`p2pwall ${args.join(' ')}: ${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  }

  command(...args: string[]): { status: number; stdout: string; stderr: string } {
    return this.router.run(process.execPath, [P2PWALL, ...args]);
  }

  /** What the event file holds. */
  events(type: string): Record<string, unknown>[] {
    const path = this.path('eve.json');
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, 'utf8').split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event_type }) => event_type === type);
  }

  /** A file of random bytes, its torrent with a tracker on the server, and opentracker to serve it; `none`: no tracker at all. */
  share(lengthBytes: number, tracker: 'http' | 'udp' | 'none', trackerAddress: string = SERVER[4]): void {
    if (trackerAddress === TRACKER) this.net.server.ip(`addr add ${TRACKER}/24 dev eth0`);
    mkdirSync(this.path('seed'), { recursive: true });
    mkdirSync(this.path('leech'), { recursive: true });
    writeFileSync(this.path('seed/data'), randomBytes(lengthBytes));
    const announce = tracker === 'none' ? [] : ['-a', `${tracker}://${trackerAddress}:${TRACKER_PORT}${tracker === 'http' ? '/announce' : ''}`];
    this.net.server.must('mktorrent', ['-l', '15', ...announce, '-o', this.path('data.torrent'), this.path('seed/data')]);
    if (tracker === 'none') return;
    const script = 'import libtorrent,sys; print(libtorrent.torrent_info(sys.argv[1]).info_hash())';
    const infoHash = this.net.server.must(PYTHON, ['-c', script, this.path('data.torrent')]).trim();
    writeFileSync(this.path('whitelist'), `${infoHash}\n`);
    this.net.server.spawn('opentracker', ['-i', trackerAddress, '-p', String(TRACKER_PORT), '-P', String(TRACKER_PORT), '-w', this.path('whitelist')], { stdio: 'ignore' });
  }

  peer(role: PeerRole, settings: PeerSettings = {}): TorrentPeer {
    const version = settings.ipVersion ?? 4;
    const host = role === 'leech' ? this.net.client : this.net.server;
    const given = role === 'seed' || settings.direct === undefined || settings.direct === false ? null : settings.direct === 'gossip' ? TRACKER : SERVER[version];
    const options = {
      save: this.path(settings.folder ?? role),
      ...(role === 'node' ? {} : { torrent: this.path('data.torrent') }),
      seed: role === 'seed',
      wants: role !== 'gossip',
      port: settings.port ?? (role === 'leech' ? LEECHER_PORT : SEEDER_PORT),
      listen: role === 'leech' ? CLIENT[version] : role === 'seed' ? SERVER[version] : TRACKER,
      encryption: settings.encryption ?? 'off',
      ...(settings.incoming === undefined ? {} : { incoming: settings.incoming }),
      transport: settings.transport ?? 'tcp',
      peers: settings.peers ?? (given === null ? [] : [[given, SEEDER_PORT]]),
      ...(settings.dht === undefined ? {} : { table: settings.dht }),
      lsd: settings.isLocal === true,
      seconds: settings.seconds ?? 300,
    };
    return new TorrentPeer(host.spawn(PYTHON, [TORRENT_PEER, JSON.stringify(options)]));
  }

  /** aria2 as leecher; its progress is the size of what it has written, and its own end. */
  aria2(settings: PeerSettings = {}): ChildProcess {
    const crypto = settings.encryption === 'required' ? ['--bt-require-crypto=true', '--bt-min-crypto-level=arc4'] : [];
    const options = ['--seed-time=0', '--bt-enable-lpd=false', '--file-allocation=none', '--bt-tracker-interval=3', '--listen-port=16882', '--summary-interval=0', '--console-log-level=warn', '--no-conf'];
    // aria2 talks to UDP trackers from its DHT's socket only.
    const dht = settings.tracker === 'udp' ? ['--enable-dht=true', `--dht-file-path=${this.path('dht.dat')}`] : ['--enable-dht=false'];
    return this.net.client.spawn('aria2c', ['-d', this.path(settings.folder ?? 'leech'), ...options, ...dht, ...crypto, this.path('data.torrent')], { stdio: 'ignore' });
  }

  /** Everyday traffic between client and server that goes on until its report is asked for; `pauseMs` between exchanges. */
  async ordinaryTraffic(ipVersion: 4 | 6 = 4, pauseMs = 100): Promise<() => Promise<OrdinaryReport>> {
    const [key, cert] = [this.path('key.pem'), this.path('cert.pem')];
    this.net.server.must('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=www.example.org', '-keyout', key, '-out', cert]);
    const module = new URL('./ordinary-peer.js', import.meta.url);
    const files = { pauseMs, host: SERVER[ipVersion], key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
    await once(this.net.server.startWorker(module, { ...files, role: 'server' }), 'message');
    const client = this.net.client.startWorker(module, { ...files, role: 'client' });
    await once(client, 'message');
    return async () => {
      client.postMessage('report');
      return ((await once(client, 'message')) as [OrdinaryReport])[0];
    };
  }

  /** The file in the leecher's folder is the seeder's. */
  downloadedIsRight(folder = 'leech'): boolean {
    const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
    return existsSync(this.path(`${folder}/data`)) && hash(this.path(`${folder}/data`)) === hash(this.path('seed/data'));
  }

  close(): void {
    this.net.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
