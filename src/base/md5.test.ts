import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ascii, toHex } from './bytes.js';
import { md5 } from './md5.js';

test('the test suite of RFC 1321 appendix A.5 is met', () => {
  const table: [string, string][] = [
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['a', '0cc175b9c0f1b6a831c399e269772661'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
    ['12345678901234567890123456789012345678901234567890123456789012345678901234567890', '57edf4a22be3c955ac49da2e2107b67a'],
  ];
  for (const [text, digest] of table) assert.equal(toHex(md5(ascii(text))), digest, text);
});

test('padding is right at every length around a block', () => {
  for (let length = 50; length < 140; length++) {
    const input = new Uint8Array(length).map((_, i) => (i * 37 + length) & 0xff);
    assert.equal(toHex(md5(input)), createHash('md5').update(input).digest('hex'), `${length} bytes`);
  }
});
