/**
 * Kad, the network of eDonkey without servers, between two amuleds across the wall: named, and under `drop` and `reject` neither
 * learns anything of the other, however often they try. (The first datagram, of two bytes, is too short to be sure of, and passes; the
 * program calls itself connected then.) Second tier: the window is long. Needs root. Safe: all in namespaces that the test made.
 */
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { KAD_NODES, startKad } from '../../src/lab/edonkey-pair.js';
import { type Gateway, eventually, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';
import type { LabHost } from '../../src/lab/namespaces.js';
import { assertUnharmed, gateway } from './support/gateway-checks.js';

const reason =
  process.env.P2PWALL_TEST_ALL !== '1'
    ? 'second tier: script/test --all'
    : (gatewayUnavailable() ?? (spawnSync('which', ['amuled']).status === 0 ? null : 'needs the program amuled (Debian package amule-daemon; script/setup-live --all installs it)'));
const live = { skip: reason ?? false };
const BLOCKED_SECONDS = 90;

const rule = (action: string): string => `[[rule]]\nname = "the rule"\nprotocol = ["edonkey"]\naction = "${action}"\n`;

/** Whether a program says that it is part of the network. */
function isConnected(gate: Gateway, role: 'seed' | 'leech'): boolean {
  const log = gate.path(`${role}-config/logfile`);
  return existsSync(log) && readFileSync(log, 'latin1').includes('Connected to Kad');
}

/** Kad datagrams that arrived at a host: all, and those with more than ten bytes: hellos, contacts, searches. */
class KadCounter {
  readonly #host: LabHost;

  constructor(host: LabHost) {
    this.#host = host;
    for (const lengths of ['0:38', '39:65535']) host.must('iptables', ['-w', '-A', 'INPUT', '-p', 'udp', '--dport', '4672', '-m', 'length', '--length', lengths]);
    host.must('iptables', ['-w', '-A', 'INPUT', '-p', 'tcp', '--dport', '4662']);
  }

  read(): { readonly short: number; readonly long: number; readonly tcp: number } {
    const counts = [...this.#host.must('iptables-save', ['-c']).matchAll(/^\[(\d+):\d+\] -A INPUT /gm)].map((found) => Number(found[1]));
    const [short = 0, long = 0, tcp = 0] = counts;
    return { short, long, tcp };
  }
}

interface P2pEvent {
  readonly src_ip: string;
  readonly proto: string;
  readonly p2p: { readonly protocol: string; readonly feature: string; readonly confidence: string };
}

describe('Kad across the wall', { concurrency: 3 }, () => {
  test('log: both connect, and it is named', live, async (t) => {
    const gate = gateway(t);
    await gate.up(rule('log'));
    startKad(gate);
    await eventually('both are connected', 60, () => (isConnected(gate, 'seed') && isConnected(gate, 'leech') ? true : null));
    const named = (): P2pEvent[] => gate.events('p2p') as unknown as P2pEvent[];
    await eventually('named for certain', 60, () => (named().some(({ p2p }) => p2p.feature === 'kad' && p2p.confidence === 'certain') ? true : null));
    assert.deepEqual([...new Set(named().map(({ p2p }) => p2p.protocol))], ['edonkey']);
  });

  for (const action of ['drop', 'reject']) {
    test(`${action}: neither hears of the other`, live, async (t) => {
      const gate = gateway(t);
      const counters = [gate.net.client, gate.net.server].map((host) => new KadCounter(host));
      await gate.up(rule(action));
      const report = await gate.ordinaryTraffic();
      startKad(gate);
      await eventually('they try, and are blocked', 60, () => (gate.events('block').length > 0 ? true : null));
      await pause(BLOCKED_SECONDS * 1000);
      const arrived = counters.map((it) => it.read());
      t.diagnostic(JSON.stringify(arrived));
      for (const { short, long, tcp } of arrived) assert.ok(short <= 2 && long === 0 && tcp === 0, JSON.stringify(gate.events('p2p')));
      assert.ok(gate.events('block').every((event) => [KAD_NODES.inside, KAD_NODES.outside].includes(event.src_ip as never)), 'nobody else was blocked');
      assertUnharmed(await report());
    });
  }
});
