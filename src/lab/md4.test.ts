import { test } from 'node:test';
import assert from 'node:assert/strict';
import { md4 } from './md4.js';

// RFC 1320, appendix A.5.
for (const [text, digest] of [
  ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
  ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
  ['message digest', 'd9130a8164549fe818874806e1c7014b'],
  ['12345678901234567890123456789012345678901234567890123456789012345678901234567890', 'e33b4ddc9c38f2199c3e7b164fcc0536'],
] as const) {
  test(`MD4 of '${text.slice(0, 20)}'`, () => assert.equal(md4(Buffer.from(text)), digest));
}
