/**
 * What the daemon asks of the wall's rules, whatever form they have: `WallRules` (iptables, ipset) and `NftRules`
 * (nftables). Traffic classes are tc's in both. Failures throw `ToolError`.
 */
import type { TrafficClass, WallPlan } from './plan.js';
import { ROOT_HANDLE, hasOwnQdisc, shapedInterfaces, shapingText } from './shaping.js';
import { type RunTool, must } from './tools.js';

export interface RuleSet {
  /** The kernel tells nobody of changes of these rules. */
  readonly isSilent: boolean;
  /** Puts this wall in the place of an earlier one, or of none. On failure nothing stays behind. */
  install(plan: WallPlan): void;
  /** Removes all of ours, whoever installed it. Returns what was there. */
  remove(): string[];
  /** Commands that show the rules with their counters; a command that fails says nothing. */
  listings(plan: WallPlan): readonly (readonly [program: string, ...args: string[]])[];
  /** What of the wall is missing in the output of such a command. */
  missingFrom(listing: string, plan: WallPlan): string[];
  /** Packets that met the queueing rules, in the same output. */
  queuedBy(listing: string): number;
  /** Names the class of a client under a rule that limits each client. */
  nameClient(trafficClass: TrafficClass, client: Uint8Array, minor: number): void;
  /** Runs a tool that must succeed. */
  run(command: string, args: readonly string[], input: string, hint: string): void;
}

/** Devices whose root qdisc is ours, in the output of `tc qdisc show`. */
function ownQdiscs(shown: string): string[] {
  return shown.split('\n').flatMap((line) => {
    const device = new RegExp(`^qdisc htb ${ROOT_HANDLE}: dev (\\S+) root`).exec(line)?.[1];
    return device !== undefined && hasOwnQdisc(line) ? [device] : [];
  });
}

/** Removes our qdiscs. Returns what was there. */
export function removeShaping(run: RunTool): string[] {
  const devices = ownQdiscs(run('tc', ['qdisc', 'show']).stdout);
  for (const device of devices) must(run, 'tc', ['qdisc', 'del', 'dev', device, 'root'], undefined, 'removing a qdisc needs root');
  return devices.map((device) => `qdisc of ${device}`);
}

/** Puts the plan's qdiscs and classes in the place of former ones. */
export function installShaping(run: RunTool, plan: WallPlan): void {
  removeShaping(run);
  for (const device of shapedInterfaces(plan)) {
    must(run, 'tc', ['-batch', '-'], shapingText(plan, device), `is ${device} an interface of this machine, and is sch_htb in the kernel?`);
  }
}
