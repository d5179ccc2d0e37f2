import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { TCP, UDP } from '../detector.js';
import { sampleInspection } from '../sample.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { ares } from './ares.js';

const OPENING = fromHex('0300 5a 06 06 05'); // length 3, type 0x5A, no encryption, mark
const SERVER_PORT = 29344;

/** An answer hidden with the port: children, GUID, seeds, then one node 192.0.2.7:1214. */
function hiddenAnswer(type: number): Uint8Array {
  const plain = concat(fromHex('1c01'), new Uint8Array(16).fill(0x5e), fromHex('aabbcc'), fromHex('c0000207 be04'));
  const out = concat(Uint8Array.of(plain.length, 0, type), plain);
  let key = SERVER_PORT;
  for (let i = 3; i < out.length; i++) {
    const sealed = ((out[i] ?? 0) ^ (key >>> 8)) & 0xff;
    out[i] = sealed;
    key = (Math.imul(key + sealed, 0x5ca0) + 0x15ec) & 0xffff;
  }
  return out;
}

function sinkInto(told: string[]) {
  return {
    toldIpv4: (bytes: Uint8Array, at: number, port: number) => told.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: () => assert.fail('none'),
    listensOn: () => assert.fail('none'),
  };
}

test('session openings and answers', () => {
  const handshake = featureOf(ares, 'handshake');
  checkSamples(handshake, [
    { name: 'no encryption asked', turns: [ask(OPENING)], expected: 'certain' },
    { name: 'older client', turns: [ask(fromHex('0300 5a 91 3c 05'))], expected: 'suspected' },
    { name: 'older client, answered', turns: [ask(fromHex('0300 5a 91 3c 05')), answer(hiddenAnswer(0x38)), ask(Uint8Array.of(9))], expected: 'certain' },
    { name: 'no mark', turns: [ask(fromHex('0300 5a 06 06 04'))], expected: 'no' },
    { name: 'without its SYN', turns: [ask(OPENING)], expected: 'certain', options: { fromStart: false } },
  ]);
  checkTruncations(handshake, [ask(OPENING)]);
  checkSamples(featureOf(ares, 'handshake-answer'), [
    { name: 'answer', turns: [ask(fromHex('0300 5a 91 3c 05')), answer(hiddenAnswer(0x3c))], expected: 'certain' },
    { name: 'answer whose length does not fit', turns: [ask(OPENING), answer(fromHex('0300 3c 000000000000'))], expected: 'no' },
    { name: 'without an opening', turns: [ask(ascii('hello!')), answer(hiddenAnswer(0x3c))], expected: 'no' },
  ]);
});

test('the answer names supernodes, readable with the port of its sender', () => {
  const told: string[] = [];
  const input = sampleInspection(TCP, [ask(OPENING), answer(hiddenAnswer(0x3c))], { srcPort: SERVER_PORT });
  featureOf(ares, 'handshake').harvest?.(input, sinkInto(told));
  assert.deepEqual(told, ['192.0.2.7:1214']);
});

test('transfers, pushes and fields', () => {
  checkSamples(featureOf(ares, 'transfer'), [
    { name: 'request', turns: [ask(ascii('GET sha1:AbCdEfGhIjKlMnOpQrStUvWxYz0= HTTP/1.1\r\n'))], expected: 'certain' },
    { name: 'too short', turns: [ask(ascii('GET sha1:AbCd HTTP/1.1\r\n'))], expected: 'no' },
  ]);
  checkTruncations(featureOf(ares, 'transfer'), [ask(ascii('GET sha1:AbCdEfGhIjKlMnOpQrStUvWxYz0= HTTP/1.1'))], undefined, 36);
  checkSamples(featureOf(ares, 'push'), [
    { name: 'push', turns: [ask(ascii(`PUSH SHA1:${'AB'.repeat(20)}01020304\n\n`))], expected: 'certain' },
    { name: 'cut hash', turns: [ask(ascii('PUSH SHA1:ABCD\n\n'))], expected: 'no' },
  ]);
  checkSamples(featureOf(ares, 'transfer-fields'), [
    { name: 'own field', turns: [answer(ascii('HTTP/1.1 206 OK\r\nx-b6st: abc\r\n\r\n'))], expected: 'certain' },
    { name: 'server name', turns: [answer(ascii('HTTP/1.1 200 OK\r\nServer: Ares 2.1.7\r\n\r\n'))], expected: 'likely' },
    { name: 'a server of another name', turns: [answer(ascii('HTTP/1.1 200 OK\r\nServer: Aresa\r\n\r\n'))], expected: 'no' },
  ]);
});

test('datagrams of the hash table', () => {
  const dht = featureOf(ares, 'dht');
  const contact = (type: number): Uint8Array => concat(new Uint8Array(16).fill(0x57), fromHex('c0000207'), fromHex('be04 be04'), Uint8Array.of(type));
  const nodes = concat(fromHex('e961'), new Uint8Array(16).fill(3), Uint8Array.of(2), contact(0), contact(2));
  checkSamples(dht, [
    { name: 'hello', turns: [ask(concat(fromHex('e955'), contact(0)))], expected: 'certain' },
    { name: 'hello with two ports', turns: [ask(concat(fromHex('e955'), contact(0).fill(9, 22, 23)))], expected: 'no' },
    { name: 'bootstrap answer', turns: [ask(concat(fromHex('e951 0100'), contact(1)))], expected: 'certain' },
    { name: 'two nodes', turns: [ask(nodes)], expected: 'certain' },
    { name: 'no node', turns: [ask(concat(nodes.subarray(0, 18), Uint8Array.of(0)))], expected: 'suspected' },
    { name: 'search for a node', turns: [ask(concat(fromHex('e960'), new Uint8Array(32)))], expected: 'suspected' },
    { name: 'search', turns: [ask(concat(fromHex('e975'), new Uint8Array(40)))], expected: 'suspected' },
    { name: 'end of a search', turns: [ask(concat(fromHex('e976'), new Uint8Array(16)))], expected: 'suspected' },
    { name: 'end of a search, too long', turns: [ask(concat(fromHex('e976'), new Uint8Array(17)))], expected: 'no' },
    { name: 'absurd contact type', turns: [ask(concat(fromHex('e951 0100'), contact(9)))], expected: 'no' },
    { name: 'question to DNS with the number of a search', turns: [ask(concat(fromHex('e975 0100 0001 0000 0000 0000 05'), ascii('apple'), fromHex('03'), ascii('com'), fromHex('00 0001 0001')))], expected: 'no' },
    { name: 'small numbers', turns: [ask(concat(fromHex('e955'), contact(0).fill(2, 0, 16)))], expected: 'no' },
    { name: 'Kad of eMule', turns: [ask(concat(fromHex('e455'), contact(0)))], expected: 'no' },
  ]);
  checkTruncations(dht, [ask(nodes)]);
  checkSamples(featureOf(ares, 'dht-packed'), [
    { name: 'packed search', turns: [ask(concat(fromHex('ea75 789c'), new Uint8Array(40)))], expected: 'likely' },
    { name: 'packed, other command', turns: [ask(concat(fromHex('ea77 789c'), new Uint8Array(40)))], expected: 'no' },
    { name: 'header alone', turns: [ask(fromHex('ea75 789c 0300'))], expected: 'no' },
  ]);
  const told: string[] = [];
  dht.harvest?.(sampleInspection(UDP, [ask(nodes)]), sinkInto(told));
  assert.deepEqual(told, ['192.0.2.7:1214', '192.0.2.7:1214']);
});

test('noise is not Ares', () => checkNoise(ares));
