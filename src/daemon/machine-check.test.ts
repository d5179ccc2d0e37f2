/** Every finding of `p2pwall check` about tools and the kernel, with its remedy; what the network says of itself is in test/live/gateway-check.test.ts. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { type Config, loadConfig } from '../config/load.js';
import type { RunTool, ToolResult } from '../enforce/tools.js';
import { type CheckResult, checkMachine } from './machine-check.js';

const SLOW = '[[rule]]\nname = "slow"\naction = "limit"\nrate = "1mbit"\n';

function config(gateway: string, rest = ''): Config {
  const result = loadConfig(`[gateway]\ninside = ["lo"]\noutside = ["wan"]\n${gateway}\n${rest}`, { protocols: [] });
  if (!('config' in result)) throw new Error(JSON.stringify(result));
  return result.config;
}

const GOOD: ToolResult = { status: 0, stdout: '', stderr: '' };
/** All is well but commands of which a part matches. */
const failing =
  (pattern: RegExp, result: Partial<ToolResult>): RunTool =>
  (command, args) =>
    pattern.test([command, ...args].join(' ')) ? { ...GOOD, status: 1, ...result } : GOOD;

function finding(gateway: string, rest: string, run: RunTool, name: RegExp): CheckResult {
  const found = checkMachine(config(gateway, rest), run).find((it) => name.test(it.name));
  assert.ok(found, `${name}`);
  return found;
}

const isRoot = process.geteuid?.() === 0;
const asRoot = { skip: isRoot ? false : 'the kernel is tried as root only' };

test('a tool that is not there: its package', () => {
  const missing = (tool: string): RunTool => failing(new RegExp(`^${tool} `), { status: 127 });
  for (const [tool, name, gateway] of [['iptables', 'iptables', ''], ['ip6tables', 'iptables', ''], ['ipset', 'ipset', ''], ['tc', 'iproute2', ''], ['nft', 'nftables', 'backend = "nftables"']] as const) {
    const { state, remedy } = finding(gateway, '', missing(tool), new RegExp(`^tool ${tool}$`));
    assert.deepEqual([state, remedy], ['missing', `install the package ${name}`]);
  }
});

test('a kernel that refuses: what to load or build, or what to set instead', asRoot, () => {
  const refused = { stderr: 'refused\nmore' };
  const cases: readonly (readonly [gateway: string, rest: string, pattern: RegExp, result: Partial<ToolResult>, name: RegExp, state: CheckResult['state'], remedy: RegExp])[] = [
    ['', '', /unshare .* ipset restore -exist$/, refused, /kernel sets/, 'missing', /ip_set_hash_ip and ip_set_hash_ipportip/],
    ['', '', /unshare .*&& iptables-restore/, refused, /rules for IPv4/, 'missing', /xt_NFQUEUE, xt_connmark, xt_set.*iptables-legacy/],
    ['', '', /unshare .*&& ip6tables-restore/, refused, /rules for IPv6/, 'missing', /gateway\.ipv6 = false/],
    ['', SLOW, /unshare .*htb/, refused, /shaping/, 'missing', /sch_htb, or remove rules/],
    ['', '', /unshare .* true$/, refused, /kernel features/, 'advice', /sudo p2pwall check/],
    ['backend = "nftables"', '', /unshare .*nft -f/, refused, /rules for nftables/, 'missing', /nf_tables with nft_ct and nft_reject/],
  ];
  for (const [gateway, rest, pattern, result, name, state, remedy] of cases) {
    const found = finding(gateway, rest, failing(pattern, result), name);
    assert.equal(found.state, state, `${name}`);
    assert.match(found.detail, /refused$/, `${name}: the kernel's own words, their first line`);
    assert.match(found.remedy, remedy);
  }
  // Only the queue is missing.
  const noQueue: RunTool = (_command, _args, input) => (/ queue /.test(input ?? '') ? { ...GOOD, status: 1, stderr: 'No such file' } : GOOD);
  assert.match(finding('backend = "nftables"', '', noQueue, /rules for nftables/).remedy, /nft_queue \(CONFIG_NFT_QUEUE\), or use gateway\.backend = "auto"/);
});

test('mode closed asks for its guard, mode open does not', asRoot, () => {
  assert.equal(checkMachine(config('mode = "open"'), () => GOOD).some(({ name }) => /guard/.test(name)), false);
  assert.match(finding('mode = "closed"', '', () => GOOD, /guard of mode closed/).detail, /accepted by the kernel|nf_tables/);
});

test('others: rules, flowtables, cores', asRoot, () => {
  const conflict: RunTool = (command) => (command === 'iptables-save' ? { ...GOOD, stdout: '-A FORWARD -j NFQUEUE --queue-num 4700\n' } : GOOD);
  const rules = finding('', '', conflict, /rules of others/);
  assert.deepEqual([rules.state, /sends to our queues: -A FORWARD/.test(rules.detail)], ['advice', true]);
  assert.match(rules.remedy, /another gateway\.mark_mask or gateway\.first_queue, or change that rule/);
  const flowtable: RunTool = (_command, args) => (args.includes('flowtables') ? { ...GOOD, stdout: 'table inet x {\n\tflowtable f {\n' } : GOOD);
  assert.match(finding('', '', flowtable, /flow offload/).remedy, /marked as decided/);
  assert.match(finding('queues = 64', '', () => GOOD, /queues and cores/).remedy, /gateway\.queues = \d+: a thread beyond the cores only costs/);
});

test('what is good needs no remedy, what is not has one', () => {
  for (const run of [(): ToolResult => GOOD, failing(/./, { status: 127 }), failing(/./, { stderr: 'no' })]) {
    for (const { name, state, remedy } of checkMachine(config('mode = "closed"', SLOW), run)) assert.equal(remedy === '', state === 'good', `${name}: ${state}: ${remedy}`);
  }
});
