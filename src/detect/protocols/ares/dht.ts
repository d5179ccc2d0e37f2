/**
 * Datagrams of the Ares DHT: eMule's Kademlia with header 0xE9 and other commands.
 *
 *   contact     id 16 | IPv4 4 | UDP port 2 | TCP port 2 | type 1          ports little-endian, address in network order
 *   hello       E9 55/56 (50: bootstrap request) | contact                 27 bytes
 *   bootstrap   E9 51 | count 2 | contacts
 *   nodes       E9 61 | target 16 | count 1 | contacts
 *
 * Keyword and source searches are not read: their bodies vary.
 */
import { countSmall, u16le, u8 } from '../../../base/bytes.js';
import type { PeerSink } from '../../detector.js';

const CONTACT_BYTES = 25;
const HELLO_BYTES = 2 + CONTACT_BYTES;
const BOOTSTRAP_AT = 4;
const NODES_AT = 19;
/** Contact types fall from 4 (unknown) to 0 (stable), as in eMule. */
const MAX_TYPE = 4;

/** Ids are hashes: more than eight of sixteen bytes are below 16 once in 3 * 10^6 times, but always in tables of small numbers. */
function isRandomId(bytes: Uint8Array, at: number): boolean {
  return countSmall(bytes, at, at + 16) <= 8;
}

function isContact(bytes: Uint8Array, at: number): boolean {
  if (!isRandomId(bytes, at)) return false;
  return u16le(bytes, at + 20) !== 0 && u16le(bytes, at + 22) !== 0 && u8(bytes, at + 24) <= MAX_TYPE;
}

function countContacts(bytes: Uint8Array, at: number, end: number, count: number): number {
  if (at + count * CONTACT_BYTES !== end) return -1;
  for (let i = 0; i < count; i++) if (!isContact(bytes, at + i * CONTACT_BYTES)) return -1;
  return count;
}

/** A hello or bootstrap request: Ares listens on one port for both transports and sends type 0. */
export function hello(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== HELLO_BYTES) return false;
  const at = start + 2;
  return isContact(bytes, at) && u16le(bytes, at + 20) === u16le(bytes, at + 22) && u8(bytes, at + 24) === 0;
}

/** Contacts of a bootstrap answer; -1 when it is none. */
export function bootstrapAnswer(bytes: Uint8Array, start: number, end: number): number {
  return end - start < BOOTSTRAP_AT ? -1 : countContacts(bytes, start + BOOTSTRAP_AT, end, u16le(bytes, start + 2));
}

/** Contacts of a node answer; -1 when it is none. */
export function nodesAnswer(bytes: Uint8Array, start: number, end: number): number {
  return end - start < NODES_AT ? -1 : countContacts(bytes, start + NODES_AT, end, u8(bytes, start + 18));
}

/** Tells the contacts of both kinds of lists, on their UDP and TCP ports. */
export function harvestContacts(bytes: Uint8Array, start: number, end: number, sink: PeerSink): boolean {
  const command = u8(bytes, start + 1);
  const count = command === 0x51 ? bootstrapAnswer(bytes, start, end) : command === 0x61 ? nodesAnswer(bytes, start, end) : -1;
  const at = start + (command === 0x51 ? BOOTSTRAP_AT : NODES_AT);
  for (let i = 0; i < count; i++) {
    const contactAt = at + i * CONTACT_BYTES;
    sink.toldIpv4(bytes, contactAt + 16, u16le(bytes, contactAt + 20));
    if (u16le(bytes, contactAt + 22) !== u16le(bytes, contactAt + 20)) sink.toldIpv4(bytes, contactAt + 16, u16le(bytes, contactAt + 22));
  }
  return true;
}
