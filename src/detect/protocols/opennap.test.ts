import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { opennap } from './opennap.js';

const message = (type: number, data: string): Uint8Array => concat(Uint8Array.of(data.length, data.length >>> 8, type, type >>> 8), ascii(data));
const LOGIN = message(2, 'foo badpass 6699 "nap v0.8" 3');
const LISTENER = answer(ascii('1'));

test('logins of OpenNap clients', () => {
  const login = featureOf(opennap, 'login');
  checkSamples(login, [
    { name: 'the example of the protocol description', turns: [ask(LOGIN)], expected: 'certain' },
    { name: 'with a build number', turns: [ask(message(2, 'a b 0 "WinMX v2.6" 9 123'))], expected: 'certain' },
    { name: 'registration', turns: [ask(message(6, 'foo bar 6699 "nap v0.8" 3 foo@example.org'))], expected: 'certain' },
    { name: 'more messages behind it', turns: [ask(concat(LOGIN, message(208, 'friend')))], expected: 'certain' },
    { name: 'client name not quoted', turns: [ask(message(2, 'foo badpass 6699 nap v0.8 3'))], expected: 'no' },
    { name: 'length too short', turns: [ask(concat(Uint8Array.of(20, 0), LOGIN.subarray(2)))], expected: 'no' },
    { name: 'binary behind such a header', turns: [ask(fromHex('1d00 0200 00010203'))], expected: 'no' },
    { name: 'without its SYN', turns: [ask(LOGIN)], expected: 'certain', options: { fromStart: false } },
  ]);
  checkTruncations(login, [ask(LOGIN)]);
  checkSamples(featureOf(opennap, 'login-answer'), [
    { name: 'accepted', turns: [ask(LOGIN), answer(message(3, 'foo@example.org'))], expected: 'certain' },
    { name: 'refused', turns: [ask(LOGIN), answer(message(0, 'Invalid password'))], expected: 'certain' },
    { name: 'the same bytes to somebody else', turns: [ask(ascii('hello there')), answer(message(3, 'foo@example.org'))], expected: 'no' },
  ]);
});

test('transfers between clients', () => {
  const transfer = featureOf(opennap, 'transfer');
  const request = ascii('GETfoo "C:\\MP3\\a b.mp3" 0');
  checkSamples(transfer, [
    { name: 'download', turns: [LISTENER, ask(request)], expected: 'certain' },
    { name: 'in two segments', turns: [LISTENER, ask(ascii('GET')), ask(request.subarray(3))], expected: 'certain' },
    { name: 'push', turns: [LISTENER, ask(ascii('SENDfoo "a.mp3" 4194304'))], expected: 'certain' },
    { name: 'the listener has not spoken', turns: [ask(request)], expected: 'likely' },
    { name: 'browse', turns: [LISTENER, ask(ascii('GETLIST'))], expected: 'likely' },
    { name: 'answer to a browse', turns: [LISTENER, ask(ascii('SENDLIST foo\n'))], expected: 'likely' },
    { name: 'verb alone', turns: [LISTENER, ask(ascii('GET'))], expected: 'more' },
    { name: 'web request', turns: [ask(ascii('GET /index.html HTTP/1.1\r\n'))], expected: 'no' },
    { name: 'web request with quotes', turns: [ask(ascii('GET /"a b" 0'))], expected: 'no' },
    { name: 'WinMX, which has its own detector', turns: [LISTENER, ask(ascii('GETfoo123_45678 "a.mp3" 0'))], expected: 'no' },
    { name: 'other verb', turns: [LISTENER, ask(ascii('SENDER is unknown'))], expected: 'no' },
  ]);
  checkTruncations(transfer, [LISTENER, ask(request)]);
});

test('noise is not OpenNap', () => checkNoise(opennap));
