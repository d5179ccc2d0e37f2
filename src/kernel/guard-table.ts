/**
 * The table of the wall's guard (`enforce/guard.ts`) in nf_tables, made without any tool. While its owner lives nobody else can
 * change or flush it (Linux 5.12); it outlives an owner that is killed (6.9) until `removeGuard`. On older kernels it
 * is an ordinary table.
 */
import { type Expression, NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST, addChain, addRule } from '../netlink/nftables.js';
import type { Libc } from './libc.js';
import { OwnedTable, type TablePart, removeTable } from './owned-table.js';
import { SystemError } from './system-error.js';

const FLAGS = [NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST, NFT_TABLE_F_OWNER, 0] as const;

export class GuardTable {
  readonly #table: OwnedTable;
  readonly #libc: Libc | undefined;

  /** `rules` of a chain in the hook forward. Takes the place of a guard whose owner is gone. Throws SystemError (ERR_NOT_SUPPORTED without nf_tables). */
  constructor(name: string, priority: number, rules: readonly (readonly Expression[])[], libc?: Libc) {
    removeTable(name, libc);
    const parts: TablePart[] = [
      (writer, sequence) => addChain(writer, name, 'forward', priority, sequence),
      ...rules.map((rule): TablePart => (writer, sequence) => addRule(writer, name, 'forward', rule, sequence)),
    ];
    this.#libc = libc;
    this.#table = open(name, parts, libc);
  }

  /** `isLeftStanding`: the table stays, where the kernel can. */
  close(isLeftStanding: boolean): void {
    this.#table.close();
    if (!isLeftStanding) removeTable(this.#table.name, this.#libc);
  }
}

function open(name: string, parts: readonly TablePart[], libc: Libc | undefined): OwnedTable {
  let refusal: unknown;
  for (const flags of FLAGS) {
    try {
      return new OwnedTable(name, parts, libc, flags);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'ERR_NOT_SUPPORTED')) throw error;
      refusal = error;
    }
  }
  throw refusal;
}
