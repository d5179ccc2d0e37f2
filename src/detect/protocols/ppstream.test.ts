import { test } from 'node:test';
import assert from 'node:assert/strict';
import { concat, fromHex } from '../../base/bytes.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { UDP } from '../detector.js';
import { sampleInspection } from '../sample.js';
import { ppstream } from './ppstream.js';

/** Length (all but `hidden` bytes), then the given bytes, then filling. */
function datagram(hex: string, total: number, hidden = 4): Uint8Array {
  const head = fromHex(hex);
  const out = new Uint8Array(total).fill(0x77);
  out.set(concat(Uint8Array.of(total - hidden, (total - hidden) >>> 8), head));
  return out;
}

const HANDSHAKE = datagram('43 00008200', 120);
const PLAIN = datagram('43 22 1234567890', 48);

test('peer and tracker messages are known by their first datagram', () => {
  const peer = featureOf(ppstream, 'peer');
  checkSamples(peer, [
    { name: 'handshake', turns: [ask(HANDSHAKE)], expected: 'certain' },
    { name: 'data request, whole length', turns: [ask(datagram('43 0000d800', 80, 0))], expected: 'certain' },
    { name: 'request of peers', turns: [ask(datagram('43 4a71ff00 03000000', 76, 0))], expected: 'certain' },
    { name: 'answer of a tracker', turns: [ask(datagram('43 4917ff00 01000000', 90))], expected: 'certain' },
    { name: 'length and type of 16 bits', turns: [ask(datagram('43 00112233', 80))], expected: 'no' },
    { name: 'unknown peer type', turns: [ask(datagram('43 00008300', 80))], expected: 'suspected' },
    { name: 'tracker type with other constants', turns: [ask(datagram('43 4a71fe00', 80))], expected: 'suspected' },
    { name: 'length off by one', turns: [ask(concat(HANDSHAKE, Uint8Array.of(0)))], expected: 'no' },
  ]);
  // Cut by four bytes, the length field counts all bytes instead: that form exists too.
  checkTruncations(peer, [ask(HANDSHAKE)], undefined, 114);
});

test('commands of the other families need constants or a dialogue', () => {
  checkSamples(featureOf(ppstream, 'peer'), [
    { name: 'known command only', turns: [ask(PLAIN)], expected: 'suspected' },
    { name: 'both directions, third datagram', turns: [ask(PLAIN), answer(PLAIN), ask(PLAIN)], expected: 'likely' },
    { name: 'a word that goes on is text', turns: [ask(datagram('43 4d 4d 41 4e 44', 48))], expected: 'no' },
    { name: 'both directions, second datagram', turns: [ask(PLAIN), answer(PLAIN)], expected: 'suspected' },
    { name: 'one direction only', turns: [ask(PLAIN), ask(PLAIN), ask(PLAIN)], expected: 'suspected' },
    { name: 'family 44 with its zeros', turns: [ask(datagram('44 7317 00000000 7777777777 00000000000000', 60))], expected: 'certain' },
    { name: 'family 55 with its zeros', turns: [ask(datagram('55 7217 00000000 7777777777 00000000000000', 60))], expected: 'certain' },
    { name: 'family 43 with its constants', turns: [ask(datagram('43 5071 ff0001 00000000000000 7777777777777777', 60))], expected: 'certain' },
    { name: 'family 43, one constant differs', turns: [ask(datagram('43 5071 ff0002 00000000000000 7777777777777777', 60))], expected: 'no' },
    { name: 'unknown command', turns: [ask(datagram('43 99', 48))], expected: 'no' },
  ]);
});

test('trackers tell peers', () => {
  const list = concat(fromHex('43 4b17ff00 0b000000 14'), new Uint8Array(20), new Uint8Array(7), fromHex('0002 0c8101'), fromHex('0b c0000207 d204 0000 0c8101'), fromHex('0b c0000208 d304 0000 0c8101'));
  const bytes = concat(Uint8Array.of(list.length + 2, 0), list);
  const told: string[] = [];
  const sink = {
    toldIpv4: (from: Uint8Array, at: number, port: number) => told.push(`${from.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: () => assert.fail('none'),
    listensOn: () => assert.fail('none'),
  };
  featureOf(ppstream, 'peer').harvest?.(sampleInspection(UDP, [ask(bytes)]), sink);
  assert.deepEqual(told, ['192.0.2.7:1234', '192.0.2.8:1235']);
});

test('masked datagrams need a known endpoint', () => {
  const masked = featureOf(ppstream, 'masked');
  const bytes = concat(fromHex('15 80 51 10 10'), new Uint8Array(19));
  checkSamples(masked, [
    { name: 'nothing known', turns: [ask(bytes)], expected: 'no' },
    { name: 'host known', turns: [ask(bytes)], expected: 'no', options: { known: 'host' } },
    { name: 'endpoint known', turns: [ask(bytes)], expected: 'suspected', options: { known: 'endpoint' } },
    { name: 'bytes not repeated', turns: [ask(fromHex('15805110110000000000000000000000000000000000'))], expected: 'no', options: { known: 'endpoint' } },
  ]);
});

test('noise is not PPStream', () => checkNoise(ppstream));
