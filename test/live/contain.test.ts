/**
 * `contain` against real BitTorrent programs that encrypt everything: what tells them of peers is seen in clear (HTTP and UDP
 * trackers, hash table, peer exchange, local discovery), so every connection to a peer is refused on its first packet, while the
 * same client's web traffic arrives byte for byte. Needs root. Safe: all traffic and rules are in namespaces that the tests made.
 */
import { describe, test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PeerList } from '../../src/control/protocol.js';
import { type TorrentProgram, startTorrentProgram } from '../../src/lab/torrent-programs.js';
import { CLIENT, Gateway, type PeerSettings, SEEDER_PORT, SERVER, TRACKER, type TorrentPeer, eventually, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';

const isAll = process.env.P2PWALL_TEST_ALL === '1';
const live = { skip: gatewayUnavailable() ?? false };
/** How long a contained program may try to find a way. */
const SECONDS = isAll ? 90 : 15;
/** Within which the slowest of them is done with nothing in its way: peer exchange speaks once a minute. */
const FREE_SECONDS = 150;
const MIB = 1 << 20;
const NODE_PORT = 7001;
const LSD_GROUP = '239.192.152.143';
const MULTICAST_ROUTE = fileURLToPath(new URL('../../../src/lab/multicast-route.py', import.meta.url));

interface Leecher {
  readonly process: ChildProcess;
  readonly isDone: () => boolean;
}

interface Case {
  readonly name: string;
  readonly tracker: 'http' | 'udp' | 'none';
  /** Lets what tells of peers pass, so that only the connections are left to refuse. */
  readonly rule?: string;
  readonly seed?: PeerSettings;
  readonly start: (gate: Gateway) => Leecher;
  /** What the links need. */
  readonly prepare?: (gate: Gateway) => Promise<void>;
  /** Others of the swarm. */
  readonly others?: (gate: Gateway) => TorrentPeer;
  /** How the wall came to know of the seeder: features in its events. */
  readonly told: RegExp;
}

const MSE: PeerSettings = { encryption: 'required' };
const UTP_MSE: PeerSettings = { encryption: 'required', transport: 'utp' };

function libtorrent(settings: PeerSettings): (gate: Gateway) => Leecher {
  return (gate) => {
    const peer: TorrentPeer = gate.peer('leech', settings);
    return { process: peer.process, isDone: () => peer.latest.done };
  };
}

function aria2(settings: PeerSettings): (gate: Gateway) => Leecher {
  return (gate) => {
    const program = gate.aria2(settings);
    return { process: program, isDone: () => program.exitCode === 0 };
  };
}

/** Programs that need minutes to give up or to try again. */
function patient(program: TorrentProgram): (gate: Gateway) => Leecher {
  return (gate) => {
    const { child } = startTorrentProgram(program, {
      host: gate.net.client,
      role: 'leech',
      folder: gate.path('leech'),
      // Anew for each start: a killed rTorrent leaves its lock behind.
      configFolder: mkdtempSync(gate.path(program)),
      torrent: gate.path('data.torrent'),
      magnet: '',
      port: 16_883,
      address: CLIENT[4],
      encryption: 'required',
      transport: 'both',
      discovery: 'http',
      dhtNodes: [],
      dhtPort: 0,
      seconds: 300,
    });
    return { process: child, isDone: () => gate.downloadedIsRight() };
  };
}

/** A multicast router carries local discovery from link to link, and the client takes the other link for its own. */
async function joinLinks({ net }: Gateway): Promise<void> {
  net.client.ip(`addr del ${CLIENT[4]}/24 dev eth0`, `addr add ${CLIENT[4]}/16 dev eth0`, 'route replace default via 10.77.1.1');
  net.router.sysctl('net.ipv4.conf.inside.proxy_arp=1');
  // Programs announce with a time to live of 1.
  net.server.must('iptables', ['-w', '-t', 'mangle', '-A', 'OUTPUT', '-d', LSD_GROUP, '-j', 'TTL', '--ttl-set', '8']);
  const route = net.router.spawn('/usr/bin/python3', [MULTICAST_ROUTE, LSD_GROUP, SERVER[4], 'outside', 'inside'], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (!route.stdout) throw new Error('no output');
  await once(route.stdout, 'data');
}

const CASES: readonly Case[] = [
  { name: 'libtorrent, HTTP tracker, MSE', tracker: 'http', seed: MSE, start: libtorrent(MSE), told: /tracker/ },
  { name: 'libtorrent, HTTP tracker, MSE over uTP', tracker: 'http', seed: UTP_MSE, start: libtorrent(UTP_MSE), told: /tracker/ },
  { name: 'aria2, HTTP tracker, MSE', tracker: 'http', seed: MSE, start: aria2(MSE), told: /tracker/ },
  { name: 'aria2, UDP tracker, MSE', tracker: 'udp', seed: MSE, start: aria2({ ...MSE, tracker: 'udp' }), told: /tracker/ },
  { name: 'libtorrent, UDP tracker, MSE over uTP', tracker: 'udp', seed: UTP_MSE, start: libtorrent(UTP_MSE), told: /tracker/ },
  {
    name: 'libtorrent, hash table alone, MSE over TCP and uTP',
    tracker: 'none',
    others: (gate) => gate.peer('node', { port: NODE_PORT, dht: '' }),
    seed: { encryption: 'required', transport: 'both', dht: `${TRACKER}:${NODE_PORT}` },
    start: libtorrent({ encryption: 'required', transport: 'both', dht: `${TRACKER}:${NODE_PORT}` }),
    told: /dht/,
  },
  {
    name: 'libtorrent, peer exchange alone, MSE',
    tracker: 'none',
    others: (gate) => gate.peer('gossip', { encryption: 'any', incoming: 'off', direct: true }),
    seed: MSE,
    start: libtorrent({ encryption: 'any', direct: 'gossip' }),
    told: /./,
  },
  {
    name: 'libtorrent, local discovery alone, MSE',
    tracker: 'none',
    prepare: joinLinks,
    rule: `clients = ["${LSD_GROUP}"]`,
    seed: { ...MSE, isLocal: true },
    start: libtorrent({ ...MSE, isLocal: true }),
    told: /./,
  },
];

const SLOW_CASES: readonly Case[] = (['transmission', 'rtorrent', 'qbittorrent'] as const).map((program) => ({
  name: `${program}, HTTP tracker, MSE`,
  tracker: 'http',
  seed: { encryption: 'required', transport: 'both' },
  start: patient(program),
  told: /tracker/,
}));

/** Packets of `host` that a counting rule saw. */
function counted(host: Gateway['router'], comment: string): number {
  const line = host.must('iptables-save', ['-c', '-t', 'raw']).split('\n').find((text) => text.includes(comment));
  return Number(/^\[(\d+):/.exec(line ?? '')?.[1] ?? -1);
}

function count(host: Gateway['router'], comment: string, ...match: string[]): void {
  host.must('iptables', ['-w', '-t', 'raw', '-A', 'PREROUTING', ...match, '-m', 'comment', '--comment', comment]);
}

async function contained(t: TestContext, it: Case): Promise<void> {
  const gate = new Gateway('p2pw-contain');
  t.after(() => gate.close());
  gate.share(2 * MIB, it.tracker, TRACKER);
  await it.prepare?.(gate);
  const { server, router } = gate.net;
  for (const protocol of ['tcp', 'udp']) {
    count(server, `arrived-${protocol}`, '-s', CLIENT[4], '-d', SERVER[4], '-p', protocol, '--dport', String(SEEDER_PORT));
    count(router, `sent-${protocol}`, '-s', CLIENT[4], '-d', SERVER[4], '-p', protocol, '--dport', String(SEEDER_PORT));
  }
  const exception = `[[rule]]\nname = "who tells"\n${it.rule ?? `outside = ["${TRACKER}"]`}\naction = "allow"\n`;
  await gate.up(`${exception}[[rule]]\nname = "hold"\nprotocol = ["file-sharing"]\naction = "contain"\nhold = "5m"\n`);
  const report = await gate.ordinaryTraffic();
  const others = it.others?.(gate);
  const seeder = gate.peer('seed', it.seed);
  // They make themselves known first.
  await pause(3000);
  const leecher = it.start(gate);
  const sentCount = (): number => counted(router, 'sent-tcp') + counted(router, 'sent-udp');
  // Some take longer to be told.
  for (let second = 0; second < SECONDS || (sentCount() === 0 && second < SECONDS + 45); second++) {
    await pause(1000);
    assert.equal(seeder.latest.uploaded, 0, `data came through after ${second} s`);
  }
  // Byte for byte, while the client was held.
  const { exchanges, mismatches } = await report();
  assert.deepEqual(mismatches.filter((text) => text.startsWith('tls') || text.startsWith('http')), []);
  assert.ok((exchanges.tls ?? 0) >= 5, `${exchanges.tls} HTTPS exchanges of 20,000 bytes`);
  const sent = sentCount();
  const arrived = counted(server, 'arrived-tcp') + counted(server, 'arrived-udp');
  const list = gate.ask<PeerList>('peers');
  const member = router.must('ipset', ['list', 'p2pwall-peers4']).split('\n').filter((line) => line.startsWith(`${SERVER[4]},`) && line.includes(`:${SEEDER_PORT},${CLIENT[4]} `));
  const inKernel = member.reduce((sum, line) => sum + Number(/packets (\d+)/.exec(line)?.[1] ?? 0), 0);
  t.diagnostic(`${it.name}: ${sent} packets to the seeder, ${arrived} arrived, ${inKernel} dropped by the kernel's set; ${exchanges.tls} HTTPS exchanges, all right`);
  assert.ok(sent > 0, 'the program was told of the seeder and tried');
  assert.equal(arrived, 0, 'refused on the first packet');
  assert.ok(list.contained.some(({ client, peer, port }) => client === CLIENT[4] && peer === SERVER[4] && port === SEEDER_PORT), JSON.stringify(list.contained));
  assert.ok(inKernel > 0, 'later ones never reach the program');
  const features = gate.events('p2p').map(({ p2p }) => (p2p as { feature: string }).feature).join(' ');
  assert.match(features, it.told);
  // The same without the wall: so it was the wall that held it. All start anew, since programs remember who did not answer and wait
  // ever longer; in an empty folder, since aria2 refuses a file whose state it lost.
  assert.equal(await gate.end(), 0);
  leecher.process.kill('SIGKILL');
  seeder.stop();
  others?.stop();
  rmSync(gate.path('leech'), { recursive: true });
  mkdirSync(gate.path('leech'));
  await pause(500);
  it.others?.(gate);
  gate.peer('seed', it.seed);
  await pause(3000);
  const free = it.start(gate);
  await eventually('the download, without the wall', FREE_SECONDS, () => (free.isDone() ? true : null));
  assert.ok(gate.downloadedIsRight());
}

describe('contained: not one piece, refused on the first packet; HTTPS untouched', { concurrency: 4 }, () => {
  for (const it of [...CASES, ...(isAll ? SLOW_CASES : [])]) test(it.name, { ...live, timeout: 300_000 }, (t) => contained(t, it));
});
