/**
 * libp2p, the network of IPFS and of many other programs (Filecoin, Ethereum's
 * consensus layer, Polkadot): how connections are negotiated and peers found.
 *
 * Recognised: multistream-select over TCP and in clear WebSockets; ALPN `libp2p` in TLS
 * and QUIC hellos; WebRTC-direct by its STUN user names; mDNS discovery; bootstrap
 * names in DNS and TLS. Not recognised: private networks (`/key/swarm/psk`, random from the
 * first byte), WebTransport (its hello is that of any HTTP/3 client), secure
 * WebSockets to a node with a name of its own, GossipSub and Bitswap (encrypted).
 * IPFS gateways and pinning services are ordinary HTTPS and stay so.
 *
 * Specification: https://github.com/libp2p/specs, https://github.com/multiformats/multistream-select
 */
import { ascii, hasAt, indexOf, u16 } from '../../base/bytes.js';
import { DomainSet } from '../../base/domain.js';
import { defineProtocol, type Feature, type Finding, type Inspection, match, MORE, NO, TCP, UDP } from '../detector.js';
import { readWebSocketStart } from './ipfs/websocket.js';

/** multistream-select: each message is a length (here 0x13 = 19), the text and a line feed. BitTorrent begins with the same byte. */
const MULTISTREAM = ascii('\x13/multistream/1.0.0\n');

const NEGOTIATES = match('certain', 'multistream-select negotiation of libp2p');
const NEGOTIATES_WEBSOCKET = match('certain', 'multistream-select negotiation of libp2p inside a WebSocket');
const TLS_ALPN = match('certain', 'TLS hello with the application protocol libp2p');
const TLS_NAMED = match('likely', 'TLS server name of a libp2p node');
const QUIC_ALPN = match('certain', 'QUIC hello with the application protocol libp2p');
const WEBRTC = match('certain', 'STUN user name of libp2p WebRTC-direct');
const MDNS_ANSWER = match('certain', 'mDNS answer with libp2p service name and multiaddress');
const MDNS_NAMED = match('likely', 'mDNS question for libp2p nodes');
const DNS_NAMED = match('likely', 'DNS question for libp2p bootstrap nodes');

/** Odds of a false alarm: 20 literal bytes, 2^-160. */
const multistream: Feature = {
  feature: 'multistream',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: MULTISTREAM }] },
  remember: 'responder',
  inspect(input: Inspection): Finding {
    // One byte 0x13 may still become BitTorrent.
    return input.end - input.start < MULTISTREAM.length ? MORE : NEGOTIATES;
  },
};

/** js-libp2p and browsers talk to nodes through WebSockets; frames may cut the text anywhere. Odds as above. */
const websocket: Feature = {
  feature: 'websocket',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http', words: ['websocket'] },
  inspect(input: Inspection): Finding {
    const http = input.http();
    if (http === null || (http.isLineComplete && (http.isRequest ? http.method !== 'GET' : http.status !== 101))) return NO;
    if (!http.isComplete) return MORE;
    if (http.field('upgrade')?.toLowerCase() !== 'websocket') return NO;
    const payload = new Uint8Array(MULTISTREAM.length);
    const count = readWebSocketStart(http.bytes, http.bodyAt, http.end, payload);
    if (count < 0 || !hasAt(MULTISTREAM, 0, count, payload.subarray(0, count))) return NO;
    return count === MULTISTREAM.length ? NEGOTIATES_WEBSOCKET : MORE;
  },
};

/** libp2p/specs tls.md section "ALPN"; with early muxer negotiation the list also names multiplexers. */
const ALPN = 'libp2p';
/** Bootstrap nodes of the public network, and the names that AutoTLS gives to nodes (`<ip>.<peer>.libp2p.direct`). */
const NODE_DOMAINS = new DomainSet(['bootstrap.libp2p.io', 'libp2p.direct']);

/** Odds of a false alarm for `certain`: the name is registered with nobody else and stands in a parsed list of a parsed hello. */
const tls: Feature = {
  feature: 'tls',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'tls' },
  inspect(input: Inspection): Finding {
    const hello = input.tls();
    if (hello === null) return NO;
    if (hello.alpn.includes(ALPN)) return TLS_ALPN;
    if (NODE_DOMAINS.has(hello.serverName)) return TLS_NAMED;
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
    if (hello.alpn.includes(ALPN)) return initial.isAuthentic() ? QUIC_ALPN : NO;
    return hello.isComplete ? NO : MORE;
  },
};

/** RFC 8489 section 5: magic cookie behind type and length. */
const STUN_COOKIE = Uint8Array.of(0x21, 0x12, 0xa4, 0x42);
const STUN_HEADER_BYTES = 20;
const STUN_USERNAME = 0x0006;
/** libp2p/specs webrtc/webrtc-direct.md: both fragments of the user name begin with it, followed by a version. */
const WEBRTC_PREFIX = ascii('libp2p+webrtc+v');

/** Odds of a false alarm: 15 literal bytes in the one attribute where they belong, 2^-120. */
const webrtc: Feature = {
  feature: 'webrtc',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 4, bytes: STUN_COOKIE }] },
  inspect(input: Inspection): Finding {
    const { bytes, start, end } = input;
    let at = start + STUN_HEADER_BYTES;
    while (at + 4 <= end) {
      const valueEnd = at + 4 + u16(bytes, at + 2);
      if (valueEnd > end) return NO;
      if (u16(bytes, at) === STUN_USERNAME) return indexOf(bytes, at + 4, valueEnd, WEBRTC_PREFIX) >= 0 ? WEBRTC : NO;
      // Attributes are padded to a multiple of four bytes (RFC 8489 section 14).
      at = start + ((valueEnd - start + 3) & ~3);
    }
    return NO;
  },
};

/** libp2p/specs discovery/mdns.md; the second is that of go-ipfs before 2021. */
const MDNS_SERVICES = new DomainSet(['_p2p._udp.local', '_ipfs-discovery._udp.local', '_ipfs-discovery._udp']);
/** How addresses stand in the TXT records of an answer. */
const DNSADDR = ascii('dnsaddr=/');
/** Label below which TXT records list multiaddresses (multiformats/multiaddr dnsaddr). */
const DNSADDR_LABEL = '_dnsaddr.';

/** Odds of a false alarm for `certain`: a service name nobody else registered together with 9 literal bytes, in parsed DNS. */
const dns: Feature = {
  feature: 'dns',
  transport: UDP,
  trigger: { kind: 'facet', facet: 'dns', words: ['_p2p', '_ipfs-discovery', '_dnsaddr', 'libp2p'] },
  remember: 'none',
  inspect(input: Inspection): Finding {
    const message = input.dns();
    if (message === null) return NO;
    if (MDNS_SERVICES.hasAny(message.answers) && indexOf(input.bytes, input.start, input.end, DNSADDR) >= 0) return MDNS_ANSWER;
    for (const name of message.questions) {
      if (name.startsWith(DNSADDR_LABEL) || NODE_DOMAINS.has(name)) return DNS_NAMED;
      if (MDNS_SERVICES.has(name)) return MDNS_NAMED;
    }
    return NO;
  },
};

export const ipfs = defineProtocol({
  id: 'ipfs',
  title: 'libp2p / IPFS',
  category: 'distributed-web',
  specs: ['https://github.com/libp2p/specs', 'https://github.com/multiformats/multistream-select', 'https://specs.ipfs.tech/'],
  features: [multistream, websocket, tls, quic, webrtc, dns],
});
