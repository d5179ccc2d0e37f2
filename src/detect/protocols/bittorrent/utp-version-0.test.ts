/** The first header of uTP: SYN, dialogues, a handshake inside, and what is shaped like it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { findingName, inspectSample } from '../../sample.js';
import { answer, ask, checkSamples, checkTruncations } from '../../../../test/support/detector-table.js';
import { utpVersion0 } from './utp-version-0.js';

/** Connection id, seconds, microseconds, difference, window, extension, type, number, acknowledged; extension bits. */
const SYN = fromHex('8c41d7e2 4b0a1c22 000a31f4 00000000 20 02 04 5a11 0000 00 08 0000000000000000');
const SYN_AGAIN = fromHex('8c41d7e2 4b0a1c25 000a4101 00000000 20 02 04 5a11 0000 00 08 0000000000000000');
const STATE = fromHex('8c41d7e2 4b09ff10 0003bb7a 00a1b2c3 ff 02 02 1f07 5a11 00 08 0000000000000000');
const DATA = concat(fromHex('8c41d7e3 4b0a1c22 000b0001 00040506 20 00 00 5a12 1f06'), ascii('encrypted, say'));
/** The other side's clock: its packets say how far it is ahead of the one in DATA, 20 ms ago. */
const CLOCK = [0x4b09ff10, 0x00041111] as const;
const DIFFERENCE = (Math.imul(CLOCK[0] - 0x4b0a1c22, 1_000_000) + CLOCK[1] - 0x000b0001 - 20_000) >>> 0;
const BACK_HEADER = fromHex(`8c41d7e2 4b09ff10 00041111 ${DIFFERENCE.toString(16).padStart(8, '0')} ff`);
const BACK = concat(BACK_HEADER, fromHex('00 00 1f07 5a12'), ascii('encrypted as well'));
const HANDSHAKE = concat(fromHex('8c41d7e3 4b0a1c22 000b0001 00040506 20 00 00 5a12 1f06 13'), ascii('BitTorrent protocol'), new Uint8Array(48).fill(0x61));

/** `bytes` with other bytes at `at`. */
function changed(bytes: Uint8Array, at: number, hex: string): Uint8Array {
  const out = bytes.slice();
  out.set(fromHex(hex), at);
  return out;
}

test('version 0: SYN, dialogue, and the handshake inside', () => {
  checkSamples(utpVersion0, [
    { name: 'SYN', turns: [ask(SYN)], expected: 'likely' },
    { name: 'SYN, sent again', turns: [ask(SYN), ask(SYN_AGAIN)], expected: 'certain' },
    { name: 'SYN and its answer', turns: [ask(SYN), answer(STATE)], expected: 'certain' },
    { name: 'data of both sides, picked up in the middle', turns: [ask(DATA), answer(BACK)], expected: 'certain' },
    { name: 'handshake', turns: [ask(HANDSHAKE)], expected: 'certain' },
    { name: 'data of one side', turns: [ask(DATA), ask(changed(DATA, 19, '5a13'))], expected: 'more' },
    { name: 'selective acknowledgement', turns: [ask(DATA), answer(concat(BACK_HEADER, fromHex('01 02 1f07 5a12 00 04 01000000')))], expected: 'certain' },
  ]);
  checkTruncations(utpVersion0, [ask(SYN), answer(STATE)]);
});

test('near misses are not certain', () => {
  checkSamples(utpVersion0, [
    { name: 'a million microseconds', turns: [ask(changed(SYN, 8, '000f4240'))], expected: 'no' },
    { name: 'SYN that acknowledges', turns: [ask(changed(SYN, 21, '0001'))], expected: 'more' },
    { name: 'SYN with extension bits', turns: [ask(changed(SYN, 30, '01'))], expected: 'more' },
    { name: 'SYN that is longer', turns: [ask(concat(SYN, fromHex('00')))], expected: 'no' },
    { name: 'the same SYN twice', turns: [ask(SYN), ask(SYN)], expected: 'likely' },
    { name: 'answer with another id', turns: [ask(SYN), answer(changed(STATE, 3, 'e3'))], expected: 'more' },
    { name: 'answer that acknowledges another number', turns: [ask(SYN), answer(changed(STATE, 21, '5a12'))], expected: 'more' },
    { name: 'ids that are equal', turns: [ask(DATA), answer(changed(BACK, 3, 'e3'))], expected: 'more' },
    { name: 'numbers far apart', turns: [ask(DATA), answer(changed(BACK, 21, '9a12'))], expected: 'more' },
    { name: 'a clock difference that is none', turns: [ask(DATA), answer(changed(BACK, 12, '00a1b2c4'))], expected: 'more' },
    { name: 'small connection ids', turns: [ask(changed(DATA, 0, '00000001')), answer(changed(BACK, 0, '00000002'))], expected: 'no' },
    { name: 'counters that stand still', turns: [ask(changed(DATA, 19, '00000000')), answer(changed(BACK, 19, '00000000'))], expected: 'more' },
    { name: 'type 5', turns: [ask(changed(DATA, 18, '05'))], expected: 'no' },
    { name: 'extension 3', turns: [ask(changed(SYN, 17, '03'))], expected: 'no' },
    { name: 'state with a payload', turns: [ask(changed(DATA, 18, '02'))], expected: 'no' },
    { name: 'zeros', turns: [ask(new Uint8Array(33)), answer(new Uint8Array(33))], expected: 'no' },
    { name: 'text', turns: [ask(ascii('seventeen letters and then some more'))], expected: 'no' },
  ]);
});

test('random datagrams behind its anchors are never certain', () => {
  const bytes = fc.uint8Array({ minLength: 23, maxLength: 60 });
  fc.assert(
    fc.property(bytes, bytes, (one, other) => {
      one.set([0, 0], 17);
      other.set([0, 0], 17);
      assert.notEqual(findingName(inspectSample(utpVersion0, [ask(one), answer(other)])), 'certain');
    }),
    { numRuns: 500, seed: 1 },
  );
});
