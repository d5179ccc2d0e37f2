/**
 * What the kernel drops without asking: known peers of contained clients, and addresses
 * that an administrator blocked; both for a time. Remembered here too, so that sets can be filled
 * again when somebody removed them, and listed.
 */
import { addressText } from '../base/address.js';
import { blockSet, peerSet } from '../enforce/ipsets.js';
import type { Containment } from '../engine/gate.js';
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
  untilMs: number;
}

export interface BlockedAddress {
  readonly address: string;
  readonly untilMs: number;
}

/** As many as the kernel's set holds, halved: each has a member for TCP and one for UDP. */
const MAX_CONTAINED = 131_072;
/** One client cannot push out what others are held from; what is beyond it, the engine still knows and refuses. */
const MAX_CONTAINED_PER_CLIENT = 8192;
/** A peer that is told again soon need not be written again. */
const REFRESH_MS = 30_000;

export class KernelBlocks {
  readonly #members: MemberSink;
  readonly #contained = new Map<string, { containment: Containment; peer: ContainedPeer }>();
  readonly #countOfClient = new Map<string, number>();
  readonly #blocked = new Map<string, { bytes: Uint8Array; untilMs: number }>();

  constructor(members: MemberSink) {
    this.#members = members;
  }

  get containedCount(): number {
    return this.#contained.size;
  }

  /** Returns true when the pair is new. `nowMs`: any clock, always the same. */
  contain(containment: Containment, nowMs: number): boolean {
    const client = addressText(containment.client, 0, containment.client.length);
    const peer = addressText(containment.peer, 0, containment.peer.length);
    const key = `${client} ${peer} ${containment.port}`;
    const known = this.#contained.get(key);
    const untilMs = nowMs + containment.holdMs;
    if (known && untilMs - known.peer.untilMs < REFRESH_MS) return false;
    const count = this.#countOfClient.get(client) ?? 0;
    if (!known && count >= MAX_CONTAINED_PER_CLIENT) return false;
    if (!known && this.#contained.size >= MAX_CONTAINED) this.#forgetOldest();
    if (!known) this.#countOfClient.set(client, count + 1);
    if (known) known.peer.untilMs = untilMs;
    else this.#contained.set(key, { containment, peer: { client, peer, port: containment.port, rule: containment.rule, untilMs } });
    this.#write(containment, containment.holdMs);
    return !known;
  }

  #write({ client, peer, port }: Containment, holdMs: number): void {
    const set = peerSet(peer.length === 4 ? 4 : 6);
    for (const protocol of [IPPROTO_TCP, IPPROTO_UDP]) this.#members.add({ set, address: peer, port, protocol, second: client }, holdMs);
  }

  #forgetOldest(): void {
    const oldest = this.#contained.entries().next();
    if (!oldest.done) this.#forget(oldest.value[0], oldest.value[1].peer.client);
  }

  #forget(key: string, client: string): void {
    this.#contained.delete(key);
    const count = (this.#countOfClient.get(client) ?? 1) - 1;
    if (count > 0) this.#countOfClient.set(client, count);
    else this.#countOfClient.delete(client);
  }

  block(address: Uint8Array, holdMs: number, nowMs: number): void {
    this.#blocked.set(addressText(address, 0, address.length), { bytes: address, untilMs: nowMs + holdMs });
    this.#members.add({ set: blockSet(address.length === 4 ? 4 : 6), address }, holdMs);
  }

  /** False when it was not blocked. */
  unblock(address: Uint8Array): boolean {
    this.#members.delete({ set: blockSet(address.length === 4 ? 4 : 6), address });
    return this.#blocked.delete(addressText(address, 0, address.length));
  }

  isBlocked(address: string, nowMs: number): boolean {
    return (this.#blocked.get(address)?.untilMs ?? 0) > nowMs;
  }

  blocked(): BlockedAddress[] {
    return [...this.#blocked].map(([address, { untilMs }]) => ({ address, untilMs }));
  }

  contained(limit: number): ContainedPeer[] {
    return [...this.#contained.values()].slice(-limit).map(({ peer }) => peer);
  }

  /** Forgets what has run out. */
  expire(nowMs: number): void {
    for (const [key, { peer }] of this.#contained) if (peer.untilMs <= nowMs) this.#forget(key, peer.client);
    for (const [address, { untilMs }] of this.#blocked) if (untilMs <= nowMs) this.#blocked.delete(address);
  }

  /** Writes everything again: the sets were made anew. */
  refill(nowMs: number): void {
    this.expire(nowMs);
    for (const { containment, peer } of this.#contained.values()) this.#write(containment, peer.untilMs - nowMs);
    for (const { bytes, untilMs } of this.#blocked.values()) this.#members.add({ set: blockSet(bytes.length === 4 ? 4 : 6), address: bytes }, untilMs - nowMs);
  }
}
