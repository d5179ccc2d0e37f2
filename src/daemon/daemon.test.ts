/** Parts of the daemon that need no kernel: what it reads from the system's texts, what it remembers, what it writes. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { queuedBy, withoutCounters } from '../enforce/iptables.js';
import { wallPlan } from '../enforce/plan.js';
import { maskOf } from './clear-wall.js';
import { EventLog } from './event-log.js';
import { defaultRouteInterfaces, matchingInterfaces } from './interfaces.js';
import { conflictsIn } from './machine-check.js';
import { QueueOverruns } from './queue-overruns.js';

test('interfaces: exact names, and a trailing + for any ending, as iptables has it', () => {
  const names = ['lo', 'eth0', 'eth1', 'ppp0', 'ppp12'];
  assert.deepEqual(matchingInterfaces(['eth1'], names), ['eth1']);
  assert.deepEqual(matchingInterfaces(['ppp+', 'eth0'], names), ['eth0', 'ppp0', 'ppp12']);
  assert.deepEqual(matchingInterfaces(['eth'], names), []);
});

test('default routes of both families name the outside', () => {
  const route4 = `Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0102A8C0 0003 0 0 100 00000000 0 0 0
eth1 0001A8C0 00000000 0001 0 0 100 00FFFFFF 0 0 0
`;
  const zero = '0'.repeat(32);
  const route6 = [
    `${zero} 00 ${zero} 00 fe800000000000000000000000000001 00000400 00000000 00000000 00000003 wan6`,
    `fe800000000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001 eth1`,
    `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200 lo`,
  ].join('\n');
  assert.deepEqual(defaultRouteInterfaces(route4, route6), ['eth0', 'wan6']);
  assert.deepEqual(defaultRouteInterfaces('', ''), []);
});

test('the mask of a standing wall is read from its rules', () => {
  assert.equal(maskOf('-A P2PWALL-INSPECT -j CONNMARK --restore-mark --nfmask 0xff00 --ctmask 0xff00\n'), 0xff00);
  assert.equal(maskOf('-A OTHERS -j CONNMARK --restore-mark --nfmask 0xff00 --ctmask 0xff00\n'), null);
  assert.equal(maskOf(''), null);
});

test('rules of others that share our bits or queues are named, all others are not', () => {
  const plan = wallPlan({ inside: ['eth1'], outside: [], markMask: 0x00ff0000, firstQueue: 4700, queues: 2, mode: 'open', ipv6: true }, []);
  const conflicts = (rule: string): number => conflictsIn(`*mangle\n${rule}\nCOMMIT\n`, plan).length;
  assert.equal(conflicts('-A PREROUTING -j MARK --set-xmark 0x10000/0x10000'), 1);
  assert.equal(conflicts('-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff'), 1);
  assert.equal(conflicts('-A PREROUTING -j MARK --set-xmark 0x1/0xff'), 0);
  assert.equal(conflicts('-A PREROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff'), 1);
  assert.equal(conflicts('-A PREROUTING -j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff'), 0);
  assert.equal(conflicts('-A FORWARD -j NFQUEUE --queue-num 4701'), 1);
  assert.equal(conflicts('-A FORWARD -j NFQUEUE --queue-balance 4690:4700'), 1);
  assert.equal(conflicts('-A FORWARD -j NFQUEUE --queue-num 4702'), 0);
  assert.equal(conflicts('-A P2PWALL-INSPECT -m mark --mark 0x0/0xff0000 -j NFQUEUE --queue-num 4700'), 0);
});

test('events: lines of the types that were asked for, a new file after rotation, a full disk is said once and loses nothing that fits', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-events-'));
  try {
    const file = join(folder, 'deep', 'eve.json');
    const options = { stdout: false, syslog: false, types: new Set(['p2p']), onTrouble: (message: string) => void troubles.push(message) };
    const troubles: string[] = [];
    const log = new EventLog({ ...options, file });
    log.emit('p2p', { n: 1 });
    log.emit('flow', { n: 2 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    renameSync(file, `${file}.1`);
    log.reopen();
    log.emit('p2p', { n: 3 });
    await log.close();
    const numbers = (path: string): number[] => readFileSync(path, 'utf8').trim().split('\n').map((line) => (JSON.parse(line) as { n: number }).n);
    assert.deepEqual([numbers(`${file}.1`), numbers(file)], [[1], [3]]);
    assert.equal(log.written, 2);
    const full = new EventLog({ ...options, file: '/dev/full' });
    full.emit('p2p', { n: 4 });
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(troubles.length, 1);
    assert.match(troubles[0] ?? '', /ENOSPC/);
    assert.equal(full.lost, 0, 'it waits for room');
    for (let i = 0; i < 50; i++) full.emit('p2p', { filler: 'x'.repeat(100_000) });
    assert.ok(full.lost > 0, 'the buffer is bounded');
    await full.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('overruns: what the kernel dropped, and what met the rules without being queued, over new rules too', () => {
  const queue = { queue: 4700, waiting: 0, overflowed: 0, undelivered: 0, queued: 1000 };
  const overruns = new QueueOverruns(4700, 1, () => [queue, { ...queue, queue: 4701, overflowed: 99 }]);
  overruns.rulesInstalled();
  queue.queued = 1500;
  overruns.rulesCounted(500);
  assert.equal(overruns.look(), 0);
  overruns.rulesCounted(520);
  assert.equal(overruns.look(), 20);
  queue.queued = 1600;
  overruns.rulesCounted(550);
  assert.equal(overruns.look(), 0, 'packets queued after the rules were read prove nothing');
  overruns.rulesInstalled();
  queue.queued = 1700;
  overruns.rulesCounted(103);
  queue.overflowed = 4;
  assert.equal(overruns.look(), 7);
  assert.deepEqual(overruns.now(), { waiting: 0, overflowed: 27, undelivered: 0 });
});

test('rules with their counters', () => {
  const saved = '*mangle\n:P2PWALL-INSPECT - [0:0]\n[7:420] -A P2PWALL-INSPECT -p tcp -j NFQUEUE --queue-num 4700\n[5:300] -A P2PWALL-INSPECT -p udp -j NFQUEUE --queue-num 4700\n[9:9] -A OTHERS -j NFQUEUE --queue-num 1\n';
  assert.equal(queuedBy(saved), 12);
  assert.match(withoutCounters(saved), /^-A OTHERS -j NFQUEUE/m);
});
