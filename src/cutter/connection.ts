/**
 * A connection that could be cut: what connection tracking and the socket list say of
 * it, and its two legs. Pure.
 *
 * A leg is "pretend to be `from` when talking to `to`", with the addresses as they
 * appear on the wire of that side:
 *
 *   leg 0, to the originator:   from original.destination   to original.source
 *   leg 1, to the responder:    from reply.destination      to reply.source
 *
 * Under source NAT leg 1 comes from the translated address, under destination NAT leg 0 comes from the public
 * one; without NAT the two mirror each other. No classification of NAT is needed.
 */
import { type ConntrackEntry, IPS_ASSURED, IPS_OFFLOAD, type TcpState, type Tuple } from '../netlink/conntrack.js';
import type { LocalSocket } from '../netlink/sock-diag.js';
import { IPPROTO_TCP } from '../wire/constants.js';

export interface Endpoint {
  /** 4 or 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
}

export interface Connection {
  readonly ipVersion: 4 | 6;
  /** 6 or 17. */
  readonly protocol: number;
  readonly original: Tuple;
  readonly reply: Tuple;
  readonly state: TcpState | null;
  readonly mark: number;
  readonly zone: number;
  /** Null when not known: see `ConntrackEntry`. */
  readonly ageMs: number | null;
  readonly idleMs: number | null;
  /** Bytes of the originator and of the responder, IP headers included. */
  readonly sentBytes: number | null;
  readonly receivedBytes: number | null;
  /** Null for a connection that only the socket list knows. */
  readonly entry: ConntrackEntry | null;
  /** Sockets of this machine at either end. */
  readonly sockets: readonly LocalSocket[];
}

export interface Leg {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Source address of such a packet where the kernel routes it: behind the translation of its destination, before that of its source. */
  readonly routedFrom: Uint8Array;
}

const ends = (tuple: Tuple): [Endpoint, Endpoint] => [
  { address: tuple.source, port: tuple.sourcePort },
  { address: tuple.destination, port: tuple.destinationPort },
];

/** Both legs, in the order of the header of this file. */
export function legsOf(connection: Pick<Connection, 'original' | 'reply'>): readonly [Leg, Leg] {
  const [originator, originalTarget] = ends(connection.original);
  const [responder, replyTarget] = ends(connection.reply);
  return [
    { from: originalTarget, to: originator, routedFrom: responder.address },
    { from: replyTarget, to: responder, routedFrom: originator.address },
  ];
}

function sameAddress(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** True when addresses or ports are translated on the way. */
export function isTranslated({ original, reply }: Pick<Connection, 'original' | 'reply'>): boolean {
  return (
    original.sourcePort !== reply.destinationPort ||
    original.destinationPort !== reply.sourcePort ||
    !sameAddress(original.source, reply.destination) ||
    !sameAddress(original.destination, reply.source)
  );
}

/** Seconds without traffic after which the kernel forgets a connection, by what it is in: sysctl net.netfilter.nf_conntrack_*_timeout_*. */
export interface ConntrackTimeouts {
  readonly tcp: Readonly<Partial<Record<TcpState, number>>>;
  /** Of TCP as well, in place of longer ones while data is unacknowledged or sent again: `unacknowledged` and `max_retrans`. */
  readonly unacknowledged: readonly number[];
  readonly udp: number;
  readonly udpStream: number;
}

/** For those who do not ask how long connections were idle. */
export const NO_TIMEOUTS: ConntrackTimeouts = { tcp: {}, unacknowledged: [], udp: 0, udpStream: 0 };

/** The bytes of tuple ends as a map key: one form for IPv4 and IPv6. */
export function endsKey(protocol: number, source: Endpoint, destination: Endpoint): string {
  let key = String.fromCharCode(protocol, source.port, destination.port);
  for (const { address } of [source, destination]) {
    for (let i = 0; i + 1 < address.length; i += 2) key += String.fromCharCode(((address[i] ?? 0) << 8) | (address[i + 1] ?? 0));
  }
  return key;
}

/** Key of a connection by one of its tuples, in a zone of connection tracking. */
export function tupleKey(protocol: number, zone: number, tuple: Tuple): string {
  return `${zone} ${endsKey(protocol, ...ends(tuple))}`;
}

/** Key of the socket that sits at `to` of a leg and talks to `from`. */
export function legSocketKey(protocol: number, leg: Leg): string {
  return endsKey(protocol, leg.to, leg.from);
}

const IPV4_MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** An IPv4-mapped address (RFC 4291 section 2.5.5.2) as the IPv4 address it stands for; others as they are. */
export function unmapped(address: Uint8Array): Uint8Array {
  if (address.length !== 16) return address;
  return sameAddress(address.subarray(0, 12), IPV4_MAPPED) ? address.slice(12) : address;
}

export function socketKey(socket: LocalSocket): string {
  const local = { address: unmapped(socket.local), port: socket.localPort };
  const remote = { address: unmapped(socket.remote), port: socket.remotePort };
  return endsKey(socket.protocol, local, remote);
}

/** net/tcp_states.h numbers as connection tracking names them. */
const SOCKET_STATES: Readonly<Record<number, TcpState>> = {
  1: 'ESTABLISHED',
  2: 'SYN_SENT',
  3: 'SYN_RECV',
  4: 'FIN_WAIT',
  5: 'FIN_WAIT',
  6: 'TIME_WAIT',
  7: 'CLOSE',
  8: 'CLOSE_WAIT',
  9: 'LAST_ACK',
  11: 'LAST_ACK',
  12: 'SYN_RECV',
};

/** A connection that connection tracking does not know, from its socket on this machine. */
export function connectionOfSocket(socket: LocalSocket): Connection {
  const source = unmapped(socket.local);
  const destination = unmapped(socket.remote);
  const original = { source, destination, sourcePort: socket.localPort, destinationPort: socket.remotePort };
  return {
    ipVersion: source.length === 4 ? 4 : 6,
    protocol: socket.protocol,
    original,
    reply: { source: destination, destination: source, sourcePort: socket.remotePort, destinationPort: socket.localPort },
    state: socket.protocol === IPPROTO_TCP ? (SOCKET_STATES[socket.state] ?? null) : null,
    mark: 0,
    zone: 0,
    ageMs: null,
    idleMs: null,
    sentBytes: null,
    receivedBytes: null,
    entry: null,
    sockets: [socket],
  };
}

/** A connection from its entry. `nowMs`: wall clock, for the age. */
export function connectionOfEntry(entry: ConntrackEntry, nowMs: number, timeouts: ConntrackTimeouts): Connection {
  return {
    ipVersion: entry.ipVersion,
    protocol: entry.protocol,
    original: entry.original,
    reply: entry.reply,
    state: entry.tcpState,
    mark: entry.mark,
    zone: entry.originalZone,
    ageMs: entry.startedAtMs === null ? null : Math.max(0, nowMs - entry.startedAtMs),
    idleMs: idleMs(entry, timeouts),
    sentBytes: entry.originalCounters?.bytes ?? null,
    receivedBytes: entry.replyCounters?.bytes ?? null,
    entry,
    sockets: [],
  };
}

/**
 * How long without traffic, at least; null when not known. The kernel tells the time left, not by which timer: in the middle
 * of a transfer a shorter one runs (net/netfilter/nf_conntrack_proto_tcp.c), so the shortest that fits is taken.
 */
function idleMs(entry: ConntrackEntry, timeouts: ConntrackTimeouts): number | null {
  const { timeoutSeconds, status, tcpState } = entry;
  const fullSeconds = timeoutOf(entry, timeouts);
  // A flow table renews the timer by rules of its own.
  if (fullSeconds === undefined || timeoutSeconds < 0 || timeoutSeconds > fullSeconds || (status & IPS_OFFLOAD) !== 0) return null;
  const shorter = tcpState === null ? [] : timeouts.unacknowledged.filter((seconds) => seconds < fullSeconds && seconds >= timeoutSeconds);
  // The kernel rounds what is left down.
  return Math.max(0, Math.min(fullSeconds, ...shorter) - timeoutSeconds - 1) * 1000;
}

function timeoutOf(entry: ConntrackEntry, timeouts: ConntrackTimeouts): number | undefined {
  if (entry.tcpState !== null) return timeouts.tcp[entry.tcpState];
  return (entry.status & IPS_ASSURED) !== 0 ? timeouts.udpStream : timeouts.udp;
}
