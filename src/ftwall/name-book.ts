/**
 * NameBook: addresses that belong to blocked names, learnt from the DNS answers that inside hosts receive.
 *
 * WinMX cannot start without asking for a cache by name, OpenNap clients ask for servers: whoever refuses the addresses
 * in the answers takes these networks down without reading their traffic. Aliases are followed in both directions of
 * the answer; an address stays blocked for the time to live of its record, within bounds.
 *
 * Security: a client could ask a name server of its own for any address under a blocked name. So an address is
 * blocked for the client that got the answer, and for all only when a second client got it too; protected networks
 * are never blocked; the book is bounded. Pure; times in milliseconds of a clock that does not go back.
 */
import type { DnsAnswer } from './dns-answer.js';
import { findPattern, type NamePattern } from './name-patterns.js';

export type { DnsAnswer } from './dns-answer.js';

export interface NameBlock {
  readonly address: string;
  /** '' for everybody. */
  client: string;
  untilMs: number;
  readonly name: string;
}

export interface NameBookOptions {
  readonly patterns: readonly NamePattern[];
  readonly isProtected: (address: string) => boolean;
  readonly maxBlocks?: number;
}

/** Records with shorter lives are kept this long: clients cache answers themselves. */
const MIN_LIFE_MS = 60_000;
const MAX_LIFE_MS = 24 * 3_600_000;
const MAX_BLOCKS = 10_000;
/** Longest chain of aliases that is followed; resolvers give up earlier. */
const MAX_ALIASES = 16;

export class NameBook {
  readonly #blocks = new Map<string, NameBlock>();
  readonly #options: NameBookOptions;

  constructor(options: NameBookOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#blocks.size;
  }

  /** What an answer to this client adds or extends. */
  learn(client: string, answer: DnsAnswer, nowMs: number): readonly NameBlock[] {
    const { patterns, isProtected, maxBlocks = MAX_BLOCKS } = this.#options;
    if (patterns.length === 0) return [];
    const names = this.#blockedNames(answer);
    if (names.size === 0) return [];
    const learnt: NameBlock[] = [];
    for (const record of answer.records) {
      if (record.isAlias || !names.has(record.name) || isProtected(record.target)) continue;
      const lifeMs = Math.min(Math.max(record.ttlS * 1000, MIN_LIFE_MS), MAX_LIFE_MS);
      const known = this.#blocks.get(record.target);
      if (known && nowMs < known.untilMs) {
        if (known.client !== client) known.client = '';
        known.untilMs = Math.max(known.untilMs, nowMs + lifeMs);
        learnt.push(known);
        continue;
      }
      if (!known && this.#blocks.size >= maxBlocks) continue;
      const block: NameBlock = { address: record.target, client, untilMs: nowMs + lifeMs, name: record.name };
      this.#blocks.set(record.target, block);
      learnt.push(block);
    }
    return learnt;
  }

  isBlockedFor(client: string, address: string, nowMs: number): boolean {
    const block = this.#blocks.get(address);
    return block !== undefined && nowMs < block.untilMs && (block.client === '' || block.client === client);
  }

  /** Forgets what has run out. */
  age(nowMs: number): void {
    for (const [address, block] of this.#blocks) if (nowMs >= block.untilMs) this.#blocks.delete(address);
  }

  /** Names of the answer that a pattern covers, and the names that these are aliases for. */
  #blockedNames(answer: DnsAnswer): Set<string> {
    const names = new Set<string>();
    const consider = (name: string): void => {
      if (findPattern(this.#options.patterns, name)) names.add(name);
    };
    consider(answer.question);
    for (const record of answer.records) {
      consider(record.name);
      if (record.isAlias) consider(record.target);
    }
    for (let round = 0, grew = names.size > 0; grew && round < MAX_ALIASES; round++) {
      grew = false;
      for (const record of answer.records) {
        if (!record.isAlias || !names.has(record.name) || names.has(record.target)) continue;
        names.add(record.target);
        grew = true;
      }
    }
    return names;
  }
}
