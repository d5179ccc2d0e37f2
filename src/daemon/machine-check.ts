/**
 * Can this machine carry the wall? Tools, privilege, kernel features, forwarding, other
 * users of the same queues, bits and hooks. Every finding has its remedy. Changes nothing: rules are tried in a
 * network namespace that ends with the trial.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import type { Config } from '../config/load.js';
import { ipsetText } from '../enforce/ipsets.js';
import { iptablesText } from '../enforce/iptables.js';
import { hex } from '../enforce/marks.js';
import { nftablesText } from '../enforce/nftables.js';
import type { WallPlan } from '../enforce/plan.js';
import { ROOT_HANDLE, shapedInterfaces } from '../enforce/shaping.js';
import { type RunTool, runTool } from '../enforce/tools.js';
import { OwnedTable } from '../kernel/owned-table.js';
import { readQueueStatistics } from '../kernel/queue-statistics.js';
import { readSysctl } from '../kernel/sysctl.js';
import { isNearlyFull, readConntrackFill } from './conntrack-room.js';
import { SystemError } from '../kernel/system-error.js';
import { matchingInterfaces } from './interfaces.js';
import { planOf } from './wall-plan.js';

export interface CheckResult {
  readonly name: string;
  /** `missing` and `forbidden` prevent a start; `advice` does not. */
  readonly state: 'good' | 'advice' | 'missing' | 'forbidden';
  readonly detail: string;
  readonly remedy: string;
}

type Add = (name: string, state: CheckResult['state'], detail: string, remedy?: string) => void;

const PACKAGES: Readonly<Record<string, string>> = { iptables: 'iptables', ip6tables: 'iptables', ipset: 'ipset', tc: 'iproute2' };
const NFT_PACKAGES: Readonly<Record<string, string>> = { nft: 'nftables', tc: 'iproute2' };

function checkTools(run: RunTool, isNftables: boolean, add: Add): boolean {
  let isComplete = true;
  for (const [tool, name] of Object.entries(isNftables ? NFT_PACKAGES : PACKAGES)) {
    const result = run(tool, [tool === 'tc' ? '-V' : '--version']);
    const isThere = result.status !== 127;
    isComplete &&= isThere;
    add(`tool ${tool}`, isThere ? 'good' : 'missing', isThere ? result.stdout.trim().split('\n')[0] ?? '' : 'not installed', `install the package ${name}`);
  }
  return isComplete;
}

/** Runs a tool in a network namespace of its own, which ends with it. */
function inNewNetwork(run: RunTool, script: string, input: string): { readonly isGood: boolean; readonly words: string } {
  const result = run('unshare', ['--net', 'sh', '-c', script], input);
  return { isGood: result.status === 0, words: (result.stderr.trim() || result.stdout.trim()).split('\n')[0] ?? '' };
}

function checkNftables(run: RunTool, plan: WallPlan, add: Add): void {
  const whole = inNewNetwork(run, 'nft -f -', nftablesText(plan, { withQueue: true }));
  const rest = whole.isGood || inNewNetwork(run, 'nft -f -', nftablesText(plan, { withQueue: false })).isGood;
  const remedy = rest ? 'the kernel lacks the queue statement: load or build nft_queue (CONFIG_NFT_QUEUE), or use gateway.backend = "auto"' : 'load or build nf_tables with nft_ct and nft_reject';
  add('rules for nftables (queue, sets, marks, reject)', whole.isGood ? 'good' : 'missing', whole.isGood ? 'accepted by the kernel in a trial' : whole.words, remedy);
}

function checkIptables(run: RunTool, plan: WallPlan, add: Add): void {
  const sets = inNewNetwork(run, 'ipset restore -exist', ipsetText(plan));
  add('kernel sets (ip_set)', sets.isGood ? 'good' : 'missing', sets.isGood ? 'hash:ip,port,ip and hash:ip with time-outs' : sets.words, 'load or build the kernel modules ip_set_hash_ip and ip_set_hash_ipportip');
  for (const ipVersion of plan.ipv6 ? ([4, 6] as const) : ([4] as const)) {
    const program = ipVersion === 4 ? 'iptables-restore' : 'ip6tables-restore';
    // The sets come first on standard input, up to a line of dashes; `read` takes a pipe byte by byte and leaves the rest.
    const both = `S=$(mktemp) || exit 1; trap 'rm -f "$S"' EXIT; { while IFS= read -r l && [ "$l" != ----- ]; do echo "$l"; done; } > "$S"; ipset restore -exist -f "$S" && ${program} --noflush`;
    const rules = inNewNetwork(run, both, `${ipsetText(plan)}-----\n${iptablesText(plan, ipVersion)}`);
    add(
      `rules for IPv${ipVersion} (NFQUEUE, connmark, set, REJECT)`,
      rules.isGood ? 'good' : 'missing',
      rules.isGood ? 'accepted by the kernel in a trial' : rules.words,
      ipVersion === 6 ? 'load the kernel modules, or set gateway.ipv6 = false' : 'load or build xt_NFQUEUE, xt_connmark, xt_set, nf_reject; or try backend = "iptables-legacy"',
    );
  }
}

function checkKernel(run: RunTool, plan: WallPlan, isNftables: boolean, add: Add): void {
  const trial = inNewNetwork(run, 'true', '');
  if (!trial.isGood) {
    // A service with few capabilities may not make namespaces; the start itself will tell.
    add('kernel features', 'advice', `not tried: ${trial.words}`, 'sudo p2pwall check tries them');
    return;
  }
  if (isNftables) checkNftables(run, plan, add);
  else checkIptables(run, plan, add);
  if (plan.mode === 'closed') checkGuard(add);
  if (shapedInterfaces(plan).length === 0 && !plan.classes.some((it) => it.kind === 'limit')) return;
  const htb = inNewNetwork(run, `tc qdisc add dev lo root handle ${ROOT_HANDLE}: htb`, '');
  add('shaping (sch_htb)', htb.isGood ? 'good' : 'missing', htb.isGood ? 'accepted by the kernel in a trial' : htb.words, 'load or build sch_htb, or remove rules with action limit or prioritise');
}

/** Mode closed: is there a second place for it? The trial is a table without chains that vanishes at once. */
function checkGuard(add: Add): void {
  let words = '';
  try {
    new OwnedTable('p2pwall_trial', []).close();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    words = error.message;
  }
  const remedy = 'load or build nf_tables, Linux 5.12 or newer: otherwise traffic passes when somebody flushes all rules at once, until they are put back';
  add('guard of mode closed (nf_tables)', words === '' ? 'good' : 'advice', words === '' ? 'accepted by the kernel in a trial' : words, remedy);
}

function checkNetwork(plan: WallPlan, add: Add): void {
  const inside = matchingInterfaces(plan.inside);
  add('inside interfaces', inside.length > 0 ? 'good' : 'advice', inside.join(' ') || `none of ${plan.inside.join(' ')} exists now`, 'correct gateway.inside; ip link shows the names');
  add('outside interfaces', plan.outside.length > 0 ? 'good' : 'advice', plan.outside.join(' ') || 'no default route, none named', 'name them in gateway.outside: uploads are shaped there');
  const forwarding = readSysctl('net.ipv4.ip_forward') === 1;
  add('IPv4 forwarding', forwarding ? 'good' : 'advice', forwarding ? 'on' : 'off: this machine forwards nothing', 'sysctl -w net.ipv4.ip_forward=1');
  if (plan.ipv6) {
    const isOn = readSysctl('net.ipv6.conf.all.forwarding') === 1;
    add('IPv6 forwarding', isOn ? 'good' : 'advice', isOn ? 'on' : 'off', 'sysctl -w net.ipv6.conf.all.forwarding=1, or gateway.ipv6 = false');
  }
  const fill = readConntrackFill();
  add('connection table', isNearlyFull(fill) ? 'advice' : 'good', `${fill.count} of ${fill.max}`, `sysctl -w net.netfilter.nf_conntrack_max=${fill.max * 2}: the kernel drops new connections when it is full`);
  const acct = readSysctl('net.netfilter.nf_conntrack_acct') === 1;
  add('connection counters', acct ? 'good' : 'advice', acct ? 'on' : 'off: p2pwall top and flow events know no bytes', 'sysctl -w net.netfilter.nf_conntrack_acct=1');
}

/** Rules of others that the wall could collide with, in the output of iptables-save. */
export function conflictsIn(rules: string, plan: WallPlan): string[] {
  const found: string[] = [];
  for (const line of rules.split('\n')) {
    if (!line.startsWith('-A ') || line.includes('P2PWALL-')) continue;
    const mask = /--(?:set-xmark|set-mark|mark) 0x[0-9a-f]+(?:\/(0x[0-9a-f]+))?/.exec(line);
    if (mask && ((mask[1] === undefined ? 0xffffffff : Number.parseInt(mask[1], 16)) & plan.field.mask) !== 0) {
      found.push(`uses bits of our mark mask ${hex(plan.field.mask)}: ${line}`);
    }
    const saved = /-j CONNMARK --save-mark --nfmask 0x[0-9a-f]+ --ctmask (0x[0-9a-f]+)/.exec(line)?.[1];
    if (saved !== undefined && (Number.parseInt(saved, 16) & plan.field.mask) !== 0) found.push(`overwrites our bits of connection marks (${hex(plan.field.mask)}): ${line}`);
    const queue = /-j NFQUEUE --queue-(?:num|balance) ([0-9]+)(?::([0-9]+))?/.exec(line);
    const last = plan.firstQueue + plan.queues - 1;
    if (queue && Number(queue[1]) <= last && Number(queue[2] ?? queue[1]) >= plan.firstQueue) found.push(`sends to our queues: ${line}`);
  }
  return found;
}

function checkOthers(run: RunTool, plan: WallPlan, add: Add): void {
  const taken = readQueueStatistics().filter(({ queue }) => queue >= plan.firstQueue && queue < plan.firstQueue + plan.queues);
  add('queues', taken.length === 0 ? 'good' : 'advice', taken.length === 0 ? 'free' : `read by a program (a running p2pwall?): ${taken.map(({ queue }) => queue).join(' ')}`, 'stop that program, or choose another gateway.first_queue');
  const conflicts = [...conflictsIn(run('iptables-save', []).stdout, plan), ...(plan.ipv6 ? conflictsIn(run('ip6tables-save', []).stdout, plan) : [])];
  add('rules of others', conflicts.length === 0 ? 'good' : 'advice', conflicts[0] ?? 'no conflict', 'choose another gateway.mark_mask or gateway.first_queue, or change that rule');
  const ruleset = run('nft', ['list', 'flowtables']);
  const isOffloaded = ruleset.status === 0 && /flowtable\s/.test(ruleset.stdout);
  add('flow offload', isOffloaded ? 'advice' : 'good', isOffloaded ? 'a flowtable takes connections past the wall' : 'none', 'offload only connections that are marked as decided');
}

/** What the configuration names on this machine: cores, folders. */
function checkSettings({ file }: Config, add: Add): void {
  const { queues } = file.gateway;
  const cores = availableParallelism();
  add('queues and cores', queues <= cores ? 'good' : 'advice', `${queues} and ${cores}`, `gateway.queues = ${cores}: a thread beyond the cores only costs`);
  if (file.events.file === undefined) return;
  // The daemon makes one folder level that is missing, and more.
  let folder = dirname(file.events.file);
  while (!existsSync(folder)) folder = dirname(folder);
  const isWritable = canWrite(folder);
  add('event file', isWritable ? 'good' : 'forbidden', isWritable ? file.events.file : `${folder} cannot be written`, 'correct events.file, or the permissions of its folder');
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    // Why not does not matter: the remedy is the same.
    return false;
  }
}

/** All checks of the machine for a configuration. */
export function checkMachine(config: Config, run: RunTool = runTool): CheckResult[] {
  const results: CheckResult[] = [];
  const add: Add = (name, state, detail, remedy = '') => results.push({ name, state, detail, remedy: state === 'good' ? '' : remedy });
  const plan = planOf(config);
  const isNftables = config.file.gateway.backend === 'nftables';
  const hasTools = checkTools(run, isNftables, add);
  const isRoot = process.geteuid?.() === 0;
  add('privilege', isRoot ? 'good' : 'forbidden', isRoot ? 'root' : 'not root: the kernel was not tried', 'run as root (sudo p2pwall check)');
  if (isRoot && hasTools) checkKernel(run, plan, isNftables, add);
  checkSettings(config, add);
  checkNetwork(plan, add);
  if (isRoot && hasTools) checkOthers(run, plan, add);
  return results;
}
