/** The shipped captures: what the demonstration shows is what is found. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { identifyFile } from './support/captures.js';

const samples = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'samples');

function findings(name: string): string[] {
  return identifyFile(join(samples, name)).map(({ p2p }) => (p2p === null ? 'none' : `${p2p.feature} ${p2p.confidence} @${p2p.packet}`));
}

test('plain: tracker and peers are certain', () => {
  assert.deepEqual(new Set(findings('bittorrent-plain.pcap').map((text) => text.split(' ')[1])), new Set(['certain']));
});

test('encrypted: the connection to the peer that the tracker named is certain from its first packet', () => {
  const found = findings('bittorrent-encrypted.pcap');
  assert.ok(found.includes('mse certain @1'), found.join(', '));
});

test('web: nothing is found', () => {
  assert.deepEqual(new Set(findings('web.pcap')), new Set(['none']));
});
