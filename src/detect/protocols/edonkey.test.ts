import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { findingName, inspectSample, type Turn } from '../sample.js';
import { edonkey } from './edonkey.js';
import { contact, FILE, HASH, hello, opening } from './edonkey/samples.js';

/** Which features answer with a match. */
function findings(transport: number, turns: readonly Turn[]): string[] {
  return edonkey.features
    .filter((feature) => feature.transport === transport)
    .map((feature) => `${feature.feature} ${findingName(inspectSample(feature, turns))}`)
    .filter((text) => !/ (no|more)$/.test(text));
}

const cases: readonly [string, number, readonly Turn[], readonly string[]][] = [
  ['a hello', 6, [{ from: 0, bytes: hello() }], ['tcp certain']],
  ['a Kad answer', 17, [{ from: 0, bytes: concat(fromHex('e429'), FILE, Uint8Array.of(1), contact(1)) }], ['kad certain']],
  ['a reask', 17, [{ from: 0, bytes: concat(fromHex('c590'), HASH, fromHex('0000 0300')) }], ['client-udp certain']],
  ['a status request', 17, [{ from: 0, bytes: fromHex('e396 0102 aa55') }], ['server-udp certain']],
  [
    'an obfuscated lookup and answer',
    17,
    [
      { from: 0, bytes: opening(0xa0, 51) },
      { from: 1, bytes: opening(0xa2, 35) },
    ],
    ['kad-obfuscated suspected'],
  ],
  ['HTTP', 6, [{ from: 0, bytes: ascii('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n') }], []],
  ['a random stream', 6, [{ from: 0, bytes: opening(0x31, 90) }, { from: 1, bytes: opening(0x32, 500) }], []],
  ['a random datagram', 17, [{ from: 0, bytes: opening(0x31, 90) }], []],
];

for (const [name, transport, turns, expected] of cases) {
  test(`eDonkey as a whole: ${name}`, () => assert.deepEqual(findings(transport, turns), expected));
}

test('feature names are unique', () => {
  assert.equal(new Set(edonkey.features.map((feature) => feature.feature)).size, edonkey.features.length);
});
