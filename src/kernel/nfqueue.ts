/**
 * Packets from NFQUEUE, in batches, with their verdicts.
 *
 * One socket serves several queues. Each turn takes up to 64 packets with one `recvmmsg` and answers with one
 * `sendto`: one batch verdict for each run of equal verdicts. (As fast as C; one send for each verdict would halve
 * the rate.) Turns come from the event loop (`start`), or from a thread that does nothing else (`serve` and `turn`:
 * it waits in recvmmsg(2) itself, which adds 10 us less to a packet; measured by bench/gateway.ts).
 * A receiver may keep the last packet of a batch until nothing waits behind it.
 *
 * When the process dies the kernel drops what is queued and then, with
 * `--queue-bypass` in the rule, lets traffic pass. Overflow (length or socket buffer) passes
 * packets with `failOpen`, and loses them without; `readQueueStatistics` counts both.
 * Specification: include/uapi/linux/netfilter/nfnetlink_queue.h.
 */
import { NLMSG_ERROR, NLMSG_NOOP, NLM_F_ACK, NLM_F_REQUEST, forEachMessage, messageType, readAcknowledgement } from '../netlink/message.js';
import { MessageWriter } from '../netlink/message-writer.js';
import {
  NFQA_CFG_F_FAIL_OPEN,
  NFQA_CFG_F_GSO,
  QueuedPacket,
  QueuedPacketDecoder,
  bindQueue,
  configureQueue,
  giveVerdictUpTo,
} from '../netlink/nfqueue.js';
import { EAGAIN, EBUSY, EINTR, EOPNOTSUPP, EPERM } from './errno.js';
import { GrowingBuffer } from './growing-buffer.js';
import { type Libc, type Watch, libc as systemLibc } from './libc.js';
import { MessageBatch } from './message-batch.js';
import { MSG_DONTWAIT, MSG_WAITFORONE, NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.js';
import { SystemError, check } from './system-error.js';

/** Looks at the queue in one turn: bounded, so that timers and other sockets get theirs under load. */
const MAX_LOOKS = 8;
/** Packets taken in one go. */
export const BATCH_PACKETS = 64;
// Headers and attributes around the payload: 16 + 4 + about 120 bytes of attributes seen; rounded up.
const OVERHEAD_BYTES = 256;
const BUFFER_BYTES = 8 << 20;

export interface QueueOptions {
  /** Queue numbers, at least one, all bound to this socket. */
  readonly queues: readonly number[];
  /** Bytes of each packet to copy; default 1600 (an Ethernet packet). */
  readonly copyRangeBytes?: number;
  /** Packets that may wait in each queue; default 4096. */
  readonly maxPackets?: number;
  /** Pass packets on overflow instead of losing them; default true. */
  readonly failOpen?: boolean;
  /** Take packets as the kernel coalesced them: six times the throughput when everything is queued; default true. */
  readonly gso?: boolean;
  /** Default 8 MiB. */
  readonly receiveBufferBytes?: number;
  /** The buffer doubles up to this size while it fills; default: it stays as it is. */
  readonly growsToBytes?: number;
  /**
   * Descriptor (`fd`) of a PacketQueue of another thread, which stays its owner: this one reads it in its place, and
   * binds and configures nothing. The queue outlives a reader that ends.
   */
  readonly ownedElsewhere?: number;
  readonly libc?: Libc;
}

/**
 * A batch, given to the receiver. `packets[0..count)` are valid, in order of arrival; the receiver sets
 * `verdict` and `verdictMark` of each (default: accept, no mark). All are borrowed until the receiver returns.
 */
export type BatchReceiver = (packets: readonly QueuedPacket[], count: number) => void;

export interface QueueTroubles {
  /** A verdict was refused, e.g. because the queue was flushed meanwhile. */
  readonly onRefused?: (errno: number) => void;
}

export interface QueueCounters {
  packets: number;
  batches: number;
  refusedVerdicts: number;
}

export class PacketQueue {
  readonly counters: QueueCounters = { packets: 0, batches: 0, refusedVerdicts: 0 };
  private readonly socket: NetlinkSocket;
  private readonly libc: Libc;
  private readonly buffer: GrowingBuffer;
  private readonly batch: MessageBatch;
  private readonly decoder = new QueuedPacketDecoder();
  private readonly packets: QueuedPacket[];
  /** Kept by the receiver, and what stands in its place among `packets`. */
  private kept: QueuedPacket | null = null;
  private spare = new QueuedPacket();
  /** Last packet of the current run of each queue. */
  private readonly runs = new Map<number, QueuedPacket>();
  private readonly verdicts = new MessageWriter(BATCH_PACKETS * 44);
  private receiver: BatchReceiver | null = null;
  private troubles: QueueTroubles = {};
  private watch: Watch | null = null;
  private patienceMs = -1;

  /** Binds and configures the queues; packets wait until `start` or `serve`. Throws SystemError (ERR_QUEUE_BUSY, ERR_NOT_PERMITTED, ERR_NOT_SUPPORTED). */
  constructor(options: QueueOptions) {
    const copyRangeBytes = options.copyRangeBytes ?? 1600;
    this.libc = options.libc ?? systemLibc();
    if (options.ownedElsewhere === undefined) this.socket = this.openSocket(options, copyRangeBytes);
    else this.socket = NetlinkSocket.adopt(options.ownedElsewhere, this.libc);
    const bufferBytes = options.receiveBufferBytes ?? BUFFER_BYTES;
    this.buffer = new GrowingBuffer(this.libc, this.socket.fd, bufferBytes, options.growsToBytes ?? bufferBytes);
    this.batch = new MessageBatch(this.libc, BATCH_PACKETS, copyRangeBytes + OVERHEAD_BYTES);
    this.packets = Array.from({ length: BATCH_PACKETS }, () => new QueuedPacket());
  }

  private openSocket(options: QueueOptions, copyRangeBytes: number): NetlinkSocket {
    const socket = NetlinkSocket.open(NETLINK_NETFILTER, {
      receiveBufferBytes: options.receiveBufferBytes ?? BUFFER_BYTES,
      // Without it a full buffer makes the next read fail although packets wait.
      ignoreOverrun: true,
      libc: this.libc,
    });
    const flags = (options.failOpen === false ? 0 : NFQA_CFG_F_FAIL_OPEN) | (options.gso === false ? 0 : NFQA_CFG_F_GSO);
    try {
      for (const queue of options.queues) this.bind(socket, queue, copyRangeBytes, options.maxPackets ?? 4096, flags);
    } catch (error) {
      socket.close();
      throw error;
    }
    return socket;
  }

  /** Size of the receive buffer now. */
  get receiveBufferBytes(): number {
    return this.buffer.sizeBytes;
  }

  /** For `ownedElsewhere` of another thread's reader. */
  get fd(): number {
    return this.socket.fd;
  }

  /** Begins to deliver batches from the event loop. */
  start(receiver: BatchReceiver, troubles: QueueTroubles = {}): void {
    this.receiver = receiver;
    this.troubles = troubles;
    this.watch = this.libc.watchReadable(this.socket.fd, () => this.readBatches(MSG_DONTWAIT));
    // Once without need: the first burst shall not wait until this code is compiled.
    setImmediate(() => this.readBatches(MSG_DONTWAIT));
  }

  /** Batches are delivered by calls of `turn`. */
  serve(receiver: BatchReceiver, troubles: QueueTroubles = {}): void {
    this.receiver = receiver;
    this.troubles = troubles;
  }

  /** Holds the thread until packets are there, and delivers them; at most so long, or until `wake`. Returns whether there were any. */
  turn(patienceMs: number): boolean {
    if (patienceMs !== this.patienceMs) this.socket.setPatience(patienceMs);
    this.patienceMs = patienceMs;
    const before = this.counters.packets;
    this.readBatches(MSG_WAITFORONE);
    return this.counters.packets > before;
  }

  /** Ends the waiting of the thread that reads this queue: the kernel acknowledges a message that asks for nothing, to that thread. */
  wake(): void {
    const { writer } = this.socket;
    writer.reset();
    writer.begin(NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 0).end();
    this.socket.send(writer);
  }

  /**
   * Stops delivering and gives the queues back; packets that still wait are lost, so remove the rules
   * first. Safe to call twice.
   */
  close(): void {
    this.watch?.close();
    this.watch = null;
    this.receiver = null;
    // The kernel unbinds the queues with the socket.
    this.socket.close();
  }

  private bind(socket: NetlinkSocket, queue: number, copyRangeBytes: number, maxPackets: number, flags: number): void {
    socket.writer.reset();
    bindQueue(socket.writer, queue, socket.nextSequence());
    const errno = socket.request(socket.writer);
    if (errno === EPERM || errno === EBUSY) throw this.busyOrForbidden(queue, errno);
    if (errno !== 0) throw new SystemError({ syscall: 'NFQNL_CFG_CMD_BIND', errno, doing: `bind queue ${queue}` });
    socket.writer.reset();
    const settings = { copyRangeBytes, maxPackets, flags, flagsMask: NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO };
    configureQueue(socket.writer, queue, settings, socket.nextSequence());
    const refused = socket.request(socket.writer);
    if (refused === 0) return;
    throw new SystemError({
      ...(refused === EOPNOTSUPP ? { code: 'ERR_NOT_SUPPORTED' as const } : {}),
      syscall: 'NFQNL_MSG_CONFIG',
      errno: refused,
      doing: `configure queue ${queue}`,
      hint: 'Linux 3.10 or newer with NFQUEUE is needed',
    });
  }

  /** The kernel answers EPERM for both; whoever may set a forced buffer size is not short of privilege. */
  private busyOrForbidden(queue: number, errno: number): SystemError {
    return new SystemError({
      code: 'ERR_QUEUE_BUSY',
      syscall: 'NFQNL_CFG_CMD_BIND',
      errno,
      doing: `bind queue ${queue}`,
      hint: `another program reads queue ${queue}: stop it, or choose other queue numbers`,
    });
  }

  private readBatches(howToWait: number): void {
    let flags = howToWait;
    for (let i = 0; i < MAX_LOOKS && this.receiver; i++) {
      this.buffer.look();
      const count = this.batch.receive(this.socket.fd, flags);
      if (count === -EAGAIN) break;
      if (count === -EINTR) continue;
      flags = MSG_DONTWAIT;
      check(count, { syscall: 'recvmmsg', doing: 'read queued packets' });
      this.deliver(count);
      if (count < BATCH_PACKETS && this.kept === null) return;
    }
    if (this.kept !== null) this.answer(0);
  }

  private deliver(datagrams: number): void {
    const { batch, packets, decoder } = this;
    const { bytes, slotBytes } = batch;
    let count = 0;
    for (let i = 0; i < datagrams; i++) {
      const start = i * slotBytes;
      // The kernel sends one packet in each datagram.
      const packet = packets[count];
      const end = start + Math.min(batch.lengthBytes(i), slotBytes);
      if (packet && decoder.decode(bytes, start, end, packet)) count++;
      else this.notAPacket(bytes, start, end);
    }
    if (count === 0) return;
    this.counters.packets += count;
    this.counters.batches++;
    this.receiver?.(packets, count);
    this.answer(count);
  }

  private notAPacket(bytes: Uint8Array, start: number, end: number): void {
    forEachMessage(bytes, start, end, (at, messageEnd) => {
      if (messageType(bytes, at) !== NLMSG_ERROR) return;
      const errno = readAcknowledgement(bytes, at, messageEnd)?.errno ?? 0;
      if (errno === 0) return;
      this.counters.refusedVerdicts++;
      this.troubles.onRefused?.(errno);
    });
  }

  /**
   * Verdicts of the batch in one send. Runs of packets of a queue with the same verdict are answered
   * together; runs in order, so that no packet overtakes another of its flow. What is kept is answered with the next batch.
   */
  private answer(count: number): void {
    const { packets, verdicts, runs } = this;
    verdicts.reset();
    runs.clear();
    const answered = count + (this.kept === null ? 0 : 1);
    if (this.kept !== null) this.release(this.kept);
    const last = packets[count - 1];
    const isKept = last?.isKept === true;
    let latest: QueuedPacket | undefined;
    for (let i = 0; i < (isKept ? count - 1 : count); i++) {
      const packet = packets[i] as QueuedPacket;
      // Mostly there is one queue: the map is for the others.
      const run = latest?.queue === packet.queue ? latest : runs.get(packet.queue);
      if (run && (run.verdict !== packet.verdict || run.verdictMark !== packet.verdictMark)) this.giveRun(run);
      if (latest && latest.queue !== packet.queue) runs.set(latest.queue, latest);
      latest = packet;
    }
    if (latest) runs.set(latest.queue, latest);
    for (const run of runs.values()) this.giveRun(run);
    if (isKept) {
      packets[count - 1] = this.spare;
      this.kept = last;
    }
    if (verdicts.lengthBytes === 0) return;
    const errno = this.socket.send(verdicts);
    if (errno === 0) return;
    this.counters.refusedVerdicts += answered;
    this.troubles.onRefused?.(errno);
  }

  private release(packet: QueuedPacket): void {
    this.giveRun(packet);
    packet.isKept = false;
    this.kept = null;
    this.spare = packet;
  }

  /** `last` stands for its run: everything before it has its verdict already. */
  private giveRun(last: QueuedPacket): void {
    giveVerdictUpTo(this.verdicts, last.queue, last.id, last.verdict, last.verdictMark);
  }
}
