/**
 * Cutting real connections, each method alone on the same suite. Needs root, conntrack(8).
 * Safe: all connections, rules and packets are in namespaces that the test made.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { labUnavailable } from '../../src/lab/namespaces.js';
import { CutLab, assertReset, clockMs, legSummary, withPorts } from './support/cut-lab.js';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LabHost } from '../../src/lab/namespaces.js';
import type { CrowdPlan } from './support/tcp-crowd.js';

const skip = labUnavailable() ?? false;
const METHODS = ['window', 'challenge', 'reject'] as const;
const V4 = '10.77.2.2';
const V6 = 'fd77:2::2';
const idle = (host: string, port: number, count?: number): CrowdPlan => ({ host, port, traffic: 'idle', ...(count === undefined ? {} : { count }) });

/** Masquerading, source NAT to a fixed address, port forwarding, both at once; the rest is plainly routed. */
function natRules(lab: CutLab): void {
  const { router } = lab.net;
  router.ip('addr add 10.77.2.9/24 dev outside');
  const nat = (tool: string, rule: string): void => {
    router.must(tool, ['-w', '-t', 'nat', ...rule.split(' ')]);
  };
  for (const tool of ['iptables', 'ip6tables']) nat(tool, '-A POSTROUTING -o outside -p tcp --dport 443 -j MASQUERADE');
  nat('iptables', '-A POSTROUTING -o outside -p tcp --dport 7000 -j SNAT --to-source 10.77.2.9:30000-30100');
  nat('iptables', '-A PREROUTING -i outside -p tcp --dport 8080 -j DNAT --to-destination 10.77.1.2:80');
  nat('iptables', '-A PREROUTING -i inside -p tcp --dport 9000 -j DNAT --to-destination 10.77.2.2:7000');
}

const FLOOD = fileURLToPath(new URL('../../../test/live/support/flood.py', import.meta.url));

/** Starts one end of a full-speed transfer; gives its words, line by line. */
function flood(host: LabHost, ...args: string[]): AsyncIterator<string> {
  const child = host.spawn('/usr/bin/python3', [FLOOD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(child.stdout);
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}

for (const method of METHODS) {
  test(`${method}: programs with plain sockets, at full speed in both directions, both see ECONNRESET within a second`, { skip }, async (t) => {
    const lab = new CutLab(t);
    natRules(lab);
    for (const port of ['22', '443']) {
      const ends = [flood(lab.net.server, 'listen', '0.0.0.0', port)];
      assert.equal((await ends[0]?.next())?.value, 'ready');
      ends.push(flood(lab.net.client, 'connect', V4, port));
      assert.equal((await ends[1]?.next())?.value, 'ready');
      for (const end of ends) assert.equal((await end.next()).value, 'flows');
      const startedMs = clockMs();
      const answer = await lab.cut({ method, selection: withPorts(Number(port)) });
      assert.ok(answer.report.results.length === 1 && answer.report.results[0]?.isCut, legSummary(answer));
      for (const end of ends) {
        const { error, atMs } = JSON.parse((await end.next()).value ?? '{}') as { error: string; atMs: number };
        assert.equal(error, 'ECONNRESET');
        assert.ok(atMs - startedMs - answer.discoverMs - answer.report.prepareMs < 1000, `${atMs - startedMs} ms`);
      }
    }
    assert.equal(lab.net.router.must('conntrack', ['-C']).trim(), '0');
  });

  test(`${method}: idle connections, plain and through every form of NAT, both families; neighbours live on`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, router, server } = lab.net;
    natRules(lab);
    const serverCrowd = await lab.crowd(server, {
      plain: idle('::', 22), masquerade: idle('::', 443), both: idle('::', 7000), keep: { host: '::', port: 23, traffic: 'slow' },
    });
    const clientCrowd = await lab.crowd(client, {
      plain: idle(V4, 22, 3), plain6: idle(V6, 22, 3), masquerade: idle(V4, 443, 3), masquerade6: idle(V6, 443, 3),
      both: idle('10.77.1.1', 9000, 3), forward: idle('::', 80), keep: { host: V4, port: 23, traffic: 'slow', count: 3 },
    });
    const outside = await lab.crowd(server, { forward: idle('10.77.2.1', 8080, 3) });
    const rules = lab.rules();
    const startedMs = clockMs();
    const answer = await lab.cut({ method, selection: withPorts(22, 443, 9000, 8080) });
    assert.equal(answer.report.results.length, 18);
    assert.ok(answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
    const ofClient = await lab.reportsWhen(clientCrowd, (all) => ['plain', 'plain6', 'masquerade', 'masquerade6', 'both', 'forward'].every((name) => all[name]?.open === 0));
    const ofServer = await lab.reportsWhen(serverCrowd, (all) => ['plain', 'masquerade', 'both'].every((name) => all[name]?.open === 0));
    const ofOutside = await lab.reportsWhen(outside, (all) => all.forward?.open === 0);
    assertReset('client', ofClient, { plain: 3, plain6: 3, masquerade: 3, masquerade6: 3, both: 3, forward: 3 });
    assertReset('server', ofServer, { plain: 6, masquerade: 6, both: 3 });
    assertReset('server', ofOutside, { forward: 3 });
    const lastMs = Math.max(...[ofClient, ofServer, ofOutside].flatMap((all) => Object.values(all)).map(({ lastEndMs }) => lastEndMs));
    const afterMs = lastMs - startedMs - answer.discoverMs - answer.report.prepareMs;
    t.diagnostic(`discover ${answer.discoverMs.toFixed(0)} ms, prepare ${answer.report.prepareMs.toFixed(0)} ms, last end ${afterMs.toFixed(0)} ms after the first segment`);
    assert.ok(afterMs < 1000, `${afterMs} ms`);
    const before = ofClient.keep?.receivedBytes ?? 0;
    const later = await lab.reportsWhen(clientCrowd, (all) => (all.keep?.receivedBytes ?? 0) > before + 30);
    assert.equal(later.keep?.open, 3);
    assert.ok((later.keep?.receivedBytes ?? 0) > before, 'neighbours still talk');
    const left = router.must('conntrack', ['-L']).trim().split('\n');
    assert.ok(left.length === 3 && left.every((line) => line.includes('dport=23 ')), left.join('\n'));
    assert.equal(lab.rules(), rules, 'nothing remains in the firewall');
  });

  test(`${method}: full-speed transfers in both directions, plain and masqueraded`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, server } = lab.net;
    natRules(lab);
    const flood = (host: string, port: number, count?: number): CrowdPlan => ({ host, port, traffic: 'flood', ...(count === undefined ? {} : { count }) });
    const serverCrowd = await lab.crowd(server, { plain: flood('::', 22), masquerade: flood('::', 443), down: flood('::', 24) });
    const clientCrowd = await lab.crowd(client, { plain: flood(V4, 22, 1), masquerade: flood(V4, 443, 1), plain6: flood(V6, 22, 1), down: idle(V4, 24, 1) });
    await lab.reportsWhen(clientCrowd, (all) => Object.values(all).every(({ receivedBytes }) => receivedBytes > 1 << 20));
    const answer = await lab.cut({ method, selection: withPorts(22, 443, 24) });
    assert.ok(answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
    const isOver = (all: object): boolean => Object.values(all).every(({ open }: { open: number }) => open === 0);
    // A sender may learn of the reset by its next write. A reader with data left is told the end: libuv takes a hangup
    // behind data for one (uv__stream_io).
    const codes = ['ECONNRESET', 'EPIPE', 'end'];
    assertReset('client', await lab.reportsWhen(clientCrowd, isOver), { plain: 1, masquerade: 1, plain6: 1, down: 1 }, codes);
    assertReset('server', await lab.reportsWhen(serverCrowd, isOver), { plain: 2, masquerade: 1, down: 1 }, codes);
    t.diagnostic(`cut in ${answer.report.cutMs.toFixed(0)} ms; ${legSummary(answer).replaceAll('\n', ', ')}`);
    assert.ok(answer.report.cutMs < 1000 + 500, `${answer.report.cutMs} ms`);
  });

  test(`${method}: half-closed connections, and peers without timestamps, window scaling and SACK`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, server } = lab.net;
    const half = (host: string, port: number, count?: number): CrowdPlan => ({ host, port, traffic: 'half', ...(count === undefined ? {} : { count }) });
    const serverCrowd = await lab.crowd(server, { half: { ...idle('::', 22), staysOpen: true }, bare: idle('::', 24) });
    const halves = await lab.crowd(client, { half: half(V4, 22, 2) });
    client.sysctl('net.ipv4.tcp_timestamps=0', 'net.ipv4.tcp_window_scaling=0', 'net.ipv4.tcp_sack=0');
    const bares = await lab.crowd(client, { bare: idle(V4, 24, 2) });
    const answer = await lab.cut({ method, selection: withPorts(22, 24) });
    assert.deepEqual(answer.report.results.map(({ connection }) => connection.state).sort(), ['CLOSE_WAIT', 'CLOSE_WAIT', 'ESTABLISHED', 'ESTABLISHED']);
    assert.ok(answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
    const isOver = (all: object): boolean => Object.values(all).every(({ open }: { open: number }) => open === 0);
    assertReset('client', await lab.reportsWhen(halves, isOver), { half: 2 });
    assertReset('client', await lab.reportsWhen(bares, isOver), { bare: 2 });
    assertReset('server', await lab.reportsWhen(serverCrowd, (all) => all.bare?.open === 0), { bare: 2 });
    // Node stops reading after a FIN and would learn of the reset with its next write: ask the kernel.
    assert.equal(server.must('ss', ['-Htan', 'state', 'connected']), '');
  });
}
