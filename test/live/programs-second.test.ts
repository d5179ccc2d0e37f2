/**
 * P2P programs beyond BitTorrent against the wall: Direct Connect, eDonkey, Syncthing, Hyperswarm, libp2p, and
 * the networks whose programs are gone, Gnutella and FastTrack, by simulated peers. The same questions as in
 * programs.test.ts. Needs root. Safe: all traffic and rules are in namespaces that the tests made.
 *
 * The simulated ones run always, the others in the second tier (`script/test --all`).
 */
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { HUB, startDirectConnect } from '../../src/lab/direct-connect-pair.js';
import { EDONKEY_SERVER, startEdonkey } from '../../src/lab/edonkey-pair.js';
import { gatewayUnavailable } from '../../src/lab/gateway-lab.js';
import { HYPERDHT_NETWORK, npmProgramsUnavailable, startHyperswarm, startLibp2p } from '../../src/lab/npm-pairs.js';
import { ULTRAPEER, startFastTrack, startGnutella } from '../../src/lab/simulated-pairs.js';
import { startSyncthing } from '../../src/lab/syncthing-pair.js';
import { type Action, type WallCase, runTable } from './support/wall-case.js';

const isAll = process.env.P2PWALL_TEST_ALL === '1';
const reason = gatewayUnavailable();

const KNOWN: readonly Action[] = ['allow', 'limit', 'prioritise', 'drop', 'reject'];
const TOLD: readonly Action[] = [...KNOWN, 'drop, discovery seen', 'reject, discovery seen'];

const needs = (programs: Readonly<Record<string, string>>) => (): string | null => {
  const missing = Object.entries(programs).find(([program]) => spawnSync('which', [program]).status !== 0);
  return missing ? `needs the program ${missing[0]} (Debian package ${missing[1]}; script/setup-live --all installs it)` : null;
};
const directConnect = needs({ uhub: 'uhub', 'eiskaltdcpp-daemon': 'eiskaltdcpp-daemon' });
const amule = needs({ amuled: 'amule-daemon' });
const syncthing = needs({ syncthing: 'syncthing' });

interface Row extends WallCase {
  readonly unavailable?: () => string | null;
  readonly isAlwaysRun?: boolean;
}

const ROWS: readonly Row[] = [
  { name: 'Gnutella, simulated: search at an ultrapeer, download by HTTP', protocol: 'gnutella', isAlwaysRun: true, actions: isAll ? TOLD : ['allow', 'drop', 'reject, discovery seen'], wholeWithinSeconds: 30, discoveryNetworks: [`${ULTRAPEER}/32`], start: startGnutella },
  { name: 'FastTrack, simulated: pings, session, transfer', protocol: 'fasttrack', isAlwaysRun: true, actions: isAll ? KNOWN : ['allow', 'reject'], wholeWithinSeconds: 30, start: startFastTrack },
  { name: 'eiskaltdcpp and uhub (ADC), clients in clear', protocol: 'directconnect', unavailable: directConnect, actions: TOLD, wholeWithinSeconds: 90, discoveryNetworks: [`${HUB}/32`], start: (gate, bytes) => startDirectConnect(gate, bytes, false) },
  { name: 'eiskaltdcpp and uhub (ADC), TLS between clients', protocol: 'directconnect', unavailable: directConnect, actions: TOLD, wholeWithinSeconds: 90, discoveryNetworks: [`${HUB}/32`], start: (gate, bytes) => startDirectConnect(gate, bytes, true) },
  // It asks its sources after 40 s at the earliest, and gives 10 to 23 kB/s.
  { name: 'aMule, in clear', protocol: 'edonkey', unavailable: amule, actions: TOLD, wholeWithinSeconds: 300, wholeBytes: 400_000, limitBitsPerSecond: 60_000, discoveryNetworks: [`${EDONKEY_SERVER}/32`], start: (gate, bytes) => startEdonkey(gate, bytes, false) },
  { name: 'aMule, obfuscated between clients', protocol: 'edonkey', unavailable: amule, actions: TOLD, wholeWithinSeconds: 300, wholeBytes: 400_000, limitBitsPerSecond: 60_000, discoveryNetworks: [`${EDONKEY_SERVER}/32`], start: (gate, bytes) => startEdonkey(gate, bytes, true) },
  { name: 'Syncthing, TCP', protocol: 'syncthing', unavailable: syncthing, actions: KNOWN, wholeWithinSeconds: 60, start: (gate, bytes) => startSyncthing(gate, bytes, 'tcp') },
  { name: 'Syncthing, QUIC', protocol: 'syncthing', unavailable: syncthing, actions: KNOWN, wholeWithinSeconds: 60, start: (gate, bytes) => startSyncthing(gate, bytes, 'quic') },
  { name: 'Hyperswarm', protocol: 'hyperswarm', unavailable: npmProgramsUnavailable, actions: TOLD, wholeWithinSeconds: 60, discoveryNetworks: [HYPERDHT_NETWORK], start: startHyperswarm },
  { name: 'libp2p: TCP, Noise, Yamux', protocol: 'ipfs', unavailable: npmProgramsUnavailable, actions: KNOWN, wholeWithinSeconds: 60, start: startLibp2p },
];

/** Labs side by side. */
const AT_ONCE = 24;

test('P2P programs beyond BitTorrent across the wall', { skip: reason ?? false, concurrency: AT_ONCE }, async (t) => {
  const runnable = ROWS.filter((row) => {
    if (!isAll && row.isAlwaysRun !== true) return false;
    const lack = row.unavailable?.() ?? null;
    if (lack !== null) t.diagnostic(`skipped: ${row.name}: ${lack}`);
    return lack === null;
  });
  await runTable(t, runnable);
});
