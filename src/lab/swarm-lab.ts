/**
 * A BitTorrent swarm of two across the gateway: one program inside, one outside, who find each other as the
 * setting says, and a file of random bytes between them.
 *
 *   client 10.77.1.2 (a program) -- router with p2pwall -- server 10.77.2.2 (a program), trackers and DHT nodes beside it
 *
 * Trackers and DHT nodes have addresses of their own, so that a rule can let discovery pass and nothing else.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type Exchange, FolderExchange } from './exchange.js';
import { CLIENT, type Gateway, PYTHON, SERVER, TRACKER, eventually, pause } from './gateway-lab.js';
import type { LabHost } from './namespaces.js';
import { type Discovery, type Encryption, type TorrentProgram, type TorrentRun, type Transport, startTorrentProgram } from './torrent-programs.js';

export interface SwarmSettings {
  readonly inside: TorrentProgram;
  readonly outside: TorrentProgram;
  /** What the program inside does; the other one does the other thing. */
  readonly insideRole: 'seed' | 'leech';
  readonly encryption: Encryption;
  /** How the program outside encrypts, when not the same way. */
  readonly outsideEncryption?: Encryption;
  readonly transport: Transport;
  readonly discovery: Discovery;
  readonly addressing: 'routed' | 'masqueraded' | 'ipv6';
}

const TRACKER_6 = 'fd77:2::3';
const TRACKER_PORT = 6969;
const DHT_PORT = 6881;
/** Each in a network of its own (of RFC 2544's): programs put no two neighbours into their tables. */
const DHT_NODES = Array.from({ length: 24 }, (_, i) => `198.18.${1 + i}.1`);
const DHT_NETWORK = '198.18.0.0/16';
/** The same of RFC 5180's. */
const DHT_NODES_6 = DHT_NODES.map((_, i) => `2001:2:0:${1 + i}::1`);
const DHT_NETWORK_6 = '2001:2::/48';
/** Where local service discovery is sent, BEP 14. */
const LOCAL_GROUP = '239.192.152.143';
const PORTS = { inside: 16_881, outside: 26_881 } as const;
const LIFE_SECONDS = 400;

/** Outside networks that only help programs find each other, for a rule that lets them pass. */
export function discoveryNetworks({ discovery, addressing }: SwarmSettings): readonly string[] {
  switch (discovery) {
    case 'dht':
      return [addressing === 'ipv6' ? DHT_NETWORK_6 : DHT_NETWORK];
    case 'lsd':
      return [`${LOCAL_GROUP}/32`];
    case 'none':
      return [];
    default:
      return [addressing === 'ipv6' ? `${TRACKER_6}/128` : `${TRACKER}/32`];
  }
}

export class SwarmLab implements Exchange {
  readonly gate: Gateway;
  readonly #files: FolderExchange;
  readonly #settings: SwarmSettings;
  readonly #runs: Partial<Record<'seed' | 'leech', TorrentRun>> = {};
  #magnet = '';

  /** `lengthBytes`: of the file. */
  constructor(gate: Gateway, settings: SwarmSettings, lengthBytes: number) {
    this.gate = gate;
    this.#settings = settings;
    this.#files = new FolderExchange(gate, lengthBytes);
  }

  /** Makes the torrent, and starts trackers, DHT nodes or the multicast router. */
  async share(): Promise<void> {
    const { gate } = this;
    const { discovery, addressing } = this.#settings;
    const host = addressing === 'ipv6' ? `[${TRACKER_6}]` : TRACKER;
    const announce = { http: `http://${host}:${TRACKER_PORT}/announce`, udp: `udp://${host}:${TRACKER_PORT}`, dht: '', lsd: '', none: '' }[discovery];
    const script = [
      'import libtorrent as lt,sys',
      'fs=lt.file_storage(); lt.add_files(fs,sys.argv[1])',
      // 64: v1_only, which this binding does not name.
      't=lt.create_torrent(fs,32768,64)',
      'if sys.argv[3]: t.add_tracker(sys.argv[3])',
      'lt.set_piece_hashes(t,sys.argv[4])',
      'open(sys.argv[2],"wb").write(lt.bencode(t.generate()))',
      'print(lt.torrent_info(sys.argv[2]).info_hash())',
    ].join('\n');
    const infoHash = gate.net.server.must(PYTHON, ['-c', script, gate.path('seed/data'), gate.path('data.torrent'), announce, gate.path('seed')]).trim();
    this.#magnet = `magnet:?xt=urn:btih:${infoHash}`;
    await this.#serveDiscovery(infoHash);
  }

  async #serveDiscovery(infoHash: string): Promise<void> {
    const { gate } = this;
    const { server, router } = gate.net;
    const { discovery, addressing } = this.#settings;
    if (discovery === 'none') return;
    if (discovery === 'lsd') {
      // libtorrent hears only announcements from its own network: one network of two segments, joined by proxy ARP.
      for (const [host, address] of [[gate.net.client, CLIENT[4]], [server, SERVER[4]]] as const) {
        host.ip(`addr del ${address}/24 dev eth0`, `addr add ${address}/16 dev eth0`, `route replace default via ${address.replace(/\d+$/, '1')} onlink dev eth0`);
      }
      router.sysctl('net.ipv4.conf.inside.proxy_arp=1', 'net.ipv4.conf.outside.proxy_arp=1');
      // Programs send with a time to live of 1: an organization's own routers raise it for their segments.
      router.must('iptables', ['-w', '-t', 'mangle', '-A', 'PREROUTING', '-d', '239.192.0.0/16', '-j', 'TTL', '--ttl-set', '8']);
      const routing = router.spawn(PYTHON, [MULTICAST_ROUTER, 'inside', 'outside']);
      if (routing.stdout) await once(routing.stdout, 'data');
    } else if (discovery === 'dht') {
      // On a host of their own: programs that bind to an interface do not reach other addresses of their own host.
      const cloud = gate.net.lab.addHost('dht');
      const isV6 = addressing === 'ipv6';
      const [near, far, bits] = isV6 ? ['fd77:3::1', 'fd77:3::2', '64'] : ['10.77.3.1', '10.77.3.2', '24'];
      const addresses = isV6 ? DHT_NODES_6 : DHT_NODES;
      gate.net.lab.connect(
        { host: router, name: 'cloud', addresses: [`${near}/${bits}`] },
        { host: cloud, name: 'eth0', addresses: [`${far}/${bits}`, ...addresses.map((address) => `${address}/${isV6 ? 128 : 32}`)] },
      );
      cloud.ip(`route add default via ${near}`);
      router.ip(`route add ${isV6 ? DHT_NETWORK_6 : DHT_NETWORK} via ${far}`);
      await once(cloud.startWorker(new URL('./dht-cloud.js', import.meta.url), { addresses, port: DHT_PORT }), 'message');
    } else if (addressing === 'ipv6') {
      server.ip(`addr add ${TRACKER_6}/64 dev eth0 nodad preferred_lft 0`);
      await once(server.startWorker(new URL('./torrent-tracker.js', import.meta.url), { host: TRACKER_6, port: TRACKER_PORT }), 'message');
    } else {
      server.ip(`addr add ${TRACKER}/24 dev eth0`);
      writeFileSync(gate.path('whitelist'), `${infoHash}\n`);
      server.spawn('opentracker', ['-i', TRACKER, '-p', String(TRACKER_PORT), '-P', String(TRACKER_PORT), '-w', gate.path('whitelist')], { stdio: 'ignore' });
    }
  }

  /** Starts the program of one role. */
  start(role: 'seed' | 'leech'): void {
    const { gate } = this;
    const { inside, outside, insideRole, encryption, outsideEncryption, transport, discovery, addressing } = this.#settings;
    const where = role === insideRole ? 'inside' : 'outside';
    const version = addressing === 'ipv6' ? 6 : 4;
    const host: LabHost = where === 'inside' ? gate.net.client : gate.net.server;
    this.#runs[role] = startTorrentProgram(where === 'inside' ? inside : outside, {
      host,
      role,
      folder: gate.path(role),
      configFolder: gate.path(`${role}-config`),
      torrent: gate.path('data.torrent'),
      magnet: this.#magnet,
      port: PORTS[where],
      address: (where === 'inside' ? CLIENT : SERVER)[version],
      encryption: where === 'outside' ? (outsideEncryption ?? encryption) : encryption,
      transport,
      discovery,
      dhtNodes: discovery !== 'dht' ? [] : addressing === 'ipv6' ? DHT_NODES_6 : DHT_NODES,
      dhtPort: DHT_PORT,
      other: where === 'inside' ? [SERVER[version], PORTS.outside] : [CLIENT[version], PORTS.inside],
      seconds: LIFE_SECONDS,
    });
  }

  /**
   * Starts both, the leecher once the seeder had time to tell trackers and nodes of itself: some leechers ask only once in
   * half an hour.
   */
  async startBoth(): Promise<void> {
    this.start('seed');
    const peer = this.#runs.seed?.peer;
    if (peer) await eventually('the seeder runs', 60, () => (peer.isRunning ? true : null));
    await pause(peer ? 1500 : 4000);
    this.start('leech');
  }

  /** Payload bytes that were exchanged, as far as anybody tells: the programs, and what stands in the leecher's file. */
  payloadBytes(): number {
    const told = [this.#runs.leech?.peer?.latest.bytes, this.#runs.seed?.peer?.latest.uploaded];
    return Math.max(this.#files.payloadBytes(), ...told.map((bytes) => bytes ?? 0));
  }

  isWhole(): boolean {
    return this.#files.isWhole();
  }
}

const MULTICAST_ROUTER = new URL('../../../src/lab/multicast-router.py', import.meta.url).pathname;
