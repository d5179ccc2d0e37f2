/**
 * Installs the wall's rules, checks that they stand, and removes every trace of them.
 *
 * Installing is atomic for each table (`iptables-restore --noflush`) and idempotent: chains of
 * an earlier wall get their new rules in the same moment. Removing works from what the kernel shows, not
 * from configuration: `p2pwall down` needs none. Failures throw `ToolError`.
 */
import { iptablesRemovalText, iptablesText, missingFrom, queuedBy, withoutCounters, withoutStandingJumps } from './iptables.js';
import { addressText } from '../base/address.js';
import { clientSet, ipsetNames, ipsetText, ownSets } from './ipsets.js';
import type { TrafficClass, WallPlan } from './plan.js';
import { type RuleSet, installShaping, removeShaping } from './rule-set.js';
import { ROOT_HANDLE } from './shaping.js';
import { type RunTool, must, runTool } from './tools.js';

/** Which program of the iptables family: the plain name follows the system's alternative. */
export type IptablesVariant = 'iptables' | 'iptables-nft' | 'iptables-legacy';

/** Seconds to wait for the lock that another iptables holds. */
const LOCK_SECONDS = '10';
const LOCK_HINT = 'another program may hold the iptables lock (/run/xtables.lock), or the kernel lacks a match: p2pwall check tells';

export class WallRules implements RuleSet {
  readonly #run: RunTool;
  readonly #variant: IptablesVariant;

  constructor(variant: IptablesVariant = 'iptables', run: RunTool = runTool) {
    this.#variant = variant;
    this.#run = run;
  }

  get isSilent(): boolean {
    return this.#variant === 'iptables-legacy' || (this.#variant === 'iptables' && /legacy/.test(this.#run('iptables', ['--version']).stdout));
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
      installShaping(this.#run, plan);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  #replaceRules(plan: WallPlan, ipVersion: 4 | 6): void {
    this.#restore(ipVersion, withoutStandingJumps(iptablesText(plan, ipVersion), this.#save(ipVersion)));
  }

  listings(plan: WallPlan): readonly (readonly [string, ...string[]])[] {
    const versions: readonly (4 | 6)[] = plan.ipv6 ? [4, 6] : [4];
    return versions.map((ipVersion) => [this.program(ipVersion, 'save'), '-c']);
  }

  missingFrom(listing: string, plan: WallPlan): string[] {
    return missingFrom(withoutCounters(listing), plan);
  }

  queuedBy(listing: string): number {
    return queuedBy(listing);
  }

  nameClient(trafficClass: TrafficClass, client: Uint8Array, minor: number): void {
    const set = clientSet(trafficClass, client.length === 4 ? 4 : 6);
    const text = `add ${set} ${addressText(client, 0, client.length)} skbprio ${ROOT_HANDLE}:${minor.toString(16)}\n`;
    this.run('ipset', ['restore', '-exist'], text, 'the set may be full');
  }

  /** Runs a tool that must succeed: classes of single clients, say. */
  run(command: string, args: readonly string[], input: string, hint: string): void {
    must(this.#run, command, args, input, hint);
  }

  /** Removes chains, jumps, sets and qdiscs of ours, whoever installed them. Returns what was there. */
  remove(): string[] {
    return [...this.#removeRules(4), ...this.#removeRules(6), ...this.#removeSets([]), ...removeShaping(this.#run)];
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
}
