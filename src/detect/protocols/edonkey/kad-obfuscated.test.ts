import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii } from '../../../base/bytes.js';
import type { Known } from '../../detector.js';
import { findingName, inspectSample, type Turn } from '../../sample.js';
import { kadObfuscated, reaskObfuscated } from './kad-obfuscated.js';
import { opening } from './samples.js';

/** `>51:a0` is a datagram of 51 random bytes from the initiator whose first byte is a0. */
function dialogue(text: string): readonly Turn[] {
  return text.split(' ').map((word, index): Turn => {
    const [lengthBytes, first] = word.slice(1).split(':');
    return { from: word.startsWith('>') ? 0 : 1, bytes: opening(Number.parseInt(first ?? '0', 16), Number(lengthBytes), index) };
  });
}

const cases: readonly [string, string, Known, string][] = [
  ['a lookup and its answer with one contact', '>51:a0 <60:a2', 'none', 'suspected'],
  ['a lookup and an empty answer', '>51:a0 <35:a2', 'none', 'suspected'],
  ['three lookups and answers', '>51:a0 <35:a2 <51:10 >60:12 >51:44 <35:fe', 'none', 'likely'],
  ['with clear pongs in between', '>51:a0 <35:a2 <4:e4 <51:10 >60:12 >51:44 <35:fe', 'none', 'likely'],
  ['hello, answer, lookup', '>43:a0 <43:a2 >51:a0', 'none', 'suspected'],
  ['a lookup, nothing known', '>51:a0', 'none', 'no'],
  ['a lookup at a host that speaks eDonkey', '>51:a0', 'host', 'no'],
  ['two lookups at a host that speaks eDonkey', '>51:a0 >51:10', 'host', 'suspected'],
  ['a lookup to an endpoint of the network', '>51:a0', 'endpoint', 'suspected'],
  ['a hello to a told endpoint', '>43:a0', 'told', 'suspected'],
  ['lookups and answers of one side alone', '>51:a0 >35:a2 >60:12 >51:44 >51:10 >35:fe', 'none', 'suspected'],
  ['lookups of both sides that nobody can read', '>51:a0 <51:10 >51:44 >51:1c <51:00 <51:78', 'none', 'suspected'],
  ['the same with a ping among them', '>18:a4 >51:a0 <51:10 >51:44 >51:1c <51:00 <51:78', 'none', 'suspected'],
  // Near misses
  ['lookups and answers of one side alone, too few', '>51:a0 >35:a2 >51:44 >51:10 >35:fe', 'none', 'no'],
  ['lookups of one side alone', '>51:a0 >51:10 >51:44 >51:1c >51:00 >51:78', 'none', 'no'],
  ['five lookups of both sides', '>51:a0 <51:10 >51:44 >51:1c <51:00', 'none', 'no'],
  ['datagrams of that size with one type in the first byte', '>51:a0 <51:a0 >51:a0 >51:a0 <51:a0 <51:a0', 'none', 'no'],
  ['datagrams of that size with three types in the first byte', '>51:a0 <51:a4 >51:a8 >51:a0 <51:a4 <51:a8', 'none', 'no'],
  ['lookups of both sides, one for the number of the receiver', '>51:a0 <51:10 >51:46 >51:1c <51:00 <51:78', 'none', 'no'],
  ['an answer with the other key bit', '>51:a0 <35:a0', 'none', 'no'],
  ['an answer with the eMule bit', '>51:a0 <35:a3', 'none', 'no'],
  ['an answer with half a contact', '>51:a0 <48:a2', 'none', 'no'],
  ['both from the same side', '>51:a0 >35:a2', 'none', 'no'],
  ['a clear marker first', '>51:a0 <35:e4', 'none', 'no'],
  ['a dialogue with another size among them', '>51:a0 <35:a2 <100:10 <51:10 >60:12 >51:44 <35:fe', 'host', 'no'],
  ['a long datagram to a known host', '>1200:a0', 'host', 'no'],
];

for (const [name, text, known, expected] of cases) {
  test(`obfuscated Kad: ${name}`, () => assert.equal(findingName(inspectSample(kadObfuscated, dialogue(text), { known })), expected));
}

test('text of the same sizes is refused', () => {
  const turns: readonly Turn[] = [
    { from: 0, bytes: ascii('position 1000 2000 speed 30 heading 270 altitude 11') },
    { from: 1, bytes: ascii('position 1000 2000 speed 30 heading') },
  ];
  assert.equal(findingName(inspectSample(kadObfuscated, turns)), 'no');
});

test('two datagrams of a host that speaks eDonkey stay suspected: its tunnels have such sizes, too', () => {
  const finding = inspectSample(kadObfuscated, dialogue('>51:a0 >51:10'), { known: 'host' });
  assert.ok(typeof finding === 'object' && finding.needsEndpoint === true);
});

test('datagrams that begin with the same number are those of a connection, not of Kad', () => {
  const turns = dialogue('>43:a0 <43:a2 >51:a0');
  turns[2]?.bytes.set(turns[0]?.bytes.subarray(0, 2) ?? []);
  assert.equal(findingName(inspectSample(kadObfuscated, turns)), 'no');
});

const reasks: readonly [string, string, Known, string][] = [
  ['a reask', '>30:a1', 'endpoint', 'suspected'],
  ['a reask at a host', '>30:a1', 'host', 'no'],
  ['an answer with the rank', '<12:a7', 'told', 'suspected'],
  ['nothing known', '>30:a1', 'none', 'no'],
  ['the Kad bit', '>30:a0', 'told', 'no'],
  ['a size no message has', '>13:a1', 'told', 'no'],
  ['a clear marker', '>30:c5', 'told', 'no'],
];

for (const [name, text, known, expected] of reasks) {
  test(`obfuscated eMule datagram: ${name}`, () => {
    assert.equal(findingName(inspectSample(reaskObfuscated, dialogue(text), { known })), expected);
  });
}
