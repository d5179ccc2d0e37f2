/**
 * Hyperswarm: the HyperDHT that finds peers, and UDX streams between them (Keet,
 * Pear, Hypercore and other Holepunch programs).
 *
 * Recognised: dht-rpc requests and replies, UDX packets, the one-byte datagrams that
 * punch holes (only between endpoints already told), bootstrap names in DNS.
 * Not recognised: what streams carry (a Noise handshake, then encrypted), connections of Hyperswarm
 * version 2 and older beyond their DHT, DHT relays over WebSocket.
 *
 * Specification: public source of dht-rpc, hyperdht, libudx (holepunchto on GitHub).
 */
import { u16le, u8 } from '../../base/bytes.js';
import { defineProtocol, type Feature, type Finding, type Inspection, match, MORE, NO, UDP } from '../detector.js';
import { dnsQuestions } from '../facets/dns-questions.js';
import { dht4 } from './hyperswarm/dht-rpc-4.js';
import { eachToldAddress, isDhtMessage, REPLY, REQUEST, TO_AT } from './hyperswarm/dht-rpc.js';
import { isAnswer, isSameStream, isUdxHeader, isUdxOpening } from './hyperswarm/udx.js';

const ADDRESSED = match('certain', 'HyperDHT message that names its own destination address and port');
const ANSWERED = match('certain', 'HyperDHT reply to a request seen before, with its transaction id');
const PORT_ONLY = match('likely', 'HyperDHT message of exact structure that names its destination port');
const SHAPED = match('suspected', 'datagram with the exact structure of a HyperDHT message');
const STREAM_OPENING = match('certain', 'first data packet of a UDX stream');
const STREAM = match('certain', 'UDX packets of one stream with consistent counters');
const STREAM_SHAPED = match('suspected', 'datagram with a UDX header');
const PUNCH = match('likely', 'one-byte hole punch to or from an endpoint of the HyperDHT');
const NAMED = match('likely', 'DNS question for a HyperDHT bootstrap node');

/**
 * Odds of a false alarm for `certain`: random bytes have the structure with 2^-20 and name
 * their own destination with 2^-48, or repeat the transaction id of a datagram that has the
 * structure of a request with another 2^-16 * 2^-11.
 */
const dht: Feature = {
  feature: 'dht',
  transport: UDP,
  trigger: {
    kind: 'anchors',
    anchors: [
      { at: 0, bytes: Uint8Array.of(REQUEST) },
      { at: 0, bytes: Uint8Array.of(REPLY) },
    ],
  },
  inspect(input: Inspection): Finding {
    const { bytes, start, end } = input;
    if (!isDhtMessage(bytes, start, end)) return NO;
    const isPort = u16le(bytes, start + TO_AT + 4) === input.dstPort;
    if (isPort && isDestination(input)) return ADDRESSED;
    if (u8(bytes, start) === REPLY && hasRequest(input)) return ANSWERED;
    if (isPort) return PORT_ONLY;
    // The first two bytes of a DNS message are a random number.
    return input.dns() === null ? SHAPED : NO;
  },
  harvest(input, sink): boolean {
    eachToldAddress(input.bytes, input.start, input.end, (at, port) => {
      if (port > 0) sink.toldIpv4(input.bytes, at, port);
    });
    return true;
  },
};

/** Whether `to` is the packet's own IPv4 destination. Address translation on the path breaks this, hence the other signs. */
function isDestination(input: Inspection): boolean {
  if (input.ipVersion !== 4) return false;
  for (let i = 0; i < 4; i++) {
    if (input.bytes[input.start + TO_AT + i] !== input.addressBytes[input.destinationAt + i]) return false;
  }
  return true;
}

/** Whether a request with the transaction id of this reply went the other way before. */
function hasRequest(input: Inspection): boolean {
  const { turns } = input;
  const transaction = u16le(input.bytes, input.start + 2);
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) === input.direction || turns.headLengthBytes(i) < 10) continue;
    const at = turns.headAt(i);
    if (u8(turns.heads, at) === REQUEST && u8(turns.heads, at + 1) < 32 && u16le(turns.heads, at + 2) === transaction) return true;
  }
  return false;
}

/**
 * Odds of a false alarm for `certain`: an opening needs 2^-18 for magic, version and type, and 64
 * zero bits; later packets need the header twice, the same id (2^-32) and two close counters (2^-30).
 */
const udx: Feature = {
  feature: 'udx',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(0xff, 1) }] },
  inspect(input: Inspection): Finding {
    const { bytes, start, end, turns } = input;
    if (!isUdxHeader(bytes, start, end)) return NO;
    if (isUdxOpening(bytes, start)) return STREAM_OPENING;
    for (let i = 0; i < turns.count; i++) {
      const at = turns.headAt(i);
      if (!isUdxHeader(turns.heads, at, at + turns.headLengthBytes(i), at + turns.lengthBytes(i))) continue;
      const isSame = turns.direction(i) === input.direction;
      if (isSame ? isSameStream(bytes, start, turns.heads, at) : isAnswer(bytes, start, turns.heads, at)) return STREAM;
    }
    return STREAM_SHAPED;
  },
};

/** Heuristic: one zero byte says nothing by itself (keep-alives of many programs), so the endpoint must have been told. */
const holepunch: Feature = {
  feature: 'holepunch',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(0) }] },
  inspect(input: Inspection): Finding {
    if (input.end - input.start !== 1) return NO;
    const known = input.known();
    return known === 'told' || known === 'endpoint' ? PUNCH : MORE;
  },
};

/** Bootstrap nodes are node1 to node3.hyperdht.org. */
const DOMAINS = ['hyperdht.org'];

const dns = dnsQuestions(DOMAINS, NAMED);

export const hyperswarm = defineProtocol({
  id: 'hyperswarm',
  title: 'Hyperswarm / HyperDHT',
  category: 'distributed-web',
  specs: [
    'https://github.com/holepunchto/dht-rpc',
    'https://github.com/holepunchto/hyperdht',
    'https://github.com/holepunchto/libudx',
  ],
  features: [dht, dht4, udx, holepunch, dns],
});
