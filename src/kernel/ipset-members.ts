/**
 * Adds and deletes members of ipset sets, many in one system call.
 *
 * Changes are collected and sent when the current turn of the event loop ends (or at `flush`), so that a burst of
 * packets costs one send. Sets must exist. A set that is missing or full is reported, not thrown: traffic goes on.
 */
import { MessageWriter } from '../netlink/message-writer.js';
import { addMember, deleteMember, IPSET_ERR_EXIST, type SetMember } from '../netlink/ipset.js';
import { errnoName } from './errno.js';
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.js';
import type { Libc } from './libc.js';

/** Acknowledgements of one send must fit the receive buffer. */
const MAX_BATCH = 50;

export interface IpsetTroubles {
  /** A change was refused; `name` is the errno's. Called once for each kind of trouble until one succeeds. */
  readonly onRefused?: (set: string, name: string) => void;
}

/** IPSET_ERR_HASH_FULL of ip_set_hash.h: the set holds `maxelem` members. */
const IPSET_ERR_HASH_FULL = 4352;

interface Change {
  readonly member: SetMember;
  /** null: delete. */
  readonly timeoutS: number | null;
}

export class IpsetMembers {
  readonly #socket: NetlinkSocket;
  readonly #troubles: IpsetTroubles;
  readonly #writer = new MessageWriter(MAX_BATCH * 160);
  readonly #reported = new Set<string>();
  #changes: Change[] = [];
  #isScheduled = false;
  /** Changes sent so far. */
  changeCount = 0;

  /** Throws SystemError; needs CAP_NET_ADMIN. */
  constructor(troubles: IpsetTroubles = {}, libc?: Libc) {
    this.#troubles = troubles;
    this.#socket = NetlinkSocket.open(NETLINK_NETFILTER, libc ? { libc } : {});
  }

  /** Adds the member for `timeoutMs`, rounded up to seconds; or renews it. */
  add(member: SetMember, timeoutMs: number): void {
    this.#push({ member, timeoutS: Math.max(1, Math.ceil(timeoutMs / 1000)) });
  }

  delete(member: SetMember): void {
    this.#push({ member, timeoutS: null });
  }

  /** Sends what waits. */
  flush(): void {
    this.#isScheduled = false;
    const changes = this.#changes;
    this.#changes = [];
    for (let at = 0; at < changes.length; at += MAX_BATCH) this.#send(changes.slice(at, at + MAX_BATCH));
  }

  close(): void {
    this.flush();
    this.#socket.close();
  }

  #push(change: Change): void {
    this.#changes.push(change);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      if (this.#isScheduled) this.flush();
    });
  }

  #send(changes: readonly Change[]): void {
    const writer = this.#writer;
    writer.reset();
    const bySequence = new Map<number, Change>();
    for (const change of changes) {
      const sequence = this.#socket.nextSequence();
      bySequence.set(sequence, change);
      if (change.timeoutS === null) deleteMember(writer, change.member, sequence);
      else addMember(writer, change.member, change.timeoutS, sequence);
    }
    this.changeCount += changes.length;
    this.#socket.requestAll(writer, changes.length, (sequence, refused) => {
      const change = bySequence.get(sequence);
      if (change) this.#answered(change, refused);
    });
  }

  #answered(change: Change, errno: number): void {
    const { set } = change.member;
    if (errno === 0) {
      this.#reported.delete(set);
      return;
    }
    // Deleting what has run out already is no trouble.
    if (change.timeoutS === null && (errno === IPSET_ERR_EXIST || errno === 2)) return;
    if (this.#reported.has(set)) return;
    this.#reported.add(set);
    this.#troubles.onRefused?.(set, errno === IPSET_ERR_HASH_FULL ? 'the set is full' : errnoName(errno));
  }
}
