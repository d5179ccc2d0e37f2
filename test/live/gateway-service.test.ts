/**
 * What an administrator sees and says: metrics, system log, hardware addresses, hours in time zones, the live table in a
 * terminal, connections under destination NAT. Needs root. Safe: all traffic and rules are in namespaces that the tests made.
 */
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerList, Status, TopRow } from '../../src/control/protocol.js';
import { CLIENT, type Gateway, P2PWALL, SEEDER_PORT, SERVER, eventually, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';
import { DROP, WATCH, assertUnharmed, gateway, isReached } from './support/gateway-checks.js';

const live = { skip: gatewayUnavailable() ?? false };
const MIB = 1 << 20;
const TYPIST = join(import.meta.dirname, '..', '..', '..', 'test', 'live', 'support', 'typist.py');
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

const clock = { skip: live.skip || (existsSync(FAKETIME) ? false : 'needs libfaketime (Debian package faketime; script/setup-live installs it)') };

/** The router's metrics by series. */
function metrics(gate: Gateway): Map<string, number> {
  const script = 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9477/metrics").read().decode())';
  const lines = gate.router.must('/usr/bin/python3', ['-c', script]).split('\n');
  return new Map(lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

/** `Mon 14:05` in a zone, so many minutes from now. */
function hourIn(timeZone: string, minutes: number): { day: string; hour: string } {
  const parts = new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit' }).formatToParts(Date.now() + minutes * 60_000);
  const part = (type: string): string => parts.find((it) => it.type === type)?.value ?? '';
  return { day: part('weekday').toLowerCase(), hour: `${part('hour')}:${part('minute')}` };
}

/** A schedule from `from` to `to` minutes from now, in that zone. */
function span(timeZone: string, from: number, to: number): string {
  const begin = hourIn(timeZone, from);
  return `${begin.day} ${begin.hour}-${hourIn(timeZone, to).hour}`;
}

/** The daemon under a clock of its own, with one rule that drops all P2P in these hours (UTC); returns how to turn the clock. */
async function upWithClock(gate: Gateway, when: string): Promise<(by: string) => void> {
  const jump = (by: string): void => writeFileSync(gate.path('clock'), by);
  jump('+0');
  const text = readFileSync(gate.configure(`[[rule]]\nname = "later"\nwhen = "${when}"\naction = "drop"\n`, 'time_zone = "UTC"'), 'utf8');
  await gate.upWith(text, [], { LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: gate.path('clock'), FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' });
  return jump;
}

/** What a seeder sent of a file of one MiB that its leecher has whole: its counter moves once a second. */
function allCounted(seeder: ReturnType<Gateway['peer']>): Promise<number> {
  return eventually('the seeder has counted what it sent', 10, () => (seeder.latest.uploaded >= MIB ? seeder.latest.uploaded : null));
}

// Side by side: most of their time they wait.
describe('the wall in an administrator’s hands', { concurrency: 3 }, () => {
  test('metrics: packets, flows by protocol and verdict, latency, queue drops', live, async (t) => {
    const gate = gateway(t);
    gate.share(2 * MIB, 'http');
    await gate.up(`[metrics]\nlisten = "127.0.0.1:9477"\n${DROP}`);
    const report = await gate.ordinaryTraffic();
    gate.peer('seed');
    gate.peer('leech', { direct: true });
    const seen = await eventually('blocked flows are counted', 20, () => {
      const now = metrics(gate);
      return (now.get('p2pwall_flows_total{protocol="bittorrent",outcome="drop"}') ?? 0) > 0 && now.has('p2pwall_flows_total{protocol="-",outcome="pass"}') ? now : null;
    });
    const packets = seen.get('p2pwall_packets_total') ?? 0;
    assert.ok(packets > 50 && (seen.get('p2pwall_bytes_total') ?? 0) > packets * 40);
    assert.equal(seen.get('p2pwall_batch_seconds_count'), packets, 'each packet is in the histogram');
    assert.equal(seen.get('p2pwall_batch_seconds_bucket{le="+Inf"}'), packets);
    assert.ok((seen.get('p2pwall_batch_seconds_bucket{le="0.001"}') ?? 0) <= packets && (seen.get('p2pwall_batch_seconds_sum') ?? 0) > 0);
    assert.equal(seen.get('p2pwall_queue_drops_total{cause="queue-full"}'), 0);
    assert.equal(seen.get('p2pwall_queue_drops_total{cause="buffer-full"}'), 0);
    assert.ok(seen.has('p2pwall_flows') && seen.has('p2pwall_troubles_total{reason="queue-overrun"}'));
    assert.equal(gate.net.client.run('timeout', ['2', 'bash', '-c', 'exec 3<>/dev/tcp/10.77.1.1/9477']).status, 1, 'not for the network');
    assertUnharmed(await report());
  });

  test('events go to the system log', live, async (t) => {
    const gate = gateway(t);
    gate.share(MIB, 'http');
    const receiver = gate.router.spawn('/usr/bin/python3', ['-u', '-c', 'import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nwhile True: print(s.recv(65536).decode(),end="")', gate.path('log')]);
    let logged = '';
    receiver.stdout?.on('data', (data: Buffer) => {
      logged += data.toString();
    });
    await eventually('the receiver', 10, () => (existsSync(gate.path('log')) ? true : null));
    const text = readFileSync(gate.configure(DROP), 'utf8').replace('[events]\n', '[events]\nsyslog = true\n');
    // A /dev of the daemon's own, with our receiver in it.
    const dev = 'mount -t tmpfs none /mnt && cp -a /dev/null /dev/zero /dev/random /dev/urandom /mnt && ln -s "$0" /mnt/log && mount --move /mnt /dev && exec "$@"';
    await gate.upWith(text, ['unshare', '-m', 'sh', '-c', dev, gate.path('log')]);
    gate.peer('seed');
    gate.peer('leech', { direct: true });
    // RFC 3164: facility daemon, severity informational.
    await eventually('logged', 20, () => (/^<30>p2pwall\[\d+\]: \{"timestamp":"[^"]+","event_type":"block".*"protocol":"bittorrent"/m.test(logged) ? true : null));
  });

  test('rules for hardware addresses', live, async (t) => {
    const gate = gateway(t);
    gate.share(MIB, 'http');
    const own = (JSON.parse(gate.net.client.must('ip', ['-j', 'link', 'show', 'eth0'])) as { address: string }[])[0]?.address ?? '';
    const rule = (mac: string): string => `[[rule]]\nname = "one machine"\nmac = ["${mac}"]\naction = "drop"\n`;
    await gate.up(rule('02:00:5e:10:00:01'));
    const seeder = gate.peer('seed');
    const leecher = gate.peer('leech', { direct: true });
    await eventually('another machine may', 30, () => (leecher.latest.done ? true : null));
    leecher.stop();
    const before = await allCounted(seeder);
    gate.configure(rule(own.toUpperCase().replaceAll(':', '-')));
    assert.equal(gate.command('reload', '--config', gate.path('p2pwall.toml')).status, 0);
    gate.peer('leech', { direct: true, folder: 'again', port: 17_881 });
    await pause(8000);
    assert.equal(seeder.latest.uploaded, before, 'this one may not');
    assert.ok(gate.events('block').some(({ verdict }) => (verdict as { rule: string }).rule === 'one machine'));
  });

  test('hours of a rule count in its time zone', live, async (t) => {
    const gate = gateway(t);
    gate.share(MIB, 'http');
    // Far from the zone of the process, whatever that is: one of the two is.
    const zone = Math.abs(new Date().getTimezoneOffset()) < 360 ? 'Pacific/Kiritimati' : 'UTC';
    const rule = (when: string): string => `[[rule]]\nname = "hours"\nwhen = "${when}"\naction = "drop"\n`;
    await gate.up(rule(span(zone, -30, 30)), `time_zone = "${zone}"`);
    const seeder = gate.peer('seed');
    const blocked = gate.peer('leech', { direct: true });
    await pause(8000);
    assert.equal(seeder.latest.uploaded, 0, 'the hour there is within');
    blocked.stop();
    gate.configure(rule(span(zone, 60, 120)), `time_zone = "${zone}"`);
    assert.equal(gate.command('reload', '--config', gate.path('p2pwall.toml')).status, 0);
    const leecher = gate.peer('leech', { direct: true, folder: 'again', port: 17_881 });
    await eventually('not yet in force', 30, () => (leecher.latest.done ? true : null));
  });

  test('the clock jumps by hours and back: rules follow it, everything else goes on', clock, async (t) => {
    const gate = gateway(t);
    gate.share(MIB, 'http');
    const jump = await upWithClock(gate, span('UTC', 120, 240));
    const report = await gate.ordinaryTraffic();
    gate.command('block', '192.0.2.9', '--for', '1h', '--config', gate.path('p2pwall.toml'));
    const seeder = gate.peer('seed');
    const leecher = gate.peer('leech', { direct: true });
    await eventually('the hour has not come', 30, () => (leecher.latest.done ? true : null));
    leecher.stop();
    const before = await allCounted(seeder);
    jump('+3h');
    await pause(1000);
    const late = gate.peer('leech', { direct: true, folder: 'late', port: 17_881 });
    await pause(6000);
    assert.equal(seeder.latest.uploaded, before, 'now it has');
    late.stop();
    assert.deepEqual(gate.ask<PeerList>('peers').blocked.map(({ address }) => address), ['192.0.2.9'], 'blocks last as long as they should');
    jump('-40d');
    await pause(1000);
    const early = gate.peer('leech', { direct: true, folder: 'early', port: 18_881 });
    if (hourIn('UTC', 0).day !== hourIn('UTC', -40 * 1440).day) await eventually('another day', 40, () => (early.latest.done ? true : null));
    assert.ok(gate.ask<Status>('status').uptime_seconds < 300);
    assertUnharmed(await report());
    assert.equal(await gate.end(), 0);
  });

  test('p2pwall top in a terminal: sorts and blocks by keys, and leaves the terminal as it was', live, async (t) => {
    const gate = gateway(t);
    await gate.up(WATCH);
    await gate.ordinaryTraffic();
    await pause(1000);
    const keys = [[3, 'b'], [1, 'c'], [1, '\u001b[B'], [1, '\u001b[A'], [1, 'k'], [2, 'q']];
    const shown = gate.router.must('/usr/bin/python3', [TYPIST, JSON.stringify(keys), process.execPath, P2PWALL, 'top', '--interval', '1', '--config', gate.path('p2pwall.toml')]);
    for (const words of ['p2pwall top, by rate', 'by bytes', 'by client', `${CLIENT[4]} is blocked for 10 minutes`, 'ordinary', 'bit/s']) assert.ok(shown.includes(words), `${words}: ${shown}`);
    assert.match(shown, /\[\?25h.\[\?1049l\s+status 0/, 'cursor and former screen are back');
    assert.deepEqual(gate.ask<PeerList>('peers').blocked.map(({ address }) => address), [CLIENT[4]]);
    assert.equal(isReached(gate), false);
    gate.command('unblock', CLIENT[4], '--config', gate.path('p2pwall.toml'));
    assert.equal(isReached(gate), true);
  });

  for (const masquerade of [false, true]) {
    test(`destination NAT${masquerade ? ' and masquerading' : ''}: counted for the client; an hour that begins ends what nobody asks about any more`, clock, async (t) => {
      const gate = gateway(t, { masquerade });
      gate.share(24 * MIB, 'http');
      const published = '10.77.1.99';
      gate.router.must('iptables', ['-w', '-t', 'nat', '-A', 'PREROUTING', '-d', published, '-j', 'DNAT', '--to-destination', SERVER[4]]);
      gate.net.client.ip(`route add ${published} via 10.77.1.1`);
      gate.net.server.must('tc', ['qdisc', 'add', 'dev', 'eth0', 'root', 'tbf', 'rate', '8mbit', 'burst', '64kb', 'latency', '100ms']);
      const jump = await upWithClock(gate, span('UTC', 120, 240));
      gate.peer('seed');
      const leecher = gate.peer('leech', { peers: [[published, SEEDER_PORT]] });
      await eventually('data flows', 20, () => (leecher.latest.bytes > MIB ? true : null));
      await eventually('counted', 10, () => (gate.ask<TopRow[]>('top').some((row) => row.client === CLIENT[4] && row.protocol === 'bittorrent' && row.bytes > MIB) ? true : null));
      assert.match(gate.router.must('conntrack', ['-L', '-d', published]), /mark=65536/, 'passes unasked');
      jump('+3h');
      // Under both kinds of NAT the mark is set with the next look through the whole table.
      await pause(masquerade ? 7000 : 2000);
      const after = leecher.latest.bytes;
      await pause(3000);
      assert.equal(leecher.latest.bytes - after, 0, 'nothing flows');
      assert.ok(!leecher.latest.done);
    });
  }
});
