import { test } from 'node:test';
import assert from 'node:assert/strict';
import { PROTOCOLS } from '../detect/registry.js';
import { markField } from '../enforce/marks.js';
import { Gate } from '../engine/gate.js';
import { InsideInterfaces } from './interfaces.js';
import { PacketPath } from './packet-path.js';
import { warmUp } from './warm-up.js';

test('the rehearsal: each packet is a good one, flows are new in each round, everyday ones are not called peer-to-peer', { skip: process.platform === 'linux' ? false : 'needs Linux' }, () => {
  const named = new Map<string, number>();
  let dropped = 0;
  const gate = new Gate(
    { protocols: PROTOCOLS, policy: { rules: [], defaultAction: { kind: 'log' }, trouble: 'accept' } },
    { onFinding: (_flow, finding) => named.set(finding.protocol.id, (named.get(finding.protocol.id) ?? 0) + 1) },
  );
  const path = new PacketPath(gate, markField(0x00ff0000), new InsideInterfaces([]), []);
  const count = warmUp((packets, some) => {
    path.receive(packets, some);
    for (const { verdict } of packets.slice(0, some)) if (verdict === 0) dropped++;
  }, 0);
  assert.ok(count > 42 && path.counters.packets === count, `${path.counters.packets} of ${count}`);
  assert.equal(dropped, 0);
  assert.deepEqual([gate.troubles.malformed, gate.troubles.truncated], [0, 0]);
  // Each round is twelve flows.
  assert.deepEqual([...named.keys()], ['bittorrent']);
  assert.ok(gate.identifier.table.size >= (count / 42) * 12, 'new flows all the time');
});
