/**
 * Buffers for `recvmmsg` and `sendmmsg`: many datagrams in one system call.
 *
 * All datagrams share one array, `slotBytes` apart. The headers hold addresses of
 * that array, which V8 does not move (it is larger than 64 bytes); a batch is kept alive by its user.
 *
 * struct mmsghdr on 64-bit machines, 64 bytes:
 *   0 name pointer, 8 name length (4), 16 iovec pointer, 24 iovec count, 32 control pointer,
 *   40 control length, 48 flags (4), 56 bytes transferred (4)
 * struct iovec, 16 bytes: base pointer, length.
 */
import type { Libc } from './libc.js';

const MMSGHDR_BYTES = 64;
const IOVEC_BYTES = 16;

export class MessageBatch {
  /** Datagram `i` starts at `i * slotBytes`. */
  readonly bytes: Uint8Array;
  readonly slots: number;
  readonly slotBytes: number;
  /** Socket address of datagram `i` at `i * nameBytes`; empty when `nameBytes` is 0. */
  readonly names: Uint8Array;
  readonly nameBytes: number;
  private readonly headers: Uint8Array;
  private readonly headerView: DataView;
  private readonly vectors: DataView;
  private readonly libc: Libc;

  constructor(libc: Libc, slots: number, slotBytes: number, nameBytes = 0) {
    this.libc = libc;
    this.slots = slots;
    this.slotBytes = slotBytes;
    this.nameBytes = nameBytes;
    this.bytes = new Uint8Array(Math.max(slots * slotBytes, 128));
    this.names = new Uint8Array(nameBytes === 0 ? 0 : Math.max(slots * nameBytes, 128));
    this.headers = new Uint8Array(Math.max(slots, 2) * MMSGHDR_BYTES);
    this.headerView = new DataView(this.headers.buffer);
    const vectors = new Uint8Array(Math.max(slots * IOVEC_BYTES, 128));
    this.vectors = new DataView(vectors.buffer);
    const bytesAddress = libc.addressOf(this.bytes);
    const namesAddress = libc.addressOf(this.names);
    const vectorsAddress = libc.addressOf(vectors);
    for (let i = 0; i < slots; i++) {
      this.vectors.setBigUint64(i * IOVEC_BYTES, bytesAddress + BigInt(i * slotBytes), true);
      this.setLength(i, slotBytes);
      const at = i * MMSGHDR_BYTES;
      if (nameBytes > 0) this.headerView.setBigUint64(at, namesAddress + BigInt(i * nameBytes), true);
      this.headerView.setUint32(at + 8, nameBytes, true);
      this.headerView.setBigUint64(at + 16, vectorsAddress + BigInt(i * IOVEC_BYTES), true);
      this.headerView.setUint32(at + 24, 1, true);
    }
  }

  /** Before sending: length of datagram `i`. */
  setLength(i: number, lengthBytes: number): void {
    this.vectors.setUint32(i * IOVEC_BYTES + 8, lengthBytes, true);
  }

  /** After receiving: length of datagram `i`, at most `slotBytes`. */
  lengthBytes(i: number): number {
    return this.headerView.getUint32(i * MMSGHDR_BYTES + 56, true);
  }

  /** Receives up to `slots` datagrams; their number, or -errno. */
  receive(fd: number, flags: number): number {
    // The kernel overwrites the name length with that of the address it stored.
    if (this.nameBytes > 0) {
      for (let i = 0; i < this.slots; i++) this.headerView.setUint32(i * MMSGHDR_BYTES + 8, this.nameBytes, true);
    }
    return this.libc.recvmmsg(fd, this.headers, this.slots, flags);
  }

  /** Sends datagrams [first, first + count); how many went, or -errno if the first failed. */
  send(fd: number, first: number, count: number, flags: number): number {
    return this.libc.sendmmsg(fd, this.headers.subarray(first * MMSGHDR_BYTES), count, flags);
  }
}
