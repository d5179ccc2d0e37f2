import { test } from 'node:test';
import { fromHex } from '../../base/bytes.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { sopcast } from './sopcast.js';

function datagram(hex: string, total: number): Uint8Array {
  const out = new Uint8Array(total).fill(0x3c);
  out.set(fromHex(hex));
  return out;
}

const REQUEST = datagram('ffff 01 00 00000000 02 ff 002c 0000 00', 52);

test('datagrams', () => {
  const peer = featureOf(sopcast, 'peer');
  checkSamples(peer, [
    { name: 'request', turns: [ask(REQUEST)], expected: 'certain' },
    { name: 'control of two messages', turns: [ask(REQUEST), answer(datagram('0005 02 00 00000000 01 ff 0014 0000', 80))], expected: 'certain' },
    { name: 'version 7', turns: [ask(datagram('0002 01 07 03000000 06 01 0022 0000', 42))], expected: 'certain' },
    { name: 'length that does not fit', turns: [ask(datagram('ffff 01 00 00000000 02 ff 002d 0000 00', 52))], expected: 'no' },
    { name: 'unknown message', turns: [ask(datagram('ffff 01 00 00000000 07 ff 002c 0000 00', 52))], expected: 'no' },
    { name: 'flag 1 without version 7', turns: [ask(datagram('0002 01 06 03000000 06 01 0022 0000', 42))], expected: 'no' },
  ]);
  checkTruncations(peer, [ask(REQUEST)]);
});

test('TCP openings', () => {
  const opening = new Uint8Array(54).map((_, i) => 0x40 + ((i * 7) % 100));
  opening.set(fromHex('3600 60 64 61'));
  opening[28] = 0x61;
  opening[53] = opening[42] ?? 0;
  opening.set(fromHex('50 51 52 00 50 51 52'), 45);
  const feature = featureOf(sopcast, 'opening');
  const broken = opening.slice();
  broken[51] = 0;
  checkSamples(feature, [
    { name: 'opening', turns: [ask(opening)], expected: 'certain' },
    { name: 'a repeated byte differs', turns: [ask(broken)], expected: 'no' },
  ]);
  checkTruncations(feature, [ask(opening)]);
});

test('noise is not SopCast', () => checkNoise(sopcast));
