/**
 * A thread that does nothing but read one queue. It waits in recvmmsg(2), not in the event loop: a packet's way is
 * shorter by a third (bench/gateway.ts). Between batches it takes orders, keeps its flows and passes news on.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { invariant } from '../base/assert.js';
import { sharedPeerMemory } from '../flow/peer-memory.js';
import { PacketQueue } from '../kernel/nfqueue.js';
import { Inspection } from './inspection.js';
import type { InspectionSettings, News, Order } from './inspection-news.js';
import { steadyMs } from './packet-path.js';
import { warmUp } from './warm-up.js';

/** Under traffic, orders wait and news gather for so long. */
const TURN_MS = 20;
/** Without any, the thread sleeps so long, or until an order comes. */
const REVIEW_MS = 200;
const HOUSEKEEPING_MS = 5000;
const ALIVE_MS = 1000;
const REHEARSAL_FLOWS = 8192;

const port = parentPort;
invariant(port !== null, 'started as a thread');
const settings = workerData as InspectionSettings;
const inspection = new Inspection(settings);
const queue = new PacketQueue({ queues: [], ownedElsewhere: settings.queueFd });

const tell = (news: readonly News[]): void => {
  if (news.length > 0) port.postMessage(news);
};

/** Returns false when the thread shall end. */
function obeyAll(): boolean {
  for (;;) {
    const message = receiveMessageOnPort(port as NonNullable<typeof port>) as { message: Order } | undefined;
    if (message === undefined) return true;
    if (message.message.kind === 'stop') return false;
    inspection.obey(message.message, steadyMs(), Date.now());
  }
}

function run(): void {
  let turnAtMs = 0;
  let reviewAtMs = 0;
  let toldPackets = -1;
  let toldAtMs = 0;
  let housekeepingAtMs = steadyMs() + HOUSEKEEPING_MS;
  let hasPackets = true;
  for (;;) {
    hasPackets = queue.turn(hasPackets ? TURN_MS : REVIEW_MS);
    const nowMs = steadyMs();
    if (hasPackets && nowMs < turnAtMs) continue;
    turnAtMs = nowMs + TURN_MS;
    if (!obeyAll()) return;
    if (nowMs >= housekeepingAtMs) {
      housekeepingAtMs = nowMs + HOUSEKEEPING_MS;
      inspection.keepHouse(nowMs);
    }
    if (nowMs >= reviewAtMs) {
      reviewAtMs = nowMs + REVIEW_MS;
      inspection.review(nowMs, Date.now());
      const counters = inspection.counters();
      // Without packets, once a second: it shows that the thread lives.
      if (counters.packets !== toldPackets || nowMs >= toldAtMs + ALIVE_MS) {
        inspection.tell({ kind: 'counters', counters });
        toldPackets = counters.packets;
        toldAtMs = nowMs;
      }
    }
    tell(inspection.takeNews());
  }
}

if (settings.isFirst) {
  const rehearsal = new Inspection({ ...settings, maxFlows: REHEARSAL_FLOWS, peers: sharedPeerMemory() });
  warmUp((packets, count) => {
    rehearsal.receive(packets, count);
    rehearsal.takeNews();
  }, 0);
}
queue.serve((packets, count) => inspection.receive(packets, count), { onRefused: (errno) => tell([{ kind: 'refused', errno }]) });
tell([{ kind: 'ready' }]);
run();
inspection.finish();
inspection.tell({ kind: 'counters', counters: inspection.counters() });
tell(inspection.takeNews());
