/**
 * Cutting where the way to an end is not plain: cold neighbours, several uplinks, devices without
 * link-layer addresses, slow peers, hosts that are gone, this machine itself, holds, sudden death.
 * Needs root. Safe: everything is in namespaces that the test made.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type LabHost, labUnavailable } from '../../src/lab/namespaces.js';
import { ALL_CONNECTIONS } from '../../src/cutter/selection.js';
import { CutLab, assertReset, legSummary, pause, withPorts } from './support/cut-lab.js';
import { connectByTun } from './support/tun-cable.js';
import type { CrowdPlan } from './support/tcp-crowd.js';

const skip = labUnavailable() ?? false;
const METHODS = ['window', 'challenge', 'reject'] as const;
const V4 = '10.77.2.2';
const V6 = 'fd77:2::2';
const idle = (host: string, port: number, count?: number): CrowdPlan => ({ host, port, traffic: 'idle', ...(count === undefined ? {} : { count }) });
const isOver = (all: object): boolean => Object.values(all).every(({ open }: { open: number }) => open === 0);
const cutter = new URL('../../../bin/cutter', import.meta.url).pathname;
const LAST_WORD = fileURLToPath(new URL('../../../test/live/support/last_word.py', import.meta.url));

/** Starts one end of a connection that waits for its end; gives its words, line by line. */
function lastWord(host: LabHost, ...args: string[]): AsyncIterator<string> {
  const child = host.spawn('/usr/bin/python3', [LAST_WORD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(child.stdout);
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}

for (const method of METHODS) {
  test(`${method}: a cold neighbour cache is warmed`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, router, server } = lab.net;
    const serverCrowd = await lab.crowd(server, { plain: idle('::', 22) });
    const clientCrowd = await lab.crowd(client, { plain: idle(V4, 22, 1), plain6: idle(V6, 22, 1) });
    router.ip('neigh flush all', 'neigh flush all nud permanent');
    const answer = await lab.cut({ method });
    assert.ok(answer.report.results.length === 2 && answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
    assertReset('client', await lab.reportsWhen(clientCrowd, isOver), { plain: 1, plain6: 1 });
    assertReset('server', await lab.reportsWhen(serverCrowd, isOver), { plain: 2 });
  });

  test(`${method}: the uplink is chosen by source and by mark, and masqueraded there`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, router, server } = lab.net;
    lab.net.lab.connect(
      { host: router, name: 'outside2', addresses: ['10.77.3.1/24'] },
      { host: server, name: 'eth1', addresses: ['10.77.3.2/24', '10.99.0.1/32'] },
    );
    server.ip('addr add 10.99.0.2/32 dev eth1');
    client.ip('addr add 10.77.1.3/24 dev eth0');
    // 10.99.0.1 is reached by the second uplink only from 10.77.1.3; 10.99.0.2 only with mark 5.
    router.ip(
      'route add unreachable 10.99.0.0/16',
      'route add 10.99.0.1/32 via 10.77.3.2 table 100',
      'route add 10.99.0.2/32 via 10.77.3.2 table 200',
      'rule add from 10.77.1.3 table 100',
      'rule add fwmark 5 table 200',
    );
    router.masquerade('outside2');
    const mangle = '-w -t mangle -A PREROUTING -i inside -d 10.99.0.2 -j';
    router.must('iptables', [...mangle.split(' '), 'CONNMARK', '--set-mark', '5']);
    router.must('iptables', [...mangle.split(' '), 'CONNMARK', '--restore-mark']);
    const serverCrowd = await lab.crowd(server, { all: idle('::', 22) });
    const bySource = await lab.crowd(client, { source: { ...idle('10.99.0.1', 22, 1), from: '10.77.1.3' }, mark: idle('10.99.0.2', 22, 1) });
    const answer = await lab.cut({ method });
    assert.ok(answer.report.results.length === 2 && answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
    assert.deepEqual([...new Set(answer.report.results.map(({ legs }) => legs[1]?.interfaceName))], ['outside2']);
    assertReset('client', await lab.reportsWhen(bySource, isOver), { source: 1, mark: 1 });
    assertReset('server', await lab.reportsWhen(serverCrowd, isOver), { all: 2 });
  });

  test(`${method}: a peer behind a tun device that answers after 300 ms`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, router, server } = lab.net;
    const takeAway = await connectByTun(
      { host: router, name: 'tun0', address: '10.77.4.1/24' },
      { host: server, name: 'tun0', address: '10.77.4.2/24' },
      150,
    );
    try {
      server.ip('route add 10.77.1.0/24 dev tun0');
      const serverCrowd = await lab.crowd(server, { slow: idle('::', 22) });
      const clientCrowd = await lab.crowd(client, { slow: idle('10.77.4.2', 22, 3) });
      await pause(400);
      const answer = await lab.cut({ method });
      assert.ok(answer.report.results.length === 3 && answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
      t.diagnostic(`cut in ${answer.report.cutMs.toFixed(0)} ms`);
      assertReset('client', await lab.reportsWhen(clientCrowd, isOver), { slow: 3 });
      assertReset('server', await lab.reportsWhen(serverCrowd, isOver), { slow: 3 });
    } finally {
      takeAway();
    }
  });

  test(`${method}: connections that are gone meanwhile count as cut, and do not hold up others`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, router, server } = lab.net;
    const serverCrowd = await lab.crowd(server, { plain: idle('::', 22) });
    const gone = await lab.crowd(client, { plain: idle(V4, 22, 3) });
    const stay = await lab.crowd(client, { plain: idle(V4, 22, 2) });
    const { discovery } = await lab.cut({ method, isListOnly: true });
    assert.equal(discovery.connections.length, 5);
    await gone.terminate();
    await lab.reportsWhen(serverCrowd, (all) => all.plain?.open === 2);
    const { report } = await lab.cut({ method, isStale: true, timeoutMs: 2000 });
    assert.ok(report.results.length === 5 && report.results.every(({ isCut }) => isCut), JSON.stringify(report.results.map(({ legs }) => legs.map(({ outcome }) => outcome))));
    assert.ok(report.cutMs < 1500, `${report.cutMs} ms`);
    assertReset('client', await lab.reportsWhen(stay, isOver), { plain: 2 });
    assert.equal((await lab.reportsWhen(serverCrowd, isOver)).plain?.open, 0);
    assert.equal(router.must('conntrack', ['-C']).trim(), '0');
  });

  test(`${method}: a host that is gone: the living end is cut, the other is named`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, router, server } = lab.net;
    await lab.crowd(server, { plain: idle('::', 22) });
    const clientCrowd = await lab.crowd(client, { plain: idle(V4, 22, 1) });
    // Its address answers no more, its neighbour entry is still fresh.
    server.must('iptables', ['-w', '-A', 'INPUT', '-j', 'DROP']);
    server.must('iptables', ['-w', '-A', 'OUTPUT', '-j', 'DROP']);
    const answer = await lab.cut({ method, timeoutMs: 1500 });
    const [result] = answer.report.results;
    assert.equal(result?.isCut, false);
    assert.deepEqual(result?.legs.map(({ outcome }) => outcome), ['closed', 'unanswered']);
    assert.match(result?.legs[1]?.reason ?? '', /does not answer: its host is gone/);
    assertReset('client', await lab.reportsWhen(clientCrowd, isOver), { plain: 1 });
    assert.equal(router.must('conntrack', ['-C']).trim(), '0');
  });
}

test('in a VRF: the way to both ends is found in its table', { skip }, async (t) => {
  const lab = new CutLab(t);
  const { client, router, server } = lab.net;
  const made = router.run('ip', ['link', 'add', 'blue', 'type', 'vrf', 'table', '10']);
  if (made.status !== 0) {
    t.skip(`this kernel has no VRF devices (CONFIG_NET_VRF): ${made.stderr.trim()}`);
    return;
  }
  // Enslaving moves the connected routes of IPv4 into the table.
  router.ip('link set blue up', 'link set inside master blue', 'link set outside master blue');
  // A default route of the main table, for the management of the router, must not be taken for theirs.
  router.ip('link add management type dummy', 'link set management up', 'addr add 192.0.2.1/24 dev management', 'route add default via 192.0.2.254');
  const serverCrowd = await lab.crowd(server, { plain: idle('0.0.0.0', 22) });
  const clientCrowd = await lab.crowd(client, { plain: idle(V4, 22, 2) });
  const answer = await lab.cut({ method: 'auto' });
  assert.ok(answer.report.results.length === 2 && answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
  assertReset('client', await lab.reportsWhen(clientCrowd, isOver), { plain: 2 });
  assertReset('server', await lab.reportsWhen(serverCrowd, isOver), { plain: 2 });
});

test('a host that left the link is told apart: no link-layer address', { skip }, async (t) => {
  const lab = new CutLab(t);
  const { client, router, server } = lab.net;
  await lab.crowd(server, { plain: idle('::', 22) });
  const clientCrowd = await lab.crowd(client, { plain: idle(V4, 22, 1) });
  server.ip('link set eth0 down');
  router.ip('neigh flush all');
  // A veth without its peer up has no carrier: the route must survive for the neighbour to be asked.
  const answer = await lab.cut({ method: 'challenge', timeoutMs: 2000 });
  const [result] = answer.report.results;
  assert.equal(result?.isCut, false);
  assert.match(result?.legs[1]?.reason ?? '', /10\.77\.2\.2/);
  assertReset('client', await lab.reportsWhen(clientCrowd, isOver), { plain: 1 });
});

for (const method of METHODS) {
  test(`${method}: connections that end on this machine, a transparent proxy's too: sockets are destroyed, peers are reset`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, router, server } = lab.net;
    router.must('iptables', ['-w', '-t', 'nat', '-A', 'PREROUTING', '-i', 'inside', '-p', 'tcp', '--dport', '80', '-j', 'REDIRECT', '--to-ports', '25']);
    const serverCrowd = await lab.crowd(server, { peer: idle('::', 22) });
    const own = await lab.crowd(router, { listen: idle('::', 25), loopback: idle('127.0.0.1', 25, 1), loopback6: idle('::1', 25, 1), out: idle(V4, 22, 2) });
    const proxied = await lab.crowd(client, { web: idle(V4, 80, 1) });
    const answer = await lab.cut({ method });
    assert.equal(answer.report.results.length, 5, legSummary(answer));
    assert.ok(answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
    // Of a loopback connection the second socket may have the RST of the first one before it is destroyed itself.
    assertReset('router', await lab.reportsWhen(own, isOver), { listen: 3, loopback: 1, loopback6: 1 }, ['ECONNABORTED', 'ECONNRESET']);
    assertReset('router', await lab.reports(own), { out: 2 }, ['ECONNABORTED']);
    assertReset('server', await lab.reportsWhen(serverCrowd, isOver), { peer: 2 });
    assertReset('client', await lab.reportsWhen(proxied, isOver), { web: 1 });
    assert.equal((await lab.cut({ method })).report.results.length, 0);
  });

  test(`${method}: what each program is told: reset; a broken pipe where the other end had said goodbye; aborted on the router itself`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, router, server } = lab.net;
    const cases = [
      { name: 'open', from: client, address: V4, port: 31, state: 'open', told: ['ECONNRESET', 'ECONNRESET'] },
      { name: 'open, IPv6', from: client, address: V6, port: 32, state: 'open', told: ['ECONNRESET', 'ECONNRESET'] },
      // net/ipv4/tcp_input.c tcp_reset: EPIPE in CLOSE_WAIT, whoever sends the RST.
      { name: 'half closed', from: client, address: V4, port: 33, state: 'half', told: ['ECONNRESET', 'EPIPE'] },
      // net/ipv4/tcp_diag.c tcp_diag_destroy: sock_diag_destroy(sk, ECONNABORTED).
      { name: 'on the router', from: router, address: V4, port: 34, state: 'open', told: ['ECONNABORTED', 'ECONNRESET'] },
    ] as const;
    const lines: AsyncIterator<string>[][] = [];
    for (const { from, address, port, state } of cases) {
      const listening = lastWord(server, 'listen', address === V6 ? '::' : '0.0.0.0', String(port), state);
      assert.equal((await listening.next()).value, 'ready');
      const connecting = lastWord(from, 'connect', address, String(port), state);
      for (const end of [listening, connecting]) assert.equal((await end.next()).value, 'waits');
      lines.push([connecting, listening]);
    }
    const answer = await lab.cut({ method });
    assert.ok(answer.report.results.length === cases.length && answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
    for (const [i, { name, told }] of cases.entries()) {
      const words = await Promise.all((lines[i] ?? []).map(async (end) => (await end.next()).value));
      assert.deepEqual(words, told, name);
    }
  });
}

test('the SSH session that we run in is never cut', { skip }, async (t) => {
  const lab = new CutLab(t);
  const { router, server } = lab.net;
  await lab.crowd(router, { listen: idle('::', 22) });
  const admin = await lab.crowd(server, { session: idle('10.77.2.1', 22, 2) });
  const ports = router.must('ss', ['-Htn', 'sport = :22']).match(/10\.77\.2\.2\]?:([0-9]+)/g)?.map((text) => text.split(':').at(-1)) ?? [];
  assert.equal(ports.length, 2);
  const result = router.run('env', [`SSH_CONNECTION=10.77.2.2 ${ports[0]} 10.77.2.1 22`, cutter, '10.77.2.2']);
  assert.equal(result.status, 0, result.stderr);
  assert.match(result.stderr, /your own SSH session matches; it is left alone/);
  const { session } = await lab.reportsWhen(admin, (all) => all.session?.open === 1);
  assert.equal(session?.open, 1);
});

test('a hold refuses the same client and service for its time, in both families, and vanishes by itself', { skip }, async (t) => {
  const lab = new CutLab(t);
  const { client, router, server } = lab.net;
  router.masquerade('outside', true);
  const rules = lab.rules();
  await lab.crowd(server, { held: idle('::', 22), other: idle('::', 24) });
  await lab.crowd(client, { held: idle(V4, 22, 1), held6: idle(V6, 22, 1) });
  const reconnects = (host: string, port: number): boolean => {
    const script = `require('net').connect(${port}, '${host}', () => process.exit(0)).on('error', (e) => process.exit(e.code === 'ECONNREFUSED' ? 7 : 8))`;
    const { status } = client.run(process.execPath, ['-e', script]);
    assert.ok(status === 0 || status === 7, `refused at once or connected, not ${status}`);
    return status === 0;
  };
  const heldAtMs = performance.now();
  const answer = await lab.cut({ method: 'challenge', holdSeconds: 4, selection: withPorts(22) });
  assert.deepEqual(answer.report.results.map(({ isCut }) => isCut), [true, true]);
  for (const host of [V4, V6]) {
    assert.equal(reconnects(host, 22), false, `${host} is held`);
    assert.equal(reconnects(host, 24), true, `another service of ${host} is not`);
  }
  await pause(Math.max(0, heldAtMs + 4500 - performance.now()));
  for (const host of [V4, V6]) assert.equal(reconnects(host, 22), true, `the hold of ${host} is over`);
  for (let i = 0; i < 40 && lab.rules() !== rules; i++) await pause(100);
  assert.equal(lab.rules(), rules, 'nothing is left');
});

test('UDP: the entry is deleted and the pair held; other pairs go on', { skip }, async (t) => {
  const lab = new CutLab(t);
  const { client, router, server } = lab.net;
  const support = (name: string): URL => new URL(`./support/${name}.js`, import.meta.url);
  await once(server.startWorker(support('udp-peer'), { host: '0.0.0.0', echo: 7000 }), 'message');
  await once(server.startWorker(support('udp-peer'), { host: '0.0.0.0', echo: 7001 }), 'message');
  const talk = async (port: number): Promise<(text: string) => Promise<string>> => {
    const peer = client.startWorker(support('udp-peer'), { host: '0.0.0.0', to: { host: V4, port } });
    await once(peer, 'message');
    return async (text) => {
      peer.postMessage(text);
      const answer = once(peer, 'message').then(([reply]) => String(reply));
      return Promise.race([answer, pause(300).then(() => 'silence')]);
    };
  };
  const [held, other] = [await talk(7000), await talk(7001)];
  assert.deepEqual([await held('one'), await other('one')], ['one', 'one']);
  const result = router.run(cutter, ['--udp', '--hold', '60', V4, '7000']);
  assert.equal(result.status, 0, result.stderr);
  assert.match(result.stdout, /deleted {2}udp 10\.77\.1\.2:[0-9]+ > 10\.77\.2\.2:7000/);
  assert.notEqual(await held('two'), 'two');
  assert.equal(await other('two'), 'two');
  assert.doesNotMatch(router.must('conntrack', ['-L', '-p', 'udp']), /dport=7000/);
});

for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} in the middle of a cut leaves no rule`, { skip }, async (t) => {
    const lab = new CutLab(t);
    const { client, router, server } = lab.net;
    await lab.crowd(server, { plain: idle('::', 22) });
    await lab.crowd(client, { plain: idle(V4, 22, 1) });
    const rules = lab.rules();
    server.must('iptables', ['-w', '-A', 'INPUT', '-j', 'DROP']);
    const child = router.spawn(process.execPath, [cutter, '--method', 'reject', '--timeout', '30', V4]);
    for (let i = 0; i < 100 && lab.rules() === rules; i++) await pause(50);
    assert.notEqual(lab.rules(), rules, 'its table is there while it works');
    child.kill(signal);
    assert.equal((await once(child, 'exit'))[1], signal);
    for (let i = 0; i < 40 && lab.rules() !== rules; i++) await pause(50);
    assert.equal(lab.rules(), rules);
  });
}

test('zones: the entry of the right zone is cut', { skip }, async (t) => {
  const lab = new CutLab(t);
  const { client, router, server } = lab.net;
  router.must('iptables', ['-w', '-t', 'raw', '-A', 'PREROUTING', '-p', 'tcp', '--dport', '22', '-j', 'CT', '--zone', '7']);
  router.must('iptables', ['-w', '-t', 'raw', '-A', 'PREROUTING', '-p', 'tcp', '--sport', '22', '-j', 'CT', '--zone', '7']);
  const serverCrowd = await lab.crowd(server, { zoned: idle('::', 22) });
  const clientCrowd = await lab.crowd(client, { zoned: idle(V4, 22, 2) });
  const answer = await lab.cut({ method: 'auto', selection: ALL_CONNECTIONS });
  assert.deepEqual(answer.report.results.map(({ connection }) => connection.zone), [7, 7]);
  assert.ok(answer.report.results.every(({ isCut }) => isCut), legSummary(answer));
  assertReset('client', await lab.reportsWhen(clientCrowd, isOver), { zoned: 2 });
  assertReset('server', await lab.reportsWhen(serverCrowd, isOver), { zoned: 2 });
  assert.equal(router.must('conntrack', ['-C']).trim(), '0');
});
