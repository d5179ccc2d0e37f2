/**
 * Requests to connection tracking: dump, delete, change the mark. Pure encoder; the
 * attributes and their meaning are in `conntrack.ts`.
 *
 * Marks: a message needs the family in its header, CTA_MARK and CTA_MARK_MASK; the kernel computes
 * `mark = (mark & ~mask) ^ value` (ctnetlink_change_mark), so other users' bits survive.
 */
import {
  CTA_FILTER,
  CTA_ID,
  CTA_IP_V4_DST,
  CTA_IP_V4_SRC,
  CTA_IP_V6_DST,
  CTA_IP_V6_SRC,
  CTA_MARK,
  CTA_MARK_MASK,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_NUM,
  CTA_PROTO_SRC_PORT,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  CTA_TUPLE_ZONE,
  CTA_ZONE,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_GET,
  IPCTNL_MSG_CT_NEW,
  type ConntrackEntry,
  type Tuple,
} from './conntrack.js';
import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from './message.js';
import type { MessageWriter } from './message-writer.js';

const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_INET6 = 10;
// enum ctattr_filter
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
// enum ctattr_filter bits, include/net/netfilter/nf_conntrack... CTA_FILTER_F_CTA_*
const CTA_FILTER_F_CTA_IP_SRC = 1 << 0;
const CTA_FILTER_F_CTA_IP_DST = 1 << 1;

/** Conditions that the kernel applies while dumping. All are optional and all must hold. */
export interface DumpFilter {
  /** Entries with `(mark & mask) === mark`; any kernel. */
  readonly mark?: { readonly value: number; readonly mask: number };
  /**
   * One address of one tuple. Requires Linux 5.8; older kernels ignore it and
   * report more, so callers check the entries themselves.
   */
  readonly address?: {
    readonly tuple: 'original' | 'reply';
    readonly side: 'source' | 'destination';
    /** 4 or 16 bytes. */
    readonly value: Uint8Array;
  };
}

/** Dump of the table: one family, or both with 0. */
export function dumpConntrack(writer: MessageWriter, ipVersion: 0 | 4 | 6, filter: DumpFilter, sequence: number): void {
  const { mark, address } = filter;
  const family = address ? (address.value.length === 4 ? AF_INET : AF_INET6) : familyOf(ipVersion);
  writer.begin(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  writer.u8(family).u8(0).u16be(0);
  if (mark) writer.attributeU32be(CTA_MARK, mark.value).attributeU32be(CTA_MARK_MASK, mark.mask);
  if (address) {
    const isSource = address.side === 'source';
    const bit = isSource ? CTA_FILTER_F_CTA_IP_SRC : CTA_FILTER_F_CTA_IP_DST;
    const isOriginal = address.tuple === 'original';
    writer.beginNested(CTA_FILTER);
    writer.attributeU32(CTA_FILTER_ORIG_FLAGS, isOriginal ? bit : 0);
    writer.attributeU32(CTA_FILTER_REPLY_FLAGS, isOriginal ? 0 : bit);
    writer.endNested();
    writer.beginNested(isOriginal ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY).beginNested(CTA_TUPLE_IP);
    const v4 = isSource ? CTA_IP_V4_SRC : CTA_IP_V4_DST;
    const v6 = isSource ? CTA_IP_V6_SRC : CTA_IP_V6_DST;
    writer.attribute(address.value.length === 4 ? v4 : v6, address.value);
    writer.endNested().endNested();
  }
  writer.end();
}

/** Deletes exactly this entry: the tuple finds it, the id (if known) guards against a newer one of the same tuple. ENOENT: it is gone. */
export function deleteConntrack(writer: MessageWriter, entry: ConntrackEntry, sequence: number): void {
  writer.begin(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, sequence);
  writer.u8(familyOf(entry.ipVersion)).u8(0).u16be(0);
  key(writer, entry);
  if (entry.id !== 0) writer.attributeU32be(CTA_ID, entry.id);
  writer.end();
}

/** Asks for this one entry; the answer is one entry, or ENOENT. */
export function getConntrack(writer: MessageWriter, entry: EntryKey, sequence: number): void {
  writer.begin(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_ACK, sequence);
  writer.u8(familyOf(entry.ipVersion)).u8(0).u16be(0);
  key(writer, entry);
  writer.end();
}

/** What identifies an entry for a request. */
export type EntryKey = Pick<ConntrackEntry, 'ipVersion' | 'protocol' | 'original' | 'originalZone'> & {
  /** Default: the zone of the original direction. */
  readonly replyZone?: number;
};

/** Sets the bits of `mask` in the entry's mark to those of `value`. */
export function markConntrack(
  writer: MessageWriter,
  entry: EntryKey,
  value: number,
  mask: number,
  sequence: number,
): void {
  writer.begin(IPCTNL_MSG_CT_NEW, NLM_F_REQUEST | NLM_F_ACK, sequence);
  writer.u8(familyOf(entry.ipVersion)).u8(0).u16be(0);
  key(writer, entry);
  writer.attributeU32be(CTA_MARK, (value & mask) >>> 0).attributeU32be(CTA_MARK_MASK, mask).end();
}

/** A zone of both directions is an attribute of its own, one of the original direction only belongs to the tuple; both together are refused. */
function key(writer: MessageWriter, { original, protocol, originalZone, replyZone = originalZone }: EntryKey): void {
  const isOfBoth = originalZone === replyZone;
  tuple(writer, CTA_TUPLE_ORIG, original, protocol, isOfBoth ? 0 : originalZone);
  if (isOfBoth && originalZone !== 0) writer.attributeU16be(CTA_ZONE, originalZone);
}

function familyOf(ipVersion: 0 | 4 | 6): number {
  return ipVersion === 4 ? AF_INET : ipVersion === 6 ? AF_INET6 : AF_UNSPEC;
}

function tuple(writer: MessageWriter, type: number, value: Tuple, protocol: number, zone: number): void {
  const isV4 = value.source.length === 4;
  writer.beginNested(type).beginNested(CTA_TUPLE_IP);
  writer.attribute(isV4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, value.source);
  writer.attribute(isV4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, value.destination);
  writer.endNested().beginNested(CTA_TUPLE_PROTO);
  writer.attributeU8(CTA_PROTO_NUM, protocol);
  writer.attributeU16be(CTA_PROTO_SRC_PORT, value.sourcePort);
  writer.attributeU16be(CTA_PROTO_DST_PORT, value.destinationPort);
  writer.endNested();
  if (zone !== 0) writer.attributeU16be(CTA_TUPLE_ZONE, zone);
  writer.endNested();
}
