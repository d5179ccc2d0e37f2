/**
 * Several queues, each with a thread of its own; and threads and detectors that fail. Needs root. Safe: all traffic and
 * rules are in namespaces that the tests made; faults are injected into the tests' own daemons (support/faults.ts).
 */
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LiveFlow, Status, TopRow } from '../../src/control/protocol.js';
import { CLIENT, type Gateway, SERVER, TRACKER, eventually, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';
import { DROP, WATCH, assertUnharmed, gateway, isReached, traces } from './support/gateway-checks.js';

const live = { skip: gatewayUnavailable() ?? false };
const MIB = 1 << 20;

/** Packets that each queue has seen: the id of its latest one. */
function queued(gate: Gateway): number[] {
  return gate.router.must('cat', ['/proc/net/netfilter/nfnetlink_queue']).trim().split('\n').map((line) => Number(line.trim().split(/\s+/)[7]));
}

const ADDRESSES = 16;

/** An exchange of datagrams from each of many addresses of the client, so that both queues have some. */
async function fromManyAddresses(gate: Gateway): Promise<void> {
  const addresses = Array.from({ length: ADDRESSES }, (_, i) => `10.77.1.${100 + i}`);
  gate.net.client.ip(...addresses.map((address) => `addr add ${address}/24 dev eth0`));
  const echo = 'import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(("10.77.2.2",9999)); print("ready",flush=True)\nwhile True: d,a=s.recvfrom(100); s.sendto(d,a)';
  const echoing = gate.net.server.spawn('/usr/bin/python3', ['-c', echo]);
  const say = 'import socket,sys,time\nfor a in sys.argv[1:]:\n s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(5); s.bind((a,0))\n for i in range(3): s.sendto(b"x"*40,("10.77.2.2",9999)); s.recv(100)';
  await once(echoing.stdout as NonNullable<typeof echoing.stdout>, 'data');
  gate.net.client.must('/usr/bin/python3', ['-c', say, ...addresses]);
}

/** Starts the daemon with faults at hand; returns how to cause one ('' ends it). */
async function upWithFaults(gate: Gateway, rules: string, settings = ''): Promise<(what: string) => void> {
  // Not the bundle: the preloaded module must meet the daemon's own detectors.
  gate.program = fileURLToPath(new URL('../../src/cli/p2pwall.js', import.meta.url));
  const file = gate.path('fault');
  const preload = new URL('./support/faults.js', import.meta.url).href;
  await gate.up(rules, settings, { P2PWALL_FAULT_FILE: file, NODE_OPTIONS: `--import ${preload}` });
  return (what) => writeFileSync(file, what);
}

// Side by side: most of their time they wait.
describe('inspection threads', { concurrency: 3 }, () => {
  test('two queues: both are read, peers are known to both, BitTorrent is stopped, listings are of all', live, async (t) => {
    const gate = gateway(t);
    gate.share(2 * MIB, 'http', TRACKER);
    await gate.up(WATCH, 'queues = 2');
    await fromManyAddresses(gate);
    assert.equal(queued(gate).length, 2);
    await eventually('counted', 5, () => (gate.ask<Status>('status').packets >= 6 * ADDRESSES ? true : null));
    assert.equal(gate.ask<Status>('status').flows, ADDRESSES, 'both directions of a flow come by one queue');
    const report = await gate.ordinaryTraffic();
    assert.ok(queued(gate).every((packets) => packets > 0), `both queues: ${queued(gate).join(' ')}`);
    gate.peer('seed', { encryption: 'required', transport: 'both' });
    const leecher = gate.peer('leech', { encryption: 'required', transport: 'both' });
    await eventually('the download', 60, () => (leecher.latest.done ? true : null));
    const flows = await eventually('tracker and peer', 10, () => {
      const seen = gate.ask<LiveFlow[]>('flows');
      return [TRACKER, SERVER[4]].every((address) => seen.some(({ src_ip, dest_ip, p2p }) => [src_ip, dest_ip].includes(address) && p2p?.protocol === 'bittorrent')) ? seen : null;
    });
    const { packets } = gate.ask<Status>('status');
    assert.ok(flows.length > 1 && packets > 100, `${flows.length} flows, ${packets} packets`);
    assert.ok(gate.ask<TopRow[]>('top').some(({ client, protocol, bytes }) => client === CLIENT[4] && protocol === 'bittorrent' && bytes > MIB));
    leecher.stop();
    gate.configure(`[[rule]]\nname = "tracker"\noutside = ["${TRACKER}"]\naction = "allow"\n${DROP}`, 'queues = 2');
    assert.match(gate.command('reload', '--config', gate.path('p2pwall.toml')).stdout, /2 rules are in force/);
    const again = gate.peer('leech', { folder: 'again', port: 17_881, encryption: 'required', transport: 'both' });
    await pause(12_000);
    assert.equal(again.latest.bytes, 0, 'told by the tracker on one queue, refused on the other');
    assert.ok(gate.events('block').length > 0);
    assertUnharmed(await report());
    assert.equal(await gate.end(), 0);
    assert.equal(traces(gate), '');
  });

  test('a thread dies: replaced and reported, nothing is lost; again and again: the daemon ends', live, async (t) => {
    const gate = gateway(t);
    gate.share(2 * MIB, 'http');
    const cause = await upWithFaults(gate, `${DROP}`, 'queues = 2');
    const report = await gate.ordinaryTraffic();
    const deaths = (): number => (gate.daemonWords.match(/an inspection thread ended: injected/g) ?? []).length;
    cause('thread');
    await eventually('reported', 10, () => (deaths() === 1 ? true : null));
    const seeder = gate.peer('seed');
    gate.peer('leech', { direct: true });
    await pause(5000);
    assert.equal(seeder.latest.uploaded, 0, 'the new thread stops what it shall');
    assertUnharmed(await report());
    assert.ok(gate.ask<Status>('status').packets > 100, 'what the dead thread counted is not lost');
    for (let i = 0; i < 12 && gate.daemon?.exitCode === null; i++) {
      cause('thread');
      await pause(600);
    }
    await eventually('the daemon ends', 10, () => (gate.daemon?.exitCode === 1 ? true : null));
    assert.equal(traces(gate), '', 'mode open: nothing is left');
    assert.equal(isReached(gate), true);
  });

  test('the same in mode closed: the rules stay, and undecided traffic stops', live, async (t) => {
    const gate = gateway(t);
    const cause = await upWithFaults(gate, DROP, 'mode = "closed"');
    await gate.ordinaryTraffic();
    assert.equal(isReached(gate), true);
    for (let i = 0; i < 12 && gate.daemon?.exitCode === null; i++) {
      cause('thread');
      await pause(600);
    }
    await eventually('the daemon ends', 10, () => (gate.daemon?.exitCode === 1 ? true : null));
    assert.match(gate.daemonWords, /the rules of the wall stay: mode is closed/);
    assert.equal(isReached(gate), false);
    assert.equal(gate.command('down').status, 0);
    assert.equal(isReached(gate), true);
  });

  test('a thread that stands still is replaced', live, async (t) => {
    const gate = gateway(t);
    const cause = await upWithFaults(gate, DROP);
    await gate.ordinaryTraffic();
    cause('hang');
    await pause(1000);
    cause('');
    // Ended when it was silent for three looks of five seconds; here it comes back before that.
    assert.equal(isReached(gate), true);
    cause('hang');
    await eventually('replaced', 40, () => {
      if (!gate.daemonWords.includes('it was ended because it stood still')) return null;
      cause('');
      return true;
    });
    await eventually('reached', 10, () => (isReached(gate) ? true : null));
  });

  test('a detector that throws, mode open: counted, reported, put to rest; traffic goes on', live, async (t) => {
    const gate = gateway(t);
    gate.share(2 * MIB, 'http');
    const cause = await upWithFaults(gate, DROP);
    const report = await gate.ordinaryTraffic();
    cause('detector');
    gate.peer('seed');
    const leecher = gate.peer('leech', { direct: true });
    await eventually('put to rest', 60, () => (gate.daemonWords.includes('a detector failed too often and is not asked any more') ? true : null));
    assert.match(gate.daemonWords, /"feature":"bittorrent\/.*injected: a detector fails/);
    await eventually('counted', 5, () => ((gate.ask<Status>('status').troubles['detector-threw'] ?? 0) > 2 ? true : null));
    await eventually('what nobody names passes', 30, () => (leecher.latest.done ? true : null));
    assertUnharmed(await report());
    assert.equal(await gate.end(), 0);
    assert.equal(traces(gate), '');
  });

  test('a detector that throws, mode closed: what it was asked about stops, until it answers again', live, async (t) => {
    const gate = gateway(t);
    gate.share(2 * MIB, 'http');
    const cause = await upWithFaults(gate, DROP, 'mode = "closed"');
    await gate.ordinaryTraffic();
    cause('detector');
    const seeder = gate.peer('seed');
    gate.peer('leech', { direct: true });
    await eventually('counted', 60, () => ((gate.ask<Status>('status').troubles['detector-threw'] ?? 0) > 20 ? true : null));
    await pause(4000);
    assert.doesNotMatch(gate.daemonWords, /is not asked any more/);
    cause('');
    assert.equal(isReached(gate), true, 'all is well again');
    await pause(6000);
    assert.equal(seeder.latest.uploaded, 0, 'blocked then and now');
  });
});
