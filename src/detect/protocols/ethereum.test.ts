import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, concat, fromHex, toHex } from '../../base/bytes.js';
import { type Feature, type PeerSink, UDP } from '../detector.js';
import { dnsMessage } from '../facets/samples.js';
import { findingName, inspectSample, sampleInspection, type Turn } from '../sample.js';
import { ethereum } from './ethereum.js';
import { keccak256 } from './ethereum/keccak.js';
import { isCurvePoint } from './ethereum/secp256k1.js';

const feature = (name: string): Feature => {
  const found = ethereum.features.find((candidate) => candidate.feature === name);
  assert.ok(found);
  return found;
};
const answer = (name: string, ...messages: readonly (Uint8Array | Turn)[]): string =>
  findingName(inspectSample(feature(name), messages.map((it) => (it instanceof Uint8Array ? { from: 0, bytes: it } : it))));

test('Keccak-256 of nothing, of "abc", and across block borders', () => {
  const digest = (bytes: Uint8Array) => toHex(keccak256(bytes, 0, bytes.length));
  assert.equal(digest(new Uint8Array(0)), 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470');
  assert.equal(digest(ascii('abc')), '4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45');
  const digests = new Set([134, 135, 136, 137, 272].map((length) => digest(new Uint8Array(length))));
  assert.equal(digests.size, 5);
});

/** SEC 2 section 2.4.1: the base point of secp256k1. */
const POINT = fromHex(`
  79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798
  483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8`);

test('the base point lies on the curve, its neighbours do not', () => {
  assert.equal(isCurvePoint(POINT, 0), true);
  for (const at of [0, 31, 32, 63]) {
    const moved = POINT.slice();
    moved[at] = moved[at]! ^ 1;
    assert.equal(isCurvePoint(moved, 0), false);
  }
  assert.equal(isCurvePoint(new Uint8Array(64), 0), false);
  assert.equal(isCurvePoint(new Uint8Array(64).fill(0xff), 0), false);
});

/** EIP-8, discovery test vectors: ping of version 4 with additional elements. */
const PING = fromHex(`
  e9614ccfd9fc3e74360018522d30e1419a143407ffcce748de3e22116b7e8dc9
  2ff74788c0b6663aaa3d67d641936511c8f8d6ad8698b820a7cf9e1be7155e9a
  241f556658c55428ec0563514365799a4be2be5a685a80971ddcfa80cb422cdd
  01 01 ec04cb847f000001820cfa8215a8d790000000000000000000000000000000018208ae820d058443b9a3550102`);

/** A packet with the given type and data and the right hash. */
function packet(type: number, data: string): Uint8Array {
  const body = concat(new Uint8Array(64).fill(0x33), Uint8Array.of(0, type), fromHex(data));
  return concat(keccak256(body, 0, body.length), body);
}

test('certain: discovery packets, the vector of EIP-8 among them', () => {
  assert.equal(answer('discovery', PING), 'certain');
  for (let type = 1; type <= 6; type++) assert.equal(answer('discovery', packet(type, 'c3010203')), 'certain');
});

test('no: cut, changed, of unknown type, or without a list', () => {
  for (let length = 0; length < PING.length; length++) assert.equal(answer('discovery', PING.subarray(0, length)), 'no');
  for (let at = 0; at < PING.length; at += 11) {
    const changed = PING.slice();
    changed[at] = changed[at]! ^ 0x40;
    assert.equal(answer('discovery', changed), 'no', `byte ${at}`);
  }
  assert.equal(answer('discovery', packet(7, 'c3010203')), 'no');
  assert.equal(answer('discovery', packet(0, 'c3010203')), 'no');
  assert.equal(answer('discovery', packet(1, '83010203')), 'no');
  assert.equal(answer('discovery', packet(1, 'c4010203')), 'no');
});

function harvested(bytes: Uint8Array): string[] {
  const told: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (from, at, port) => told.push(`${from.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: (from, at, port) => told.push(`v6 ..${from[at + 15]}:${port}`),
    listensOn: (port) => told.push(`self:${port}`),
  };
  assert.equal(feature('discovery').harvest?.(sampleInspection(UDP, [{ from: 1, bytes }]), sink), true);
  return told;
}

test('a ping tells where its sender listens, neighbors tell their addresses', () => {
  assert.deepEqual(harvested(PING), ['self:5544']);
  const key = `b840${'77'.repeat(64)}`;
  const four = `f84d 84c0000201 82765f 82765f ${key}`;
  const both = `f84d 84c0000202 82765f 827660 ${key}`;
  const six = `f859 90${'20010db8'.padEnd(30, '0')}09 82765f 82765f ${key}`;
  const list = 'f8f9'; // 79 + 79 + 91 bytes
  const nodes = fromHex(`${list} ${four} ${both} ${six}`);
  const data = concat(Uint8Array.of(0xf9, 1, nodes.length + 5 - 256), nodes, fromHex('8443b9a355'));
  assert.deepEqual(harvested(packet(4, toHex(data))), ['192.0.2.1:30303', '192.0.2.2:30303', '192.0.2.2:30304', 'v6 ..9:30303']);
  assert.deepEqual(harvested(packet(4, 'c1c0')), []);
});

const BODY = new Uint8Array(300).fill(0xd7);
const AUTH = concat(Uint8Array.of(1, 0x6d, 4), POINT, BODY);

test('certain: RLPx key exchange of EIP-8 and before, from either side', () => {
  assert.equal(answer('rlpx', AUTH), 'certain');
  assert.equal(answer('rlpx', { from: 0, bytes: AUTH }, { from: 1, bytes: AUTH }), 'certain');
  assert.equal(answer('rlpx', concat(Uint8Array.of(4), POINT, BODY)), 'certain');
});

test('more until the public key has come; no without a point on the curve', () => {
  for (let length = 1; length < 3 + 64; length++) assert.equal(answer('rlpx', AUTH.subarray(0, length)), 'more', `${length}`);
  const random = AUTH.slice();
  random[40] = random[40]! ^ 1;
  assert.equal(answer('rlpx', random), 'no');
  assert.equal(answer('rlpx', concat(Uint8Array.of(0, 0x20, 4), POINT, BODY)), 'no'); // too short for a message
  assert.equal(answer('rlpx', concat(Uint8Array.of(1, 0x6d, 2), POINT, BODY)), 'no');
  assert.equal(answer('rlpx', fromHex('040100507f000001 00')), 'more'); // SOCKS 4 request
});

const random = (length: number, seed: number) => {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
};

test('suspected: the shape of discovery version 5; no: other lengths, directions or clear bytes', () => {
  const opening: Turn[] = [
    { from: 0, bytes: random(95, 1) },
    { from: 1, bytes: random(63, 2) },
  ];
  assert.equal(answer('discovery-v5', ...opening, random(300, 3)), 'suspected');
  const text = { from: 1, bytes: ascii(`SIP/2.0 200 OK; ${'kestrel '.repeat(6)}`.slice(0, 63)) } as const;
  assert.equal(answer('discovery-v5', random(95, 1), text, random(300, 3)), 'no', 'an answer of 63 letters');
  assert.equal(answer('discovery-v5', ...opening), 'more');
  assert.equal(answer('discovery-v5', ...opening, random(150, 3)), 'no');
  assert.equal(answer('discovery-v5', ...opening, { from: 1, bytes: random(300, 3) }), 'no');
  assert.equal(answer('discovery-v5', random(95, 1), { from: 1, bytes: random(64, 2) }, random(300, 3)), 'no');
  assert.equal(answer('discovery-v5', random(95, 1), { from: 1, bytes: new Uint8Array(63) }, random(300, 3)), 'no');
});

test('likely: DNS discovery', () => {
  assert.equal(answer('dns', dnsMessage(['ABCD.all.mainnet.ethdisco.net'], [], 16)), 'likely');
  assert.equal(answer('dns', dnsMessage(['ethereum.org'])), 'no');
});

test('random datagrams with fitting type bytes are refused by the hash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 99, maxLength: 300 }), (bytes) => {
      bytes[96] = 1;
      bytes[97] = 4;
      bytes[98] = 0xc0;
      assert.equal(answer('discovery', bytes), 'no');
    }),
    { numRuns: 60 },
  );
});
