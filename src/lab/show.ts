/**
 * The live show of script/demo, as root: real BitTorrent programs and everyday servers talk across a router with
 * p2pwall, first with policy `log`, then `drop`. Prints live tables and a verdict sheet; ends by itself within two
 * minutes. Everything is in network namespaces of its own. Exit status 1 when the sheet is not what it should be.
 */
import { mkdirSync, rmSync } from 'node:fs';
import type { TopRow } from '../control/protocol.js';
import { bytesText, countText, tableText } from '../report/table.js';
import { Gateway, type TorrentPeer, gatewayUnavailable, pause } from './gateway-lab.js';
import type { OrdinaryReport } from './ordinary-peer.js';

const MIB = 1 << 20;
const FILE_BYTES = 4 * MIB;
const PHASE_SECONDS = 24;
const LOG = '[[rule]]\nname = "watch"\nprotocol = ["any"]\naction = "log"\n';
const DROP = '[[rule]]\nname = "no file sharing"\nprotocol = ["file-sharing"]\naction = "drop"\n';

interface PhaseResult {
  readonly policy: string;
  readonly p2pBytes: number;
  readonly finished: readonly string[];
  readonly ordinary: OrdinaryReport;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

function liveTable(gate: Gateway, second: number, policy: string): void {
  const rows = gate.ask<TopRow[]>('top').slice(0, 8);
  const cells = rows.map((row) => [row.client, row.protocol === '-' ? 'ordinary' : row.protocol, row.action, countText(row.flows), bytesText(row.bytes)]);
  const columns = [{ title: 'CLIENT' }, { title: 'PROTOCOL' }, { title: 'VERDICT' }, { title: 'FLOWS', align: 'right' as const }, { title: 'BYTES', align: 'right' as const }];
  say(`policy ${policy}, after ${second} s\n${tableText(columns, cells, null)}\n`);
}

/** The programs that download, each into a folder of its own. */
function leechers(gate: Gateway): { readonly name: string; readonly isDone: () => boolean; readonly stop: () => void }[] {
  for (const folder of ['plain', 'utp', 'aria2']) {
    rmSync(gate.path(folder), { recursive: true, force: true });
    mkdirSync(gate.path(folder));
  }
  const peers: [string, TorrentPeer][] = [
    ['libtorrent over TCP', gate.peer('leech', { folder: 'plain', port: 16_801, transport: 'tcp', encryption: 'off' })],
    ['libtorrent over uTP, encrypted', gate.peer('leech', { folder: 'utp', port: 16_802, transport: 'utp', encryption: 'required' })],
  ];
  const aria2 = gate.aria2({ folder: 'aria2', encryption: 'required' });
  return [
    ...peers.map(([name, peer]) => ({ name, isDone: () => peer.latest.done, stop: () => peer.stop() })),
    { name: 'aria2, encrypted', isDone: () => aria2.exitCode === 0, stop: () => void aria2.kill('SIGKILL') },
  ];
}

async function phase(gate: Gateway, policy: string, seeder: TorrentPeer, report: () => Promise<OrdinaryReport>): Promise<PhaseResult> {
  const before = seeder.latest.uploaded;
  const ordinaryBefore = await report();
  const programs = leechers(gate);
  for (let second = 1; second <= PHASE_SECONDS; second++) {
    await pause(1000);
    if (second % 4 === 0) liveTable(gate, second, policy);
    if (second > 8 && programs.every(({ isDone }) => isDone())) break;
  }
  const finished = programs.filter(({ isDone }) => isDone()).map(({ name }) => name);
  for (const program of programs) program.stop();
  const now = await report();
  const exchanges = Object.fromEntries(Object.entries(now.exchanges).map(([name, count]) => [name, count - (ordinaryBefore.exchanges[name] ?? 0)]));
  return { policy, p2pBytes: seeder.latest.uploaded - before, finished, ordinary: { exchanges, mismatches: now.mismatches.slice(ordinaryBefore.mismatches.length) } };
}

interface P2pEvent {
  readonly proto: string;
  readonly p2p: { readonly protocol: string; readonly feature: string; readonly confidence: string; readonly packet: number; readonly why: string };
  readonly verdict: { readonly action: string };
}

/** What was recognised, how often, how soon. */
function findingsTable(events: readonly P2pEvent[]): string {
  const groups = new Map<string, { event: P2pEvent; flows: number; packets: number[] }>();
  for (const event of events) {
    const key = `${event.verdict.action} ${event.p2p.protocol} ${event.p2p.feature} ${event.p2p.confidence} ${event.proto}`;
    const group = groups.get(key) ?? { event, flows: 0, packets: [] };
    group.flows++;
    group.packets.push(event.p2p.packet);
    groups.set(key, group);
  }
  const rows = [...groups.values()].map(({ event, flows, packets }) => {
    const [least, most] = [Math.min(...packets), Math.max(...packets)];
    return [event.verdict.action, `${event.p2p.protocol}/${event.p2p.feature}`, event.proto, event.p2p.confidence, countText(flows), least === most ? String(least) : `${least}-${most}`, event.p2p.why];
  });
  const columns = [{ title: 'POLICY' }, { title: 'RECOGNISED' }, { title: 'PROTO' }, { title: 'SURE' }, { title: 'FLOWS', align: 'right' as const }, { title: 'AT PACKET', align: 'right' as const }, { title: 'BECAUSE' }];
  return tableText(columns, rows, process.stdout.columns ?? 150);
}

function sheet(results: readonly PhaseResult[], events: readonly P2pEvent[]): boolean {
  say('== Verdict sheet\n');
  say(findingsTable(events));
  const rows = results.map(({ policy, p2pBytes, finished, ordinary }) => [
    policy,
    bytesText(p2pBytes),
    finished.join(', ') || 'none',
    Object.entries(ordinary.exchanges).map(([name, count]) => `${name} ${count}`).join(', '),
    ordinary.mismatches.length === 0 ? 'none' : ordinary.mismatches.join('; '),
  ]);
  say(`\n${tableText([{ title: 'POLICY' }, { title: 'P2P DATA' }, { title: 'DOWNLOADS FINISHED' }, { title: 'EVERYDAY EXCHANGES, BYTE FOR BYTE' }, { title: 'HARMED' }], rows, null)}\n`);
  const [watched, dropped] = results;
  const isGood = watched?.finished.length === 3 && dropped?.p2pBytes === 0 && dropped.finished.length === 0 && results.every(({ ordinary }) => ordinary.mismatches.length === 0);
  say(isGood ? 'With log everything passed and was named; with drop not one byte of P2P data passed, and nothing else was touched.' : 'This is not what should have happened: please report it.');
  return isGood;
}

export async function show(): Promise<number> {
  const reason = gatewayUnavailable();
  if (reason !== null) {
    say(`The live show cannot run here: it ${reason}.`);
    return 0;
  }
  const gate = new Gateway('p2pw-show', { masquerade: true });
  try {
    say('client 10.77.1.2 -- router with p2pwall, masquerading -- server 10.77.2.2: opentracker, a libtorrent seeder, HTTP, TLS, SSH-like, DNS\n');
    gate.share(FILE_BYTES, 'http');
    await gate.up(LOG);
    const report = await gate.ordinaryTraffic();
    const seeder = gate.peer('seed', { transport: 'both', encryption: 'any' });
    await pause(1500);
    const results = [await phase(gate, 'log', seeder, report)];
    say('The policy changes: p2pwall reload\n');
    gate.configure(DROP);
    gate.command('reload', '--config', gate.path('p2pwall.toml'));
    results.push(await phase(gate, 'drop', seeder, report));
    const isGood = sheet(results, gate.events('p2p') as unknown as P2pEvent[]);
    await gate.end();
    return isGood ? 0 : 1;
  } finally {
    gate.close();
  }
}

if (process.argv[1]?.endsWith('show.js')) process.exitCode = await show();
