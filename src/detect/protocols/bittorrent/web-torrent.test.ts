/** WebTorrent trackers in clear WebSocket. */
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { answer, ask, checkSamples, checkTruncations } from '../../../../test/support/detector-table.js';
import { webTorrent } from './web-torrent.js';

const UPGRADE = ascii('GET / HTTP/1.1\r\nHost: t.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n');
const SWITCHED = ascii('HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n');
const ANNOUNCE = '{"numwant":10,"uploaded":0,"event":"started","action":"announce","info_hash":"\\u00aa7i","peer_id":"x","offers":[]}';
const MASK = fromHex('a1b2c3d4');

/** A text frame; masked as clients do, with a length of 7, 16 or 64 bits. */
function frame(text: string, isMasked: boolean, lengthBits: 7 | 16 | 64 = text.length < 126 ? 7 : 16): Uint8Array {
  const mask = isMasked ? 0x80 : 0;
  const high = text.length >> 8;
  const low = text.length & 0xff;
  const length = { 7: [mask | low], 16: [mask | 126, high, low], 64: [mask | 127, 0, 0, 0, 0, 0, 0, high, low] }[lengthBits];
  const payload = ascii(text).map((byte, i) => (isMasked ? byte ^ (MASK[i & 3] ?? 0) : byte));
  return concat(Uint8Array.of(0x81, ...length), isMasked ? MASK : new Uint8Array(0), payload);
}

test('announce and scrape messages are certain', () => {
  checkSamples(webTorrent, [
    { name: 'masked', turns: [ask(UPGRADE), answer(SWITCHED), ask(frame(ANNOUNCE, true))], expected: 'certain' },
    { name: '16-bit length', turns: [ask(UPGRADE), ask(frame(ANNOUNCE, true, 16))], expected: 'certain' },
    { name: '64-bit length', turns: [ask(UPGRADE), ask(frame(ANNOUNCE, true, 64))], expected: 'certain' },
    { name: 'second frame', turns: [ask(UPGRADE), ask(frame('{}', true)), ask(frame(ANNOUNCE, true))], expected: 'certain' },
    { name: 'from the server', turns: [ask(UPGRADE), answer(SWITCHED), answer(frame(ANNOUNCE, false))], expected: 'certain' },
    { name: 'scrape', turns: [ask(concat(UPGRADE, frame('{"action":"scrape","info_hash":["a"]}', true)))], expected: 'certain' },
    { name: 'cut after the keys', turns: [ask(concat(UPGRADE, frame(ANNOUNCE, true).subarray(0, 100)))], expected: 'certain' },
  ]);
});

test('other WebSockets are not', () => {
  checkSamples(webTorrent, [
    { name: 'nothing yet', turns: [ask(UPGRADE)], expected: 'more' },
    { name: 'no upgrade', turns: [ask(ascii('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))], expected: 'no' },
    { name: 'refused upgrade', turns: [answer(ascii('HTTP/1.1 400 Bad Request\r\nUpgrade: websocket\r\n\r\n'))], expected: 'no' },
    { name: 'other action', turns: [ask(concat(UPGRADE, frame('{"action":"subscribe","info_hash":"x"}', true)))], expected: 'more' },
    { name: 'announce without hash', turns: [ask(concat(UPGRADE, frame('{"action":"announce","channel":"x"}', true)))], expected: 'more' },
    { name: 'plain text where the client must mask', turns: [ask(concat(UPGRADE, frame('\x00'.repeat(80), true)))], expected: 'more' },
  ]);
  checkTruncations(webTorrent, [ask(concat(UPGRADE, frame(ANNOUNCE, true)))], {}, UPGRADE.length + 6 + ANNOUNCE.indexOf('"info_hash"') + 11);
});
