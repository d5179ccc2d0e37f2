import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fromHex, toHex } from '../base/bytes.js';
import { addMember, deleteMember, type SetMember } from './ipset.js';
import { MessageWriter } from './message-writer.js';

function written(write: (writer: MessageWriter) => void): string {
  const writer = new MessageWriter();
  write(writer);
  return toHex(writer.finish());
}

const PEER: SetMember = { set: 'peers', address: Uint8Array.of(198, 51, 100, 7), port: 3128, second: Uint8Array.of(10, 1, 0, 2) };

test('adding an address, a port and a second address with a time-out', () => {
  const expected = [
    '64000000 0906 0500 2a000000 00000000', // length 100, IPSET_CMD_ADD, REQUEST | ACK, sequence 42
    '02 00 0000', // family, version, resource
    '0500 0100 06 000000', // protocol 6
    '0a00 0200 7065657273 00 0000', // set name
    '3c00 0780', // data
    '0c00 0180 0800 0140 c6336407', // address
    '0600 0440 0c38 0000', // port 3128
    '0500 0700 06 000000', // TCP
    '0c00 1480 0800 0140 0a010002', // second address
    '0800 0640 00015180', // time-out 86,400 s
    '0800 0940 00000000', // line
  ].join('');
  assert.equal(written((writer) => addMember(writer, PEER, 86_400, 42)), toHex(fromHex(expected)));
});

test('deleting an IPv6 address', () => {
  const member: SetMember = { set: 'locked6', address: fromHex('20010db8000000000000000000000007') };
  const text = written((writer) => deleteMember(writer, member, 1));
  assert.equal(text.slice(8, 12), '0a06', 'IPSET_CMD_DEL');
  assert.equal(text.slice(32, 34), '0a', 'AF_INET6');
  assert.ok(text.includes('14000240' + '20010db8000000000000000000000007'));
  assert.ok(!text.includes('0640'), 'no time-out');
});
