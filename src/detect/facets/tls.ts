/**
 * TLS hello messages in clear (RFC 8446 section 4.1.2, RFC 6066 SNI, RFC 7301 ALPN).
 *
 * Reads the first handshake message of a stream, fragmented over records or
 * not, and only the two extensions that name something. No SSL 2 hello, no DTLS,
 * no certificates. The message parser also serves QUIC, which carries the same hello.
 */
import { u16, u24, u8 } from '../../base/bytes.js';

export interface TlsHello {
  readonly isClient: boolean;
  /** Server name of a ClientHello, lower case; '' when absent. */
  readonly serverName: string;
  /** Protocols offered (client) or chosen (server up to TLS 1.2). Latin-1, in the case sent. */
  readonly alpn: readonly string[];
  /** False while the hello is cut: names found so far are valid, absent ones may still come. */
  readonly isComplete: boolean;
}

/** RFC 8446 section 5.1: type, legacy version, length. */
const RECORD_HEADER_BYTES = 5;
const RECORD_HANDSHAKE = 22;
/** RFC 8446 section 5.1: "The length MUST NOT exceed 2^14 bytes". */
const MAX_RECORD_BYTES = 16384;
/** RFC 8446 section 4: type, length in 24 bits. */
const MESSAGE_HEADER_BYTES = 4;
const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;
/** Version, random and the length byte of the session id. */
const HELLO_FIXED_BYTES = 2 + 32 + 1;
/** Real hellos with post-quantum shares and tickets stay below 6 KiB. */
const MAX_HELLO_BYTES = 65535;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
/** Names kept of one ALPN list; browsers offer two or three. */
const MAX_ALPN = 16;

/** Parses the hello at the very start of a stream prefix; null when it is none. Shorter than a record header and the message type: null too. */
export function tlsFacet(bytes: Uint8Array, start: number, end: number): TlsHello | null {
  if (end - start <= RECORD_HEADER_BYTES) return null;
  if (!isHandshakeRecord(bytes, start)) return null;
  const type = u8(bytes, start + RECORD_HEADER_BYTES);
  if (type !== CLIENT_HELLO && type !== SERVER_HELLO) return null;
  const firstAt = start + RECORD_HEADER_BYTES;
  const recordBytes = u16(bytes, start + 3);
  const recordEnd = firstAt + recordBytes;
  if (recordEnd >= end || (recordBytes >= MESSAGE_HEADER_BYTES && u24(bytes, firstAt + 1) + MESSAGE_HEADER_BYTES <= recordBytes)) {
    return parseHelloMessage(bytes, firstAt, Math.min(recordEnd, end));
  }
  return parseFragmented(bytes, start, end);
}

function isHandshakeRecord(bytes: Uint8Array, at: number): boolean {
  // RFC 8446 section 5.1: legacy_record_version 0x0303, or 0x0301 in a first ClientHello; older ones 0x0300, 0x0302.
  if (u8(bytes, at) !== RECORD_HANDSHAKE || u8(bytes, at + 1) !== 3 || u8(bytes, at + 2) > 4) return false;
  const lengthBytes = u16(bytes, at + 3);
  // RFC 8446 section 5.1: "Implementations MUST NOT send zero-length fragments of Handshake types".
  return lengthBytes > 0 && lengthBytes <= MAX_RECORD_BYTES;
}

/** RFC 8446 section 5.1: "Handshake messages MAY be [...] fragmented across several records". */
function parseFragmented(bytes: Uint8Array, start: number, end: number): TlsHello | null {
  const joined = new Uint8Array(end - start);
  let lengthBytes = 0;
  let at = start;
  while (end - at > RECORD_HEADER_BYTES) {
    if (!isHandshakeRecord(bytes, at)) return null;
    const dataAt = at + RECORD_HEADER_BYTES;
    const dataEnd = Math.min(end, dataAt + u16(bytes, at + 3));
    joined.set(bytes.subarray(dataAt, dataEnd), lengthBytes);
    lengthBytes += dataEnd - dataAt;
    if (lengthBytes >= MESSAGE_HEADER_BYTES && u24(joined, 1) + MESSAGE_HEADER_BYTES <= lengthBytes) break;
    at = dataEnd;
  }
  return parseHelloMessage(joined, 0, lengthBytes);
}

/**
 * Parses a ClientHello or ServerHello handshake message of which [at, end) has arrived, without
 * record or frame headers. null: malformed, or no hello. Bytes behind the message are ignored.
 */
export function parseHelloMessage(bytes: Uint8Array, at: number, end: number): TlsHello | null {
  if (at >= end) return null;
  const type = u8(bytes, at);
  if (type !== CLIENT_HELLO && type !== SERVER_HELLO) return null;
  const isClient = type === CLIENT_HELLO;
  if (end - at < MESSAGE_HEADER_BYTES + HELLO_FIXED_BYTES) return isPlausibleStart(bytes, at, end) ? cutHello(isClient) : null;
  if (!isPlausibleStart(bytes, at, end)) return null;
  const messageEnd = at + MESSAGE_HEADER_BYTES + u24(bytes, at + 1);
  const limit = Math.min(end, messageEnd);
  let cursor = at + MESSAGE_HEADER_BYTES + HELLO_FIXED_BYTES;
  const sessionIdBytes = u8(bytes, cursor - 1);
  if (sessionIdBytes > 32) return null;
  cursor += sessionIdBytes;
  if (isClient) {
    if (cursor + 2 > limit) return endOf(messageEnd, end, isClient);
    const suitesBytes = u16(bytes, cursor);
    if (suitesBytes < 2 || suitesBytes % 2 !== 0) return null;
    cursor += 2 + suitesBytes;
    if (cursor + 1 > limit) return endOf(messageEnd, end, isClient);
    const compressionBytes = u8(bytes, cursor);
    if (compressionBytes < 1) return null;
    cursor += 1 + compressionBytes;
  } else {
    cursor += 3;
  }
  // Extensions are optional up to TLS 1.2 (RFC 5246 section 7.4.1.2).
  if (cursor === messageEnd && messageEnd <= end) return { isClient, serverName: '', alpn: [], isComplete: true };
  if (cursor + 2 > limit) return endOf(messageEnd, end, isClient);
  if (cursor + 2 + u16(bytes, cursor) !== messageEnd) return null;
  return parseExtensions(bytes, cursor + 2, limit, messageEnd <= end, isClient);
}

/** Type, length and version as far as they arrived. */
function isPlausibleStart(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at >= MESSAGE_HEADER_BYTES) {
    const lengthBytes = u24(bytes, at + 1);
    if (lengthBytes < HELLO_FIXED_BYTES + 3 || lengthBytes > MAX_HELLO_BYTES) return false;
  }
  if (end - at >= MESSAGE_HEADER_BYTES + 2) {
    if (u8(bytes, at + 4) !== 3 || u8(bytes, at + 5) > 4) return false;
  }
  return true;
}

function cutHello(isClient: boolean): TlsHello {
  return { isClient, serverName: '', alpn: [], isComplete: false };
}

/** A field passes the end of the message: malformed when the message is all there, cut otherwise. */
function endOf(messageEnd: number, end: number, isClient: boolean): TlsHello | null {
  return messageEnd <= end ? null : cutHello(isClient);
}

function parseExtensions(bytes: Uint8Array, at: number, limit: number, isWhole: boolean, isClient: boolean): TlsHello | null {
  let serverName = '';
  let alpn: readonly string[] = [];
  while (at + 4 <= limit) {
    const type = u16(bytes, at);
    const dataAt = at + 4;
    const dataEnd = dataAt + u16(bytes, at + 2);
    if (dataEnd > limit) {
      if (isWhole) return null;
      return { isClient, serverName, alpn, isComplete: false };
    }
    if (type === EXTENSION_SERVER_NAME && isClient) serverName = readServerName(bytes, dataAt, dataEnd);
    else if (type === EXTENSION_ALPN) alpn = readAlpn(bytes, dataAt, dataEnd);
    at = dataEnd;
  }
  if (isWhole && at !== limit) return null;
  return { isClient, serverName, alpn, isComplete: isWhole };
}

/** RFC 6066 section 3: list length, then type 0 (host_name), length, name. '' when malformed. */
export function readServerName(bytes: Uint8Array, at: number, end: number): string {
  if (end - at < 5 || u16(bytes, at) !== end - at - 2 || u8(bytes, at + 2) !== 0) return '';
  const nameBytes = u16(bytes, at + 3);
  if (nameBytes > 255 || at + 5 + nameBytes > end) return '';
  let name = '';
  for (let i = 0; i < nameBytes; i++) {
    const byte = u8(bytes, at + 5 + i);
    name += String.fromCharCode(byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);
  }
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

/** RFC 7301 section 3.1: list length, then names with a length byte each, filling the list. Empty when malformed. */
export function readAlpn(bytes: Uint8Array, at: number, end: number): readonly string[] {
  if (end - at < 4 || u16(bytes, at) !== end - at - 2) return [];
  const names: string[] = [];
  let cursor = at + 2;
  while (cursor < end) {
    const nameEnd = cursor + 1 + u8(bytes, cursor);
    if (nameEnd === cursor + 1 || nameEnd > end) return [];
    if (names.length < MAX_ALPN) {
      let name = '';
      for (let i = cursor + 1; i < nameEnd; i++) name += String.fromCharCode(u8(bytes, i));
      names.push(name);
    }
    cursor = nameEnd;
  }
  return names;
}
