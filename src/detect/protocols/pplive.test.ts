import { test } from 'node:test';
import { concat, fromHex } from '../../base/bytes.js';
import { answer, ask, checkNoise, checkSamples, featureOf } from '../../../test/support/detector-table.js';
import { pplive } from './pplive.js';

const datagram = (word: string, total: number): Uint8Array => concat(fromHex(word), new Uint8Array(total - 4));

test('header words', () => {
  checkSamples(featureOf(pplive, 'peer'), [
    { name: 'request of the usual length', turns: [ask(datagram('e9034101', 57))], expected: 'likely' },
    { name: 'request of another length', turns: [ask(datagram('e9034101', 60))], expected: 'suspected' },
    { name: 'request and answer', turns: [ask(datagram('e9034101', 60)), answer(datagram('e9034201', 40))], expected: 'certain' },
    { name: 'older client', turns: [ask(datagram('1c1c3201', 30)), answer(datagram('1c1c3201', 30))], expected: 'certain' },
    { name: 'twice the same way', turns: [ask(datagram('1c1c3201', 30)), ask(datagram('1c1c3201', 30))], expected: 'suspected' },
    { name: 'old word answered with a new one', turns: [ask(datagram('1c1c3201', 30)), answer(datagram('e9034201', 30))], expected: 'suspected' },
    { name: 'the word alone', turns: [ask(fromHex('e9034101'))], expected: 'no' },
    { name: 'another word', turns: [ask(datagram('e9034301', 57))], expected: 'no' },
  ]);
});

test('noise is not PPLive', () => checkNoise(pplive));
