/**
 * Messages of the Bitcoin peer-to-peer protocol, version 1 transport: header and
 * the addresses inside `addr` and `addrv2`. Checksums are not verified: the command
 * field alone is twelve bytes of fixed form.
 *
 *   magic 4 | command 12, NUL padded | length 4 | checksum 4 | payload
 *
 * Numbers are little-endian except ports. Before protocol version 209, `version` and
 * `verack` had no checksum. Specification: https://developer.bitcoin.org/reference/p2p_networking.html,
 * BIP 155 (addrv2).
 */
import { u16, u16le, u32, u32le, u8 } from '../../../base/bytes.js';
import type { PeerSink } from '../../detector.js';

export const COMMAND_AT = 4;
const COMMAND_BYTES = 12;
const LENGTH_AT = 16;
/** Header up to the length field: enough to decide, and all there was of old `version` messages. */
export const HEADER_BYTES = 20;
const CHECKSUM_BYTES = 4;
/** MAX_SIZE of the reference program's serialisation: 32 MiB. */
const MAX_PAYLOAD_BYTES = 0x0200_0000;
/** BIP 155: at most 1,000 addresses in a message. */
const MAX_ADDRESSES = 1000;
/** time 4, services 8, address 16, port 2. */
const ADDR_BYTES = 30;
const NETWORK_IPV4 = 1;
const NETWORK_IPV6 = 2;

/** True when [at, at+20) has the form of a header: a command of lower-case letters and digits, padded with NUL, and a possible length. */
export function isHeader(bytes: Uint8Array, at: number): boolean {
  let letters = 0;
  while (letters < COMMAND_BYTES && isCommandByte(u8(bytes, at + COMMAND_AT + letters))) letters++;
  // Shortest commands are 'tx' and 'inv'.
  if (letters < 2) return false;
  for (let i = letters; i < COMMAND_BYTES; i++) if (u8(bytes, at + COMMAND_AT + i) !== 0) return false;
  return u32le(bytes, at + LENGTH_AT) <= MAX_PAYLOAD_BYTES;
}

function isCommandByte(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39);
}

/** Length field of the header at `at`. */
export function payloadBytes(bytes: Uint8Array, at: number): number {
  return u32le(bytes, at + LENGTH_AT);
}

/** Walks the messages from `at` and reports every address in `addr` and `addrv2`, and the port in `version`. */
export function harvestAddresses(bytes: Uint8Array, at: number, end: number, sink: PeerSink): void {
  const magic = u32(bytes, at);
  while (at + HEADER_BYTES + CHECKSUM_BYTES <= end && u32(bytes, at) === magic && isHeader(bytes, at)) {
    let dataAt = at + HEADER_BYTES + CHECKSUM_BYTES;
    const lengthBytes = payloadBytes(bytes, at);
    // Without checksum the next message begins four bytes earlier.
    if (dataAt + lengthBytes <= end && isMagicAt(bytes, dataAt + lengthBytes - CHECKSUM_BYTES, end, magic)) dataAt -= CHECKSUM_BYTES;
    const dataEnd = Math.min(end, dataAt + lengthBytes);
    if (isCommand(bytes, at, 'addr')) readAddr(bytes, dataAt, dataEnd, sink);
    else if (isCommand(bytes, at, 'addrv2')) readAddrV2(bytes, dataAt, dataEnd, sink);
    else if (isCommand(bytes, at, 'version')) readVersion(bytes, dataAt, dataEnd, sink);
    at = dataAt + lengthBytes;
  }
}

function isMagicAt(bytes: Uint8Array, at: number, end: number, magic: number): boolean {
  return at + 4 <= end && u32(bytes, at) === magic;
}

function isCommand(bytes: Uint8Array, at: number, command: string): boolean {
  for (let i = 0; i < command.length; i++) if (u8(bytes, at + COMMAND_AT + i) !== command.charCodeAt(i)) return false;
  return command.length === COMMAND_BYTES || u8(bytes, at + COMMAND_AT + command.length) === 0;
}

/** Length of the compact size at `at`; values beyond 16 bits do not occur here. */
function compactBytes(bytes: Uint8Array, at: number): number {
  const first = u8(bytes, at);
  return first < 0xfd ? 1 : first === 0xfd ? 3 : first === 0xfe ? 5 : 9;
}

function compactAt(bytes: Uint8Array, at: number): number {
  const first = u8(bytes, at);
  return first < 0xfd ? first : first === 0xfd ? u16le(bytes, at + 1) : Number.MAX_SAFE_INTEGER;
}

function readAddr(bytes: Uint8Array, at: number, end: number, sink: PeerSink): void {
  if (at + 3 > end) return;
  const count = compactAt(bytes, at);
  at += compactBytes(bytes, at);
  for (let i = 0; i < count && i < MAX_ADDRESSES && at + ADDR_BYTES <= end; i++, at += ADDR_BYTES) tell(bytes, at + 12, sink);
}

/** An address of 16 bytes and a port, IPv4 as ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
function tell(bytes: Uint8Array, at: number, sink: PeerSink): void {
  const port = u16(bytes, at + 16);
  if (port === 0) return;
  const isMapped = u32(bytes, at) === 0 && u32(bytes, at + 4) === 0 && u32(bytes, at + 8) === 0xffff;
  if (isMapped) sink.toldIpv4(bytes, at + 12, port);
  else sink.toldIpv6(bytes, at, port);
}

/** BIP 155: time 4, services (compact size), network 1, address (length, bytes), port 2. */
function readAddrV2(bytes: Uint8Array, at: number, end: number, sink: PeerSink): void {
  if (at + 3 > end) return;
  const count = compactAt(bytes, at);
  at += compactBytes(bytes, at);
  for (let i = 0; i < count && i < MAX_ADDRESSES && at + 5 <= end; i++) {
    at += 4 + compactBytes(bytes, at + 4);
    if (at + 2 > end) return;
    const network = u8(bytes, at);
    const addressBytes = u8(bytes, at + 1);
    at += 2;
    if (at + addressBytes + 2 > end) return;
    const port = u16(bytes, at + addressBytes);
    if (network === NETWORK_IPV4 && addressBytes === 4 && port > 0) sink.toldIpv4(bytes, at, port);
    else if (network === NETWORK_IPV6 && addressBytes === 16 && port > 0) sink.toldIpv6(bytes, at, port);
    at += addressBytes + 2;
  }
}

/** version 4, services 8, time 8, receiver (services 8, address 16, port 2), sender (the same): the sender's port is where it listens. */
function readVersion(bytes: Uint8Array, at: number, end: number, sink: PeerSink): void {
  const senderPortAt = at + 20 + 26 + 24;
  if (senderPortAt + 2 > end) return;
  const port = u16(bytes, senderPortAt);
  if (port > 0) sink.listensOn(port);
}
