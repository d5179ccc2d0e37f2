/** Reads a queue as the daemon does, and lets everything pass undecided: each packet is decoded, looked up, judged. What overflows is lost, so that what arrives was judged. For bench/gateway.ts. */
import { writeSync } from 'node:fs';
import { PROTOCOLS } from '../src/detect/registry.js';
import { InsideInterfaces } from '../src/daemon/interfaces.js';
import { PacketPath } from '../src/daemon/packet-path.js';
import { warmUp } from '../src/daemon/warm-up.js';
import { markField } from '../src/enforce/marks.js';
import { Gate } from '../src/engine/gate.js';
import { PacketQueue } from '../src/kernel/nfqueue.js';
import type { Policy } from '../src/policy/policy.js';
import { NO_MARK } from '../src/netlink/nfqueue.js';

const POLICY: Policy = { rules: [], defaultAction: { kind: 'log' }, trouble: 'accept' };
const newPath = (): PacketPath => new PacketPath(new Gate({ protocols: PROTOCOLS, policy: POLICY }), markField(0x00ff0000), new InsideInterfaces(['inside']), []);

const rehearsal = newPath();
warmUp((packets, count) => rehearsal.receive(packets, count), 1);
const path = newPath();
const queue = new PacketQueue({ queues: [Number(process.argv[2])], failOpen: false });
queue.serve((packets, count) => {
  path.receive(packets, count);
  for (let i = 0; i < count; i++) {
    const packet = packets[i];
    if (!packet) continue;
    packet.verdictMark = NO_MARK;
    packet.isKept = false;
  }
});
writeSync(1, 'ready\n');
// The bench ends it.
for (;;) queue.turn(1000);
