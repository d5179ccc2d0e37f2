/** Peer handshake over TCP, and what the clear messages behind it tell. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { MAX_PREFIX_BYTES, type PeerSink, TCP } from '../../detector.js';
import { sampleInspection } from '../../sample.js';
import { answer, ask, checkSamples, checkTruncations, countSureFlips } from '../../../../test/support/detector-table.js';
import { handshake, proxiedHandshake } from './handshake.js';

const HANDSHAKE = concat(
  ascii('\x13BitTorrent protocol'),
  fromHex('0000000000100005'), // reserved: extension protocol, fast, DHT
  ascii('aaaaaaaaaabbbbbbbbbb'), // info-hash
  ascii('-LT2080-xxxxxxxxxxxx'), // peer id
);

test('the handshake is certain in either direction, at its 20th byte', () => {
  checkSamples(handshake, [
    { name: 'sent by the opener', turns: [ask(HANDSHAKE)], expected: 'certain' },
    { name: 'sent back', turns: [ask(HANDSHAKE), answer(HANDSHAKE)], expected: 'certain' },
    { name: 'first 20 bytes', turns: [ask(HANDSHAKE.subarray(0, 20))], expected: 'certain' },
    { name: 'picked up in the middle', turns: [ask(HANDSHAKE)], expected: 'certain', options: { fromStart: false } },
    { name: 'one letter different', turns: [ask(ascii('\x13BitTorrent Protocol'))], expected: 'no' },
    { name: 'libp2p multistream, same first byte', turns: [ask(ascii('\x13/multistream/1.0.0\n'))], expected: 'no' },
    { name: 'not at the beginning', turns: [ask(concat(ascii(' '), HANDSHAKE))], expected: 'no' },
  ]);
  checkTruncations(handshake, [ask(HANDSHAKE)], {}, 20);
  assert.equal(countSureFlips(handshake, [ask(HANDSHAKE)]), 48); // every byte behind the fixed ones is free
});

test('the handshake behind the opening of a proxy is certain, too', () => {
  const socks = fromHex('05 01 00  05 01 00 01 c0000207 1ae1');
  const connect = ascii('CONNECT 192.0.2.7:6881 HTTP/1.0\r\n\r\n');
  checkSamples(proxiedHandshake, [
    { name: 'SOCKS 5', turns: [ask(concat(socks, HANDSHAKE))], expected: 'certain' },
    { name: 'SOCKS 4', turns: [ask(concat(fromHex('04 01 1ae1 c0000207 00'), HANDSHAKE))], expected: 'certain' },
    { name: 'CONNECT', turns: [ask(connect), answer(ascii('HTTP/1.0 200 OK\r\n\r\n')), ask(HANDSHAKE)], expected: 'certain' },
    { name: 'negotiation alone', turns: [ask(socks)], expected: 'more' },
    { name: 'another protocol behind it', turns: [ask(concat(socks, new Uint8Array(1100)))], expected: 'no' },
    { name: 'no proxy', turns: [ask(concat(ascii(' '), HANDSHAKE))], expected: 'no' },
  ]);
  checkTruncations(proxiedHandshake, [ask(concat(socks, HANDSHAKE))], {}, socks.length + 20);
});

/** A length-prefixed message: id, then content. */
function message(id: number, content: Uint8Array): Uint8Array {
  const lengthBytes = content.length + 1;
  return concat(Uint8Array.of(0, 0, lengthBytes >> 8, lengthBytes & 0xff, id), content);
}
const BITFIELD = message(5, fromHex('fffe'));
const PORT = message(9, fromHex('1ae2'));
const EXTENSIONS = message(20, ascii('\x00d1:md6:ut_pexi1ee1:pi51413e1:v5:test e'));
const EXCHANGE = message(
  20,
  ascii('\x01d5:added12:\xc6\x33\x64\x09\x1a\xe1\xc6\x33\x64\x0a\x00\x007:added.f2:\x00\x006:added618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x05\x1a\xe2e'),
);

function told(...parts: Uint8Array[]): string[] {
  const out: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (bytes, at, port) => out.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: (bytes, at, port) => out.push(`v6 ${bytes[at]}..${bytes[at + 15]}:${port}`),
    listensOn: (port) => out.push(`sender:${port}`),
  };
  handshake.harvest?.(sampleInspection(TCP, [ask(concat(...parts))]), sink);
  return out;
}

test('listening ports and exchanged peers are told, port 0 is not', () => {
  assert.deepEqual(told(HANDSHAKE, EXTENSIONS, BITFIELD, PORT, EXCHANGE), [
    'sender:51413',
    'sender:6882',
    '198.51.100.9:6881',
    'v6 32..5:6882',
  ]);
  assert.deepEqual(told(HANDSHAKE), []);
});

test('bytes that are no messages tell nothing, and cut ones only what is whole', () => {
  assert.deepEqual(told(HANDSHAKE, fromHex('ffffffff14 00'), EXTENSIONS), []);
  assert.deepEqual(told(HANDSHAKE, message(77, fromHex('00')), EXTENSIONS), []);
  for (let length = 0; length < EXCHANGE.length; length++) {
    for (const endpoint of told(HANDSHAKE, EXCHANGE.subarray(0, length))) {
      assert.ok(['198.51.100.9:6881', 'v6 32..5:6882'].includes(endpoint), endpoint);
    }
  }
});

test('harvest ends when the prefix is full', () => {
  const none: PeerSink = { toldIpv4: () => assert.fail(), toldIpv6: () => assert.fail(), listensOn: () => assert.fail() };
  assert.equal(handshake.harvest?.(sampleInspection(TCP, [ask(HANDSHAKE)]), none), true);
  const full = concat(HANDSHAKE, new Uint8Array(MAX_PREFIX_BYTES));
  assert.equal(handshake.harvest?.(sampleInspection(TCP, [ask(full)]), none), false);
});
