/**
 * The wall as an nftables table. The kernel that this was written on has no `queue` statement, so all but that runs here, and the
 * daemon is asked to start: with a kernel that has it, it must stand. Needs root. Safe: all traffic and rules are in
 * namespaces that the tests made.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { parseAddress } from '../../src/base/address.js';
import { addText, deleteText } from '../../src/enforce/nft-members.js';
import { NftRules } from '../../src/enforce/nft-rules.js';
import { nftablesText } from '../../src/enforce/nftables.js';
import { type WallPlan, wallPlan } from '../../src/enforce/plan.js';
import type { Action, Rule } from '../../src/policy/policy.js';
import { CLIENT, type Gateway, SERVER, gatewayUnavailable } from '../../src/lab/gateway-lab.js';
import { DROP, gateway, isReached, traces } from './support/gateway-checks.js';

const live = { skip: gatewayUnavailable() ?? false };

function rule(name: string, action: Action): Rule {
  return { name, protocols: null, confidence: 'likely', clients: [], exceptClients: [], macs: [], outside: [], exceptOutside: [], schedule: null, action };
}

const RULES = [
  rule('all together', { kind: 'limit', bitsPerSecond: 1_000_000, per: 'rule' }),
  rule('each client', { kind: 'limit', bitsPerSecond: 1_000_000, per: 'client' }),
  rule('each flow', { kind: 'limit', bitsPerSecond: 800_000, per: 'flow' }),
  rule('last', { kind: 'prioritise', dscp: 8, band: 'low' }),
];
const OPTIONS = { inside: ['inside'], outside: ['outside'], markMask: 0x00ff0000, firstQueue: 4700, queues: 2, mode: 'open', ipv6: true } as const;

/** Has the connections to this port bear a verdict, as the daemon would. */
function judge(gate: Gateway, port: number, value: number): void {
  const text = `table ip judge { chain forward { type filter hook forward priority -160; tcp dport ${port} meta mark set ${value << 16}\n }\n}\n`;
  gate.router.must('nft', ['-f', '-'], `table ip judge\ndelete table ip judge\n${text}`);
}

test('all that needs no queue runs: verdicts, marks, sets, classes; a second wall takes the place of the first; nothing is left', live, async (t) => {
  const gate = gateway(t);
  const rules = new NftRules((command, args, input) => gate.router.run(command, args, input), (plan: WallPlan) => nftablesText(plan, { withQueue: false }));
  const plan = wallPlan(OPTIONS, RULES);
  assert.doesNotMatch(nftablesText(plan, { withQueue: false }), /queue/);
  const listing = (): string => gate.router.must('nft', ['-t', 'list', 'ruleset']);
  await gate.ordinaryTraffic();
  assert.equal(rules.missingFrom(listing()).length, 4);
  for (let i = 0; i < 2; i++) rules.install(plan);
  assert.deepEqual(rules.missingFrom(listing()), []);
  assert.equal(isReached(gate), true, 'undecided passes');

  judge(gate, 22, 2);
  assert.equal(isReached(gate), false, 'dropped');
  judge(gate, 22, 3);
  const refused = gate.net.client.run('timeout', ['2', 'bash', '-c', `exec 3<>/dev/tcp/${SERVER[4]}/22`]);
  assert.match(refused.stderr, /refused/, 'rejected at once');
  judge(gate, 22, 1);
  assert.equal(isReached(gate), true);
  assert.match(gate.router.must('conntrack', ['-L', '-p', 'tcp', '--dport', '22']), /mark=65536 /, 'and remembered');

  // Each class in turn: by its mark to the tc class, or to the limit of a flow.
  for (const [i, it] of plan.classes.entries()) {
    judge(gate, 22, it.value);
    if (it.rule === 'each client') rules.nameClient(it, parseAddress(CLIENT[4]) ?? assert.fail(), 0x100 + i);
    assert.equal(isReached(gate), true, it.rule);
  }
  assert.match(gate.router.must('nft', ['list', 'map', 'inet', 'p2pwall', 'c5_4']), new RegExp(`${CLIENT[4].replaceAll('.', '\\.')} : 7032:101`));
  const sent = (minor: number): number => Number(new RegExp(`class htb 7032:${minor} root[^]*?Sent (\\d+) bytes`).exec(gate.router.must('tc', ['-s', 'class', 'show', 'dev', 'outside']))?.[1] ?? 0);
  assert.ok(sent(4) > 0, 'the class of the first rule carried its connection');
  assert.ok(sent(7) > 0, 'and that of the last');

  judge(gate, 22, 0);
  const block = { set: 'p2pwall-block4', address: parseAddress(SERVER[4]) ?? assert.fail() };
  const peer = { set: 'p2pwall-peers4', address: block.address, port: 22, protocol: 6, second: parseAddress(CLIENT[4]) ?? assert.fail() };
  for (const member of [block, peer]) {
    // Twice: to renew.
    gate.router.must('nft', ['-f', '-'], addText(member, 60_000) + addText(member, 90_000));
    assert.match(gate.router.must('nft', ['list', 'table', 'inet', 'p2pwall']), /timeout 1m30s expires/);
    assert.equal(isReached(gate), false);
    gate.router.must('nft', ['-f', '-'], deleteText(member) + deleteText(member));
    assert.equal(isReached(gate), true);
  }
  assert.deepEqual(rules.remove(), ['nftables table inet p2pwall', 'qdisc of inside', 'qdisc of outside']);
  assert.deepEqual(rules.remove(), []);
  gate.router.must('nft', ['delete', 'table', 'ip', 'judge']);
  assert.doesNotMatch(gate.router.must('nft', ['list', 'ruleset']), /p2pwall/);
});

test('the daemon with backend = "nftables": stands where the kernel has the queue statement, says so where not', live, async (t) => {
  const gate = gateway(t);
  const path = gate.configure(DROP, 'backend = "nftables"');
  assert.match(gate.command('rules', '--config', path).stdout, /counter queue flags bypass to 4700/);
  const checked = gate.command('check', '--config', path);
  if (checked.status === 0) {
    await gate.up(DROP, 'backend = "nftables"');
    await gate.ordinaryTraffic();
    assert.equal(isReached(gate), true);
    gate.command('block', SERVER[4], '--for', '1m', '--config', path);
    assert.equal(isReached(gate), false);
    assert.equal(await gate.end(), 0);
  } else {
    assert.equal(checked.status, 69);
    assert.match(checked.stdout, /MISSING *rules for nftables[\s\S]*CONFIG_NFT_QUEUE/);
    const { status, stderr } = gate.command('run', '--config', path);
    assert.equal(status, 69, stderr);
    assert.match(stderr, /CONFIG_NFT_QUEUE.*gateway\.backend = "auto"/);
    t.diagnostic('this kernel has no queue statement');
  }
  assert.equal(traces(gate), '');
  assert.doesNotMatch(gate.router.must('nft', ['list', 'ruleset']), /p2pwall/);
});
