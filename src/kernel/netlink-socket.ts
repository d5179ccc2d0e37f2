/**
 * A netlink socket: requests with their answers, dumps, events.
 *
 * The kernel answers within the `sendto` call itself, so a request needs no
 * waiting: the answer is in the buffer when the send returns. `dumpInTurns`
 * yields to the event loop between chunks; `dump` runs through (about 11 us for each conntrack entry).
 * Events are reported through the event loop. Messages are built and read in `netlink/`.
 * Specification: netlink(7).
 */
import {
  NLMSG_DONE,
  NLMSG_ERROR,
  NLM_F_DUMP_INTR,
  forEachMessage,
  messageFlags,
  messageSequence,
  messageType,
  readAcknowledgement,
} from '../netlink/message.js';
import { MessageWriter } from '../netlink/message-writer.js';
import { EAGAIN, EINTR, ENOBUFS } from './errno.js';
import { type Libc, type Watch, libc as systemLibc } from './libc.js';
import { SOL_SOCKET, SO_RCVBUFFORCE, intOption } from './socket-options.js';
import { SystemError, check } from './system-error.js';

const AF_NETLINK = 16;
/** Waits where a caller asks for it: only readers of queues do. include/linux/socket.h. */
export const MSG_DONTWAIT = 0x40;
export const MSG_WAITFORONE = 0x10000;
const SO_RCVTIMEO = 20;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_NETLINK = 270;
const NETLINK_NO_ENOBUFS = 5;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_NETFILTER = 12;
// A dump chunk is at most 32 KiB (netlink_dump); twice that is never truncated.
const RECEIVE_BYTES = 65536;
// How long one turn of `dumpInTurns` may hold the event loop.
const TURN_MS = 5;

/** Called with each message of an answer; `bytes` is borrowed until it returns. */
export type MessageVisitor = (bytes: Uint8Array, at: number, end: number) => void;

export interface NetlinkOptions {
  /** Bit n-1 set: group n is subscribed. */
  readonly groups?: number;
  /** Socket receive buffer (SO_RCVBUFFORCE); default of the system when absent. */
  readonly receiveBufferBytes?: number;
  /** Lose messages silently rather than fail with ENOBUFS. */
  readonly ignoreOverrun?: boolean;
  readonly libc?: Libc;
}

export class NetlinkSocket {
  readonly fd: number;
  /** Scratch writer of this socket: `reset()` it, write one request, pass it on. */
  readonly writer = new MessageWriter(4096);
  private readonly libc: Libc;
  private readonly buffer = new Uint8Array(RECEIVE_BYTES);
  private watch: Watch | null = null;
  private sequence = 0;
  private isClosed = false;

  private constructor(libc: Libc, fd: number) {
    this.libc = libc;
    this.fd = fd;
  }

  /** Opens and binds a socket of `family` (NETLINK_*). Throws SystemError. */
  static open(family: number, options: NetlinkOptions = {}): NetlinkSocket {
    const c = options.libc ?? systemLibc();
    const doing = 'open a netlink socket';
    const fd = check(c.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, family), { syscall: 'socket', doing });
    try {
      // Absent on old kernels, and answers are understood without them.
      c.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, intOption(1));
      c.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, intOption(1));
      if (options.ignoreOverrun) c.setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, intOption(1));
      if (options.receiveBufferBytes !== undefined) {
        check(c.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, intOption(options.receiveBufferBytes)), {
          syscall: 'setsockopt SO_RCVBUFFORCE',
          doing: 'enlarge the netlink receive buffer',
        });
      }
      // struct sockaddr_nl: family, padding, port 0 (the kernel chooses), groups
      const address = Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, ...intOption(options.groups ?? 0));
      check(c.bind(fd, address), { syscall: 'bind', doing });
      return new NetlinkSocket(c, fd);
    } catch (error) {
      c.close(fd);
      throw error;
    }
  }

  /** A socket that another thread of this process opened; its owner closes it. */
  static adopt(fd: number, libc: Libc): NetlinkSocket {
    return new NetlinkSocket(libc, fd);
  }

  /** How long a receive without MSG_DONTWAIT may wait. */
  setPatience(milliseconds: number): void {
    // struct timeval on 64-bit machines: seconds and microseconds, 8 bytes each.
    const time = new DataView(new ArrayBuffer(16));
    time.setBigInt64(0, BigInt(Math.floor(milliseconds / 1000)), true);
    time.setBigInt64(8, BigInt(Math.round(milliseconds % 1000) * 1000), true);
    check(this.libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVTIMEO, new Uint8Array(time.buffer)), { syscall: 'setsockopt SO_RCVTIMEO', doing: 'set up a netlink socket' });
  }

  /** Number for the next request, never 0 (events carry 0). */
  nextSequence(): number {
    this.sequence = (this.sequence + 1) >>> 0 || 1;
    return this.sequence;
  }

  /** Sends what was written. Returns 0 or a positive errno. */
  send(writer: MessageWriter): number {
    for (;;) {
      const result = this.libc.sendto(this.fd, writer.bytes, writer.lengthBytes, 0, null);
      if (result >= 0) return 0;
      if (result !== -EINTR) return -result;
    }
  }

  /**
   * Sends one request and visits its answers up to the acknowledgement or, for requests without
   * NLM_F_ACK, the single answer. Returns 0 or the errno of the refusal; throws for failures of the socket itself.
   */
  request(writer: MessageWriter, visit?: MessageVisitor): number {
    let refusal = 0;
    this.transact(writer, 1, (bytes, at, end, errno) => {
      if (errno === null) visit?.(bytes, at, end);
      else refusal = errno;
    });
    return refusal;
  }

  /** As `request`, and throws what the kernel says. */
  mustRequest(writer: MessageWriter, doing: string, syscall: string, visit?: MessageVisitor): void {
    this.transact(writer, 1, (bytes, at, end, errno, text) => {
      if (errno === null) visit?.(bytes, at, end);
      else if (errno !== 0) throw new SystemError({ syscall, errno, doing, detail: text });
    });
  }

  /**
   * Sends several acknowledged requests at once (about 50: answers must fit the receive buffer).
   * Calls `done(sequence, errno)` for each, and `visit` for answers that are messages. Returns how many were acknowledged.
   */
  requestAll(writer: MessageWriter, count: number, done: (sequence: number, errno: number) => void, visit?: MessageVisitor): number {
    let acknowledged = 0;
    this.transact(writer, count, (bytes, at, end, errno) => {
      if (errno === null) {
        visit?.(bytes, at, end);
        return;
      }
      acknowledged++;
      done(messageSequence(bytes, at), errno);
    });
    return acknowledged;
  }

  /** Sends a dump request and visits every message. Returns false when the kernel says that the table changed meanwhile (NLM_F_DUMP_INTR). */
  dump(writer: MessageWriter, doing: string, visit: MessageVisitor): boolean {
    const reader = this.startDump(writer, doing, visit);
    for (let hasEnded = false; !hasEnded; ) hasEnded = reader.readChunk();
    return reader.isConsistent;
  }

  /** As `dump`, in turns of a few milliseconds, so that the event loop lives on. No other request may use this socket meanwhile. */
  async dumpInTurns(writer: MessageWriter, doing: string, visit: MessageVisitor): Promise<boolean> {
    const reader = this.startDump(writer, doing, visit);
    let turnEndMs = performance.now() + TURN_MS;
    while (!reader.readChunk()) {
      if (performance.now() < turnEndMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turnEndMs = performance.now() + TURN_MS;
    }
    return reader.isConsistent;
  }

  /**
   * Reports messages as they arrive (groups, queued packets). `onOverrun` is told that the
   * kernel dropped messages because the buffer was full.
   */
  listen(visit: MessageVisitor, onOverrun: () => void): Watch {
    this.watch = this.libc.watchReadable(this.fd, () => {
      // Bounded, so that timers and other sockets get their turn; the watch is level-triggered.
      for (let i = 0; i < 64 && !this.isClosed; i++) {
        const length = this.libc.recv(this.fd, this.buffer, MSG_DONTWAIT);
        if (length === -EAGAIN) return;
        if (length === -ENOBUFS) onOverrun();
        else if (length !== -EINTR) {
          check(length, { syscall: 'recv', doing: 'read netlink events' });
          forEachMessage(this.buffer, 0, length, (at, end) => visit(this.buffer, at, end));
        }
      }
    });
    return this.watch;
  }

  /** Safe to call twice. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.watch?.close();
    this.libc.close(this.fd);
  }

  /** Errors of the answers are given as errno (0 for an acknowledgement); null marks an answer that is a message. */
  private transact(
    writer: MessageWriter,
    expected: number,
    visit: (bytes: Uint8Array, at: number, end: number, errno: number | null, text: string) => void,
  ): void {
    const errno = this.send(writer);
    if (errno !== 0) throw new SystemError({ syscall: 'sendto', errno, doing: 'send a netlink request' });
    const firstSequence = messageSequence(writer.bytes, 0);
    let acknowledged = 0;
    while (acknowledged < expected) {
      const length = this.receive();
      if (length === 0) return;
      forEachMessage(this.buffer, 0, length, (at, end) => {
        // Left over from a request that was given up half way.
        if ((messageSequence(this.buffer, at) - firstSequence) >>> 0 >= expected) return;
        const type = messageType(this.buffer, at);
        if (type !== NLMSG_ERROR && type !== NLMSG_DONE) {
          visit(this.buffer, at, end, null, '');
          return;
        }
        acknowledged++;
        const answer = readAcknowledgement(this.buffer, at, end);
        visit(this.buffer, at, end, answer?.errno ?? 0, answer?.text ?? '');
      });
    }
  }

  private startDump(writer: MessageWriter, doing: string, visit: MessageVisitor): DumpReader {
    const errno = this.send(writer);
    if (errno !== 0) throw new SystemError({ syscall: 'sendto', errno, doing });
    return new DumpReader(() => this.receive(), this.buffer, messageSequence(writer.bytes, 0), doing, visit);
  }

  /** Bytes of the next datagram, 0 when nothing is there. */
  private receive(): number {
    for (;;) {
      const length = this.libc.recv(this.fd, this.buffer, MSG_DONTWAIT);
      if (length === -EAGAIN) return 0;
      if (length !== -EINTR) return check(length, { syscall: 'recv', doing: 'read a netlink answer' });
    }
  }
}

/** State of one running dump: each `recv` makes the kernel prepare the next chunk. */
class DumpReader {
  isConsistent = true;
  private readonly receive: () => number;
  private readonly buffer: Uint8Array;
  private readonly sequence: number;
  private readonly doing: string;
  private readonly visit: MessageVisitor;

  constructor(receive: () => number, buffer: Uint8Array, sequence: number, doing: string, visit: MessageVisitor) {
    this.receive = receive;
    this.buffer = buffer;
    this.sequence = sequence;
    this.doing = doing;
    this.visit = visit;
  }

  /** True when the dump has ended. */
  readChunk(): boolean {
    const { buffer } = this;
    const length = this.receive();
    let hasEnded = length === 0;
    forEachMessage(buffer, 0, length, (at, end) => {
      if (messageSequence(buffer, at) !== this.sequence) return;
      if ((messageFlags(buffer, at) & NLM_F_DUMP_INTR) !== 0) this.isConsistent = false;
      const type = messageType(buffer, at);
      if (type !== NLMSG_ERROR && type !== NLMSG_DONE) {
        this.visit(buffer, at, end);
        return;
      }
      hasEnded = true;
      const answer = readAcknowledgement(buffer, at, end);
      if (answer && answer.errno !== 0) {
        throw new SystemError({ syscall: 'netlink dump', errno: answer.errno, doing: this.doing, detail: answer.text });
      }
    });
    return hasEnded;
  }
}
