/**
 * The supplied rope scripts written by hand in TypeScript, as somebody would who knows this
 * program well: what the compiled scripts are measured against (bench/rope.ts checks that both agree).
 */
import { ascii, fromHex, hasAt, hasAtIgnoringCase, indexOf, u16, u16le, u32, u8 } from '../src/base/bytes.js';
import { timePart } from '../src/rope/operations.js';
import type { PacketInput } from '../src/rope/packet.js';

export type Match = (packet: PacketInput) => boolean;

const HANDSHAKE = ascii('\x13BitTorrent protocol');
const HTTP = ascii('HTTP/1.');
const BODY = ascii('\r\n\r\nd');
const ANNOUNCE = ascii('8:announce');
const D_ANNOUNCE = ascii('d8:announce');
const INFO = ascii('4:infod');
const TRACKER_SCHEMES = [':http', ':udp:', ':ws'].map(ascii);
const TRACKER_CONNECT = fromHex('00000417 27101980 00000000');
const QUERY_END = ascii('1:y1:qe');
const RESPONSE_END = ascii('1:y1:re');
const ERROR_END = ascii('1:y1:ee');
const QUERY = ascii('1:ad2:id20:');
const RESPONSE = ascii('1:rd2:id20:');
const ERROR = ascii('1:eli20');
const IP = ascii('2:ip6:');

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** End of the digits at `at`; `at` when there are none. */
function digitsEnd(bytes: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && isDigit(u8(bytes, next))) next++;
  return next;
}

function anyAt(bytes: Uint8Array, at: number, end: number, literals: readonly Uint8Array[]): boolean {
  for (const literal of literals) if (hasAt(bytes, at, end, literal)) return true;
  return false;
}

function indexIgnoringCase(bytes: Uint8Array, from: number, end: number, lower: Uint8Array): number {
  for (let at = from; at + lower.length <= end; at++) if (hasAtIgnoringCase(bytes, at, end, lower)) return at;
  return -1;
}

function isTrackerAddress(bytes: Uint8Array, at: number, end: number): boolean {
  const next = digitsEnd(bytes, at, end);
  return next > at && anyAt(bytes, next, end, TRACKER_SCHEMES);
}

function isTorrent(bytes: Uint8Array, start: number, end: number): boolean {
  if (hasAt(bytes, start, end, D_ANNOUNCE) && isTrackerAddress(bytes, start + D_ANNOUNCE.length, end)) return true;
  if (!hasAt(bytes, start, end, HTTP)) return false;
  const bodyAt = indexOf(bytes, start + HTTP.length, end, BODY);
  if (bodyAt < 0) return false;
  const at = bodyAt + BODY.length;
  if (hasAt(bytes, at, end, ANNOUNCE) && isTrackerAddress(bytes, at + ANNOUNCE.length, end)) return true;
  if (hasAt(bytes, at, end, INFO)) return true;
  const next = digitsEnd(bytes, at, end);
  return next > at && next < end && u8(bytes, next) === 0x3a && indexOf(bytes, next + 1, end, INFO) >= 0;
}

function isDht(bytes: Uint8Array, start: number, end: number): boolean {
  if (start >= end || u8(bytes, start) !== 0x64 || end - start < 8) return false;
  const tailAt = end - 7;
  const at = start + 1;
  if (hasAt(bytes, tailAt, end, QUERY_END)) return hasAt(bytes, at, end, QUERY);
  const behindIp = hasAt(bytes, at, end, IP) ? at + IP.length + 6 : -1;
  if (hasAt(bytes, tailAt, end, RESPONSE_END)) return hasAt(bytes, at, end, RESPONSE) || (behindIp >= 0 && hasAt(bytes, behindIp, end, RESPONSE));
  if (!hasAt(bytes, tailAt, end, ERROR_END)) return false;
  return hasAt(bytes, at, end, ERROR) || (behindIp >= 0 && hasAt(bytes, behindIp, end, ERROR));
}

function isAnnounce(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < 98 || u32(bytes, at + 8) !== 1) return false;
  const wanted = u32(bytes, at + 92) | 0;
  return (
    u8(bytes, at + 56) === 0 && u8(bytes, at + 72) === 0 && u32(bytes, at + 80) <= 3 &&
    wanted >= -1 && wanted <= 5000 && u16(bytes, at + 96) !== 0
  );
}

function isUtpHandshake(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 20 || u8(bytes, start) !== 1) return false;
  let extension = u8(bytes, start + 1);
  let at = start + 20;
  for (let count = 0; extension !== 0; count++) {
    if (count === 3 || at + 2 > end) return false;
    extension = u8(bytes, at);
    at += 2 + u8(bytes, at + 1);
  }
  return hasAt(bytes, at, end, HANDSHAKE);
}

const bittorrent: Match = (packet) => {
  const { bytes } = packet;
  const start = packet.start + packet.dataAt;
  const end = packet.start + packet.packetLength;
  if (packet.hasTcp) return hasAt(bytes, start, end, HANDSHAKE) || isTorrent(bytes, start, end);
  if (!packet.hasUdp || u16(bytes, packet.start + packet.transportAt + 4) === 0) return false;
  return (
    isDht(bytes, start, end) ||
    (end - start === 16 && hasAt(bytes, start, end, TRACKER_CONNECT)) ||
    isAnnounce(bytes, start, end) ||
    isUtpHandshake(bytes, start, end)
  );
};

const CONTENT_LENGTH = ascii('content-length:');
const CONTENT_RANGE = ascii('content-range:');

/** The number at `at` as scripts read it, or -1. */
function decimalAt(bytes: Uint8Array, at: number, end: number): number {
  const next = digitsEnd(bytes, at, end);
  if (next === at) return -1;
  let value = 0;
  for (let i = at; i < next; i++) value = Math.min(value * 10 + u8(bytes, i) - 0x30, 0x7fff_ffff);
  return value;
}

export const CONTLEN_LIMIT = 1_000_000;

const contlen: Match = (packet) => {
  const { bytes } = packet;
  const start = packet.start + packet.dataAt;
  const end = packet.start + packet.packetLength;
  if (!hasAt(bytes, start, end, HTTP) || end - start < 10) return false;
  const minor = u8(bytes, start + 7);
  if ((minor !== 0x30 && minor !== 0x31) || u8(bytes, start + 8) !== 0x20 || !isDigit(u8(bytes, start + 9))) return false;
  let at = bytes.indexOf(0x0a, start + 10) + 1;
  while (at > 0 && at < end) {
    let lineEnd = at;
    while (lineEnd < end && u8(bytes, lineEnd) !== 0x0a) lineEnd++;
    const first = u8(bytes, at);
    if (first === 0x0d || first === 0x0a || lineEnd === end) return false;
    if (hasAtIgnoringCase(bytes, at, end, CONTENT_LENGTH)) {
      let next = at + CONTENT_LENGTH.length;
      while (next < end && (u8(bytes, next) === 0x20 || u8(bytes, next) === 9)) next++;
      if (decimalAt(bytes, next, end) > CONTLEN_LIMIT) return true;
    } else if (hasAtIgnoringCase(bytes, at, end, CONTENT_RANGE)) {
      let next = at + CONTENT_RANGE.length;
      while (next < lineEnd && u8(bytes, next) !== 0x2f && u8(bytes, next) !== 0x0d) next++;
      if (next < lineEnd && u8(bytes, next) === 0x2f && decimalAt(bytes, next + 1, end) > CONTLEN_LIMIT) return true;
    }
    at = lineEnd + 1;
  }
  return false;
};

const FASTTRACK_NAMES = ['kazaa\0', 'fileshare\0', 'grokster\0', 'musiccity\0'].map(ascii);
const SEEDED = fromHex('facb1238 3209d2');
const GIVE = ascii('give ');
const HASH = ascii('GET /.hash=');
const GET = ascii('GET ');
const KAZAA_FIELD = ascii('\r\nx-kazaa');

function isNetworkName(bytes: Uint8Array, at: number, end: number): boolean {
  for (const name of FASTTRACK_NAMES) if (end - at === name.length && hasAtIgnoringCase(bytes, at, end, name)) return true;
  return false;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

function isFasttrackDatagram(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 8 || u8(bytes, start + 1) !== 0 || u16(bytes, start + 2) !== 0) return false;
  switch (u8(bytes, start)) {
    case 0x27:
      return u8(bytes, start + 5) === 0x80 && isNetworkName(bytes, start + 6, end);
    case 0x28:
      return u8(bytes, start + 5) === 0 && isNetworkName(bytes, start + 11, end);
    case 0x29: {
      if (end - start < 9) return false;
      const type = u8(bytes, start + 4);
      const kind = u8(bytes, start + 5);
      const flag = u8(bytes, start + 6);
      return (type === 0x29 || type === 0xa9) && (kind === 1 || kind === 2) && flag <= 1 && u16(bytes, start + 7) === 0 && end - start === 13 + 8 * flag;
    }
    default:
      return false;
  }
}

const fasttrack: Match = (packet) => {
  const { bytes } = packet;
  const start = packet.start + packet.dataAt;
  const end = packet.start + packet.packetLength;
  if (packet.hasUdp && u16(bytes, packet.start + packet.transportAt + 4) !== 0) return isFasttrackDatagram(bytes, start, end);
  if (!packet.hasTcp || start === end) return false;
  if (end - start >= 12 && hasAt(bytes, start + 4, end, SEEDED)) return true;
  if (hasAtIgnoringCase(bytes, start, end, GIVE)) {
    const next = digitsEnd(bytes, start + 5, end);
    const count = next - start - 5;
    return count >= 7 && count <= 10 && next < end && (u8(bytes, next) === 13 || u8(bytes, next) === 10);
  }
  if (hasAt(bytes, start, end, HASH)) {
    let next = start + HASH.length;
    while (next < end && isHexDigit(u8(bytes, next))) next++;
    if (next - start - HASH.length === 40) return true;
  }
  return (hasAt(bytes, start, end, GET) || hasAt(bytes, start, end, HTTP)) && indexIgnoringCase(bytes, start, end, KAZAA_FIELD) >= 0;
};

const NAP_TYPES = [0x0200, 0x0600];
const SEND = ascii('SEND');
const GET_VERB = ascii('GET');
const QUOTE = 0x22;

function isGraphic(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f;
}

function graphicEnd(bytes: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && isGraphic(u8(bytes, next))) next++;
  return next;
}

function isNapLogin(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 14 || !NAP_TYPES.includes(u16(bytes, start + 2))) return false;
  const length = u16le(bytes, start);
  if (length < 10 || length > 400) return false;
  let at = start + 4;
  for (let field = 0; field < 2; field++) {
    const next = graphicEnd(bytes, at, end);
    if (next === at || next >= end || u8(bytes, next) !== 0x20) return false;
    at = next + 1;
  }
  const portEnd = digitsEnd(bytes, at, end);
  if (portEnd === at || portEnd - at > 5 || portEnd + 2 > end || u16(bytes, portEnd) !== 0x2022) return false;
  let next = portEnd + 2;
  while (next < end && u8(bytes, next) !== QUOTE && u8(bytes, next) !== 13 && u8(bytes, next) !== 10) next++;
  if (next === portEnd + 2 || next + 2 > end || u16(bytes, next) !== 0x2220) return false;
  const speedEnd = digitsEnd(bytes, next + 2, end);
  return speedEnd > next + 2 && speedEnd - next - 2 <= 2 && speedEnd <= start + 4 + length;
}

function isNapTransfer(bytes: Uint8Array, start: number, end: number): boolean {
  const verb = hasAt(bytes, start, end, GET_VERB) ? 3 : hasAt(bytes, start, end, SEND) ? 4 : 0;
  if (verb === 0) return false;
  const nickEnd = graphicEnd(bytes, start + verb, end);
  if (nickEnd === start + verb || nickEnd - start - verb > 64 || nickEnd + 2 > end || u16(bytes, nickEnd) !== 0x2022) return false;
  let next = nickEnd + 2;
  while (next < end && u8(bytes, next) !== QUOTE) next++;
  return next > nickEnd + 2 && next + 2 < end && u16(bytes, next) === 0x2220 && isDigit(u8(bytes, next + 2));
}

const opennap: Match = (packet) => {
  if (!packet.hasTcp) return false;
  const start = packet.start + packet.dataAt;
  const end = packet.start + packet.packetLength;
  return isNapLogin(packet.bytes, start, end) || isNapTransfer(packet.bytes, start, end);
};

const LAB_NETWORK = 0xc0a8_0000;
const LAB_MASK = 0xffff_0000;

const subnet: Match = ({ bytes, start, ipVersion }) =>
  ipVersion === 4 &&
  (((u32(bytes, start + 12) & LAB_MASK) >>> 0) === LAB_NETWORK || ((u32(bytes, start + 16) & LAB_MASK) >>> 0) === LAB_NETWORK);

const asciiOnly: Match = ({ bytes, start, dataAt, packetLength }) => {
  const end = start + packetLength;
  for (let at = start + dataAt; at < end; at++) if (u8(bytes, at) > 127) return false;
  return packetLength > dataAt;
};

const officeHours: Match = ({ kernelTime }) => {
  const hour = timePart('hour', kernelTime);
  return timePart('wday', kernelTime) <= 5 && hour >= 9 && hour < 18;
};

const CARD = fromHex('000f1f5c3021');

const mac: Match = (packet) => {
  if (!packet.hasUdp) return false;
  const { bytes, start, transportAt, dataAt, packetLength } = packet;
  if (u16(bytes, start + transportAt) !== 67 && u16(bytes, start + transportAt + 2) !== 67) return false;
  const at = start + dataAt;
  const kind = u8(bytes, at);
  return packetLength - dataAt >= 34 && (kind === 1 || kind === 2) && u16(bytes, at + 1) === 0x0106 && hasAt(bytes, at + 28, start + packetLength, CARD);
};

export const BY_HAND: Readonly<Record<string, Match>> = {
  bittorrent, contlen, fasttrack, opennap, subnet, 'ascii-only': asciiOnly, 'office-hours': officeHours, mac,
};

