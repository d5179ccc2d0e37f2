/** Encrypted handshakes by shape, and the clear handshake behind them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, putU16 } from '../../../base/bytes.js';
import type { Known } from '../../detector.js';
import { findingName, inspectSample, type SampleOptions, type Turn } from '../../sample.js';
import { answer, ask, checkSamples, type Sample } from '../../../../test/support/detector-table.js';
import { exchange, noise } from '../../../../test/support/noise.js';
import { mse } from './mse.js';

const HANDSHAKE = concat(ascii('\x13BitTorrent protocol'), noise(48));
const find = (turns: readonly Turn[], options?: SampleOptions): string => findingName(inspectSample(mse, turns, options));

test('three bursts of the right sizes are suspected, as real clients send them', () => {
  // Sizes measured with libtorrent, Transmission, aria2, rTorrent and webtorrent.
  for (const sizes of [
    [317, 155, 427],
    [341, 134, 124],
    [578, 394, 147],
    [120, 101, 124],
    [572, 334, 401],
    [96, 96, 56],
    [608, 608, 636],
  ]) {
    assert.equal(find(exchange(...sizes)), 'suspected', sizes.join(' '));
    assert.equal(find(exchange(...sizes.slice(0, 2))), 'more', `${sizes.slice(0, 2).join(' ')} only`);
    assert.equal(find(exchange(...sizes.slice(0, 1))), 'more', `${sizes[0]} only`);
  }
});

test('bursts split over segments are put together', () => {
  const [key, reply, third] = [noise(300), noise(200), noise(124)];
  const turns = [
    ask(key.subarray(0, 96)),
    ask(key.subarray(96)),
    answer(reply.subarray(0, 40)),
    answer(reply.subarray(40)),
    ask(third.subarray(0, 20)),
    ask(third.subarray(20)),
  ];
  for (let count = 1; count < turns.length; count++) assert.equal(find(turns.slice(0, count)), 'more', `${count} segments`);
  assert.equal(find(turns), 'suspected');
});

test('context lets one burst or two count', () => {
  for (const [known, first, second] of [
    ['none', 'more', 'more'],
    ['host', 'suspected', 'suspected'],
    ['told', 'suspected', 'suspected'],
    ['endpoint', 'suspected', 'suspected'],
  ] as const satisfies readonly (readonly [Known, string, string])[]) {
    assert.equal(find(exchange(250), { known }), first, `${known}, one burst`);
    assert.equal(find(exchange(250, 300), { known }), second, `${known}, two bursts`);
  }
  for (const sizes of [[250], [250, 300], [250, 300, 200]]) {
    const finding = inspectSample(mse, exchange(...sizes), { known: 'host' });
    assert.ok(typeof finding === 'object' && finding.needsEndpoint === true, `a host alone does not raise ${sizes.length} bursts: its tunnels look the same`);
  }
  assert.equal(find(exchange(68), { known: 'told' }), 'suspected', 'the size of a handshake');
  assert.equal(find(exchange(67), { known: 'told' }), 'more');
});

test('services below port 1024 are suspected only when they are known peers', () => {
  const sizes = [250, 300, 200];
  assert.equal(find(exchange(...sizes), { dstPort: 443 }), 'more');
  assert.equal(find(exchange(...sizes), { dstPort: 443, known: 'host' }), 'more');
  assert.equal(find(exchange(...sizes), { dstPort: 443, known: 'told' }), 'suspected');
  // In the answer the service's port is the source.
  assert.equal(find(exchange(250, 300), { srcPort: 443, dstPort: 50000, known: 'host' }), 'more');
});

/** `first` with its first two bytes replaced by a length. */
function framed(bytes: Uint8Array, lengthBytes: number): Uint8Array {
  putU16(bytes, 0, lengthBytes);
  return bytes;
}

test('other openings are not suspected', () => {
  const rest = exchange(0, 200, 200).slice(1);
  const samples: Sample[] = [
    { name: 'short burst, eDonkey-like answer', turns: exchange(137, 13, 100), expected: 'no' },
    { name: 'burst too long', turns: exchange(609), expected: 'no' },
    { name: 'answer too long', turns: exchange(300, 609), expected: 'no' },
    { name: 'tunnel: answer that goes on', turns: [ask(noise(187)), answer(noise(269)), answer(noise(1448))], expected: 'no' },
    { name: 'third burst too long', turns: exchange(300, 300, 1593), expected: 'no' },
    { name: 'third burst too short', turns: exchange(300, 300, 55), expected: 'more' },
    { name: 'the responder speaks first', turns: [answer(noise(200)), ask(noise(200)), answer(noise(200))], expected: 'no' },
    { name: 'TLS record', turns: [ask(concat(Uint8Array.of(0x16, 3, 1, 1, 0x20), noise(288))), ...rest], expected: 'no' },
    { name: 'record of WeChat', turns: [ask(concat(Uint8Array.of(0x16, 0xf1, 3, 0, 0x60), noise(300))), ...rest], expected: 'no' },
    { name: 'version, type and a length (TDS)', turns: [ask(concat(Uint8Array.of(0x12, 0x01, 0x01, 0x20), noise(284))), ...rest], expected: 'no' },
    { name: 'magic word and a length of 24 bits (WhatsApp)', turns: [ask(concat(ascii('WA'), Uint8Array.of(6, 3, 0, 1, 0x20), noise(288))), ...rest], expected: 'no' },
    { name: 'type, stream and a length of 32 bits (Cassandra)', turns: [ask(concat(Uint8Array.of(4, 0, 0x7c, 0xf1, 9, 0, 0, 1, 0x20), noise(288))), ...rest], expected: 'no' },
    { name: 'magic word and a little-endian length', turns: [ask(concat(Uint8Array.of(0x9e, 0x31, 0xc4, 0x20, 1, 0, 0), noise(288))), ...rest], expected: 'no' },
    { name: 'text', turns: [ask(ascii('GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: test\r\nAccept: text/html, */*\r\n\r\n'))], expected: 'no' },
    { name: 'text answer', turns: [ask(noise(200)), answer(ascii('HTTP/1.1 400 Bad Request\r\n\r\n'))], expected: 'no' },
    { name: 'RLPx of EIP-8: length of the rest', turns: [ask(framed(noise(450), 448)), ...rest], expected: 'no' },
    { name: 'RLPx before EIP-8', turns: exchange(307, 210, 300), expected: 'no' },
    { name: 'length of all', turns: [ask(framed(noise(300), 300)), ...rest], expected: 'no' },
    { name: 'little-endian length of the rest, 4 bytes', turns: [ask(concat(Uint8Array.of(0x28, 1, 0, 0), noise(0x128))), ...rest], expected: 'no' },
    { name: 'version and a length of 3 bytes (Diameter)', turns: [ask(concat(Uint8Array.of(1, 0, 1, 0x2c), noise(0x128))), ...rest], expected: 'no' },
    { name: 'type and a little-endian length', turns: [ask(concat(Uint8Array.of(7, 0x28, 1, 0, 0), noise(0x128))), ...rest], expected: 'no' },
    { name: 'zeros', turns: [ask(new Uint8Array(200)), ...rest], expected: 'no' },
    { name: 'picked up in the middle', turns: exchange(300, 300, 300), expected: 'no', options: { fromStart: false } },
    { name: 'picked up in the middle, of a host that speaks BitTorrent', turns: exchange(300, 300, 300), expected: 'suspected', options: { fromStart: false, known: 'host' } },
  ];
  checkSamples(mse, samples);
});

test('the clear handshake is certain in message 4 or 5, wherever it stands in the segment', () => {
  const opening = exchange(300, 250, 130);
  checkSamples(mse, [
    { name: 'answer opens with it', turns: [...opening, answer(HANDSHAKE)], expected: 'certain' },
    { name: 'behind choice and padding', turns: [...opening, answer(concat(noise(94), HANDSHAKE))], expected: 'certain' },
    { name: 'opener sends it', turns: [...opening, answer(noise(45)), ask(HANDSHAKE)], expected: 'certain' },
    { name: 'inside message 3', turns: [...opening.slice(0, 2), ask(concat(noise(120), HANDSHAKE))], expected: 'certain' },
    { name: 'split over segments', turns: [...opening, answer(concat(noise(60), HANDSHAKE.subarray(0, 11))), answer(HANDSHAKE.subarray(11))], expected: 'certain' },
    { name: 'never comes', turns: [...opening, answer(noise(200)), ask(noise(68))], expected: 'more' },
    { name: 'comes too late', turns: [...opening, ...exchange(0, 99, 99, 99, 99, 99).slice(1), ask(HANDSHAKE)], expected: 'no' },
    { name: 'cut', turns: [...opening, answer(HANDSHAKE.subarray(0, 19))], expected: 'more' },
    { name: 'to a service port', turns: [...opening, answer(HANDSHAKE)], expected: 'certain', options: { srcPort: 443 } },
    { name: 'after an opening of another size', turns: [...exchange(700, 250, 130), answer(HANDSHAKE)], expected: 'no' },
  ]);
});
