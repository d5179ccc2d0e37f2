import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { TCP, UDP } from './detector.js';
import { PROTOCOLS } from './registry.js';
import { ANCHOR_ABSENT, anchorState, buildTransportIndex, probesOf } from './trigger-index.js';

for (const [name, transport] of [['TCP', TCP], ['UDP', UDP]] as const) {
  const { byFirstByte } = buildTransportIndex(PROTOCOLS, transport);
  const literals = byFirstByte.flatMap(({ candidates }) => candidates.flatMap(({ anchors }) => anchors));

  test(`${name}: probes rule out only candidates whose anchors do not stand there`, () => {
    // A packet that holds one of the literals, so that hits are as frequent as misses.
    const packets = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.constantFrom(...literals));
    let ruledOut = 0;
    fc.assert(
      fc.property(packets, fc.boolean(), ([bytes, literal], isPlanted) => {
        if (isPlanted && literal.at < bytes.length) bytes.set(literal.bytes.subarray(0, bytes.length - literal.at), literal.at);
        const list = byFirstByte[bytes[0]!]!;
        for (const { at, low, high, lowOthers, highOthers } of probesOf(list)) {
          if (at >= bytes.length) continue;
          const byte = bytes[at]!;
          list.candidates.forEach(({ anchors, probeAt }, i) => {
            const left = i < 32 ? lowOthers | low[byte]! : highOthers | high[byte]!;
            if ((left & (1 << (i & 31))) !== 0) return;
            ruledOut++;
            assert.equal(probeAt, at);
            assert.equal(anchorState(anchors, bytes, 0, bytes.length), ANCHOR_ABSENT);
          });
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(ruledOut > 1000);
  });

  test(`${name}: every feature stands in the list of every byte that its literals begin with`, () => {
    for (const protocol of PROTOCOLS) {
      for (const feature of protocol.features) {
        if (feature.transport !== transport || feature.trigger.kind !== 'anchors') continue;
        for (const { at, bytes } of feature.trigger.anchors) {
          const lists = at === 0 ? [byFirstByte[bytes[0]!]!] : byFirstByte;
          assert.ok(lists.every(({ candidates }) => candidates.some((it) => it.feature === feature)), `${protocol.id} ${feature.feature}`);
        }
      }
    }
  });
}
