import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, latin1 } from '../../../base/bytes.js';
import { ggepEnd } from './ggep.js';

const cases: readonly [string, string, number][] = [
  ['one extension without value (QK)', 'c3 82 51 4b 40', 5],
  ['one extension with three bytes (UP)', 'c3 82 55 50 43 00 20 1f', 8],
  ['two extensions, the first not last (SCP, VC)', 'c3 03 53 43 50 41 02 82 56 43 44 47 54 4b 47', 15],
  ['a length in two bytes (65)', `c3 81 58 81 41 ${'00'.repeat(65)}`, 70],
  ['bytes behind the block', 'c3 81 58 40 ff ff', 4],
  ['no magic', '82 51 4b 40', -1],
  ['reserved bit set', 'c3 92 51 4b 40', -1],
  ['no id', 'c3 80 40', -1],
  ['NUL in the id', 'c3 82 51 00 40', -1],
  ['length byte neither last nor more', 'c3 82 51 4b 00', -1],
  ['length byte both last and more', 'c3 82 51 4b c0', -1],
  ['four length bytes', 'c3 81 58 80 80 80 40', -1],
  ['value cut', 'c3 82 55 50 43 00 20', -1],
  ['no last extension', 'c3 02 51 4b 40', -1],
];

for (const [name, hex, expected] of cases) {
  test(`GGEP: ${name}`, () => {
    const bytes = fromHex(hex);
    assert.equal(ggepEnd(bytes, 0, bytes.length), expected);
    for (let end = 0; end < expected; end++) assert.equal(ggepEnd(bytes, 0, end), -1, `cut to ${end}`);
  });
}

test('GGEP visits ids and plain values in order', () => {
  const bytes = fromHex('c3 03 53 43 50 41 02 a2 56 43 41 47');
  const seen: string[] = [];
  ggepEnd(bytes, 0, bytes.length, (idAt, idBytes, valueAt, valueBytes, isPlain) => {
    seen.push(`${latin1(bytes, idAt, idAt + idBytes)} ${valueAt}+${valueBytes} ${isPlain}`);
  });
  assert.deepEqual(seen, ['SCP 6+1 true', 'VC 11+1 false']);
});

test('GGEP never reads past the end nor loops, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
      const bytes = Uint8Array.of(0xc3, ...tail);
      const end = ggepEnd(bytes, 0, bytes.length);
      assert.ok(end === -1 || (end >= 4 && end <= bytes.length));
    }),
    { numRuns: 300, seed: 1 },
  );
});
