import { test } from 'node:test';
import assert from 'node:assert/strict';
import { NO_PROTOCOL, PeerMemory, clientHash } from './peer-memory.js';

const ALICE = clientHash(0, 0, 0, 0x0a000001);
const BOB = clientHash(0, 0, 0, 0x0a000002);
const PEER = [0, 0, 0, 0xc6336407 | 0] as const; // 198.51.100.7
const TORRENTS = 3;
const DONKEYS = 7;

test('an endpoint told to one client is known for that client only', () => {
  const memory = new PeerMemory();
  memory.addTold(TORRENTS, ...PEER, 6881, ALICE, 1000);
  assert.equal(memory.findTold(...PEER, 6881, ALICE, 2000), TORRENTS);
  assert.equal(memory.findTold(...PEER, 6881, BOB, 2000), NO_PROTOCOL);
  assert.equal(memory.findTold(...PEER, 6882, ALICE, 2000), NO_PROTOCOL);
  assert.equal(memory.wasTold(TORRENTS, ...PEER, 6881, ALICE, 2000), true);
  assert.equal(memory.wasTold(DONKEYS, ...PEER, 6881, ALICE, 2000), false);
});

test('an endpoint told to a multicast group is known for everybody', () => {
  const memory = new PeerMemory();
  memory.addTold(TORRENTS, ...PEER, 6881, 0, 1000);
  assert.equal(memory.findTold(...PEER, 6881, BOB, 2000), TORRENTS);
  assert.equal(memory.wasTold(TORRENTS, ...PEER, 6881, ALICE, 2000), true);
});

test('an endpoint that spoke is known to its partner and, apart, to anybody', () => {
  const memory = new PeerMemory();
  memory.addSpoke(DONKEYS, ...PEER, 4662, ALICE, 1000);
  assert.equal(memory.findSpoke(...PEER, 4662, ALICE, 2000), DONKEYS);
  assert.equal(memory.findSpoke(...PEER, 4662, BOB, 2000), NO_PROTOCOL);
  assert.equal(memory.findSpoke(...PEER, 4662, 0, 2000), DONKEYS);
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
  assert.equal(memory.findTold(...PEER, 6881, ALICE, 6_000), TORRENTS);
});

test('a flood makes it forget, never invent and never grow', () => {
  const memory = new PeerMemory({ entries: 64 });
  for (let i = 1; i <= 10_000; i++) memory.addTold(TORRENTS, 0, 0, 0, i, 6881, ALICE, i);
  let known = 0;
  for (let i = 1; i <= 10_000; i++) if (memory.findTold(0, 0, 0, i, 6881, ALICE, 10_000) !== NO_PROTOCOL) known++;
  assert.ok(known > 0 && known <= 64, `${known} of 10,000 are remembered by 64 entries`);
  assert.equal(memory.findTold(0, 0, 0, 123_456, 6881, ALICE, 10_000), NO_PROTOCOL);
});
