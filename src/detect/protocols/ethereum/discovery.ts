/**
 * Packets of Ethereum's Node Discovery Protocol version 4.
 *
 *   hash 32 | signature 65 (r 32, s 32, recovery id 1) | type 1 | data (RLP)
 *
 * The hash is Keccak-256 of everything behind it, so one packet proves itself.
 * Specification: https://github.com/ethereum/devp2p/blob/master/discv4.md
 */
import { u8 } from '../../../base/bytes.js';
import type { PeerSink } from '../../detector.js';
import { keccak256 } from './keccak.js';

const HASH_BYTES = 32;
const RECOVERY_AT = 96;
export const TYPE_AT = 97;
const DATA_AT = 98;
/** "Packets larger than 1280 bytes are invalid": room for clients that overshoot a little. */
const MAX_PACKET_BYTES = 1500;
const TYPE_PING = 1;
const TYPE_NEIGHBORS = 4;
const TYPE_ENR_RESPONSE = 6;
/** A neighbors packet has at most 12 or 13 nodes. */
const MAX_NODES = 16;

/** True when the datagram is a packet whose hash is right. Refuses nearly everything by its form. */
export function isDiscoveryPacket(bytes: Uint8Array, start: number, end: number): boolean {
  if (!hasDiscoveryForm(bytes, start, end)) return false;
  const hash = keccak256(bytes, start + HASH_BYTES, end);
  for (let i = 0; i < HASH_BYTES; i++) if (hash[i] !== bytes[start + i]) return false;
  return true;
}

/** True for a datagram with length, recovery id, type and list of a packet: 1 of 2,700 random ones. */
export function hasDiscoveryForm(bytes: Uint8Array, start: number, end: number): boolean {
  const lengthBytes = end - start;
  if (lengthBytes <= DATA_AT || lengthBytes > MAX_PACKET_BYTES) return false;
  if (u8(bytes, start + RECOVERY_AT) > 1) return false;
  const type = u8(bytes, start + TYPE_AT);
  if (type < TYPE_PING || type > TYPE_ENR_RESPONSE) return false;
  const data = rlpAt(bytes, start + DATA_AT, end);
  return data?.isList === true;
}

/** An item of Recursive Length Prefix encoding (Ethereum yellow paper, appendix B): content in [at, end). */
interface RlpItem {
  readonly isList: boolean;
  readonly at: number;
  readonly end: number;
}

function rlpAt(bytes: Uint8Array, at: number, end: number): RlpItem | null {
  if (at >= end) return null;
  const first = u8(bytes, at);
  const isList = first >= 0xc0;
  if (first < 0x80) return { isList, at, end: at + 1 };
  const short = first - (isList ? 0xc0 : 0x80);
  let contentAt = at + 1;
  let lengthBytes = short;
  if (short > 55) {
    // More than two bytes of length fit no datagram.
    const sizeBytes = short - 55;
    if (sizeBytes > 2 || contentAt + sizeBytes > end) return null;
    lengthBytes = 0;
    for (let i = 0; i < sizeBytes; i++) lengthBytes = lengthBytes * 256 + u8(bytes, contentAt + i);
    contentAt += sizeBytes;
  }
  return contentAt + lengthBytes <= end ? { isList, at: contentAt, end: contentAt + lengthBytes } : null;
}

/** A port as RLP integer: up to two bytes, big-endian, no leading zeros; 0 when it is none. */
function portOf(bytes: Uint8Array, item: RlpItem | null): number {
  if (item === null || item.isList || item.end - item.at > 2) return 0;
  let port = 0;
  for (let at = item.at; at < item.end; at++) port = port * 256 + u8(bytes, at);
  return port;
}

/** Tells the nodes of a neighbors packet, and the ports where the sender of a ping listens. The packet was accepted before. */
export function harvestDiscovery(bytes: Uint8Array, start: number, end: number, sink: PeerSink): void {
  const data = rlpAt(bytes, start + DATA_AT, end);
  const type = u8(bytes, start + TYPE_AT);
  if (data === null) return;
  if (type === TYPE_PING) {
    // [version, from [ip, udp, tcp], to, expiration]
    const version = rlpAt(bytes, data.at, data.end);
    const from = version && rlpAt(bytes, version.end, data.end);
    if (!from?.isList) return;
    const udp = secondOf(bytes, from);
    const tcp = udp && rlpAt(bytes, udp.end, from.end);
    const port = portOf(bytes, tcp);
    if (port > 0) sink.listensOn(port);
  } else if (type === TYPE_NEIGHBORS) {
    const nodes = rlpAt(bytes, data.at, data.end);
    if (!nodes?.isList) return;
    let at = nodes.at;
    for (let i = 0; i < MAX_NODES && at < nodes.end; i++) {
      const node = rlpAt(bytes, at, nodes.end);
      if (!node?.isList) return;
      tellNode(bytes, node, sink);
      at = node.end;
    }
  }
}

function secondOf(bytes: Uint8Array, list: RlpItem): RlpItem | null {
  const first = rlpAt(bytes, list.at, list.end);
  return first && rlpAt(bytes, first.end, list.end);
}

/** [ip, udp port, tcp port, public key]. */
function tellNode(bytes: Uint8Array, node: RlpItem, sink: PeerSink): void {
  const address = rlpAt(bytes, node.at, node.end);
  const udp = address && rlpAt(bytes, address.end, node.end);
  const tcp = udp && rlpAt(bytes, udp.end, node.end);
  if (!address || !udp) return;
  const udpPort = portOf(bytes, udp);
  const tcpPort = portOf(bytes, tcp);
  const addressBytes = address.end - address.at;
  for (const port of udpPort === tcpPort ? [udpPort] : [udpPort, tcpPort]) {
    if (port === 0) continue;
    if (addressBytes === 4) sink.toldIpv4(bytes, address.at, port);
    else if (addressBytes === 16) sink.toldIpv6(bytes, address.at, port);
  }
}
