import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { concat, fromHex } from '../../base/bytes.js';
import { type Feature, UDP } from '../detector.js';
import { dnsMessage } from '../facets/samples.js';
import { findingName, inspectSample, sampleInspection, type SampleOptions, type Turn } from '../sample.js';
import { hyperswarm } from './hyperswarm.js';

const feature = (name: string): Feature => {
  const found = hyperswarm.features.find((candidate) => candidate.feature === name);
  assert.ok(found);
  return found;
};
const answer = (name: string, turns: readonly Turn[], options: SampleOptions = {}): string =>
  findingName(inspectSample(feature(name), turns, options));
const turn = (from: 0 | 1, hex: string): Turn => ({ from, bytes: fromHex(hex) });

/** 198.51.100.7:50000, where samples go. */
const TO = 'c6336407 50c3';
/** 203.0.113.9:50000: what the sender sees behind address translation. */
const TRANSLATED = 'cb007109 50c3';
const OTHER = 'cb007109 0a1a';
const HASH = '5a'.repeat(32);

const messages: readonly [string, string, (to: string) => string][] = [
  // name, kind, bytes
  ['a ping of dht-rpc', 'request', (to) => `03 04 1122 ${to} 00`],
  ['a question for close nodes', 'request', (to) => `03 0c 1122 ${to} 02 ${HASH}`],
  ['a lookup', 'request', (to) => `03 08 1122 ${to} 03 ${HASH}`],
  ['an announce with id, token, target and value', 'request', (to) => `03 1b 1122 ${to} ${HASH} ${HASH} 04 ${HASH} 03 010203`],
  ['a peer handshake with a value of 253 bytes', 'request', (to) => `03 18 1122 ${to} 00 ${HASH} fdfd00 ${'77'.repeat(253)}`],
  ['a bare reply with id', 'reply', (to) => `13 01 1122 ${to} ${HASH}`],
  ['a reply with token and two nodes', 'reply', (to) => `13 07 1122 ${to} ${HASH} ${HASH} 02 194e010249c2 194e020249c2`],
  ['a reply with an error', 'reply', (to) => `13 09 1122 ${to} ${HASH} 10`],
  ['a reply with a value', 'reply', (to) => `13 10 1122 ${to} 02 beef`],
];

for (const [name, , bytes] of messages) {
  test(`certain: ${name} that names its destination`, () => assert.equal(answer('dht', [turn(0, bytes(TO))]), 'certain'));
  test(`likely: ${name} that names its destination port`, () => assert.equal(answer('dht', [turn(0, bytes(TRANSLATED))]), 'likely'));
  test(`suspected: ${name} that names another endpoint`, () => assert.equal(answer('dht', [turn(0, bytes(OTHER))]), 'suspected'));
  test(`no: ${name} cut or longer by one byte`, () => {
    const whole = fromHex(bytes(TO));
    for (let length = 0; length < whole.length; length++) {
      assert.notEqual(answer('dht', [{ from: 0, bytes: whole.subarray(0, length) }]), 'certain', `${length} bytes`);
    }
    assert.equal(answer('dht', [{ from: 0, bytes: concat(whole, Uint8Array.of(0)) }]), 'no');
  });
}

test('certain: a reply answers the request with its transaction id, whatever addresses say', () => {
  const request = turn(0, `03 0c 1122 ${OTHER} 02 ${HASH}`);
  assert.equal(answer('dht', [request, turn(1, `13 01 1122 ${OTHER} ${HASH}`)]), 'certain');
  assert.equal(answer('dht', [request, turn(1, `13 01 1123 ${OTHER} ${HASH}`)]), 'suspected');
  assert.equal(answer('dht', [request, turn(0, `13 01 1122 ${OTHER} ${HASH}`)]), 'suspected');
});

const near: readonly [string, string][] = [
  ['an unknown flag', `03 20 1122 ${TO} 00`],
  ['another version', `02 04 1122 ${TO} 00`],
  ['an internal command that does not exist', `03 04 1122 ${TO} 05`],
  ['an unknown command', `03 00 1122 ${TO} 40`],
  ['a list of no nodes', `13 05 1122 ${TO} ${HASH} 00`],
  ['more nodes than fit', `13 05 1122 ${TO} ${HASH} 02 194e010249c2`],
  ['a question to DNS with the number 0308', `0308 0100 0001 0000 0000 0000 15 ${'61'.repeat(21)} 03 636f6d 00 0001 0001`],
  ['a value longer than the datagram', `03 10 1122 ${TO} 00 08 0102`],
];
for (const [what, hex] of near) test(`no: ${what}`, () => assert.equal(answer('dht', [turn(0, hex)]), 'no'));

test('over IPv6 no destination can be named', () => {
  const options = { destination: new Uint8Array(16).fill(7) };
  assert.equal(answer('dht', [turn(0, `03 04 1122 ${TO} 00`)], options), 'likely');
});

function harvested(bytes: Uint8Array): string[] {
  const told: string[] = [];
  const sink = {
    toldIpv4: (from: Uint8Array, at: number, port: number) => told.push(`${from.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: () => assert.fail('no IPv6 in HyperDHT'),
    listensOn: () => assert.fail('no listening ports in HyperDHT'),
  };
  const input = sampleInspection(UDP, [{ from: 1, bytes }]);
  assert.equal(feature('dht').harvest?.(input, sink), true);
  return told;
}

test('closer nodes and relayed peers are told', () => {
  assert.deepEqual(harvested(fromHex(`13 05 1122 ${TO} ${HASH} 02 194e010249c2 0a0000010100`)), ['25.78.1.2:49737', '10.0.0.1:1']);
  assert.deepEqual(harvested(fromHex(`03 18 1122 ${TO} 00 ${HASH} 0b 01 02 02 aabb 194e050287dd`)), ['25.78.5.2:56711']);
  assert.deepEqual(harvested(fromHex(`03 18 1122 ${TO} 01 ${HASH} 0c 01 02 07 02 aabb 194e050287dd`)), ['25.78.5.2:56711']);
  assert.deepEqual(harvested(fromHex(`03 18 1122 ${TO} 00 ${HASH} 05 00 00 02 aabb`)), []);
  assert.deepEqual(harvested(fromHex(`13 05 1122 ${TO} ${HASH} 02 194e01`)), []);
});

const OPENING = 'ff 01 01 00 340d3b78 00004000 00000000 00000000 380000 95c0d2d0';
const LATER = 'ff 01 01 00 340d3b78 00004000 07000000 02000000 95c0d2d0';
const ACK = 'ff 01 00 00 b6360420 00004000 02000000 08000000';

test('certain: the first data packet of a UDX stream', () => {
  assert.equal(answer('udx', [turn(0, OPENING)]), 'certain');
  assert.equal(answer('udx', [turn(0, '00'), turn(1, '00'), turn(0, OPENING)]), 'certain');
});

test('certain: two packets of one stream, or a packet and its answer', () => {
  assert.equal(answer('udx', [turn(0, LATER)]), 'suspected');
  assert.equal(answer('udx', [turn(0, LATER), turn(1, ACK)]), 'certain');
  assert.equal(answer('udx', [turn(0, LATER), turn(0, LATER.replace('07000000', '08000000'))]), 'certain');
  assert.equal(answer('udx', [turn(0, `ff 01 04 08 340d3b78 00004000 07000000 02000000 04000000 06000000`), turn(1, ACK)]), 'certain');
});

const unlike: readonly [string, string, string][] = [
  ['the same datagram twice', LATER, LATER],
  ['another stream id', LATER, LATER.replace('340d3b78', '340d3b79').replace('07000000', '08000000')],
  ['counters far apart', LATER, LATER.replace('07000000', '07000010')],
];
for (const [what, first, second] of unlike) {
  test(`suspected only: ${what}`, () => assert.equal(answer('udx', [turn(0, first), turn(0, second)]), 'suspected'));
}

const noUdx: readonly [string, string][] = [
  ['another version', OPENING.replace('ff 01', 'ff 02')],
  ['unknown type flags', OPENING.replace('ff 01 01', 'ff 01 41')],
  ['data offset beyond the datagram', OPENING.replace('ff 01 01 00', 'ff 01 01 60')],
  ['odd selective acknowledgements', 'ff 01 04 03 340d3b78 00004000 07000000 02000000 040000'],
  ['a small id', OPENING.replace('340d3b78', '01000000')],
  ['a cut header', OPENING.slice(0, 45)],
];
for (const [what, hex] of noUdx) test(`no UDX: ${what}`, () => assert.equal(answer('udx', [turn(0, hex)]), 'no'));

test('a one-byte hole punch counts only between endpoints already told', () => {
  assert.equal(answer('holepunch', [turn(0, '00')]), 'more');
  assert.equal(answer('holepunch', [turn(0, '00')], { known: 'host' }), 'more');
  assert.equal(answer('holepunch', [turn(0, '00')], { known: 'told' }), 'likely');
  assert.equal(answer('holepunch', [turn(0, '0000')], { known: 'told' }), 'no');
});

test('likely: the bootstrap names', () => {
  assert.equal(answer('dns', [{ from: 0, bytes: dnsMessage(['node2.hyperdht.org']) }]), 'likely');
  assert.equal(answer('dns', [{ from: 0, bytes: dnsMessage(['nothyperdht.org']) }]), 'no');
});

test('random datagrams behind the anchors are never certain or likely', () => {
  fc.assert(
    fc.property(fc.constantFrom('03', '13', 'ff01'), fc.uint8Array({ minLength: 0, maxLength: 200 }), (anchor, tail) => {
      const bytes = concat(fromHex(anchor), tail);
      for (const name of ['dht', 'udx']) assert.ok(['no', 'suspected'].includes(answer(name, [{ from: 0, bytes }])));
    }),
    { numRuns: 400 },
  );
});
