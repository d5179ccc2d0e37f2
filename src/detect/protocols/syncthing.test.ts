import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ascii, concat, fromHex } from '../../base/bytes.js';
import { type Feature, type PeerSink, UDP } from '../detector.js';
import { clientHello, cryptoFrame, dnsMessage, quicInitial, serverHello, tlsRecords } from '../facets/samples.js';
import { findingName, inspectSample, sampleInspection } from '../sample.js';
import { syncthing } from './syncthing.js';

const feature = (name: string): Feature => {
  const found = syncthing.features.find((candidate) => candidate.feature === name);
  assert.ok(found);
  return found;
};
const answer = (name: string, bytes: Uint8Array): string => findingName(inspectSample(feature(name), [{ from: 0, bytes }]));

const ID = '9b'.repeat(32);
const address = (text: string) => concat(Uint8Array.of(0x12, text.length), ascii(text));
const BEACON = concat(
  fromHex(`2ea7d90b 0a20 ${ID}`),
  address('tcp://0.0.0.0:22000'),
  address('quic://192.0.2.7:22001'),
  address('tcp://[2001:db8::1]:22000'),
  address('tcp://:22002'),
  fromHex('18 bdfd91d3e401'),
);

test('certain: a beacon with its device id', () => {
  assert.equal(answer('local-discovery', BEACON), 'certain');
  assert.equal(answer('local-discovery', fromHex(`2ea7d90b 0a20 ${ID}`)), 'certain');
});

test('certain: beacons of older versions', () => {
  assert.equal(answer('local-discovery', fromHex(`7d79bc40 00000020 ${ID} 00000001`)), 'certain');
  assert.equal(answer('local-discovery', fromHex(`9d79bc40 00000020 ${ID} 00000001`)), 'certain');
  assert.equal(answer('local-discovery', fromHex(`9d79bc39 00000020 ${ID} 00000001 00000000 000055f0 00000000`)), 'certain', 'announcement of version 2');
  assert.equal(answer('local-discovery', fromHex(`2ca856f5 00000020 ${ID}`)), 'certain', 'question of version 2');
});

test('no: beacons cut within the device id, of other length or without it', () => {
  for (let length = 0; length < 38; length++) assert.equal(answer('local-discovery', BEACON.subarray(0, length)), 'no', `${length}`);
  assert.equal(answer('local-discovery', fromHex(`2ea7d90b 0a21 ${ID} 00`)), 'no');
  assert.equal(answer('local-discovery', fromHex(`2ea7d90b 1220 ${ID}`)), 'no');
  assert.equal(answer('local-discovery', fromHex(`2ea7d90b 0a20 ${ID} ff`)), 'no');
  assert.equal(answer('local-discovery', fromHex(`7d79bc40 00000021 ${ID} 00`)), 'no');
});

test('a beacon tells where its sender listens', () => {
  const told: string[] = [];
  const sink: PeerSink = {
    toldIpv4: (bytes, at, port) => told.push(`${bytes.subarray(at, at + 4).join('.')}:${port}`),
    toldIpv6: () => assert.fail('IPv6 is not read'),
    listensOn: (port) => told.push(`self:${port}`),
  };
  feature('local-discovery').harvest?.(sampleInspection(UDP, [{ from: 0, bytes: BEACON }]), sink);
  assert.deepEqual(told, ['self:22000', '192.0.2.7:22001', 'self:22002']);
});

test('certain: the application protocol in TLS and QUIC', () => {
  assert.equal(answer('tls', tlsRecords(clientHello({ alpn: ['bep/1.0'] }))), 'certain');
  assert.equal(answer('tls', tlsRecords(clientHello({ alpn: ['bep-relay'] }))), 'certain');
  assert.equal(answer('tls', tlsRecords(serverHello('bep/1.0'))), 'certain');
  assert.equal(answer('quic', quicInitial([cryptoFrame(clientHello({ alpn: ['bep/1.0'] }))])), 'certain');
  const forged = quicInitial([cryptoFrame(clientHello({ alpn: ['bep/1.0'] }))]);
  forged[forged.length - 1]! ^= 1; // of the tag
  assert.equal(answer('quic', forged), 'no');
});

test('other hellos are no, cut ones more', () => {
  assert.equal(answer('tls', tlsRecords(clientHello({ alpn: ['h2'] }))), 'no');
  assert.equal(answer('tls', tlsRecords(clientHello({ alpn: ['bep/1.0'] })).subarray(0, 50)), 'more');
  assert.equal(answer('quic', quicInitial([cryptoFrame(clientHello({ alpn: ['h3'] }))])), 'no');
});

test('likely: public discovery and relay servers; no: the web site', () => {
  for (const name of ['discovery.syncthing.net', 'discovery-announce-v4.syncthing.net', 'relays.syncthing.net', 'stun.syncthing.net']) {
    assert.equal(answer('dns', dnsMessage([name])), 'likely', name);
    assert.equal(answer('tls', tlsRecords(clientHello({ serverName: name, alpn: ['h2'] }))), 'likely', name);
  }
  for (const name of ['syncthing.net', 'docs.syncthing.net', 'forum.syncthing.net', 'discovery.syncthing.network']) {
    assert.equal(answer('dns', dnsMessage([name])), 'no', name);
    assert.equal(answer('tls', tlsRecords(clientHello({ serverName: name }))), 'no', name);
  }
});

test('block exchange hello and relay messages in clear', () => {
  const HELLO = fromHex('2ea7d90b 0012 0a 04 68 6f 73 74');
  assert.equal(answer('block-exchange', HELLO), 'certain');
  for (let length = 0; length < 7; length++) assert.equal(answer('block-exchange', HELLO.subarray(0, length)), 'more');
  assert.equal(answer('block-exchange', fromHex('2ea7d90b 0000 0a')), 'no');
  const JOIN = fromHex('9e79bc40 00000003 00000024 00000020');
  assert.equal(answer('relay', JOIN), 'certain');
  for (let length = 0; length < 12; length++) assert.equal(answer('relay', JOIN.subarray(0, length)), 'more');
  assert.equal(answer('relay', fromHex('9e79bc40 00000008 00000024 00000020')), 'no');
  assert.equal(answer('relay', fromHex('9e79bc40 00000003 00010024 00000020')), 'no');
});
