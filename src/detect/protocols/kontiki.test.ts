import { test } from 'node:test';
import { concat, fromHex } from '../../base/bytes.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { kontiki } from './kontiki.js';

const OPEN = fromHex('02 05 02 00  11223344 0a000001  0000 04e4  02040100'); // connection, sequence, segment size, option
const OPENED = fromHex('02 07 06 00  11223344 55667788 2c000005 0a000001  0000 04e4  01040063');
const data = (sequence: string, acknowledged: string): Uint8Array => concat(fromHex('02 05 04 00 55667788'), fromHex(sequence), fromHex(acknowledged), fromHex('00000001'), new Uint8Array(40).fill(0x9e));

test('segments of the reliable transport', () => {
  const segment = featureOf(kontiki, 'segment');
  checkSamples(segment, [
    { name: 'request', turns: [ask(OPEN)], expected: 'certain' },
    { name: 'answer', turns: [ask(OPEN), answer(OPENED)], expected: 'certain' },
    { name: 'data by itself', turns: [ask(data('0a000001', '2c000005'))], expected: 'likely' },
    { name: 'data answered', turns: [ask(data('0a000001', '2c000005')), answer(data('2c000006', '0a000001'))], expected: 'certain' },
    { name: 'acknowledgement of data', turns: [answer(data('2c000006', '0a000001')), ask(fromHex('02 04 24 00 11223344 0a000002 2c000006'))], expected: 'certain' },
    { name: 'data with unrelated numbers', turns: [ask(data('0a000001', '2c000005')), answer(data('99000000', '77000000'))], expected: 'likely' },
    { name: 'segment size alone', turns: [ask(fromHex('02 04 02 00  11223344 0a000001  0000 04e4'))], expected: 'likely' },
    { name: 'segment size alone, bytes behind it', turns: [ask(fromHex('02 04 02 00  11223344 0a000001  0000 04e4 00'))], expected: 'no' },
    { name: 'absurd segment size', turns: [ask(fromHex('02 05 02 00  11223344 0a000001  0000 0004  02040100'))], expected: 'no' },
    { name: 'unknown flags', turns: [ask(fromHex('02 05 52 00  11223344 0a000001  0000 04e4  02040100'))], expected: 'no' },
    { name: 'header longer than the datagram', turns: [ask(OPEN.slice().fill(7, 1, 2))], expected: 'no' },
  ]);
  checkTruncations(segment, [ask(OPEN)]);
  checkSamples(featureOf(kontiki, 'probe'), [
    { name: 'probe', turns: [ask(fromHex('02010100'))], expected: 'suspected' },
    { name: 'five bytes', turns: [ask(fromHex('0201010000'))], expected: 'no' },
  ]);
});

test('noise is not Kontiki', () => checkNoise(kontiki));
