/**
 * BitTorrent programs as seeders and leechers for live tests, each with the same few settings in its own
 * words: how it encrypts, by which transport, how it finds peers. They run in a host of a lab and end with it.
 *
 * What a program cannot do stays at its default: Transmission and qBittorrent always try TCP beside uTP.
 */
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeBencode } from './bencode.js';
import type { LabHost } from './namespaces.js';
import { PYTHON, TorrentPeer } from './gateway-lab.js';

const TORRENT_PEER = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'src', 'lab', 'torrent-peer.py');

export type TorrentProgram = 'libtorrent' | 'aria2' | 'transmission' | 'rtorrent' | 'qbittorrent';
export type Encryption = 'off' | 'any' | 'required';
export type Transport = 'tcp' | 'utp' | 'both';
/** `none`: the leecher is given the seeder's address; libtorrent only. */
export type Discovery = 'http' | 'udp' | 'dht' | 'lsd' | 'none';

/** qBittorrent asks the nodes that it was told of once it has given up the names of its own first nodes, some 25 s after its start. */
const QBITTORRENT_NODES_SECONDS = 40;

/** Executable and Debian package of each program. */
export const TORRENT_PACKAGES: Readonly<Record<TorrentProgram, readonly [string, string]>> = {
  libtorrent: [PYTHON, 'python3-libtorrent'],
  aria2: ['aria2c', 'aria2'],
  transmission: ['transmission-daemon', 'transmission-daemon'],
  rtorrent: ['rtorrent', 'rtorrent'],
  qbittorrent: ['qbittorrent-nox', 'qbittorrent-nox'],
};

export interface TorrentTask {
  readonly host: LabHost;
  readonly role: 'seed' | 'leech';
  /** Holds the file `data`, or receives it. */
  readonly folder: string;
  /** For settings and state; made when it does not exist. */
  readonly configFolder: string;
  readonly torrent: string;
  readonly magnet: string;
  readonly port: number;
  readonly address: string;
  readonly encryption: Encryption;
  readonly transport: Transport;
  readonly discovery: Discovery;
  /** Nodes of the DHT to begin with. */
  readonly dhtNodes: readonly string[];
  readonly dhtPort: number;
  /** Where the other program is, for `discovery: 'none'`. */
  readonly other?: readonly [string, number];
  readonly seconds: number;
}

/** A running program. `peer` tells of its progress, where the program tells. */
export interface TorrentRun {
  readonly child: ChildProcess;
  readonly peer: TorrentPeer | null;
}

const START: Readonly<Record<TorrentProgram, (task: TorrentTask) => TorrentRun>> = { libtorrent, aria2, transmission, rtorrent, qbittorrent };

export function startTorrentProgram(program: TorrentProgram, task: TorrentTask): TorrentRun {
  mkdirSync(task.configFolder, { recursive: true });
  return START[program](task);
}

const quiet = (task: TorrentTask, command: string, args: readonly string[]): TorrentRun => ({
  child: task.host.spawn(command, args, { stdio: 'ignore', env: { ...process.env, HOME: task.configFolder, XDG_CONFIG_HOME: task.configFolder } }),
  peer: null,
});

function libtorrent(task: TorrentTask): TorrentRun {
  const { role, discovery } = task;
  const options = {
    save: task.folder,
    torrent: task.torrent,
    ...(role === 'leech' && discovery === 'dht' ? { magnet: task.magnet } : {}),
    seed: role === 'seed',
    port: task.port,
    listen: task.address,
    encryption: task.encryption,
    transport: task.transport,
    // One is enough, and nodes to begin with never enter its table.
    dht: discovery === 'dht' ? [`${task.address.includes(':') ? `[${task.dhtNodes[0]}]` : task.dhtNodes[0]}:${task.dhtPort}`] : [],
    lsd: discovery === 'lsd',
    peers: discovery === 'none' && role === 'leech' && task.other ? [task.other] : [],
    seconds: task.seconds,
  };
  const child = task.host.spawn(PYTHON, [TORRENT_PEER, JSON.stringify(options)]);
  return { child, peer: new TorrentPeer(child) };
}

function aria2(task: TorrentTask): TorrentRun {
  const { role, discovery } = task;
  const isDht = discovery === 'dht';
  // aria2 talks to UDP trackers from its DHT's socket only.
  const hasDhtSocket = isDht || discovery === 'udp';
  return quiet(task, 'aria2c', [
    ...['-d', task.folder, `--listen-port=${task.port}`, `--interface=eth0`],
    ...(role === 'seed' ? ['--check-integrity=true', '--seed-ratio=0'] : ['--seed-time=0', '--file-allocation=none']),
    ...(task.encryption === 'required' ? ['--bt-require-crypto=true', '--bt-min-crypto-level=arc4'] : []),
    ...['--bt-tracker-interval=3', '--summary-interval=0', '--console-log-level=warn', '--no-conf'],
    ...(discovery === 'lsd' ? ['--bt-enable-lpd=true', '--bt-lpd-interface=eth0'] : ['--bt-enable-lpd=false']),
    ...(hasDhtSocket ? ['--enable-dht=true', `--dht-listen-port=${task.port + 1}`, `--dht-file-path=${join(task.configFolder, 'dht.dat')}`] : ['--enable-dht=false']),
    ...(isDht ? [`--dht-entry-point=${task.dhtNodes[0]}:${task.dhtPort}`] : []),
    isDht && role === 'leech' ? task.magnet : task.torrent,
  ]);
}

/** First data after 12 s, or 72 s with its defaults: it tries again in steps of a minute. */
function transmission(task: TorrentTask): TorrentRun {
  const { configFolder, discovery } = task;
  mkdirSync(join(configFolder, 'torrents'), { recursive: true });
  copyFileSync(task.torrent, join(configFolder, 'torrents', 'data.torrent'));
  writeFileSync(join(configFolder, 'dht.bootstrap'), task.dhtNodes.map((address) => `${address} ${task.dhtPort}\n`).join(''));
  const settings = {
    'download-dir': task.folder,
    encryption: { off: 0, any: 1, required: 2 }[task.encryption],
    'utp-enabled': task.transport !== 'tcp',
    'dht-enabled': discovery === 'dht',
    'lpd-enabled': discovery === 'lsd',
    'pex-enabled': false,
    'port-forwarding-enabled': false,
    'peer-port': task.port,
    'rpc-enabled': false,
    preallocation: 0,
    'rename-partial-files': false,
    'cache-size-mb': 0,
  };
  writeFileSync(join(configFolder, 'settings.json'), JSON.stringify(settings));
  return quiet(task, 'transmission-daemon', ['-f', '-g', configFolder]);
}

function rtorrent(task: TorrentTask): TorrentRun {
  const { configFolder } = task;
  const session = join(configFolder, 'session');
  mkdirSync(session, { recursive: true });
  const encryption = { off: 'none', any: 'allow_incoming,try_outgoing,enable_retry', required: 'allow_incoming,try_outgoing,require,require_RC4' }[task.encryption];
  const lines = [
    'system.daemon.set = true',
    `directory.default.set = ${task.folder}`,
    `session.path.set = ${session}`,
    `network.port_range.set = ${task.port}-${task.port}`,
    'network.port_random.set = no',
    `protocol.encryption.set = ${encryption}`,
    'dht.mode.set = disable',
    'protocol.pex.set = no',
    'pieces.hash.on_completion.set = no',
    `trackers.use_udp.set = ${task.discovery === 'udp' ? 'yes' : 'no'}`,
    `load.start = ${task.torrent}`,
  ];
  writeFileSync(join(configFolder, 'rtorrent.rc'), `${lines.join('\n')}\n`);
  return quiet(task, 'rtorrent', ['-n', '-o', `import=${join(configFolder, 'rtorrent.rc')}`]);
}

function qbittorrent(task: TorrentTask): TorrentRun {
  const { configFolder, discovery } = task;
  const folder = join(configFolder, 'qBittorrent', 'config');
  mkdirSync(folder, { recursive: true });
  const lines = [
    '[LegalNotice]',
    'Accepted=true',
    '[BitTorrent]',
    `Session\\Encryption=${{ off: 2, any: 0, required: 1 }[task.encryption]}`,
    `Session\\BTProtocol=${{ tcp: 'TCP', utp: 'UTP', both: 'Both' }[task.transport]}`,
    `Session\\DHTEnabled=${discovery === 'dht'}`,
    `Session\\LSDEnabled=${discovery === 'lsd'}`,
    `Session\\Port=${task.port}`,
    `Session\\DefaultSavePath=${task.folder}`,
    'Session\\Preallocation=false',
    '[Preferences]',
    'Connection\\UPnP=false',
    'WebUI\\Enabled=false',
  ];
  writeFileSync(join(folder, 'qBittorrent.conf'), `${lines.join('\n')}\n`);
  const start = (torrent: string): string[] => [`--profile=${configFolder}`, `--save-path=${task.folder}`, '--skip-dialog=true', torrent];
  if (discovery !== 'dht') return quiet(task, 'qbittorrent-nox', start(task.torrent));
  // It learns nodes from a torrent alone (BEP 5, key nodes), and does not look up a torrent for a quarter of an hour that it got before it
  // knew nodes: so it gets another one first. A second process hands the torrent to the first one.
  const first = join(configFolder, 'first.torrent');
  const info = { length: 1, name: 'first', 'piece length': 16_384, pieces: 'x'.repeat(20) };
  writeFileSync(first, encodeBencode({ info, nodes: task.dhtNodes.map((address) => [address, task.dhtPort]) }), 'latin1');
  const run = quiet(task, 'qbittorrent-nox', start(first));
  quiet(task, 'sh', ['-c', 'sleep "$0"; exec "$@"', String(QBITTORRENT_NODES_SECONDS), 'qbittorrent-nox', ...start(task.torrent)]);
  return run;
}
