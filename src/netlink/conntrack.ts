/**
 * Connection tracking entries as the kernel reports them (dumps and events). Pure
 * decoder; requests are built in `conntrack-request.ts`.
 *
 * Each entry has two tuples. `original` is what the initiator's packets look like
 * when they arrive; `reply` is what answers to them look like when they arrive. Without
 * NAT reply is original with the ends swapped. With source NAT the reply's
 * destination is the translated address; with destination NAT the reply's source is the real server.
 * ctnetlink reports no TCP sequence numbers.
 * Specification: include/uapi/linux/netfilter/nfnetlink_conntrack.h, nf_conntrack_common.h, nf_conntrack_tcp.h.
 */
import { u16, u32, u64 } from '../base/bytes.js';
import { AttributeIndex, NLMSG_HEADER_BYTES, NLM_F_CREATE, NLM_F_MULTI, messageFlags, messageType } from './message.js';

// nfnetlink.h
export const NFNL_SUBSYS_CTNETLINK = 1;
const NFGENMSG_BYTES = 4;
export const NFNLGRP_CONNTRACK_NEW = 1;
export const NFNLGRP_CONNTRACK_UPDATE = 2;
export const NFNLGRP_CONNTRACK_DESTROY = 3;
// nfnetlink_conntrack.h
export const IPCTNL_MSG_CT_NEW = (NFNL_SUBSYS_CTNETLINK << 8) | 0;
export const IPCTNL_MSG_CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1;
export const IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2;
export const CTA_TUPLE_ORIG = 1;
export const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
const CTA_PROTOINFO = 4;
const CTA_TIMEOUT = 7;
export const CTA_MARK = 8;
const CTA_COUNTERS_ORIG = 9;
const CTA_COUNTERS_REPLY = 10;
export const CTA_ID = 12;
export const CTA_ZONE = 18;
const CTA_TIMESTAMP = 20;
export const CTA_MARK_MASK = 21;
export const CTA_FILTER = 25;
export const CTA_TUPLE_IP = 1;
export const CTA_TUPLE_PROTO = 2;
export const CTA_TUPLE_ZONE = 3;
export const CTA_IP_V4_SRC = 1;
export const CTA_IP_V4_DST = 2;
export const CTA_IP_V6_SRC = 3;
export const CTA_IP_V6_DST = 4;
export const CTA_PROTO_NUM = 1;
export const CTA_PROTO_SRC_PORT = 2;
export const CTA_PROTO_DST_PORT = 3;
const CTA_PROTO_ICMP_ID = 4;
const CTA_PROTO_ICMPV6_ID = 7;
const CTA_PROTO_MAX = 9;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const CTA_COUNTERS_PACKETS = 1;
const CTA_COUNTERS_BYTES = 2;
const CTA_TIMESTAMP_START = 1;

// nf_conntrack_common.h
export const IPS_SEEN_REPLY = 1 << 1;
export const IPS_ASSURED = 1 << 2;
export const IPS_SRC_NAT = 1 << 4;
export const IPS_DST_NAT = 1 << 5;
/** A helper changed the length of the stream: sequence numbers differ on the two sides. */
export const IPS_SEQ_ADJUST = 1 << 6;
export const IPS_DYING = 1 << 9;
export const IPS_OFFLOAD = 1 << 14;

/** nf_conntrack_tcp.h, enum tcp_conntrack, in its order; SYN_SENT2 is a simultaneous open. */
export const TCP_STATES = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const;
export type TcpState = (typeof TCP_STATES)[number];

/** One direction's addresses. */
export interface Tuple {
  /** 4 or 16 bytes, copies that entries may share. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** For ICMP both are the echo identifier; 0 for protocols without ports. */
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface Counters {
  readonly packets: number;
  readonly bytes: number;
}

export interface ConntrackEntry {
  readonly ipVersion: 4 | 6;
  /** IANA protocol number. */
  readonly protocol: number;
  readonly original: Tuple;
  readonly reply: Tuple;
  /** Conntrack zone of each direction, 0 by default. */
  readonly originalZone: number;
  readonly replyZone: number;
  /** The kernel's identifier; 0 if not reported. */
  readonly id: number;
  /** IPS_* bits. */
  readonly status: number;
  readonly mark: number;
  /** Seconds until the entry expires, -1 if not reported. */
  readonly timeoutSeconds: number;
  /** Only for TCP. */
  readonly tcpState: TcpState | null;
  /** Null unless nf_conntrack_acct was on when the connection began. */
  readonly originalCounters: Counters | null;
  readonly replyCounters: Counters | null;
  /** Wall-clock start, ms since 1970; null unless nf_conntrack_timestamp was on. */
  readonly startedAtMs: number | null;
}

/** What happened to an entry; `entry` itself in a dump. */
export type ConntrackChange = 'entry' | 'new' | 'update' | 'destroy';

/** Change reported by the message at `at`, or null when it is no conntrack message. In a dump every entry is a NEW message. */
export function conntrackChange(bytes: Uint8Array, at: number): ConntrackChange | null {
  const type = messageType(bytes, at);
  if (type === IPCTNL_MSG_CT_DELETE) return 'destroy';
  if (type !== IPCTNL_MSG_CT_NEW) return null;
  const flags = messageFlags(bytes, at);
  if ((flags & NLM_F_MULTI) !== 0) return 'entry';
  // ctnetlink_conntrack_event marks a new entry with NLM_F_CREATE | NLM_F_EXCL.
  return (flags & NLM_F_CREATE) !== 0 ? 'new' : 'update';
}

const ADDRESS_SLOT_BITS = 8;
// 2^32 divided by the golden ratio: neighbouring addresses fall into different slots.
const HASH_FACTOR = 0x9e3779b1;

function equalAt(address: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < address.length; i++) if (address[i] !== bytes[at + i]) return false;
  return true;
}

/** Decodes entries; owns the scratch space for it. */
export class ConntrackDecoder {
  private readonly top = new AttributeIndex(CTA_FILTER);
  private readonly tuple = new AttributeIndex(CTA_TUPLE_ZONE);
  private readonly inner = new AttributeIndex(CTA_PROTO_MAX);
  private readonly addresses: (Uint8Array | undefined)[] = new Array(1 << ADDRESS_SLOT_BITS);
  private protocol = 0;
  private zone = 0;

  /** The entry in the message [at, end), sharing nothing with `bytes` (addresses may be shared by entries: not to be written); null when it is none or malformed. */
  decode(bytes: Uint8Array, at: number, end: number): ConntrackEntry | null {
    const attributesAt = at + NLMSG_HEADER_BYTES + NFGENMSG_BYTES;
    const { top } = this;
    if (end < attributesAt || messageType(bytes, at) >> 8 !== NFNL_SUBSYS_CTNETLINK) return null;
    if (!top.read(bytes, attributesAt, end)) return null;
    const zoneAt = top.at(CTA_ZONE, 2);
    const zone = zoneAt === 0 ? 0 : u16(bytes, zoneAt);
    this.zone = zone;
    const original = this.readTuple(bytes, CTA_TUPLE_ORIG);
    const originalZone = this.zone;
    this.zone = zone;
    const reply = this.readTuple(bytes, CTA_TUPLE_REPLY);
    const replyZone = this.zone;
    if (!original || !reply || original.source.length !== reply.source.length) return null;
    return {
      ipVersion: original.source.length === 4 ? 4 : 6,
      protocol: this.protocol,
      original,
      reply,
      originalZone,
      replyZone,
      id: this.number(bytes, CTA_ID, 0),
      status: this.number(bytes, CTA_STATUS, 0),
      mark: this.number(bytes, CTA_MARK, 0),
      timeoutSeconds: this.number(bytes, CTA_TIMEOUT, -1),
      tcpState: this.readTcpState(bytes),
      originalCounters: this.readCounters(bytes, CTA_COUNTERS_ORIG),
      replyCounters: this.readCounters(bytes, CTA_COUNTERS_REPLY),
      startedAtMs: this.readStart(bytes),
    };
  }

  private number(bytes: Uint8Array, type: number, absent: number): number {
    const at = this.top.at(type, 4);
    return at === 0 ? absent : u32(bytes, at);
  }

  /** Sets `protocol`, and `zone` when the tuple has its own. */
  private readTuple(bytes: Uint8Array, type: number): Tuple | null {
    const { top, tuple, inner } = this;
    const at = top.at(type, 0);
    if (at === 0 || !tuple.read(bytes, at, top.end(type))) return null;
    const zoneAt = tuple.at(CTA_TUPLE_ZONE, 2);
    if (zoneAt !== 0) this.zone = u16(bytes, zoneAt);
    const ipAt = tuple.at(CTA_TUPLE_IP, 0);
    if (ipAt === 0 || !inner.read(bytes, ipAt, tuple.end(CTA_TUPLE_IP))) return null;
    const isV4 = inner.at(CTA_IP_V4_SRC, 4) !== 0;
    const lengthBytes = isV4 ? 4 : 16;
    const sourceAt = inner.at(isV4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, lengthBytes);
    const destinationAt = inner.at(isV4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, lengthBytes);
    if (sourceAt === 0 || destinationAt === 0) return null;
    const protocolAt = tuple.at(CTA_TUPLE_PROTO, 0);
    if (protocolAt === 0 || !inner.read(bytes, protocolAt, tuple.end(CTA_TUPLE_PROTO))) return null;
    const numberAt = inner.at(CTA_PROTO_NUM, 1);
    this.protocol = numberAt === 0 ? 0 : (bytes[numberAt] ?? 0);
    const echoAt = inner.at(CTA_PROTO_ICMP_ID, 2) || inner.at(CTA_PROTO_ICMPV6_ID, 2);
    const sourcePortAt = inner.at(CTA_PROTO_SRC_PORT, 2) || echoAt;
    const destinationPortAt = inner.at(CTA_PROTO_DST_PORT, 2) || echoAt;
    return {
      source: this.address(bytes, sourceAt, lengthBytes),
      destination: this.address(bytes, destinationAt, lengthBytes),
      sourcePort: sourcePortAt === 0 ? 0 : u16(bytes, sourcePortAt),
      destinationPort: destinationPortAt === 0 ? 0 : u16(bytes, destinationPortAt),
    };
  }

  /** A copy, or that of an earlier entry: the same few hosts come again and again, and a typed array costs 200 bytes. */
  private address(bytes: Uint8Array, at: number, lengthBytes: number): Uint8Array {
    const slot = Math.imul(u32(bytes, at + lengthBytes - 4), HASH_FACTOR) >>> (32 - ADDRESS_SLOT_BITS);
    const known = this.addresses[slot];
    if (known?.length === lengthBytes && equalAt(known, bytes, at)) return known;
    const copy = bytes.slice(at, at + lengthBytes);
    this.addresses[slot] = copy;
    return copy;
  }

  private readTcpState(bytes: Uint8Array): TcpState | null {
    const { top, inner } = this;
    const at = top.at(CTA_PROTOINFO, 0);
    if (at === 0 || !inner.read(bytes, at, top.end(CTA_PROTOINFO))) return null;
    const tcpAt = inner.at(CTA_PROTOINFO_TCP, 0);
    if (tcpAt === 0 || !inner.read(bytes, tcpAt, inner.end(CTA_PROTOINFO_TCP))) return null;
    const stateAt = inner.at(CTA_PROTOINFO_TCP_STATE, 1);
    return stateAt === 0 ? null : (TCP_STATES[bytes[stateAt] ?? 0] ?? null);
  }

  private readCounters(bytes: Uint8Array, type: number): Counters | null {
    const { top, inner } = this;
    const at = top.at(type, 0);
    if (at === 0 || !inner.read(bytes, at, top.end(type))) return null;
    const packetsAt = inner.at(CTA_COUNTERS_PACKETS, 8);
    const bytesAt = inner.at(CTA_COUNTERS_BYTES, 8);
    return packetsAt === 0 || bytesAt === 0 ? null : { packets: u64(bytes, packetsAt), bytes: u64(bytes, bytesAt) };
  }

  private readStart(bytes: Uint8Array): number | null {
    const { top, inner } = this;
    const at = top.at(CTA_TIMESTAMP, 0);
    if (at === 0 || !inner.read(bytes, at, top.end(CTA_TIMESTAMP))) return null;
    const startAt = inner.at(CTA_TIMESTAMP_START, 8);
    return startAt === 0 ? null : Math.floor(u64(bytes, startAt) / 1e6);
  }
}
