import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { type Feature, type PeerSink, TCP } from '../detector.js';
import { dnsMessage } from '../facets/samples.js';
import { findingName, inspectSample, sampleInspection } from '../sample.js';
import { bitcoin } from './bitcoin.js';

const feature = (name: string): Feature => {
  const found = bitcoin.features.find((candidate) => candidate.feature === name);
  assert.ok(found);
  return found;
};
const answer = (bytes: Uint8Array): string => findingName(inspectSample(feature('messages'), [{ from: 0, bytes }]));

const MAIN = 'f9beb4d9';
function message(magic: string, command: string, payload: Uint8Array, checksum = 'deadbeef'): Uint8Array {
  const length = Uint8Array.of(payload.length & 0xff, payload.length >> 8, 0, 0);
  return concat(fromHex(magic), ascii(command.padEnd(12, '\0')), length, fromHex(checksum), payload);
}
/** services, 192.0.2.1, port 8333. */
const ADDRESS = fromHex('0100000000000000 00000000000000000000ffffc0000201 208d');
const VERSION = concat(fromHex('7f110100 0900000000000000 d9b8026b00000000'), ADDRESS, ADDRESS, new Uint8Array(17));

const positives: readonly [string, Uint8Array][] = [
  ['a version message', message(MAIN, 'version', VERSION)],
  ['a version message without checksum (before 2010)', message(MAIN, 'version', VERSION, '')],
  ['a bare header', message(MAIN, 'verack', new Uint8Array(0))],
  ['an inventory in mid-stream', message(MAIN, 'inv', new Uint8Array(37))],
  ['Litecoin', message('fbc0b6db', 'sendaddrv2', new Uint8Array(0))],
  ['Dogecoin', message('c0c0c0c0', 'getheaders', new Uint8Array(101))],
  ['a network that nobody listed', message('12345678', 'version', VERSION)],
];
for (const [name, bytes] of positives) {
  test(`certain: ${name}`, () => assert.equal(answer(bytes), 'certain'));
  test(`more: ${name}, cut within its header`, () => {
    for (let length = 1; length < 20; length++) assert.equal(answer(bytes.subarray(0, length)), 'more', `${length}`);
  });
}

const negatives: readonly [string, Uint8Array][] = [
  ['a magic followed by random bytes', fromHex(`${MAIN} 8f2c9913aa01b2c3d4e5f607 10000000 01020304`)],
  ['a command with capitals', message(MAIN, 'Version', VERSION)],
  ['a command with bytes behind its padding', message(MAIN, 'inv\0\0\0x', VERSION)],
  ['a command of one letter', message(MAIN, 'x', VERSION)],
  ['an absurd length', concat(fromHex(MAIN), ascii('inv'.padEnd(12, '\0')), fromHex('01000002 00000000'))],
  ['a version message of an unknown network with a wrong length', message('12345678', 'version', new Uint8Array(20))],
  ['another message of an unknown network', message('12345678', 'verack', new Uint8Array(0))],
];
for (const [name, bytes] of negatives) test(`no: ${name}`, () => assert.equal(answer(bytes), 'no'));

function harvested(bytes: Uint8Array): string[] {
  const told: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (from, at, port) => told.push(`${from.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: (from, at, port) => told.push(`v6 ${from[at]}..${from[at + 15]}:${port}`),
    listensOn: (port) => told.push(`self:${port}`),
  };
  feature('messages').harvest?.(sampleInspection(TCP, [{ from: 1, bytes }]), sink);
  return told;
}

const ADDR = concat(Uint8Array.of(2), new Uint8Array(4), ADDRESS, new Uint8Array(4), fromHex('0100000000000000 20010db8000000000000000000000009 4e20'));
const ADDR_V2 = fromHex(`04
  00000000 01 01 04 c0000202 208d
  00000000 fd0904 02 10 20010db8000000000000000000000007 208d
  00000000 01 04 20 ${'aa'.repeat(32)} 208d
  00000000 01 01 04 c0000203 208e`);

test('version, addr and addrv2 tell where peers are', () => {
  assert.deepEqual(harvested(message(MAIN, 'version', VERSION)), ['self:8333']);
  const stream = concat(message(MAIN, 'version', VERSION), message(MAIN, 'verack', new Uint8Array(0)), message(MAIN, 'addr', ADDR), message(MAIN, 'addrv2', ADDR_V2));
  assert.deepEqual(harvested(stream), ['self:8333', '192.0.2.1:8333', 'v6 32..9:20000', '192.0.2.2:8333', 'v6 32..7:8333', '192.0.2.3:8334']);
});

test('messages without checksum are walked too', () => {
  const stream = concat(message(MAIN, 'version', VERSION, ''), message(MAIN, 'verack', new Uint8Array(0), ''), message(MAIN, 'addr', ADDR));
  assert.deepEqual(harvested(stream), ['self:8333', '192.0.2.1:8333', 'v6 32..9:20000']);
});

test('likely: DNS seeds', () => {
  const dns = (name: string) => findingName(inspectSample(feature('dns'), [{ from: 0, bytes: dnsMessage([name]) }]));
  assert.equal(dns('seed.bitcoin.sipa.be'), 'likely');
  assert.equal(dns('x9.seed.bitcoin.sipa.be'), 'likely'); // service bits as a label
  assert.equal(dns('bitcoin.org'), 'no');
});

test('harvesting flipped streams never throws', () => {
  const stream = concat(message(MAIN, 'addr', ADDR), message(MAIN, 'addrv2', ADDR_V2));
  fc.assert(
    fc.property(fc.nat(stream.length - 1), fc.nat(255), fc.nat(stream.length), (at, value, length) => {
      const copy = stream.slice(0, length);
      if (at < length) copy[at] = value;
      assert.ok(harvested(copy).length <= 1000);
    }),
    { numRuns: 300 },
  );
});
