import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { looksRandom } from './random.js';
import { pseudoRandom } from './samples.js';

test('random bytes look random, nearly always', () => {
  let refused = 0;
  for (let seed = 1; seed <= 2000; seed++) {
    const bytes = pseudoRandom(seed, 12 + (seed % 150));
    if (!looksRandom(bytes, 0, bytes.length)) refused++;
  }
  assert.ok(refused <= 20, `${refused} of 2000 refused`);
});

const ordinary: readonly [string, Uint8Array][] = [
  ['text', ascii('EHLO mail.example.com and so on')],
  ['base64', ascii('c29tZSB0ZXh0IHRoYXQgaXMgbG9uZyBlbm91Z2ggdG8gdGVsbA==')],
  ['a TLS hello', concat(fromHex('1603010200010001fc0303'), pseudoRandom(5, 32), fromHex('20'), new Uint8Array(40))],
  ['an ASN.1 header with small numbers', fromHex('0300001611e00000000100c0010ac1020600c2020600')],
  ['a random header, then zeros', concat(pseudoRandom(7, 20), new Uint8Array(60))],
  ['a counter', Uint8Array.from({ length: 40 }, (_, i) => i)],
  ['one byte, repeated', new Uint8Array(30).fill(0x9c)],
];

for (const [name, bytes] of ordinary) {
  test(`not random: ${name}`, () => assert.equal(looksRandom(bytes, 0, bytes.length), false));
}
