import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, fromHex } from '../../base/bytes.js';
import { findingName, inspectSample, type Turn } from '../sample.js';
import { gnutella } from './gnutella.js';
import { gnutella2 } from './gnutella2.js';

/** Which features of a protocol answer these turns with a match, and how sure they are. */
function findings(protocol: typeof gnutella | typeof gnutella2, transport: number, turns: readonly Turn[]): string[] {
  return protocol.features
    .filter((feature) => feature.transport === transport)
    .map((feature) => `${feature.feature} ${findingName(inspectSample(feature, turns))}`)
    .filter((text) => !/ (no|more)$/.test(text));
}

const cases: readonly [string, number, Uint8Array, string[], string[]][] = [
  ['a Gnutella greeting', 6, ascii('GNUTELLA CONNECT/0.6\r\nX-Ultrapeer: True\r\n\r\n'), ['handshake certain'], []],
  ['a G2 greeting', 6, ascii('GNUTELLA CONNECT/0.6\r\nAccept: application/x-gnutella2\r\n\r\n'), [], ['handshake certain']],
  ['a cache request for Gnutella', 6, ascii('GET /?get=1&net=gnutella HTTP/1.1\r\n\r\n'), ['gwebcache certain'], []],
  ['a cache request for G2', 6, ascii('GET /?get=1&net=gnutella2 HTTP/1.1\r\n\r\n'), [], ['gwebcache certain']],
  ['a Gnutella datagram', 17, fromHex('8de431024929251cff297df9e9260403 00 01 00 00000000'), ['udp certain'], []],
  ['a G2 datagram', 17, fromHex('474e44 00 1234 01 01 08 5049'), [], ['udp certain']],
  ['an HTTP request', 6, ascii('GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/8\r\n\r\n'), [], []],
];

for (const [name, transport, bytes, first, second] of cases) {
  test(`Gnutella and G2 never claim the same: ${name}`, () => {
    assert.deepEqual(findings(gnutella, transport, [{ from: 0, bytes }]), first);
    assert.deepEqual(findings(gnutella2, transport, [{ from: 0, bytes }]), second);
  });
}

test('feature names are unique', () => {
  for (const protocol of [gnutella, gnutella2]) {
    assert.equal(new Set(protocol.features.map((feature) => feature.feature)).size, protocol.features.length);
  }
});
