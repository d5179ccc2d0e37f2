/**
 * Counters that the kernel keeps for each NFQUEUE of this network namespace: how many
 * wait, how many were lost or passed because the queue or the socket buffer was full.
 * Specification: net/netfilter/nfnetlink_queue.c, seq_show: nine numbers a line.
 */
import { readFileSync } from 'node:fs';

export interface QueueStatistics {
  readonly queue: number;
  /** Packets waiting for a verdict. */
  readonly waiting: number;
  /** Packets refused because the queue was full (not counted with fail-open: then they pass). */
  readonly overflowed: number;
  /** Packets that did not fit the socket buffer (as above). */
  readonly undelivered: number;
  /** Number of the latest packet that was queued; the first is 1. */
  readonly queued: number;
}

/** Reads one line of /proc/net/netfilter/nfnetlink_queue for each queue; lines of another form are skipped. */
export function parseQueueStatistics(text: string): QueueStatistics[] {
  const out: QueueStatistics[] = [];
  for (const line of text.split('\n')) {
    const [queue, , waiting, , , overflowed, undelivered, queued] = line.trim().split(/\s+/).map(Number);
    if (queue === undefined || waiting === undefined || overflowed === undefined || undelivered === undefined || queued === undefined) continue;
    out.push({ queue, waiting, overflowed, undelivered, queued });
  }
  return out;
}

/** Of the calling thread's namespace; empty when no queue is bound or NFQUEUE is missing. */
export function readQueueStatistics(): QueueStatistics[] {
  try {
    return parseQueueStatistics(readFileSync('/proc/thread-self/net/netfilter/nfnetlink_queue', 'latin1'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
