/** The protocol as a whole: its list of features, and that noise is nothing. The parts are tested beside their files. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkNoise } from '../../../test/support/detector-table.js';
import { bittorrent } from './bittorrent.js';

test('feature names are unique and say what the documentation lists', () => {
  const names = bittorrent.features.map((feature) => feature.feature);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(names, [
    'handshake',
    'handshake-proxied',
    'peer-wire',
    'mse',
    'mse-proxied',
    'utp',
    'utp-version-0',
    'dht',
    'udp-tracker',
    'datagram-proxied',
    'http-tracker',
    'http-seed',
    'torrent-file',
    'local-discovery',
    'vuze-dht',
    'vuze-dht-answer',
    'vuze-instance',
    'webtorrent-tracker',
    'webtorrent-peer',
    'ssl-torrent',
    'known-name-dns',
    'known-name-tls',
    'known-name-http',
  ]);
});

test('what names servers that serve others too is not remembered as peers', () => {
  const forgotten = bittorrent.features.filter((feature) => feature.remember === 'none').map((feature) => feature.feature);
  assert.deepEqual(forgotten, [
    'handshake-proxied',
    'mse-proxied',
    'datagram-proxied',
    'http-tracker',
    'http-seed',
    'torrent-file',
    'local-discovery',
    'vuze-instance',
    'webtorrent-tracker',
    'webtorrent-peer',
    'known-name-dns',
    'known-name-tls',
    'known-name-http',
  ]);
});

test('noise in any order is nothing', () => checkNoise(bittorrent, 60));
