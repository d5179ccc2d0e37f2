/** No allocation happens for a packet of a flow that is decided: measured in a process of its own. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Answer { readonly undecided: readonly string[]; readonly flows: number; readonly bytesPerPacket: number }

/** V8's smallest object has two words: far above this, and what V8 itself does meanwhile is far below. */
const MAX_BYTES_PER_PACKET = 1;

function probe(kind: 'engine' | 'control'): Answer {
  const script = fileURLToPath(new URL('./support/allocation-probe.js', import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--min-semi-space-size=128', '--max-semi-space-size=128', script, kind], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Answer;
}

test('a million packets of decided flows, TCP and UDP, IPv4 and IPv6, both ways: nothing is allocated for them', (t) => {
  const { undecided, flows, bytesPerPacket } = probe('engine');
  assert.deepEqual(undecided, []);
  assert.equal(flows, 4);
  t.diagnostic(`${bytesPerPacket.toFixed(3)} bytes a packet`);
  assert.ok(bytesPerPacket < MAX_BYTES_PER_PACKET, `${bytesPerPacket} bytes a packet`);
});

test('the same with one small object for each packet is found out', (t) => {
  const { bytesPerPacket } = probe('control');
  t.diagnostic(`${bytesPerPacket.toFixed(1)} bytes a packet`);
  assert.ok(bytesPerPacket >= 16, `${bytesPerPacket} bytes a packet`);
});
