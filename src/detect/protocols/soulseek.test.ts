import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { answer, ask, checkNoise, checkSamples, checkTruncations, featureOf } from '../../../test/support/detector-table.js';
import { soulseek } from './soulseek.js';

const u32 = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
const string = (value: string): Uint8Array => concat(u32(value.length), ascii(value));
const framed = (...parts: Uint8Array[]): Uint8Array => {
  const body = concat(...parts);
  return concat(u32(body.length), body);
};
const MD5 = 'd41d8cd98f00b204e9800998ecf8427e';
const LOGIN = framed(u32(1), string('tester'), string('secret'), u32(160), string(MD5), u32(17));
const OLD_LOGIN = framed(u32(1), string('tester'), string('secret'), u32(182));
const PEER_INIT = framed(Uint8Array.of(1), string('someone'), string('P'), u32(0));
const PIERCE = framed(Uint8Array.of(0), u32(0x12345678));
const SHARES_REQUEST = framed(u32(4));

/** Key first, then the message XOR the key rotated left by one bit for each four bytes. */
function obfuscate(message: Uint8Array, key: number): Uint8Array {
  const out = concat(u32(key), message);
  let turned = key;
  for (let i = 0; i < message.length; i++) {
    if (i % 4 === 0) turned = ((turned << 1) | (turned >>> 31)) >>> 0;
    out[4 + i] = (message[i] ?? 0) ^ ((turned >>> (8 * (i % 4))) & 0xff);
  }
  return out;
}

test('logins and their answers', () => {
  const login = featureOf(soulseek, 'login');
  checkSamples(login, [
    { name: 'today', turns: [ask(LOGIN)], expected: 'certain' },
    { name: 'before 2003, without MD5', turns: [ask(OLD_LOGIN)], expected: 'suspected' },
    { name: 'length that does not fit', turns: [ask(concat(u32(LOGIN.length), LOGIN.subarray(4)))], expected: 'no' },
    { name: 'control character in the name', turns: [ask(framed(u32(1), string('te\u0001ter'), string('x'), u32(160)))], expected: 'no' },
    { name: 'no hexadecimal digits', turns: [ask(framed(u32(1), string('t'), string('x'), u32(160), string('z'.repeat(32)), u32(1)))], expected: 'no' },
    { name: 'without its SYN', turns: [ask(LOGIN)], expected: 'certain', options: { fromStart: false } },
    { name: 'another program of that form, version 2', turns: [ask(framed(u32(1), string('tester'), string('secret'), u32(2)))], expected: 'no' },
    { name: 'before 2003, without its SYN', turns: [ask(OLD_LOGIN)], expected: 'no', options: { fromStart: false } },
  ]);
  checkTruncations(login, [ask(LOGIN)], undefined, LOGIN.length - 4);
  const greeting = framed(u32(1), Uint8Array.of(1), string('Welcome'), u32(0x0100007f), string(MD5), Uint8Array.of(0));
  const reply = featureOf(soulseek, 'login-answer');
  checkSamples(reply, [
    { name: 'accepted', turns: [ask(LOGIN), answer(greeting)], expected: 'certain' },
    { name: 'refused', turns: [ask(LOGIN), answer(framed(u32(1), Uint8Array.of(0), string('INVALIDPASS')))], expected: 'certain' },
    { name: 'another program refuses', turns: [ask(LOGIN), answer(framed(u32(1), Uint8Array.of(0), string('no such account')))], expected: 'no' },
    { name: 'other code', turns: [ask(LOGIN), answer(framed(u32(2), Uint8Array.of(1), string('x')))], expected: 'no' },
  ]);
  checkTruncations(reply, [ask(LOGIN), answer(greeting)], undefined, greeting.length - 1);
});

test('peer initialisation, clear and obfuscated', () => {
  const init = featureOf(soulseek, 'peer-init');
  checkSamples(init, [
    { name: 'peer', turns: [ask(PEER_INIT)], expected: 'certain' },
    { name: 'without its SYN', turns: [ask(PEER_INIT)], expected: 'certain', options: { fromStart: false } },
    { name: 'file', turns: [ask(framed(Uint8Array.of(1), string('x'), string('F'), u32(7)))], expected: 'certain' },
    { name: 'followed by a message', turns: [ask(concat(PEER_INIT, SHARES_REQUEST))], expected: 'certain' },
    { name: 'unknown type', turns: [ask(framed(Uint8Array.of(1), string('x'), string('Q'), u32(7)))], expected: 'no' },
    { name: 'length off by one', turns: [ask(concat(u32(PEER_INIT.length - 3), PEER_INIT.subarray(4)))], expected: 'no' },
  ]);
  checkTruncations(init, [ask(PEER_INIT)], undefined, PEER_INIT.length - 4);
  const hidden = featureOf(soulseek, 'peer-init-obfuscated');
  const secret = obfuscate(PEER_INIT, 0x9b3c51e7);
  checkSamples(hidden, [
    { name: 'obfuscated', turns: [ask(secret)], expected: 'certain' },
    { name: 'obfuscated and more', turns: [ask(concat(secret, secret))], expected: 'certain' },
    { name: 'another key stands before it', turns: [ask(concat(u32(1), secret.subarray(4)))], expected: 'no' },
  ]);
  checkTruncations(hidden, [ask(secret)], undefined, secret.length - 4);
});

test('the answer to a piercing shows what it was for, with nothing behind it', () => {
  const packed = framed(u32(9), fromHex('789c 0300 0000 0001'));
  checkSamples(featureOf(soulseek, 'pierce-answer'), [
    { name: 'packed search reply', turns: [ask(PIERCE), answer(packed)], expected: 'certain' },
    { name: 'request for a list of shares', turns: [ask(PIERCE), answer(SHARES_REQUEST)], expected: 'likely' },
    { name: 'half of it', turns: [ask(PIERCE), answer(SHARES_REQUEST.subarray(0, 5))], expected: 'more' },
    { name: 'another code', turns: [ask(PIERCE), answer(framed(u32(77)))], expected: 'no' },
    { name: 'small numbers', turns: [ask(PIERCE), answer(concat(u32(6), u32(5), u32(2), u32(7), u32(1)))], expected: 'no' },
    { name: 'to another opening', turns: [ask(u32(5)), answer(packed)], expected: 'no' },
    { name: 'of the opener', turns: [ask(concat(PIERCE, packed))], expected: 'no' },
  ]);
});

test('firewall piercing needs company', () => {
  const pierce = featureOf(soulseek, 'pierce-firewall');
  checkSamples(pierce, [
    { name: 'alone', turns: [ask(PIERCE)], expected: 'suspected' },
    { name: 'with a peer message behind it', turns: [ask(concat(PIERCE, SHARES_REQUEST))], expected: 'likely' },
    { name: 'answered by a peer message', turns: [ask(PIERCE), answer(SHARES_REQUEST), ask(Uint8Array.of(0))], expected: 'likely' },
    { name: 'answered by a packed list of shares', turns: [ask(PIERCE), answer(framed(u32(5), fromHex('789c 0300 0000 0001'))), ask(Uint8Array.of(0))], expected: 'certain' },
    { name: 'followed by a branch level', turns: [ask(concat(PIERCE, framed(Uint8Array.of(4), u32(2))))], expected: 'likely' },
    { name: 'answered by a branch root', turns: [ask(PIERCE), answer(framed(Uint8Array.of(5), string('root'))), ask(Uint8Array.of(0))], expected: 'likely' },
    { name: 'a file token and an offset', turns: [ask(PIERCE), answer(u32(99)), ask(fromHex('0000100000000000'))], expected: 'likely' },
    { name: 'a file token and an absurd offset', turns: [ask(PIERCE), answer(u32(99)), ask(fromHex('0000100001000001'))], expected: 'suspected' },
    { name: 'with other bytes behind it', turns: [ask(concat(PIERCE, fromHex('ffffffffffffffff')))], expected: 'no' },
    { name: 'followed by small numbers that look like a message', turns: [ask(concat(PIERCE, u32(6), u32(5), u32(2), u32(7), u32(1)))], expected: 'no' },
    { name: 'sent by the responder', turns: [answer(PIERCE)], expected: 'no' },
  ]);
});

test('distributed searches, also mid-stream, and the name of the server', () => {
  const search = framed(Uint8Array.of(3), u32(0x31), string('someone'), u32(99), string('some song'));
  const distributed = featureOf(soulseek, 'distributed');
  checkSamples(distributed, [
    { name: 'search', turns: [ask(search)], expected: 'certain', options: { fromStart: false } },
    { name: 'length off by one', turns: [ask(concat(u32(search.length - 3), search.subarray(4)))], expected: 'no' },
  ]);
  checkTruncations(distributed, [ask(search)]);
  const embedded = featureOf(soulseek, 'embedded');
  const inServer = framed(u32(93), search.subarray(4));
  checkSamples(embedded, [
    { name: 'handed on by the server', turns: [answer(inServer)], expected: 'certain', options: { fromStart: false } },
    { name: 'length off by one', turns: [answer(concat(u32(inServer.length - 3), inServer.subarray(4)))], expected: 'no' },
  ]);
  checkTruncations(embedded, [answer(inServer)]);
  const branch = featureOf(soulseek, 'branch');
  const level = framed(Uint8Array.of(4), u32(2));
  checkSamples(branch, [
    { name: 'level and root', turns: [answer(concat(level, framed(Uint8Array.of(5), string('root'))))], expected: 'certain' },
    { name: 'level and search', turns: [answer(concat(level, search))], expected: 'certain' },
    { name: 'absurd level', turns: [answer(concat(framed(Uint8Array.of(4), u32(70_000)), search))], expected: 'no' },
    { name: 'level and something else', turns: [answer(concat(level, framed(Uint8Array.of(9), string('root'))))], expected: 'no' },
  ]);
  checkTruncations(branch, [answer(concat(level, search))]);
  const question = (name: string): Uint8Array =>
    concat(fromHex('1234 0100 0001 0000 0000 0000'), ...name.split('.').map((label) => concat(Uint8Array.of(label.length), ascii(label))), fromHex('00 0001 0001'));
  checkSamples(featureOf(soulseek, 'dns'), [
    { name: 'server', turns: [ask(question('server.slsknet.org'))], expected: 'likely' },
    { name: 'web site', turns: [ask(question('www.slsknet.org'))], expected: 'no' },
  ]);
});

test('noise is not Soulseek', () => checkNoise(soulseek));
