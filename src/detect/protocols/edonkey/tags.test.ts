import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex } from '../../../base/bytes.js';
import { tagListEnd, tagsEnd } from './tags.js';

const cases: readonly [string, string][] = [
  ['string with a long name (nick)', '02 0100 01 0400 74657374'],
  ['string with a short name', '82 01 0400 74657374'],
  ['32 bits (version)', '03 0100 11 3c000000'],
  ['float', '84 15 00000040'],
  ['16 bits (Kad: UDP port)', '08 0100 fc 4012'],
  ['8 bits (Kad: options)', '09 0100 f2 02'],
  ['boolean', '85 30 01'],
  ['64 bits', '0b 0100 02 0100000000000000'],
  ['hash', `01 0100 28 ${'ab'.repeat(16)}`],
  ['blob', '87 30 03000000 010203'],
  ['short blob', '8a 30 03 010203'],
  ['string of five bytes, length in the type', '95 01 4c696e7578'],
  ['name of three bytes', '03 0300 616263 01000000'],
];

for (const [name, hex] of cases) {
  test(`eDonkey tag: ${name}`, () => {
    const bytes = fromHex(hex);
    assert.equal(tagsEnd(bytes, 0, bytes.length, 1), bytes.length);
    for (let end = 0; end < bytes.length; end++) assert.equal(tagsEnd(bytes, 0, end, 1), -1, `cut to ${end}`);
    const counted = fromHex(`02000000 ${hex} ${hex}`);
    assert.equal(tagListEnd(counted, 0, counted.length, 4), counted.length);
    assert.equal(tagListEnd(counted, 0, counted.length, 1), -1, 'too many');
  });
}

const refused: readonly [string, string][] = [
  ['type 0', '00 0100 01 00000000'],
  ['type 0x21', 'a1 01 00000000'],
  ['no name', '03 0000 01000000'],
  ['name of 65 bytes', `03 4100 ${'61'.repeat(65)} 01000000`],
  ['string of 3,000 bytes', `82 01 b80b ${'61'.repeat(3000)}`],
  ['blob of 4 GiB', '87 30 ffffffff 00'],
];

for (const [name, hex] of refused) {
  test(`no eDonkey tag: ${name}`, () => {
    const bytes = fromHex(hex);
    assert.equal(tagsEnd(bytes, 0, bytes.length, 1), -1);
  });
}

test('tags never read past the end, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(40), (bytes, count) => {
      const end = tagsEnd(bytes, 0, bytes.length, count);
      assert.ok(end >= -1 && end <= bytes.length);
    }),
    { numRuns: 300, seed: 1 },
  );
});
