import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.js';
import {
  AttributeIndex,
  NLMSG_ERROR,
  NLM_F_ACK,
  NLM_F_REQUEST,
  forEachAttribute,
  forEachMessage,
  messageSequence,
  messageType,
  readAcknowledgement,
} from './message.js';
import { MessageWriter } from './message-writer.js';

test('a message with plain, padded and nested attributes has exactly these bytes', () => {
  const bytes = new MessageWriter(4)
    .begin(0x0103, NLM_F_REQUEST | NLM_F_ACK, 7)
    .u8(2)
    .u8(0)
    .u16be(9)
    .attributeU8(1, 0xaa)
    .beginNested(2)
    .attributeU16be(3, 0x1234)
    .attributeU32(4, 0x01020304)
    .endNested()
    .attributeU32be(5, 0x01020304)
    .end()
    .finish();
  const expected = [
    '38000000', // length 56
    '0301', // type
    '0500', // REQUEST | ACK
    '07000000', // sequence
    '00000000', // port: the kernel
    '02 00 0009', // nfgenmsg: AF_INET, version 0, resource 9 in network order
    '0500 0100 aa000000', // one byte and three of padding
    '1400 0280', // nested, length 20
    '0600 0300 1234 0000', // network order, padded
    '0800 0400 04030201', // host order
    '0800 0500 01020304', // network order
  ];
  assert.equal(toHex(bytes), expected.join('').replace(/ /g, ''));
});

test('several messages in one datagram are visited in order, and a torn one ends the walk', () => {
  const writer = new MessageWriter();
  for (const sequence of [1, 2, 3]) writer.begin(9, 0, sequence).attributeU8(1, sequence).end();
  const bytes = writer.finish();
  const seen = (end: number): [number[], boolean] => {
    const sequences: number[] = [];
    const isWhole = forEachMessage(bytes, 0, end, (at) => sequences.push(messageSequence(bytes, at)));
    return [sequences, isWhole];
  };
  assert.deepEqual(seen(bytes.length), [[1, 2, 3], true]);
  for (let end = 0; end < bytes.length; end++) {
    const [sequences, isWhole] = seen(end);
    // A message is 16 + 5 bytes and 3 of padding, which its length includes.
    assert.deepEqual(sequences, [1, 2, 3].slice(0, Math.floor(end / 24)), `cut at ${end}`);
    assert.equal(isWhole, end % 24 === 0, `cut at ${end}`);
  }
});

test('acknowledgements carry the error and the words of the kernel', () => {
  const refused = fromHex(
    '3c000000 0200 0003 05000000 00000000' + // NLMSG_ERROR, CAPPED | ACK_TLVS
      'ffffffff' + // -1: EPERM
      '14000000 0203 0500 05000000 00000000' + // the request's header
      '0c00 0100 6e6f7065 00000000' + // NLMSGERR_ATTR_MSG "nope"
      '0800 0200 10000000', // NLMSGERR_ATTR_OFFS
  );
  assert.deepEqual(readAcknowledgement(refused, 0, refused.length), { errno: 1, text: 'nope' });
  const accepted = fromHex('24000000 0200 0001 05000000 00000000 00000000 14000000 0203 0500 05000000 00000000');
  assert.deepEqual(readAcknowledgement(accepted, 0, accepted.length), { errno: 0, text: '' });
  const done = fromHex('14000000 0300 0200 05000000 00000000 00000000');
  assert.deepEqual(readAcknowledgement(done, 0, done.length), { errno: 0, text: '' });
  const other = fromHex('14000000 0900 0000 05000000 00000000 00000000');
  assert.equal(readAcknowledgement(other, 0, other.length), null);
  for (let end = 16; end < refused.length; end++) {
    const answer = readAcknowledgement(refused, 0, end);
    assert.ok(end < 20 ? answer === null : answer?.errno === 1, `cut at ${end}`);
  }
});

test('attributes: both readers agree, lengths below 4 or beyond the end are refused', () => {
  const index = new AttributeIndex(4);
  const table: [string, string, boolean][] = [
    ['two attributes', '0500 0100 aa000000 0800 0280 01020304', true],
    ['the last one without its padding', '0500 0100 aa', true],
    ['a length of 3', '0300 0100 aa000000', false],
    ['a length of 0 (would loop for ever)', '0000 0100', false],
    ['a length beyond the end', '0900 0100 aabbccdd', false],
    ['a torn header', '0500 0100 aa000000 0500', false],
    ['a type above the table', '0500 ff00 aa000000', true],
    ['nothing', '', true],
  ];
  for (const [name, hex, isWellFormed] of table) {
    const bytes = fromHex(hex);
    assert.equal(index.read(bytes, 0, bytes.length), isWellFormed, name);
    assert.equal(forEachAttribute(bytes, 0, bytes.length, () => undefined), isWellFormed, name);
  }
  const bytes = fromHex('0500 0100 aa000000 0800 0280 01020304');
  index.read(bytes, 0, bytes.length);
  assert.equal(index.at(1, 1), 4);
  assert.equal(index.at(1, 2), 0, 'too short for the reader');
  assert.equal(index.at(2, 4), 12);
  assert.equal(index.at(3, 0), 0, 'absent');
});

test('random bytes never throw, and reading stays inside', () => {
  const index = new AttributeIndex(8);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 8 }), (bytes, tail) => {
      const all = concat(bytes, tail);
      forEachMessage(all, 0, bytes.length, (at, end) => {
        assert.ok(end <= bytes.length);
        if (messageType(all, at) === NLMSG_ERROR) readAcknowledgement(all, at, end);
      });
      index.read(all, 0, bytes.length);
      for (let type = 0; type <= 8; type++) {
        if (index.at(type, 0) !== 0) assert.ok(index.end(type) <= bytes.length);
      }
    }),
    { numRuns: 300 },
  );
});

test('what the writer nests, the reader finds', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 200 }), fc.uint8Array({ maxLength: 40 })), { maxLength: 20 }), (list) => {
      const writer = new MessageWriter(8).begin(1, 0, 1).beginNested(3);
      for (const [type, value] of list) writer.attribute(type, value);
      const bytes = writer.endNested().end().finish();
      const found: [number, Uint8Array][] = [];
      forEachAttribute(bytes, 20, bytes.length, (type, at, end) => found.push([type, bytes.slice(at, end)]));
      assert.deepEqual(found, list.map(([type, value]) => [type, Uint8Array.from(value)]));
    }),
    { numRuns: 100 },
  );
});
