/**
 * Programs from npm across the gateway: Hyperswarm and libp2p. They are no dependencies of the product:
 * script/setup-live --all installs them into test/live/programs.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Exchange, FolderExchange } from './exchange.js';
import { type Gateway, SERVER } from './gateway-lab.js';
import type { LabHost } from './namespaces.js';

const PROGRAMS = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'test', 'live', 'programs');
const SECONDS = 400;
const HYPERDHT_PORT = 49_737;
/** Each in a network of its own (of RFC 2544's), as nodes of a real table are. */
const HYPERDHT_NODES = Array.from({ length: 8 }, (_, i) => `198.19.${1 + i}.1`);
export const HYPERDHT_NETWORK = '198.19.0.0/16';

/** Why they cannot run here; null when they can. */
export function npmProgramsUnavailable(): string | null {
  return existsSync(join(PROGRAMS, 'node_modules', 'hyperswarm')) ? null : 'needs programs from npm (script/setup-live --all installs them)';
}

/** Starts a program of theirs; returns its first words. */
async function run(host: LabHost, script: string, options: object): Promise<string> {
  const child = host.spawn(process.execPath, [join(PROGRAMS, script), JSON.stringify({ ...options, seconds: SECONDS })], { cwd: PROGRAMS });
  let words = '';
  child.stderr?.on('data', (data: Buffer) => {
    words += data.toString();
  });
  child.stdout?.resume();
  if (!child.stdout) throw new Error('no output');
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${script} ended: ${words}`);
  });
  const [first] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
  ended.catch(() => undefined);
  return first.toString().trim();
}

/** The DHT's nodes are on a host of their own behind the router. */
export async function startHyperswarm(gate: Gateway, lengthBytes: number): Promise<Exchange> {
  const files = new FolderExchange(gate, lengthBytes, true);
  const { server, client, router, lab } = gate.net;
  const nodes = lab.addHost('hyperdht');
  lab.connect({ host: router, name: 'cloud', addresses: ['10.77.3.1/24'] }, { host: nodes, name: 'eth0', addresses: ['10.77.3.2/24', ...HYPERDHT_NODES.map((address) => `${address}/32`)] });
  nodes.ip('route add default via 10.77.3.1');
  router.ip(`route add ${HYPERDHT_NETWORK} via 10.77.3.2`);
  await run(nodes, 'hyperswarm-peer.mjs', { role: 'nodes', addresses: HYPERDHT_NODES, port: HYPERDHT_PORT });
  const bootstrap = [{ host: HYPERDHT_NODES[0], port: HYPERDHT_PORT }];
  await run(server, 'hyperswarm-peer.mjs', { role: 'seed', bootstrap, file: gate.path('seed/data') });
  await run(client, 'hyperswarm-peer.mjs', { role: 'leech', bootstrap, file: gate.path('leech/data') });
  return files;
}

export async function startLibp2p(gate: Gateway, lengthBytes: number): Promise<Exchange> {
  const files = new FolderExchange(gate, lengthBytes, true);
  const dial = await run(gate.net.server, 'libp2p-peer.mjs', { role: 'seed', listen: `/ip4/${SERVER[4]}/tcp/4001`, file: gate.path('seed/data') });
  await run(gate.net.client, 'libp2p-peer.mjs', { role: 'leech', dial, file: gate.path('leech/data') });
  return files;
}
