import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ClientBook } from './client-book.js';
import { PeerBook } from './peer-book.js';
import { parseStoreLine, readStoreFile, type StoredPeer, storeLine } from './store-file.js';
import type { LineProblem } from './name-patterns.js';

function parseStoreFile(text: string): { peers: StoredPeer[]; problems: LineProblem[] } {
  const peers: StoredPeer[] = [];
  const problems: LineProblem[] = [];
  readStoreFile(text, (peer) => peers.push(peer), (problem) => problems.push(problem));
  return { peers, problems };
}

test('peer book: the oldest entry makes room, and its client gets the share back', () => {
  const forgotten: string[] = [];
  const book = new PeerBook({ maxPeers: 3, maxPeersPerClient: 2, ageMs: 1000, isProtected: () => false, onForget: (peer) => forgotten.push(peer.address) });
  assert.equal(book.reveal('a', '192.0.2.1', 1, 0), 'new');
  assert.equal(book.reveal('a', '192.0.2.2', 1, 1), 'new');
  assert.equal(book.reveal('a', '192.0.2.3', 1, 2), 'client-full');
  assert.equal(book.reveal('b', '192.0.2.3', 1, 3), 'new');
  assert.equal(book.reveal('a', '192.0.2.1', 1, 4), 'known');
  assert.equal(book.reveal('b', '192.0.2.4', 1, 5), 'new');
  assert.deepEqual(forgotten, ['192.0.2.2'], 'not the one that was named again');
  assert.equal(book.countOf('a'), 1);
  assert.equal(book.reveal('a', '192.0.2.5', 0, 6), 'protected', 'port 0 is no endpoint');
  book.age(1004);
  assert.deepEqual([...book.newestFirst()].map((peer) => peer.address), ['192.0.2.4']);
  assert.deepEqual(forgotten, ['192.0.2.2'], 'age is no lack of room');
});

test('peer book: kept apart, a peer of two clients is two entries, and neither closes it to a third', () => {
  const book = new PeerBook({ maxPeers: 4, maxPeersPerClient: 2, ageMs: 1000, isProtected: (address) => address === '192.0.2.9', isSharing: false });
  assert.equal(book.reveal('a', '192.0.2.1', 1, 0, 500, 7), 'new');
  assert.equal(book.reveal('b', '192.0.2.1', 1, 0, 9000, 8), 'new');
  assert.equal(book.reveal('a', '192.0.2.1', 1, 1, 500, 7), 'known');
  assert.equal(book.confirm('a', '192.0.2.1', 1, 1), false);
  assert.deepEqual(['a', 'b', 'c'].map((client) => book.isBlockedFor(client, '192.0.2.1', 1, 2)), [true, true, false]);
  assert.equal(book.reveal('a', '192.0.2.9', 1, 2), 'protected');
  assert.deepEqual([...book.newestFirst()].map(({ client, source, untilMs }) => [client, source, untilMs]), [['a', 7, 501], ['b', 8, 9000]]);
  assert.equal(book.reveal('b', '192.0.2.1', 1, 10, 100, 9), 'known');
  assert.equal(book.find('b', '192.0.2.1', 1)?.untilMs, 9000, 'the longer time stays');
  book.age(501);
  assert.deepEqual([...book.newestFirst()].map((peer) => peer.client), ['b'], 'behind one that lives longer');
  assert.equal(book.countOf('a'), 0);
  assert.equal(book.reveal('c', '192.0.2.1', 1, 600), 'new', 'takes the number of the one that is gone');
  assert.deepEqual(['a', 'b', 'c'].map((client) => book.isBlockedFor(client, '192.0.2.1', 1, 700)), [false, true, true]);
});

test('peer book: 200,000 peers stay small', () => {
  const book = new PeerBook({ maxPeers: 200_000, maxPeersPerClient: 2_000, ageMs: 1e9, isProtected: () => false });
  for (let i = 0; i < 250_000; i++) book.reveal(`10.0.${(i >> 8) & 255}.${i & 255}`, `198.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`, 1214, i);
  assert.equal(book.size, 200_000);
});

test('client book: no room for more clients than allowed, and a lock that ends on time', () => {
  const book = new ClientBook({ lockMs: 1000, probeRetryMs: 100, probeRetries: 1, maxClients: 2 });
  assert.equal(book.hear('a', 0)?.isNew, true);
  assert.equal(book.hear('a', 10)?.isNew, false);
  assert.ok(book.hear('b', 20));
  assert.equal(book.hear('c', 30), null);
  assert.equal(book.isLocked('a', 1009), true);
  assert.equal(book.isLocked('a', 1010), false);
  assert.deepEqual(book.takeExpired(1010).map((client) => client.address), ['a']);
  assert.equal(book.nextDueMs(), 1020);
});

test('store lines: the original form, our details, IPv6', () => {
  assert.deepEqual(parseStoreLine('198.51.100.7:3128'), { address: '198.51.100.7', port: 3128, client: '', seenAtS: null });
  const full = { address: '2001:db8::7', port: 80, client: '10.1.0.2', seenAtS: 1_700_000_000 };
  assert.equal(storeLine(full), '[2001:db8::7]:80 client=10.1.0.2 seen=1700000000\n');
  assert.deepEqual(parseStoreLine(storeLine(full)), full);
  for (const [line, problem] of [
    ['198.51.100.7', /address:port/], ['198.51.100.300:1', /IP address/], ['198.51.100.7:0', /port/], ['198.51.100.7:70000', /port/],
    ['198.51.100.7:1 client=x', /client/], ['198.51.100.7:1 spam', /unknown/], ['x'.repeat(300), /long/], ['198.51.100.7:31\u0000', /address:port/],
  ] as const) {
    const parsed = parseStoreLine(line);
    assert.ok(typeof parsed === 'string' && problem.test(parsed), line);
  }
});

test('a damaged store keeps its good lines and reports the others by number', () => {
  const { peers, problems } = parseStoreFile('198.51.100.7:3128\n\u0000\u0000garbage\n# note\n198.51.100.8:1214\n198.51.10');
  assert.deepEqual(peers.map((peer) => peer.address), ['198.51.100.7', '198.51.100.8']);
  assert.deepEqual(problems.map((problem) => problem.line), [2, 5]);
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => void parseStoreFile(text)), { numRuns: 200 });
});
