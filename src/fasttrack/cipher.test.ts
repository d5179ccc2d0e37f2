import { test } from 'node:test';
import assert from 'node:assert/strict';
import { toHex } from '../base/bytes.js';
import { applyKeyStream, createKeyStream, isAvailableType } from './cipher.js';

// Vectors: made with the reference cipher; bytes [at, at+32) of the key stream.
const KEY_STREAMS: readonly [seed: number, type: number, at: number, bytes: string][] = [
  [0x12345678, 0x01, 0, '32752834a02b082ff66f4f0a7c3a63d348cbc8a5fcaf96c5e8e6755b92d76ab9'],
  [0x12345678, 0x01, 64, '78a0d4749fa7d6cc3b8a94104aad80c8935b00fcab4106eed449a4360d7730ce'],
  [0x12345678, 0x01, 4064, '20a883a6dcd6d05b1382f1df9c5a9e7194b4295a1e4f8e5a77a806878df28f89'],
  [0x12345678, 0x08, 0, 'd0642c753657eb654dbed927cf72f4dabb55ece5a69fedc5c71a64c66c45ae4e'],
  [0x12345678, 0x08, 64, '71d6586436c94586814759a70e6f7c93d3b91207146dc2535808e57fe9fe3a23'],
  [0x12345678, 0x09, 0, 'd0642c753657eb654dbed927cf72f4dabb55ece5a69fedc5c71a64c66c45ae4e'],
  [0x12345678, 0x09, 64, '71d6586436c94586814759a70e6f7c93d3b91207146dc2535808e57fe9fe3a23'],
  [0x12345678, 0x09, 4064, '4ac7561a0cad32889d303a38fbf2396e311724f2356223884c7813ecf118795d'],
  [0xfacb1238, 0x01, 0, '308d04bffc3ebd213c2953fe6797a615ec52238c5d8e2160870c836c8d2e9766'],
  [0xfacb1238, 0x01, 64, 'bbbf7e7ab87596d2fb4e4cb34af005f14366f24fddfe5ee5f174e06d9b329812'],
  [0xfacb1238, 0x08, 0, '9d097578b0660567fd168194851cdac7cfc3b142e9a4679125b6aa04096b1885'],
  [0xfacb1238, 0x08, 64, '15d8d99250741cceb05fa0ac3b8f734e9c85a7dbf3c4e5cd4e27fc2c2e3a8bd6'],
  [0xfacb1238, 0x09, 0, '9d097578b0660567fd168194851cdac7cfc3b142e9a4679125b6aa04096b1885'],
  [0xfacb1238, 0x09, 64, '15d8d99250741cceb05fa0ac3b8f734e9c85a7dbf3c4e5cd4e27fc2c2e3a8bd6'],
];

test('key streams of the available types equal the reference cipher, also after many wraps of the pad', () => {
  for (const [seed, type, at, expected] of KEY_STREAMS) {
    const stream = createKeyStream(seed, type);
    assert.ok(stream);
    const key = applyKeyStream(stream, new Uint8Array(at + 32));
    assert.equal(toHex(key, at), expected, `seed ${seed.toString(16)} type ${type} byte ${at}`);
  }
});

test('types that need the undescribed mixers say that they are unavailable', () => {
  for (const type of [0x00, 0x02, 0x04, 0x11, 0x18, 0x20, 0x29, 0x80, 0xa9, 0xb0, 0x100, 0x109]) {
    assert.equal(isAvailableType(type), false, `type ${type}`);
    assert.equal(createKeyStream(0x12345678, type), null, `type ${type}`);
  }
});

test('decryption is encryption again', () => {
  const plain = new Uint8Array(300).map((_, i) => (i * 31) & 0xff);
  const [writer, reader] = [createKeyStream(7, 9), createKeyStream(7, 9)];
  assert.ok(writer && reader);
  const sealed = applyKeyStream(writer, plain);
  assert.notDeepEqual(sealed, plain);
  assert.deepEqual(applyKeyStream(reader, sealed), plain);
});
