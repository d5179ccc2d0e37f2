/**
 * What the wall keeps in the kernel besides its rules: marks of connections, sets of blocked and contained addresses, and
 * connections that it ends. One lifetime, one owner of their sockets.
 */
import { parseAddress } from '../base/address.js';
import type { PeerList } from '../control/protocol.js';
import { type MarkField, VALUE_DROP, VALUE_UNDECIDED } from '../enforce/marks.js';
import { NftMembers } from '../enforce/nft-members.js';
import { ConntrackTable } from '../kernel/conntrack.js';
import { IpsetMembers } from '../kernel/ipset-members.js';
import type { EntryKey } from '../netlink/conntrack-request.js';
import type { Containment } from '../engine/gate.js';
import { ConnectionCuts } from './connection-cuts.js';
import { ConnectionMarks } from './connection-marks.js';
import { KernelBlocks } from './kernel-blocks.js';
import type { Log } from './log.js';
import { steadyMs } from './packet-path.js';
import { protection } from './protection.js';

function addressOf(text: string): Uint8Array {
  const address = parseAddress(text);
  if (!address) throw new Error(`'${text}' is no address`);
  return address;
}

export class KernelSide {
  readonly #conntrack: ConntrackTable;
  readonly #marks: ConnectionMarks;
  readonly #cuts: ConnectionCuts;
  readonly #members: IpsetMembers | NftMembers;
  readonly #blocks: KernelBlocks;

  /** Throws SystemError. */
  constructor(field: MarkField, isNftables: boolean, log: Log) {
    this.#conntrack = new ConntrackTable();
    this.#marks = new ConnectionMarks(this.#conntrack, field);
    this.#cuts = new ConnectionCuts(this.#conntrack, log);
    const refused = (set: string, words: string): void => log.warn({ component: 'sets', set }, `the kernel refuses members: ${words}`);
    this.#members = isNftables ? new NftMembers((words) => refused('nftables', words)) : new IpsetMembers({ onRefused: refused });
    this.#blocks = new KernelBlocks(this.#members, protection([]));
  }

  /** Makes the kernel ask again for every connection that was decided. */
  forgetMarks(): void {
    this.#marks.forget();
  }

  /** A verdict that no packet waits for: as `ConnectionMarks.set`. */
  mark(key: EntryKey, value: number): void {
    this.#marks.set(key, value);
  }

  /** Ends a TCP connection at both ends. */
  cut(key: EntryKey): void {
    this.#cuts.flow(key);
  }

  /** True when the client was not held back from this peer before. */
  contain(containment: Containment): boolean {
    return this.#blocks.contain(containment, steadyMs());
  }

  /** Blocks an address for a time, connections that are open included. Returns how many of those. Throws for what is no address. */
  block(text: string, seconds: number): number {
    const address = addressOf(text);
    this.#blocks.block(address, seconds * 1000, steadyMs());
    this.#members.flush();
    const count = this.#marks.setFor(address, VALUE_DROP);
    this.#cuts.address(address);
    return count;
  }

  /** False when the address was not blocked. Throws for what is no address. */
  unblock(text: string): boolean {
    const address = addressOf(text);
    const wasBlocked = this.#blocks.unblock(address);
    this.#members.flush();
    this.#marks.setFor(address, VALUE_UNDECIDED);
    return wasBlocked;
  }

  peers(limit: number): PeerList {
    const nowMs = steadyMs();
    const seconds = (untilMs: number): number => Math.max(0, Math.round((untilMs - nowMs) / 1000));
    return {
      contained: this.#blocks.contained(limit).map(({ untilMs, ...it }) => ({ ...it, seconds: seconds(untilMs) })),
      blocked: this.#blocks.blocked().map(({ address, untilMs }) => ({ address, seconds: seconds(untilMs) })),
    };
  }

  get containedCount(): number {
    return this.#blocks.containedCount;
  }

  get blockedCount(): number {
    return this.#blocks.blocked().length;
  }

  /** Forgets what has run out; sets marks that had to wait. */
  keepHouse(): void {
    this.#blocks.expire(steadyMs());
    this.#marks.setUnfound();
  }

  /** The sets are new and empty: fills them. */
  refillSets(): void {
    this.#blocks.refill(steadyMs());
  }

  close(): void {
    this.#cuts.close();
    this.#members.close();
    this.#conntrack.close();
  }
}
