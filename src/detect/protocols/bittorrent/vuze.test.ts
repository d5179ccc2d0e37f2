/** Vuze and BiglyBT beside the common protocols: their DHT in both directions, near misses, and local announcements. */
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { answer, ask, checkSamples, checkTruncations } from '../../../../test/support/detector-table.js';
import { vuzeDht, vuzeDhtAnswer, vuzeInstance } from './vuze.js';

/** connection id, action, transaction, version 54, vendor, network. */
function header(action: string, id = 'b424c2810002a145'): Uint8Array {
  return fromHex(`${id} ${action} 469fd182 36 00 00000000`);
}
/** own version, address length, 192.0.2.7, port 6881, instance, time in 2026. */
const SENDER = fromHex('36 04 c0000207 1ae1 f6b8fb67 000001a2039fbd9e');
const PING = concat(header('00000400'), SENDER, fromHex('00 ff03014002400302'));
const FIND_NODE = concat(header('00000404'), SENDER, fromHex('00 ff 14'), new Uint8Array(20).fill(0x4d), fromHex('ffffffff 00000000'));
const OVER_IPV6 = concat(
  header('00000406'),
  fromHex('36 10 20010db8000000000000000000000007 1ae1 f6b8fb67 000001a2039fbd9e'),
  new Uint8Array(30),
);
/** action, transaction, connection id, version, vendor, network, instance. */
const PONG = fromHex('00000401 469fd182 b424c2810002a145 36 00 00000000 92adbeb8 00ff0003');
const ERROR = fromHex('00000408 469fd182 b424c2810002a145 36 00 00000000 92adbeb8 00ff00040000 0001041a4e05021ae1');

test('requests of the Vuze DHT are certain by themselves', () => {
  checkSamples(vuzeDht, [
    { name: 'ping', turns: [ask(PING)], expected: 'certain' },
    { name: 'find node', turns: [ask(FIND_NODE)], expected: 'certain' },
    { name: 'find value over IPv6', turns: [ask(OVER_IPV6)], expected: 'certain' },
    { name: 'a connection id without its upper bit', turns: [ask(concat(header('00000400', '3424c2810002a145'), SENDER))], expected: 'no' },
    { name: 'an action beyond the last', turns: [ask(concat(header('00000410'), SENDER))], expected: 'no' },
    { name: 'a version of 2005', turns: [ask(concat(fromHex('b424c2810002a145 00000400 469fd182 05 00 00000000'), SENDER))], expected: 'no' },
    { name: 'a network that nobody uses', turns: [ask(concat(fromHex('b424c2810002a145 00000400 469fd182 36 00 00010000'), SENDER))], expected: 'no' },
    { name: 'an address of 5 bytes', turns: [ask(concat(header('00000400'), fromHex('36 05 c000020700 1ae1 f6b8fb67 000001a2039fbd9e')))], expected: 'no' },
    { name: 'port 0', turns: [ask(concat(header('00000400'), fromHex('36 04 c0000207 0000 f6b8fb67 000001a2039fbd9e')))], expected: 'no' },
    { name: 'a time of 1970', turns: [ask(concat(header('00000400'), fromHex('36 04 c0000207 1ae1 f6b8fb67 00000000039fbd9e')))], expected: 'no' },
    { name: 'an announce of the UDP tracker protocol', turns: [ask(concat(fromHex('b424c2810002a145 00000001 469fd182'), new Uint8Array(82)))], expected: 'no' },
  ]);
});

test('answers of the Vuze DHT are certain by themselves', () => {
  checkSamples(vuzeDhtAnswer, [
    { name: 'ping answer', turns: [ask(PING), answer(PONG)], expected: 'certain' },
    { name: 'error', turns: [ask(PING), answer(ERROR)], expected: 'certain' },
    { name: 'answer picked up late', turns: [ask(PONG)], expected: 'certain' },
    { name: 'an action beyond the last', turns: [ask(fromHex('00000410 469fd182 b424c2810002a145 36 00 00000000 92adbeb8'))], expected: 'no' },
    { name: 'a connection id without its upper bit', turns: [ask(fromHex('00000401 469fd182 3424c2810002a145 36 00 00000000 92adbeb8'))], expected: 'no' },
    { name: 'a vendor that nobody has', turns: [ask(fromHex('00000401 469fd182 b424c2810002a145 36 33 00000000 92adbeb8'))], expected: 'no' },
  ]);
});

test('instances announce themselves in a bencoded dictionary', () => {
  const origin = ascii('4:origd2:ai10:az_3.2.0.02:dpi6881e3:eip9:192.0.2.72:id40:');
  checkSamples(vuzeInstance, [
    { name: 'hello', turns: [ask(concat(ascii('d'), origin))], expected: 'certain' },
    { name: 'hello with a body', turns: [ask(concat(ascii('d4:bodyd3:ridi0e4:typei1ee'), origin))], expected: 'certain' },
    { name: 'another program', turns: [ask(ascii('d4:origd2:ai10:xx_3.2.0.02:dpi6881e'))], expected: 'no' },
    { name: 'a body alone', turns: [ask(ascii('d4:bodyd3:ridi0e4:typei1ee'))], expected: 'no' },
  ]);
});

test('cut messages are refused until the fields that count are there', () => {
  // Up to the time of a request, the network of an answer, the name of an instance.
  checkTruncations(vuzeDht, [ask(PING)], {}, 42);
  checkTruncations(vuzeDhtAnswer, [ask(PONG)], {}, 26);
  checkTruncations(vuzeInstance, [ask(ascii('d4:origd2:ai10:az_3.2.0.0'))], {}, 18);
});
