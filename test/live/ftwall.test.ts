/**
 * ftwall against simulated Kazaa clients and supernodes, WinMX caches and a web server. Needs root (network namespaces,
 * queues, raw sockets) and the programs ip, iptables and ipset. Safe: everything happens in namespaces that the test made.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { labUnavailable } from '../../src/lab/namespaces.js';
import { buildPing } from '../../src/fasttrack/udp.js';
import { FILE_BYTES, FtwallLab, NODE_PORT, sleep, SUPERNODES, WEB } from '../../src/lab/ftwall-lab.js';

const reason = labUnavailable() ?? (spawnSync('ipset', ['-v']).error ? 'needs the program ipset (Debian package ipset)' : null);
const options = { skip: reason ?? false, timeout: 60_000 };

async function inLab(run: (lab: FtwallLab, folder: string) => Promise<void>): Promise<void> {
  const lab = new FtwallLab();
  const folder = mkdtempSync(join(tmpdir(), 'ftwall-'));
  try {
    await run(lab, folder);
  } finally {
    lab.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

test('without ftwall the client joins and downloads', options, () =>
  inLab(async (lab) => {
    await lab.startSupernodes();
    const kazaa = await lab.startKazaa();
    assert.ok(await kazaa.until('downloaded'), JSON.stringify(kazaa.reports));
    const done = kazaa.reports.find((report) => report.kind === 'downloaded');
    assert.ok(done?.kind === 'downloaded' && done.bytes > FILE_BYTES);
    await kazaa.stop();
  }));

test('with ftwall it stays with UDP: answered in its peers names, no connection, and the neighbour surfs', options, () =>
  inLab(async (lab, folder) => {
    await lab.startSupernodes();
    const web = await lab.startVisitor(lab.net);
    await web({ serve: WEB });
    const clientVisits = await lab.startVisitor(lab.client);
    const neighbourVisits = await lab.startVisitor(lab.neighbour);
    const wall = await lab.startWall('-c', folder, '-t', '4', '-L', 'pc');
    assert.equal(await clientVisits({ visit: WEB }), true);

    const kazaa = await lab.startKazaa();
    assert.ok(await kazaa.until('pong'));
    await sleep(2500);
    assert.deepEqual(kazaa.styles(), [1], 'it never leaves the UDP phase');
    assert.equal(kazaa.count('attempt') + kazaa.count('connected'), 0);
    assert.deepEqual(lab.seen.filter((report) => report.kind !== 'ready'), [], 'nothing reached the network');
    assert.equal(new Set(kazaa.reports.flatMap((report) => (report.kind === 'pong' ? [report.from] : []))).size, SUPERNODES.length);
    assert.deepEqual(readdirSync(folder), ['10.77.1.2']);
    assert.equal(await clientVisits({ visit: WEB }), false, 'the time-lock');
    assert.equal(await neighbourVisits({ visit: WEB }), true, 'the neighbour loses nothing');
    assert.match(wall.text, /client 10\.77\.1\.2: client identified/);
    assert.match(wall.text, /peer 10\.77\.1\.2 -> 198\.51\.100\.1:3128: peer identified/);

    await kazaa.stop();
    await sleep(5200);
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(await clientVisits({ visit: WEB }), true, 'back within the lock time');
    assert.equal(await clientVisits({ visit: { host: SUPERNODES[0] ?? '', port: NODE_PORT } }), false, 'peers stay closed');
    assert.equal(await wall.end(), 0);
    assert.equal(await clientVisits({ visit: { host: WEB.host, port: WEB.port } }), true);
    assert.doesNotMatch(lab.wall.must('iptables-save'), /FTWALL|NFQUEUE/);
    assert.equal(lab.wall.must('ipset', ['list', '-n']).trim(), '', 'sets are gone');
  }));

test('driven through all three styles it never completes a connection; a silent client is kept by probes', options, () =>
  inLab(async (lab) => {
    await lab.startSupernodes();
    const wall = await lab.startWall('--reply', 'none', '-t', '4');
    // One supernode is never pinged: only the time-lock can stop it.
    const kazaa = await lab.startKazaa({ patienceMs: 700 });
    await sleep(8000);
    assert.deepEqual([...new Set(kazaa.styles())], [1, 2, 3], JSON.stringify(kazaa.styles()));
    assert.ok(kazaa.count('attempt') > 12);
    assert.equal(kazaa.count('connected'), 0);
    assert.equal(lab.seen.filter((report) => report.kind === 'connection').length, 0);
    assert.ok(kazaa.count('probed') >= 1, 'ftwall asked whether it still runs');

    const before = lab.queueCounts().packets;
    const attempts = kazaa.count('attempt');
    await sleep(1500);
    assert.ok(kazaa.count('attempt') > attempts);
    assert.ok(lab.queueCounts().packets - before <= 3, 'refused connections never reach the program; probes may');
    await kazaa.stop();
    await wall.end();
  }));

test('--lock-scope user-ports: the web of a contained client goes on, its patient connections do not', options, () =>
  inLab(async (lab) => {
    await lab.startSupernodes();
    const web = await lab.startVisitor(lab.net);
    const site = { host: WEB.host, port: 80 };
    await web({ serve: site });
    await web({ serve: WEB });
    const wall = await lab.startWall('--lock-scope', 'user-ports', '-t', '60');
    const client = await lab.startVisitor(lab.client);
    await client({ send: { host: SUPERNODES[0] ?? '', port: NODE_PORT, fromPort: 1214, bytes: buildPing('KaZaA') } });
    assert.equal(await client({ visit: site }), true);
    assert.equal(await client({ visit: WEB }), false, `port ${WEB.port}`);
    await wall.end();
  }));

test('a download without any ping is stopped at its first bytes', options, () =>
  inLab(async (lab) => {
    await lab.startSupernodes();
    const wall = await lab.startWall('-L', 'p');
    const kazaa = await lab.startKazaa({ downloadsOnly: true });
    assert.ok(await kazaa.until('connected'));
    await wall.sees(/peer identified/);
    await sleep(1500);
    assert.equal(kazaa.count('downloaded'), 0);
    assert.equal(lab.seen.filter((report) => report.kind === 'transfer').length, 0);
    const visits = await lab.startVisitor(lab.client);
    assert.equal(await visits({ visit: { host: SUPERNODES[0] ?? '', port: NODE_PORT } }), false);
    await kazaa.stop();
    await wall.end();
  }));

test('killed and started again with -f, it knows the peers', options, () =>
  inLab(async (lab, folder) => {
    await lab.startSupernodes();
    const store = join(folder, 'peers');
    // As a crash while writing leaves it: the last line has no end.
    writeFileSync(store, '198.51.100.250:1214\nnonsense');
    const web = await lab.startVisitor(lab.net);
    await web({ serve: WEB });
    const clients = join(folder, 'clients');
    mkdirSync(clients);
    writeFileSync(join(clients, '10.77.1.9'), 'not of ftwall');
    const first = await lab.startWall('-f', store, '-c', clients, '-t', '60');
    await first.sees(/store file line 2: not address:port/);
    const visits = await lab.startVisitor(lab.client);
    await visits({ send: { host: SUPERNODES[0] ?? '', port: NODE_PORT, fromPort: 1214, bytes: buildPing('KaZaA') } });
    assert.deepEqual(readdirSync(clients), ['10.77.1.2', '10.77.1.9']);
    await first.end('SIGKILL');
    await sleep(200);
    assert.match(readFileSync(store, 'utf8'), /^198\.51\.100\.250:1214\nnonsense\n198\.51\.100\.1:3128 client=10\.77\.1\.2 seen=\d+\n$/);
    const second = await lab.startWall('-f', store, '-c', clients, '-t', '1');
    assert.deepEqual(readdirSync(clients), ['10.77.1.9'], 'no client is known now');
    assert.equal(await visits({ visit: { host: SUPERNODES[0] ?? '', port: NODE_PORT } }), false);
    assert.equal(await visits({ visit: WEB }), true, 'others are not closed');
    await second.end();
  }));

test('WinMX by name: caches are closed to the client that asked, over UDP and TCP, through aliases', options, () =>
  inLab(async (lab) => {
    await lab.startNameServer({
      'c3310.z1301.winmx.com': { alias: 'cache.example.net', ttlS: 60 },
      'cache.example.net': { addresses: ['192.0.2.33'], ttlS: 60 },
      'www.example.net': { addresses: [WEB.host], ttlS: 60 },
    });
    const web = await lab.startVisitor(lab.net);
    await web({ serve: WEB });
    await web({ serve: { host: '192.0.2.33', port: 7950 } });
    const cache = { host: '192.0.2.33', port: 7950 };
    const client = await lab.startVisitor(lab.client);
    const neighbour = await lab.startVisitor(lab.neighbour);
    const wall = await lab.startWall('--block-name', '*.winmx.com', '-L', 'p');
    assert.equal(await client({ visit: cache }), true);
    assert.ok(Number(await client({ ask: { server: '192.0.2.53', name: 'c3310.z1301.winmx.com' } })) > 40);
    assert.ok(Number(await client({ ask: { server: '192.0.2.53', name: 'www.example.net' } })) > 40);
    await wall.sees(/192\.0\.2\.33: cache\.example\.net belongs to a blocked name/);
    assert.equal(await client({ visit: cache }), false);
    assert.equal(await client({ visit: WEB }), true);
    assert.equal(await neighbour({ visit: cache }), true);
    assert.ok(Number(await neighbour({ ask: { server: '192.0.2.53', name: 'c3310.z1301.winmx.com', tcp: true } })) > 40);
    await sleep(100);
    assert.equal(await neighbour({ visit: cache }), false);
    await wall.end();
  }));

test('WinMX and OpenNap clients join without the wall, and not with their names in the training file', options, () =>
  inLab(async (lab, folder) => {
    await lab.startNameServer({
      'c3310.z1301.winmx.com': { addresses: ['192.0.2.33'], ttlS: 60 },
      'nap.example.net': { addresses: ['192.0.2.33'], ttlS: 60 },
    });
    await lab.startNamedServers('192.0.2.33');
    assert.equal(await lab.joinByName(lab.client, 'winmx', 'c3310.z1301.winmx.com'), 'joined');
    assert.equal(await lab.joinByName(lab.client, 'opennap', 'nap.example.net'), 'joined');
    const names = join(folder, 'names');
    writeFileSync(names, '*.winmx.com winmx\nbad line here\nnap.example.net opennap\n');
    const wall = await lab.startWall('-D', names);
    assert.match(wall.text, /line 2: /);
    assert.equal(await lab.joinByName(lab.client, 'winmx', 'c3310.z1301.winmx.com'), 'refused');
    assert.equal(await lab.joinByName(lab.neighbour, 'opennap', 'nap.example.net'), 'refused');
    await wall.end();
    assert.equal(await lab.joinByName(lab.client, 'winmx', 'c3310.z1301.winmx.com'), 'joined');
  }));

test('an old command line starts a daemon, which says when it cannot', options, () =>
  inLab(async (lab, folder) => {
    const bin = new URL('../../../bin/ftwall', import.meta.url).pathname;
    const run = (...args: string[]) => lab.wall.run(process.execPath, [bin, ...args]);
    const started = run('-l', 'pc', '-f', join(folder, 'store'), '-c', folder, '-t', '120', '-b', '32k');
    assert.equal(started.status, 0, started.stderr);
    assert.match(lab.wall.must('iptables-save', ['-t', 'mangle']), /-i inside -j FTWALL/, 'it found the inside by itself');
    const busy = run('-s');
    assert.equal(busy.status, 1, busy.stderr);
    assert.match(busy.stderr, /queue 27/);
    assert.match(lab.wall.must('iptables-save', ['-t', 'mangle']), /-i inside -j FTWALL/, 'the one that runs keeps its rules');
    assert.match(lab.wall.must('ipset', ['list', '-n']), /ftwall-peers/);
    const pids = spawnSync('ip', ['netns', 'pids', lab.wall.namespace], { encoding: 'utf8' }).stdout.trim().split('\n').map(Number);
    // What start scripts end it by (killproc, pidof).
    assert.deepEqual(pids.map((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim()).sort(), ['ftwall', 'logger']);
    for (const pid of pids) process.kill(pid, 'SIGTERM');
    await sleep(1500);
    assert.doesNotMatch(lab.wall.must('iptables-save'), /FTWALL/);

    const unwritable = run('-s', '-f', '/proc/nowhere/store');
    assert.equal(unwritable.status, 1);
    assert.match(unwritable.stderr, /cannot write the store file: .*(make its folder, or look at its permissions)/);
    assert.equal(lab.wall.must('ipset', ['list', '-n']).trim(), '', 'a failed start leaves no sets');
    assert.equal(run('-l', 'z').status, 2);
    assert.equal(run('--protect', '10.0.0.1/8').status, 2);
  }));

test('a full disk and a missing folder are said once, and the wall goes on', options, () =>
  inLab(async (lab) => {
    await lab.startSupernodes();
    const wall = await lab.startWall('-f', '/dev/full', '-c', '/proc/nowhere', '-t', '1');
    const visits = await lab.startVisitor(lab.client);
    for (const host of SUPERNODES.slice(0, 3)) {
      assert.ok(Number(await visits({ send: { host, port: NODE_PORT, fromPort: 1214, bytes: buildPing('KaZaA') } })) > 0, 'answered');
    }
    await wall.sees(/cannot append to the store file: ENOSPC/);
    await wall.sees(/client file \/proc\/nowhere/);
    assert.equal(wall.text.split('ENOSPC').length, 2, 'once');
    assert.equal(await visits({ visit: { host: SUPERNODES[0] ?? '', port: NODE_PORT } }), false);
    assert.equal(await wall.end(), 0);
    const noFolder = await lab.startWall('-c', '/dev/null');
    await noFolder.sees(/client folder \/dev\/null: ENOTDIR/);
    assert.equal(await noFolder.end(), 0);
  }));

test('--no-rules prints what is needed and touches nothing; masquerading does not disturb', options, () =>
  inLab(async (lab) => {
    lab.wall.masquerade('outside');
    const before = lab.wall.must('iptables-save', ['-t', 'mangle']).replace(/^#.*$|\[.*\]/gm, '');
    const printing = await lab.startWall('--no-rules');
    assert.match(printing.text, /create ftwall-peers hash:ip,port family inet/);
    assert.match(printing.text, /-A FTWALL -p udp .* -j NFQUEUE --queue-num 27 --queue-bypass/);
    assert.equal(lab.wall.must('iptables-save', ['-t', 'mangle']).replace(/^#.*$|\[.*\]/gm, ''), before);
    await printing.end();

    await lab.startSupernodes();
    const wall = await lab.startWall('-L', 'm', '--json');
    const kazaa = await lab.startKazaa();
    assert.ok(await kazaa.until('pong'));
    await sleep(1500);
    assert.equal(kazaa.count('connected'), 0);
    assert.deepEqual(lab.seen.filter((report) => report.kind !== 'ready'), []);
    const events = wall.text.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
    const client = events.find((event) => event.ftwall.event === 'client');
    assert.equal(client.event_type, 'ftwall');
    assert.equal(client.ftwall.client_ip, '10.77.1.2');
    assert.match(client.ftwall.client_mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    await kazaa.stop();
    await wall.end();
  }));
