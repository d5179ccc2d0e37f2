/**
 * The contract of a P2P protocol: plain data plus pure functions.
 *
 * A protocol is one file in `detect/protocols/` (its parts, when it has many, in
 * a folder of the same name), one test and one line in `registry.ts`. It lists
 * *features*: parts of the protocol, each with the traffic it wants to see
 * (`trigger`) and a function that answers `NO`, `MORE` or a match. A feature
 * never decides policy, never logs, never remembers: flows, peers and time
 * belong to `flow/`, verdicts to `policy/`.
 *
 * How the scheduler calls features (see `scheduler.ts`):
 * - UDP: each datagram of an undecided flow, for every feature whose trigger fits.
 * - TCP: whenever new in-order bytes arrive in a direction, with all bytes of that
 *   direction so far (bounded, `MAX_PREFIX_BYTES`). A feature whose trigger does not
 *   fit, or that answered `NO`, is not asked again for that direction.
 * - A `certain` match ends the search. `likely` and `suspected` ones are kept while
 *   better answers are still possible.
 * - `suspected` findings are raised by the scheduler when the endpoint was learnt
 *   from a peer of the same client (`certain`), or the client host was just seen
 *   speaking the protocol (`likely`): a feature need not do that itself.
 */
import type { Category, Confidence } from '../events/confidence.js';
import type { DnsMessage } from './facets/dns.js';
import type { HttpMessage } from './facets/http.js';
import type { QuicInitial } from './facets/quic.js';
import type { TlsHello } from './facets/tls.js';

/** Feature will never match this flow in this direction. */
export const NO = 0;
/** Feature wants more bytes (TCP) or a further datagram (UDP) before it answers. */
export const MORE = 1;

/** A positive answer. Build it once with {@link match}, or for each flow when `why` carries details. */
export interface Match {
  readonly confidence: Confidence;
  /** One sentence for the administrator: what was seen. No addresses; ASCII. */
  readonly why: string;
  /** Other flows of the same host do not raise this one: only a known endpoint does. */
  readonly needsEndpoint?: true;
  /** Rests on more of the flow than other `suspected` matches: takes the place of another protocol's. */
  readonly outweighs?: true;
}

export type Finding = typeof NO | typeof MORE | Match;

/** Builds a match; keep constants at module level, matching allocates nothing then. */
export function match(confidence: Confidence, why: string): Match {
  return { confidence, why };
}

/** IANA numbers, so that no mapping is needed on the hot path. */
export const TCP = 6;
export const UDP = 17;
export type Transport = typeof TCP | typeof UDP;

/** Bytes of each direction of a TCP flow that features can see. */
export const MAX_PREFIX_BYTES = 4096;
/** Turns (runs of payload in one direction) and datagrams remembered for each undecided flow. */
export const MAX_TURNS = 12;
/** Leading bytes kept of each remembered datagram. */
export const DATAGRAM_HEAD_BYTES = 64;

/**
 * What is known from other flows about the endpoints of this one, for one protocol.
 * - `none`: nothing.
 * - `host`: the initiator's or responder's host spoke the protocol with certainty lately.
 * - `told`: the endpoint was told to this client by a peer, tracker or DHT node.
 * - `endpoint`: the very address and port spoke the protocol with certainty lately.
 */
export type Known = 'none' | 'host' | 'told' | 'endpoint';

/** Past payload of an undecided flow: what a stateless feature may compare with. Oldest first. */
export interface TurnLog {
  /** Number of entries recorded, at most MAX_TURNS. */
  readonly count: number;
  /** 0: sent by the initiator (sender of the flow's first packet), 1: by the responder. */
  direction(index: number): 0 | 1;
  /** UDP: payload length of that datagram. TCP: bytes sent in that turn so far. */
  lengthBytes(index: number): number;
  /** UDP only: copied leading bytes (at most DATAGRAM_HEAD_BYTES), at `headAt(index)` in `heads`. TCP: zeros. */
  readonly heads: Uint8Array;
  headAt(index: number): number;
  headLengthBytes(index: number): number;
}

/**
 * What a feature sees. One reused object: valid only during the call, all bytes borrowed.
 *
 * UDP: `bytes[start, end)` is the datagram's payload, `segmentAt` equals `start`.
 * TCP: `bytes[start, end)` is the in-order prefix of this direction's stream (at most
 * MAX_PREFIX_BYTES); the bytes that just arrived begin at `segmentAt`.
 */
export interface Inspection {
  readonly transport: Transport;
  /** Direction of this packet: 0 initiator to responder, 1 back. */
  readonly direction: 0 | 1;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly segmentAt: number;
  /** TCP: SYN was seen, so the prefix begins at the stream's first byte. False: picked up mid-stream. UDP: true for the flow's first datagram. */
  readonly fromStart: boolean;
  /** TCP: the prefix of the other direction (may be empty). UDP: empty; use `turns`. */
  readonly otherBytes: Uint8Array;
  readonly otherStart: number;
  readonly otherEnd: number;
  /** Payload so far, this packet excluded for UDP, included for TCP. */
  readonly turns: TurnLog;
  /** Ports of this packet. Never evidence by themselves. */
  readonly srcPort: number;
  readonly dstPort: number;
  /** 4 or 6. */
  readonly ipVersion: number;
  /** Destination address of this packet: 4 or 16 bytes at `destinationAt` in `addressBytes` (multicast groups, say). */
  readonly addressBytes: Uint8Array;
  readonly sourceAt: number;
  readonly destinationAt: number;
  /** What other flows taught about these endpoints for the protocol of the calling feature. */
  known(): Known;
  /** Parsed once for each packet, then shared. null: not HTTP. TCP only. */
  http(): HttpMessage | null;
  /** null: not a DNS (or mDNS) message. UDP, and TCP with its 2-byte length. */
  dns(): DnsMessage | null;
  /** null: not a TLS ClientHello or ServerHello record. TCP only. */
  tls(): TlsHello | null;
  /** null: not a QUIC v1/v2 Initial of a client that decrypts. UDP only. */
  quic(): QuicInitial | null;
}

/** Literal bytes that must stand at `at` (counted from the start of the datagram or prefix). */
export interface Anchor {
  readonly at: number;
  readonly bytes: Uint8Array;
  /** Compare ignoring ASCII letter case; `bytes` must then be lower case. */
  readonly ignoreCase?: true;
}

/**
 * When the scheduler calls a feature:
 * - `anchors`: any one of the literals stands at its place (indexed by first byte: nearly free).
 * - `facet`: the packet parsed as that ordinary protocol (parsing is shared by all features). `words`: every match
 *   needs one of these literals (four letters or more, lower case) in the head of the HTTP message, or anywhere in
 *   the DNS message, in any letter case; without one the feature is not called: the answer is `NO`, or `MORE`
 *   while the head is not complete. Most features have such words, and most ordinary packets have none of them.
 * - `always`: every undecided flow whose bytes do not parse as one of the ordinary protocols, or with `inEveryday` these
 *   too; `because` says why no anchor is possible. Must be cheap: these features run on all ordinary traffic.
 */
export type Trigger =
  | { readonly kind: 'anchors'; readonly anchors: readonly Anchor[] }
  | { readonly kind: 'facet'; readonly facet: 'http' | 'dns'; readonly words?: readonly string[] }
  | { readonly kind: 'facet'; readonly facet: 'tls' | 'quic' }
  | { readonly kind: 'always'; readonly because: string; readonly inEveryday?: true };

/** Where harvested endpoints go. `told*`: one endpoint that the sender of this packet named to its receiver. */
export interface PeerSink {
  /** `bytes[at, at+4)` is the IPv4 address, network order. */
  toldIpv4(bytes: Uint8Array, at: number, port: number): void;
  /** `bytes[at, at+16)` is the IPv6 address, network order. */
  toldIpv6(bytes: Uint8Array, at: number, port: number): void;
  /** The sender of this packet says that it accepts peers on that port of its own address (announces, hellos, handshakes). */
  listensOn(port: number): void;
}

/** Part of a protocol that can be recognised by itself. */
export interface Feature {
  /** Stable lower-case name, unique in the protocol: 'handshake', 'dht', 'udp-tracker'. Appears in events. */
  readonly feature: string;
  readonly transport: Transport;
  readonly trigger: Trigger;
  /** Pure. Reads only [start, end) and the other borrowed ranges; never throws. */
  inspect(input: Inspection): Finding;
  /**
   * Endpoints told in clear (tracker replies, DHT nodes, peer exchange). Called for the packets of a
   * flow decided by this protocol with `certain`, starting with the deciding one; TCP: the whole
   * prefix so far. Returns true while later packets of the flow can still tell endpoints.
   */
  harvest?(input: Inspection, sink: PeerSink): boolean;
  /**
   * Which endpoints (address and port) of a flow with a `certain` finding are peers of this protocol
   * from now on. Default: TCP `responder`, UDP `both`. `none` for servers that also serve others
   * (HTTP trackers, DNS) and multicast groups. The initiator's *host* is remembered in any case,
   * unless `none`-with-`forgetHost`.
   */
  readonly remember?: 'both' | 'responder' | 'initiator' | 'none';
  /** The finding says nothing about the client host (scans, background radiation). */
  readonly forgetHost?: true;
}

export interface Protocol {
  /** Lower-case id: file name, configuration value and event value. */
  readonly id: string;
  readonly title: string;
  readonly category: Category;
  /** Specifications or public documentation the protocol file follows. */
  readonly specs: readonly string[];
  readonly features: readonly Feature[];
}

/** Identity function that type-checks a protocol and keeps its literal id. */
export function defineProtocol<const P extends Protocol>(protocol: P): P {
  return protocol;
}
