import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { TCP } from '../detector.js';
import { sampleInspection } from '../sample.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { openft } from './openft.js';

const REQUEST = fromHex('0000 0000');
const RESPONSE = fromHex('0008 0001 0000 0002 0001 0006'); // length 8, command 1, version 0.2.1-6

test('the exchange of versions', () => {
  const handshake = featureOf(openft, 'handshake');
  checkSamples(handshake, [
    { name: 'asked and answered', turns: [ask(REQUEST), answer(concat(REQUEST, RESPONSE))], expected: 'certain' },
    { name: 'answered the other way', turns: [ask(REQUEST), answer(REQUEST), ask(RESPONSE)], expected: 'certain' },
    { name: 'not asked', turns: [answer(RESPONSE)], expected: 'suspected' },
    { name: 'asked and answered, without SYN', turns: [ask(REQUEST), answer(concat(REQUEST, RESPONSE))], expected: 'certain', options: { fromStart: false } },
    { name: 'absurd version', turns: [ask(REQUEST), answer(fromHex('0008 0001 0900 0002 0001 0006'))], expected: 'no' },
    { name: 'version zero', turns: [ask(REQUEST), answer(fromHex('0008 0001 0000 0000 0000 0000'))], expected: 'no' },
    { name: 'zeros only', turns: [ask(new Uint8Array(40))], expected: 'no' },
    { name: 'request alone', turns: [ask(REQUEST)], expected: 'more' },
  ]);
  checkTruncations(handshake, [ask(REQUEST), answer(concat(REQUEST, RESPONSE))]);
});

test('node lists tell nodes up to the sentinel', () => {
  const list = fromHex('0014 0005 0004 c0000201 04be 0001  0004 00000000 0000 0000');
  const told: string[] = [];
  const sink = {
    toldIpv4: (bytes: Uint8Array, at: number, port: number) => told.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: () => assert.fail('none'),
    listensOn: () => assert.fail('none'),
  };
  const input = sampleInspection(TCP, [ask(REQUEST), answer(concat(REQUEST, RESPONSE, list, list.subarray(0, 9)))]);
  assert.equal(featureOf(openft, 'handshake').harvest?.(input, sink), true);
  assert.deepEqual(told, ['192.0.2.1:1214']);
});

test('transfers', () => {
  checkSamples(featureOf(openft, 'transfer'), [
    { name: 'request', turns: [ask(ascii('GET /a.mp3 HTTP/1.1\r\nRange: bytes=0-9\r\nx-openftalias: me\r\n\r\n'))], expected: 'certain' },
    { name: 'answer', turns: [answer(ascii('HTTP/1.1 206 OK\r\nX-OpenftAlias: me\r\n'))], expected: 'certain' },
    { name: 'cut', turns: [ask(ascii('GET /a.mp3 HTTP/1.1\r\nRange: bytes=0-9\r\nx-open'))], expected: 'more' },
    { name: 'web', turns: [ask(ascii('GET /x-openftalias: HTTP/1.1\r\nHost: a\r\n\r\n'))], expected: 'no' },
  ]);
});

test('noise is not OpenFT', () => checkNoise(openft));
