/** Packets that the kernel could not queue: passed in mode open, dropped in mode closed. It counts them; nobody is asked. */
import { type QueueStatistics, readQueueStatistics } from '../kernel/queue-statistics.js';

export class QueueOverruns {
  readonly #first: number;
  readonly #count: number;
  readonly #read: () => QueueStatistics[];
  #seen = 0;

  constructor(firstQueue: number, queues: number, read = readQueueStatistics) {
    this.#first = firstQueue;
    this.#count = queues;
    this.#read = read;
  }

  /** Of our queues, since they were bound. */
  now(): Omit<QueueStatistics, 'queue'> {
    const sum = { waiting: 0, overflowed: 0, undelivered: 0 };
    for (const { queue, waiting, overflowed, undelivered } of this.#read()) {
      if (queue < this.#first || queue >= this.#first + this.#count) continue;
      sum.waiting += waiting;
      sum.overflowed += overflowed;
      sum.undelivered += undelivered;
    }
    return sum;
  }

  /** Packets lost to inspection since the last look. */
  look(): number {
    const { overflowed, undelivered } = this.now();
    const before = this.#seen;
    this.#seen = overflowed + undelivered;
    return this.#seen - before;
  }
}
