/** Uses the connection table of a lab host: answers `dump`, `delete`, `mark` requests, reports events. */
import type { ConntrackEntry } from '../../../src/netlink/conntrack.js';
import { ConntrackTable, watchConntrack } from '../../../src/kernel/conntrack.js';
import type { WorkerMain } from '../../../src/lab/namespace-worker.js';

export interface ConntrackReport {
  readonly entries: number;
  readonly ms: number;
  readonly turnsMs: number;
  readonly longestTurnMs: number;
  readonly first: ConntrackEntry | undefined;
}

const main: WorkerMain = (_data, port) => {
  const table = new ConntrackTable();
  const seen = { new: 0, destroy: 0, destroyedBytes: 0, overruns: 0 };
  watchConntrack(
    (change, entry) => {
      if (change === 'new') seen.new++;
      if (change === 'destroy') seen.destroy++;
      if (change === 'destroy') seen.destroyedBytes += entry.originalCounters?.bytes ?? 0;
    },
    () => seen.overruns++,
  );
  const dumped = (): ConntrackEntry[] => {
    const entries: ConntrackEntry[] = [];
    table.dump(0, {}, (entry) => entries.push(entry));
    return entries;
  };
  const report = async (): Promise<ConntrackReport> => {
    const started = performance.now();
    const entries = dumped();
    const ms = performance.now() - started;
    let longestTurnMs = 0;
    let last = performance.now();
    const ticker = setInterval(() => {
      longestTurnMs = Math.max(longestTurnMs, performance.now() - last);
      last = performance.now();
    }, 1);
    const turnsStarted = performance.now();
    await table.dumpInTurns(0, {}, () => undefined);
    clearInterval(ticker);
    return { entries: entries.length, ms, turnsMs: performance.now() - turnsStarted, longestTurnMs, first: entries[0] };
  };
  port.on('message', (request: string) => {
    if (request === 'dump') void report().then((result) => port.postMessage(result));
    if (request === 'mark') port.postMessage(table.setMark(dumped(), 0x40000000, 0x40000000));
    if (request === 'delete') port.postMessage(table.delete(dumped()));
    if (request === 'events') port.postMessage(seen);
  });
  port.postMessage('ready');
};
export default main;
