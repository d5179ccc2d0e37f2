/** Datagrams of BitTorrent behind the header of a SOCKS 5 relay. */
import { test } from 'node:test';
import { answer, ask, checkSamples, checkTruncations } from '../../../../test/support/detector-table.js';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { proxiedDatagram } from './proxied-datagram.js';

// Reserved, fragment, type; address; port 6881.
const IPV4 = fromHex('0000 00 01  c6336409  1ae1');
const IPV6 = fromHex('0000 00 04  20010db8000000000000000000000005  1ae1');
const NAME = concat(fromHex('0000 00 03  0b'), ascii('dht.example'), fromHex('1ae1'));

// Type and version, extension, connection; clock; difference; window; number, acknowledged.
const SYN = fromHex('41 00 02bc  50000000  00000000  00100000  2328 0000');
const STATE = fromHex('21 00 02bc  90000000  4fff0000  00100000  0001 2328');
const PING = ascii('d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe');
const CONNECT = fromHex('0000041727101980 00000000 5eed1234');
const CONNECT_ANSWER = fromHex('00000000 5eed1234 c0ffee0012345678');
const HANDSHAKE = concat(fromHex('01 00 02bd  50001000  00000100  00100000  2329 0001'), ascii('\x13BitTorrent protocol'), new Uint8Array(48));

test('what is certain without a relay is certain through one', () => {
  checkSamples(proxiedDatagram, [
    { name: 'uTP dialogue, IPv4', turns: [ask(concat(IPV4, SYN)), answer(concat(IPV4, STATE))], expected: 'certain' },
    { name: 'uTP dialogue, IPv6', turns: [ask(concat(IPV6, SYN)), answer(concat(IPV6, STATE))], expected: 'certain' },
    { name: 'uTP dialogue, asked by name, answered by address', turns: [ask(concat(NAME, SYN)), answer(concat(IPV4, STATE))], expected: 'certain' },
    { name: 'dialogue among datagrams to other peers', turns: [ask(concat(IPV6, SYN)), ask(concat(IPV4, PING.subarray(0, 3))), answer(concat(IPV6, STATE))], expected: 'certain' },
    { name: 'peer handshake over uTP', turns: [ask(concat(IPV4, HANDSHAKE))], expected: 'certain' },
    { name: 'hash table', turns: [ask(concat(IPV4, PING))], expected: 'certain' },
    { name: 'hash table, node by name', turns: [ask(concat(NAME, PING))], expected: 'certain' },
    { name: 'tracker', turns: [ask(concat(NAME, CONNECT))], expected: 'certain' },
    { name: 'answer of a tracker', turns: [ask(concat(IPV4, CONNECT)), answer(concat(IPV4, CONNECT_ANSWER))], expected: 'certain' },
  ]);
  checkTruncations(proxiedDatagram, [ask(concat(IPV4, SYN)), answer(concat(IPV4, STATE))]);
});

test('near misses are nothing', () => {
  checkSamples(proxiedDatagram, [
    { name: 'a first packet alone', turns: [ask(concat(IPV4, SYN))], expected: 'no' },
    { name: 'fragment', turns: [ask(concat(fromHex('0000 01 01 c6336409 1ae1'), PING))], expected: 'no' },
    { name: 'unknown address type', turns: [ask(concat(fromHex('0000 00 02 c6336409 1ae1'), PING))], expected: 'no' },
    { name: 'header alone', turns: [ask(IPV4)], expected: 'no' },
    { name: 'name longer than the datagram', turns: [ask(concat(fromHex('0000 00 03 ff'), PING))], expected: 'no' },
    { name: 'answer of another connection', turns: [ask(concat(IPV4, SYN)), answer(concat(IPV4, fromHex('21 00 02bd'), STATE.subarray(4)))], expected: 'no' },
    { name: 'question of the domain name system', turns: [ask(concat(IPV4, fromHex('1234 0100 0001 0000 0000 0000 0377777700 00010001')))], expected: 'no' },
    { name: 'zeros', turns: [ask(concat(IPV4, new Uint8Array(40)))], expected: 'no' },
  ]);
});
