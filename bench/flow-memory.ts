/**
 * `script/bench flow-memory`: memory of an identifier that follows a million flows at once, none
 * of them decided: half TCP with a short payload, half UDP. Prints peak resident memory.
 */
import { PROTOCOLS } from '../src/detect/registry.js';
import { Identifier } from '../src/engine/identifier.js';
import { buildTcp, buildUdp } from '../src/wire/build.js';
import { decodeIp } from '../src/wire/decode.js';
import { PacketView } from '../src/wire/packet-view.js';

const FLOWS = 1_000_000;
/** A step of a linear congruential generator (Numerical Recipes): bytes without meaning, the same in every run. */
let seed = 1;
function nextByte(): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
  return seed >>> 24;
}

const identifier = new Identifier({ protocols: PROTOCOLS, flows: { maxFlows: FLOWS } });
const view = new PacketView();
const ends = { src: '10.0.0.0', dst: '198.51.100.7', srcPort: 40_000, dstPort: 50_000, payload: new Uint8Array(40) };
const packets = [buildUdp(ends), buildTcp(ends)];
const startRssMiB = process.memoryUsage().rss / 2 ** 20;
for (let flow = 0; flow < FLOWS; flow++) {
  const bytes = packets[flow & 1]!;
  // Source address 10.x.y.z: one for each flow.
  bytes[13] = flow >>> 16;
  bytes[14] = flow >>> 8;
  bytes[15] = flow;
  for (let at = bytes.length - 40; at < bytes.length; at++) bytes[at] = nextByte();
  decodeIp(view, bytes, 0, bytes.length);
  view.timeMs = 1_700_000_000_000 + flow / 1000;
  identifier.packet(view);
}
const peakMiB = process.resourceUsage().maxRSS / 1024;
console.log(
  `${identifier.table.size.toLocaleString('en-US')} flows at once: ${peakMiB.toFixed(0)} MiB at the peak, ` +
    `${startRssMiB.toFixed(0)} MiB before; ${identifier.evictedStates.toLocaleString('en-US')} undecided flows gave up their bytes`,
);
