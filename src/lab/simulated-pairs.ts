/**
 * Networks whose programs are gone, by simulated peers across the gateway: Gnutella, FastTrack and OpenNap. Inside is
 * who searches and downloads; outside who has the file.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type Exchange, FolderExchange } from './exchange.js';
import type { KazaaReport } from './fasttrack-client.js';
import { CLIENT, type Gateway, SERVER } from './gateway-lab.js';
import type { GnutellaData } from './gnutella-peer.js';
import type { OpenNapData } from './opennap-peer.js';

/** The ultrapeer has an address of its own, so that a rule can let it pass and nothing else. */
export const ULTRAPEER = '10.77.2.5';
const GNUTELLA_PORT = 6346;
const FASTTRACK_PORT = 1214;
const OPENNAP_PORT = 8888;
const OPENNAP_TRANSFER_PORT = 6699;

/** RFC 4648 base 32 of a digest, as in `urn:sha1:`. */
function base32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)]).join('');
}

export async function startGnutella(gate: Gateway, lengthBytes: number): Promise<Exchange> {
  const files = new FolderExchange(gate, lengthBytes, true);
  const { server, client } = gate.net;
  server.ip(`addr add ${ULTRAPEER}/24 dev eth0`);
  const module = new URL('./gnutella-peer.js', import.meta.url);
  const shared = {
    port: GNUTELLA_PORT,
    source: { address: SERVER[4], port: GNUTELLA_PORT },
    ultrapeer: { address: ULTRAPEER, port: GNUTELLA_PORT },
    urn: `urn:sha1:${base32(createHash('sha1').update(readFileSync(gate.path('seed/data'))).digest())}`,
  };
  for (const address of [SERVER[4], ULTRAPEER]) {
    await once(server.startWorker(module, { ...shared, role: 'servent', address, file: gate.path('seed/data') } satisfies GnutellaData), 'message');
  }
  await once(client.startWorker(module, { ...shared, role: 'leaf', address: CLIENT[4], file: gate.path('leech/data') } satisfies GnutellaData), 'message');
  return files;
}

/** The supernode serves bytes of one value; the client counts what comes after the head of the answer. */
export async function startFastTrack(gate: Gateway, lengthBytes: number): Promise<Exchange> {
  const { server, client } = gate.net;
  await once(server.startWorker(new URL('./fasttrack-supernode.js', import.meta.url), { addresses: [SERVER[4]], port: FASTTRACK_PORT, pong: 0x28, fileBytes: lengthBytes }), 'message');
  const kazaa = client.startWorker(new URL('./fasttrack-client.js', import.meta.url), {
    ownAddress: CLIENT[4],
    port: FASTTRACK_PORT,
    peers: [{ address: SERVER[4], port: FASTTRACK_PORT }],
    pingIntervalMs: 2000,
    patienceMs: 6000,
    connectTimeoutMs: 3000,
  });
  let bytes = 0;
  kazaa.on('message', (report: KazaaReport) => {
    if (report.kind === 'downloaded') bytes = Math.max(bytes, report.contentBytes);
  });
  return { payloadBytes: () => bytes, isWhole: () => bytes === lengthBytes };
}

export async function startOpenNap(gate: Gateway, lengthBytes: number): Promise<Exchange> {
  const files = new FolderExchange(gate, lengthBytes, true);
  const { server, client } = gate.net;
  const module = new URL('./opennap-peer.js', import.meta.url);
  const shared = { server: { address: SERVER[4], port: OPENNAP_PORT }, sharer: { address: SERVER[4], port: OPENNAP_TRANSFER_PORT }, lengthBytes };
  for (const role of ['server', 'sharer'] as const) {
    await once(server.startWorker(module, { ...shared, role, file: gate.path('seed/data') } satisfies OpenNapData), 'message');
  }
  await once(client.startWorker(module, { ...shared, role: 'client', file: gate.path('leech/data') } satisfies OpenNapData), 'message');
  return files;
}
