/** Server names of SSL torrents. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii } from '../../../base/bytes.js';
import { TCP } from '../../detector.js';
import { findingName, sampleInspection } from '../../sample.js';
import { ask } from '../../../../test/support/detector-table.js';
import { sslTorrent } from './ssl-torrent.js';

const HASH = '0088d1e3020883ed0b6fdb3ec9bba2317fee856e';

test('forty hexadecimal digits as server name are likely an info-hash, near misses are not', () => {
  for (const [serverName, isComplete, isClient, expected] of [
    [HASH, false, true, 'likely'],
    [HASH, true, true, 'likely'],
    ['', false, true, 'more'],
    ['', true, true, 'no'],
    [HASH, true, false, 'no'],
    [HASH.slice(1), true, true, 'no'],
    [`${HASH}0`, true, true, 'no'],
    [`${HASH}.com`, true, true, 'no'],
    [`${HASH.slice(4)}.com`, true, true, 'no'],
    [`${HASH.slice(1)}g`, true, true, 'no'],
    // SHA-256: names of certificates and of content.
    [HASH + HASH.slice(16), true, true, 'no'],
    ['tracker.example.com', false, true, 'no'],
  ] as const) {
    const input = { ...sampleInspection(TCP, [ask(ascii('x'))]), tls: () => ({ isClient, serverName, alpn: [], isComplete }) };
    assert.equal(findingName(sslTorrent.inspect(input)), expected, `${serverName} ${isComplete} ${isClient}`);
  }
});

test('what is no TLS is not asked about', () => {
  assert.equal(findingName(sslTorrent.inspect(sampleInspection(TCP, [ask(ascii('x'))]))), 'no');
});
