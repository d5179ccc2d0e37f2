/** UDP tracker: requests by themselves, answers by their request, and harvested peers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { type PeerSink, UDP } from '../../detector.js';
import { sampleInspection, type Turn } from '../../sample.js';
import { answer, ask, checkSamples, checkTruncations } from '../../../../test/support/detector-table.js';
import { udpTracker } from './udp-tracker.js';

const HASH = ascii('aaaaaaaaaabbbbbbbbbb');
/** protocol id, action connect, transaction. */
const CONNECT = fromHex('0000041727101980 00000000 1234abcd');
/** action, transaction, connection id. */
const CONNECTED = fromHex('00000000 1234abcd 1122334455667788');
const ANNOUNCE = concat(
  fromHex('1122334455667788 00000001 0badcafe'), // connection id, action, transaction
  HASH,
  ascii('-TR3000-xxxxxxxxxxxx'),
  fromHex('0000000000000000 0000000000300000 0000000000000000'), // downloaded, left, uploaded
  fromHex('00000002 00000000 5f6e7d8c ffffffff c8d5'), // event, address, key, wanted, port 51413
);
/** BEP 41: option 2 (path), 9 bytes. */
const WITH_PATH = concat(ANNOUNCE, fromHex('0209'), ascii('/announce'));
/** action, transaction, interval 1800, leechers, seeders, two peers. */
const ANNOUNCED = fromHex('00000001 0badcafe 00000708 00000001 00000002 c6336409 1ae1 c633640a 1ae2');
const SCRAPE = concat(fromHex('1122334455667788 00000002 0badcafe'), HASH, HASH);
const SCRAPED = concat(fromHex('00000002 0badcafe'), new Uint8Array(24));

/** Connection id, action, transaction, two hashes as they are. */
const RANDOM_SCRAPE = fromHex(
  'd3a41f7792c05be8 00000002 5f1d9c33 8c1de3a9f04477b25e61c0d99a3b7f12e4850c6d 31f7ca9be25d80744ea1069fb83ce7527ad1930f',
);

/** One question, one answer, two records besides, 76 bytes in all. */
const DNS_ANSWER = concat(
  fromHex('9c5b 8180 0001 0001 0000 0002'),
  fromHex('07'), ascii('example'), fromHex('00 0001 0001'),
  fromHex('c00c 0001 0001 00015180 0004 c6336407'),
  fromHex('c00c 0010 0001 00015180 0007 06a1b2c3d4e5f6'),
  fromHex('c00c 0001 0001 00015180 0004 c6336409'),
);

test('requests are certain by themselves, answers with their request', () => {
  checkSamples(udpTracker, [
    { name: 'connect', turns: [ask(CONNECT)], expected: 'certain' },
    { name: 'connect answer', turns: [ask(CONNECT), answer(CONNECTED)], expected: 'certain' },
    { name: 'announce of a flow picked up late', turns: [ask(ANNOUNCE)], expected: 'certain' },
    { name: 'announce with path', turns: [ask(WITH_PATH)], expected: 'certain' },
    { name: 'announce answer', turns: [ask(ANNOUNCE), answer(ANNOUNCED)], expected: 'certain' },
    { name: 'scrape', turns: [ask(SCRAPE)], expected: 'more' },
    { name: 'error for an announce', turns: [ask(ANNOUNCE), answer(concat(fromHex('00000003 0badcafe'), ascii('not registered')))], expected: 'certain' },
    { name: 'announce answer without its request', turns: [answer(ANNOUNCED)], expected: 'likely' },
    { name: 'the same with one peer', turns: [answer(ANNOUNCED.subarray(0, 26))], expected: 'suspected' },
    { name: 'scrape of random hashes, without a connect', turns: [ask(RANDOM_SCRAPE)], expected: 'suspected' },
    { name: 'two of them', turns: [ask(RANDOM_SCRAPE), ask(changed(RANDOM_SCRAPE, 12, '7b2a9c11'))], expected: 'suspected' },
    { name: 'error that ends with a zero', turns: [ask(ANNOUNCE), answer(concat(fromHex('00000003 0badcafe'), ascii('Connection ID missmatch.'), fromHex('00')))], expected: 'certain' },
    { name: 'scrape and answer', turns: [ask(SCRAPE), answer(SCRAPED)], expected: 'certain' },
  ]);
});

/** `bytes` with other bytes at `at`. */
function changed(bytes: Uint8Array, at: number, hex: string): Uint8Array {
  const out = bytes.slice();
  out.set(fromHex(hex), at);
  return out;
}

test('near misses are not certain', () => {
  checkSamples(udpTracker, [
    { name: 'other protocol id', turns: [ask(changed(CONNECT, 4, '27101981'))], expected: 'no' },
    { name: 'connect that is longer', turns: [ask(concat(CONNECT, fromHex('00')))], expected: 'no' },
    { name: 'answer without request', turns: [answer(CONNECTED)], expected: 'no' },
    { name: 'answer with other transaction', turns: [ask(CONNECT), answer(changed(CONNECTED, 4, '1234abce'))], expected: 'no' },
    { name: 'error without request', turns: [answer(concat(fromHex('00000003 0badcafe'), ascii('not registered')))], expected: 'no' },
    { name: 'announce answer alone, nobody knows', turns: [answer(changed(ANNOUNCED, 12, '00000000 00000000'))], expected: 'no' },
    { name: 'announce answer alone, transaction 7', turns: [answer(changed(ANNOUNCED, 4, '00000007'))], expected: 'no' },
    { name: 'scrape and answer with transaction 7', turns: [ask(changed(SCRAPE, 12, '00000007')), answer(changed(SCRAPED, 4, '00000007'))], expected: 'no' },
    { name: 'zeros in both directions', turns: [ask(new Uint8Array(16)), answer(new Uint8Array(16))], expected: 'no' },
    { name: 'announce answer alone, a year', turns: [answer(changed(ANNOUNCED, 8, '01e13380'))], expected: 'no' },
    { name: 'announce answer alone, multicast peer', turns: [answer(changed(ANNOUNCED, 20, 'e0'))], expected: 'no' },
    { name: 'announce answer alone, peer without port', turns: [answer(changed(ANNOUNCED, 24, '0000'))], expected: 'no' },
    { name: 'answer of the same side', turns: [ask(CONNECT), ask(CONNECTED)], expected: 'no' },
    { name: 'answer with odd peers', turns: [ask(ANNOUNCE), answer(concat(ANNOUNCED, fromHex('00')))], expected: 'no' },
    { name: 'scrape answer for one torrent of two', turns: [ask(SCRAPE), answer(SCRAPED.subarray(0, 20))], expected: 'no' },
    { name: 'scrape of half a hash', turns: [ask(SCRAPE.subarray(0, 46))], expected: 'no' },
    { name: 'event 4', turns: [ask(changed(ANNOUNCE, 80, '00000004'))], expected: 'no' },
    { name: 'downloaded beyond belief', turns: [ask(changed(ANNOUNCE, 56, '80'))], expected: 'no' },
    { name: 'wants a million peers', turns: [ask(changed(ANNOUNCE, 92, '000f4240'))], expected: 'no' },
    { name: 'port 0', turns: [ask(changed(ANNOUNCE, 96, '0000'))], expected: 'no' },
    { name: 'zeros', turns: [ask(new Uint8Array(98))], expected: 'no' },
    { name: 'small numbers where the info-hash stands', turns: [ask(changed(ANNOUNCE, 16, '00000001 00000000 00000003 00000000 00000005'))], expected: 'no' },
    { name: 'call with number and its answer, shorter than an announce', turns: [ask(ANNOUNCE.subarray(0, 60)), answer(ANNOUNCED.subarray(0, 20))], expected: 'no' },
    { name: 'error for a call shorter than an announce', turns: [ask(ANNOUNCE.subarray(0, 60)), answer(concat(fromHex('00000003 0badcafe'), ascii('no')))], expected: 'no' },
    { name: 'scrape of text', turns: [ask(SCRAPE)], expected: 'more' },
    { name: 'scrape alone with transaction 7', turns: [ask(changed(RANDOM_SCRAPE, 12, '00000007'))], expected: 'more' },
    { name: 'scrape alone with a small connection id', turns: [ask(changed(RANDOM_SCRAPE, 0, '0000000000000001'))], expected: 'more' },
    { name: 'scrape alone with small numbers for a hash', turns: [ask(changed(RANDOM_SCRAPE, 16, '00000001 00000000 00000003 00000000 00000005'))], expected: 'more' },
    { name: 'the same shape behind another type', turns: [ask(changed(RANDOM_SCRAPE, 11, '05')), ask(RANDOM_SCRAPE)], expected: 'more' },
    { name: 'an answer of DNS with two additional records', turns: [ask(DNS_ANSWER)], expected: 'more' },
    { name: 'the same shape behind another length', turns: [ask(RANDOM_SCRAPE.subarray(0, 50)), ask(RANDOM_SCRAPE)], expected: 'more' },
    { name: 'the same shape with another id each time', turns: [ask(changed(RANDOM_SCRAPE, 0, '99')), ask(RANDOM_SCRAPE)], expected: 'more' },
    { name: 'call 2 with big numbers in its answer', turns: [ask(SCRAPE), answer(changed(SCRAPED, 8, '7f3a9c55'))], expected: 'no' },
    { name: 'call 2 with small numbers where hashes stand', turns: [ask(changed(SCRAPE, 16, '00000001 00000000 00000003 00000000 00000005')), answer(SCRAPED)], expected: 'no' },
    { name: 'call 1 that is no announce, answered by random bytes', turns: [ask(changed(ANNOUNCE, 80, '00000004')), answer(changed(ANNOUNCED, 8, '9c55aa01'))], expected: 'no' },
    { name: 'call with an error of binary bytes', turns: [ask(ANNOUNCE), answer(fromHex('00000003 0badcafe 0102030405'))], expected: 'no' },
    { name: 'magnet: left unknown', turns: [ask(changed(ANNOUNCE, 64, '7fffffffffffffff'))], expected: 'certain' },
  ]);
  for (const turns of [[ask(CONNECT)], [ask(ANNOUNCE)], [ask(SCRAPE), answer(SCRAPED)]]) checkTruncations(udpTracker, turns);
});

function told(turn: Turn, destination?: Uint8Array): string[] {
  const out: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (bytes, at, port) => out.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: (bytes, at, port) => out.push(`v6 ${bytes[at]}..${bytes[at + 15]}:${port}`),
    listensOn: (port) => out.push(`sender:${port}`),
  };
  assert.equal(udpTracker.harvest?.(sampleInspection(UDP, [turn], destination ? { destination } : {}), sink), true);
  return out;
}

test('announce tells the listening port, its answer the peers of the flow’s IP version', () => {
  assert.deepEqual(told(ask(ANNOUNCE)), ['sender:51413']);
  assert.deepEqual(told(answer(ANNOUNCED)), ['198.51.100.9:6881', '198.51.100.10:6882']);
  const six = concat(ANNOUNCED.subarray(0, 20), fromHex('20010db8000000000000000000000005 1ae1'));
  assert.deepEqual(told(answer(six), new Uint8Array(16)), ['v6 32..5:6881']);
  assert.deepEqual(told(answer(six.subarray(0, 37)), new Uint8Array(16)), []);
  assert.deepEqual(told(answer(CONNECTED)), []);
  assert.deepEqual(told(answer(changed(ANNOUNCED, 8, 'ffffffff'))), []);
  for (let length = 0; length < ANNOUNCED.length; length++) told(answer(ANNOUNCED.subarray(0, length)));
});
