/**
 * An NFQUEUE for tests: the kernel's half of `PacketQueue`, in memory. Packets are
 * put in with `enqueue`; verdicts come out as the kernel would apply them, batch
 * verdicts included. The conformance suite runs on it and on the real thing.
 */
import { u16, u32 } from '../base/bytes.js';
import { AttributeIndex, NLMSG_ERROR, forEachMessage, messageSequence, messageType } from '../netlink/message.js';
import { MessageWriter } from '../netlink/message-writer.js';
import { writeQueuedPacket } from '../netlink/nfqueue.js';
import { EBUSY, ENOENT } from './errno.js';
import { type FakeSocket, fakeLibc } from './fake-libc.js';
import type { Libc } from './libc.js';

// As in netlink/nfqueue.ts, seen from the other side.
const NFQNL_MSG_VERDICT = 0x301;
const NFQNL_MSG_CONFIG = 0x302;
const NFQNL_MSG_VERDICT_BATCH = 0x303;
const NFQA_VERDICT_HDR = 2;
const NFQA_MARK = 3;
const NFQA_PAYLOAD = 10;
const NFQA_CFG_CMD = 1;

/** What became of a packet. */
export interface GivenVerdict {
  readonly queue: number;
  readonly id: number;
  readonly verdict: number;
  /** null: left as it was. */
  readonly mark: number | null;
}

export interface FakeQueue {
  readonly libc: Libc;
  /** In the order in which they were applied. */
  readonly verdicts: readonly GivenVerdict[];
  readonly boundQueues: readonly number[];
  /** Queues one IP packet; returns its id. */
  enqueue(queue: number, packet: Uint8Array, mark?: number): number;
  /** The next receive fails with this errno. */
  failReceive(errno: number): void;
}

export function fakeQueue(): FakeQueue {
  const owners = new Map<number, FakeSocket>();
  const waiting = new Map<number, number[]>();
  const verdicts: GivenVerdict[] = [];
  const index = new AttributeIndex(NFQA_PAYLOAD);
  let lastId = 0;

  const acknowledge = (socket: FakeSocket, sequence: number, errno: number): void => {
    const writer = new MessageWriter().begin(NLMSG_ERROR, 0x100, sequence);
    socket.deliver(writer.u32(-errno).u32(20).u32(0).u32(sequence).u32(0).end().finish());
  };
  const configure = (socket: FakeSocket, queue: number, sequence: number): void => {
    const isBind = index.at(NFQA_CFG_CMD, 4) !== 0;
    const owner = owners.get(queue);
    const isTaken = isBind && owner !== undefined && owner !== socket && !owner.isClosed;
    const isForeign = !isBind && owner !== socket;
    if (isBind && !isTaken) {
      owners.set(queue, socket);
      waiting.set(queue, []);
    }
    acknowledge(socket, sequence, isTaken ? EBUSY : isForeign ? ENOENT : 0);
  };
  const give = (socket: FakeSocket, bytes: Uint8Array, queue: number, isBatch: boolean): void => {
    const headerAt = index.at(NFQA_VERDICT_HDR, 8);
    const markAt = index.at(NFQA_MARK, 4);
    const verdict = u32(bytes, headerAt);
    const upTo = u32(bytes, headerAt + 4);
    const ids = waiting.get(queue) ?? [];
    const taken = ids.filter((id) => (isBatch ? id <= upTo : id === upTo));
    if (taken.length === 0) acknowledge(socket, 0, ENOENT);
    waiting.set(queue, ids.filter((id) => !taken.includes(id)));
    for (const id of taken) verdicts.push({ queue, id, verdict, mark: markAt === 0 ? null : u32(bytes, markAt) });
  };

  const fake = fakeLibc({
    sent: (socket, bytes) => {
      forEachMessage(bytes, 0, bytes.length, (at, end) => {
        index.read(bytes, at + 20, end);
        const queue = u16(bytes, at + 18);
        const type = messageType(bytes, at);
        if (type === NFQNL_MSG_CONFIG) configure(socket, queue, messageSequence(bytes, at));
        else if (type === NFQNL_MSG_VERDICT) give(socket, bytes, queue, false);
        else if (type === NFQNL_MSG_VERDICT_BATCH) give(socket, bytes, queue, true);
      });
      return 0;
    },
  });
  return {
    libc: fake.libc,
    verdicts,
    get boundQueues() {
      return [...owners].filter(([, socket]) => !socket.isClosed).map(([queue]) => queue);
    },
    enqueue: (queue, packet, mark) => {
      const id = ++lastId;
      const writer = new MessageWriter();
      writeQueuedPacket(writer, queue, id, packet, 0, mark);
      waiting.get(queue)?.push(id);
      owners.get(queue)?.deliver(writer.finish());
      return id;
    },
    failReceive: (errno) => {
      for (const socket of new Set(owners.values())) socket.deliver(-errno);
    },
  };
}
