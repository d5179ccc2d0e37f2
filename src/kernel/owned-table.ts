/**
 * An nf_tables table that belongs to this process: the kernel removes it when the
 * socket behind it is closed, also by SIGKILL. Requires Linux 5.12.
 *
 * `keepFor` hands the socket to a small sleeping process, so that the table outlives us by a fixed
 * time and then vanishes. Messages are encoded in `netlink/nftables.ts`.
 */
import { spawn } from 'node:child_process';
import { MessageWriter } from '../netlink/message-writer.js';
import { NFT_TABLE_F_OWNER, addElements, addTable, beginBatch, deleteTable, endBatch } from '../netlink/nftables.js';
import { EINVAL, ENOENT, ENOSPC, EOPNOTSUPP } from './errno.js';
import type { Libc } from './libc.js';
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.js';
import { SystemError } from './system-error.js';

/** Keeps one message below the 64 KiB that an attribute holds, for IPv6 keys too. */
const ELEMENTS_PER_MESSAGE = 500;
/** Keeps one transaction within the socket's send buffer. */
const MESSAGES_PER_BATCH = 4;

/** Writes one request of the transaction under its sequence number. */
export type TablePart = (writer: MessageWriter, sequence: number) => void;

/** Does all of it in one transaction, or nothing. Returns 0 or the errno of the first refusal. */
function commit(socket: NetlinkSocket, writer: MessageWriter, parts: readonly TablePart[]): number {
  writer.reset();
  beginBatch(writer, socket.nextSequence());
  for (const part of parts) part(writer, socket.nextSequence());
  endBatch(writer, socket.nextSequence());
  let refusal = 0;
  // Sequence numbers of the batch's two ends are never acknowledged.
  socket.requestAll(writer, parts.length + 2, (_sequence, errno) => {
    refusal ||= errno;
  });
  return refusal;
}

/** Removes a table that nobody owns. False when there is none, or no nf_tables. Throws SystemError. */
export function removeTable(name: string, libc?: Libc): boolean {
  const socket = NetlinkSocket.open(NETLINK_NETFILTER, libc ? { libc } : {});
  try {
    const errno = commit(socket, new MessageWriter(), [(writer, sequence) => deleteTable(writer, name, sequence)]);
    if (errno === 0) return true;
    if (errno === ENOENT || errno === EOPNOTSUPP) return false;
    throw new SystemError({ syscall: 'NFT_MSG_DELTABLE', errno, doing: `remove the nf_tables table ${name}`, hint: 'a program that runs owns it: end that first' });
  } finally {
    socket.close();
  }
}

export class OwnedTable {
  readonly name: string;
  private readonly socket: NetlinkSocket;
  private readonly writer = new MessageWriter(65536);

  /**
   * Makes the table with its chains, sets and rules in one transaction. `flags`: NFT_TABLE_F_*. Throws SystemError (ERR_NOT_SUPPORTED
   * without nf_tables or what the flags ask for).
   */
  constructor(name: string, parts: readonly TablePart[], libc?: Libc, flags = NFT_TABLE_F_OWNER) {
    this.name = name;
    this.socket = NetlinkSocket.open(NETLINK_NETFILTER, { receiveBufferBytes: 4 << 20, ...(libc ? { libc } : {}) });
    try {
      this.commit([(writer, sequence) => addTable(writer, name, flags, sequence), ...parts]);
    } catch (error) {
      this.socket.close();
      throw error;
    }
  }

  /** Adds elements to a set of this table; `timeoutMs` 0 keeps them as long as the table. */
  add(set: string, keys: readonly Uint8Array[], timeoutMs: number): void {
    const parts: TablePart[] = [];
    for (let from = 0; from < keys.length; from += ELEMENTS_PER_MESSAGE) {
      const some = keys.slice(from, from + ELEMENTS_PER_MESSAGE);
      parts.push((writer, sequence) => addElements(writer, this.name, set, some, timeoutMs, sequence));
    }
    for (let from = 0; from < parts.length; from += MESSAGES_PER_BATCH) this.commit(parts.slice(from, from + MESSAGES_PER_BATCH));
  }

  /** Leaves the table in place for `seconds`, also when this process ends, and closes our end. The process that keeps it is named `sleep`. Throws SystemError without that program. */
  keepFor(seconds: number): void {
    // The descriptor becomes number 3 of the child; close-on-exec does not apply to a duplicated one.
    const child = spawn('sleep', [String(seconds)], { detached: true, stdio: ['ignore', 'ignore', 'ignore', this.socket.fd] });
    // Said by the missing process id below; without a listener the event would end this process.
    child.on('error', () => undefined);
    child.unref();
    this.socket.close();
    if (child.pid === undefined) {
      throw new SystemError({ syscall: 'spawn', errno: ENOENT, doing: 'keep a hold: start the program sleep', hint: 'install coreutils' });
    }
  }

  /** Removes the table with all it holds. */
  close(): void {
    this.socket.close();
  }

  private commit(parts: readonly TablePart[]): void {
    const refusal = commit(this.socket, this.writer, parts);
    if (refusal === 0) return;
    const isOld = refusal === EOPNOTSUPP || refusal === EINVAL;
    throw new SystemError({
      ...(isOld ? { code: 'ERR_NOT_SUPPORTED' as const } : {}),
      syscall: 'NFNL_SUBSYS_NFTABLES',
      errno: refusal,
      doing: `set up the nf_tables table ${this.name}`,
      hint: refusal === ENOSPC ? 'fewer connections at once' : 'Linux 5.12 or newer with nf_tables is needed',
    });
  }
}
