import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { TCP, UDP } from '../detector.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { winmx } from './winmx.js';

const question = (name: string): Uint8Array =>
  concat(fromHex('1234 0100 0001 0000 0000 0000'), ...name.split('.').map((label) => concat(Uint8Array.of(label.length), ascii(label))), fromHex('00 0001 0001'));
const overTcp = (bytes: Uint8Array): Uint8Array => concat(Uint8Array.of(0, bytes.length), bytes);
const block = (bytes: number): Uint8Array => new Uint8Array(bytes).map((_, i) => (i * 73 + 41) & 0xff);

test('peer caches in DNS questions', () => {
  for (const transport of [UDP, TCP] as const) {
    const wrap = transport === TCP ? overTcp : (bytes: Uint8Array) => bytes;
    checkSamples(featureOf(winmx, 'dns', transport), [
      { name: 'official cache', turns: [ask(wrap(question('c3310.z1301.winmx.com')))], expected: 'likely' },
      { name: 'any letter case', turns: [ask(wrap(question('C3531.Z1304.WinMX.com')))], expected: 'likely' },
      { name: 'cache of a patch', turns: [ask(wrap(question('cache1.winmxgroup.com')))], expected: 'likely' },
      { name: 'the web site', turns: [ask(wrap(question('www.winmx.com')))], expected: 'no' },
      { name: 'the bare domain', turns: [ask(wrap(question('winmx.com')))], expected: 'no' },
      { name: 'a longer domain', turns: [ask(wrap(question('c3310.z1301.notwinmx.com')))], expected: 'no' },
    ]);
  }
});

test('the start of a session and the list of a cache', () => {
  const start = featureOf(winmx, 'start');
  const list = concat(ascii('8'), block(16), new Uint8Array(132));
  list.set(fromHex('7edf'), 135);
  list.set(fromHex('f792'), 147);
  checkSamples(start, [
    { name: '8, then 16 bytes each way', turns: [answer(ascii('8')), ask(block(16)), answer(block(16))], expected: 'likely' },
    { name: 'greeting alone', turns: [answer(ascii('8'))], expected: 'more' },
    { name: '17 bytes from the client', turns: [answer(ascii('8')), ask(block(17)), answer(block(16))], expected: 'no' },
    { name: 'the client sends the 8', turns: [ask(ascii('8')), answer(block(16)), ask(block(16))], expected: 'more' },
    { name: 'list with its constants', turns: [answer(list)], expected: 'certain' },
    { name: 'list without them', turns: [answer(concat(ascii('8'), block(148)))], expected: 'no' },
    { name: 'text that begins with 8', turns: [answer(ascii('8 users online\r\n'))], expected: 'no' },
  ]);
});

test('transfers show the nickname that WinMX makes', () => {
  const transfer = featureOf(winmx, 'transfer');
  const request = ascii('GETfoo123_45678 "C:\\Shared\\a.mp3" 0');
  checkSamples(transfer, [
    { name: 'after the greeting', turns: [answer(ascii('1')), ask(request)], expected: 'certain' },
    { name: 'without it', turns: [ask(request)], expected: 'likely' },
    { name: 'another nickname', turns: [answer(ascii('1')), ask(ascii('GETfoo "a.mp3" 0'))], expected: 'no' },
    { name: 'web request', turns: [ask(ascii('GET /a_45678 HTTP/1.1'))], expected: 'no' },
  ]);
  checkTruncations(transfer, [answer(ascii('1')), ask(request)]);
});

test('noise is not WinMX', () => checkNoise(winmx));
