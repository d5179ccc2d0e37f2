/**
 * Facets on real traffic: what captured QUIC, TLS and DNS packets say, as an independent
 * dissector (tshark 4.0) prints it.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dnsFacet, quicFacet, tlsFacet } from '../../src/detect/facets/index.js';
import { CaptureReader } from '../../src/pcap/capture-reader.js';
import { decodeFrame } from '../../src/wire/decode.js';
import { PacketView } from '../../src/wire/packet-view.js';
import { CAPTURES, NO_CAPTURES } from '../support/captures.js';

/** Packets of a capture by number, from 1. */
function eachPacket(path: string, visit: (view: PacketView, packet: number) => void): void {
  const reader = new CaptureReader();
  const view = new PacketView();
  reader.feed(readFileSync(path));
  for (let read = reader.next(); read === 'packet'; read = reader.next()) {
    if (decodeFrame(view, reader.linkType, reader.bytes, reader.start, reader.end) === 'ok') visit(view, reader.packetCount);
  }
}

/** capture, packet, version, server name, first protocol offered. */
const QUIC: readonly (readonly [string, number, number, string, string | undefined])[] = [
  ['ntop-quic-29.pcap', 1, 0xff00001d, 'localhost', 'h3-29'],
  ['ntop-doq.pcapng', 1, 0xff000020, '', 'doq-i00'],
  ['ntop-google_meet.pcapng', 7, 1, 'meet.google.com', 'h3'],
  ['ntop-quic_0RTT.pcap', 5, 1, 'ssl.gstatic.com', 'h3'],
  ['ntop-quic_crypto_aes_auth_size.pcap', 1, 1, 'app-analytics-v2.snapchat.com', 'h3'],
  ['ntop-quic_frags_ch_in_multiple_packets.pcapng', 1, 1, '', 'h3-34'],
];

test('QUIC Initials of browsers and servers open to the names in them', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  for (const [name, wanted, version, serverName, alpn] of QUIC) {
    let found = 0;
    eachPacket(join(CAPTURES, 'negatives', name), (view, packet) => {
      if (packet !== wanted || view.protocol !== 17) return;
      const initial = quicFacet(view.bytes, view.payloadAt, view.end);
      assert.deepEqual([initial?.version, initial?.hello.serverName, initial?.hello.alpn[0]], [version, serverName, alpn], name);
      found++;
    });
    assert.equal(found, 1, name);
  }
});

test('DNS messages are found on their ports and nowhere near as often elsewhere', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  let parsed = 0;
  let elsewhere = 0;
  for (const name of ['negatives/ntop-nfsv2.pcap', 'negatives/ntop-nfsv3.pcap', 'p2p/bt10-dht-2.pcap', 'p2p/bt07-dns.pcap', 'negatives/bro-bro.org.pcap']) {
    eachPacket(join(CAPTURES, name), (view) => {
      if (view.protocol !== 17 || dnsFacet(view.bytes, view.payloadAt, view.end, false) === null) return;
      if ([53, 5353, 5355, 137].includes(view.srcPort) || [53, 5353, 5355, 137].includes(view.dstPort)) parsed++;
      else elsewhere++;
    });
  }
  assert.ok(parsed > 0);
  assert.equal(elsewhere, 0);
});

test('a TLS hello of a real Syncthing names its protocol', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const protocols: string[] = [];
  eachPacket(join(CAPTURES, 'programs', 'syncthing-tcp.pcap'), (view) => {
    const hello = view.protocol === 6 ? tlsFacet(view.bytes, view.payloadAt, view.end) : null;
    if (hello?.isClient) protocols.push(...hello.alpn);
  });
  assert.deepEqual(protocols, ['bep/1.0']);
});
