/**
 * Resilio Sync (BitTorrent Sync until 2016): folders kept in step between peers.
 *
 * Recognised: LAN discovery and direct announces over UDP, the opening of connections
 * over TCP and uTP, tracker messages, names of trackers and relays in DNS.
 * Not recognised: what follows the opening (encrypted); the mainline DHT it may use,
 * which is BitTorrent's; the web site and license server.
 *
 * Specification: none published. Observations: picosync working draft (protocol),
 * Scanlon, Farina, Kechadi: Network Investigation Methodology for BitTorrent Sync (2015).
 */
import { ascii, hasAt, indexOf, u16, u32, u8 } from '../../base/bytes.js';
import { defineProtocol, type Feature, type Finding, type Inspection, match, MORE, NO, type PeerSink, TCP, UDP } from '../detector.js';
import { dnsQuestions } from '../facets/dns-questions.js';

const ANNOUNCE = match('certain', 'Resilio Sync announce: BSYNC and a bencoded dictionary');
const OPENING = match('certain', 'Resilio Sync connection opening: BSYNC with nonce and share');
const OPENING_UTP = match('certain', 'Resilio Sync connection opening inside uTP');
const TRACKED = match('likely', 'bencoded dictionary of a Resilio Sync tracker');
const NAMED = match('likely', 'DNS question for a Resilio Sync tracker or relay');

const MAGIC = ascii('BSYNC\0');
const MAGIC_BYTES = 6;
const LETTER_D = 0x64;

/** True when a bencoded dictionary with a string key begins at `at`: 'd', a length, a colon. */
function isDictionary(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 3 > end || u8(bytes, at) !== LETTER_D) return false;
  const digit = u8(bytes, at + 1);
  // Keys are 'la', 'm', 'ea', 'peer', 'share', 'nonce': one digit of length.
  return digit >= 0x31 && digit <= 0x39 && u8(bytes, at + 2) === 0x3a;
}

/** Odds of a false alarm: 6 literal bytes and the start of a dictionary, 2^-68. */
const announce: Feature = {
  feature: 'announce',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: MAGIC }] },
  inspect(input: Inspection): Finding {
    return isDictionary(input.bytes, input.start + MAGIC_BYTES, input.end) ? ANNOUNCE : NO;
  },
  harvest(input: Inspection, sink: PeerSink): boolean {
    eachEndpoint(input, sink);
    return true;
  },
  // The destination may be the multicast group.
  remember: 'initiator',
};

/** Keys whose values are IPv4 address and port, network order: local and external address of the sender, addresses of peers. */
const ENDPOINT_KEYS: readonly Uint8Array[] = [ascii('2:la6:'), ascii('1:a6:')];
/** Peers of one share that are worth remembering. */
const MAX_ENDPOINTS = 64;

function eachEndpoint(input: Inspection, sink: PeerSink): void {
  const { bytes, start, end } = input;
  for (const key of ENDPOINT_KEYS) {
    let at = start;
    for (let i = 0; i < MAX_ENDPOINTS; i++) {
      const found = indexOf(bytes, at, end, key);
      at = found + key.length;
      if (found < 0 || at + 6 > end) break;
      const port = u16(bytes, at + 4);
      if (port > 0) sink.toldIpv4(bytes, at, port);
    }
  }
}

/** BSYNC, a 32-bit length, then the dictionary { nonce: 16 bytes, share: 20 or 32 bytes }. */
const MAX_OPENING_BYTES = 4096;

/** Odds of a false alarm: 6 literal bytes, 20 bits of the length and the start of a dictionary, 2^-88. */
const tcp: Feature = {
  feature: 'handshake',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: MAGIC }] },
  inspect(input: Inspection): Finding {
    const { bytes, start, end } = input;
    const at = start + MAGIC_BYTES;
    if (end - at < 7) return MORE;
    return u32(bytes, at) <= MAX_OPENING_BYTES && isDictionary(bytes, at + 4, end) ? OPENING : NO;
  },
};

/** BEP 29: a data packet of version 1 without extensions has 20 bytes of header. */
const UTP_HEADER_BYTES = 20;
const UTP_DATA_V1 = 0x01;

/** Odds of a false alarm: 6 literal bytes behind a uTP header whose first two bytes fit, 2^-64. */
const utp: Feature = {
  feature: 'utp',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: UTP_HEADER_BYTES, bytes: MAGIC }] },
  inspect(input: Inspection): Finding {
    const { bytes, start } = input;
    return u8(bytes, start) === UTP_DATA_V1 && u8(bytes, start + 1) === 0 ? OPENING_UTP : NO;
  },
};

/** Tracker messages as observed: dictionaries { ea or la, m, ... } without the magic. */
const EXTERNAL = ascii('d2:ea6:');
const LOCAL = ascii('d2:la6:');
const METHOD = ascii('1:m');

/** Heuristic: ten literal bytes, but bencoding is anybody's, hence `likely`. No known false positive. */
const tracker: Feature = {
  feature: 'tracker',
  transport: UDP,
  trigger: {
    kind: 'anchors',
    anchors: [
      { at: 0, bytes: EXTERNAL },
      { at: 0, bytes: LOCAL },
    ],
  },
  remember: 'none',
  inspect(input: Inspection): Finding {
    return hasAt(input.bytes, input.start + EXTERNAL.length + 6, input.end, METHOD) ? TRACKED : NO;
  },
};

/** t., r. and config.usyncapp.com: trackers, relays, and the list of both. */
const DOMAINS = ['usyncapp.com'];

const dns = dnsQuestions(DOMAINS, NAMED);

export const resilio = defineProtocol({
  id: 'resilio',
  title: 'Resilio Sync (BitTorrent Sync)',
  category: 'sync',
  specs: ['https://github.com/picosync/workingDraft/wiki/Protocol', 'https://doi.org/10.1016/j.cose.2015.05.003'],
  features: [announce, tcp, utp, tracker, dns],
});
