/**
 * Requests to nf_tables: tables, base chains, rules, sets and their elements, as one
 * transaction. Pure encoder for what p2pwall installs itself without starting a program; rule sets of
 * the administrator's firewall are rendered as text in `enforce/`.
 *
 * A table may be owned by the netlink socket that made it (NFT_TABLE_F_OWNER, Linux 5.12): the
 * kernel removes it with the socket, so nothing is left even after SIGKILL.
 *
 * All numbers are in network order, except marks and other data in registers, which are in host order.
 * Keys of several fields: each padded to 4 bytes, in consecutive 32-bit registers.
 * Specification: include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h.
 */
import { concat } from '../base/bytes.js';
import { NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST } from './message.js';
import type { MessageWriter } from './message-writer.js';
import { NF_ACCEPT, NF_DROP } from './nfqueue.js';

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFT_MSG_NEWTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 0;
const NFT_MSG_DELTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 2;
const NFT_MSG_NEWCHAIN = (NFNL_SUBSYS_NFTABLES << 8) | 3;
const NFT_MSG_NEWRULE = (NFNL_SUBSYS_NFTABLES << 8) | 6;
const NFT_MSG_NEWSET = (NFNL_SUBSYS_NFTABLES << 8) | 9;
const NFT_MSG_NEWSETELEM = (NFNL_SUBSYS_NFTABLES << 8) | 12;
const NLM_F_APPEND = 0x800;
/** include/uapi/linux/netfilter.h: IPv4 and IPv6 in one table. */
const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;
// attributes
const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_FLAGS = 2;
/** The table vanishes with the socket it was made on, and nobody else can change it. Linux 5.12. */
export const NFT_TABLE_F_OWNER = 2;
/** With OWNER: it stays when the socket closes, and is anybody's from then on. Linux 6.9. */
export const NFT_TABLE_F_PERSIST = 4;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_SET_TABLE = 1;
const NFTA_SET_NAME = 2;
const NFTA_SET_FLAGS = 3;
const NFTA_SET_KEY_TYPE = 4;
const NFTA_SET_KEY_LEN = 5;
const NFTA_SET_ID = 10;
const NFT_SET_TIMEOUT = 0x10;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_DATA_VALUE = 1;
// expressions
const NFT_REG32_00 = 8;
const NFT_META_MARK = 3;
const NFT_META_IIFNAME = 6;
const NFT_META_OIFNAME = 7;
const NFT_META_NFPROTO = 15;
const NFT_META_L4PROTO = 16;
const NFT_CT_STATE = 0;
const NFT_CT_PROTO_SRC = 11;
const NFT_CT_PROTO_DST = 12;
const NFT_CT_SRC_IP = 19;
const NFT_CT_DST_IP = 20;
const NFT_CT_SRC_IP6 = 21;
const NFT_CT_DST_IP6 = 22;
const IP_CT_DIR_ORIGINAL = 0;
/** NF_CT_STATE_BIT(IP_CT_NEW). */
const CT_STATE_NEW = 8;
const NFT_REJECT_ICMPX_UNREACH = 2;
const NFT_REJECT_TCP_RST = 1;
const NFT_REJECT_ICMPX_PORT_UNREACH = 1;
const NFT_PAYLOAD_NETWORK_HEADER = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER = 2;
const NFT_CMP_EQ = 0;
const NFT_CMP_NEQ = 1;
/** if.h: longest name of an interface, with its zero. */
const IFNAMSIZ = 16;

/** NF_INET_* hook numbers. */
export type Hook = 'input' | 'forward' | 'output';
const HOOKS: Readonly<Record<Hook, number>> = { input: 1, forward: 2, output: 3 };

/** Opens a transaction; everything up to `endBatch` is applied together or not at all. */
export function beginBatch(writer: MessageWriter, sequence: number): void {
  writer.begin(NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, sequence).u8(0).u8(0).u16be(NFNL_SUBSYS_NFTABLES).end();
}

export function endBatch(writer: MessageWriter, sequence: number): void {
  writer.begin(NFNL_MSG_BATCH_END, NLM_F_REQUEST, sequence).u8(0).u8(0).u16be(NFNL_SUBSYS_NFTABLES).end();
}

/** Each request below is acknowledged. */
function request(writer: MessageWriter, type: number, flags: number, sequence: number): MessageWriter {
  return writer.begin(type, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | flags, sequence).u8(NFPROTO_INET).u8(0).u16be(0);
}

function text(value: string): Uint8Array {
  const out = new Uint8Array(value.length + 1);
  for (let i = 0; i < value.length; i++) out[i] = value.charCodeAt(i);
  return out;
}

/** A table of family inet. EOPNOTSUPP or EINVAL: the kernel is too old for one of the flags (NFT_TABLE_F_*). */
export function addTable(writer: MessageWriter, table: string, flags: number, sequence: number): void {
  request(writer, NFT_MSG_NEWTABLE, 0, sequence).attribute(NFTA_TABLE_NAME, text(table)).attributeU32be(NFTA_TABLE_FLAGS, flags).end();
}

/** Removes a table of family inet with all it holds. ENOENT: there is none; EPERM: it is owned by another socket. */
export function deleteTable(writer: MessageWriter, table: string, sequence: number): void {
  request(writer, NFT_MSG_DELTABLE, 0, sequence).attribute(NFTA_TABLE_NAME, text(table)).end();
}

/** A base chain of type filter, named like its hook, policy accept. Lower priorities see packets first; 0 is filter. */
export function addChain(writer: MessageWriter, table: string, hook: Hook, priority: number, sequence: number): void {
  request(writer, NFT_MSG_NEWCHAIN, 0, sequence).attribute(NFTA_CHAIN_TABLE, text(table)).attribute(NFTA_CHAIN_NAME, text(hook));
  writer.beginNested(NFTA_CHAIN_HOOK);
  writer.attributeU32be(NFTA_HOOK_HOOKNUM, HOOKS[hook]).attributeU32be(NFTA_HOOK_PRIORITY, priority);
  writer.endNested().attribute(NFTA_CHAIN_TYPE, text('filter')).end();
}

/** What a set's keys are made of. */
export type KeyShape = 'connection4' | 'connection6' | 'service4' | 'service6';
// Datatype numbers of the nft program (its include/datatype.h), six bits each in a concatenation: only for its listings.
const NFT_IPV4_ADDR = 7;
const NFT_IPV6_ADDR = 8;
const NFT_INET_PROTOCOL = 12;
const NFT_INET_SERVICE = 13;
const KEY_SHAPES: Readonly<Record<KeyShape, { readonly bytes: number; readonly types: readonly number[] }>> = {
  connection4: { bytes: 16, types: [NFT_IPV4_ADDR, NFT_IPV4_ADDR, NFT_INET_SERVICE, NFT_INET_SERVICE] },
  connection6: { bytes: 40, types: [NFT_IPV6_ADDR, NFT_IPV6_ADDR, NFT_INET_SERVICE, NFT_INET_SERVICE] },
  service4: { bytes: 16, types: [NFT_IPV4_ADDR, NFT_IPV4_ADDR, NFT_INET_PROTOCOL, NFT_INET_SERVICE] },
  service6: { bytes: 40, types: [NFT_IPV6_ADDR, NFT_IPV6_ADDR, NFT_INET_PROTOCOL, NFT_INET_SERVICE] },
};

/** A set; `id` names it within its transaction (rules may refer to it by name later). Elements may have timeouts. */
export function addSet(writer: MessageWriter, table: string, set: string, shape: KeyShape, id: number, sequence: number): void {
  const { bytes: keyBytes, types } = KEY_SHAPES[shape];
  request(writer, NFT_MSG_NEWSET, 0, sequence)
    .attribute(NFTA_SET_TABLE, text(table))
    .attribute(NFTA_SET_NAME, text(set))
    .attributeU32be(NFTA_SET_FLAGS, NFT_SET_TIMEOUT)
    .attributeU32be(NFTA_SET_KEY_TYPE, types.reduce((all, type) => (all << 6) | type, 0))
    .attributeU32be(NFTA_SET_KEY_LEN, keyBytes)
    .attributeU32be(NFTA_SET_ID, id)
    .end();
}

/** Elements of a set, at most about 500 for each message (an attribute holds 64 KiB). `timeoutMs` 0: for ever. */
export function addElements(
  writer: MessageWriter,
  table: string,
  set: string,
  keys: readonly Uint8Array[],
  timeoutMs: number,
  sequence: number,
): void {
  request(writer, NFT_MSG_NEWSETELEM, 0, sequence)
    .attribute(NFTA_SET_ELEM_LIST_TABLE, text(table))
    .attribute(NFTA_SET_ELEM_LIST_SET, text(set))
    .beginNested(NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const key of keys) {
    writer.beginNested(NFTA_LIST_ELEM).beginNested(NFTA_SET_ELEM_KEY).attribute(NFTA_DATA_VALUE, key).endNested();
    if (timeoutMs > 0) {
      // be64
      writer.u16(12).u16(NFTA_SET_ELEM_TIMEOUT).u32be(Math.floor(timeoutMs / 0x1_0000_0000)).u32be(timeoutMs >>> 0);
    }
    writer.endNested();
  }
  writer.endNested().end();
}

/** One expression: name and the writer of its attributes. */
export interface Expression {
  readonly name: string;
  readonly write: (writer: MessageWriter) => void;
}

export function addRule(writer: MessageWriter, table: string, chain: Hook, expressions: readonly Expression[], sequence: number): void {
  request(writer, NFT_MSG_NEWRULE, NLM_F_APPEND, sequence)
    .attribute(NFTA_RULE_TABLE, text(table))
    .attribute(NFTA_RULE_CHAIN, text(chain))
    .beginNested(NFTA_RULE_EXPRESSIONS);
  for (const { name, write } of expressions) {
    writer.beginNested(NFTA_LIST_ELEM).attribute(NFTA_EXPR_NAME, text(name)).beginNested(NFTA_EXPR_DATA);
    write(writer);
    writer.endNested().endNested();
  }
  writer.endNested().end();
}

/** 32-bit register `slot` counted from the first. */
const register = (slot: number): number => NFT_REG32_00 + slot;

/** NFTA_META_DREG 1, NFTA_META_KEY 2. */
function meta(key: number, slot: number): Expression {
  return { name: 'meta', write: (writer) => writer.attributeU32be(1, register(slot)).attributeU32be(2, key) };
}

/** NFTA_CT_DREG 1, NFTA_CT_KEY 2, NFTA_CT_DIRECTION 3. */
function ct(key: number, slot: number, direction?: number): Expression {
  return {
    name: 'ct',
    write: (writer) => {
      writer.attributeU32be(1, register(slot)).attributeU32be(2, key);
      if (direction !== undefined) writer.attributeU8(3, direction);
    },
  };
}

/** NFTA_PAYLOAD_DREG 1, BASE 2, OFFSET 3, LEN 4. */
function payload(base: number, offset: number, lengthBytes: number, slot: number): Expression {
  return {
    name: 'payload',
    write: (writer) =>
      writer.attributeU32be(1, register(slot)).attributeU32be(2, base).attributeU32be(3, offset).attributeU32be(4, lengthBytes),
  };
}

/** NFTA_CMP_SREG 1, OP 2, DATA 3. */
function compare(slot: number, operation: number, value: Uint8Array): Expression {
  return {
    name: 'cmp',
    write: (writer) =>
      writer.attributeU32be(1, register(slot)).attributeU32be(2, operation).beginNested(3).attribute(NFTA_DATA_VALUE, value).endNested(),
  };
}

/** NFTA_BITWISE_SREG 1, DREG 2, LEN 3, MASK 4, XOR 5. */
function masked(slot: number, mask: Uint8Array): Expression {
  return {
    name: 'bitwise',
    write: (writer) => {
      writer.attributeU32be(1, register(slot)).attributeU32be(2, register(slot)).attributeU32be(3, mask.length);
      writer.beginNested(4).attribute(NFTA_DATA_VALUE, mask).endNested();
      writer.beginNested(5).attribute(NFTA_DATA_VALUE, new Uint8Array(mask.length)).endNested();
    },
  };
}

/** NFTA_LOOKUP_SET 1, SREG 2. */
function inSet(set: string, slot: number): Expression {
  return { name: 'lookup', write: (writer) => writer.attribute(1, text(set)).attributeU32be(2, register(slot)) };
}

export function isFamily(family: typeof NFPROTO_IPV4 | typeof NFPROTO_IPV6): Expression[] {
  return [meta(NFT_META_NFPROTO, 0), compare(0, NFT_CMP_EQ, Uint8Array.of(family))];
}

export function isTransport(protocol: number): Expression[] {
  return [meta(NFT_META_L4PROTO, 0), compare(0, NFT_CMP_EQ, Uint8Array.of(protocol))];
}

/** The packet came in by an interface, or goes out by it; `prefix+` stands for any ending. */
export function isInterface(direction: 'in' | 'out', name: string): Expression[] {
  const key = direction === 'in' ? NFT_META_IIFNAME : NFT_META_OIFNAME;
  const prefix = name.endsWith('+') ? text(name.slice(0, -1)).subarray(0, -1) : null;
  const whole = new Uint8Array(IFNAMSIZ);
  whole.set(text(name).subarray(0, IFNAMSIZ));
  return [meta(key, 0), compare(0, NFT_CMP_EQ, prefix ?? whole)];
}

/** The packet's mark within `mask` is `value`. */
export function isMark(mask: number, value: number): Expression[] {
  // Host order, as all numbers in registers.
  const number = (it: number): Uint8Array => Uint8Array.of(it, it >>> 8, it >>> 16, it >>> 24);
  return [meta(NFT_META_MARK, 0), masked(0, number(mask)), compare(0, NFT_CMP_EQ, number(value))];
}

/** The packet would begin a connection. */
export function isNewConnection(): Expression[] {
  // Host order, as all numbers in registers.
  return [ct(NFT_CT_STATE, 0), masked(0, Uint8Array.of(CT_STATE_NEW, 0, 0, 0)), compare(0, NFT_CMP_NEQ, new Uint8Array(4))];
}

/** The packet's connection is in the set; keys by `connectionKey`. */
export function isConnectionIn(set: string, family: typeof NFPROTO_IPV4 | typeof NFPROTO_IPV6): Expression[] {
  const isV4 = family === NFPROTO_IPV4;
  const words = isV4 ? 1 : 4;
  return [
    ct(isV4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, 0, IP_CT_DIR_ORIGINAL),
    ct(isV4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6, words, IP_CT_DIR_ORIGINAL),
    ct(NFT_CT_PROTO_SRC, 2 * words, IP_CT_DIR_ORIGINAL),
    ct(NFT_CT_PROTO_DST, 2 * words + 1, IP_CT_DIR_ORIGINAL),
    inSet(set, 0),
  ];
}

const padded = (port: number): Uint8Array => Uint8Array.of(port >>> 8, port, 0, 0);

/** Key of a connection by its original tuple: source, destination, source port, destination port. */
export function connectionKey(source: Uint8Array, destination: Uint8Array, sourcePort: number, destinationPort: number): Uint8Array {
  return concat(source, destination, padded(sourcePort), padded(destinationPort));
}

/**
 * The packet goes between a client and a service of the set (keys by `serviceKey`): `to` the service, or
 * `from` it. Addresses are those of the packet at that hook.
 */
export function isServiceIn(set: string, family: typeof NFPROTO_IPV4 | typeof NFPROTO_IPV6, direction: 'to' | 'from'): Expression[] {
  const isV4 = family === NFPROTO_IPV4;
  const lengthBytes = isV4 ? 4 : 16;
  const words = lengthBytes / 4;
  // RFC 791 section 3.1, RFC 8200 section 3: offset of the source address.
  const sourceAt = isV4 ? 12 : 8;
  const clientAt = direction === 'to' ? sourceAt : sourceAt + lengthBytes;
  const serviceAt = direction === 'to' ? sourceAt + lengthBytes : sourceAt;
  return [
    payload(NFT_PAYLOAD_NETWORK_HEADER, clientAt, lengthBytes, 0),
    payload(NFT_PAYLOAD_NETWORK_HEADER, serviceAt, lengthBytes, words),
    meta(NFT_META_L4PROTO, 2 * words),
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, direction === 'to' ? 2 : 0, 2, 2 * words + 1),
    inSet(set, 0),
  ];
}

/** Key of a client and a service: client, service, protocol, port of the service. */
export function serviceKey(client: Uint8Array, service: Uint8Array, protocol: number, port: number): Uint8Array {
  return concat(client, service, Uint8Array.of(protocol, 0, 0, 0), padded(port));
}

/** NFTA_IMMEDIATE_DREG 1 (0: the verdict), NFTA_IMMEDIATE_DATA 2, NFTA_DATA_VERDICT 2, NFTA_VERDICT_CODE 1. */
function verdict(code: number): Expression {
  return {
    name: 'immediate',
    write: (writer) => writer.attributeU32be(1, 0).beginNested(2).beginNested(2).attributeU32be(1, code).endNested().endNested(),
  };
}

/** Drops the packet. */
export function drop(): Expression {
  return verdict(NF_DROP);
}

/** Ends the chain; chains of other priorities go on. */
export function accept(): Expression {
  return verdict(NF_ACCEPT);
}

/** Counts the packets that come so far; shown by `nft list`. */
export function counter(): Expression {
  return { name: 'counter', write: () => undefined };
}

/** Drops the packet and sends a RST with exact numbers to its sender; TCP only. */
export function rejectWithReset(): Expression {
  return { name: 'reject', write: (writer) => writer.attributeU32be(1, NFT_REJECT_TCP_RST).attributeU8(2, 0) };
}

/** Drops the packet and tells its sender: port unreachable (ICMP or ICMPv6). */
export function rejectWithUnreachable(): Expression {
  return {
    name: 'reject',
    write: (writer) => writer.attributeU32be(1, NFT_REJECT_ICMPX_UNREACH).attributeU8(2, NFT_REJECT_ICMPX_PORT_UNREACH),
  };
}
