/**
 * The wall cuts what it comes to refuse: idle connections of a blocked address, and of a policy that
 * tightens, end at both sides at once. Needs root. Safe: everything is in namespaces that the test made.
 */
import { type TestContext, test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { CLIENT, Gateway, SERVER, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';
import type { LabHost } from '../../src/lab/namespaces.js';
import type { CrowdPlan, CrowdReport } from './support/tcp-crowd.js';

const skip = gatewayUnavailable() ?? false;
/** BEP 3: length and name of the protocol, reserved bytes, info-hash, peer id. */
const HANDSHAKE = `\x13BitTorrent protocol${'\0'.repeat(8)}${'h'.repeat(20)}-XX0001-${'p'.repeat(12)}`;

async function crowd(host: LabHost, plans: Readonly<Record<string, CrowdPlan>>): Promise<Worker> {
  const worker = host.startWorker(new URL('./support/tcp-crowd.js', import.meta.url), plans);
  await once(worker, 'message');
  return worker;
}

async function endsOf(worker: Worker, name: string, count: number): Promise<Readonly<Record<string, number>>> {
  let report: CrowdReport | undefined;
  for (let i = 0; i < 60; i++) {
    worker.postMessage('report');
    const [reports] = (await once(worker, 'message')) as [Record<string, CrowdReport>];
    report = reports[name];
    if (Object.values(report?.ended ?? {}).reduce((sum, n) => sum + n, 0) >= count) break;
    await pause(50);
  }
  return report?.ended ?? {};
}

/** A wall that watches three idle connections of BitTorrent (`peer`, port 7100) and two others (`other`, 7101) between the same hosts. */
async function watchedCrowds(t: TestContext, options: ConstructorParameters<typeof Gateway>[1]): Promise<{ gate: Gateway; server: Worker; client: Worker }> {
  const gate = new Gateway('p2pw-cutwall', options);
  t.after(() => gate.close());
  await gate.up('[[rule]]\nname = "watch"\nprotocol = ["any"]\naction = "log"\n');
  const peer = { host: '::', port: 7100, traffic: 'idle', greeting: HANDSHAKE } as const;
  const other = { host: '::', port: 7101, traffic: 'idle' } as const;
  const server = await crowd(gate.net.server, { peer, other });
  const client = await crowd(gate.net.client, { peer: { ...peer, host: SERVER[4], count: 3 }, other: { ...other, host: SERVER[4], count: 2 } });
  await pause(500);
  return { gate, server, client };
}

for (const masquerade of [false, true]) {
  test(`p2pwall block ends idle connections of the address at both ends, masqueraded: ${masquerade}`, { skip }, async (t) => {
    const gate = new Gateway('p2pw-cutwall', { masquerade });
    t.after(() => gate.close());
    await gate.up('[[rule]]\nname = "watch"\nprotocol = ["any"]\naction = "log"\n');
    const server = await crowd(gate.net.server, { idle: { host: '::', port: 7100, traffic: 'idle' } });
    const client = await crowd(gate.net.client, { idle: { host: SERVER[4], port: 7100, traffic: 'idle', count: 5 } });
    await pause(300);
    assert.match(gate.command('block', CLIENT[4], '--for', '1m', '--config', gate.path('p2pwall.toml')).stdout, /is blocked/);
    assert.deepEqual(await endsOf(client, 'idle', 5), { ECONNRESET: 5 });
    assert.deepEqual(await endsOf(server, 'idle', 5), { ECONNRESET: 5 });
  });
}

test('cutter --p2p asks the running wall: BitTorrent is listed and cut, other connections of the same hosts live on', { skip }, async (t) => {
  const { gate, server, client } = await watchedCrowds(t, { masquerade: true });
  const cutter = (...args: string[]) => gate.command('cut', '--json', '--socket', gate.path('control.sock'), '--p2p', ...args);
  const ports = (text: string): number[] => text.trim().split('\n').map((line) => JSON.parse(line).original?.dst.port).filter((port) => port !== undefined);
  assert.deepEqual(ports(cutter('bittorrent', '--list').stdout), [7100, 7100, 7100]);
  assert.equal(cutter('edonkey').status, 1, 'none of another protocol');
  const result = cutter('bittorrent', CLIENT[4]);
  assert.deepEqual([result.status, ports(result.stdout)], [0, [7100, 7100, 7100]], result.stderr);
  assert.deepEqual(await endsOf(client, 'peer', 3), { ECONNRESET: 3 });
  assert.deepEqual(await endsOf(server, 'peer', 3), { ECONNRESET: 3 });
  assert.deepEqual(await endsOf(client, 'other', 0), {});
});

test('a policy that tightens to reject ends idle peer-to-peer connections at both ends, and no others', { skip }, async (t) => {
  const { gate, server, client } = await watchedCrowds(t, {});
  gate.configure('[[rule]]\nname = "none"\nprotocol = ["bittorrent"]\naction = "reject"\n');
  assert.match(gate.command('reload', '--config', gate.path('p2pwall.toml')).stdout, /1 rules are in force/);
  assert.deepEqual(await endsOf(client, 'peer', 3), { ECONNRESET: 3 });
  assert.deepEqual(await endsOf(server, 'peer', 3), { ECONNRESET: 3 });
  assert.deepEqual(await endsOf(client, 'other', 0), {});
});
