/**
 * Routes, neighbours, links and addresses over NETLINK_ROUTE. Pure codec.
 *
 * Values are in host order except addresses and ports. A route lookup with an
 * input interface answers as the forwarding path would (policy rules by source, mark and
 * interface included); without one, as for a packet of this machine.
 * Specification: RFC 3549 section 3; include/uapi/linux/rtnetlink.h, neighbour.h, if_link.h, if_addr.h.
 */
import { u16le, u32le } from '../base/bytes.js';
import {
  AttributeIndex,
  NLA_HEADER_BYTES,
  NLMSG_HEADER_BYTES,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  forEachAttribute,
  messageType,
  zeroTerminated,
} from './message.js';
import type { MessageWriter } from './message-writer.js';

export const AF_INET = 2;
export const AF_INET6 = 10;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
// struct sizes
const RTMSG_BYTES = 12;
const NDMSG_BYTES = 12;
const IFINFOMSG_BYTES = 16;
const IFADDRMSG_BYTES = 8;
// rtnetlink.h
const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_IIF = 3;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_MARK = 16;
const RTA_VIA = 18;
const RTM_F_FIB_MATCH = 0x2000;
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
// neighbour.h
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NTF_USE = 1;
const NUD_REACHABLE = 0x02;
const NUD_STALE = 0x04;
const NUD_DELAY = 0x08;
const NUD_PROBE = 0x10;
const NUD_FAILED = 0x20;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
const NUD_VALID = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_NOARP | NUD_PERMANENT;
// if_link.h, if_addr.h
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
// net_device_flags
const IFF_UP = 1;
const IFF_NOARP = 0x80;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
/** if_arp.h: Ethernet-like links need a link-layer address in front of a packet. */
export const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;

function familyOf(address: Uint8Array): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

export interface RouteQuery {
  /** 4 or 16 bytes. */
  readonly destination: Uint8Array;
  /** Same family; needed when `inputInterface` is given. */
  readonly source?: Uint8Array;
  /** Interface index the packet is taken to arrive on. */
  readonly inputInterface?: number;
  readonly outputInterface?: number;
  /** fwmark of policy rules. */
  readonly mark?: number;
  /** The answer is to be the entry of the routing table that matched, for its prefix. Linux 4.13. */
  readonly isEntryWanted?: boolean;
}

/** Asks which way a packet would go. ENETUNREACH, EHOSTUNREACH and EINVAL are answers: no way, or refused as a martian. */
export function lookupRoute(writer: MessageWriter, query: RouteQuery, sequence: number): void {
  const bits = query.destination.length * 8;
  writer.begin(RTM_GETROUTE, NLM_F_REQUEST, sequence);
  // struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
  writer.u8(familyOf(query.destination)).u8(bits).u8(query.source ? bits : 0).u8(0).u32(0).u32(query.isEntryWanted ? RTM_F_FIB_MATCH : 0);
  writer.attribute(RTA_DST, query.destination);
  if (query.source) writer.attribute(RTA_SRC, query.source);
  if (query.inputInterface !== undefined) writer.attributeU32(RTA_IIF, query.inputInterface);
  if (query.outputInterface !== undefined) writer.attributeU32(RTA_OIF, query.outputInterface);
  if (query.mark !== undefined && query.mark !== 0) writer.attributeU32(RTA_MARK, query.mark);
  writer.end();
}

export interface Route {
  /** RTN_*: RTN_UNICAST goes on, RTN_LOCAL ends here. */
  readonly type: number;
  readonly outputInterface: number;
  /** Next hop (possibly of the other family); null when the destination is on the link. */
  readonly gateway: Uint8Array | null;
  /** Of the entry that matched, if that was asked for; else of an address. */
  readonly prefixLength: number;
}

/** Decodes routes, neighbours, links and addresses; owns the scratch space for it. */
export class RouteDecoder {
  private readonly index = new AttributeIndex(IFLA_LINKINFO);

  route(bytes: Uint8Array, at: number, end: number): Route | null {
    const bodyAt = this.body(bytes, at, end, RTM_NEWROUTE, RTMSG_BYTES);
    if (bodyAt === 0) return null;
    const { index } = this;
    const outAt = index.at(RTA_OIF, 4);
    const viaAt = index.at(RTA_VIA, 6);
    let gateway = this.value(bytes, RTA_GATEWAY);
    // struct rtvia: family (2 bytes), address
    if (!gateway && viaAt !== 0) gateway = bytes.slice(viaAt + 2, index.end(RTA_VIA));
    return { type: bytes[bodyAt + 7] ?? 0, outputInterface: outAt === 0 ? 0 : u32le(bytes, outAt), gateway, prefixLength: bytes[bodyAt + 1] ?? 0 };
  }

  neighbour(bytes: Uint8Array, at: number, end: number): Neighbour | null {
    const bodyAt = this.body(bytes, at, end, RTM_NEWNEIGH, NDMSG_BYTES);
    if (bodyAt === 0) return null;
    const state = u16le(bytes, bodyAt + 8);
    const address = this.value(bytes, NDA_DST);
    if (!address) return null;
    return {
      interfaceIndex: u32le(bytes, bodyAt + 4),
      address,
      linkAddress: this.value(bytes, NDA_LLADDR),
      isUsable: (state & NUD_VALID) !== 0,
      hasFailed: (state & NUD_FAILED) !== 0,
    };
  }

  link(bytes: Uint8Array, at: number, end: number): Link | null {
    const bodyAt = this.body(bytes, at, end, RTM_NEWLINK, IFINFOMSG_BYTES);
    if (bodyAt === 0) return null;
    const { index } = this;
    const nameAt = index.at(IFLA_IFNAME, 1);
    const mtuAt = index.at(IFLA_MTU, 4);
    const masterAt = index.at(IFLA_MASTER, 4);
    const flags = u32le(bytes, bodyAt + 8);
    return {
      index: u32le(bytes, bodyAt + 4),
      type: u16le(bytes, bodyAt + 2),
      isUp: (flags & IFF_UP) !== 0,
      hasNeighbours: (flags & IFF_NOARP) === 0,
      kind: this.kind(bytes),
      name: nameAt === 0 ? '' : zeroTerminated(bytes, nameAt, index.end(IFLA_IFNAME)),
      linkAddress: this.value(bytes, IFLA_ADDRESS),
      mtuBytes: mtuAt === 0 ? 0 : u32le(bytes, mtuAt),
      master: masterAt === 0 ? 0 : u32le(bytes, masterAt),
    };
  }

  address(bytes: Uint8Array, at: number, end: number): InterfaceAddress | null {
    const bodyAt = this.body(bytes, at, end, RTM_NEWADDR, IFADDRMSG_BYTES);
    if (bodyAt === 0) return null;
    // On a point-to-point link IFA_ADDRESS is the other end, IFA_LOCAL is ours.
    const address = this.value(bytes, IFA_LOCAL) ?? this.value(bytes, IFA_ADDRESS);
    if (!address) return null;
    return { interfaceIndex: u32le(bytes, bodyAt + 4), prefixLength: bytes[bodyAt + 1] ?? 0, address };
  }

  /** Position of the family's structure, with its attributes indexed; 0 when it is another message or malformed. */
  private body(bytes: Uint8Array, at: number, end: number, type: number, headerBytes: number): number {
    const bodyAt = at + NLMSG_HEADER_BYTES;
    if (end - bodyAt < headerBytes || messageType(bytes, at) !== type) return 0;
    return this.index.read(bytes, bodyAt + headerBytes, end) ? bodyAt : 0;
  }

  private kind(bytes: Uint8Array): string {
    const infoAt = this.index.at(IFLA_LINKINFO, NLA_HEADER_BYTES);
    let kind = '';
    if (infoAt === 0) return kind;
    forEachAttribute(bytes, infoAt, this.index.end(IFLA_LINKINFO), (type, at, end) => {
      if (type === IFLA_INFO_KIND) kind = zeroTerminated(bytes, at, end);
    });
    return kind;
  }

  private value(bytes: Uint8Array, type: number): Uint8Array | null {
    const at = this.index.at(type, 1);
    return at === 0 ? null : bytes.slice(at, this.index.end(type));
  }
}

export interface Neighbour {
  readonly interfaceIndex: number;
  readonly address: Uint8Array;
  readonly linkAddress: Uint8Array | null;
  /** The link address may be used now. */
  readonly isUsable: boolean;
  /** Nobody answered. */
  readonly hasFailed: boolean;
}

/** Asks for one neighbour; ENOENT when unknown. Requires Linux 5.0. */
export function getNeighbour(writer: MessageWriter, interfaceIndex: number, address: Uint8Array, sequence: number): void {
  neighbourRequest(writer, RTM_GETNEIGH, NLM_F_REQUEST, interfaceIndex, address, 0, sequence);
}

/** Makes the kernel resolve a neighbour (ARP or neighbour solicitation) as if a packet had to go there. */
export function solicitNeighbour(writer: MessageWriter, interfaceIndex: number, address: Uint8Array, sequence: number): void {
  neighbourRequest(writer, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, interfaceIndex, address, NTF_USE, sequence);
}

function neighbourRequest(
  writer: MessageWriter,
  type: number,
  flags: number,
  interfaceIndex: number,
  address: Uint8Array,
  neighbourFlags: number,
  sequence: number,
): void {
  writer.begin(type, flags, sequence);
  // struct ndmsg: family, padding, ifindex, state, flags, type
  writer.u8(familyOf(address)).u8(0).u16(0).u32(interfaceIndex).u16(0).u8(neighbourFlags).u8(0);
  writer.attribute(NDA_DST, address).end();
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** ARPHRD_*. */
  readonly type: number;
  readonly isUp: boolean;
  /** False for links without address resolution (loopback, tun, PPP). */
  readonly hasNeighbours: boolean;
  /** `veth`, `vrf`, `bridge`...; '' for hardware. */
  readonly kind: string;
  readonly linkAddress: Uint8Array | null;
  readonly mtuBytes: number;
  /** Index of the bridge, bond or VRF it belongs to, 0 if none. */
  readonly master: number;
}

export function dumpLinks(writer: MessageWriter, sequence: number): void {
  writer.begin(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  // struct ifinfomsg: family, padding, type, index, flags, change
  writer.u32(0).u32(0).u32(0).u32(0).end();
}

export interface InterfaceAddress {
  readonly interfaceIndex: number;
  readonly prefixLength: number;
  readonly address: Uint8Array;
}

/** Addresses of this machine, both families. */
export function dumpAddresses(writer: MessageWriter, sequence: number): void {
  writer.begin(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  // struct ifaddrmsg: family, prefixlen, flags, scope, index
  writer.u32(0).u32(0).end();
}
