import { test } from 'node:test';
import { concat, fromHex } from '../../base/bytes.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { ppstream } from './ppstream.js';

/** Length (all but four bytes), then the given bytes, then filling. */
function datagram(hex: string, total: number): Uint8Array {
  const head = fromHex(hex);
  const out = concat(Uint8Array.of(total - 4, (total - 4) >>> 8), head, new Uint8Array(total - 2 - head.length));
  return out.fill(0x77, 2 + head.length + 12);
}

const WITH_CONSTANTS = datagram('43 00 aa ff 00 01 00000000000000', 60);
const PLAIN = datagram('43 46 1234567890', 48);

test('peer datagrams', () => {
  const peer = featureOf(ppstream, 'peer');
  checkSamples(peer, [
    { name: 'with the constants of its command', turns: [ask(WITH_CONSTANTS)], expected: 'certain' },
    { name: 'known command only', turns: [ask(PLAIN)], expected: 'suspected' },
    { name: 'in both directions, third datagram', turns: [ask(PLAIN), answer(PLAIN), ask(PLAIN)], expected: 'certain' },
    { name: 'in both directions, second datagram', turns: [ask(PLAIN), answer(PLAIN)], expected: 'suspected' },
    { name: 'one direction only', turns: [ask(PLAIN), ask(PLAIN), ask(PLAIN)], expected: 'suspected' },
    { name: 'length off by one', turns: [ask(concat(PLAIN, Uint8Array.of(0)))], expected: 'no' },
    { name: 'unknown command', turns: [ask(datagram('43 47', 48).fill(0x99, 3, 4))], expected: 'no' },
  ]);
  // Cut by four bytes, the length field counts all bytes instead: that form exists too.
  checkTruncations(peer, [ask(WITH_CONSTANTS)], undefined, 56);
});

test('masked datagrams need a known endpoint', () => {
  const masked = featureOf(ppstream, 'masked');
  const bytes = concat(fromHex('15 80 51 10 10'), new Uint8Array(19));
  checkSamples(masked, [
    { name: 'nothing known', turns: [ask(bytes)], expected: 'no' },
    { name: 'endpoint known', turns: [ask(bytes)], expected: 'suspected', options: { known: 'endpoint' } },
    { name: 'bytes not repeated', turns: [ask(fromHex('15805110110000000000000000000000000000000000'))], expected: 'no', options: { known: 'endpoint' } },
  ]);
});

test('noise is not PPStream', () => checkNoise(ppstream));
