/**
 * Openings of everyday protocols. Used against P2P findings only: traffic to an
 * endpoint that a peer named is not P2P when it opens like one of these.
 */
import { ascii, hasAt, hasAtIgnoringCase, u16, u32 } from '../base/bytes.js';

/** Literal openings of TCP streams: server greetings and client commands, RFC 4253, 5321, 1939, 3501, 959, 6143, 9112, 9113. */
const STREAM_OPENINGS = [
  ...['SSH-', '220 ', '220-', '+OK', '* OK', 'RFB 00', '@RSYNCD', 'HTTP/1.'],
  ...['GET /', 'HEAD /', 'POST /', 'PUT /', 'CONNECT ', 'PRI * HTTP/2'],
].map(ascii);
const STREAM_COMMANDS = ['ehlo ', 'helo ', 'user ', 'nick ', 'capa', 'options '].map(ascii);

/** RFC 8489 section 5: the magic cookie of STUN. */
const STUN_MAGIC_COOKIE = 0x2112a442;

/** True for a stream whose first bytes are those of a well-known text protocol or TLS. */
export function isOrdinaryStream(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 4) return false;
  const first = bytes[start]!;
  // RFC 8446 section 5.1: TLSPlaintext of type handshake, version 3.x, at most 2^14 + 256 bytes.
  if (first === 0x16) return bytes[start + 1] === 3 && bytes[start + 2]! <= 4;
  for (const opening of STREAM_OPENINGS) if (opening[0] === first && hasAt(bytes, start, end, opening)) return true;
  for (const command of STREAM_COMMANDS) {
    if (command[0] === (first | 0x20) && hasAtIgnoringCase(bytes, start, end, command)) return true;
  }
  return false;
}

/** True for STUN and DTLS records (RFC 9147 section 4.1): voice and video between browsers, not file sharing as such. */
export function isOrdinaryDatagram(bytes: Uint8Array, start: number, end: number): boolean {
  const lengthBytes = end - start;
  if (lengthBytes >= 20 && u32(bytes, start + 4) === STUN_MAGIC_COOKIE && (bytes[start]! & 0xc0) === 0) return true;
  const isDtls = lengthBytes >= 13 && bytes[start]! >= 20 && bytes[start]! <= 25 && bytes[start + 1] === 0xfe;
  return isDtls && u16(bytes, start + 11) + 13 <= lengthBytes;
}
