import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { concat, fromHex } from '../../base/bytes.js';
import { dnsFacet } from './dns.js';
import { dnsMessage, dnsName, dnsRecord } from './samples.js';

const parse = (bytes: Uint8Array) => {
  const padded = concat(Uint8Array.of(1, 2, 3), bytes, Uint8Array.of(9, 9, 9));
  const message = dnsFacet(padded, 3, 3 + bytes.length, false);
  return message && { isResponse: message.isResponse, questions: message.questions, answers: message.answers };
};

// www.example.com A, answered by a CNAME with compressed names.
const COMPRESSED = fromHex(`
  8180 8180 0001 0002 0000 0000
  03 777777 07 6578616d706c65 03 636f6d 00  0001 0001
  c00c 0005 0001 00000e10 0007  04 65646765 c010
  c02d 0001 0001 00000e10 0004  c6336407`);

test('a query gives its name in lower case', () => {
  assert.deepEqual(parse(dnsMessage(['Router.BitTorrent.COM'])), {
    isResponse: false,
    questions: ['router.bittorrent.com'],
    answers: [],
  });
});

test('a response gives owner and target names through compression pointers', () => {
  assert.deepEqual(parse(COMPRESSED), {
    isResponse: true,
    questions: ['www.example.com'],
    answers: ['www.example.com', 'edge.example.com'],
  });
});

test('an mDNS response without questions gives PTR and SRV targets', () => {
  const message = dnsMessage(
    [],
    [
      dnsRecord('_p2p._udp.local', 12, dnsName('abc._p2p._udp.local')),
      dnsRecord('abc._p2p._udp.local', 33, concat(fromHex('0000 0000 0fa1'), dnsName('host.local'))),
    ],
  );
  assert.deepEqual(parse(message)?.answers, ['_p2p._udp.local', 'abc._p2p._udp.local', 'host.local']);
});

test('over TCP the message follows its length, whole or cut in its records', () => {
  const stream = concat(Uint8Array.of(0, COMPRESSED.length), COMPRESSED);
  assert.equal(dnsFacet(stream, 0, stream.length, true)?.answers.length, 2);
  assert.deepEqual(dnsFacet(stream, 0, stream.length - 20, true)?.answers, ['www.example.com']);
  assert.equal(dnsFacet(stream, 0, 20, true), null);
  assert.equal(dnsFacet(COMPRESSED, 0, COMPRESSED.length, true), null);
});

const malformed: readonly [string, string][] = [
  ['a name that points to itself', '1234 0100 0001 0000 0000 0000 c00c 0001 0001'],
  ['a pointer forwards', '1234 0100 0001 0000 0000 0000 c00e 0001 0001 00'],
  ['two names that point to each other', '1234 0100 0002 0000 0000 0000 01 61 c013 0001 0001 01 61 c00c 0001 0001 00'],
  ['a pointer into the header', '1234 0100 0001 0000 0000 0000 c002 0001 0001'],
  ['a retired label type', '1234 0100 0001 0000 0000 0000 41 00 0001 0001'],
  ['an unknown class', '1234 0100 0001 0000 0000 0000 0161 00 0001 0101'],
  ['more questions than fit', '1234 0100 00ff 0000 0000 0000 0161 00 0001 0001'],
  ['a reserved flag', '1234 0140 0001 0000 0000 0000 0161 00 0001 0001'],
  ['a query with a response code', '1234 0103 0001 0000 0000 0000 0161 00 0001 0001'],
  ['an answer section without a response flag', '1234 0100 0000 0001 0000 0000 0161 00 0001 0001 00000000 0000'],
  ['a call of the Network File System', '00000002 00000000 00000002 000186a3 00000002 00000004 00000001 00000034'],
  ['its reply', '3b56c9a0 00000001 00000000 00000000 00000000 00000000 00000000'],
  ['a record of unknown class', '1234 8100 0000 0001 0000 0000 0161 00 0001 0777 00000000 0000'],
  ['control characters in a name', '1234 0100 0001 0000 0000 0000 020007 00 0001 0001'],
  ['no questions and no records', '1234 0100 0000 0000 0000 0000 0161 00 0001 0001'],
];
for (const [what, hex] of malformed) {
  test(`no DNS: ${what}`, () => assert.equal(parse(fromHex(hex)), null));
}

test('a name of more than 255 bytes is refused', () => {
  const label = 'a'.repeat(63);
  assert.equal(parse(dnsMessage([[label, label, label, label].join('.')])), null);
  assert.notEqual(parse(dnsMessage([[label, label, label].join('.')])), null);
});

test('at most 8 questions are kept', () => {
  const names = Array.from({ length: 12 }, (_, i) => `n${i}.local`);
  assert.deepEqual(parse(dnsMessage(names))?.questions, names.slice(0, 8));
});

test('every truncation parses to a prefix of the names, or to nothing', () => {
  for (let length = 0; length < COMPRESSED.length; length++) {
    const message = parse(COMPRESSED.subarray(0, length));
    if (message) assert.ok(['www.example.com', 'www.example.com,edge.example.com', ''].includes(message.answers.join()), `${length}`);
    if (length < 33) assert.equal(message, null);
  }
});

test('uniformly random datagrams never parse', () => {
  let state = 12345;
  const bytes = new Uint8Array(1400);
  for (let round = 0; round < 3000; round++) {
    for (let i = 0; i < 64; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      bytes[i] = state >>> 16;
    }
    assert.equal(dnsFacet(bytes, 0, 20 + (round % 1380), false), null);
  }
});

test('flipped messages never throw', () => {
  fc.assert(
    fc.property(fc.nat(COMPRESSED.length - 1), fc.nat(255), (at, value) => {
      const flipped = COMPRESSED.slice();
      flipped[at] = value;
      const message = parse(flipped);
      assert.ok(message === null || message.answers.length <= 4);
    }),
    { numRuns: 500 },
  );
});
