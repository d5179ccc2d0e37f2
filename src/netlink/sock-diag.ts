/**
 * Sockets of this machine over NETLINK_SOCK_DIAG: list TCP sockets, end one. Pure codec.
 * SOCK_DESTROY makes the local program see ECONNABORTED and sends a RST to the peer.
 * Specification: sock_diag(7); include/uapi/linux/inet_diag.h, sock_diag.h. Requires Linux 4.5 with CONFIG_INET_DIAG_DESTROY.
 */
import { u16, u32le } from '../base/bytes.js';
import { NLMSG_HEADER_BYTES, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, messageType } from './message.js';
import type { MessageWriter } from './message-writer.js';

const TCPDIAG_GETSOCK = 18;
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const AF_INET = 2;
const AF_INET6 = 10;
const INET_DIAG_MSG_BYTES = 72;
// net/tcp_states.h: bit n of the mask selects state n; 10 is LISTEN.
const TCP_LISTEN = 10;
const ALL_BUT_LISTENING = 0xfff & ~(1 << TCP_LISTEN);

/** A TCP or UDP socket of this machine. */
export interface LocalSocket {
  readonly ipVersion: 4 | 6;
  readonly protocol: number;
  /** 4 or 16 bytes; an IPv4 connection of an IPv6 socket is reported as IPv4-mapped by the kernel and kept so. */
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
  readonly interfaceIndex: number;
  /** TCP state number of net/tcp_states.h; 1 is ESTABLISHED. */
  readonly state: number;
  /** Identifies the very socket, so that a successor of the same addresses is not hit: 8 bytes. */
  readonly cookie: Uint8Array;
}

/**
 * Dump of all connected TCP sockets of both families, in the oldest form of the request (struct inet_diag_req): newer ones want a
 * family, and the kernel walks its whole table for each (5 ms on a machine with much memory).
 */
export function dumpTcpSockets(writer: MessageWriter, sequence: number): void {
  writer.begin(TCPDIAG_GETSOCK, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  // family, lengths of addresses, ext; struct inet_diag_sockid; states; dbs
  writer.u8(AF_INET).u8(0).u8(0).u8(0);
  for (let i = 0; i < 12; i++) writer.u32(0);
  writer.u32(ALL_BUT_LISTENING).u32(0).end();
}

/** Dump of all connected sockets of one family and protocol (6 or 17). */
export function dumpSockets(writer: MessageWriter, ipVersion: 4 | 6, protocol: number, sequence: number): void {
  writer.begin(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  request(writer, ipVersion, protocol, ALL_BUT_LISTENING);
  for (let i = 0; i < 12; i++) writer.u32(0);
  writer.end();
}

/** Ends exactly this socket. ENOENT: it is gone; EOPNOTSUPP: the kernel was built without it. */
export function destroySocket(writer: MessageWriter, socket: LocalSocket, sequence: number): void {
  const isV4 = socket.ipVersion === 4;
  writer.begin(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, sequence);
  request(writer, socket.ipVersion, socket.protocol, 0);
  // struct inet_diag_sockid: sport, dport (network order), src, dst (16 bytes each), if, cookie
  writer.u16be(socket.localPort).u16be(socket.remotePort);
  for (const address of [socket.local, socket.remote]) {
    writer.raw(address);
    if (isV4) writer.u32(0).u32(0).u32(0);
  }
  writer.u32(socket.interfaceIndex).raw(socket.cookie).end();
}

/** struct inet_diag_req_v2 up to its sockid: family, protocol, ext, padding, states. */
function request(writer: MessageWriter, ipVersion: 4 | 6, protocol: number, states: number): void {
  writer.u8(ipVersion === 4 ? AF_INET : AF_INET6).u8(protocol).u8(0).u8(0).u32(states);
}

/** The socket in the message [at, end) of a dump of `protocol`; null when it is none. */
export function readSocket(bytes: Uint8Array, at: number, end: number, protocol: number): LocalSocket | null {
  const bodyAt = at + NLMSG_HEADER_BYTES;
  const type = messageType(bytes, at);
  if (end - bodyAt < INET_DIAG_MSG_BYTES || (type !== SOCK_DIAG_BY_FAMILY && type !== TCPDIAG_GETSOCK)) return null;
  const family = bytes[bodyAt];
  if (family !== AF_INET && family !== AF_INET6) return null;
  const lengthBytes = family === AF_INET ? 4 : 16;
  return {
    ipVersion: family === AF_INET ? 4 : 6,
    protocol,
    state: bytes[bodyAt + 1] ?? 0,
    localPort: u16(bytes, bodyAt + 4),
    remotePort: u16(bytes, bodyAt + 6),
    local: bytes.slice(bodyAt + 8, bodyAt + 8 + lengthBytes),
    remote: bytes.slice(bodyAt + 24, bodyAt + 24 + lengthBytes),
    interfaceIndex: u32le(bytes, bodyAt + 40),
    cookie: bytes.slice(bodyAt + 44, bodyAt + 52),
  };
}
