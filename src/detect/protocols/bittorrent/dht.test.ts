/** DHT messages: queries, responses, errors, cut ones, near misses, and what they teach. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { type PeerSink, UDP } from '../../detector.js';
import { findingName, inspectSample, sampleInspection } from '../../sample.js';
import { dht } from './dht.js';

const ID = 'abcdefghij0123456789';
/** Node record: id, address, port 6881. */
const NODE = `${ID}\xc6\x33\x64\x09\x1a\xe1`;
const NODE6 = `${ID}\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05\x1a\xe2`;

const find = (text: string): string => findingName(inspectSample(dht, [{ from: 0, bytes: ascii(text) }]));

const POSITIVE: readonly (readonly [name: string, text: string])[] = [
  ['ping', `d1:ad2:id20:${ID}e1:q4:ping1:t2:aa1:y1:qe`],
  ['find_node, keys unsorted', `d1:t2:aa1:y1:q1:q9:find_node1:ad2:id20:${ID}6:target20:${ID}ee`],
  [
    'get_peers with version, want and read-only',
    `d1:ad2:id20:${ID}9:info_hash20:${ID}4:wantl2:n42:n6ee1:q9:get_peers2:roi1e1:t2:aa1:v4:LT\x01\x021:y1:qe`,
  ],
  [
    'announce_peer',
    `d1:ad2:id20:${ID}12:implied_porti1e9:info_hash20:${ID}4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe`,
  ],
  ['put (BEP 44)', `d1:ad2:id20:${ID}5:token4:abcd1:v12:Hello World!e1:q3:put1:t1:a1:y1:qe`],
  ['sample_infohashes (BEP 51)', `d1:ad2:id20:${ID}6:target20:${ID}e1:q17:sample_infohashes1:t1:a1:y1:qe`],
  ['response with nodes', `d1:rd2:id20:${ID}5:nodes26:${NODE}e1:t2:aa1:y1:re`],
  ['response that opens with ip (BEP 42)', `d2:ip6:\xc0\0\x02\x01\x1a\xe11:rd2:id20:${ID}e1:t2:aa1:y1:re`],
  [
    'response with values and nodes6',
    `d1:rd2:id20:${ID}6:nodes638:${NODE6}5:token1:x6:valuesl6:\xc6\x33\x64\x07\x1a\xe1ee1:t2:aa1:y1:re`,
  ],
  ['error', 'd1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee'],
];

test('every kind of message is certain at the first datagram', () => {
  for (const [name, text] of POSITIVE) assert.equal(find(text), 'certain', name);
});

test('a cut message is certain once it has shown the node id, and nothing before', () => {
  for (const [name, text] of POSITIVE) {
    const shownAt = text.indexOf('2:id20:') + 7;
    for (let length = 0; length < text.length; length++) {
      const finding = find(text.slice(0, length));
      const isShown = shownAt > 6 && length >= shownAt;
      assert.equal(finding, isShown ? 'certain' : 'no', `${name}, ${length} bytes`);
    }
  }
});

test('other dictionaries are not the DHT', () => {
  for (const [name, text] of [
    ['node id of 19 bytes', `d1:ad2:id19:${ID.slice(1)}e1:q4:ping1:t2:aa1:y1:qe`],
    ['no node id', 'd1:ade1:q4:ping1:t2:aa1:y1:qe'],
    ['id outside the arguments', `d1:ade2:id20:${ID}1:q4:ping1:t2:aa1:y1:qe`],
    ['opening and end of a query in a text', `d1:ad2:id20:${ID} 1:y1:q`],
    ['response without values', `d1:ad2:id20:${ID}e1:t2:aa1:y1:re`],
    ['error without text', 'd1:eli201ee1:t2:aa1:y1:ee'],
    ['unknown kind', `d1:ad2:id20:${ID}e1:q4:ping1:t2:aa1:y1:xe`],
    ['bytes after the dictionary', `d1:ad2:id20:${ID}e1:q4:ping1:t2:aa1:y1:qe\n`],
    ['arguments that are no dictionary', 'd1:a2:id1:q4:ping1:t2:aa1:y1:qe'],
    ['empty', ''],
    ['empty dictionary', 'de'],
    ['other text', 'd1:this is not bencoded'],
    ['call control over UDP (bencoded, without node id)', 'd7:command4:ping6:cookie1:ae'],
  ] as const) {
    assert.equal(find(text), 'no', name);
  }
});

/** Runs harvest and lists what it told. */
function told(text: string): string[] {
  const out: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (bytes, at, port) => out.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: (bytes, at, port) =>
      out.push(`${Buffer.from(bytes.subarray(at, at + 16)).toString('hex')}:${port}`),
    listensOn: (port) => out.push(`sender:${port}`),
  };
  assert.equal(dht.harvest?.(sampleInspection(UDP, [{ from: 0, bytes: ascii(text) }]), sink), true);
  return out;
}

test('responses tell nodes and peers, announcing tells the sender', () => {
  assert.deepEqual(told(POSITIVE[6]?.[1] ?? ''), ['198.51.100.9:6881']);
  assert.deepEqual(told(POSITIVE[8]?.[1] ?? ''), [
    '20010db8000000000000000000000005:6882',
    '198.51.100.7:6881',
  ]);
  assert.deepEqual(told(POSITIVE[3]?.[1] ?? ''), ['sender:6881']);
  assert.deepEqual(told(POSITIVE[0]?.[1] ?? ''), []);
});

test('a cut response tells the whole records that arrived', () => {
  const text = `d1:rd2:id20:${ID}5:nodes52:${NODE}${NODE}e1:t2:aa1:y1:re`;
  assert.deepEqual(told(text.slice(0, text.lastIndexOf(NODE) + 25)), ['198.51.100.9:6881']);
});

test('no bytes make inspection or harvest throw', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...POSITIVE),
      fc.array(fc.tuple(fc.nat(150), fc.nat(255)), { maxLength: 4 }),
      fc.nat(160),
      ([, text], flips, length) => {
        const bytes = ascii(text).subarray(0, length);
        for (const [at, byte] of flips) if (at < bytes.length) bytes[at] = byte;
        const input = sampleInspection(UDP, [{ from: 0, bytes }]);
        assert.notEqual(findingName(dht.inspect(input)), 'more');
        dht.harvest?.(input, {
          toldIpv4: (_, at) => assert.ok(at + 6 <= input.end),
          toldIpv6: (_, at) => assert.ok(at + 18 <= input.end),
          listensOn: (port) => assert.ok(port > 0 && port <= 0xffff),
        });
      },
    ),
    { numRuns: 300 },
  );
  assert.equal(
    findingName(inspectSample(dht, [{ from: 0, bytes: concat(ascii('d1:'), fromHex('ff00ff')) }])),
    'no',
  );
});
