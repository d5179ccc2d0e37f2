/**
 * Preloaded (`node --import`) into the daemon and its threads by tests: what cannot be provoked from outside fails here as
 * long as the file named by P2PWALL_FAULT_FILE says so. `detector`: every BitTorrent detector throws. `thread`: the
 * inspection threads end by an error, once for each writing of the file. `hang`: they stand still.
 */
import { readFileSync, rmSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import type { Protocol } from '../../../src/detect/detector.js';

function fault(): string {
  try {
    return readFileSync(process.env.P2PWALL_FAULT_FILE ?? '', 'utf8').trim();
  } catch {
    // No file, no fault.
    return '';
  }
}

if (!isMainThread && process.env.P2PWALL_FAULT_FILE !== undefined) {
  const { PROTOCOLS } = (await import('../../../src/detect/registry.js')) as { PROTOCOLS: readonly Protocol[] };
  for (const feature of PROTOCOLS.find(({ id }) => id === 'bittorrent')?.features ?? []) {
    const inspect = feature.inspect.bind(feature);
    feature.inspect = (input) => {
      if (fault() === 'detector') throw new Error('injected: a detector fails');
      return inspect(input);
    };
  }
  const now = Date.now;
  // Asked in every turn of an inspection thread.
  Date.now = () => {
    const what = fault();
    if (what === 'thread') {
      rmSync(process.env.P2PWALL_FAULT_FILE ?? '');
      throw new Error('injected: a thread fails');
    }
    while (what === 'hang' && fault() === 'hang');
    return now();
  };
}
