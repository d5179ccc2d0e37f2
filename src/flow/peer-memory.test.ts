import { test } from 'node:test';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ANY_PROTOCOL, NO_PROTOCOL, PeerMemory, clientHash, sharedPeerMemory, unlockPeerMemory } from './peer-memory.js';

const ALICE = clientHash(0, 0, 0, 0x0a000001);
const BOB = clientHash(0, 0, 0, 0x0a000002);
const PEER = [0, 0, 0, 0xc6336407 | 0] as const; // 198.51.100.7
const TORRENTS = 3;
const DONKEYS = 7;

/** What memory says of PEER, or of the address with that last word, to a client. */
function ask(memory: PeerMemory, port: number, client: number, timeMs: number, protocol = ANY_PROTOCOL, a3: number = PEER[3]): { told: number; spokeHere: number; spokeAny: number } {
  memory.look(protocol, 0, 0, 0, a3, port, client, timeMs);
  const { told, spokeHere, spokeAny } = memory;
  return { told, spokeHere, spokeAny };
}

test('an endpoint told to one client is known for that client only', () => {
  const memory = new PeerMemory();
  memory.addTold(TORRENTS, ...PEER, 6881, ALICE, 1000);
  assert.deepEqual(ask(memory, 6881, ALICE, 2000), { told: TORRENTS, spokeHere: NO_PROTOCOL, spokeAny: NO_PROTOCOL });
  assert.equal(ask(memory, 6881, BOB, 2000).told, NO_PROTOCOL);
  assert.equal(ask(memory, 6882, ALICE, 2000).told, NO_PROTOCOL);
  assert.equal(ask(memory, 6881, ALICE, 2000, TORRENTS).told, TORRENTS);
  assert.equal(ask(memory, 6881, ALICE, 2000, DONKEYS).told, NO_PROTOCOL);
});

test('an endpoint told to a multicast group is known for everybody', () => {
  const memory = new PeerMemory();
  memory.addTold(TORRENTS, ...PEER, 6881, 0, 1000);
  assert.equal(ask(memory, 6881, BOB, 2000).told, TORRENTS);
  assert.equal(ask(memory, 6881, ALICE, 2000, TORRENTS).told, TORRENTS);
  memory.addTold(DONKEYS, ...PEER, 6881, ALICE, 900);
  assert.equal(ask(memory, 6881, ALICE, 2000).told, DONKEYS, 'what this client was told goes first');
});

test('an endpoint that spoke is known to its partner and, apart, to anybody', () => {
  const memory = new PeerMemory();
  memory.addSpoke(DONKEYS, ...PEER, 4662, ALICE, 1000, true);
  assert.deepEqual(ask(memory, 4662, ALICE, 2000), { told: NO_PROTOCOL, spokeHere: DONKEYS, spokeAny: DONKEYS });
  assert.deepEqual(ask(memory, 4662, BOB, 2000), { told: NO_PROTOCOL, spokeHere: NO_PROTOCOL, spokeAny: DONKEYS });
});

test('what counts for its partner only counts for others once it is proven, and no longer than the proof is old', () => {
  const memory = new PeerMemory({ ageMs: 10_000 });
  memory.addSpoke(DONKEYS, ...PEER, 4662, ALICE, 1_000, false);
  assert.deepEqual(ask(memory, 4662, ALICE, 2_000), { told: NO_PROTOCOL, spokeHere: DONKEYS, spokeAny: NO_PROTOCOL });
  assert.equal(ask(memory, 4662, BOB, 2_000).spokeAny, NO_PROTOCOL);
  memory.addSpoke(DONKEYS, ...PEER, 4662, ALICE, 3_000, true);
  assert.equal(ask(memory, 4662, BOB, 4_000).spokeAny, DONKEYS);
  memory.addSpoke(DONKEYS, ...PEER, 4662, ALICE, 9_000, false);
  assert.equal(ask(memory, 4662, BOB, 12_000).spokeAny, DONKEYS);
  assert.equal(ask(memory, 4662, BOB, 14_000).spokeAny, NO_PROTOCOL, 'speaking to it again was no proof');
  memory.addSpoke(DONKEYS, ...PEER, 4662, ALICE, 15_000, false);
  assert.deepEqual(ask(memory, 4662, ALICE, 16_000), { told: NO_PROTOCOL, spokeHere: DONKEYS, spokeAny: NO_PROTOCOL });
});

test('an endpoint spoke with another client: proven or not, but not with a group', () => {
  const memory = new PeerMemory();
  memory.addSpoke(DONKEYS, ...PEER, 4662, 0, 1_000, false);
  assert.equal(ask(memory, 4662, BOB, 2_000).spokeAny, DONKEYS, 'a group is everybody');
  memory.addSpoke(DONKEYS, ...PEER, 4662, ALICE, 1_000, false);
  assert.equal(memory.spokeWithAnother(DONKEYS, ...PEER, 4662, ALICE, 2_000), false);
  assert.equal(memory.spokeWithAnother(DONKEYS, ...PEER, 4662, BOB, 2_000), true);
  memory.addSpoke(DONKEYS, ...PEER, 4662, BOB, 1_000, true);
  assert.equal(memory.spokeWithAnother(DONKEYS, ...PEER, 4662, ALICE, 2_000), true);
});

test('hosts are remembered for each protocol', () => {
  const memory = new PeerMemory();
  memory.addHost(TORRENTS, ...PEER, 1000);
  assert.equal(memory.hasHost(TORRENTS, ...PEER, 2000), true);
  assert.equal(memory.hasHost(DONKEYS, ...PEER, 2000), false);
});

test('entries age, and are refreshed by being taught again', () => {
  const memory = new PeerMemory({ ageMs: 10_000 });
  memory.addHost(TORRENTS, ...PEER, 0);
  assert.equal(memory.hasHost(TORRENTS, ...PEER, 9_000), true);
  assert.equal(memory.hasHost(TORRENTS, ...PEER, 11_000), false);
  memory.addHost(TORRENTS, ...PEER, 9_000);
  assert.equal(memory.hasHost(TORRENTS, ...PEER, 18_000), true);
});

test('the fresher of two protocols on one endpoint wins, whatever was taught first', () => {
  const memory = new PeerMemory();
  memory.addTold(TORRENTS, ...PEER, 6881, ALICE, 5_000);
  memory.addTold(DONKEYS, ...PEER, 6881, ALICE, 2_000);
  assert.equal(ask(memory, 6881, ALICE, 6_000).told, TORRENTS);
  memory.addTold(DONKEYS, ...PEER, 6881, ALICE, 5_999);
  assert.equal(ask(memory, 6881, ALICE, 6_000).told, TORRENTS, 'within one second the lower number wins');
});

test('a flood makes it forget, never invent and never grow', () => {
  const memory = new PeerMemory({ entries: 64 });
  for (let i = 1; i <= 10_000; i++) memory.addTold(TORRENTS, 0, 0, 0, i, 6881, ALICE, i);
  let known = 0;
  for (let i = 1; i <= 10_000; i++) if (ask(memory, 6881, ALICE, 10_000, ANY_PROTOCOL, i).told !== NO_PROTOCOL) known++;
  assert.ok(known > 0 && known <= 64, `${known} of 10,000 are remembered by 64 entries`);
  assert.equal(ask(memory, 6881, ALICE, 10_000, ANY_PROTOCOL, 123_456).told, NO_PROTOCOL);
});

test('it is empty until something was taught; shared memory never, others may have taught it', () => {
  const memory = new PeerMemory({ entries: 64 });
  assert.equal(memory.isEmpty, true);
  memory.addHost(DONKEYS, ...PEER, 1000);
  assert.equal(memory.isEmpty, false);
  assert.equal(new PeerMemory({ entries: 64, shared: sharedPeerMemory(64) }).isEmpty, false);
});

test('shared: what one user learns all others know at once', () => {
  const shared = sharedPeerMemory(64);
  const [one, other] = [new PeerMemory({ entries: 64, shared }), new PeerMemory({ entries: 64, shared })];
  one.addTold(TORRENTS, ...PEER, 6881, ALICE, 1000);
  other.addHost(DONKEYS, ...PEER, 1000);
  assert.equal(ask(other, 6881, ALICE, 2000).told, TORRENTS);
  assert.equal(one.hasHost(DONKEYS, ...PEER, 2000), true);
});

test('shared: a lock that its holder took with it loses lessons, not time, and can be released', () => {
  const shared = sharedPeerMemory(64);
  const words = new Int32Array(shared);
  const memory = new PeerMemory({ entries: 64, shared });
  words[words.length - 1] = 1;
  memory.addTold(TORRENTS, ...PEER, 6881, ALICE, 1000);
  assert.equal(ask(memory, 6881, ALICE, 2000).told, NO_PROTOCOL);
  unlockPeerMemory(shared);
  memory.addTold(TORRENTS, ...PEER, 6881, ALICE, 1000);
  assert.equal(ask(memory, 6881, ALICE, 2000).told, TORRENTS);
});

test('shared: while another thread writes, readers find whole entries or none', async () => {
  const shared = sharedPeerMemory(64);
  // Every endpoint is taught with the port that equals the low bits of its address, so a mixture shows.
  const script = `const { workerData, parentPort } = require('node:worker_threads');
    import(workerData.module).then(({ PeerMemory }) => {
      const memory = new PeerMemory({ entries: 64, shared: workerData.shared });
      parentPort.postMessage('begun');
      for (let i = 0; i < 300000; i++) memory.addTold(3, 0, 0, 0, 1 + (i % 997), 1 + (i % 997), 7, 1000);
      parentPort.postMessage('ended');
    });`;
  const worker = new Worker(script, { eval: true, workerData: { module: new URL('./peer-memory.js', import.meta.url).href, shared } });
  const memory = new PeerMemory({ entries: 64, shared });
  await once(worker, 'message');
  let hasEnded = false;
  worker.once('message', () => {
    hasEnded = true;
  });
  let found = 0;
  for (let i = 0; !hasEnded; i++) {
    for (let a3 = 1; a3 < 998; a3++) {
      if (ask(memory, a3, 7, 1000, ANY_PROTOCOL, a3).told !== NO_PROTOCOL) found++;
      assert.equal(ask(memory, a3 + 1, 7, 1000, ANY_PROTOCOL, a3).told, NO_PROTOCOL);
    }
    if (i % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(found > 0);
  await worker.terminate();
});
