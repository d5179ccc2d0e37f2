/**
 * Members of ipset sets over netlink: adding and deleting, without starting the `ipset` program (3 ms each).
 * Creating and destroying sets is left to the program: it happens once. Pure codec.
 *
 * A message: nfgenmsg, protocol version, set name, one nested attribute with the member. Addresses are
 * nested once more; everything inside is in network order and says so (NLA_F_NET_BYTEORDER).
 * Specification: include/uapi/linux/netfilter/ipset/ip_set.h.
 */
import { ascii, concat } from '../base/bytes.js';
import { NLM_F_ACK, NLM_F_REQUEST } from './message.js';
import type { MessageWriter } from './message-writer.js';

const NFNL_SUBSYS_IPSET = 6;
const IPSET_CMD_ADD = 9;
const IPSET_CMD_DEL = 10;
/** Supported by every kernel since Linux 2.6.39. */
const IPSET_PROTOCOL = 6;
const IPSET_ATTR_PROTOCOL = 1;
const IPSET_ATTR_SETNAME = 2;
const IPSET_ATTR_DATA = 7;
const IPSET_ATTR_LINENO = 9;
const IPSET_ATTR_IP = 1;
const IPSET_ATTR_PORT = 4;
const IPSET_ATTR_TIMEOUT = 6;
const IPSET_ATTR_PROTO = 7;
const IPSET_ATTR_IP2 = 20;
const IPSET_ATTR_IPADDR_IPV4 = 1;
const IPSET_ATTR_IPADDR_IPV6 = 2;
const NLA_F_NET_BYTEORDER = 0x4000;
const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;
/** IPSET_ERR_EXIST (also: to be deleted, but absent): private codes begin at 4096. */
export const IPSET_ERR_EXIST = 4103;

/** One member; which fields count depends on the type of the set (hash:ip, hash:ip,port, hash:ip,port,ip). */
export interface SetMember {
  readonly set: string;
  /** 4 or 16 bytes, network order. */
  readonly address: Uint8Array;
  readonly port?: number;
  /** IANA number for sets with ports; default TCP. */
  readonly protocol?: number;
  /** Second address, of the same family. */
  readonly second?: Uint8Array;
}

/** Adds the member or, when it is there, renews its time-out. Sets made without time-outs refuse one. */
export function addMember(writer: MessageWriter, member: SetMember, timeoutS: number | null, sequence: number): void {
  write(writer, IPSET_CMD_ADD, member, timeoutS, sequence);
}

/** Deletes the member; no error when it is not there (no NLM_F_EXCL). */
export function deleteMember(writer: MessageWriter, member: SetMember, sequence: number): void {
  write(writer, IPSET_CMD_DEL, member, null, sequence);
}

function write(writer: MessageWriter, command: number, member: SetMember, timeoutS: number | null, sequence: number): void {
  writer.begin((NFNL_SUBSYS_IPSET << 8) | command, NLM_F_REQUEST | NLM_F_ACK, sequence);
  writer.u8(member.address.length === 4 ? NFPROTO_IPV4 : NFPROTO_IPV6).u8(0).u16be(0);
  writer.attributeU8(IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL);
  writer.attribute(IPSET_ATTR_SETNAME, concat(ascii(member.set), Uint8Array.of(0)));
  writer.beginNested(IPSET_ATTR_DATA);
  writeAddress(writer, IPSET_ATTR_IP, member.address);
  if (member.port !== undefined) {
    writer.attributeU16be(IPSET_ATTR_PORT | NLA_F_NET_BYTEORDER, member.port);
    writer.attributeU8(IPSET_ATTR_PROTO, member.protocol ?? 6);
  }
  if (member.second) writeAddress(writer, IPSET_ATTR_IP2, member.second);
  if (timeoutS !== null) writer.attributeU32be(IPSET_ATTR_TIMEOUT | NLA_F_NET_BYTEORDER, timeoutS);
  // The kernel wants a line number for its error reports.
  writer.attributeU32be(IPSET_ATTR_LINENO | NLA_F_NET_BYTEORDER, 0);
  writer.endNested().end();
}

function writeAddress(writer: MessageWriter, type: number, address: Uint8Array): void {
  writer.beginNested(type);
  writer.attribute((address.length === 4 ? IPSET_ATTR_IPADDR_IPV4 : IPSET_ATTR_IPADDR_IPV6) | NLA_F_NET_BYTEORDER, address);
  writer.endNested();
}
