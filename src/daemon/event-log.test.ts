import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { EventLog } from './event-log.js';

test('events that come while others are being written are written too', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-events-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'eve.json');
  const log = new EventLog({ file, stdout: false, syslog: false, types: new Set(['p2p']), onTrouble: (message) => assert.fail(message) });
  let count = 0;
  // Several writes; in each turn of the event loop an event, so that some fall between a write and its end.
  for (const endMs = performance.now() + 700; performance.now() < endMs; await turn()) log.emit('p2p', { number: count++ });
  log.emit('flow', { number: -1 });
  await log.close();
  const numbers = readFileSync(file, 'utf8').trim().split('\n').map((line) => (JSON.parse(line) as { number: number }).number);
  assert.deepEqual(numbers, Array.from({ length: count }, (_, i) => i));
  assert.equal(log.lost, 0);
});
