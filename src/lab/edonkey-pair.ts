/**
 * eDonkey across the gateway: amuled with a shared file outside, amuled inside that is given the link, and an
 * eDonkey server that tells sources. In clear, or obfuscated between the clients.
 *
 * The server is a host of its own behind the router, so that a rule can let it pass and nothing else.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type Exchange, FolderExchange } from './exchange.js';
import { CLIENT, type Gateway, SERVER } from './gateway-lab.js';
import type { EdonkeyServerData } from './edonkey-server.js';
import { md4 } from './md4.js';
import type { LabHost } from './namespaces.js';

export const EDONKEY_SERVER = '10.77.3.2';
const SERVER_PORT = 4661;
/** One part: then the file's hash is the MD4 of its bytes. */
const MAX_BYTES = 9_728_000;

const KAD_PORT = 4672;

interface AmuleSettings {
  readonly isObfuscated: boolean;
  readonly links?: readonly string[];
  /** Address of the Kad node that it knows; then it looks for no server. */
  readonly kadNode?: string;
}

function startAmule(gate: Gateway, host: LabHost, role: 'seed' | 'leech', address: string, { isObfuscated, links = [], kadNode }: AmuleSettings): void {
  const config = gate.path(`${role}-config`);
  const incoming = role === 'seed' ? gate.path('seed') : gate.path('leech/incoming');
  const temporary = role === 'seed' ? gate.path('seed-temp') : gate.path('leech/temp');
  for (const folder of [config, incoming, temporary]) mkdirSync(folder, { recursive: true });
  const crypt = isObfuscated ? 1 : 0;
  const lines = [
    '[eMule]',
    `Nick=${role}`,
    'AppVersion=2.3.3',
    `Address=${address}`,
    'Port=4662',
    `UDPPort=${KAD_PORT}`,
    'UDPEnable=1',
    'Autoconnect=1',
    'Reconnect=1',
    `ConnectToED2K=${kadNode === undefined ? 1 : 0}`,
    `ConnectToKad=${kadNode === undefined ? 0 : 1}`,
    'SmartIdCheck=0',
    'SafeServerConnect=0',
    'FilterLanIPs=0',
    'IPFilterClients=0',
    'IPFilterServers=0',
    'UPnPEnabled=0',
    'MaxUpload=0',
    'SlotAllocation=100',
    `TempDir=${temporary}`,
    `IncomingDir=${incoming}`,
    'NewVersionCheck=0',
    '[ExternalConnect]',
    'AcceptExternalConnections=1',
    'ECAddress=127.0.0.1',
    'ECPort=4712',
    `ECPassword=${createHash('md5').update('lab').digest('hex')}`,
    '[Obfuscation]',
    `IsClientCryptLayerSupported=${crypt}`,
    `IsCryptLayerRequested=${crypt}`,
    'IsClientCryptLayerRequired=0',
    '',
  ];
  writeFileSync(`${config}/amule.conf`, lines.join('\n'));
  // server.met: format 0x0e, one server without tags.
  const port = [SERVER_PORT & 255, SERVER_PORT >> 8];
  writeFileSync(`${config}/server.met`, Uint8Array.of(0x0e, 1, 0, 0, 0, ...EDONKEY_SERVER.split('.').map(Number), ...port, 0, 0, 0, 0));
  if (kadNode !== undefined) writeFileSync(`${config}/nodes.dat`, nodesFile(kadNode));
  if (links.length > 0) writeFileSync(`${config}/ED2KLinks`, `${links.join('\n')}\n`);
  host.spawn('amuled', ['-c', config, '--disable-fatal'], { stdio: 'ignore', env: { ...process.env, HOME: config } });
}

export async function startEdonkey(gate: Gateway, lengthBytes: number, isObfuscated: boolean): Promise<Exchange> {
  if (lengthBytes > MAX_BYTES) throw new RangeError(`at most ${MAX_BYTES} bytes`);
  const files = new FolderExchange(gate, lengthBytes);
  const { server, client, router, lab } = gate.net;
  const host = lab.addHost('ed2k');
  lab.connect({ host: router, name: 'cloud', addresses: ['10.77.3.1/24'] }, { host, name: 'eth0', addresses: [`${EDONKEY_SERVER}/24`] });
  host.ip('route add default via 10.77.3.1');
  const worker = host.startWorker(new URL('./edonkey-server.js', import.meta.url), { host: EDONKEY_SERVER, port: SERVER_PORT, isObfuscated } satisfies EdonkeyServerData);
  await once(worker, 'message');
  startAmule(gate, server, 'seed', SERVER[4], { isObfuscated });
  // The offer: aMule hashes its files first, and tells a server of them after a minute when it was connected before.
  await once(worker, 'message', { signal: AbortSignal.timeout(150_000) });
  const hash = md4(readFileSync(gate.path('seed/data'))).toUpperCase();
  startAmule(gate, client, 'leech', CLIENT[4], { isObfuscated, links: [`ed2k://|file|data|${lengthBytes}|${hash}|/|sources,${SERVER[4]}:4662|/`] });
  return files;
}

/** nodes.dat of version 2 with one contact: identifier, address, ports, Kad version, its key for us, verified. Numbers little-endian. */
function nodesFile(address: string): Uint8Array {
  const file = Buffer.alloc(12 + 34);
  file.writeUInt32LE(2, 4);
  file.writeUInt32LE(1, 8);
  // Not its identifier: it says that itself.
  file.fill(0x5a, 12, 28);
  file.writeUInt32LE(address.split('.').reduce((all, byte) => all * 256 + Number(byte), 0), 28);
  file.writeUInt16LE(KAD_PORT, 32);
  file.writeUInt16LE(4662, 34);
  // Kad version of eMule 0.49b and newer.
  file.writeUInt8(8, 36);
  file.writeUInt8(1, 45);
  return file;
}

/** aMule takes no contact of private or reserved networks: these are public ones, in a lab without a way out. */
export const KAD_NODES = { inside: '81.2.71.2', outside: '81.2.72.2' } as const;

/** Two amuleds that know each other as Kad nodes, without any server. They say hello, and go on asking each other. Search needs more nodes. */
export function startKad(gate: Gateway): void {
  const { client, server, router } = gate.net;
  client.ip(`addr add ${KAD_NODES.inside}/32 dev eth0`, `route replace default via 10.77.1.1 src ${KAD_NODES.inside}`);
  server.ip(`addr add ${KAD_NODES.outside}/32 dev eth0`, `route replace default via 10.77.2.1 src ${KAD_NODES.outside}`);
  router.ip(`route add ${KAD_NODES.inside}/32 via ${CLIENT[4]}`, `route add ${KAD_NODES.outside}/32 via ${SERVER[4]}`);
  startAmule(gate, server, 'seed', KAD_NODES.outside, { isObfuscated: false, kadNode: KAD_NODES.inside });
  startAmule(gate, client, 'leech', KAD_NODES.inside, { isObfuscated: false, kadNode: KAD_NODES.outside });
}
