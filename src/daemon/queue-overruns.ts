/**
 * Packets that the kernel could not queue: dropped in mode closed, passed in mode open. It counts only what it drops
 * (nfnetlink_queue.c, __nfqnl_enqueue_packet); what it passes is the difference between the packets that met the
 * queueing rules and those that got a number in a queue.
 */
import { type QueueStatistics, readQueueStatistics } from '../kernel/queue-statistics.js';

export class QueueOverruns {
  readonly #first: number;
  readonly #count: number;
  readonly #read: () => QueueStatistics[];
  /** Of former rules, and of those that stand. */
  #passedBefore = 0;
  #passed = 0;
  /** Packets queued before these rules stood. */
  #queuedBefore = 0;
  #seen = 0;

  constructor(firstQueue: number, queues: number, read = readQueueStatistics) {
    this.#first = firstQueue;
    this.#count = queues;
    this.#read = read;
  }

  #sums(): Omit<QueueStatistics, 'queue'> {
    const sum = { waiting: 0, overflowed: 0, undelivered: 0, queued: 0 };
    for (const it of this.#read()) {
      if (it.queue < this.#first || it.queue >= this.#first + this.#count) continue;
      for (const key of ['waiting', 'overflowed', 'undelivered', 'queued'] as const) sum[key] += it[key];
    }
    return sum;
  }

  /** The rules are new: their counters begin at zero. */
  rulesInstalled(): void {
    this.#passedBefore += this.#passed;
    this.#passed = 0;
    this.#queuedBefore = this.#sums().queued;
  }

  /** Packets that met the queueing rules, at a moment before this call. */
  rulesCounted(packets: number): void {
    this.#passed = Math.max(this.#passed, packets - (this.#sums().queued - this.#queuedBefore));
  }

  /** Of our queues, since they were bound. `overflowed` includes what passed. */
  now(): { waiting: number; overflowed: number; undelivered: number } {
    const { waiting, overflowed, undelivered } = this.#sums();
    return { waiting, overflowed: overflowed + this.#passedBefore + this.#passed, undelivered };
  }

  /** Packets lost to inspection since the last look. */
  look(): number {
    const { overflowed, undelivered } = this.now();
    const before = this.#seen;
    this.#seen = overflowed + undelivered;
    return this.#seen - before;
  }
}
