/**
 * What the kernel drops without asking: known peers of contained clients, and addresses
 * that an administrator blocked; both for a time. Remembered here too, so that sets can be filled
 * again when somebody removed them, and listed.
 *
 * Peers of contained clients are kept by ftwall's machine: the gate tells it what trackers, nodes and peers told a client, it
 * decides what is blocked for whom and how long. What it wants of the data plane becomes members of the sets.
 */
import { addressText, parseAddress } from '../base/address.js';
import { blockSet, peerSet } from '../enforce/ipsets.js';
import type { Containment } from '../engine/gate.js';
import type { Action } from '../ftwall/actions.js';
import { ContainmentMachine } from '../ftwall/containment-machine.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/constants.js';
import type { SetMember } from '../netlink/ipset.js';

export interface MemberSink {
  add(member: SetMember, timeoutMs: number): void;
  delete(member: SetMember): void;
}

export interface ContainedPeer {
  readonly client: string;
  readonly peer: string;
  readonly port: number;
  readonly rule: string | null;
  readonly untilMs: number;
}

export interface BlockedAddress {
  readonly address: string;
  readonly untilMs: number;
}

/** As many as the kernel's set holds, halved: each has a member for TCP and one for UDP. */
const MAX_CONTAINED = 131_072;
/** One client cannot push out what others are held from; what is beyond it, the engine still knows and refuses. */
const MAX_CONTAINED_PER_CLIENT = 8192;

export class KernelBlocks {
  readonly #members: MemberSink;
  readonly #machine: ContainmentMachine;
  readonly #actions: Action[] = [];
  /** Names of rules; their places are the machine's `source`. */
  readonly #rules: (string | null)[] = [];
  readonly #blocked = new Map<string, { bytes: Uint8Array; untilMs: number }>();

  /** `isProtected`: addresses that are never held back because somebody named them. */
  constructor(members: MemberSink, isProtected: (address: string) => boolean) {
    this.#members = members;
    this.#machine = new ContainmentMachine({
      maxPeers: MAX_CONTAINED,
      maxPeersPerClient: MAX_CONTAINED_PER_CLIENT,
      // Rules say whom they hold back; a second client that is told does not make it a matter of all.
      isSharing: false,
      isProtected,
      logs: new Set(),
    });
  }

  get containedCount(): number {
    return this.#machine.peers.size;
  }

  /** Returns true when the pair is new. `nowMs`: a clock that does not go back, always the same. */
  contain({ client, peer, port, holdMs, rule }: Containment, nowMs: number): boolean {
    const found = this.#machine.told(nowMs, textOf(client), textOf(peer), port, this.#actions, holdMs, this.#sourceOf(rule));
    this.#carryOut();
    return found === 'new';
  }

  #sourceOf(rule: string | null): number {
    const known = this.#rules.indexOf(rule);
    return known >= 0 ? known : this.#rules.push(rule) - 1;
  }

  /** Log lines and a store file are ftwall's. */
  #carryOut(): void {
    for (const action of this.#actions) {
      if (action.kind !== 'block' && action.kind !== 'unblock') continue;
      const address = parseAddress(action.address);
      const second = parseAddress(action.client);
      if (!address || !second) continue;
      for (const protocol of [IPPROTO_TCP, IPPROTO_UDP]) {
        const member = { set: peerSet(address.length === 4 ? 4 : 6), address, port: action.port, protocol, second };
        if (action.kind === 'block') this.#members.add(member, action.timeoutMs);
        else this.#members.delete(member);
      }
    }
    this.#actions.length = 0;
  }

  block(address: Uint8Array, holdMs: number, nowMs: number): void {
    this.#blocked.set(textOf(address), { bytes: address, untilMs: nowMs + holdMs });
    this.#members.add(blockMember(address), holdMs);
  }

  /** False when it was not blocked. */
  unblock(address: Uint8Array): boolean {
    this.#members.delete(blockMember(address));
    return this.#blocked.delete(textOf(address));
  }

  blocked(): BlockedAddress[] {
    return [...this.#blocked].map(([address, { untilMs }]) => ({ address, untilMs }));
  }

  /** The `limit` told last, the latest at the end. */
  contained(limit: number): ContainedPeer[] {
    const listed: ContainedPeer[] = [];
    for (const { client, address, port, source, untilMs } of this.#machine.peers.newestFirst()) {
      if (listed.length >= limit) break;
      listed.push({ client, peer: address, port, rule: this.#rules[source] ?? null, untilMs });
    }
    return listed.reverse();
  }

  /** Forgets what has run out. */
  expire(nowMs: number): void {
    this.#machine.tick(nowMs, this.#actions);
    this.#carryOut();
    for (const [address, { untilMs }] of this.#blocked) if (untilMs <= nowMs) this.#blocked.delete(address);
  }

  /** Writes everything again: the sets were made anew. */
  refill(nowMs: number): void {
    this.expire(nowMs);
    this.#machine.blockAll(nowMs, this.#actions);
    this.#carryOut();
    for (const { bytes, untilMs } of this.#blocked.values()) this.#members.add(blockMember(bytes), untilMs - nowMs);
  }
}

function textOf(address: Uint8Array): string {
  return addressText(address, 0, address.length);
}

function blockMember(address: Uint8Array): SetMember {
  return { set: blockSet(address.length === 4 ? 4 : 6), address };
}
