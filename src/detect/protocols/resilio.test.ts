import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { type Feature, type PeerSink, UDP } from '../detector.js';
import { dnsMessage } from '../facets/samples.js';
import { findingName, inspectSample, sampleInspection } from '../sample.js';
import { resilio } from './resilio.js';

const feature = (name: string): Feature => {
  const found = resilio.features.find((candidate) => candidate.feature === name);
  assert.ok(found);
  return found;
};
const answer = (name: string, bytes: Uint8Array): string => findingName(inspectSample(feature(name), [{ from: 0, bytes }]));

const ID = 'p'.repeat(20);
const SHARE = 's'.repeat(32);
/** 192.0.2.24:41397 as six bytes. */
const ENDPOINT = '\xc0\x00\x02\x18\xa1\xb5';
const DICTIONARY = `d2:la6:${ENDPOINT}1:m4:ping4:peer20:${ID}5:share32:${SHARE}e`;

test('certain: LAN discovery, with old and new message types', () => {
  assert.equal(answer('announce', ascii(`BSYNC\0${DICTIONARY}`)), 'certain');
  assert.equal(answer('announce', ascii(`BSYNC\0d1:mi4e4:peer20:${ID}e`)), 'certain');
});

test('no: announces cut before the dictionary, or with something else in its place', () => {
  const sample = ascii(`BSYNC\0${DICTIONARY}`);
  for (let length = 0; length < 9; length++) assert.equal(answer('announce', sample.subarray(0, length)), 'no');
  assert.equal(answer('announce', ascii('BSYNC\0le')), 'no');
  assert.equal(answer('announce', ascii(DICTIONARY)), 'no');
});

test('certain: the opening of a connection over TCP', () => {
  const dictionary = `d5:nonce16:${'n'.repeat(16)}5:share20:${'s'.repeat(20)}e`;
  const sample = concat(ascii('BSYNC\0'), Uint8Array.of(0, 0, 0, dictionary.length), ascii(dictionary));
  assert.equal(answer('handshake', sample), 'certain');
  for (let length = 0; length < 13; length++) assert.equal(answer('handshake', sample.subarray(0, length)), 'more', `${length}`);
  assert.equal(answer('handshake', concat(ascii('BSYNC\0'), fromHex('7fffffff'), ascii(dictionary))), 'no');
  assert.equal(answer('handshake', concat(ascii('BSYNC\0'), fromHex('00000010'), ascii('random bytes'))), 'no');
});

test('certain: the opening inside a uTP data packet', () => {
  const header = fromHex('0100 1234 00000001 00000002 00100000 0001 0000');
  assert.equal(answer('utp', concat(header, ascii('BSYNC\0'), new Uint8Array(32))), 'certain');
  assert.equal(answer('utp', concat(fromHex('21'), header.subarray(1), ascii('BSYNC\0'))), 'no');
  assert.equal(answer('utp', header), 'no');
});

test('likely: tracker messages and names', () => {
  assert.equal(answer('tracker', ascii(DICTIONARY)), 'likely');
  assert.equal(answer('tracker', ascii(`d2:ea6:${ENDPOINT}1:m5:peers5:peerslee`)), 'likely');
  assert.equal(answer('tracker', ascii('d2:ip6:......1:rd2:id20:')), 'no'); // BitTorrent's DHT
  assert.equal(answer('dns', dnsMessage(['t.usyncapp.com'])), 'likely');
  assert.equal(answer('dns', dnsMessage(['www.resilio.com'])), 'no');
});

test('announces tell local and peers\' addresses', () => {
  const told: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (bytes, at, port) => told.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: () => assert.fail('no IPv6'),
    listensOn: () => assert.fail('addresses are explicit'),
  };
  const bytes = ascii(`BSYNC\0d1:m5:peers5:peersld1:a6:${ENDPOINT}2:la6:\x0a\0\0\x01\x10\x002:ipeee`);
  feature('announce').harvest?.(sampleInspection(UDP, [{ from: 1, bytes }]), sink);
  assert.deepEqual(told, ['10.0.0.1:4096', '192.0.2.24:41397']);
});
