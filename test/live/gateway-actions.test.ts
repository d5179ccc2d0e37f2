/**
 * What the wall does to flows besides stopping them: rates, priorities, containment, connections
 * that were there before; and that everyday traffic beside it arrives byte for byte. Needs root. Safe: all traffic and rules
 * are in namespaces that the tests made.
 */
import { type TestContext, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import type { PeerList, Status, TopRow } from '../../src/control/protocol.js';
import { CLIENT, Gateway, SERVER, eventually, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';
import { WireCounter } from '../../src/lab/wire-count.js';

const live = { skip: gatewayUnavailable() ?? false };
const MIB = 1 << 20;

function gateway(t: TestContext, masquerade = false): Gateway {
  const made = new Gateway('p2pw-wall', { masquerade });
  t.after(() => made.close());
  return made;
}

// One after the other: rates suffer from company.
for (const per of ['rule', 'client', 'flow'] as const) {
  test(`limit per ${per}: the rate is within 15 %`, live, async (t) => {
    const gate = gateway(t);
    gate.share(24 * MIB, 'http');
    const counter = new WireCounter(gate.net.client, 0);
    const limit = 4_000_000;
    await gate.up(`[[rule]]\nname = "slow"\nprotocol = ["bittorrent"]\naction = "limit"\nrate = "4mbit"\nper = "${per}"\n`);
    gate.peer('seed');
    const leecher = gate.peer('leech', { direct: true });
    // What passed before the wall knew is over soon after.
    await eventually('the first MiB', 30, () => (leecher.latest.bytes > MIB ? true : null));
    await pause(3000);
    // On the wire: libtorrent's own counters move once a second, a sixth of this window.
    const [startBytes, startMs] = [counter.read().bytes, performance.now()];
    await pause(6000);
    const rate = ((counter.read().bytes - startBytes) * 8) / ((performance.now() - startMs) / 1000);
    t.diagnostic(`per ${per}: ${(rate / 1e6).toFixed(2)} Mbit/s of ${limit / 1e6}`);
    assert.ok(Math.abs(rate / limit - 1) < 0.15, `${rate} bit/s`);
    const rows = gate.ask<TopRow[]>('top');
    assert.ok(rows.some(({ protocol, action, bytes }) => protocol === 'bittorrent' && action === 'class' && bytes > MIB), JSON.stringify(rows));
  });
}

// Side by side: most of their time they wait.
describe('what the wall does to flows', { concurrency: 3 }, () => {
  test('everyday traffic arrives byte for byte while P2P is dropped, IPv4 and IPv6', live, async (t) => {
    await Promise.all(
      ([4, 6] as const).map(async (ipVersion) => {
        const gate = gateway(t);
        gate.share(MIB, 'http');
        await gate.up('[[rule]]\nname = "none"\nprotocol = ["any"]\naction = "drop"\n');
        const report = await gate.ordinaryTraffic(ipVersion);
        const seeder = gate.peer('seed', { ipVersion });
        gate.peer('leech', { ipVersion, direct: true });
        await pause(8000);
        const { exchanges, mismatches } = await report();
        t.diagnostic(`IPv${ipVersion}: ${JSON.stringify(exchanges)}`);
        assert.deepEqual(mismatches, []);
        for (const name of ['http', 'tls', 'ssh', 'dns', 'quic']) assert.ok((exchanges[name] ?? 0) > 20, `${name} went on`);
        assert.equal(seeder.latest.uploaded, 0);
        assert.ok(gate.events('block').length > 0);
      }),
    );
  });

  test('prioritise: the code point is on the wire, both ways, and others keep theirs', live, async (t) => {
    const gate = gateway(t);
    gate.share(2 * MIB, 'http');
    const count = (host: typeof gate.router): number => Number(/(\d+):\d+\] -A INPUT -m dscp --dscp 0x08/.exec(host.must('iptables-save', ['-c']))?.[1] ?? -1);
    for (const host of [gate.net.server, gate.net.client]) host.must('iptables', ['-A', 'INPUT', '-m', 'dscp', '--dscp', '8']);
    await gate.up('[[rule]]\nname = "last"\nprotocol = ["bittorrent"]\naction = "prioritise"\npriority = "low"\n');
    gate.net.client.must('timeout', ['5', 'bash', '-c', `exec 3<>/dev/tcp/${SERVER[4]}/6969`]);
    assert.deepEqual([count(gate.net.server), count(gate.net.client)], [0, 0]);
    gate.peer('seed');
    const leecher = gate.peer('leech', { direct: true });
    await eventually('the download', 30, () => (leecher.latest.done ? true : null));
    assert.ok(gate.downloadedIsRight());
    assert.ok(count(gate.net.server) > 10 && count(gate.net.client) > 10, `${count(gate.net.server)} ${count(gate.net.client)}`);
  });

  test('contain: the peer is in the kernel set, and the next connection ends at its first packet', live, async (t) => {
    const gate = gateway(t);
    gate.share(2 * MIB, 'http');
    await gate.up('[[rule]]\nname = "hold"\nprotocol = ["file-sharing"]\naction = "contain"\nhold = "5m"\n');
    const seeder = gate.peer('seed');
    const leecher = gate.peer('leech', { direct: true });
    const { contained } = await eventually('contained', 15, () => {
      const list = gate.ask<PeerList>('peers');
      return list.contained.length > 0 ? list : null;
    });
    assert.ok(contained.some(({ client, peer, port }) => client === CLIENT[4] && peer === SERVER[4] && port === 6881), JSON.stringify(contained));
    assert.match(gate.router.must('ipset', ['list', 'p2pwall-peers4']), new RegExp(`${SERVER[4]},tcp:6881,${CLIENT[4]} timeout`));
    leecher.stop();
    const before = gate.ask<Status>('status').packets;
    // Encrypted now, and the wall need not look: the kernel drops the SYN.
    gate.peer('leech', { direct: true, encryption: 'required' });
    await pause(6000);
    const dropped = /packets (\d+) /.exec(gate.router.must('ipset', ['list', 'p2pwall-peers4']).split('\n').find((line) => line.includes('tcp:6881')) ?? '')?.[1];
    t.diagnostic(`dropped in the kernel: ${dropped} packets; queued meanwhile: ${gate.ask<Status>('status').packets - before}`);
    assert.ok(Number(dropped) > 0, 'the set matched');
    assert.equal(seeder.latest.uploaded, 0);
  });

  test('connections older than the wall are classified from the middle and end', live, async (t) => {
    const gate = gateway(t);
    // Large and slowed at the source, so that it is still under way.
    gate.share(24 * MIB, 'http');
    gate.net.server.must('tc', ['qdisc', 'add', 'dev', 'eth0', 'root', 'tbf', 'rate', '8mbit', 'burst', '64kb', 'latency', '100ms']);
    const seeder = gate.peer('seed');
    const leecher = gate.peer('leech', { direct: true });
    await eventually('data flows', 20, () => (leecher.latest.bytes > MIB ? true : null));
    await gate.up('[[rule]]\nname = "none"\nprotocol = ["file-sharing"]\naction = "reject"\n');
    await pause(3000);
    const after = leecher.latest.bytes;
    await pause(6000);
    assert.ok(!leecher.latest.done && leecher.latest.bytes - after < MIB / 16, `${leecher.latest.bytes - after} bytes after the wall stood`);
    assert.equal(leecher.latest.peers + seeder.latest.peers, 0, 'both sides gave the connection up');
  });

  test('a policy that tightens ends what it allowed before; block and unblock work at once', live, async (t) => {
    const gate = gateway(t);
    gate.share(24 * MIB, 'http');
    gate.net.server.must('tc', ['qdisc', 'add', 'dev', 'eth0', 'root', 'tbf', 'rate', '8mbit', 'burst', '64kb', 'latency', '100ms']);
    await gate.up('[[rule]]\nname = "watch"\nprotocol = ["any"]\naction = "log"\n');
    gate.peer('seed', { encryption: 'required' });
    const leecher = gate.peer('leech', { encryption: 'required' });
    await eventually('data flows', 20, () => (leecher.latest.bytes > MIB ? true : null));
    const stands = async (): Promise<void> => {
      await pause(1000);
      const before = leecher.latest.bytes;
      await pause(3000);
      assert.equal(leecher.latest.bytes - before, 0, 'nothing flows');
    };
    assert.match(gate.command('block', CLIENT[4], '--for', '1m', '--config', gate.path('p2pwall.toml')).stdout, /is blocked for 60 seconds; [1-9]/);
    await stands();
    gate.command('unblock', CLIENT[4], '--config', gate.path('p2pwall.toml'));
    const before = leecher.latest.bytes;
    await eventually('it flows again', 20, () => (leecher.latest.bytes > before + MIB / 4 ? true : null));
    gate.configure('[[rule]]\nname = "none"\nprotocol = ["any"]\naction = "drop"\n');
    assert.match(gate.command('reload', '--config', gate.path('p2pwall.toml')).stdout, /1 rules are in force/);
    await stands();
  });
});
