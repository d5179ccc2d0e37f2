/** Peer messages in streams picked up in the middle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { findingName, inspectSample } from '../../sample.js';
import { answer, ask, checkSamples } from '../../../../test/support/detector-table.js';
import { peerWire } from './peer-wire.js';

const MIDDLE = { fromStart: false } as const;
/** request: length 13, id 6, index 41, begin 0x8000, length 16 KiB. */
const REQUEST = fromHex('0000000d 06 00000029 00008000 00004000');
/** The last block of a torrent is shorter. */
const REQUEST_LAST = fromHex('0000000d 06 00000029 0000c000 00001a2b');
const CANCEL = fromHex('0000000d 08 00000029 00008000 00004000');
const REJECT = fromHex('0000000d 10 00000029 00008000 00004000');
const PIECE = concat(fromHex('00004009 07 00000029 00008000'), new Uint8Array(500).fill(0x77));
const HAVE = fromHex('00000005 04 00000102');
/** extended: length 27, id 20, number 6, dictionary. */
const METADATA = concat(fromHex('0000001b 14 06'), ascii('d8:msg_typei0e5:piecei0ee'));
const INTERESTED = fromHex('00000001 02');
const KEEP_ALIVE = fromHex('00000000');
const UNALIGNED = new Uint8Array(700).fill(0x5a);

test('messages at the beginning of a segment are recognised', () => {
  checkSamples(peerWire, [
    { name: 'request', turns: [ask(REQUEST)], expected: 'certain', options: MIDDLE },
    { name: 'five requests', turns: [ask(concat(REQUEST, REQUEST, REQUEST, REQUEST, REQUEST_LAST))], expected: 'certain', options: MIDDLE },
    { name: 'cancel', turns: [ask(CANCEL)], expected: 'certain', options: MIDDLE },
    { name: 'reject', turns: [ask(REJECT)], expected: 'certain', options: MIDDLE },
    { name: 'piece', turns: [ask(PIECE)], expected: 'certain', options: MIDDLE },
    { name: 'keep-alive, interested, request', turns: [ask(concat(KEEP_ALIVE, INTERESTED, REQUEST))], expected: 'certain', options: MIDDLE },
    { name: 'request after part of a block', turns: [ask(UNALIGNED), answer(REQUEST)], expected: 'certain', options: MIDDLE },
    { name: 'second segment of a side', turns: [ask(UNALIGNED), ask(REQUEST)], expected: 'certain', options: MIDDLE },
    { name: 'three haves', turns: [ask(concat(HAVE, HAVE, HAVE))], expected: 'likely', options: MIDDLE },
    { name: 'two haves', turns: [ask(concat(HAVE, HAVE))], expected: 'suspected', options: MIDDLE },
    { name: 'port, upload_only', turns: [ask(fromHex('00000003 09 9fff 00000003 14 0300'))], expected: 'suspected', options: MIDDLE },
    { name: 'port, upload_only, interested', turns: [ask(concat(fromHex('00000003 09 9fff 00000003 14 0300'), INTERESTED))], expected: 'likely', options: MIDDLE },
    { name: 'unchoke and a metadata request', turns: [ask(concat(fromHex('00000001 01'), METADATA))], expected: 'certain', options: MIDDLE },
    { name: 'request and half of another', turns: [ask(concat(REQUEST, REQUEST.subarray(0, 9)))], expected: 'certain', options: MIDDLE },
  ]);
});

test('streams seen from their start are left to the handshake', () => {
  checkSamples(peerWire, [{ name: 'request', turns: [ask(REQUEST)], expected: 'no' }]);
});

test('other length-prefixed messages are not named', () => {
  checkSamples(
    peerWire,
    (
      [
        ['a have', HAVE],
        ['interested alone', INTERESTED],
        ['keep-alives', concat(KEEP_ALIVE, KEEP_ALIVE, KEEP_ALIVE)],
        ['zeros', new Uint8Array(64)],
        ['extension with another length', concat(fromHex('0000001c 14 06'), ascii('d8:msg_typei0e5:piecei0ee '))],
    ['port and interested', concat(fromHex('00000003 09 9fff'), INTERESTED)],
    ['begin that is no multiple of 16 KiB', fromHex('0000000d 06 00000029 00008001 00004000')],
        ['block of 1 MiB', fromHex('0000000d 06 00000029 00008000 00100000')],
        ['block of 0', fromHex('0000000d 06 00000029 00008000 00000000')],
        ['index beyond 2^24', fromHex('0000000d 06 01000029 00008000 00004000')],
        ['other length', fromHex('0000000e 06 00000029 00008000 00004000 00')],
        ['request followed by something else', concat(REQUEST, UNALIGNED)],
        ['Kafka produce request', fromHex('0000000d 0006 0002 00000001 0003 616263')],
        ['piece of another size', fromHex('00001009 07 00000029 00008000 5555')],
        ['SSH packet', fromHex('0000000c 0a 15 00000000 00000000 0000')],
        ['empty', new Uint8Array(0)],
      ] as const
    ).map(([name, bytes]) => ({ name, turns: [ask(bytes)], expected: 'more' as const, options: MIDDLE })),
  );
});

test('gives up after some turns', () => {
  const turns = Array.from({ length: 9 }, (_, i) => (i % 2 === 0 ? ask(UNALIGNED) : answer(UNALIGNED)));
  checkSamples(peerWire, [{ name: 'nothing in nine turns', turns, expected: 'no', options: MIDDLE }]);
});

test('truncations are never certain before the message is whole, and no bytes make it throw', () => {
  for (let length = 0; length < REQUEST.length; length++) {
    assert.equal(findingName(inspectSample(peerWire, [ask(REQUEST.subarray(0, length))], MIDDLE)), 'more', `${length} bytes`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom('', '00000005 04', '0000000d 06', '00004009 07'), (tail, head) => {
      inspectSample(peerWire, [ask(concat(fromHex(head), tail))], MIDDLE);
    }),
    { numRuns: 200 },
  );
});
