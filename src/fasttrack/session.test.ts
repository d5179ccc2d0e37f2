import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.js';
import { applyKeyStream, createKeyStream, type KeyStream } from './cipher.js';
import { FrameReader, FrameWriter } from './framing.js';
import { buildClientInfo, buildSupernodeList, CLIENT_INFO, SUPERNODE_LIST } from './messages.js';
import { clientSession, supernodeSession, type Session, type SessionEvent } from './session.js';
import { maskType, SEEDS_WITH_MASK, typeMask } from './type-mask.js';

const SERVER_SEED = 0x12345678;
const CLIENT_INFO_BODY = buildClientInfo({ address: Uint8Array.of(10, 1, 0, 2), port: 1214, bandwidth: 0x60, userName: 'tester' });
const LIST_BODY = buildSupernodeList([
  { address: Uint8Array.of(192, 0, 2, 10), port: 1214, minutesSinceSeen: 0, loadPercent: 50 },
  { address: Uint8Array.of(198, 51, 100, 7), port: 3128, minutesSinceSeen: 2, loadPercent: 75 },
]);

/** Whole openings made with the reference cipher; each line goes on with the same cipher state. */
const TYPE_29 = {
  clientHello: 'fa00b62bfacb12383209d232',
  serverHello: '123456780a56036b',
  serverName: 'b1e7caa7bcf1',
  clientName: 'f91c0fd00638',
  clientInfo: '414b264d9cd8ea3266b3bd9d03fee62b72420b',
  clientPing: 'd6',
  serverPong: '7c',
  serverList: 'a4f8aa581554bb6f9ac90ed9750daea8b946776e16',
};
const TYPE_01 = {
  clientHello: 'fa00b62bfacb12383209d21a',
  serverHello: '123456780a560343',
  serverName: '79147255e12b',
  clientName: '18206688f65f',
  clientInfo: '3dff5e59a07f237bb8754b83b2136a79d3e6b4',
  clientPing: '73',
  serverPong: '5a',
  serverList: '64f66f4f1abc3a61d94c75c8973a9cf2c2e4de7710',
};
const TYPE_09 = {
  clientHello: 'fa00b62bfacb12383209d212',
  serverHello: '123456780a56034b',
  serverName: '9b0576147757',
  clientName: 'a741f1b87dc4',
  clientInfo: '584b969f4882ec768293f45259f0a53f127c98',
  clientPing: '74',
  serverPong: 'b9',
  serverList: '2e4dbed9370f72f6d0bfebecd760ac89c2cb22668d',
};
const NAME = '4b615a614100';
const PLAIN_CLIENT_INFO = '4b0200000e0a01000204be6000746573746572';
const PLAIN_LIST = '4b00000010c000020a04be0032c63364070c38024b';

/** First 32 reference key bytes for server seed 12345678 where the cipher is unavailable. */
const RECORDED_SERVER_KEYS = new Map([
  [0x29, 'fa8690c6fdf12eeff8aa580594bb6d90cdb0d947cb9dccbe4a4f6c5d3cd7dd40'],
  [0xa9, 'ff3ad7da8c1f060c347f21b51f9a2b04a547d55fc83b84c5adc407567cedd548'],
]);

function recorded(bytes: Uint8Array): KeyStream {
  let at = 0;
  return { next: () => bytes[at++] ?? 0 };
}

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ (b[i] ?? 0));

/** A pair of sessions whose server direction uses recorded keys, and the client direction the keys that the vectors themselves reveal. */
function recordedStreams(): (seed: number, type: number) => KeyStream {
  const clientCipher = fromHex(TYPE_29.clientName + TYPE_29.clientInfo + TYPE_29.clientPing);
  const clientKeys = xor(clientCipher, fromHex(`${NAME}${PLAIN_CLIENT_INFO}50`));
  return (seed) => recorded(seed === SERVER_SEED ? fromHex(RECORDED_SERVER_KEYS.get(0x29) ?? '') : clientKeys);
}

for (const [type, vectors] of [[0x01, TYPE_01], [0x09, TYPE_09], [0x29, TYPE_29]] as const) {
  test(`a whole opening of type ${type.toString(16)} equals the reference, byte for byte`, () => {
    const keyStreams = type === 0x29 ? recordedStreams() : createKeyStream;
    const client = clientSession({ network: 'KaZaA', requestedType: type, keyStreams });
    assert.ok(client);
    const server = supernodeSession({ network: 'KaZaA', seed: SERVER_SEED, supportedType: type, minimumType: type, keyStreams });

    assert.equal(toHex(client.opening), vectors.clientHello);
    const answer = server.receive(client.opening);
    assert.equal(toHex(answer.send), vectors.serverHello + vectors.serverName);
    const named = client.session.receive(answer.send);
    assert.equal(toHex(named.send), vectors.clientName);
    assert.deepEqual(named.events, [{ kind: 'open', network: 'KaZaA', type }]);
    assert.deepEqual(server.receive(named.send).events, [{ kind: 'open', network: 'KaZaA', type }]);

    const info = client.session.packet(CLIENT_INFO, CLIENT_INFO_BODY);
    assert.equal(toHex(info), vectors.clientInfo);
    assert.deepEqual(server.receive(info).events, [
      { kind: 'frame', frame: { kind: 'packet', type: CLIENT_INFO, body: CLIENT_INFO_BODY } },
    ]);
    const ping = client.session.ping();
    assert.equal(toHex(ping), vectors.clientPing);
    assert.deepEqual(server.receive(ping).events, [{ kind: 'frame', frame: { kind: 'ping' } }]);
    const pong = server.pong();
    assert.equal(toHex(pong), vectors.serverPong);
    assert.deepEqual(client.session.receive(pong).events, [{ kind: 'frame', frame: { kind: 'pong' } }]);
    const list = server.packet(SUPERNODE_LIST, LIST_BODY);
    assert.equal(toHex(list), vectors.serverList);
    assert.deepEqual(client.session.receive(list).events, [
      { kind: 'frame', frame: { kind: 'packet', type: SUPERNODE_LIST, body: LIST_BODY } },
    ]);
  });
}

test('openings of type a9: hellos, and names under the recorded keys', () => {
  const keyStreams = (seed: number): KeyStream =>
    recorded(seed === SERVER_SEED ? fromHex(RECORDED_SERVER_KEYS.get(0xa9) ?? '') : xor(fromHex('9951d23fec37'), fromHex(NAME)));
  const client = clientSession({ network: 'KaZaA', requestedType: 0xa9, keyStreams });
  assert.ok(client);
  assert.equal(toHex(client.opening), 'fa00b62bfacb12383209d2b2');
  const server = supernodeSession({ network: 'KaZaA', seed: SERVER_SEED, supportedType: 0xa9, minimumType: 0xa9, keyStreams });
  const answer = server.receive(client.opening);
  assert.equal(toHex(answer.send), '123456780a5603ebb45b8dbbcd1f');
  assert.equal(toHex(client.session.receive(answer.send).send), '9951d23fec37');
});

test('recorded key streams of unavailable types agree with the openings (a check of the vectors)', () => {
  const line = xor(fromHex(`${NAME}52${PLAIN_LIST}`), fromHex(RECORDED_SERVER_KEYS.get(0x29) ?? ''));
  const { serverName, serverPong, serverList } = TYPE_29;
  assert.equal(toHex(line), serverName + serverPong + serverList);
  const key = 'e9966f1c9efd5299128fdffcb1fd83f4cf19a06635c40e2d6f69d3f6e720c8d4';
  assert.equal(toHex(applyKeyStream(recorded(fromHex(key)), new Uint8Array(32))), key);
});

test('type masks are looked up, others are unavailable', () => {
  const table: [number, number][] = [
    [0x00000000, 0x48a00a33], [0x00000001, 0x0a24408d], [0xfacb1238, 0x3209d21b], [0x12345678, 0x0a560342],
    [0x00000051, 0x04001028], [0xdeadbeef, 0x4c000410], [0xffffffff, 0x3e8a5476], [0x0badf00d, 0x016012d4],
    [0xcafebabe, 0x14020800], [0x7f000001, 0x0842084c],
  ];
  for (const [seed, mask] of table) assert.equal(typeMask(seed), mask, seed.toString(16));
  assert.equal(SEEDS_WITH_MASK.length, table.length);
  assert.equal(typeMask(0x12345679), null);
  assert.equal(maskType(0x29, 2), null);
  assert.equal(clientSession({ network: 'KaZaA', seed: 3 }), null);
  const server = supernodeSession({ network: 'KaZaA', seed: SERVER_SEED });
  assert.match(failure(server.receive(new Uint8Array(12).fill(9)).events), /mask of the client seed/);
});

test('a usual client against a supernode that demands 0x29 fails for want of the cipher, and says so', () => {
  const server = supernodeSession({ network: 'KaZaA', seed: SERVER_SEED });
  const step = server.receive(fromHex('fa00b62bfacb12383209d232'));
  assert.match(failure(step.events), /no cipher for encryption type 0x29/);
  assert.equal(server.receive(Uint8Array.of(1)).events.length, 0);
  const lenient = supernodeSession({ network: 'KaZaA', seed: SERVER_SEED, supportedType: 9, minimumType: 9 });
  assert.equal(lenient.receive(fromHex('fa00b62bfacb12383209d232')).send.length, 14);
});

function failure(events: readonly SessionEvent[]): string {
  const event = events.find((candidate) => candidate.kind === 'failed');
  return event ? event.why : '';
}

function drive(session: Session, bytes: Uint8Array, pieces: readonly number[]): { send: string; events: SessionEvent[] } {
  const events: SessionEvent[] = [];
  let send = '';
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = pieces[i % pieces.length] ?? 1;
    const step = session.receive(bytes.subarray(at, at + size));
    events.push(...step.events);
    send += toHex(step.send);
    at += size;
  }
  return { send, events };
}

test('sessions do not care how TCP cuts the bytes', () => {
  const { clientHello, clientName, clientInfo, clientPing } = TYPE_09;
  const all = fromHex(clientHello + clientName + clientInfo + clientPing);
  const make = (): Session => supernodeSession({ network: 'KaZaA', seed: SERVER_SEED, supportedType: 9, minimumType: 9 });
  const whole = drive(make(), all, [all.length]);
  assert.equal(whole.events.length, 3);
  for (let size = 1; size < all.length; size++) assert.deepEqual(drive(make(), all, [size]), whole, `pieces of ${size}`);
});

test('frames follow the header order of the counter, in every combination', () => {
  const writer = new FrameWriter();
  assert.equal(toHex(writer.packet(0x02, CLIENT_INFO_BODY)), PLAIN_CLIENT_INFO);
  assert.equal(writer.counter, 0xffffffbe);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 0xffff }), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 }),
      fc.integer({ min: 1, max: 20 }),
      (packets, size) => {
        const out = new FrameWriter();
        const bytes = concat(...packets.map(([type, body]) => out.packet(type, body)));
        const reader = new FrameReader();
        const frames = [];
        for (let at = 0; at < bytes.length; at += size) frames.push(...reader.read(bytes.subarray(at, at + size)));
        assert.deepEqual(frames, packets.map(([type, body]) => ({ kind: 'packet', type, body })));
      },
    ),
    { numRuns: 60 },
  );
});

test('noise breaks the reader instead of throwing, and sessions survive any bytes', () => {
  const reader = new FrameReader();
  assert.deepEqual(reader.read(Uint8Array.of(0x50, 0x52, 0x00, 0x50)), [{ kind: 'ping' }, { kind: 'pong' }]);
  assert.equal(reader.isBroken, true);
  assert.deepEqual(reader.read(Uint8Array.of(0x50)), []);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      const client = clientSession({ network: 'KaZaA' });
      client?.session.receive(bytes);
      supernodeSession({ network: 'KaZaA', seed: SERVER_SEED, minimumType: 9, supportedType: 9 }).receive(
        concat(fromHex('fa00b62bfacb12383209d232'), bytes),
      );
    }),
    { numRuns: 60 },
  );
  const endless = supernodeSession({ network: 'KaZaA', seed: SERVER_SEED, keyStreams: () => recorded(new Uint8Array(0)) });
  endless.receive(fromHex('fa00b62bfacb12383209d232'));
  assert.match(failure(endless.receive(new Uint8Array(64).fill(0x41)).events), /name does not end/);
});
