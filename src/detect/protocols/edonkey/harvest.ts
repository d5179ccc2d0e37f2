/**
 * Endpoints told by eDonkey and Kad messages in clear: sources found, server
 * lists, source exchange, Kad contacts, and the ports peers say they listen on.
 * Packed messages (zlib) are passed over.
 */
import { u16, u16le, u32le, u8 } from '../../../base/bytes.js';
import type { PeerSink } from '../../detector.js';
import { bodyBytes, EDONKEY, EMULE, HEADER_BYTES, HELLO, HELLO_ANSWER, helloPortAt } from './frames.js';

const HASH_BYTES = 16;
/** Ids below this are numbers that a server gave to clients who cannot be reached ("low id"). */
const FIRST_HIGH_ID = 0x0100_0000;
/** Option bit of an obfuscated source: the user's hash follows. */
const HAS_USER_HASH = 0x80;

/** An id that is an address (its bytes stand in network order) and a port (LE). */
function toldSource(bytes: Uint8Array, at: number, sink: PeerSink): void {
  if (u32le(bytes, at) >= FIRST_HIGH_ID) sink.toldIpv4(bytes, at, u16le(bytes, at + 4));
}

/** `count` entries of `entryBytes`, each beginning with address and port. */
export function toldList(bytes: Uint8Array, at: number, end: number, count: number, entryBytes: number, sink: PeerSink): void {
  for (let i = 0, next = at; i < count && next + entryBytes <= end; i++, next += entryBytes) toldSource(bytes, next, sink);
}

/** Walks whole frames of a stream prefix. True while the stream goes on in frames. */
export function harvestFrames(bytes: Uint8Array, start: number, end: number, sink: PeerSink): boolean {
  for (let at = start; at + HEADER_BYTES <= end; ) {
    const lengthBytes = bodyBytes(bytes, at);
    if (lengthBytes < 0) return false;
    const bodyAt = at + HEADER_BYTES;
    const next = bodyAt + lengthBytes;
    if (next > end) return true;
    const opcode = u8(bytes, at + HEADER_BYTES - 1);
    if (u8(bytes, at) === EDONKEY) harvestEdonkey(bytes, opcode, bodyAt, next, sink);
    else if (u8(bytes, at) === EMULE && (opcode === 0x82 || opcode === 0x84)) harvestExchange(bytes, opcode, bodyAt, next, sink);
    at = next;
  }
  return true;
}

function harvestEdonkey(bytes: Uint8Array, opcode: number, at: number, end: number, sink: PeerSink): void {
  const lengthBytes = end - at;
  switch (opcode) {
    case HELLO:
    case HELLO_ANSWER: {
      const portAt = helloPortAt(bytes, opcode, at, end);
      if (portAt + 2 <= end) sink.listensOn(u16le(bytes, portAt));
      return;
    }
    case 0x32: // server list
      if (lengthBytes > 0) toldList(bytes, at + 1, end, u8(bytes, at), 6, sink);
      return;
    case 0x35: // a low-id client's callback
      if (lengthBytes >= 6) toldSource(bytes, at, sink);
      return;
    case 0x42: // found sources
      if (lengthBytes > HASH_BYTES) toldList(bytes, at + HASH_BYTES + 1, end, u8(bytes, at + HASH_BYTES), 6, sink);
      return;
    case 0x44: {
      // found sources with options
      if (lengthBytes <= HASH_BYTES) return;
      let count = u8(bytes, at + HASH_BYTES);
      for (let next = at + HASH_BYTES + 1; count > 0 && next + 7 <= end; count--) {
        toldSource(bytes, next, sink);
        next += 7 + ((u8(bytes, next + 6) & HAS_USER_HASH) !== 0 ? HASH_BYTES : 0);
      }
      return;
    }
    default:
      return;
  }
}

/**
 * Source exchange: [version (0x84)] hash, count, entries of id, port, server, server port,
 * then (version 2 on) user hash and (version 4) options. From version 3 on ids are in host order.
 */
function harvestExchange(bytes: Uint8Array, opcode: number, at: number, end: number, sink: PeerSink): void {
  const countAt = at + (opcode === 0x84 ? 1 : 0) + HASH_BYTES;
  if (countAt + 2 > end) return;
  const count = u16le(bytes, countAt);
  const entriesAt = countAt + 2;
  if (count === 0) return;
  const entryBytes = (end - entriesAt) / count;
  if (entryBytes !== 12 && entryBytes !== 28 && entryBytes !== 29) return;
  const isSwapped = entryBytes === 29 || (opcode === 0x84 && u8(bytes, at) >= 3);
  const address = new Uint8Array(4);
  for (let next = entriesAt; next + entryBytes <= end; next += entryBytes) {
    if (!isSwapped) toldSource(bytes, next, sink);
    else toldSwapped(bytes, next, u16le(bytes, next + 4), address, sink);
  }
}

/** An address stored as a little-endian number. */
function toldSwapped(bytes: Uint8Array, at: number, port: number, address: Uint8Array, sink: PeerSink): void {
  for (let i = 0; i < 4; i++) address[i] = u8(bytes, at + 3 - i);
  if (u8(address, 0) !== 0) sink.toldIpv4(address, 0, port);
}

/** Kad id 16, address (little-endian number) 4, UDP port 2, TCP port 2, version 1. */
export const CONTACT_BYTES = 25;

/** `count` Kad contacts: both of their ports. */
export function harvestContacts(bytes: Uint8Array, at: number, end: number, count: number, sink: PeerSink): void {
  const address = new Uint8Array(4);
  for (let i = 0, next = at; i < count && next + CONTACT_BYTES <= end; i++, next += CONTACT_BYTES) {
    toldSwapped(bytes, next + 16, u16le(bytes, next + 20), address, sink);
    if (u16(bytes, next + 22) !== 0) toldSwapped(bytes, next + 16, u16le(bytes, next + 22), address, sink);
  }
}
