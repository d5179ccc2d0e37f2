/**
 * What the wall survives, and what it leaves behind: killed, flushed, flooded, stopped, reloaded under load, given
 * a wrong configuration, a full disk, a held lock. Needs root. Safe: all traffic and rules are in namespaces that the
 * tests made; only processes that they started are stopped, by their id.
 */
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, renameSync } from 'node:fs';
import type { Status } from '../../src/control/protocol.js';
import { P2PWALL, SERVER, eventually, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';
import { DROP, WATCH, assertUnharmed, gateway, isReached, traces } from './support/gateway-checks.js';

const live = { skip: gatewayUnavailable() ?? false };
// Side by side: most of their time they wait.
describe('what the wall survives', { concurrency: 4 }, () => {
  test('a wrong configuration: every mistake with line and remedy, exit 2, nothing installed', live, (t) => {
    const gate = gateway(t);
    const path = gate.configure('[[rule]]\nname = "a"\nprotocol = ["bitorrent"]\naction = "limit"\n[[rule]]\nname = "b"\nwhen = "someday"\naction = "drop"\n');
    for (const command of ['run', 'check', 'rules']) {
      const { status, stderr } = gate.command(command, '--config', path);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /p2pwall\.toml:\d+: rule\[0\]\.protocol.*did you mean 'bittorrent'/);
      assert.match(stderr, /rule\[0\]\.rate.*missing/);
      assert.match(stderr, /rule\[1\]\.when/);
    }
    assert.equal(traces(gate), '');
    assert.equal(gate.command('down').stdout, 'nothing of p2pwall was there\n');
  });

  test('check tells what this machine can do, and rules prints without a daemon', live, (t) => {
    const gate = gateway(t);
    const path = gate.configure(`${DROP}[[rule]]\nname = "slow"\naction = "limit"\nrate = "1mbit"\n`);
    const checked = gate.command('check', '--config', path);
    assert.equal(checked.status, 0, checked.stdout);
    assert.match(checked.stdout, /rules for IPv6.*accepted by the kernel in a trial/);
    assert.equal(traces(gate), '', 'the trial left nothing');
    assert.match(gate.command('rules', '--config', path).stdout, /-j NFQUEUE --queue-num 4700 --queue-bypass/);
    assert.match(gate.command('rules', '--nft', '--config', path).stdout, /table inet p2pwall/);
    const { status, stderr } = gate.command('status', '--config', path);
    assert.equal(status, 69);
    assert.match(stderr, /the daemon does not run; start it/);
  });

  test('killed in mode open: traffic goes on, down cleans up, and so does a restart', live, async (t) => {
    const gate = gateway(t);
    await gate.up(`${WATCH}[[rule]]\nname = "slow"\nprotocol = ["voice"]\naction = "limit"\nrate = "1mbit"\n`);
    const report = await gate.ordinaryTraffic();
    await pause(1500);
    await gate.end('SIGKILL');
    await pause(2500);
    const { exchanges, mismatches } = await report();
    // What was queued at that very moment is lost with the reader; streams send again, datagrams too.
    assert.deepEqual(mismatches, []);
    assert.ok((exchanges.http ?? 0) > 20, JSON.stringify(exchanges));
    assert.notEqual(traces(gate), '');
    await gate.up(WATCH);
    await gate.end('SIGKILL');
    assert.equal(gate.command('down').status, 0);
    assert.equal(traces(gate), '');
    assert.doesNotMatch(gate.router.must('conntrack', ['-L']), /mark=[1-9]/, 'no mark of ours is left');
  });

  test('killed in mode closed: undecided traffic stops until down', live, async (t) => {
    const gate = gateway(t);
    await gate.up(WATCH, 'mode = "closed"');
    await gate.ordinaryTraffic();
    assert.equal(isReached(gate), true, 'passes while the daemon runs');
    await gate.end('SIGKILL');
    assert.equal(isReached(gate), false, 'stops without it');
    assert.equal(gate.command('down').status, 0);
    assert.equal(isReached(gate), true);
  });

  test('somebody flushes the tables: noticed, put back, reported; blocks survive', live, async (t) => {
    const gate = gateway(t);
    await gate.up(DROP);
    gate.command('block', '192.0.2.9', '--config', gate.path('p2pwall.toml'));
    for (const table of ['mangle', 'filter']) gate.router.must('iptables', ['-w', '-t', table, '-F']);
    const flushedMs = performance.now();
    await eventually('put back', 15, () => (/-A FORWARD .*-j P2PWALL-FORWARD/.test(gate.router.must('iptables-save')) ? true : null));
    t.diagnostic(`put back within ${(performance.now() - flushedMs).toFixed(0)} ms`);
    const status = await eventually('counted', 5, () => {
      const seen = gate.ask<Status>('status');
      return seen.restored > 0 ? seen : null;
    });
    assert.equal(status.blocked_addresses, 1);
    assert.match(gate.router.must('ipset', ['list', 'p2pwall-block4']), /192\.0\.2\.9 timeout/);
    await eventually('said', 5, () => (/removed by somebody/.test(gate.daemonWords) ? true : null));
  });

  test('mode closed: tables flushed again and again, a reader that stands still, a disk without room: nothing that is blocked gets through', live, async (t) => {
    const gate = gateway(t);
    gate.share(2 << 20, 'http');
    const text = readFileSync(gate.configure(DROP, 'mode = "closed"'), 'utf8');
    await gate.upWith(text.replace(gate.path('eve.json'), '/dev/full'));
    await gate.ordinaryTraffic();
    const seeder = gate.peer('seed', { transport: 'both', encryption: 'any' });
    gate.peer('leech', { direct: true, transport: 'both', encryption: 'any' });
    await pause(3000);
    assert.equal(seeder.latest.uploaded, 0);
    for (let i = 0; i < 5; i++) {
      gate.router.must('iptables', ['-w', '-t', i % 2 === 0 ? 'mangle' : 'filter', '-F']);
      await pause(1500);
      assert.match(gate.router.must('iptables-save'), /-A P2PWALL-INSPECT .*NFQUEUE/, 'put back');
    }
    const slipped = seeder.latest.uploaded;
    t.diagnostic(`while the tables were flushed, five times: ${slipped} bytes`);
    assert.equal(slipped, 0);
    assert.equal(isReached(gate), true);
    const pid = Number(/"pid":(\d+)/.exec(gate.daemonWords)?.[1]);
    process.kill(pid, 'SIGSTOP');
    try {
      await once(gate.net.client.startWorker(new URL('./support/udp-flood.js', import.meta.url), { host: SERVER[4], ports: 6000 }), 'message');
      assert.equal(isReached(gate), false, 'what cannot be inspected stops');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await eventually('all is well again', 60, () => (isReached(gate) ? true : null));
    await eventually('drops are counted', 40, () => ((gate.ask<Status>('status').troubles['queue-overrun'] ?? 0) > 500 ? true : null));
    assert.equal(seeder.latest.uploaded, slipped);
  });

  test('reloads under load lose no flow, also when classes come and go', live, async (t) => {
    const gate = gateway(t);
    await gate.up(WATCH);
    const report = await gate.ordinaryTraffic();
    for (let i = 0; i < 12; i++) {
      gate.configure(i % 3 === 0 ? `${DROP}[[rule]]\nname = "slow"\naction = "limit"\nrate = "${i + 1}mbit"\n` : WATCH);
      // By signal and by socket in turn.
      if (i % 2 === 0) gate.daemon?.kill('SIGHUP');
      else assert.equal(gate.command('reload', '--config', gate.path('p2pwall.toml')).status, 0);
      await pause(250);
    }
    gate.configure('[[rule]]\nname = "broken"\naction = "nonsense"\n');
    const refused = gate.command('reload', '--socket', gate.path('control.sock'));
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /the policy in force stays/);
    assertUnharmed(await report());
  });

  test('a flood of flows past the table limit, and a reader that stands still: everyday traffic goes on', live, async (t) => {
    const gate = gateway(t);
    await gate.up(WATCH, 'max_flows = 1000');
    const report = await gate.ordinaryTraffic();
    const flood = async (): Promise<void> => {
      const worker = gate.net.client.startWorker(new URL('./support/udp-flood.js', import.meta.url), { host: SERVER[4], ports: 6000 });
      await once(worker, 'message');
    };
    await flood();
    const status = gate.ask<Status>('status');
    assert.ok(status.flows <= 1000 && (status.troubles['table-full'] ?? 0) > 1000, JSON.stringify(status.troubles));
    // The reader stands still: the queue fills up, and then the kernel lets packets pass.
    const pid = Number(/"pid":(\d+)/.exec(gate.daemonWords)?.[1]);
    process.kill(pid, 'SIGSTOP');
    let waiting = 0;
    try {
      await flood();
      await pause(1500);
      waiting = Number(gate.router.must('cat', ['/proc/net/netfilter/nfnetlink_queue']).trim().split(/\s+/)[2]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    assert.ok(waiting >= 4000, `the queue was full: ${waiting}`);
    await eventually('the wall answers again', 20, () => (gate.ask<Status>('status').queue.waiting < 100 ? true : null));
    await eventually('what overflowed is counted', 40, () => ((gate.ask<Status>('status').troubles['queue-overrun'] ?? 0) > 500 ? true : null));
    await eventually('and reported', 40, () => (/the queue was full: packets passed uninspected/.test(gate.daemonWords) ? true : null));
    await eventually('and written', 5, () => (gate.events('stats').some(({ verdict }) => (verdict as { why?: string } | undefined)?.why === 'queue-overrun') ? true : null));
    await pause(1000);
    assertUnharmed(await report());
  });

  test('the connection table of the kernel is full: said, and everyday traffic goes on', live, async (t) => {
    const gate = gateway(t);
    const max = Number(gate.router.must('cat', ['/proc/sys/net/netfilter/nf_conntrack_max']));
    const hosts = Array.from({ length: Math.ceil(max / 60_000) + 1 }, (_, i) => `10.77.2.${100 + i}`);
    if (hosts.length > 6) {
      t.skip(`the table of this machine has room for ${max} connections: filling it takes too long`);
      return;
    }
    gate.net.server.ip(...hosts.map((host) => `addr add ${host}/24 dev eth0`));
    gate.router.sysctl('net.netfilter.nf_conntrack_udp_timeout=300');
    // Smaller than the kernel's table, and full as well.
    await gate.up(WATCH, 'max_flows = 20000');
    const report = await gate.ordinaryTraffic();
    await Promise.all(hosts.map((host) => once(gate.net.client.startWorker(new URL('./support/udp-flood.js', import.meta.url), { host, ports: 60_000 }), 'message')));
    await eventually('full', 10, () => (Number(gate.router.must('cat', ['/proc/sys/net/netfilter/nf_conntrack_count'])) > 0.97 * max ? true : null));
    await eventually('said', 10, () => (/connection table is full: it drops new connections/.test(gate.daemonWords) ? true : null));
    await pause(3000);
    assertUnharmed(await report());
    assert.match(gate.command('check', '--config', gate.path('p2pwall.toml')).stdout, /connection table: .*\n.*nf_conntrack_max/);
    assert.equal(await gate.end(), 0);
  });

  test('a moved event file, and a disk without room: the traffic goes on', live, async (t) => {
    const gate = gateway(t);
    const stats = '[events]\nstats_seconds = 1\n';
    await gate.up(WATCH, '');
    const report = await gate.ordinaryTraffic();
    await pause(1500);
    // logrotate: move, then SIGUSR1.
    renameSync(gate.path('eve.json'), gate.path('eve.json.1'));
    gate.daemon?.kill('SIGUSR1');
    await pause(500);
    assert.equal(await gate.end(), 0);
    assert.ok(gate.events('flow').length > 0, 'flows that ended later are in the new file');
    const config = gate.configure(WATCH);
    const text = readFileSync(config, 'utf8').replace(gate.path('eve.json'), '/dev/full').replace('[events]\n', stats);
    await gate.upWith(text);
    await eventually('said', 10, () => (gate.daemonWords.includes('cannot write events') ? true : null));
    assertUnharmed(await report());
    assert.equal(await gate.end(), 0);
  });

  test('another program holds the iptables lock: the wall waits and stands', live, async (t) => {
    const gate = gateway(t);
    const holder = gate.router.spawn('flock', ['/run/xtables.lock', 'sleep', '2'], { stdio: 'ignore' });
    await pause(200);
    await gate.up(DROP, 'backend = "iptables-legacy"');
    assert.match(gate.router.must('iptables-legacy-save'), /-A FORWARD .*-j P2PWALL-FORWARD/);
    assert.equal(await gate.end(), 0);
    assert.equal(traces(gate), '');
    holder.kill();
  });

  test('the control socket refuses other users and nonsense', live, async (t) => {
    const gate = gateway(t);
    await gate.up(WATCH);
    const script = `import socket,sys\ns=socket.socket(socket.AF_UNIX)\ntry:\n s.connect(sys.argv[1])\nexcept PermissionError:\n print("refused"); sys.exit()\ns.sendall(sys.argv[2].encode()+b"\\n")\nprint(s.recv(4096).decode())`;
    const say = (user: string, text: string): string => gate.router.must('setpriv', [`--reuid=${user}`, '--clear-groups', '/usr/bin/python3', '-c', script, gate.path('control.sock'), text]);
    assert.equal(say('65534', '{"command":"status"}').trim(), 'refused');
    assert.match(say('0', 'nonsense'), /"ok":false.*no JSON/);
    assert.match(say('0', '{"command":"format the disk"}'), /unknown command/);
    assert.match(say('0', '{"command":"block","address":"10.0.0.1","seconds":-1}'), /seconds must be/);
    assert.match(say('0', '{"command":"block","address":"x; reboot"}'), /is no address/);
  });

  test('as a service: two capabilities suffice, readiness and watchdog are told', live, async (t) => {
    const gate = gateway(t);
    const script = `import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nwhile True: print(s.recv(4096).decode().replace("\\n"," "),flush=True)`;
    const manager = gate.router.spawn('/usr/bin/python3', ['-c', script, gate.path('notify')]);
    let told = '';
    manager.stdout?.on('data', (data: Buffer) => {
      told += data.toString();
    });
    await pause(500);
    const config = readFileSync(gate.configure(`${DROP}[[rule]]\nname = "slow"\naction = "limit"\nrate = "1mbit"\n`), 'utf8');
    const capabilities = ['setpriv', '--bounding-set=-all,+net_admin,+net_raw', '--inh-caps=-all', '--no-new-privs'];
    const checked = gate.router.run('setpriv', [...capabilities.slice(1), process.execPath, P2PWALL, 'check', '--config', gate.path('p2pwall.toml')]);
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    await gate.upWith(config, capabilities, { NOTIFY_SOCKET: gate.path('notify'), WATCHDOG_USEC: '1000000' });
    await eventually('told', 10, () => (/READY=1 STATUS=2 rules[\s\S]*WATCHDOG=1[\s\S]*WATCHDOG=1/.test(told) ? true : null));
    assert.equal(await gate.end(), 0);
    assert.match(told, /STOPPING=1/);
    assert.equal(traces(gate), '');
  });
});
