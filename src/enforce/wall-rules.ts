/**
 * Installs the wall's rules, checks that they stand, and removes every trace of them.
 *
 * Installing is atomic for each table (`iptables-restore --noflush`) and idempotent: chains of
 * an earlier wall get their new rules in the same moment. Removing works from what the kernel shows, not
 * from configuration: `p2pwall down` needs none. Failures throw `ToolError`.
 */
import { iptablesRemovalText, iptablesText, missingFrom, withoutStandingJumps } from './iptables.js';
import { ipsetNames, ipsetText, ownSets } from './ipsets.js';
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

  /**
   * Puts this wall in the place of an earlier one, or of none: what blocks now blocks until the new rules do, since each table changes
   * at once. On failure nothing stays behind.
   */
  install(plan: WallPlan): void {
    try {
      must(this.#run, 'ipset', ['restore', '-exist'], ipsetText(plan), 'the kernel may lack ip_set: p2pwall check tells');
      this.#replaceRules(plan, 4);
      if (plan.ipv6) this.#replaceRules(plan, 6);
      else this.#removeRules(6);
      this.#removeSets(ipsetNames(plan));
      this.#removeQdiscs();
      for (const device of shapedInterfaces(plan)) {
        must(this.#run, 'tc', ['-batch', '-'], shapingText(plan, device), `is ${device} an interface of this machine, and is sch_htb in the kernel?`);
      }
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  #replaceRules(plan: WallPlan, ipVersion: 4 | 6): void {
    this.#restore(ipVersion, withoutStandingJumps(iptablesText(plan, ipVersion), this.#save(ipVersion)));
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
  remove(): string[] {
    return [...this.#removeRules(4), ...this.#removeRules(6), ...this.#removeSets([]), ...this.#removeQdiscs()];
  }

  #removeRules(ipVersion: 4 | 6): string[] {
    // The interpreter of the other family may be missing on systems without IPv6.
    const saved = this.#run(this.program(ipVersion, 'save'), []);
    const text = saved.status === 0 ? iptablesRemovalText(saved.stdout) : '';
    if (text === '') return [];
    this.#restore(ipVersion, text);
    return [`rules for IPv${ipVersion}`];
  }

  #removeSets(kept: readonly string[]): string[] {
    const surplus = ownSets(this.#run('ipset', ['list', '-n']).stdout.split('\n')).filter((name) => !kept.includes(name));
    for (const name of surplus) must(this.#run, 'ipset', ['destroy', name], undefined, 'a rule of somebody else may use this set');
    return surplus.map((name) => `set ${name}`);
  }

  #removeQdiscs(): string[] {
    const devices = ownQdiscs(this.#run('tc', ['qdisc', 'show']).stdout);
    for (const device of devices) must(this.#run, 'tc', ['qdisc', 'del', 'dev', device, 'root'], undefined, 'removing a qdisc needs root');
    return devices.map((device) => `qdisc of ${device}`);
  }
}

/** Devices whose root qdisc is ours, in the output of `tc qdisc show`. */
function ownQdiscs(shown: string): string[] {
  return shown.split('\n').flatMap((line) => {
    const device = new RegExp(`^qdisc htb ${ROOT_HANDLE}: dev (\\S+) root`).exec(line)?.[1];
    return device !== undefined && hasOwnQdisc(line) ? [device] : [];
  });
}
