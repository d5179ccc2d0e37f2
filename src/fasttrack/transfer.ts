/**
 * FastTrack transfers: HTTP/1.1 in clear on the port that serves everything else.
 *
 *   GET /.hash=<40 hex> HTTP/1.1      and /.files, /.download/, /.supernode, /.status, /.network
 *   UserAgent: KazaaClient ...        spelt as one word
 *   X-Kazaa-Username, -Network, -IP (own ip:port), -SupernodeIP (ip:port), X-KazaaTag ...
 *   GIVE <decimal id> CR LF           push: the uploader connects, then the roles turn round
 *
 * Requests and responses are read alike, in any letter case and cut at any byte.
 * No bodies, no range arithmetic: that is HTTP's.
 */
import { parseIpv4 } from '../base/address.js';
import { ascii, hasAtIgnoringCase, latin1 } from '../base/bytes.js';

/** giFT's server takes requests up to 4,096 bytes; longer heads are not searched further. */
export const MAX_HEAD_BYTES = 4096;

export interface Endpoint {
  /** 4 bytes, network order. */
  readonly address: Uint8Array;
  readonly port: number;
}

/** What a head says so far. Fields are null until they were seen in full. */
export interface TransferHead {
  readonly isRequest: boolean;
  /** A request for a file by its hash: no other program's paths have that form. */
  readonly hasKazaaHash: boolean;
  /** That, or one of Kazaa's other paths, which web servers may have too (`/.status`). */
  readonly hasKazaaPath: boolean;
  /** Any header whose name begins with X-Kazaa. */
  readonly hasKazaaField: boolean;
  /** A `UserAgent` or `User-Agent` that begins with KazaaClient or giFT-FastTrack. */
  readonly hasKazaaAgent: boolean;
  readonly userName: string | null;
  readonly network: string | null;
  readonly ownEndpoint: Endpoint | null;
  readonly supernode: Endpoint | null;
  /** The empty line was reached: nothing more will come. */
  readonly isComplete: boolean;
}

const CR = 0x0d;
const LF = 0x0a;
const GIVE = ascii('give ');
/** Longest decimal 32-bit number. */
const MAX_GIVE_DIGITS = 10;
const KAZAA_PATHS = ['/.files', '/.download/', '/.supernode', '/.status', '/.network'].map(ascii);
const HASH_PATH = ascii('/.hash=');
const HASH_DIGITS = 40;

/** `GIVE <1 to 10 digits>` CR LF (or LF) at `start`: 'no', 'more' (a prefix of it) or 'match'. */
export function scanGive(bytes: Uint8Array, start: number, end: number): 'no' | 'more' | 'match' {
  for (let i = 0; i < GIVE.length; i++) {
    if (start + i >= end) return 'more';
    if (((bytes[start + i] ?? 0) | 0x20) !== GIVE[i]) return 'no';
  }
  let at = start + GIVE.length;
  const digitsAt = at;
  while (at < end && isDigit(bytes[at])) at++;
  if (at - digitsAt > MAX_GIVE_DIGITS) return 'no';
  if (at >= end) return 'more';
  if (at === digitsAt) return 'no';
  if (bytes[at] === CR) {
    if (at + 1 >= end) return 'more';
    at++;
  }
  return bytes[at] === LF ? 'match' : 'no';
}

/**
 * Reads the head at `start`. null: this is no HTTP request or response head
 * (or too little to tell).
 */
export function scanTransferHead(bytes: Uint8Array, start: number, end: number): TransferHead | null {
  const limit = Math.min(end, start + MAX_HEAD_BYTES);
  let lineEnd = endOfLine(bytes, start, limit);
  const first = latin1(bytes, start, Math.min(lineEnd < 0 ? limit : lineEnd, start + 16)).toUpperCase();
  const isRequest = /^(GET|HEAD) \S/.test(first);
  if (!isRequest && !/^HTTP\/1\.[01] \d/.test(first)) return null;
  const pathAt = start + first.indexOf(' ') + 1;
  const hasKazaaHash = isRequest && hasHashPath(bytes, pathAt, limit);
  const head = {
    isRequest,
    hasKazaaHash,
    hasKazaaPath: hasKazaaHash || (isRequest && KAZAA_PATHS.some((path) => hasAtIgnoringCase(bytes, pathAt, limit, path))),
    hasKazaaField: false,
    hasKazaaAgent: false,
    userName: null as string | null,
    network: null as string | null,
    ownEndpoint: null as Endpoint | null,
    supernode: null as Endpoint | null,
    isComplete: false,
  };
  while (lineEnd >= 0) {
    const at = lineEnd + 1;
    lineEnd = endOfLine(bytes, at, limit);
    const stop = lineEnd < 0 ? limit : lineEnd > at && bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    if (lineEnd >= 0 && stop === at) {
      head.isComplete = true;
      break;
    }
    readField(latin1(bytes, at, stop), lineEnd >= 0, head);
  }
  return head;
}

function readField(line: string, isWhole: boolean, head: { -readonly [K in keyof TransferHead]: TransferHead[K] }): void {
  const lower = line.toLowerCase();
  if (/^x-kazaa(-(username|network|ip|supernodeip|xferid|xferuid)|tag) *:/.test(lower)) head.hasKazaaField = true;
  if (/^user-?agent *: *(kazaaclient|gift-fasttrack)/.test(lower)) head.hasKazaaAgent = true;
  if (!isWhole) return;
  const colon = line.indexOf(':');
  if (colon < 0) return;
  const value = line.slice(colon + 1).trim();
  switch (lower.slice(0, colon).trim()) {
    case 'x-kazaa-username':
      head.userName = value;
      break;
    case 'x-kazaa-network':
      head.network = value;
      break;
    case 'x-kazaa-ip':
      head.ownEndpoint = parseEndpoint(value);
      break;
    case 'x-kazaa-supernodeip':
      head.supernode = parseEndpoint(value);
      break;
  }
}

/** `192.0.2.1:1214`, or null; port 0 is refused. */
export function parseEndpoint(text: string): Endpoint | null {
  const parts = /^([0-9.]{7,15}):([0-9]{1,5})$/.exec(text);
  if (!parts) return null;
  const address = parseIpv4(parts[1] ?? '');
  const port = Number(parts[2]);
  return address && port > 0 && port <= 0xffff ? { address, port } : null;
}

function hasHashPath(bytes: Uint8Array, at: number, end: number): boolean {
  if (!hasAtIgnoringCase(bytes, at, end, HASH_PATH)) return false;
  const digitsAt = at + HASH_PATH.length;
  if (digitsAt + HASH_DIGITS > end) return false;
  return /^[0-9a-f]{40}$/i.test(latin1(bytes, digitsAt, digitsAt + HASH_DIGITS));
}

function endOfLine(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) if (bytes[at] === LF) return at;
  return -1;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

export interface TransferFields {
  readonly userName: string;
  readonly network: string;
  readonly ownEndpoint: string;
  readonly supernode: string;
}

function kazaaFields(fields: TransferFields): string {
  return (
    `X-Kazaa-Username: ${fields.userName}\r\nX-Kazaa-Network: ${fields.network}\r\n` +
    `X-Kazaa-IP: ${fields.ownEndpoint}\r\nX-Kazaa-SupernodeIP: ${fields.supernode}\r\n`
  );
}

/** A request for `hash` (40 hexadecimal digits), bytes [first, last]. */
export function buildTransferRequest(hash: string, host: string, fields: TransferFields, first: number, last: number): Uint8Array {
  return ascii(
    `GET /.hash=${hash} HTTP/1.1\r\nHost: ${host}\r\nUserAgent: KazaaClient Nov  3 2002 20:29:03\r\n${kazaaFields(fields)}` +
      `Range: bytes=${first}-${last}\r\nConnection: close\r\n\r\n`,
  );
}

/** The head of a 206 answer to it. */
export function buildTransferResponse(fields: TransferFields, first: number, last: number, total: number): Uint8Array {
  return ascii(
    `HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ${first}-${last}/${total}\r\nContent-Length: ${last - first + 1}\r\n` +
      `Accept-Ranges: bytes\r\nServer: KazaaClient Nov  3 2002 20:29:03\r\nConnection: close\r\n${kazaaFields(fields)}\r\n`,
  );
}

/** The push line. */
export function buildGive(id: number): Uint8Array {
  return ascii(`GIVE ${id >>> 0}\r\n`);
}
