/** WebTorrent trackers in clear WebSocket. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { answer, ask, checkSamples, checkTruncations } from '../../../../test/support/detector-table.js';
import { type PeerSink, TCP } from '../../detector.js';
import { sampleInspection } from '../../sample.js';
import { webTorrent, webTorrentPeer } from './web-torrent.js';

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

/** An answer that the tracker passes on; the session description is JSON text, so its line ends are escaped. */
function passedOn(...candidates: string[]): string {
  const lines = candidates.map((it) => `a=candidate:${it}\\r\\n`).join('');
  return `{"action":"announce","answer":{"type":"answer","sdp":"v=0\\r\\n${lines}"},"info_hash":"x"}`;
}

test('a tracker tells the sockets of other peers, not those of the client', () => {
  const told: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (bytes, at, port) => void told.push(`${bytes.slice(at, at + 4).join('.')}:${port}`),
    toldIpv6: (bytes, at, port) => void told.push(`${bytes.slice(at, at + 2).join('.')} v6:${port}`),
    listensOn: (port) => void told.push(`listens ${port}`),
  };
  const text = passedOn(
    '1 1 UDP 2114977791 198.51.100.20 41404 typ host',
    '2 1 udp 2114977790 2001:db8::1 41405 typ host',
    '3 1 UDP 1 0cf0.local 41406 typ host', // hidden by the browser
    '4 1 TCP 1 198.51.100.20 9 typ host tcptype active',
    '5 1 UDP 1 198.51.100.20 99999 typ host',
  );
  const fromTracker = concat(SWITCHED, frame('{"action":"announce","info_hash":"x","interval":120}', false), frame(text, false));
  assert.equal(webTorrent.harvest?.(sampleInspection(TCP, [ask(UPGRADE), answer(fromTracker)]), sink), true);
  assert.deepEqual(told.splice(0), ['198.51.100.20:41404', '32.1 v6:41405']);
  webTorrent.harvest?.(sampleInspection(TCP, [ask(concat(UPGRADE, frame(text, true)))]), sink);
  assert.deepEqual(told, []);
});

test('STUN and DTLS are a peer connection only at an endpoint that was told', () => {
  // Binding request: type, length 0, cookie, transaction. ClientHello record: type, DTLS 1.2, epoch and number, length.
  const stun = fromHex('0001 0000 2112a442 000102030405060708090a0b');
  const dtls = concat(fromHex('16 fefd 0000 000000000000 0020'), new Uint8Array(32));
  for (const bytes of [stun, dtls]) {
    checkSamples(webTorrentPeer, [
      { name: 'told', turns: [ask(bytes)], options: { known: 'told' }, expected: 'suspected' },
      { name: 'unknown', turns: [ask(bytes)], expected: 'no' },
      { name: 'a host that speaks BitTorrent', turns: [ask(bytes)], options: { known: 'host' }, expected: 'no' },
      { name: 'the socket of a client', turns: [ask(bytes)], options: { known: 'endpoint' }, expected: 'no' },
    ]);
  }
  checkSamples(webTorrentPeer, [{ name: 'RTP', turns: [ask(fromHex('8060 0001 00000000 12345678'))], options: { known: 'told' }, expected: 'no' }]);
});
