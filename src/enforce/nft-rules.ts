/**
 * Installs the wall as one nftables table and removes it: the whole table changes in one transaction. For systems
 * without iptables. Needs CONFIG_NFT_QUEUE; `ruleText` can leave the queue out, for kernels that lack it.
 */
import { addressText } from '../base/address.js';
import { NFT_CHAINS, NFT_TABLE, nftClientMap, nftablesText } from './nftables.js';
import type { TrafficClass, WallPlan } from './plan.js';
import { type RuleSet, installShaping, removeShaping } from './rule-set.js';
import { ROOT_HANDLE } from './shaping.js';
import { type RunTool, must, runTool } from './tools.js';

const INSTALL_HINT = 'the kernel may lack the queue statement (CONFIG_NFT_QUEUE): p2pwall check tells; use gateway.backend = "auto" where there is iptables';

export class NftRules implements RuleSet {
  readonly isSilent = false;
  readonly #run: RunTool;
  readonly #ruleText: (plan: WallPlan) => string;

  constructor(run: RunTool = runTool, ruleText: (plan: WallPlan) => string = (plan) => nftablesText(plan, { withQueue: true })) {
    this.#run = run;
    this.#ruleText = ruleText;
  }

  install(plan: WallPlan): void {
    try {
      must(this.#run, 'nft', ['-f', '-'], this.#ruleText(plan), INSTALL_HINT);
      installShaping(this.#run, plan);
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  remove(): string[] {
    const isThere = this.#run('nft', ['list', 'tables']).stdout.split('\n').includes(`table ${NFT_TABLE}`);
    if (isThere) must(this.#run, 'nft', ['delete', 'table', ...NFT_TABLE.split(' ')], undefined, 'removing a table needs root');
    return [...(isThere ? [`nftables table ${NFT_TABLE}`] : []), ...removeShaping(this.#run)];
  }

  listings(): readonly (readonly [string, ...string[]])[] {
    // Of all tables: listing one that is gone fails. Terse: without members of sets.
    return [['nft', '-t', 'list', 'ruleset']];
  }

  missingFrom(listing: string): string[] {
    const table = new RegExp(`^table ${NFT_TABLE} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(listing)?.[1] ?? '';
    return NFT_CHAINS.filter((chain) => {
      const rules = new RegExp(`^\\tchain ${chain} \\{\\n([\\s\\S]*?)^\\t\\}`, 'm').exec(table)?.[1] ?? '';
      return !rules.split('\n').some((line) => line.trim() !== '' && !line.trim().startsWith('type '));
    }).map((chain) => `rules of chain ${chain} in ${NFT_TABLE}`);
  }

  queuedBy(listing: string): number {
    return [...listing.matchAll(/counter packets (\d+) bytes \d+ queue/g)].reduce((sum, found) => sum + Number(found[1]), 0);
  }

  nameClient(trafficClass: TrafficClass, client: Uint8Array, minor: number): void {
    const map = nftClientMap(trafficClass, client.length === 4 ? 4 : 6);
    const text = `add element ${NFT_TABLE} ${map} { ${addressText(client, 0, client.length)} : ${ROOT_HANDLE}:${minor.toString(16)} }\n`;
    this.run('nft', ['-f', '-'], text, 'the map may be full');
  }

  run(command: string, args: readonly string[], input: string, hint: string): void {
    must(this.#run, command, args, input, hint);
  }
}
