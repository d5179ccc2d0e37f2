/**
 * The wall against real BitTorrent programs: aria2 and libtorrent across a router, by TCP, encrypted, by uTP, with HTTP
 * and UDP trackers, masqueraded, over IPv6. Needs root. Safe: all traffic and rules are in namespaces that the tests made.
 */
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import type { Status } from '../../src/control/protocol.js';
import { Gateway, type PeerSettings, SERVER, TRACKER, eventually, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';

const reason = gatewayUnavailable();
const live = { skip: reason ?? false, concurrency: 8 };
const isAll = process.env.P2PWALL_TEST_ALL === '1';
/** How long blocked programs may try to come back. */
const BLOCKED_SECONDS = isAll ? 150 : 20;
const MIB = 1 << 20;

interface Case extends PeerSettings {
  readonly name: string;
  readonly program: 'libtorrent' | 'aria2' | 'transmission';
  /** A rule lets the tracker pass: discovery is seen in clear, and only the data is left to stop. */
  readonly isTrackerAllowed?: boolean;
  readonly tracker: 'http' | 'udp';
  readonly masquerade?: boolean;
}

const CASES: readonly Case[] = [
  { name: 'libtorrent, plain TCP, HTTP tracker', program: 'libtorrent', tracker: 'http' },
  { name: 'libtorrent, encryption required, HTTP tracker', program: 'libtorrent', tracker: 'http', encryption: 'required' },
  { name: 'libtorrent, uTP only, UDP tracker, masqueraded', program: 'libtorrent', tracker: 'udp', transport: 'utp', masquerade: true },
  { name: 'libtorrent, encrypted uTP, UDP tracker', program: 'libtorrent', tracker: 'udp', transport: 'utp', encryption: 'required' },
  { name: 'libtorrent, plain TCP to a known address, IPv6', program: 'libtorrent', tracker: 'http', ipVersion: 6, direct: true },
  { name: 'libtorrent, uTP to a known address, IPv6', program: 'libtorrent', tracker: 'http', ipVersion: 6, direct: true, transport: 'utp' },
  { name: 'aria2, its defaults, HTTP tracker, masqueraded', program: 'aria2', tracker: 'http', masquerade: true },
  { name: 'aria2, encryption required, UDP tracker', program: 'aria2', tracker: 'udp', encryption: 'required' },
  // As qBittorrent and Deluge: whatever gets through.
  { name: 'libtorrent, TCP and uTP, encrypted or not, HTTP tracker', program: 'libtorrent', tracker: 'http', transport: 'both', encryption: 'any' },
  ...(isAll
    ? ([
        { name: 'transmission, its defaults, HTTP tracker', program: 'transmission', tracker: 'http', transport: 'both', encryption: 'any' },
        { name: 'transmission, encryption required, TCP, UDP tracker', program: 'transmission', tracker: 'udp', transport: 'tcp', encryption: 'required' },
      ] as const)
    : []),
];

/** The hardest to stop: who is a peer was said in clear, what follows is encrypted, and programs try every way they know. */
const TOLD_CASES: readonly Case[] = CASES.filter(({ direct, encryption, program }) => direct !== true && (encryption !== undefined || program === 'aria2')).map((it) => ({
  ...it,
  name: `${it.name}, tracker allowed`,
  isTrackerAllowed: true,
}));

function gateway(t: TestContext, masquerade = false): Gateway {
  const made = new Gateway('p2pw-wall', { masquerade });
  t.after(() => made.close());
  return made;
}

interface Download {
  readonly isDone: () => boolean;
  /** Payload bytes that the seeder has given away. */
  readonly bytes: () => number;
}

function begin(gate: Gateway, it: Case): Download {
  const seeder = gate.peer('seed', it);
  if (it.program === 'aria2') {
    const leecher = gate.aria2(it);
    return { isDone: () => leecher.exitCode === 0, bytes: () => seeder.latest.uploaded };
  }
  if (it.program === 'transmission') {
    gate.transmission(it);
    return { isDone: () => seeder.latest.uploaded >= 2 * MIB && gate.downloadedIsRight(), bytes: () => seeder.latest.uploaded };
  }
  const leecher = gate.peer('leech', it);
  return { isDone: () => leecher.latest.done, bytes: () => Math.max(seeder.latest.uploaded, leecher.latest.bytes) };
}

test('allowed: identified, and the download is whole', live, async (t) => {
  await Promise.all(CASES.map((it) =>
    t.test(it.name, async (s) => {
      const gate = gateway(s, it.masquerade);
      gate.share(2 * MIB, it.tracker);
      await gate.up('[[rule]]\nname = "watch"\nprotocol = ["bittorrent"]\naction = "log"\n');
      const download = begin(gate, it);
      await eventually(`download (${gate.daemonWords})`, it.program === 'transmission' ? 150 : 60, () => (download.isDone() ? true : null));
      assert.ok(gate.downloadedIsRight(), 'the hash is right');
      const status = await eventually('identified', 5, () => {
        const seen = gate.ask<Status>('status');
        return (seen.protocols.bittorrent ?? 0) > 0 ? seen : null;
      });
      assert.deepEqual(Object.keys(status.protocols).filter((id) => id !== 'bittorrent' && id !== '-'), []);
      const features = new Set(gate.events('p2p').map(({ p2p }) => (p2p as { feature: string }).feature));
      s.diagnostic(`${it.name}: ${[...features].join(' ')}`);
      assert.equal(await gate.end(), 0);
      assert.doesNotMatch(gate.router.must('iptables-save') + gate.router.must('ip6tables-save') + gate.router.must('ipset', ['list', '-n']), /p2pwall/i);
    }),
  ));
});

test(`dropped or rejected: not one piece within ${BLOCKED_SECONDS} s`, { ...live, concurrency: isAll ? 16 : 12 }, async (t) => {
  const blocked = async (s: TestContext, it: Case, action: string): Promise<void> => {
    const gate = gateway(s, it.masquerade);
    gate.share(2 * MIB, it.tracker, it.isTrackerAllowed === true ? TRACKER : SERVER[4]);
    const exception = it.isTrackerAllowed === true ? `[[rule]]\nname = "tracker"\noutside = ["${TRACKER}"]\naction = "allow"\n` : '';
    await gate.up(`${exception}[[rule]]\nname = "none of it"\nprotocol = ["file-sharing"]\naction = "${action}"\n`);
    const download = begin(gate, it);
    for (let second = 0; second < BLOCKED_SECONDS; second++) {
      await pause(1000);
      assert.equal(download.bytes(), 0, `a piece came through after ${second} s`);
    }
    assert.ok(gate.events('block').length > 0, 'it tried, and was blocked');
  };
  const dropped = [...CASES, ...TOLD_CASES].map((it) => t.test(`drop: ${it.name}`, (s) => blocked(s, it, 'drop')));
  const rejected = CASES.map((it) => t.test(`reject: ${it.name}`, (s) => blocked(s, it, 'reject')));
  await Promise.all([...dropped, ...rejected]);
});
