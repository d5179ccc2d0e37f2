import { test } from 'node:test';
import assert from 'node:assert/strict';
import { toHex } from '../base/bytes.js';
import { messageLength, messageType } from './message.js';
import { MessageWriter } from './message-writer.js';
import {
  NFPROTO_IPV4,
  NFT_TABLE_F_OWNER,
  addChain,
  addElements,
  addRule,
  addSet,
  addTable,
  beginBatch,
  connectionKey,
  counter,
  deleteTable,
  drop,
  endBatch,
  isConnectionIn,
  isFamily,
  isInterface,
  isMark,
  isNewConnection,
  isServiceIn,
  rejectWithReset,
  serviceKey,
} from './nftables.js';

const hex = (...parts: string[]): string => parts.join('').replace(/ /g, '');
function written(write: (writer: MessageWriter) => void): string {
  const writer = new MessageWriter();
  write(writer);
  return toHex(writer.finish());
}
/** "t" with its zero, padded, as attribute of `type`. */
const name = (type: string): string => `0600 ${type} 7400 0000`;
/** An expression: name and data. */
const expression = (length: string, nameAttribute: string, data: string): string => `${length} 0180 ${nameAttribute} ${data}`;

test('a transaction is framed by two messages that name the subsystem', () => {
  assert.equal(written((writer) => beginBatch(writer, 1)), hex('14000000 1000 0100 01000000 00000000 00 00 000a'));
  assert.equal(written((writer) => endBatch(writer, 2)), hex('14000000 1100 0100 02000000 00000000 00 00 000a'));
});

test('an owned table, a chain, a set and an element', () => {
  assert.equal(
    written((writer) => addTable(writer, 't', NFT_TABLE_F_OWNER, 1)),
    hex('24000000 000a 0504 01000000 00000000 01 00 0000', name('0100'), '0800 0200 00000002'),
  );
  assert.equal(
    written((writer) => addChain(writer, 't', 'forward', -10, 2)),
    hex(
      '48000000 030a 0504 02000000 00000000 01 00 0000',
      name('0100'),
      '0c00 0300 666f7277617264 00', // NFTA_CHAIN_NAME "forward"
      '1400 0480 0800 0100 00000002 0800 0200 fffffff6', // hook FORWARD, priority -10
      '0b00 0700 66696c746572 00 00', // NFTA_CHAIN_TYPE "filter"
    ),
  );
  assert.equal(
    written((writer) => addSet(writer, 't', 's', 'connection4', 1, 3)),
    hex(
      '44000000 090a 0504 03000000 00000000 01 00 0000',
      name('0100'),
      '0600 0200 7300 0000',
      '0800 0300 00000010', // NFT_SET_TIMEOUT
      '0800 0400 001c734d', // ipv4_addr . ipv4_addr . inet_service . inet_service
      '0800 0500 00000010', // 16 bytes
      '0800 0a00 00000001',
    ),
  );
  const key = connectionKey(Uint8Array.of(10, 0, 0, 1), Uint8Array.of(10, 0, 0, 2), 0x1234, 80);
  assert.equal(toHex(key), hex('0a000001 0a000002 1234 0000 0050 0000'));
  assert.equal(
    written((writer) => addElements(writer, 't', 's', [key], 90_000, 4)),
    hex(
      '50000000 0c0a 0504 04000000 00000000 01 00 0000',
      name('0100'),
      '0600 0200 7300 0000',
      '2c00 0380 2800 0180',
      '1800 0180 1400 0100', toHex(key),
      '0c00 0400 0000000000015f90', // 90,000 ms
    ),
  );
});

test('a rule: the connection of the packet is in the set, by its original tuple; reject with reset', () => {
  const text = written((writer) =>
    addRule(writer, 't', 'forward', [...isFamily(NFPROTO_IPV4), ...isConnectionIn('s', NFPROTO_IPV4), rejectWithReset()], 5),
  );
  const ct = (key: string, register: string): string =>
    expression('2800', '0700 0100 637400 00', `1c00 0280 0800 0100 ${register} 0800 0200 ${key} 0500 0300 00 000000`);
  const expected = [
    expression('2400', '0900 0100 6d65746100 000000', '1400 0280 0800 0100 00000008 0800 0200 0000000f'), // meta nfproto
    expression('2c00', '0800 0100 636d7000', '2000 0280 0800 0100 00000008 0800 0200 00000000 0c00 0380 0500 0100 02 000000'), // cmp eq 2
    ct('00000013', '00000008'), // original source address
    ct('00000014', '00000009'),
    ct('0000000b', '0000000a'), // original source port
    ct('0000000c', '0000000b'),
    expression('2400', '0b00 0100 6c6f6f6b757000 00', '1400 0280 0600 0100 7300 0000 0800 0200 00000008'),
    expression('2400', '0b00 0100 72656a65637400 00', '1400 0280 0800 0100 00000001 0500 0200 00 000000'),
  ].map((part) => part.replace(/ /g, ''));
  for (const part of expected) assert.ok(text.includes(part), `${part}\nin ${text}`);
  const bytes = new MessageWriter();
  addRule(bytes, 't', 'forward', [drop(), ...isNewConnection(), ...isServiceIn('s', NFPROTO_IPV4, 'from')], 6);
  assert.equal(messageLength(bytes.bytes, 0, bytes.lengthBytes), bytes.lengthBytes);
  assert.equal(messageType(bytes.bytes, 0), 0x0a06);
});

test('interface and mark: names whole or as a beginning, marks in host order', () => {
  const cmp = (length: string, data: string): string => hex(expression(length, '0800 0100 636d7000', data));
  const text = written((writer) => addRule(writer, 't', 'forward', [...isInterface('in', 'eth1'), ...isMark(0xff0000, 0x20000), counter(), drop()], 1));
  assert.ok(text.includes(cmp('3800', '2c00 0280 0800 0100 00000008 0800 0200 00000000 1800 0380 1400 0100 65746831 000000000000000000000000')), text);
  assert.ok(text.includes(hex('0800 0100 0000ff00')), 'the mask');
  assert.ok(text.includes(hex('0800 0100 00000200')), 'the value');
  assert.ok(text.includes(hex('1400 0180 0c00 0100 636f756e74657200 0400 0280')), 'counter');
  assert.ok(written((writer) => addRule(writer, 't', 'forward', isInterface('out', 'wg+'), 1)).includes(hex('0c00 0380 0600 0100 7767 0000')), 'two bytes of the name');
});

test('a table is removed by its name', () => {
  assert.equal(written((writer) => deleteTable(writer, 't', 1)), hex('1c000000 020a 0504 01000000 00000000 01 00 0000', name('0100')));
});

test('keys of services: client, service, protocol, port', () => {
  assert.equal(toHex(serviceKey(Uint8Array.of(10, 0, 0, 1), Uint8Array.of(10, 0, 0, 2), 17, 6881)), hex('0a000001 0a000002 11 000000 1ae1 0000'));
});
