import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { thunder } from './thunder.js';

const FRAME = concat(fromHex('36000000 01000000 10000000'), new Uint8Array(16).fill(0xb7)); // version, sequence, length, body
const post = (length: number, body: Uint8Array): Uint8Array =>
  concat(ascii(`POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\nContent-Length: ${length}\r\n\r\n`), body);

test('frames posted to hubs', () => {
  const hub = featureOf(thunder, 'hub');
  checkSamples(hub, [
    { name: 'length fits', turns: [ask(post(28, FRAME))], expected: 'certain' },
    { name: 'length does not', turns: [ask(post(99, FRAME))], expected: 'suspected' },
    { name: 'another body', turns: [ask(post(28, new Uint8Array(28).fill(0x41)))], expected: 'no' },
    { name: 'another path', turns: [ask(ascii('POST /upload HTTP/1.1\r\n\r\n'))], expected: 'no' },
    { name: 'not posted', turns: [ask(ascii('GET / HTTP/1.1\r\n\r\n'))], expected: 'no' },
  ]);
  checkTruncations(hub, [ask(post(28, FRAME))], undefined, post(28, FRAME).length - 16);
});

test('frames at the start of streams', () => {
  const stream = featureOf(thunder, 'stream');
  checkSamples(stream, [
    { name: 'length fits', turns: [ask(FRAME)], expected: 'suspected' },
    { name: 'more than the frame', turns: [ask(concat(FRAME, FRAME))], expected: 'no' },
    { name: 'length in front, as databases do', turns: [ask(fromHex('3a000000 01000000 00000000 d4070000'))], expected: 'no' },
    { name: 'mid-stream', turns: [ask(FRAME)], expected: 'no', options: { fromStart: false } },
  ]);
  checkTruncations(stream, [ask(FRAME)]);
});

test('datagrams are suspected at most', () => {
  const first = concat(fromHex('32000000'), new Uint8Array(20));
  checkSamples(featureOf(thunder, 'datagram'), [
    { name: 'one', turns: [ask(first)], expected: 'more' },
    { name: 'one from a known endpoint', turns: [ask(first)], expected: 'suspected', options: { known: 'endpoint' } },
    { name: 'four in both directions', turns: [ask(first), answer(first), ask(first), answer(first)], expected: 'suspected' },
    { name: 'four in one direction', turns: [ask(first), ask(first), ask(first), ask(first)], expected: 'more' },
    { name: 'another version word', turns: [ask(concat(fromHex('40000000'), new Uint8Array(20)))], expected: 'no' },
  ]);
});

test('hub names', () => {
  const question = (name: string): Uint8Array =>
    concat(fromHex('1234 0100 0001 0000 0000 0000'), ...name.split('.').map((label) => concat(Uint8Array.of(label.length), ascii(label))), fromHex('00 0001 0001'));
  checkSamples(featureOf(thunder, 'dns'), [
    { name: 'hub', turns: [ask(question('hub5btmain.sandai.net'))], expected: 'likely' },
    { name: 'regional hub', turns: [ask(question('hub5pnc.hz.sandai.net'))], expected: 'likely' },
    { name: 'web site', turns: [ask(question('www.sandai.net'))], expected: 'no' },
  ]);
});

test('noise is not Thunder', () => checkNoise(thunder));
