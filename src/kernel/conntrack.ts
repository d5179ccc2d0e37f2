/**
 * The connection tracking table of the kernel: list, watch, delete, mark.
 *
 * A dump costs about 0.11 s for 10,000 entries, most of it in the kernel. Marks
 * are set in batches of 50 requests for each send. Counters and start times need the
 * sysctls nf_conntrack_acct and nf_conntrack_timestamp, set before a connection begins.
 * Specification: include/uapi/linux/netfilter/nfnetlink_conntrack.h.
 */
import {
  type ConntrackChange,
  ConntrackDecoder,
  type ConntrackEntry,
  NFNLGRP_CONNTRACK_DESTROY,
  NFNLGRP_CONNTRACK_NEW,
  NFNLGRP_CONNTRACK_UPDATE,
  conntrackChange,
} from '../netlink/conntrack.js';
import {
  type DumpFilter,
  type EntryKey,
  deleteConntrack,
  dumpConntrack,
  getConntrack,
  markConntrack,
} from '../netlink/conntrack-request.js';
import { ENOENT } from './errno.js';
import type { Libc } from './libc.js';
import { type MessageVisitor, NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.js';
import { SystemError } from './system-error.js';

/** Requests in one send: their acknowledgements fit the smallest receive buffer. */
const REQUESTS_PER_SEND = 50;

export interface Outcome {
  /** Entries changed or deleted. */
  readonly done: number;
  /** Entries that were gone already. */
  readonly gone: number;
  /** Other refusals: errno and how often. */
  readonly failed: ReadonlyMap<number, number>;
}

/** What users of the table need; the live one is `ConntrackTable`, tests have their own. */
export interface Conntrack {
  /** Visits every entry that passes the filter. The kernel may ignore `filter.address`: check entries. */
  dump(ipVersion: 0 | 4 | 6, filter: DumpFilter, visit: (entry: ConntrackEntry) => void): void;
  /** The present form of an entry, null when it is gone. */
  find(entry: EntryKey): ConntrackEntry | null;
  /** Visits the present form of those that are there. */
  findAll(keys: readonly EntryKey[], visit: (entry: ConntrackEntry) => void): void;
  delete(entries: readonly ConntrackEntry[]): Outcome;
  /** Sets the bits of `mask` to those of `value`; other bits survive. */
  setMark(keys: readonly EntryKey[], value: number, mask: number): Outcome;
  close(): void;
}

export class ConntrackTable implements Conntrack {
  private readonly socket: NetlinkSocket;
  private readonly decoder = new ConntrackDecoder();

  /** Throws SystemError; EPROTONOSUPPORT means a kernel without nf_conntrack_netlink. */
  constructor(libc?: Libc) {
    this.socket = NetlinkSocket.open(NETLINK_NETFILTER, libc ? { libc, receiveBufferBytes: 1 << 20 } : { receiveBufferBytes: 1 << 20 });
  }

  dump(ipVersion: 0 | 4 | 6, filter: DumpFilter, visit: (entry: ConntrackEntry) => void): void {
    this.socket.dump(this.startDump(ipVersion, filter), 'list connections', this.entryVisitor(visit));
  }

  /** As `dump`, in short turns of the event loop; no other request on this object meanwhile. */
  async dumpInTurns(ipVersion: 0 | 4 | 6, filter: DumpFilter, visit: (entry: ConntrackEntry) => void): Promise<void> {
    await this.socket.dumpInTurns(this.startDump(ipVersion, filter), 'list connections', this.entryVisitor(visit));
  }

  find(entry: EntryKey): ConntrackEntry | null {
    const { socket } = this;
    let found: ConntrackEntry | null = null;
    socket.writer.reset();
    getConntrack(socket.writer, entry, socket.nextSequence());
    const errno = socket.request(socket.writer, (bytes, at, end) => {
      found = this.decoder.decode(bytes, at, end);
    });
    if (errno !== 0 && errno !== ENOENT) {
      throw new SystemError({ syscall: 'IPCTNL_MSG_CT_GET', errno, doing: 'look up a connection' });
    }
    return found;
  }

  findAll(keys: readonly EntryKey[], visit: (entry: ConntrackEntry) => void): void {
    const { failed } = this.forAll(keys, (key, sequence) => getConntrack(this.socket.writer, key, sequence), this.entryVisitor(visit));
    for (const errno of failed.keys()) throw new SystemError({ syscall: 'IPCTNL_MSG_CT_GET', errno, doing: 'look up connections' });
  }

  delete(entries: readonly ConntrackEntry[]): Outcome {
    return this.forAll(entries, (entry, sequence) => deleteConntrack(this.socket.writer, entry, sequence));
  }

  setMark(keys: readonly EntryKey[], value: number, mask: number): Outcome {
    return this.forAll(keys, (key, sequence) => markConntrack(this.socket.writer, key, value, mask, sequence));
  }

  close(): void {
    this.socket.close();
  }

  private startDump(ipVersion: 0 | 4 | 6, filter: DumpFilter): NetlinkSocket['writer'] {
    const { socket } = this;
    socket.writer.reset();
    dumpConntrack(socket.writer, ipVersion, filter, socket.nextSequence());
    return socket.writer;
  }

  private entryVisitor(visit: (entry: ConntrackEntry) => void): MessageVisitor {
    return (bytes, at, end) => {
      const entry = this.decoder.decode(bytes, at, end);
      if (entry) visit(entry);
    };
  }

  private forAll<T>(items: readonly T[], write: (item: T, sequence: number) => void, visit?: MessageVisitor): Outcome {
    const { socket } = this;
    const failed = new Map<number, number>();
    let done = 0;
    let gone = 0;
    for (let from = 0; from < items.length; from += REQUESTS_PER_SEND) {
      const part = items.slice(from, from + REQUESTS_PER_SEND);
      socket.writer.reset();
      for (const item of part) write(item, socket.nextSequence());
      const count = (_sequence: number, errno: number): void => {
        if (errno === 0) done++;
        else if (errno === ENOENT) gone++;
        else failed.set(errno, (failed.get(errno) ?? 0) + 1);
      };
      socket.requestAll(socket.writer, part.length, count, visit);
    }
    return { done, gone, failed };
  }
}

export interface ConntrackEventOptions {
  /** Default: new and destroy. */
  readonly changes?: readonly Exclude<ConntrackChange, 'entry'>[];
  /** Default 16 MiB: 64 KiB loses events at a few thousand connections per second. */
  readonly receiveBufferBytes?: number;
  readonly libc?: Libc;
}

const GROUPS: Readonly<Record<Exclude<ConntrackChange, 'entry'>, number>> = {
  new: NFNLGRP_CONNTRACK_NEW,
  update: NFNLGRP_CONNTRACK_UPDATE,
  destroy: NFNLGRP_CONNTRACK_DESTROY,
};

export interface ConntrackEvents {
  /** Lets the process exit although events are awaited. */
  unref(): void;
  close(): void;
}

/** Subscribes to changes of the table. `onOverrun`: events were lost, so take a fresh dump. */
export function watchConntrack(
  onChange: (change: ConntrackChange, entry: ConntrackEntry) => void,
  onOverrun: () => void,
  options: ConntrackEventOptions = {},
): ConntrackEvents {
  const changes = options.changes ?? (['new', 'destroy'] as const);
  const socket = NetlinkSocket.open(NETLINK_NETFILTER, {
    groups: changes.reduce((bits, change) => bits | (1 << (GROUPS[change] - 1)), 0),
    receiveBufferBytes: options.receiveBufferBytes ?? 16 << 20,
    ...(options.libc ? { libc: options.libc } : {}),
  });
  const decoder = new ConntrackDecoder();
  const watch = socket.listen((bytes, at, end) => {
    const change = conntrackChange(bytes, at);
    const entry = change === null ? null : decoder.decode(bytes, at, end);
    if (change !== null && entry) onChange(change, entry);
  }, onOverrun);
  return { unref: () => watch.unref(), close: () => socket.close() };
}
