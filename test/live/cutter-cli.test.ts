/**
 * The command line of cutter on a router with live connections: forms, listings, questions,
 * exit statuses and messages. Needs root. Safe: everything is in namespaces that the test made.
 */
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type LabHost, type RunResult, labUnavailable } from '../../src/lab/namespaces.js';
import { CutLab, pause } from './support/cut-lab.js';
import type { CrowdPlan } from './support/tcp-crowd.js';

const skip = labUnavailable() ?? false;
const program = (name: string): string => new URL(`../../../bin/${name}`, import.meta.url).pathname;
const V4 = '10.77.2.2';
const idle = (host: string, port: number, count?: number): CrowdPlan => ({ host, port, traffic: 'idle', ...(count === undefined ? {} : { count }) });

function cutter(host: LabHost, ...args: string[]): RunResult {
  return host.run(program('cutter'), args);
}

async function busyLab(t: TestContext, plans: Record<string, CrowdPlan>): Promise<CutLab> {
  const lab = new CutLab(t);
  lab.net.router.masquerade('outside', true);
  await lab.crowd(lab.net.server, { ssh: idle('::', 22), web: idle('::', 443) });
  await lab.crowd(lab.net.client, plans);
  return lab;
}

test('listing, planning and cutting agree; JSON carries every leg', { skip }, async (t) => {
  const lab = await busyLab(t, { ssh: idle(V4, 22, 2), web: idle(V4, 443, 1), ssh6: idle('fd77:2::2', 22, 1) });
  const { router } = lab.net;
  const listed = cutter(router, '--list', V4, '22');
  assert.equal(listed.status, 0, listed.stderr);
  assert.match(listed.stdout, /10\.77\.1\.2:[0-9]+ +10\.77\.2\.2:22 +10\.77\.2\.1:[0-9]+ > 10\.77\.2\.2:22 +ESTABLISHED/);
  assert.match(listed.stdout, /^2 connections would be cut$/m);
  const planned = cutter(router, '--dry-run', V4, 'ssh');
  assert.match(planned.stdout, /to 10\.77\.1\.2:[0-9]+ as 10\.77\.2\.2:22: RST by interface inside/);
  assert.match(planned.stdout, /to 10\.77\.2\.2:22 as 10\.77\.2\.1:[0-9]+: RST by interface outside/);
  const listedJson = cutter(router, '--list', '--json', '0', '22').stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(listedJson.map(({ type }) => type), ['connection', 'connection', 'connection', 'summary']);
  assert.equal(Number(router.must('conntrack', ['-C'])), 4, 'listing cuts nothing');

  const result = cutter(router, '--json', V4, '22');
  assert.equal(result.status, 0, result.stderr);
  const lines = result.stdout.trim().split('\n').map((line) => JSON.parse(line));
  const [first] = lines;
  assert.deepEqual([lines.length, first.type, first.cut, first.nat, first.state], [3, 'cut', true, true, 'ESTABLISHED']);
  assert.deepEqual(first.legs.map((leg: { verified: boolean; method: string; iface: string; tries: number }) => [leg.verified, leg.method, leg.iface, leg.tries >= 1]), [
    [true, 'window', 'inside', true],
    [true, 'window', 'outside', true],
  ]);
  assert.ok(first.legs.every((leg: { ms: number }) => leg.ms > 0));
  assert.deepEqual([lines[2].type, lines[2].matched, lines[2].cut, lines[2].failed], ['summary', 2, 2, 0]);
  const text = router.run(program('p2pwall'), ['cut', 'fd77:2::/64']);
  assert.equal(text.status, 0, text.stderr);
  assert.match(text.stdout, /^cut {6}tcp \[fd77:1::2\]:[0-9]+ > \[fd77:2::2\]:22 {2}\(window, [0-9.]+ ms\)\n1 connection cut in [0-9]+ ms/);
  assert.equal(Number(router.must('conntrack', ['-C'])), 1, 'the neighbour lives');
});

test('the rate in a list is that of now: of a transfer that runs, and of one that has ended', { skip }, async (t) => {
  const lab = await busyLab(t, { ssh: { ...idle(V4, 22, 1), greeting: 'x'.repeat(500_000) } });
  const { router } = lab.net;
  const rates = (): { rate_bps: number; average_bps: number }[] =>
    cutter(router, '--list', '--json', V4).stdout.trim().split('\n').map((line) => JSON.parse(line)).filter(({ type }) => type === 'connection');
  await pause(300);
  const [ended] = rates();
  assert.equal(ended?.rate_bps, 0);
  assert.ok((ended?.average_bps ?? 0) > 10_000);
  await lab.crowd(lab.net.server, { talk: { host: '::', port: 24, traffic: 'slow' } });
  await lab.crowd(lab.net.client, { talk: { host: V4, port: 24, traffic: 'slow', count: 1 } });
  const running = rates().filter(({ rate_bps }) => rate_bps > 0);
  assert.equal(running.length, 1);
  assert.match(cutter(router, '--list', V4, '24').stdout, / [0-9.]+ kbit\/s/);
});

test('the positional form of the original, in either order and either view', { skip }, async (t) => {
  const lab = await busyLab(t, { ssh: idle(V4, 22, 4), web: idle(V4, 443, 4) });
  const { router } = lab.net;
  const port = /sport=([0-9]+) dport=22 .* dport=([0-9]+)/.exec(router.must('conntrack', ['-L', '-p', 'tcp', '--orig-port-dst', '22']));
  const [, inside = '', outside = ''] = port ?? [];
  const left = (): number => Number(router.must('conntrack', ['-C']));
  const forms: [string[], number][] = [
    [['10.77.1.2', inside, V4, '22'], 7],
    [[V4, '22', '10.77.2.1'], 4],
    [['10.77.2.1', '0', V4, '443'], 0],
  ];
  assert.notEqual(outside, '');
  for (const [words, remaining] of forms) {
    const result = cutter(router, ...words);
    assert.equal(result.status, 0, result.stderr);
    assert.equal(left(), remaining, words.join(' '));
  }
});

test('conditions: interface, state, age, idle time, bytes, mark', { skip }, async (t) => {
  const lab = await busyLab(t, { ssh: idle(V4, 22, 1), web: idle(V4, 443, 2) });
  const { router } = lab.net;
  const matched = (...args: string[]): number => {
    const result = cutter(router, '--list', '--json', ...args);
    assert.ok(result.status === 0 || result.status === 1, result.stderr);
    return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '').matched;
  };
  await pause(2100);
  assert.equal(matched('--iface', 'outside'), 3);
  assert.equal(matched('--iface', 'lo'), 0);
  assert.equal(matched(V4, '--state', 'SYN_SENT'), 0);
  assert.equal(matched(V4, '--state', 'established'), 3);
  assert.equal(matched(V4, '--age', '1s'), 3);
  assert.equal(matched(V4, '--age', '1h'), 0);
  assert.equal(matched(V4, '--idle', '1s-1h'), 3);
  assert.equal(matched(V4, '--bytes', '<10k'), 3);
  assert.equal(matched(V4, '--bytes', '10k'), 0);
  assert.equal(matched(V4, '--mark', '0x1'), 0);
  // While data is unacknowledged the kernel's own timer is a shorter one, and not five days nearly gone.
  await lab.crowd(lab.net.server, { flood: { host: '::', port: 24, traffic: 'flood' } });
  await lab.crowd(lab.net.client, { flood: { host: V4, port: 24, traffic: 'flood', count: 1 } });
  for (let i = 0; i < 3; i++) assert.equal(matched(V4, '24', '--idle', '1m'), 0, 'a transfer is not idle');
  assert.equal(matched(V4, '24', '--idle', '<2s'), 1);
  const unknown = cutter(router, '--list', '--iface', 'wan0', V4);
  assert.deepEqual([unknown.status, /no interface is named wan0 \(there are lo, inside, outside\)/.test(unknown.stderr)], [2, true]);
});

test('more than twenty on a terminal are asked about; elsewhere, and with --yes, they are not', { skip }, async (t) => {
  const lab = await busyLab(t, { ssh: idle(V4, 22, 21), web: idle(V4, 443, 21) });
  const { router } = lab.net;
  const onTerminal = (line: string, answer: string): RunResult =>
    router.run('script', ['-qec', `${program('cutter')} ${line}`, '/dev/null'], answer);
  const no = onTerminal(`${V4} 22`, 'n\n');
  assert.match(no.stdout, /Cut 21 connections\? \[y\/N\]/);
  assert.match(no.stdout, /nothing was cut/);
  assert.equal(no.status, 1);
  assert.equal(Number(router.must('conntrack', ['-C'])), 42);
  const yes = onTerminal(`${V4} 22`, 'y\n');
  assert.match(yes.stdout, /21 connections cut/);
  assert.equal(yes.status, 0);
  const unasked = cutter(router, '--quiet', V4);
  assert.deepEqual([unasked.status, unasked.stdout], [0, '']);
  assert.equal(Number(router.must('conntrack', ['-C'])), 0);
});

test('every mistake has its own message, remedy and status', { skip }, async (t) => {
  const lab = await busyLab(t, { ssh: idle(V4, 22, 1) });
  const { client, router } = lab.net;
  const table: [string, LabHost, string[], number, RegExp][] = [
    ['nothing said', router, [], 2, /Usage: cutter/],
    ['a bad address', router, ['10.77.2'], 2, /'10\.77\.2' is not an IP address \(write it in full/],
    ['a bad port', router, [V4, 'sshh'], 2, /'sshh' is neither a port nor a known service/],
    ['several mistakes at once', router, ['10.77.2', '--state', 'x', '--hold', 'long'], 2, /not an IP address[\s\S]*--state: 'x' is not a state[\s\S]*--hold: 'long' is not a span of time/],
    ['everything, unasked', router, ['0'], 2, /names nothing[\s\S]*--all/],
    ['an unknown option', router, ['--nope', V4], 2, /unknown option/],
    ['an unknown method', router, ['--method', 'magic', V4], 2, /window, challenge, reject/],
    ['no match', router, ['192.0.2.1'], 1, /^cutter: no matching connections\n$/],
    ['an end host', client, ['192.0.2.1'], 1, /forwards no packets[\s\S]*run it on the router/],
    ['ages that nobody recorded', router, ['192.0.2.1', '--age', '1s'], 1, /^cutter: no matching connections\n$/],
  ];
  for (const [name, host, args, status, message] of table) {
    const result = cutter(host, ...args);
    assert.match(result.stderr, message, name);
    assert.equal(result.status, status, name);
  }
  const forwarded = cutter(router, '--all', '--list');
  assert.equal(forwarded.status, 0);
  const unprivileged = router.run('setpriv', ['--reuid=65534', '--clear-groups', '--inh-caps=-all', program('cutter'), V4]);
  assert.equal(unprivileged.status, 77, unprivileged.stderr);
  assert.match(unprivileged.stderr, /operation not permitted[\s\S]*root/);
});

/** Arguments as users mix them; none of them names everything by itself. */
const ARGUMENTS = fc
  .tuple(
    fc.constantFrom(['10.77.2.2'], ['10.77.1.2'], ['10.77.2.1'], ['0', '22'], ['10.77.2.0/24', '443'], ['fd77:2::/64'], ['10.77.1.2', '0', V4, '22,443'], ['localhost', '0', V4, 'ssh']),
    fc.subarray([['--state', 'all'], ['--iface', 'outside'], ['--bytes', '<300'], ['--idle', '<1h'], ['--mark', '0'], ['--mark', '1/1'], ['--proto', 'tcp,udp']], { maxLength: 2 }),
    fc.constantFrom(['--method', 'window'], ['--method', 'challenge'], ['--method', 'reject'], []),
  )
  .map((parts) => parts.flat(2));

test('no arguments cut anything that --list does not show with the same arguments, and they cut all of it', { skip }, async (t) => {
  const lab = new CutLab(t);
  const { client, router, server } = lab.net;
  router.masquerade('outside', true);
  router.must('iptables', ['-w', '-t', 'mangle', '-A', 'PREROUTING', '-p', 'tcp', '--dport', '443', '-j', 'CONNMARK', '--set-mark', '1']);
  await lab.crowd(server, { ssh: idle('::', 22), web: idle('::', 443) });
  const known = (): Set<string> => new Set(router.must('conntrack', ['-L', '-p', 'tcp', '-o', 'extended']).match(/src=[^ ]+ dst=[^ ]+ sport=[0-9]+ dport=[0-9]+(?= )/g)?.filter((_, i) => i % 2 === 0));
  const named = (stdout: string): string[] => {
    const lines = stdout.trim().split('\n').map((line) => JSON.parse(line)).filter(({ type }) => type !== 'summary');
    return lines.map(({ original: { src, dst } }) => `src=${src.ip} dst=${dst.ip} sport=${src.port} dport=${dst.port}`).sort();
  };
  let some = 0;
  // A fixed seed: each run tries the same arguments.
  for (const args of fc.sample(ARGUMENTS, { numRuns: 6, seed: 4 })) {
    await lab.crowd(client, { ssh: idle(V4, 22, 2), web: idle(V4, 443, 1), ssh6: idle('fd77:2::2', 22, 1) });
    await lab.crowd(router, { own: idle(V4, 22, 1) });
    const before = known();
    const listed = named(cutter(router, '--list', '--json', ...args).stdout);
    const result = cutter(router, '--json', '--yes', ...args);
    assert.ok(result.status === 0 || result.status === 1, `${args.join(' ')}: ${result.stderr}`);
    assert.deepEqual(named(result.stdout), listed, args.join(' '));
    const after = known();
    const gone = [...before].filter((name) => !after.has(name)).sort();
    assert.deepEqual(gone, listed, args.join(' '));
    if (listed.length > 0 && listed.length < before.size) some++;
  }
  assert.ok(some >= 2, `${some} of the arguments meant some and not all`);
});

test('a router whose connection tracking sleeps says so', { skip }, async (t) => {
  const lab = new CutLab(t, { conntrack: false });
  const result = cutter(lab.net.router, V4);
  assert.equal(result.status, 1);
  assert.match(result.stderr, /connection tracking sees no connection at all[\s\S]*wake it with iptables/);
});

test('one end that does not answer: status 3, the reason, and the other end is cut; on a terminal a bar meanwhile', { skip }, async (t) => {
  const lab = await busyLab(t, { ssh: idle(V4, 22, 1) });
  const { router, server } = lab.net;
  // Its last acknowledgement may be on the way: without it the server would send again, and not be silent.
  await pause(200);
  server.must('iptables', ['-w', '-I', 'INPUT', '-j', 'DROP']);
  const result = router.run('script', ['-qec', `${program('cutter')} --timeout 1 ${V4}`, '/dev/null']);
  assert.equal(result.status, 3, result.stdout);
  assert.match(result.stdout, /\rcutting {2}\[-+\] 0 % of 1 connection/);
  assert.match(result.stdout, /FAILED {3}tcp 10\.77\.1\.2:[0-9]+ > 10\.77\.2\.2:22 {2}10\.77\.1\.2:[0-9]+ is closed; 10\.77\.2\.2:22 does not answer: its host is gone/);
  assert.match(result.stdout, /0 connections cut, 1 failed/);
});
