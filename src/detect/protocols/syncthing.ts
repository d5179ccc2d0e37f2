/**
 * Syncthing: peers that keep folders in step, found by broadcast, discovery servers
 * and relays.
 *
 * Recognised: local discovery beacons (since 0.14, and the older XDR ones), the block
 * exchange by the ALPN of its TLS and QUIC connections, relay sessions in clear, names
 * of the public discovery and relay servers in DNS and TLS.
 * Not recognised: traffic inside TLS; private discovery servers by name; the project's
 * web site and update server, which are ordinary HTTPS.
 *
 * Specification: https://docs.syncthing.net/specs/ (bep-v1, localdisco-v4, relay-v1, globaldisco-v3)
 */
import { fromHex, hasAt, latin1, u16, u32, u8 } from '../../base/bytes.js';
import { DomainSet, isInDomain } from '../../base/domain.js';
import { parseIpv4 } from '../../base/address.js';
import { labelsOf } from '../facets/dns-questions.js';
import { defineProtocol, type Feature, type Finding, type Inspection, match, MORE, NO, type PeerSink, TCP, UDP } from '../detector.js';

const BEACON = match('certain', 'Syncthing local discovery beacon with device id');
const ALPN_TLS = match('certain', 'TLS hello with the application protocol of Syncthing');
const ALPN_QUIC = match('certain', 'QUIC hello with the application protocol of Syncthing');
const HELLO = match('certain', 'Hello message of the Syncthing block exchange protocol');
const RELAYED = match('certain', 'message of the Syncthing relay protocol');
const NAMED = match('likely', 'name of a Syncthing discovery or relay server');

/** bep-v1 and localdisco-v4: the same number begins Hello messages and beacons. */
const MAGIC = fromHex('2ea7d90b');
/** Beacons, announcements and questions of 0.9 to 0.13: an XDR structure that begins with an opaque device id. */
const OLD_MAGICS = [fromHex('7d79bc40'), fromHex('9d79bc40'), fromHex('9d79bc39'), fromHex('2ca856f5')];
/** SHA-256 of the device's certificate. */
const DEVICE_ID_BYTES = 32;
/** Announce { bytes id = 1; repeated string addresses = 2; int64 instance_id = 3 }: tags of Protocol Buffers. */
const TAG_ID = 0x0a;
const TAG_ADDRESS = 0x12;
const ADDRESSES_AT = 4 + 2 + DEVICE_ID_BYTES;

/** Odds of a false alarm: magic, tag and length are 48 literal bits, 2^-48. */
const beacon: Feature = {
  feature: 'local-discovery',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [MAGIC, ...OLD_MAGICS].map((bytes) => ({ at: 0, bytes })) },
  inspect(input: Inspection): Finding {
    const { bytes, start, end } = input;
    if (end - start < 4 + 4 + DEVICE_ID_BYTES - 2) return NO;
    if (!hasAt(bytes, start, end, MAGIC)) return u32(bytes, start + 4) === DEVICE_ID_BYTES ? BEACON : NO;
    if (u8(bytes, start + 4) !== TAG_ID || u8(bytes, start + 5) !== DEVICE_ID_BYTES) return NO;
    const at = start + ADDRESSES_AT;
    return at === end || u8(bytes, at) === TAG_ADDRESS || u8(bytes, at) === 0x18 ? BEACON : NO;
  },
  harvest(input: Inspection, sink: PeerSink): boolean {
    eachAddress(input.bytes, input.start + ADDRESSES_AT, input.end, sink);
    return true;
  },
  // Broadcast and multicast: the destination is nobody's endpoint.
  remember: 'none',
};

/** Reads `scheme://host:port` strings; an unspecified host means the sender's own address. */
function eachAddress(bytes: Uint8Array, at: number, end: number, sink: PeerSink): void {
  while (at + 2 <= end && u8(bytes, at) === TAG_ADDRESS) {
    // Addresses of tcp and quic are short: one length byte. Longer strings (relays) end the walk.
    const textEnd = at + 2 + u8(bytes, at + 1);
    if (textEnd > end || u8(bytes, at + 1) > 0x7f) return;
    const text = latin1(bytes, at + 2, textEnd);
    at = textEnd;
    const parts = /^(?:tcp|quic)[46]?:\/\/(.*):(\d{1,5})$/.exec(text);
    const port = Number(parts?.[2] ?? 0);
    if (port === 0 || port > 65535) continue;
    const host = parts?.[1] ?? '';
    if (host === '' || host === '0.0.0.0' || host === '[::]') {
      sink.listensOn(port);
      continue;
    }
    const address = parseIpv4(host);
    if (address) sink.toldIpv4(address, 0, port);
  }
}

/** bep-v1 section "Transport and Authentication"; relays in protocol mode use the second (relay-v1). */
const ALPNS: readonly string[] = ['bep/1.0', 'bep-relay'];
/** Public servers: discovery, discovery-v4, discovery-announce-v6 ..., relays, stun. Other names of the domain are web sites. */
const DOMAIN = 'syncthing.net';
const DOMAINS = new DomainSet([DOMAIN]);
const SERVERS = /^(discovery(-[a-z0-9-]+)?|relays|stun)\.syncthing\.net$/;

/** Odds of a false alarm for `certain`: names used by nobody else in a parsed list of a parsed hello. */
const tls: Feature = {
  feature: 'tls',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'tls' },
  inspect(input: Inspection): Finding {
    const hello = input.tls();
    if (hello === null) return NO;
    if (hello.alpn.some((name) => ALPNS.includes(name))) return ALPN_TLS;
    if (isInDomain(hello.serverName, DOMAIN) && SERVERS.test(hello.serverName)) return NAMED;
    return hello.isComplete ? NO : MORE;
  },
};

/** Odds of a false alarm: as for TLS, and the packet's authentication tag was verified. */
const quic: Feature = {
  feature: 'quic',
  transport: UDP,
  trigger: { kind: 'facet', facet: 'quic' },
  inspect(input: Inspection): Finding {
    const initial = input.quic();
    if (initial === null) return NO;
    const { hello } = initial;
    if (hello.alpn.some((name) => ALPNS.includes(name))) return initial.isAuthentic() ? ALPN_QUIC : NO;
    return hello.isComplete ? NO : MORE;
  },
};

/** Hello { string device_name = 1; ... }: magic, 16-bit length, message. Normally inside TLS. */
const MAX_HELLO_BYTES = 32767;

/** Odds of a false alarm: 32 literal bits, the message's first tag and a bounded length, 2^-41. */
const hello: Feature = {
  feature: 'block-exchange',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: MAGIC }] },
  inspect(input: Inspection): Finding {
    const { bytes, start, end } = input;
    if (end - start < 7) return MORE;
    const lengthBytes = u16(bytes, start + 4);
    return lengthBytes > 0 && lengthBytes <= MAX_HELLO_BYTES && u8(bytes, start + 6) === TAG_ID ? HELLO : NO;
  },
};

/** relay-v1: magic, message type, message length, all 32 bits. */
const RELAY_MAGIC = fromHex('9e79bc40');
/** Ping, Pong, JoinRelayRequest, JoinSessionRequest, Response, ConnectRequest, SessionInvitation, RelayFull. */
const MAX_RELAY_TYPE = 7;
/** The reference server refuses more. */
const MAX_RELAY_MESSAGE_BYTES = 1024;

/** Odds of a false alarm: 32 literal bits, 29 bits of the type and 22 of the length, 2^-83. */
const relay: Feature = {
  feature: 'relay',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: RELAY_MAGIC }] },
  inspect(input: Inspection): Finding {
    const { bytes, start, end } = input;
    if (end - start < 12) return MORE;
    return u32(bytes, start + 4) <= MAX_RELAY_TYPE && u32(bytes, start + 8) <= MAX_RELAY_MESSAGE_BYTES ? RELAYED : NO;
  },
  // The responder is a relay: a server, whose address says nothing about its other users.
  remember: 'none',
};

const dns: Feature = {
  feature: 'dns',
  transport: UDP,
  trigger: { kind: 'facet', facet: 'dns', words: labelsOf([DOMAIN]) },
  remember: 'none',
  inspect(input: Inspection): Finding {
    const message = input.dns();
    if (message === null || !DOMAINS.hasAny(message.questions)) return NO;
    return message.questions.some((name) => SERVERS.test(name)) ? NAMED : NO;
  },
};

export const syncthing = defineProtocol({
  id: 'syncthing',
  title: 'Syncthing',
  category: 'sync',
  specs: ['https://docs.syncthing.net/specs/'],
  features: [beacon, tls, quic, hello, relay, dns],
});
