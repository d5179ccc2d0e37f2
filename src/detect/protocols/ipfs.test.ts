import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import type { Feature } from '../detector.js';
import { clientHello, cryptoFrame, dnsMessage, dnsName, dnsRecord, quicInitial, serverHello, tlsRecords } from '../facets/samples.js';
import { findingName, inspectSample, type Turn } from '../sample.js';
import { ipfs } from './ipfs.js';
import { readWebSocketStart } from './ipfs/websocket.js';

const feature = (name: string): Feature => {
  const found = ipfs.features.find((candidate) => candidate.feature === name);
  assert.ok(found);
  return found;
};
const answer = (name: string, ...messages: readonly (Uint8Array | Turn)[]): string =>
  findingName(inspectSample(feature(name), messages.map((it) => (it instanceof Uint8Array ? { from: 0, bytes: it } : it))));

const HELLO = ascii('\x13/multistream/1.0.0\n');
const NOISE = ascii('\x07/noise\n');

test('certain: multistream-select, from either side, in any pieces', () => {
  assert.equal(answer('multistream', HELLO), 'certain');
  assert.equal(answer('multistream', concat(HELLO, NOISE)), 'certain');
  assert.equal(answer('multistream', { from: 0, bytes: HELLO }, { from: 1, bytes: HELLO }), 'certain');
  assert.equal(answer('multistream', HELLO.subarray(0, 1), HELLO.subarray(1)), 'certain');
});

test('more: every truncation', () => {
  for (let length = 1; length < HELLO.length; length++) assert.equal(answer('multistream', HELLO.subarray(0, length)), 'more', `${length}`);
});

test('no: BitTorrent also begins with 0x13, and other versions are unknown', () => {
  assert.equal(answer('multistream', ascii('\x13BitTorrent protocol')), 'no');
  assert.equal(answer('multistream', ascii('\x13/multistream/2.0.0\n')), 'no');
});

const UPGRADE = ascii('GET / HTTP/1.1\r\nHost: 203.0.113.5:4003\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n');
const SWITCHING = ascii('HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\n');
const frame = (payload: Uint8Array) => concat(Uint8Array.of(0x82, payload.length), payload);
const masked = (payload: Uint8Array) =>
  concat(Uint8Array.of(0x82, 0x80 | payload.length, 1, 2, 3, 4), payload.map((byte, i) => byte ^ ((i & 3) + 1)));

test('certain: multistream-select in WebSocket frames, masked or not, in one frame or several', () => {
  assert.equal(answer('websocket', concat(UPGRADE, masked(HELLO))), 'certain');
  assert.equal(answer('websocket', concat(UPGRADE, masked(HELLO.subarray(0, 1)), fromHex('8980 01020304'), masked(HELLO.subarray(1)))), 'certain');
  assert.equal(answer('websocket', { from: 0, bytes: UPGRADE }, { from: 1, bytes: concat(SWITCHING, frame(concat(HELLO, NOISE))) }), 'certain');
});

test('more: a WebSocket whose payload has not come yet; every truncation', () => {
  const whole = concat(UPGRADE, masked(HELLO));
  assert.equal(answer('websocket', UPGRADE), 'more');
  for (let length = 16; length < whole.length; length++) assert.equal(answer('websocket', whole.subarray(0, length)), 'more', `${length}`);
});

test('no: other WebSockets and other HTTP', () => {
  assert.equal(answer('websocket', concat(UPGRADE, masked(ascii('{"type":"hello"}')))), 'no');
  assert.equal(answer('websocket', concat(UPGRADE, fromHex('8105 68656c6c6f'))), 'no'); // a text frame
  assert.equal(answer('websocket', ascii('GET / HTTP/1.1\r\nHost: a\r\n\r\n')), 'no');
  assert.equal(answer('websocket', ascii('HTTP/1.1 200 OK\r\n\r\n')), 'no');
});

test('WebSocket frames of up to 65,535 bytes are read, longer ones refused', () => {
  const out = new Uint8Array(3);
  assert.equal(readWebSocketStart(fromHex('827e 0100 aabbcc'), 0, 7, out), 3);
  assert.deepEqual(out, fromHex('aabbcc'));
  assert.equal(readWebSocketStart(fromHex('827f 0000000000000001 aa'), 0, 11, out), -1);
});

test('certain: ALPN libp2p in TLS, of client and server', () => {
  assert.equal(answer('tls', tlsRecords(clientHello({ alpn: ['/yamux/1.0.0', 'libp2p'] }))), 'certain');
  assert.equal(answer('tls', tlsRecords(serverHello('libp2p'))), 'certain');
});

test('likely: server names of libp2p nodes; no: gateways and everything else', () => {
  assert.equal(answer('tls', tlsRecords(clientHello({ serverName: 'am6.bootstrap.libp2p.io', alpn: ['http/1.1'] }))), 'likely');
  assert.equal(answer('tls', tlsRecords(clientHello({ serverName: '1-2-3-4.k51q.libp2p.direct' }))), 'likely');
  assert.equal(answer('tls', tlsRecords(clientHello({ serverName: 'ipfs.io', alpn: ['h2'] }))), 'no');
  assert.equal(answer('tls', tlsRecords(clientHello({ serverName: 'docs.libp2p.io', alpn: ['h2'] }))), 'no');
  assert.equal(answer('tls', tlsRecords(clientHello({ alpn: ['libp2p'] })).subarray(0, 60)), 'more');
});

test('certain: ALPN libp2p in a QUIC Initial; no: HTTP/3', () => {
  assert.equal(answer('quic', quicInitial([cryptoFrame(clientHello({ alpn: ['libp2p'] }))])), 'certain');
  const forged = quicInitial([cryptoFrame(clientHello({ alpn: ['libp2p'] }))]);
  forged[forged.length - 1]! ^= 1; // of the tag
  assert.equal(answer('quic', forged), 'no');
  assert.equal(answer('quic', quicInitial([cryptoFrame(clientHello({ alpn: ['h3'], serverName: 'ipfs.io' }))])), 'no');
  assert.equal(answer('quic', quicInitial([cryptoFrame(clientHello({ alpn: ['h3'], paddingBytes: 40 }), 0, 60)])), 'more');
});

function stun(user: string): Uint8Array {
  const name = concat(ascii(user), new Uint8Array((4 - (user.length % 4)) % 4));
  const software = fromHex('8022 0003 616263 00');
  const username = concat(fromHex('0006'), Uint8Array.of(0, user.length), name);
  return concat(fromHex('0001'), Uint8Array.of(0, software.length + username.length), fromHex('2112a442'), new Uint8Array(12).fill(9), software, username);
}

test('certain: the user name of WebRTC-direct; no: other STUN', () => {
  const sample = stun('libp2p+webrtc+v1/abcdef:libp2p+webrtc+v1/abcdef');
  assert.equal(answer('webrtc', sample), 'certain');
  assert.equal(answer('webrtc', stun('server:libp2p+webrtc+v2/abcdef')), 'certain');
  assert.equal(answer('webrtc', stun('Xy7f:9dKQ')), 'no');
  for (let length = 0; length < sample.length - 3; length++) assert.equal(answer('webrtc', sample.subarray(0, length)), 'no');
});

test('mDNS: answers with addresses are certain, questions likely', () => {
  const txt = ascii('dnsaddr=/ip4/192.0.2.1/tcp/4001/p2p/12D3');
  const records = [
    dnsRecord('_p2p._udp.local', 12, dnsName('abcd._p2p._udp.local')),
    dnsRecord('abcd._p2p._udp.local', 16, concat(Uint8Array.of(txt.length), txt)),
  ];
  assert.equal(answer('dns', dnsMessage([], records)), 'certain');
  assert.equal(answer('dns', dnsMessage([], records.slice(0, 1))), 'no');
  assert.equal(answer('dns', dnsMessage(['_p2p._udp.local'], [], 12)), 'likely');
  assert.equal(answer('dns', dnsMessage(['_ipp._tcp.local'], [], 12)), 'no');
});

test('DNS: bootstrap names and dnsaddr questions are likely, gateways are not', () => {
  assert.equal(answer('dns', dnsMessage(['_dnsaddr.bootstrap.libp2p.io'], [], 16)), 'likely');
  assert.equal(answer('dns', dnsMessage(['sg1.bootstrap.libp2p.io'])), 'likely');
  assert.equal(answer('dns', dnsMessage(['_dnsaddr.example.org'], [], 16)), 'likely');
  for (const name of ['ipfs.io', 'gateway.ipfs.io', 'dweb.link', 'docs.libp2p.io', '_dnslink.example.org']) {
    assert.equal(answer('dns', dnsMessage([name])), 'no', name);
  }
});

test('random bytes never match', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      for (const name of ['multistream', 'webrtc']) {
        assert.ok(['no', 'more'].includes(findingName(inspectSample(feature(name), [{ from: 0, bytes }]))));
      }
      readWebSocketStart(bytes, 0, bytes.length, new Uint8Array(20));
    }),
    { numRuns: 200 },
  );
});
