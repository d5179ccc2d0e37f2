/**
 * Endpoints told by Gnutella messages: pongs (the sender, and packed lists of
 * cached hosts), hits, pushes, DHT contacts and host lists in header text.
 * Deflated bodies and extensions are passed over.
 */
import { ascii, hasAtIgnoringCase, indexOf, indexOfByte, u16, u16le, u8 } from '../../../base/bytes.js';
import { scanIpv4Endpoints } from '../../../base/endpoint-text.js';
import type { PeerSink } from '../../detector.js';
import { GGEP_MAGIC, ggepEnd } from './ggep.js';
import { HIT, HIT_BYTES, PONG, PONG_BYTES, PUSH, TYPE_AT } from './message.js';

/** IPv4 address and port in little-endian order, as packed in `IPP` and `PUSH`. */
const PACKED_BYTES = 6;

function toldLittleEndian(bytes: Uint8Array, addressAt: number, portAt: number, sink: PeerSink): void {
  const port = u16le(bytes, portAt);
  if (port !== 0 && u8(bytes, addressAt) !== 0) sink.toldIpv4(bytes, addressAt, port);
}

function isId(bytes: Uint8Array, at: number, lengthBytes: number, id: string): boolean {
  if (lengthBytes !== id.length) return false;
  for (let i = 0; i < lengthBytes; i++) if (u8(bytes, at + i) !== id.charCodeAt(i)) return false;
  return true;
}

/** One whole message: header at `headerAt`, body [at, end). */
export function harvestMessage(bytes: Uint8Array, headerAt: number, at: number, end: number, sink: PeerSink): void {
  if ((u8(bytes, headerAt + 17) & 0x80) !== 0) return;
  const lengthBytes = end - at;
  switch (u8(bytes, headerAt + TYPE_AT)) {
    case PONG: {
      if (lengthBytes < PONG_BYTES) return;
      toldLittleEndian(bytes, at + 2, at, sink);
      // Hops 0: the pong is the sender's own.
      if (u8(bytes, headerAt + 18) === 0) sink.listensOn(u16le(bytes, at));
      const extensionsAt = at + PONG_BYTES;
      if (extensionsAt >= end || u8(bytes, extensionsAt) !== GGEP_MAGIC) return;
      // UDP host cache: `IPP` is a list of packed IPv4 endpoints.
      ggepEnd(bytes, extensionsAt, end, (idAt, idBytes, valueAt, valueBytes, isPlain) => {
        if (!isPlain || !isId(bytes, idAt, idBytes, 'IPP')) return;
        for (let i = valueAt; i + PACKED_BYTES <= valueAt + valueBytes; i += PACKED_BYTES) toldLittleEndian(bytes, i, i + 4, sink);
      });
      return;
    }
    case HIT:
      if (lengthBytes >= HIT_BYTES) toldLittleEndian(bytes, at + 3, at + 1, sink);
      return;
    case PUSH:
      if (lengthBytes >= 26) toldLittleEndian(bytes, at + 20, at + 24, sink);
      return;
    default:
      return;
  }
}

const CONTACT_ADDRESS_AT = 26;
const FIND_NODE_RESPONSE = 0x06;

/** The sender's own contact, and those of a FIND_NODE response. DHT numbers are in network order. */
export function harvestDht(bytes: Uint8Array, start: number, end: number, sink: PeerSink): void {
  let at = harvestContact(bytes, start + 24, end, sink);
  if (at >= 0) sink.listensOn(u16(bytes, at - 2));
  if (at < 0 || u8(bytes, start + 23) !== FIND_NODE_RESPONSE || at + 4 > end) return;
  at += 4 + u16(bytes, at + 2); // instance, flags, extended header
  if (at >= end) return;
  at += 1 + u8(bytes, at); // security token
  if (at >= end) return;
  let count = u8(bytes, at++);
  while (count-- > 0 && at > 0 && at < end) at = harvestContact(bytes, at, end, sink);
}

/** Vendor 4, version 2, KUID 20, address length, address, port. Position behind it, or -1. */
function harvestContact(bytes: Uint8Array, at: number, end: number, sink: PeerSink): number {
  const addressAt = at + CONTACT_ADDRESS_AT + 1;
  if (addressAt > end) return -1;
  const addressBytes = u8(bytes, addressAt - 1);
  const portAt = addressAt + addressBytes;
  if ((addressBytes !== 4 && addressBytes !== 16) || portAt + 2 > end) return -1;
  const port = u16(bytes, portAt);
  if (port !== 0) {
    if (addressBytes === 4) sink.toldIpv4(bytes, addressAt, port);
    else sink.toldIpv6(bytes, addressAt, port);
  }
  return portAt + 2;
}

const EMPTY_LINE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a);
/** Fields with the sender's own endpoint. Its address may be another than the packet's, its port counts. */
const OWN_FIELDS = ['\nlisten-ip:', '\nnode:', '\nx-my-address:', '\nx-node:'].map(ascii);
const OWN_VALUE_BYTES = 64;

/** Host lists in header fields (X-Try, X-Try-Ultrapeers, X-Alt, X-Push-Proxies, Node ...). True while the header goes on. */
export function harvestHeader(bytes: Uint8Array, start: number, end: number, sink: PeerSink): boolean {
  const headerEnd = indexOf(bytes, start, end, EMPTY_LINE);
  const last = headerEnd < 0 ? end : headerEnd + 2;
  scanIpv4Endpoints(bytes, start, last, (address, at, port) => sink.toldIpv4(address, at, port));
  for (let at = start; at >= 0 && at < last; at = indexOfByte(bytes, at + 1, last, 0x0a)) {
    for (const field of OWN_FIELDS) {
      if (!hasAtIgnoringCase(bytes, at, last, field)) continue;
      const valueAt = at + field.length;
      scanIpv4Endpoints(bytes, valueAt, Math.min(last, valueAt + OWN_VALUE_BYTES), (_address, _at, port) => sink.listensOn(port));
    }
  }
  return headerEnd < 0;
}
