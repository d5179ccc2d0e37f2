/**
 * Installs the wall's rules, checks that they stand, and removes every trace of them.
 *
 * Installing is atomic for each table (`iptables-restore --noflush`) and idempotent: what
 * is left of an earlier wall goes first. Removing works from what the kernel shows, not
 * from configuration: `p2pwall down` needs none. Failures throw `ToolError`.
 */
import { iptablesRemovalText, iptablesText, missingFrom } from './iptables.js';
import { ipsetText, ownSets } from './ipsets.js';
import type { WallPlan } from './plan.js';
import { ROOT_HANDLE, hasOwnQdisc, shapedInterfaces, shapingText } from './shaping.js';
import { type RunTool, must, runTool } from './tools.js';

/** Which program of the iptables family: the plain name follows the system's alternative. */
export type IptablesVariant = 'iptables' | 'iptables-nft' | 'iptables-legacy';

/** Seconds to wait for the lock that another iptables holds. */
const LOCK_SECONDS = '10';
const LOCK_HINT = 'another program may hold the iptables lock (/run/xtables.lock), or the kernel lacks a match: p2pwall check tells';

export class WallRules {
  readonly #run: RunTool;
  readonly #variant: IptablesVariant;

  constructor(variant: IptablesVariant = 'iptables', run: RunTool = runTool) {
    this.#variant = variant;
    this.#run = run;
  }

  /** Name of the program that shows or restores rules. */
  program(ipVersion: 4 | 6, part: 'save' | 'restore'): string {
    const [, variant] = this.#variant.split('-');
    return `${ipVersion === 4 ? 'iptables' : 'ip6tables'}${variant === undefined ? '' : `-${variant}`}-${part}`;
  }

  #save(ipVersion: 4 | 6): string {
    return must(this.#run, this.program(ipVersion, 'save'), [], undefined, 'reading the rules needs root');
  }

  #restore(ipVersion: 4 | 6, text: string): void {
    must(this.#run, this.program(ipVersion, 'restore'), ['--noflush', '--wait', LOCK_SECONDS], text, LOCK_HINT);
  }

  /** Removes an earlier wall, then installs this one: sets, classes, rules, in that order. On failure nothing stays behind. */
  install(plan: WallPlan): void {
    this.remove(plan.ipv6 ? [4, 6] : [4]);
    try {
      must(this.#run, 'ipset', ['restore', '-exist'], ipsetText(plan), 'the kernel may lack ip_set: p2pwall check tells');
      for (const device of shapedInterfaces(plan)) {
        must(this.#run, 'tc', ['-batch', '-'], shapingText(plan, device), `is ${device} an interface of this machine, and is sch_htb in the kernel?`);
      }
      this.#restore(4, iptablesText(plan, 4));
      if (plan.ipv6) this.#restore(6, iptablesText(plan, 6));
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Runs a tool that must succeed: classes of single clients, say. */
  run(command: string, args: readonly string[], input: string, hint: string): void {
    must(this.#run, command, args, input, hint);
  }

  /** Names of what is missing of the wall, by IP version; empty when all stands. */
  missing(plan: WallPlan): string[] {
    const versions: (4 | 6)[] = plan.ipv6 ? [4, 6] : [4];
    return versions.flatMap((ipVersion) => missingFrom(this.#save(ipVersion)).map((what) => `${what} (IPv${ipVersion})`));
  }

  /** Removes chains, jumps, sets and qdiscs of ours, whoever installed them. Returns what was there. */
  remove(ipVersions: readonly (4 | 6)[] = [4, 6]): string[] {
    const removed: string[] = [];
    for (const ipVersion of ipVersions) {
      // The interpreter of the other family may be missing on systems without IPv6.
      const saved = this.#run(this.program(ipVersion, 'save'), []);
      if (saved.status !== 0) continue;
      const text = iptablesRemovalText(saved.stdout);
      if (text === '') continue;
      this.#restore(ipVersion, text);
      removed.push(`rules for IPv${ipVersion}`);
    }
    for (const name of ownSets(this.#run('ipset', ['list', '-n']).stdout.split('\n'))) {
      must(this.#run, 'ipset', ['destroy', name], undefined, 'a rule of somebody else may use this set');
      removed.push(`set ${name}`);
    }
    for (const device of ownQdiscs(this.#run('tc', ['qdisc', 'show']).stdout)) {
      must(this.#run, 'tc', ['qdisc', 'del', 'dev', device, 'root'], undefined, 'removing a qdisc needs root');
      removed.push(`qdisc of ${device}`);
    }
    return removed;
  }
}

/** Devices whose root qdisc is ours, in the output of `tc qdisc show`. */
function ownQdiscs(shown: string): string[] {
  return shown.split('\n').flatMap((line) => {
    const device = new RegExp(`^qdisc htb ${ROOT_HANDLE}: dev (\\S+) root`).exec(line)?.[1];
    return device !== undefined && hasOwnQdisc(line) ? [device] : [];
  });
}
