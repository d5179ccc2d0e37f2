/**
 * Soulseek: central server, peer, file and distributed connections.
 *
 *   server message   length 4 | code 4 | content        all integers little-endian
 *   peer init        length 4 | code 1 | content        strings: length 4, bytes
 *     0 PierceFirewall: token 4
 *     1 PeerInit: user name, type 'P' | 'F' | 'D', token 4
 *   obfuscated peer connection: key 4, then the message XOR a key that is rotated left by one bit for each 4 bytes
 *
 * Not recognised: server sessions picked up mid-stream with one message at a time, and file data (no framing).
 * The protocol is not published; layouts follow the documentation of the Museek+ and Nicotine+ projects.
 */
import { defineProtocol, type Finding, type Inspection, match, MORE, NO, TCP, UDP } from '../detector.js';
import { ascii, fromHex, hasAt, u16, u32le, u8 } from '../../base/bytes.js';

const LOGIN = match('certain', 'Soulseek server login: user name, password and version in consistent frames');
/** Heuristic: other programs log in with length, code, name, password and version, too. */
const LOGIN_BARE = match('suspected', 'login like that of old Soulseek clients: user name, password and version');
const LOGIN_ANSWER = match('certain', 'answer to a Soulseek login');
const PEER_INIT = match('certain', 'Soulseek peer initialisation with user name and connection type');
const PEER_INIT_HIDDEN = match('certain', 'Soulseek peer initialisation behind the key rotation obfuscation');
const PIERCE = match('suspected', 'message of the size and code of a Soulseek firewall piercing');
/** Heuristic: lengths and codes are small numbers, as in many little-endian protocols; none known that begins with a 5 and a 0 byte. */
const PIERCE_ANSWERED = match('likely', 'Soulseek firewall piercing followed by a peer message');
const PIERCE_SHARES = match('certain', 'Soulseek firewall piercing followed by a packed list or search reply');
/** Heuristic: as above, then exactly 4 bytes from the other side and a 64-bit number below 2^40: 24 bits and two lengths more. */
const PIERCE_FILE = match('likely', 'Soulseek firewall piercing followed by a file token and an offset');
const DISTRIBUTED = match('certain', 'Soulseek distributed search with user name and query');
const BRANCH = match('certain', 'Soulseek distributed connection: branch level and root');
const SERVER_NAME = match('likely', 'DNS question for the Soulseek server');

const MAX_NAME_BYTES = 64;
const MAX_LOGIN_BYTES = 512;
const LOGIN_CODE = 1;
/** Versions that logged in without an MD5: 150 to 183 were seen, with some room. */
const FIRST_BARE_VERSION = 140;
const LAST_BARE_VERSION = 199;
const MD5_HEX_BYTES = 32;
const PIERCE_BYTES = 9;
const PIERCE_OPENING = fromHex('0500000000');
/** Length, code, three length fields, one type letter and the token: all of PeerInit but the name. */
const PEER_INIT_FIXED_BYTES = 14;
const CONNECTION_TYPES = [0x50, 0x46, 0x44];
/** Codes of peer messages in the documentation: share lists, search replies, user info, folder contents, transfers. */
const PEER_CODES = [4, 5, 8, 9, 15, 16, 36, 37, 40, 41, 42, 43, 44, 46, 47, 50, 51, 52];
const PACKED_CODES = [5, 9, 37];
const MAX_PEER_MESSAGE_BYTES = 0x4000000;
const REFUSALS = ['INVALID', 'EMPTY', 'SVR'].map(ascii);
const DISTRIBUTED_SEARCH = 3;
const BRANCH_LEVEL = 4;
const BRANCH_ROOT = 5;
/** The tree has a few levels. */
const MAX_BRANCH_LEVEL = 256;
/** File connections: the uploader's token alone, answered with the first byte wanted, 64 bits. */
const FILE_TOKEN_BYTES = 4;
const FILE_OFFSET_BYTES = 8;

/** Printable ASCII or bytes of a national character set; no control characters. */
function isText(bytes: Uint8Array, at: number, end: number): boolean {
  for (let i = at; i < end; i++) if (u8(bytes, i) < 0x20 || u8(bytes, i) === 0x7f) return false;
  return true;
}

/** End of the string at `at`: -1 when it is no string of 1 to `maxBytes`, `end` + 1 when cut. */
function stringEnd(bytes: Uint8Array, at: number, end: number, minBytes: number, maxBytes: number): number {
  if (at + 4 > end) return end + 1;
  const lengthBytes = u32le(bytes, at);
  if (lengthBytes < minBytes || lengthBytes > maxBytes) return -1;
  const stop = at + 4 + lengthBytes;
  if (!isText(bytes, at + 4, Math.min(stop, end))) return -1;
  return Math.min(stop, end + 1);
}

/**
 * Length and code, two strings and a small version that fill the length exactly, since 2003 also
 * an MD5 in 32 hexadecimal digits: more than 120 bits fixed.
 */
function inspectLogin(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < 8) return MORE;
  const messageEnd = start + 4 + u32le(bytes, start);
  if (messageEnd - start > MAX_LOGIN_BYTES || u32le(bytes, start + 4) !== LOGIN_CODE) return NO;
  const user = stringEnd(bytes, start + 8, end, 1, MAX_NAME_BYTES);
  if (user < 0) return NO;
  if (user > end) return MORE;
  const password = stringEnd(bytes, user, end, 0, MAX_NAME_BYTES);
  if (password < 0) return NO;
  if (password + 4 > end) return MORE;
  if (u32le(bytes, password) > 0xffff) return NO;
  const rest = messageEnd - password - 4;
  const version = u32le(bytes, password);
  if (rest === 0) return input.fromStart && version >= FIRST_BARE_VERSION && version <= LAST_BARE_VERSION ? LOGIN_BARE : NO;
  if (rest !== 4 + MD5_HEX_BYTES && rest !== 4 + MD5_HEX_BYTES + 4) return NO;
  if (end < password + 8) return MORE;
  if (u32le(bytes, password + 4) !== MD5_HEX_BYTES) return NO;
  if (end < password + 8 + MD5_HEX_BYTES) return MORE;
  return isHex(bytes, password + 8, password + 8 + MD5_HEX_BYTES) ? LOGIN : NO;
}

function isHex(bytes: Uint8Array, at: number, end: number): boolean {
  for (let i = at; i < end; i++) {
    const byte = u8(bytes, i) | 0x20;
    if (!((byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x66))) return false;
  }
  return true;
}

/** Code 1 and success 1, then a greeting, an address and an MD5 in hexadecimal; or success 0 and one of the known reasons. 80 bits and text. */
function inspectLoginAnswer(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < 9) return MORE;
  const messageEnd = start + 4 + u32le(bytes, start);
  if (u32le(bytes, start + 4) !== LOGIN_CODE || u8(bytes, start + 8) > 1) return NO;
  const textEnd = stringEnd(bytes, start + 9, end, 0, 0x1000);
  if (textEnd < 0 || textEnd > messageEnd) return NO;
  if (textEnd > end) return MORE;
  if (u8(bytes, start + 8) === 0) return textEnd === messageEnd && isRefusal(bytes, start + 13, textEnd) ? LOGIN_ANSWER : NO;
  const hashAt = textEnd + 4;
  if (messageEnd < hashAt + 4 + MD5_HEX_BYTES || messageEnd > hashAt + 4 + MD5_HEX_BYTES + 1) return NO;
  if (end < hashAt + 4 + MD5_HEX_BYTES) return MORE;
  return u32le(bytes, hashAt) === MD5_HEX_BYTES && isHex(bytes, hashAt + 4, hashAt + 4 + MD5_HEX_BYTES) ? LOGIN_ANSWER : NO;
}

/** Reasons of the documentation: INVALIDUSERNAME, INVALIDPASS, INVALIDVERSION, EMPTYPASSWORD, SVRFULL, SVRPRIVATE. */
function isRefusal(bytes: Uint8Array, at: number, end: number): boolean {
  return REFUSALS.some((word) => hasAt(bytes, at, end, word));
}

type Shape = 'no' | 'more' | 'yes';

/** PeerInit at `at`: a length that fits name and type, code 1, printable name, one of three letters. Over 90 bits fixed. */
function peerInit(bytes: Uint8Array, at: number, end: number): Shape {
  if (end - at < 9) return 'more';
  const nameBytes = u32le(bytes, at + 5);
  if (nameBytes < 1 || nameBytes > MAX_NAME_BYTES || u8(bytes, at + 4) !== 1) return 'no';
  if (u32le(bytes, at) !== nameBytes + PEER_INIT_FIXED_BYTES) return 'no';
  const nameEnd = at + 9 + nameBytes;
  if (!isText(bytes, at + 9, Math.min(nameEnd, end))) return 'no';
  if (end < nameEnd + 5) return 'more';
  return u32le(bytes, nameEnd) === 1 && CONNECTION_TYPES.includes(u8(bytes, nameEnd + 4)) ? 'yes' : 'no';
}

function inspectPeerInit(input: Inspection): Finding {
  const shape = peerInit(input.bytes, input.start, input.end);
  return shape === 'yes' ? PEER_INIT : shape === 'more' ? MORE : NO;
}

/** Longest obfuscated PeerInit that is decoded. */
const MAX_HIDDEN_BYTES = 4 + 4 + PEER_INIT_FIXED_BYTES + MAX_NAME_BYTES;

/** The same structure behind the documented obfuscation. Random bytes: the same odds, as decoding is one to one. */
function inspectHiddenPeerInit(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (!input.fromStart || end - start > MAX_HIDDEN_BYTES * 4) return NO;
  if (end - start < 13) return MORE;
  let key = u32le(bytes, start);
  key = ((key << 1) | (key >>> 31)) >>> 0;
  // The decoded length decides for nearly all other traffic, without a copy.
  const lengthBytes = (u32le(bytes, start + 4) ^ key) >>> 0;
  if (lengthBytes <= PEER_INIT_FIXED_BYTES || lengthBytes > PEER_INIT_FIXED_BYTES + MAX_NAME_BYTES) return NO;
  const plain = new Uint8Array(Math.min(end - start - 4, lengthBytes + 4));
  for (let i = 0; i < plain.length; i++) {
    if (i > 0 && i % 4 === 0) key = ((key << 1) | (key >>> 31)) >>> 0;
    plain[i] = u8(bytes, start + 4 + i) ^ (key >>> (8 * (i % 4)));
  }
  const shape = peerInit(plain, 0, plain.length);
  return shape === 'yes' ? PEER_INIT_HIDDEN : shape === 'more' ? MORE : NO;
}

/**
 * A peer message with a documented code: 32 bits of code, of which 18 values are taken, and a plausible length; or a
 * distributed one (code of one byte): branch level, 40 bits and a small number, or branch root, a name that fills its length.
 */
function isPeerMessage(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8) return false;
  const lengthBytes = u32le(bytes, at);
  if (u8(bytes, at + 4) === BRANCH_LEVEL && lengthBytes === 5) return end - at >= 9 && u32le(bytes, at + 5) < MAX_BRANCH_LEVEL;
  if (u8(bytes, at + 4) === BRANCH_ROOT && stringEnd(bytes, at + 5, end, 1, MAX_NAME_BYTES) === at + 4 + lengthBytes) return true;
  return isPeerHeader(bytes, at) && isFollowed(bytes, at + 4 + lengthBytes, end);
}

function isPeerHeader(bytes: Uint8Array, at: number): boolean {
  const lengthBytes = u32le(bytes, at);
  return lengthBytes >= 4 && lengthBytes <= MAX_PEER_MESSAGE_BYTES && PEER_CODES.includes(u32le(bytes, at + 4));
}

/** What goes on behind a message is another one: small little-endian numbers have lengths that lead nowhere. */
function isFollowed(bytes: Uint8Array, at: number, end: number): boolean {
  return at + 8 > end || isPeerHeader(bytes, at);
}

/** Share lists, search replies and folder contents are zlib streams (RFC 1950) right behind the code. */
function isPackedMessage(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < 10 || !isPeerMessage(bytes, at, end)) return false;
  return PACKED_CODES.includes(u32le(bytes, at + 4)) && u8(bytes, at + 8) === 0x78 && u16(bytes, at + 8) % 31 === 0;
}

/**
 * Nine bytes `05 00 00 00 00` and a token. Alone only 40 bits of small numbers, which other little-endian protocols also send:
 * `suspected`. A peer message behind it or in the answer makes that `likely`, a packed one (another 75 bits) `certain`.
 */
function inspectPierce(input: Inspection): Finding {
  const { bytes, start, end, turns } = input;
  if (!input.fromStart || input.direction !== 0) return NO;
  if (end - start < PIERCE_BYTES) return MORE;
  const first = turns.count > 0 ? turns.lengthBytes(0) : end - start;
  if (isPackedMessage(bytes, start + PIERCE_BYTES, end) || isPackedMessage(input.otherBytes, input.otherStart, input.otherEnd)) {
    return PIERCE_SHARES;
  }
  if (isPeerMessage(bytes, start + PIERCE_BYTES, end) || isPeerMessage(input.otherBytes, input.otherStart, input.otherEnd)) {
    return PIERCE_ANSWERED;
  }
  if (first === PIERCE_BYTES) return isFileOpening(input) ? PIERCE_FILE : PIERCE;
  return end - start < PIERCE_BYTES + 8 ? MORE : NO;
}

/** The answer to a piercing: who asked for it sends what he has, a search reply say, and the other side often nothing more. */
function inspectPierceAnswer(input: Inspection): Finding {
  const { bytes, start, end, otherBytes, otherStart, otherEnd } = input;
  if (!input.fromStart || input.direction !== 1) return NO;
  if (otherEnd - otherStart !== PIERCE_BYTES || !hasAt(otherBytes, otherStart, otherEnd, PIERCE_OPENING)) return NO;
  if (end - start < 8) return MORE;
  if (isPackedMessage(bytes, start, end)) return PIERCE_SHARES;
  return isPeerMessage(bytes, start, end) ? PIERCE_ANSWERED : NO;
}

/** Turns of 9, 4 and 8 bytes; the last is a position in a file. */
function isFileOpening({ bytes, start, end, turns }: Inspection): boolean {
  const isShape = turns.count >= 3 && turns.lengthBytes(1) === FILE_TOKEN_BYTES && turns.lengthBytes(2) === FILE_OFFSET_BYTES;
  const offsetAt = start + PIERCE_BYTES;
  return isShape && offsetAt + FILE_OFFSET_BYTES <= end && u32le(bytes, offsetAt + 4) < 0x100;
}

/** Length, code 3, the fixed word 0x31, a user name, a token and a query that fill the length: 72 bits and two strings. */
function inspectDistributed(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < 13) return MORE;
  return distributedSearch(bytes, start + 4, start + 4 + u32le(bytes, start), end);
}

/** The search in [at, messageEnd), which begins with its code. */
function distributedSearch(bytes: Uint8Array, at: number, messageEnd: number, end: number): Finding {
  if (messageEnd - at > MAX_LOGIN_BYTES || u8(bytes, at) !== DISTRIBUTED_SEARCH) return NO;
  const user = stringEnd(bytes, at + 5, end, 1, MAX_NAME_BYTES);
  if (user < 0) return NO;
  if (user + 4 > end) return MORE;
  const query = stringEnd(bytes, user + 4, end, 1, MAX_LOGIN_BYTES);
  if (query < 0) return NO;
  if (query > end) return MORE;
  return query === messageEnd ? DISTRIBUTED : NO;
}

/** A server hands a distributed search to a client: length, code 93 (32 bits), then the search as above. */
function inspectEmbedded(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < 17) return MORE;
  return distributedSearch(bytes, start + 8, start + 4 + u32le(bytes, start), end);
}

/** Branch level (72 bits and a number below 256), then branch root, whose name fills its length, or a search: over 130 bits. */
function inspectBranch(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const at = start + 9;
  if (end - at < 13) return MORE;
  if (u32le(bytes, start + 5) >= MAX_BRANCH_LEVEL) return NO;
  const messageEnd = at + 4 + u32le(bytes, at);
  if (u8(bytes, at + 4) === BRANCH_ROOT) return stringEnd(bytes, at + 5, messageEnd, 1, MAX_NAME_BYTES) === messageEnd ? BRANCH : NO;
  return distributedSearch(bytes, at + 4, messageEnd, end);
}

/** The names clients ask for: `server.slsknet.org`, formerly `mail.slsknet.org`. The web site has others. */
function inspectName(input: Inspection): Finding {
  const names = input.dns()?.questions ?? [];
  return names.some((name) => /^(server|mail)\.slsknet\.(org|net)$/.test(name)) ? SERVER_NAME : NO;
}

export const soulseek = defineProtocol({
  id: 'soulseek',
  title: 'Soulseek',
  category: 'file-sharing',
  specs: ['https://nicotine-plus.org/doc/SLSKPROTOCOL.html', 'https://museek-plus.sourceforge.net/soulseekprotocol.html'],
  features: [
    { feature: 'login', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 4, bytes: fromHex('01000000') }] }, inspect: inspectLogin },
    {
      feature: 'login-answer',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: [{ at: 4, bytes: fromHex('0100000000') }, { at: 4, bytes: fromHex('0100000001') }] },
      inspect: inspectLoginAnswer,
    },
    { feature: 'peer-init', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 1, bytes: fromHex('00000001') }] }, inspect: inspectPeerInit },
    {
      feature: 'peer-init-obfuscated',
      transport: TCP,
      trigger: { kind: 'always', because: 'a random key stands first and hides all that follows; one word decides' },
      inspect: inspectHiddenPeerInit,
    },
    { feature: 'pierce-firewall', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: PIERCE_OPENING }] }, inspect: inspectPierce },
    // The upper bytes of the code of a peer message.
    { feature: 'pierce-answer', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 5, bytes: fromHex('000000') }] }, inspect: inspectPierceAnswer },
    { feature: 'distributed', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 4, bytes: fromHex('0331000000') }] }, inspect: inspectDistributed },
    { feature: 'embedded', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 4, bytes: fromHex('5d0000000331000000') }] }, inspect: inspectEmbedded },
    { feature: 'branch', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: fromHex('0500000004') }] }, inspect: inspectBranch },
    { feature: 'dns', transport: UDP, trigger: { kind: 'facet', facet: 'dns', words: ['slsknet'] }, inspect: inspectName, remember: 'none' },
  ],
});
