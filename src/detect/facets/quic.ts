/**
 * QUIC Initial packets of a client, decrypted with the published Initial secrets
 * (RFC 9001 section 5.2, RFC 9369), and the ClientHello inside.
 *
 * The hello may come in several CRYPTO frames in any order (browsers scramble them)
 * and over several packets; only one packet is looked at, and with gaps the two
 * wanted extensions are searched in the parts that are there.
 */
import { u16, u8 } from '../../base/bytes.js';
import { type OpenedInitial, openClientInitial, readVarint, varintBytes } from '../../wire/quic/initial.js';
import { type TlsHello, parseHelloMessage, readAlpn, readServerName } from './tls.js';

export interface QuicInitial {
  readonly version: number;
  /** The ClientHello inside its CRYPTO frames, as far as this packet carries it. */
  readonly hello: TlsHello;
  /**
   * Whether the packet's authentication tag is right. Without: random bytes parse as a hello with odds of 2^-40 or so (type,
   * lengths, version), enough to call it an everyday protocol, too little for a `certain` finding.
   */
  isAuthentic(): boolean;
}

/** Hellos with two post-quantum shares stay below this. */
const MAX_HELLO_BYTES = 8192;

const FRAME_PADDING = 0x00;
const FRAME_PING = 0x01;
const FRAME_ACK = 0x02;
const FRAME_ACK_ECN = 0x03;
const FRAME_CRYPTO = 0x06;

/**
 * Opens the datagram [start, end); null unless it is a client's Initial that decrypts and carries part of a ClientHello.
 * Borrows the bytes for `isAuthentic`.
 */
export function quicFacet(bytes: Uint8Array, start: number, end: number): QuicInitial | null {
  const opened = openClientInitial(bytes, start, end);
  if (opened === null) return null;
  const hello = readHello(opened);
  return hello && { version: opened.version, hello, isAuthentic: opened.isAuthentic };
}

/** Where the data of CRYPTO frames stand: [offset in the hello, place in the frames, bytes] of each, and the end of the hello as far as it is known. */
interface CryptoParts {
  readonly parts: readonly number[];
  readonly knownEnd: number;
}

function cryptoParts(frames: Uint8Array): CryptoParts {
  const end = frames.length;
  const parts: number[] = [];
  let knownEnd = 0;
  let at = 0;
  while (at < end) {
    const type = u8(frames, at++);
    if (type === FRAME_PADDING || type === FRAME_PING) continue;
    if (type === FRAME_ACK || type === FRAME_ACK_ECN) {
      at = skipAck(frames, at, end, type === FRAME_ACK_ECN);
      if (at < 0) break;
      continue;
    }
    if (type !== FRAME_CRYPTO) break;
    const offset = readVarint(frames, at, end);
    if (offset < 0) break;
    at += varintBytes(frames, at);
    const lengthBytes = readVarint(frames, at, end);
    if (lengthBytes < 0) break;
    at += varintBytes(frames, at);
    if (at + lengthBytes > end) break;
    if (lengthBytes > 0 && offset + lengthBytes <= MAX_HELLO_BYTES) {
      parts.push(offset, at, lengthBytes);
      knownEnd = Math.max(knownEnd, offset + lengthBytes);
    }
    at += lengthBytes;
  }
  return { parts, knownEnd };
}

/** Collects CRYPTO data by offset and parses it. */
function readHello({ frames, isAuthentic }: OpenedInitial): TlsHello | null {
  const { parts, knownEnd } = cryptoParts(frames);
  if (knownEnd === 0) return null;
  // Mostly all of it stands in one frame.
  if (parts.length === 3 && parts[0] === 0) return parseHelloMessage(frames, parts[1]!, parts[1]! + knownEnd);
  const data = new Uint8Array(knownEnd);
  const isKnown = new Uint8Array(knownEnd);
  for (let i = 0; i < parts.length; i += 3) {
    const [offset, at, lengthBytes] = [parts[i]!, parts[i + 1]!, parts[i + 2]!];
    data.set(frames.subarray(at, at + lengthBytes), offset);
    isKnown.fill(1, offset, offset + lengthBytes);
  }
  let prefixEnd = 0;
  while (prefixEnd < knownEnd && isKnown[prefixEnd] === 1) prefixEnd++;
  const hello = prefixEnd > 0 ? parseHelloMessage(data, 0, prefixEnd) : null;
  if (hello?.isComplete || (hello !== null && prefixEnd === knownEnd)) return hello;
  if (hello === null && prefixEnd > 0) return null;
  return isAuthentic() ? searchParts(data, isKnown, prefixEnd, knownEnd, hello) : null;
}

/** Steps over an ACK frame (RFC 9000 section 19.3); -1 when malformed. */
function skipAck(frames: Uint8Array, at: number, end: number, hasEcn: boolean): number {
  let fields = 4;
  for (let i = 0; i < fields; i++) {
    const value = readVarint(frames, at, end);
    if (value < 0) return -1;
    // Third field: number of further ranges, two integers each.
    if (i === 2) fields += 2 * Math.min(value, end - at) + (hasEcn ? 3 : 0);
    at += varintBytes(frames, at);
  }
  return at;
}

/**
 * Heuristic: finds the server name and ALPN extensions inside known parts of a hello with gaps by
 * their nested lengths (extension, list, name), which random key material matches with odds of about
 * 2^-40 at each position. The packet's tag was verified before, so this is a ClientHello for certain.
 */
function searchParts(data: Uint8Array, isKnown: Uint8Array, from: number, end: number, prefix: TlsHello | null): TlsHello {
  let serverName = prefix?.serverName ?? '';
  let alpn = prefix?.alpn ?? [];
  let runEnd = from;
  for (let at = from; at + 9 < end; at++) {
    if (isKnown[at] !== 1) continue;
    if (at >= runEnd) for (runEnd = at; runEnd < end && isKnown[runEnd] === 1; ) runEnd++;
    if (at + 9 >= runEnd || u8(data, at) !== 0) continue;
    const dataAt = at + 4;
    const dataEnd = dataAt + u16(data, at + 2);
    if (dataEnd > runEnd || u16(data, dataAt) !== dataEnd - dataAt - 2) continue;
    const type = u8(data, at + 1);
    if (type === 0 && serverName === '' && u16(data, dataAt + 3) === dataEnd - dataAt - 5) {
      serverName = readServerName(data, dataAt, dataEnd);
    } else if (type === 16 && alpn.length === 0) {
      alpn = readAlpn(data, dataAt, dataEnd);
    }
  }
  return { isClient: true, serverName, alpn, isComplete: false };
}
