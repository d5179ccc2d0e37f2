import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipv4Text } from './address.js';
import { ascii } from './bytes.js';
import { scanIpv4Endpoints } from './endpoint-text.js';

function endpoints(text: string): string[] {
  const bytes = ascii(`#${text}#`);
  const found: string[] = [];
  const count = scanIpv4Endpoints(bytes, 1, bytes.length - 1, (address, at, port) => found.push(`${ipv4Text(address, at)}:${port}`));
  assert.equal(count, found.length);
  return found;
}

const cases: readonly [string, string, readonly string[]][] = [
  ['a list with commas', '192.0.2.1:6346,192.0.2.2:6347 ', ['192.0.2.1:6346', '192.0.2.2:6347']],
  ['a list with blanks and dates', '192.0.2.1:7986 2022-03-07T03:22Z,198.51.100.9:1\r\n', ['192.0.2.1:7986', '198.51.100.9:1']],
  ['inside a URL', 'http://198.51.100.9:6346/uri-res/N2R', ['198.51.100.9:6346']],
  ['cut at the end: the port may go on', '192.0.2.1:634', []],
  ['an address without port', '192.0.2.1\r\n', []],
  ['a version', 'Foxy/v1.9.8.0:1 ', []],
  ['five numbers', '1.2.3.4.5:80 ', []],
  ['a number too large', '192.0.256.1:80 ', []],
  ['port 0', '192.0.2.1:0 ', []],
  ['port too large', '192.0.2.1:65536 ', []],
  ['port too long', '192.0.2.1:123456 ', []],
];

for (const [name, text, expected] of cases) {
  test(`endpoints in text: ${name}`, () => assert.deepEqual(endpoints(text), expected));
}
