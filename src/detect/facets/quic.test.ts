import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { QUIC_V1, QUIC_V2 } from '../../wire/quic/initial.js';
import { quicFacet } from './quic.js';
import { clientHello, cryptoFrame, quicInitial } from './samples.js';

const HELLO = clientHello({ serverName: 'peer.example', alpn: ['libp2p'], paddingBytes: 40 });
const WHOLE = { isClient: true, serverName: 'peer.example', alpn: ['libp2p'], isComplete: true };
const parse = (bytes: Uint8Array) => quicFacet(bytes, 0, bytes.length);
const pieces = (cuts: readonly number[]) => cuts.map((cut, i) => cryptoFrame(HELLO, cut, cuts[i + 1] ?? HELLO.length));

test('a hello in one frame gives server name and protocols', () => {
  for (const version of [QUIC_V1, QUIC_V2]) {
    const initial = parse(quicInitial([cryptoFrame(HELLO)], version));
    assert.deepEqual(initial?.hello, WHOLE);
    assert.equal(initial.version, version);
    assert.equal(initial.isAuthentic(), true);
  }
});

/** The last byte is of the tag. */
function withWrongTag(packet: Uint8Array): Uint8Array {
  packet[packet.length - 1]! ^= 1;
  return packet;
}

test('with a wrong tag a whole hello is read and not authentic, and in parts nothing is searched', () => {
  const initial = parse(withWrongTag(quicInitial([cryptoFrame(HELLO)])));
  assert.deepEqual(initial?.hello, WHOLE);
  assert.equal(initial.isAuthentic(), false);
  assert.equal(parse(withWrongTag(quicInitial([cryptoFrame(HELLO, 60, HELLO.length)]))), null);
});

test('scrambled frames with pings and padding between them give the same hello', () => {
  const [a, b, c, d] = pieces([0, 17, 90, 101]);
  const ping = Uint8Array.of(1);
  const padding = new Uint8Array(30);
  assert.deepEqual(parse(quicInitial([padding, d!, ping, b!, padding, a!, ping, c!]))?.hello, WHOLE);
});

test('an ACK frame before the hello is stepped over', () => {
  const ack = Uint8Array.of(2, 5, 0x40, 0x19, 1, 0, 0, 0);
  assert.deepEqual(parse(quicInitial([ack, cryptoFrame(HELLO)]))?.hello, WHOLE);
});

test('any order of any pieces gives the same hello', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: HELLO.length - 1 }), { maxLength: 6 }), fc.integer(), (cuts, seed) => {
      const frames = pieces([0, ...cuts.sort((x, y) => x - y)]);
      frames.sort((x, y) => ((x.length * 31 + seed) % 7) - ((y.length * 31 + seed) % 7));
      assert.deepEqual(parse(quicInitial(frames))?.hello, WHOLE);
    }),
    { numRuns: 60 },
  );
});

test('a hello cut after its names is incomplete', () => {
  const long = clientHello({ serverName: 'peer.example', alpn: ['libp2p'] });
  const cut = parse(quicInitial([cryptoFrame(long, 0, long.length - 2)]))?.hello;
  assert.deepEqual(cut, { ...WHOLE, alpn: [], isComplete: false });
});

test('names are found in the parts of a hello with gaps', () => {
  assert.deepEqual(parse(quicInitial([cryptoFrame(HELLO, 60, HELLO.length)]))?.hello, { ...WHOLE, isComplete: false });
  const gap = parse(quicInitial([cryptoFrame(HELLO, 0, 20), cryptoFrame(HELLO, 80, HELLO.length)]))?.hello;
  assert.deepEqual(gap, { ...WHOLE, isComplete: false });
});

test('no hello: other messages and frames', () => {
  const certificate = HELLO.slice();
  certificate[0] = 11;
  assert.equal(parse(quicInitial([cryptoFrame(certificate)])), null);
  assert.equal(parse(quicInitial([new Uint8Array(100)])), null);
  assert.equal(parse(quicInitial([Uint8Array.of(1, 6, 0, 0x50, 0)])), null); // CRYPTO longer than the packet
});
