/**
 * A queue without the kernel's: packets that we make ourselves go the way of queued ones, through the same calls, and their verdicts
 * go nowhere. So a reader can get warm before its first real packet: V8 compiles what has run often enough.
 */
import { MessageWriter } from '../netlink/message-writer.js';
import { writeQueuedPacket } from '../netlink/nfqueue.js';
import { type Libc, libc as systemLibc } from './libc.js';
import { MSG_DONTWAIT } from './netlink-socket.js';
import { type BatchReceiver, PacketQueue } from './nfqueue.js';
import { check } from './system-error.js';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const QUEUE = 0;
const PATIENCE_MS = 10;
/** More than the verdicts of a batch. */
const VERDICT_BYTES = 4096;

export class QueueRehearsal {
  readonly #libc: Libc;
  readonly #queue: PacketQueue;
  /** The kernel's end. */
  readonly #fd: number;
  readonly #writer = new MessageWriter(2048);
  readonly #verdicts = new Uint8Array(VERDICT_BYTES);
  #lastId = 0;

  /** Throws SystemError. */
  constructor(receiver: BatchReceiver, libc: Libc = systemLibc()) {
    const fds = new Uint8Array(8);
    check(libc.socketpair(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0, fds), { syscall: 'socketpair', doing: 'rehearse' });
    const [ours = -1, theirs = -1] = new Int32Array(fds.buffer);
    this.#libc = libc;
    this.#fd = theirs;
    this.#queue = new PacketQueue({ queues: [], ownedElsewhere: ours, libc });
    this.#queue.serve(receiver);
  }

  /** Takes IP packets through, as one batch; at most ten, as many as a socket of this kind holds (net.unix.max_dgram_qlen). */
  give(packets: readonly Uint8Array[], inInterface: number): void {
    for (const packet of packets) {
      this.#writer.reset();
      writeQueuedPacket(this.#writer, QUEUE, ++this.#lastId, packet, inInterface);
      this.#libc.sendto(this.#fd, this.#writer.bytes, this.#writer.lengthBytes, MSG_DONTWAIT, null);
    }
    this.#queue.turn(PATIENCE_MS);
    // All of them: a full socket would stop the reader.
    while (this.#libc.recv(this.#fd, this.#verdicts, MSG_DONTWAIT) > 0);
  }

  close(): void {
    this.#queue.close();
    this.#libc.close(this.#fd);
  }
}
