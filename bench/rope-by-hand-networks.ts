/** The larger supplied scripts written by hand: Gnutella, eDonkey, Direct Connect. See rope-by-hand.ts. */
import { ascii, hasAt, hasAtIgnoringCase, indexOfByte, u16, u16le, u32le, u8 } from '../src/base/bytes.js';
import type { PacketInput } from '../src/rope/packet.js';
import type { Match } from './rope-by-hand.js';

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isAlnum = (byte: number): boolean => isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a);
const isHexDigit = (byte: number): boolean => isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
const isCapital = (byte: number): boolean => byte >= 0x41 && byte <= 0x5a;
const isLineEnd = (byte: number): boolean => byte === 13 || byte === 10;

function runEnd(bytes: Uint8Array, at: number, end: number, isMember: (byte: number) => boolean): number {
  let next = at;
  while (next < end && isMember(u8(bytes, next))) next++;
  return next;
}

function byteAt(bytes: Uint8Array, at: number, end: number): number {
  return at < end ? u8(bytes, at) : -1;
}

function behindIgnoringCase(bytes: Uint8Array, from: number, end: number, lower: Uint8Array): number {
  const first = u8(lower, 0);
  for (let at = from; at + lower.length <= end; at++) {
    if (u8(bytes, at) === first && hasAtIgnoringCase(bytes, at, end, lower)) return at + lower.length;
  }
  return -1;
}

function hasUdpPayload(packet: PacketInput): boolean {
  return packet.hasUdp && u16(packet.bytes, packet.start + packet.transportAt + 4) !== 0;
}

// ---- Gnutella

const CONNECT = ascii('GNUTELLA CONNECT/');
const STATUS = ascii('GNUTELLA/0.');
const OK = ascii('GNUTELLA OK');
const GET = ascii('GET ');
const HEAD = ascii('HEAD ');
const HTTP = ascii('HTTP/1.');
const URI_RES = ascii('/uri-res/n2');
const URN = ascii('?urn:');
const HASHES = ['sha1:', 'bitprint:'].map(ascii);
const GNUTELLA_PATH = ascii('/gnutella/');
const GNUTELLA_PATHS = ['push', 'thex/v1?urn:'].map(ascii);
const INDEX_PATH = ascii('/get/');
const USER_AGENT = ascii('\r\nuser-agent: ');
const AGENTS = ['limewire', 'gtk-gnutella', 'bearshare', 'gnucleus', 'shareaza'].map(ascii);
const FIELD = ascii('\r\nx-gnutella-');
const CONTENT = ascii('\r\nx-content-urn: urn:');
const QUEUE = ascii('\r\nx-queue: position=');
const POLL = ascii('poll');
const GIV = ascii('GIV ');
const PUSH = ascii('PUSH guid:');
const CHAT = ascii('CHAT CONNECT/0.');
const GTA = ascii('GTA');
const TYPES: ReadonlySet<number> = new Set([0, 1, 0x31, 0x32, 0x40, 0x80, 0x81]);

function anyIgnoringCase(bytes: Uint8Array, at: number, end: number, literals: readonly Uint8Array[]): number {
  for (const literal of literals) if (hasAtIgnoringCase(bytes, at, end, literal)) return at + literal.length;
  return -1;
}

function isGreeting(bytes: Uint8Array, start: number, end: number): boolean {
  if (hasAt(bytes, start, end, CONNECT)) {
    const major = runEnd(bytes, start + CONNECT.length, end, isDigit);
    if (major === start + CONNECT.length || byteAt(bytes, major, end) !== 0x2e) return false;
    const minor = runEnd(bytes, major + 1, end, isDigit);
    return minor > major + 1 && isLineEnd(byteAt(bytes, minor, end));
  }
  if (hasAt(bytes, start, end, STATUS)) {
    const minor = runEnd(bytes, start + STATUS.length, end, isDigit);
    return minor > start + STATUS.length && byteAt(bytes, minor, end) === 0x20 && isDigit(byteAt(bytes, minor + 1, end));
  }
  return hasAt(bytes, start, end, OK) && isLineEnd(byteAt(bytes, start + OK.length, end));
}

function isGnutellaRequest(bytes: Uint8Array, at: number, end: number): boolean {
  if (hasAtIgnoringCase(bytes, at, end, URI_RES) && hasAtIgnoringCase(bytes, at + URI_RES.length + 1, end, URN)) {
    const hashAt = anyIgnoringCase(bytes, at + URI_RES.length + 1 + URN.length, end, HASHES);
    if (hashAt >= 0 && runEnd(bytes, hashAt, end, isAlnum) - hashAt >= 32) return true;
  }
  if (hasAtIgnoringCase(bytes, at, end, GNUTELLA_PATH) && anyIgnoringCase(bytes, at + GNUTELLA_PATH.length, end, GNUTELLA_PATHS) >= 0) return true;
  if (hasAt(bytes, at, end, INDEX_PATH)) {
    const next = runEnd(bytes, at + INDEX_PATH.length, end, isDigit);
    if (next > at + INDEX_PATH.length && byteAt(bytes, next, end) === 0x2f) {
      const agentAt = behindIgnoringCase(bytes, next + 1, end, USER_AGENT);
      if (agentAt >= 0 && anyIgnoringCase(bytes, agentAt, end, AGENTS) >= 0) return true;
    }
  }
  return behindIgnoringCase(bytes, at, end, FIELD) >= 0;
}

function isGnutellaStream(bytes: Uint8Array, start: number, end: number): boolean {
  switch (byteAt(bytes, start, end)) {
    case 0x47:
      if (isGreeting(bytes, start, end)) return true;
      if (hasAt(bytes, start, end, GET)) return isGnutellaRequest(bytes, start + GET.length, end);
      if (hasAt(bytes, start, end, GIV)) {
        const next = runEnd(bytes, start + GIV.length, end, isDigit);
        if (next === start + GIV.length || byteAt(bytes, next, end) !== 0x3a) return false;
        const idEnd = runEnd(bytes, next + 1, end, isHexDigit);
        return idEnd - next - 1 === 32 && byteAt(bytes, idEnd, end) === 0x2f;
      }
      return false;
    case 0x48: {
      if (hasAt(bytes, start, end, HEAD)) return isGnutellaRequest(bytes, start + HEAD.length, end);
      if (!hasAt(bytes, start, end, HTTP)) return false;
      const at = start + HTTP.length;
      if (behindIgnoringCase(bytes, at, end, FIELD) >= 0) return true;
      const contentAt = behindIgnoringCase(bytes, at, end, CONTENT);
      if (contentAt >= 0 && anyIgnoringCase(bytes, contentAt, end, HASHES) >= 0) return true;
      const queueAt = behindIgnoringCase(bytes, at, end, QUEUE);
      return queueAt >= 0 && isDigit(byteAt(bytes, queueAt, end)) && behindIgnoringCase(bytes, queueAt, end, POLL) >= 0;
    }
    case 0x50:
      return hasAt(bytes, start, end, PUSH);
    case 0x43:
      return hasAt(bytes, start, end, CHAT);
    default:
      return false;
  }
}

function isAllZero(bytes: Uint8Array, at: number, end: number): boolean {
  for (let i = at; i < end; i++) if (u8(bytes, i) !== 0) return false;
  return true;
}

function isGnutellaDatagram(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length >= 23 && ((u32le(bytes, start + 19) + 23) | 0) === length && !isAllZero(bytes, start, start + 16)) {
    const type = u8(bytes, start + 16);
    const ttl = u8(bytes, start + 17);
    const hops = u8(bytes, start + 18);
    if (TYPES.has(type) && (ttl & 0x70) === 0 && hops <= 7 && (ttl & 0x77) + hops > 0) return true;
    if (type === 0x41 && ttl === 1 && hops === 0 && u8(bytes, start + 1) >> 4 <= 4) return true;
    if (type === 0x44 && ttl <= 2 && length >= 28) {
      const operation = u8(bytes, start + 23);
      const isVendor = runEnd(bytes, start + 24, start + 28, (byte) => byte >= 0x20 && byte < 0x7f) === start + 28;
      if (operation >= 1 && operation <= 10 && isVendor) return true;
    }
  }
  if (length < 8 || !hasAt(bytes, start, end, GTA) || (u8(bytes, start + 3) | 0x33) !== 0x33) return false;
  const part = u8(bytes, start + 6);
  const count = u8(bytes, start + 7);
  return count === 0 ? length === 8 || length === 12 : part > 0 && part <= count;
}

const gnutella: Match = (packet) => {
  const start = packet.start + packet.dataAt;
  const end = packet.start + packet.packetLength;
  if (packet.hasTcp) return isGnutellaStream(packet.bytes, start, end);
  return hasUdpPayload(packet) && isGnutellaDatagram(packet.bytes, start, end);
};

// ---- eDonkey

const OPERATIONS = new Uint8Array(256);
for (const operation of [
  0x05, 0x14, 0x15, 0x16, 0x18, 0x19, 0x1c, 0x21, 0x23, 0x32, 0x33, 0x34, 0x35, 0x36, 0x38, 0x40, 0x41, 0x42, 0x44, 0x46, 0x47, 0x48,
  0x49, 0x4a, 0x4f, 0x50, 0x51, 0x52, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5b, 0x5c, 0x5d,
]) OPERATIONS[operation] = 1;
const EMULE_OPERATIONS = new Uint8Array(256);
for (const operation of [1, 2, 0x60, 0x81, 0x82, 0x85, 0x86, 0x87, 0x90, 0x92, 0x93, 0x94, 0x95, 0x96]) EMULE_OPERATIONS[operation] = 1;

function isTagCount(bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 4 > end) return false;
  const count = u32le(bytes, at);
  return count >= 1 && count <= 32;
}

function isZlib(bytes: Uint8Array, at: number, end: number): boolean {
  return at + 2 <= end && u8(bytes, at) === 0x78 && u16(bytes, at) % 31 === 0;
}

function isFrame(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 6) return false;
  const marker = u8(bytes, start);
  if (marker !== 0xe3 && marker !== 0xc5 && marker !== 0xd4) return false;
  const length = u32le(bytes, start + 1);
  if (length < 1 || length > 2_000_000) return false;
  const operation = u8(bytes, start + 5);
  if (marker === 0xd4) return isZlib(bytes, start + 6, end);
  const isExact = length + 5 === end - start;
  if (marker === 0xc5) return EMULE_OPERATIONS[operation] === 1 && isExact;
  if (operation === 1 && byteAt(bytes, start + 6, end) === 16 && isTagCount(bytes, start + 29, end)) return true;
  if ((operation === 1 || operation === 0x4c) && isTagCount(bytes, start + 28, end)) return true;
  return OPERATIONS[operation] === 1 && isExact && length >= 5;
}

function isEdonkeyDatagram(packet: PacketInput, start: number, end: number): boolean {
  const { bytes } = packet;
  if (end - start < 2) return false;
  const marker = u8(bytes, start);
  const operation = u8(bytes, start + 1);
  const at = start + 2;
  const body = end - at;
  if (marker === 0xe4) return isKad(packet, operation, at, body, end);
  if (marker === 0xe5) return body >= 8 && isZlib(bytes, at, end);
  if (marker === 0xc5) return operation === 0x90 && body >= 18 && body <= 512;
  if (marker !== 0xe3) return false;
  if (operation === 0x96) return body === 4 && u16(bytes, at + 2) === 0xaa55;
  if (operation === 0x97) return body >= 12 && u16(bytes, at + 2) === 0xaa55;
  return operation === 0xa2 && body === 4 && u16(bytes, at) === 0xfff0;
}

function isKad({ bytes, start, transportAt }: PacketInput, operation: number, at: number, body: number, end: number): boolean {
  switch (operation) {
    case 0x21: {
      const kind = byteAt(bytes, at, end);
      return body === 33 && (kind === 2 || kind === 4 || kind === 11);
    }
    case 0x34:
      return body === 26;
    case 0x35:
      return body === 24;
    case 0x53:
      return body === 19;
    case 0x4b:
      return (body === 17 || body === 18) && u8(bytes, at + 16) <= 100;
    case 0x11:
    case 0x19:
      return body >= 20 && u8(bytes, at + 18) >= 1 && u8(bytes, at + 18) <= 15;
    case 0x29:
      return body >= 17 && u8(bytes, at + 16) * 25 + 17 === body;
    case 0x09:
      return body >= 21 && u16le(bytes, at + 19) * 25 + 21 === body;
    case 0x61:
      return body === 2 && u16le(bytes, at) === u16(bytes, start + transportAt + 2);
    case 0x43:
    case 0x44:
    case 0x3b:
      return body >= 34;
    default:
      return false;
  }
}

const edonkey: Match = (packet) => {
  const start = packet.start + packet.dataAt;
  const end = packet.start + packet.packetLength;
  if (packet.hasTcp) return isFrame(packet.bytes, start, end);
  return hasUdpPayload(packet) && isEdonkeyDatagram(packet, start, end);
};

// ---- Direct Connect

const LOCK = ascii('$Lock ');
const KEY = ascii(' Pk=');
const NICK = ascii('$MyNick ');
const BAR_LOCK = ascii('|$Lock ');
const SUPPORTS = ascii('$Supports ');
const INFO = ascii('$MyINFO $ALL ');
const TRANSFERS = ['$ADCGET ', '$ADCSND '].map(ascii);
const KINDS = ['file ', 'tthl ', 'list '].map(ascii);
const DIRECTION = ascii('$Direction ');
const DIRECTIONS = ['Upload ', 'Download '].map(ascii);
const CONNECT_TO = ascii('$ConnectToMe ');
const SEARCH = ascii('$Search ');
const HUB = ascii('Hub:');
const RESULT = ascii('$SR ');
const SUP = ascii('SUP ');
const BROADCASTS = ['INF ', 'MSG ', 'SCH ', 'CTM ', 'RCM ', 'STA ', 'RES '].map(ascii);

const isWord = (byte: number): boolean => byte !== 0x7c && byte !== 0x20;
const isAddress = (byte: number): boolean => isDigit(byte) || byte === 0x2e;
const isFeature = (byte: number): boolean => isAlnum(byte) || byte === 0x20;
const isBase32 = (byte: number): boolean => isCapital(byte) || (byte >= 0x32 && byte <= 0x37);
const isCapitalOrDigit = (byte: number): boolean => isCapital(byte) || isDigit(byte);

function behindAny(bytes: Uint8Array, at: number, end: number, literals: readonly Uint8Array[]): number {
  for (const literal of literals) if (hasAt(bytes, at, end, literal)) return at + literal.length;
  return -1;
}

/** Behind a word and the blank after it, or -1. */
function behindWord(bytes: Uint8Array, at: number, end: number): number {
  const next = runEnd(bytes, at, end, isWord);
  return next > at && byteAt(bytes, next, end) === 0x20 ? next + 1 : -1;
}

function isAddressAndPort(bytes: Uint8Array, at: number, end: number): boolean {
  const next = runEnd(bytes, at, end, isAddress);
  return next > at && byteAt(bytes, next, end) === 0x3a && isDigit(byteAt(bytes, next + 1, end));
}

function isNmdc(bytes: Uint8Array, start: number, end: number): boolean {
  if (byteAt(bytes, start, end) !== 0x24) return false;
  switch (byteAt(bytes, start + 1, end)) {
    case 0x4c: {
      if (!hasAt(bytes, start, end, LOCK)) return false;
      const next = runEnd(bytes, start + LOCK.length, end, isWord);
      return next > start + LOCK.length && hasAt(bytes, next, end, KEY);
    }
    case 0x4d: {
      if (hasAt(bytes, start, end, NICK)) {
        const next = runEnd(bytes, start + NICK.length, end, isWord);
        return next > start + NICK.length && hasAt(bytes, next, end, BAR_LOCK);
      }
      if (!hasAt(bytes, start, end, INFO)) return false;
      const next = behindWord(bytes, start + INFO.length, end);
      return next >= 0 && indexOfByte(bytes, next, end, 0x24) >= 0;
    }
    case 0x53: {
      if (hasAt(bytes, start, end, SUPPORTS)) {
        const next = runEnd(bytes, start + SUPPORTS.length, end, isFeature);
        return next > start + SUPPORTS.length && byteAt(bytes, next, end) === 0x7c;
      }
      return isSearch(bytes, start, end);
    }
    case 0x41: {
      const next = behindAny(bytes, start, end, TRANSFERS);
      return next >= 0 && behindAny(bytes, next, end, KINDS) >= 0;
    }
    case 0x44: {
      if (!hasAt(bytes, start, end, DIRECTION)) return false;
      const at = behindAny(bytes, start + DIRECTION.length, end, DIRECTIONS);
      const next = at < 0 ? -1 : runEnd(bytes, at, end, isDigit);
      return at >= 0 && next > at && byteAt(bytes, next, end) === 0x7c;
    }
    case 0x43: {
      if (!hasAt(bytes, start, end, CONNECT_TO)) return false;
      const next = behindWord(bytes, start + CONNECT_TO.length, end);
      return next >= 0 && isAddressAndPort(bytes, next, end);
    }
    default:
      return false;
  }
}

function isSearch(bytes: Uint8Array, start: number, end: number): boolean {
  if (!hasAt(bytes, start, end, SEARCH)) return false;
  let at = start + SEARCH.length;
  if (hasAt(bytes, at, end, HUB)) at += HUB.length;
  else {
    const next = runEnd(bytes, at, end, isAddress);
    if (next === at || byteAt(bytes, next, end) !== 0x3a) return false;
    at = next + 1;
  }
  const next = behindWord(bytes, at, end);
  if (next < 0) return false;
  const flag = byteAt(bytes, next, end);
  return (flag === 0x46 || flag === 0x54) && byteAt(bytes, next + 1, end) === 0x3f;
}

function isAdc(bytes: Uint8Array, start: number, end: number): boolean {
  const kind = byteAt(bytes, start, end);
  if (kind === 0x48 || kind === 0x49 || kind === 0x43) {
    if (!hasAt(bytes, start + 1, end, SUP) || start + 11 > end) return false;
    const sign = u16(bytes, start + 5);
    return (sign === 0x4144 || sign === 0x524d) && runEnd(bytes, start + 7, start + 11, isCapitalOrDigit) === start + 11;
  }
  if (kind !== 0x42 && kind !== 0x44 && kind !== 0x45 && kind !== 0x46) return false;
  const at = behindAny(bytes, start + 1, end, BROADCASTS);
  if (at < 0 || at + 5 > end || runEnd(bytes, at, at + 4, isBase32) < at + 4) return false;
  return u8(bytes, at + 4) === 0x20 || u8(bytes, at + 4) === 10;
}

function isDcDatagram(bytes: Uint8Array, start: number, end: number): boolean {
  if (hasAt(bytes, start, end, RESULT)) {
    const separatorAt = indexOfByte(bytes, start, end, 5);
    const openAt = separatorAt < 0 ? -1 : indexOfByte(bytes, separatorAt, end, 0x28);
    if (openAt >= 0 && indexOfByte(bytes, openAt, end, 0x29) >= 0) return true;
  }
  if (isNmdc(bytes, start, end)) return true;
  if (byteAt(bytes, start, end) !== 0x55 || end - start < 45 || u8(bytes, start + 4) !== 0x20) return false;
  if (runEnd(bytes, start + 1, start + 4, isCapitalOrDigit) < start + 4) return false;
  return runEnd(bytes, start + 5, start + 44, isBase32) === start + 44 && (u8(bytes, start + 44) === 0x20 || u8(bytes, start + 44) === 10);
}

const directconnect: Match = (packet) => {
  const { bytes } = packet;
  const start = packet.start + packet.dataAt;
  const end = packet.start + packet.packetLength;
  if (packet.hasTcp) return isNmdc(bytes, start, end) || isAdc(bytes, start, end);
  return hasUdpPayload(packet) && isDcDatagram(bytes, start, end);
};

export const NETWORKS_BY_HAND: Readonly<Record<string, Match>> = { gnutella, edonkey, directconnect };

