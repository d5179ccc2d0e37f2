import { test } from 'node:test';
import assert from 'node:assert/strict';
import { NF_ACCEPT, NF_DROP, NO_MARK, type QueuedPacket } from '../netlink/nfqueue.js';
import { EINTR, EPERM } from './errno.js';
import { fakeLibc } from './fake-libc.js';
import { type FakeQueue, fakeQueue } from './fake-queue.js';
import { BATCH_PACKETS, PacketQueue } from './nfqueue.js';
import { parseQueueStatistics } from './queue-statistics.js';
import { SystemError } from './system-error.js';

const packetOf = (last: number): Uint8Array => Uint8Array.of(0x45, 0, 0, 5, last);
const turns = async (count = 5): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};
const opened = (fake: FakeQueue, queues: number[]): PacketQueue => new PacketQueue({ queues, libc: fake.libc });

test('each packet gets its verdict and mark, in order within its queue', async () => {
  const fake = fakeQueue();
  const queue = opened(fake, [1, 2]);
  assert.deepEqual(fake.boundQueues, [1, 2]);
  const seen: number[] = [];
  queue.start((packets, count) => {
    for (const packet of packets.slice(0, count)) {
      const last = packet.bytes[packet.payloadAt + 4] ?? 0;
      seen.push(last);
      if (last === 2) packet.verdict = NF_DROP;
      if (last === 3) packet.verdictMark = 0x80000000;
    }
  });
  for (const [number, last] of [[1, 1], [1, 2], [2, 3], [2, 4], [1, 5]] as const) fake.enqueue(number, packetOf(last));
  await turns();
  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  assert.deepEqual(fake.verdicts, [
    { queue: 1, id: 1, verdict: NF_ACCEPT, mark: null },
    { queue: 2, id: 3, verdict: NF_ACCEPT, mark: 0x80000000 },
    { queue: 1, id: 2, verdict: NF_DROP, mark: null },
    { queue: 1, id: 5, verdict: NF_ACCEPT, mark: null },
    { queue: 2, id: 4, verdict: NF_ACCEPT, mark: null },
  ]);
  assert.deepEqual(queue.counters, { packets: 5, batches: 1, refusedVerdicts: 0 });
  queue.close();
  queue.close();
  assert.deepEqual(fake.boundQueues, []);
});

test('more than a batch is read in several, nothing is lost and nothing stays without verdict', async () => {
  const fake = fakeQueue();
  const queue = opened(fake, [0]);
  const sizes: number[] = [];
  queue.start((_packets, count) => sizes.push(count));
  const total = BATCH_PACKETS * 10 + 1;
  for (let i = 0; i < total; i++) fake.enqueue(0, packetOf(0));
  await turns(10);
  assert.equal(fake.verdicts.length, total);
  assert.equal(sizes.reduce((sum, size) => sum + size, 0), total);
  queue.close();
});

test('an interrupted receive is repeated', async () => {
  const fake = fakeQueue();
  const queue = opened(fake, [0]);
  queue.start(() => undefined);
  fake.failReceive(EINTR);
  fake.enqueue(0, packetOf(1));
  await turns();
  assert.equal(fake.verdicts.length, 1);
  queue.close();
});

test('a queue of another program is refused with its number and a remedy; nothing stays open', () => {
  const fake = fakeQueue();
  const first = opened(fake, [4]);
  assert.throws(
    () => opened(fake, [3, 4]),
    (error: unknown) => error instanceof SystemError && error.code === 'ERR_QUEUE_BUSY' && /queue 4/.test(error.message) && error.hint !== '',
  );
  assert.deepEqual(fake.boundQueues, [4], 'queue 3 was given back');
  first.close();
});

test('missing privilege shows before any queue is touched', () => {
  const fake = fakeLibc({ sent: () => 0, setOption: (_socket, _level, option) => (option === 33 ? -EPERM : 0) });
  assert.throws(
    () => new PacketQueue({ queues: [0], libc: fake.libc }),
    (error: unknown) => error instanceof SystemError && error.code === 'ERR_NOT_PERMITTED',
  );
  assert.ok(fake.sockets.every((socket) => socket.isClosed));
});

test('a verdict that comes too late is counted and reported', async () => {
  const fake = fakeQueue();
  const queue = opened(fake, [0]);
  const refused: number[] = [];
  queue.start(
    (packets) => {
      // As if the queue had been flushed: the kernel does not know the id.
      const first = packets[0];
      if (first) first.queue = 99;
    },
    { onRefused: (errno) => refused.push(errno) },
  );
  fake.enqueue(0, packetOf(1));
  await turns();
  assert.deepEqual(refused, [2]);
  assert.equal(queue.counters.refusedVerdicts, 1);
  queue.close();
});

test('a reader beside the owner: it waits, delivers and answers, and the owner keeps the queue', () => {
  const fake = fakeQueue();
  const owner = opened(fake, [0]);
  const reader = new PacketQueue({ queues: [], ownedElsewhere: owner.fd, libc: fake.libc });
  let count = 0;
  reader.serve((packets, some) => {
    count += some;
    for (const packet of packets.slice(0, some)) packet.verdictMark = 5;
  });
  reader.turn(1);
  assert.equal(count, 0, 'nothing came in time');
  fake.enqueue(0, packetOf(1));
  reader.turn(1);
  assert.equal(count, 1);
  assert.deepEqual(fake.verdicts.map(({ id, mark }) => [id, mark]), [[1, 5]]);
  assert.deepEqual(fake.boundQueues, [0]);
  owner.close();
});

test('a kept packet is answered when nothing waits behind it; until then its verdict may be changed, and none overtakes it', () => {
  const fake = fakeQueue();
  const owner = opened(fake, [0]);
  const reader = new PacketQueue({ queues: [], ownedElsewhere: owner.fd, libc: fake.libc });
  let kept: QueuedPacket | null = null;
  const answeredBefore: number[] = [];
  reader.serve((packets, some) => {
    answeredBefore.push(fake.verdicts.length);
    if (kept?.isKept === true) kept.verdictMark = NO_MARK;
    kept = packets[some - 1] ?? null;
    if (kept === null) return;
    kept.verdictMark = 7;
    kept.isKept = true;
    // The first time, more comes while the batch is judged.
    if (answeredBefore.length === 1) for (const last of [3, 4]) fake.enqueue(0, packetOf(last));
  });
  for (const last of [1, 2]) fake.enqueue(0, packetOf(last));
  assert.equal(reader.turn(1), true);
  assert.deepEqual(answeredBefore, [0, 1]);
  assert.deepEqual(fake.verdicts.map(({ id, mark }) => [id, mark]), [[1, null], [2, null], [3, null], [4, 7]]);
  fake.enqueue(0, packetOf(5));
  reader.turn(1);
  assert.deepEqual(fake.verdicts.slice(4).map(({ id, mark }) => [id, mark]), [[5, 7]], 'objects are used again');
  assert.equal(reader.counters.refusedVerdicts, 0);
  owner.close();
});

test('the statistics of the kernel are read line by line', () => {
  const text = '    7   1234      5 2  1600     10     20       500  1\n';
  assert.deepEqual(parseQueueStatistics(text), [{ queue: 7, waiting: 5, overflowed: 10, undelivered: 20, queued: 500 }]);
  assert.deepEqual(parseQueueStatistics('\n'), []);
});
