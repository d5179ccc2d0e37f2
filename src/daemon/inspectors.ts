/**
 * The inspection threads, one for each queue: starts them, gives them orders, passes their news on, replaces one that
 * dies. The kernel spreads flows over the queues by the pair of addresses (the same for both directions:
 * include/net/netfilter/nf_queue.h, hash_v4), so each flow has one thread; what is known of peers is common to all.
 *
 * The queues' sockets belong to the main thread: while a thread is replaced, packets wait (mode open: and pass when
 * the queue is full).
 */
import { Worker } from 'node:worker_threads';
import { unlockPeerMemory } from '../flow/peer-memory.js';
import type { TrafficClass } from '../enforce/plan.js';
import type { PacketQueue } from '../kernel/nfqueue.js';
import type { Policy } from '../policy/policy.js';
import { type InspectionCounters, type InspectionSettings, type News, type Order, type RopeSettings, noCounters, sumOfCounters } from './inspection-news.js';

/** A thread that ends this often in `RESTART_WINDOW_MS` will not do better the next time. */
const MAX_RESTARTS = 3;
const RESTART_WINDOW_MS = 60_000;
/** They speak once a second at least; the whole process may have been stopped for a while. */
const MAX_SILENT_LOOKS = 2;
/** How long threads may take to end their flows. */
const STOP_MS = 5000;

export interface InspectorsListener {
  readonly onNews: (inspector: number, news: News) => void;
  /** A thread ended by an error; another one takes its place, unless that was once too often. */
  readonly onDeath: (inspector: number, error: Error, isReplaced: boolean) => void;
}

/** All of a thread's settings but those that differ between threads. */
export type CommonSettings = Omit<InspectionSettings, 'queueFd' | 'isFirst'>;

class Inspector {
  readonly index: number;
  readonly queue: PacketQueue;
  worker: Worker | null = null;
  counters = noCounters();
  /** Sums of the threads that came before. */
  former = noCounters();
  /** Looks of `endSilent` since it last spoke. */
  silentLooks = 0;
  deathsMs: number[] = [];
  /** Waits for the answer to the order of a new policy. */
  onSwapped: (() => void) | null = null;

  constructor(index: number, queue: PacketQueue) {
    this.index = index;
    this.queue = queue;
  }

  order(order: Order): void {
    this.worker?.postMessage(order);
    this.queue.wake();
  }

  /** Ends the thread at once. */
  end(): void {
    void this.worker?.terminate();
    this.queue.wake();
  }
}

export class Inspectors {
  readonly #inspectors: readonly Inspector[];
  readonly #listener: InspectorsListener;
  #settings: CommonSettings;
  #isStopping = false;

  /** Reads `queues`, which stay the caller's to close. */
  constructor(queues: readonly PacketQueue[], settings: CommonSettings, listener: InspectorsListener) {
    this.#inspectors = queues.map((queue, index) => new Inspector(index, queue));
    this.#settings = settings;
    this.#listener = listener;
  }

  /** Resolves when all threads read. */
  async start(): Promise<void> {
    await Promise.all(this.#inspectors.map((inspector) => this.#startOne(inspector)));
  }

  #startOne(inspector: Inspector): Promise<void> {
    const worker = new Worker(new URL('./inspection-thread.js', import.meta.url), { workerData: { ...this.#settings, queueFd: inspector.queue.fd, isFirst: inspector.deathsMs.length === 0 } satisfies InspectionSettings });
    inspector.worker = worker;
    inspector.silentLooks = 0;
    let failure = new Error('it was ended because it stood still');
    return new Promise((resolve, reject) => {
      worker.on('message', (list: readonly News[]) => {
        inspector.silentLooks = 0;
        for (const news of list) {
          if (news.kind === 'ready') resolve();
          else this.#heard(inspector, news);
        }
      });
      worker.on('error', (error: Error) => {
        failure = error;
      });
      worker.on('exit', () => {
        if (!this.#isStopping) this.#died(inspector, failure);
        reject(failure);
      });
    });
  }

  #heard(inspector: Inspector, news: News): void {
    if (news.kind === 'counters') inspector.counters = news.counters;
    else if (news.kind === 'swapped') inspector.onSwapped?.();
    else this.#listener.onNews(inspector.index, news);
  }

  #died(inspector: Inspector, error: Error): void {
    const nowMs = performance.now();
    inspector.worker = null;
    inspector.former = sumOfCounters(inspector.former, { ...inspector.counters, flows: 0 });
    inspector.counters = noCounters();
    inspector.deathsMs = [...inspector.deathsMs.filter((ms) => nowMs - ms < RESTART_WINDOW_MS), nowMs];
    unlockPeerMemory(this.#settings.peers);
    inspector.onSwapped?.();
    const isReplaced = inspector.deathsMs.length <= MAX_RESTARTS;
    this.#listener.onDeath(inspector.index, error, isReplaced);
    // A failure to start ends in `exit` again.
    if (isReplaced) this.#startOne(inspector).catch(() => undefined);
  }

  /** Ends threads that have said nothing since the last `MAX_SILENT_LOOKS` calls: call it every few seconds. They are replaced. */
  endSilent(): void {
    for (const inspector of this.#inspectors) if (++inspector.silentLooks > MAX_SILENT_LOOKS) inspector.end();
  }

  /** Resolves when every thread judges by the new policy. */
  async setPolicy(policy: Policy, classes: readonly TrafficClass[], rope: RopeSettings): Promise<void> {
    this.#settings = { ...this.#settings, policy, classes, rope };
    await Promise.all(
      this.#inspectors.map(
        (inspector) =>
          new Promise<void>((resolve) => {
            inspector.onSwapped = resolve;
            if (inspector.worker) inspector.order({ kind: 'policy', policy, classes, rope });
            else resolve();
          }),
      ),
    );
  }

  judgeAll(): void {
    for (const inspector of this.#inspectors) inspector.order({ kind: 'judge' });
  }

  endFlow(inspector: number, order: Extract<Order, { kind: 'end' }>): void {
    this.#inspectors[inspector]?.order(order);
  }

  /** Sums of all threads, those that died included. */
  counters(): InspectionCounters {
    return this.#inspectors.reduce((sum, { former, counters }) => sumOfCounters(sumOfCounters(sum, former), counters), noCounters());
  }

  /** Ends all flows and threads; their last news are heard. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      this.#inspectors.map((inspector) => {
        const { worker } = inspector;
        if (!worker) return Promise.resolve();
        inspector.order({ kind: 'stop' });
        const timer = setTimeout(() => inspector.end(), STOP_MS);
        return new Promise<void>((resolve) => {
          worker.once('exit', () => {
            clearTimeout(timer);
            resolve();
          });
        });
      }),
    );
  }
}
