import { test } from 'node:test';
import assert from 'node:assert/strict';
import { addressText, isInNetwork, networkText, parseAddress, parseNetwork } from './address.js';

test('addresses are read and printed in canonical form', () => {
  const table: [string, string | null][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['255.255.255.255', '255.255.255.255'],
    ['010.0.0.1', null],
    ['10.1', null],
    ['256.0.0.1', null],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['1:2:3:4:5:6:7', null],
    ['1::2::3', null],
    ['fe80::1%eth0', null],
    ['1:2:3:4:5:6:7:8:9', null],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ];
  for (const [text, expected] of table) {
    const bytes = parseAddress(text);
    assert.equal(bytes && addressText(bytes, 0, bytes.length), expected, text);
  }
});

test('networks refuse host bits and test membership by family', () => {
  assert.equal(parseNetwork('10.0.0.1/8'), null);
  assert.equal(parseNetwork('10.0.0.0/33'), null);
  const network = parseNetwork('10.128.0.0/9');
  assert.ok(network);
  assert.equal(networkText(network), '10.128.0.0/9');
  assert.equal(isInNetwork(network, Uint8Array.of(10, 200, 1, 1), 0, 4), true);
  assert.equal(isInNetwork(network, Uint8Array.of(10, 127, 1, 1), 0, 4), false);
  assert.equal(isInNetwork(network, new Uint8Array(16), 0, 16), false);
});
