/**
 * Messages of NFNETLINK_QUEUE: configuration, queued packets, verdicts. Pure codec.
 *
 * A queued packet: nlmsghdr 16, nfgenmsg 4 (family, version, queue number in network
 * order), then attributes; NFQA_PACKET_HDR comes first, so its id is at byte 24.
 * Everything inside attributes is in network order.
 * Specification: include/uapi/linux/netfilter/nfnetlink_queue.h, nfnetlink.h.
 */
import { u16, u32 } from '../base/bytes.js';
import { AttributeIndex, NLMSG_HEADER_BYTES, NLM_F_ACK, NLM_F_REQUEST, messageType } from './message.js';
import type { MessageWriter } from './message-writer.js';

// nfnetlink.h
export const NFNL_SUBSYS_QUEUE = 3;
export const NFGENMSG_BYTES = 4;
// nfnetlink_queue.h: message types
const NFQNL_MSG_PACKET = (NFNL_SUBSYS_QUEUE << 8) | 0;
const NFQNL_MSG_VERDICT = (NFNL_SUBSYS_QUEUE << 8) | 1;
const NFQNL_MSG_CONFIG = (NFNL_SUBSYS_QUEUE << 8) | 2;
const NFQNL_MSG_VERDICT_BATCH = (NFNL_SUBSYS_QUEUE << 8) | 3;
// attributes of a packet
const NFQA_PACKET_HDR = 1;
const NFQA_VERDICT_HDR = 2;
const NFQA_MARK = 3;
const NFQA_IFINDEX_INDEV = 5;
const NFQA_IFINDEX_OUTDEV = 6;
const NFQA_HWADDR = 9;
const NFQA_PAYLOAD = 10;
const NFQA_CAP_LEN = 13;
const NFQA_SKB_INFO = 14;
// attributes of a configuration
const NFQA_CFG_CMD = 1;
const NFQA_CFG_PARAMS = 2;
const NFQA_CFG_QUEUE_MAXLEN = 3;
const NFQA_CFG_MASK = 4;
const NFQA_CFG_FLAGS = 5;
const NFQNL_CFG_CMD_BIND = 1;
const NFQNL_COPY_PACKET = 2;
export const NFQA_CFG_F_FAIL_OPEN = 1;
export const NFQA_CFG_F_GSO = 4;
// NFQA_SKB_INFO
export const NFQA_SKB_CSUMNOTREADY = 1;
export const NFQA_SKB_GSO = 2;
export const NFQA_SKB_CSUM_NOTVERIFIED = 4;

// include/uapi/linux/netfilter.h
const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;
const NF_INET_FORWARD = 2;
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NF_REPEAT = 4;
/** In place of a mark: leave the packet's mark as it is. */
export const NO_MARK = -1;

/** Binds `queue` to the socket; acknowledged. Fails with EPERM when another socket has it (or without CAP_NET_ADMIN), EBUSY on newer kernels. */
export function bindQueue(writer: MessageWriter, queue: number, sequence: number): void {
  configure(writer, queue, sequence);
  // struct nfqnl_msg_config_cmd: command, padding, protocol family (ignored since Linux 3.8)
  writer.attribute(NFQA_CFG_CMD, Uint8Array.of(NFQNL_CFG_CMD_BIND, 0, 0, 0)).end();
}

export interface QueueSettings {
  /** Bytes copied of each packet. */
  readonly copyRangeBytes: number;
  /** Packets that may wait. */
  readonly maxPackets: number;
  /** NFQA_CFG_F_*; all named flags are set, the others of `flagsMask` cleared. */
  readonly flags: number;
  readonly flagsMask: number;
}

/** Sets copy range, length and flags of a bound queue; acknowledged. EOPNOTSUPP: a flag this kernel does not know. */
export function configureQueue(writer: MessageWriter, queue: number, settings: QueueSettings, sequence: number): void {
  configure(writer, queue, sequence);
  const range = settings.copyRangeBytes;
  writer
    .attribute(NFQA_CFG_PARAMS, Uint8Array.of(range >>> 24, range >>> 16, range >>> 8, range, NFQNL_COPY_PACKET))
    .attributeU32be(NFQA_CFG_QUEUE_MAXLEN, settings.maxPackets)
    .attributeU32be(NFQA_CFG_FLAGS, settings.flags)
    .attributeU32be(NFQA_CFG_MASK, settings.flagsMask)
    .end();
}

function configure(writer: MessageWriter, queue: number, sequence: number): void {
  writer.begin(NFQNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, sequence);
  generic(writer, queue);
}

/** struct nfgenmsg: family AF_UNSPEC, version NFNETLINK_V0, resource id. */
function generic(writer: MessageWriter, queue: number): void {
  writer.u8(0).u8(0).u16be(queue);
}

/** Verdict for one packet, with a mark unless NO_MARK. Not acknowledged: an unknown id is an error message nobody asked for. */
export function giveVerdict(writer: MessageWriter, queue: number, id: number, verdict: number, mark: number): void {
  verdictMessage(writer, NFQNL_MSG_VERDICT, queue, id, verdict, mark);
}

/** The same verdict for all waiting packets of `queue` with an id up to and including `id`. */
export function giveVerdictUpTo(writer: MessageWriter, queue: number, id: number, verdict: number, mark: number): void {
  verdictMessage(writer, NFQNL_MSG_VERDICT_BATCH, queue, id, verdict, mark);
}

function verdictMessage(
  writer: MessageWriter,
  type: number,
  queue: number,
  id: number,
  verdict: number,
  mark: number,
): void {
  writer.begin(type, NLM_F_REQUEST, 0);
  generic(writer, queue);
  writer.u16(12).u16(NFQA_VERDICT_HDR).u32be(verdict).u32be(id);
  if (mark !== NO_MARK) writer.attributeU32be(NFQA_MARK, mark);
  writer.end();
}

/** One queued packet. Reused: `bytes` is borrowed until the verdict is given. */
export class QueuedPacket {
  bytes: Uint8Array = new Uint8Array(0);
  /** First byte of the IP header; equal to `payloadEnd` when the kernel copied nothing. */
  payloadAt = 0;
  payloadEnd = 0;
  /** Length of the packet before the copy range cut it; with GSO up to 64 KiB. */
  lengthBytes = 0;
  queue = 0;
  id = 0;
  /** EtherType: 0x0800 or 0x86dd. */
  hwProtocol = 0;
  /** NF_INET_*: 0 prerouting, 1 local in, 2 forward, 3 local out, 4 postrouting. */
  hook = 0;
  /** Mark of the packet, unsigned; 0 when it has none. */
  mark = 0;
  /** Interface indexes, 0 when unknown at this hook. */
  inInterface = 0;
  outInterface = 0;
  /** Position in `bytes` of the sender's link-layer address; valid iff `hwAddressLength` > 0. */
  hwAddressAt = 0;
  hwAddressLength = 0;
  /** NFQA_SKB_*. */
  skbInfo = 0;
  /** Set by the receiver of the packet: NF_*. */
  verdict: number = NF_ACCEPT;
  /** Set by the receiver: mark to put on the packet, or NO_MARK. */
  verdictMark: number = NO_MARK;
  /** Set by the receiver, on the last packet of a batch alone: answer it when no other packet waits. Until then its verdict may be changed. */
  isKept = false;

  /** True when the kernel coalesced several packets (GSO) into this one. */
  get isGso(): boolean {
    return (this.skbInfo & NFQA_SKB_GSO) !== 0;
  }
}

/** What the kernel says of a packet that it queues: for rehearsals and tests. `inInterface` 0: unknown. */
export function writeQueuedPacket(writer: MessageWriter, queue: number, id: number, packet: Uint8Array, inInterface = 0, mark?: number): void {
  const isV4 = ((packet[0] ?? 0) & 0xf0) === 0x40;
  writer.begin(NFQNL_MSG_PACKET, 0, 0).u8(isV4 ? NFPROTO_IPV4 : NFPROTO_IPV6).u8(0).u16be(queue);
  writer.u16(11).u16(NFQA_PACKET_HDR).u32be(id).u16be(isV4 ? 0x0800 : 0x86dd).u8(NF_INET_FORWARD).u8(0);
  if (inInterface !== 0) writer.attributeU32be(NFQA_IFINDEX_INDEV, inInterface);
  if (mark !== undefined) writer.attributeU32be(NFQA_MARK, mark);
  writer.attribute(NFQA_PAYLOAD, packet).end();
}

/** Decodes queued packets; owns the scratch space for it. */
export class QueuedPacketDecoder {
  private readonly index = new AttributeIndex(NFQA_SKB_INFO);

  /** Fills `packet` from the message [at, end). Returns false when it is no queued packet; verdict fields become ACCEPT without mark. */
  decode(bytes: Uint8Array, at: number, end: number, packet: QueuedPacket): boolean {
    const bodyAt = at + NLMSG_HEADER_BYTES;
    const index = this.index;
    if (end - bodyAt < NFGENMSG_BYTES || messageType(bytes, at) !== NFQNL_MSG_PACKET) return false;
    if (!index.read(bytes, bodyAt + NFGENMSG_BYTES, end)) return false;
    const headerAt = index.at(NFQA_PACKET_HDR, 7);
    if (headerAt === 0) return false;
    packet.bytes = bytes;
    packet.queue = u16(bytes, bodyAt + 2);
    packet.id = u32(bytes, headerAt);
    packet.hwProtocol = u16(bytes, headerAt + 4);
    packet.hook = bytes[headerAt + 6] ?? 0;
    const payloadAt = index.at(NFQA_PAYLOAD, 0);
    packet.payloadAt = payloadAt === 0 ? end : payloadAt;
    packet.payloadEnd = payloadAt === 0 ? end : index.end(NFQA_PAYLOAD);
    packet.mark = this.number(bytes, NFQA_MARK, 0);
    packet.inInterface = this.number(bytes, NFQA_IFINDEX_INDEV, 0);
    packet.outInterface = this.number(bytes, NFQA_IFINDEX_OUTDEV, 0);
    packet.lengthBytes = this.number(bytes, NFQA_CAP_LEN, packet.payloadEnd - packet.payloadAt);
    packet.skbInfo = this.number(bytes, NFQA_SKB_INFO, 0);
    // struct nfqnl_msg_packet_hw: length, padding, eight bytes
    const hwAt = index.at(NFQA_HWADDR, 12);
    packet.hwAddressLength = hwAt === 0 ? 0 : Math.min(u16(bytes, hwAt), 8);
    packet.hwAddressAt = hwAt + 4;
    packet.verdict = NF_ACCEPT;
    packet.verdictMark = NO_MARK;
    packet.isKept = false;
    return true;
  }

  private number(bytes: Uint8Array, type: number, absent: number): number {
    const at = this.index.at(type, 4);
    return at === 0 ? absent : u32(bytes, at);
  }
}
