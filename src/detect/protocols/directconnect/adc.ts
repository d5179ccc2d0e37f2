/**
 * ADC, the second Direct Connect protocol: lines of a type letter, a command and
 * parameters, between clients and hubs, between clients, and over UDP.
 *
 *   HSUP ADBASE ADTIGR                     handshake, either side
 *   BINF AAAB ID... NI...                  type B, D, E, F: session id of four base32 characters
 *   URES <client id, 39 base32> TR...      UDP
 *
 * Advanced Direct Connect 1.0.3 and its extensions. Not recognised: encrypted UDP (SUDP) and
 * what follows `ZON` or `CSND`.
 */
import { ascii, hasAt, indexOf, indexOfByte, latin1, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, MAX_PREFIX_BYTES, match, MORE, NO, type PeerSink, TCP, UDP } from '../../detector.js';

/** Odds: 7 literal bytes at the start of the stream, then four capitals or digits and a separator. */
const HANDSHAKE = match('certain', 'ADC handshake: SUP with features');
/** Odds: type, command and blank (5 of about 60 literals, 2^-34) and a session id or parameters of the command (2^-13 or less), up to a line end: 2^-47. */
const LINE = match('certain', 'ADC command with its session id or parameters');
/** Odds: type, command, blank (2^-34), session ids and a blank (2^-20 each); the end of the line is not there yet, or was cut off. */
const CUT_LINE = match('likely', 'beginning of an ADC command with its session id');
/** Heuristic: a message without an escaped blank. False positives: other programs whose messages are called IMSG, HMSG or CMSG. */
const ONE_MESSAGE = match('suspected', 'ADC message in one line');
/** Odds: 3 capitals behind U and 39 base32 characters between blanks: 2^-120. */
const DATAGRAM = match('certain', 'ADC datagram with a client id');

const LF = 0x0a;
const BLANK = 0x20;
const CLIENT_ID_CHARACTERS = 39;
const SESSION_ID_CHARACTERS = 4;

function isBase32(bytes: Uint8Array, at: number, end: number, count: number): boolean {
  if (at + count > end) return false;
  for (let i = at; i < at + count; i++) {
    const byte = u8(bytes, i);
    if (!(byte >= 0x41 && byte <= 0x5a) && !(byte >= 0x32 && byte <= 0x37)) return false;
  }
  return true;
}

function isCapitalOrDigit(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x30 && byte <= 0x39);
}

const SUP = ['HSUP ', 'ISUP ', 'CSUP '].map(ascii);
/** `ADBASE`: add, and a name of four. */
const FEATURE_CHARACTERS = 6;

function inspectHandshake(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const at = start + 5;
  for (let i = 0; i < FEATURE_CHARACTERS; i++) {
    if (at + i >= end) return MORE;
    const byte = u8(bytes, at + i);
    // AD adds a feature, RM removes one.
    const isFit = i === 0 ? byte === 0x41 || byte === 0x52 : i === 1 ? byte === 0x44 || byte === 0x4d : isCapitalOrDigit(byte);
    if (!isFit) return NO;
  }
  const behindAt = at + FEATURE_CHARACTERS;
  if (behindAt >= end) return MORE;
  return u8(bytes, behindAt) === BLANK || u8(bytes, behindAt) === LF ? HANDSHAKE : NO;
}

/** What clients send through hubs to all (B), to one (D, with an echo E) or to those with a feature (F). */
const COMMANDS = 'INF MSG SCH STA RES CTM RCM NAT RNT PMI CMD'.split(' ');
/** Commands with the session id of the sender behind them. */
const WITH_SESSION = ['B', 'D', 'E', 'F'].flatMap((type) => COMMANDS.map((command) => ascii(type + command)));
const DIRECT = 0x44;
const ECHO = 0x45;

/** Named parameters: two letters, or a letter and a digit, and a value. Blanks, line feeds and backslashes in values are escaped. */
const NAMED = '( [A-Z][A-Z0-9]([^ \\n\\\\]|\\\\[sn\\\\])*)*\\n';
const TEXT = '([^ \\n\\\\]|\\\\[sn\\\\])';
/** A message of one word could be that of another program; with an escaped blank it is ADC's. */
const ESCAPED_MESSAGE = new RegExp(`^([^ \\n\\\\]|\\\\[n\\\\])*\\\\s${TEXT}*${NAMED}`);
const MESSAGE = new RegExp(`^${TEXT}+${NAMED}`);
const STATUS = /^[0-2]\d\d[ \n]/;
/** A tree hash names itself, also where a short snap length cuts it. */
const TRANSFER = /^(file|tthl|list|blom) (TTH\/[A-Z2-7]{8}|[^\n]+ \d+ -?\d+)/;
const INFORMATION_PARAMETERS = /^([A-Z][A-Z0-9][^ \n]* )*[A-Z][A-Z0-9][^ \n]*\n/;
/** Commands without one, and what must stand behind the blank. */
const WITHOUT_SESSION: readonly [Uint8Array, RegExp][] = [
  [ascii('ISID'), /^[A-Z2-7]{4}\n/],
  [ascii('IINF'), INFORMATION_PARAMETERS],
  [ascii('IQUI'), /^[A-Z2-7]{4}[ \n]/],
  [ascii('ISTA'), STATUS],
  [ascii('HSTA'), STATUS],
  [ascii('CSTA'), STATUS],
  [ascii('IGPA'), /^[A-Z2-7]{20,}\n/],
  [ascii('HPAS'), /^[A-Z2-7]{39}\n/],
  [ascii('CINF'), /^ID[A-Z2-7]{12,39}([ \n]|$)/],
  [ascii('CGET'), TRANSFER],
  [ascii('CGFI'), /^file [^\n]+\n/],
  [ascii('CSND'), TRANSFER],
  // The hub asks for a Bloom filter of what a client shares (extension BLOM).
  [ascii('IGET'), TRANSFER],
  [ascii('HSND'), TRANSFER],
  [ascii('IMSG'), ESCAPED_MESSAGE],
  [ascii('HMSG'), ESCAPED_MESSAGE],
  [ascii('CMSG'), ESCAPED_MESSAGE],
  // Menus of hubs (extension UCMD): a name, then what it is for and does, or that it is gone.
  [ascii('ICMD'), new RegExp(`^${TEXT}+( (RM1|CT\\d{1,2}|CO1|SP1|TT${TEXT}+))+\\n`)],
  // Private messages between clients (extension CPMI): seen, typing.
  [ascii('CPMI'), /^(SN|TP|AC|QU)[01]( (SN|TP|AC|QU)[01])*\n/],
];
const MESSAGE_WORDS = ['IMSG', 'HMSG', 'CMSG'].map(ascii);
const PARAMETER_BYTES = 500;
const CLIENT_ID = ascii('ID');
const BEGUN_ID_CHARACTERS = 6;
/** Line feeds that keep a connection alive. */
const MAX_KEPT_ALIVE = 8;

function inspectLine(input: Inspection): Finding {
  const { bytes, start, end } = input;
  let at = start;
  while (at < end && u8(bytes, at) === LF) if (++at - start > MAX_KEPT_ALIVE) return NO;
  const more = end - start < MAX_PREFIX_BYTES ? MORE : NO;
  const finding = lineFinding(bytes, at, end, more);
  if (finding !== ONE_MESSAGE) return finding;
  const nextAt = indexOfByte(bytes, at, end, LF) + 1;
  const next = lineFinding(bytes, nextAt, end, more);
  return next === LINE || next === ONE_MESSAGE ? LINE : ONE_MESSAGE;
}

/** Whether the line at `at` is a command with what belongs behind it; `more` while it may become one. */
function lineFinding(bytes: Uint8Array, at: number, end: number, more: Finding): Finding {
  const behindAt = at + 5;
  if (behindAt > end) return isBeginning(bytes, at, end) ? more : NO;
  if (u8(bytes, at + 4) !== BLANK) return NO;
  const lineEnd = indexOfByte(bytes, behindAt, end, LF);
  for (const word of WITH_SESSION) {
    if (hasAt(bytes, at, end, word)) return sessionFinding(bytes, u8(bytes, at), behindAt, lineEnd, end, more);
  }
  for (const [word, parameters] of WITHOUT_SESSION) {
    if (!hasAt(bytes, at, end, word)) continue;
    const text = latin1(bytes, behindAt, Math.min(lineEnd < 0 ? end : lineEnd + 1, behindAt + PARAMETER_BYTES));
    if (parameters.test(text)) return LINE;
    if (lineEnd < 0) return more;
    return MESSAGE_WORDS.some((message) => hasAt(bytes, at, end, message)) && MESSAGE.test(text) ? ONE_MESSAGE : NO;
  }
  return NO;
}

/** Session ids of the sender and, of direct messages and their echoes, of the receiver; then the rest of the line. */
function sessionFinding(bytes: Uint8Array, type: number, at: number, lineEnd: number, end: number, more: Finding): Finding {
  const ids = type === DIRECT || type === ECHO ? 2 : 1;
  for (let i = 0; i < ids; i++) {
    const idAt = at + i * (SESSION_ID_CHARACTERS + 1);
    const idEnd = idAt + SESSION_ID_CHARACTERS;
    if (!isBase32(bytes, idAt, Math.min(end, idEnd), Math.min(end, idEnd) - idAt)) return NO;
    if (idEnd >= end) return more;
    const behind = u8(bytes, idEnd);
    if (behind !== BLANK && !(behind === LF && i === ids - 1)) return NO;
  }
  // Lists of users are longer than short snap lengths; the client id stands first.
  return lineEnd >= 0 || isInformation(bytes, at + ids * (SESSION_ID_CHARACTERS + 1), end) ? LINE : CUT_LINE;
}

/** The beginning of a client id as programs put it first: six characters beside its name (2^-34) are more than the end of a line. */
function isInformation(bytes: Uint8Array, at: number, end: number): boolean {
  return at + 2 + BEGUN_ID_CHARACTERS <= end && hasAt(bytes, at, end, CLIENT_ID) && isBase32(bytes, at + 2, end, BEGUN_ID_CHARACTERS);
}

/** Fewer than five bytes: whether they may become a command. */
function isBeginning(bytes: Uint8Array, at: number, end: number): boolean {
  for (let i = at; i < end; i++) {
    if (i === at + 4 ? u8(bytes, i) !== BLANK : !isCapitalOrDigit(u8(bytes, i))) return false;
  }
  return true;
}

export const handshake: Feature = {
  feature: 'adc',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: SUP.map((bytes) => ({ at: 0, bytes })) },
  inspect: inspectHandshake,
  harvest: harvestLines,
};

export const lines: Feature = {
  feature: 'adc-line',
  transport: TCP,
  trigger: {
    kind: 'anchors',
    anchors: [...WITH_SESSION, ...WITHOUT_SESSION.map(([word]) => word), Uint8Array.of(LF)].map((bytes) => ({ at: 0, bytes })),
  },
  inspect: inspectLine,
  harvest: harvestLines,
};

const CONNECT_WORDS = ['DCTM ', 'ECTM ', 'DNAT ', 'DRNT '].map(ascii);
const INFORMATION = ascii('BINF ');
const ADDRESS = ascii(' I4');
const UDP_PORT = ascii(' U4');

/** Number in decimal at `at`, ended by a blank or line feed; 0 when there is none. */
function numberAt(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  let next = at;
  while (next < end && next - at < 5 && u8(bytes, next) >= 0x30 && u8(bytes, next) <= 0x39) value = value * 10 + u8(bytes, next++) - 0x30;
  const isEnded = next < end && (u8(bytes, next) === BLANK || u8(bytes, next) === LF);
  return isEnded && value <= 65535 ? value : 0;
}

/** Dotted quad in [at, end) into `address`; false when it is none or 0.0.0.0. */
function readAddress(bytes: Uint8Array, at: number, end: number, address: Uint8Array): boolean {
  let next = at;
  for (let part = 0; part < 4; part++) {
    let value = 0;
    const partAt = next;
    while (next < end && next - partAt < 3 && u8(bytes, next) >= 0x30 && u8(bytes, next) <= 0x39) value = value * 10 + u8(bytes, next++) - 0x30;
    if (next === partAt || value > 255) return false;
    address[part] = value;
    if (part < 3 && (next >= end || u8(bytes, next++) !== 0x2e)) return false;
  }
  return u8(address, 0) !== 0;
}

/** The address that the client with this session id gave (`BINF`, I4) in what has been seen. */
function addressOf(bytes: Uint8Array, start: number, end: number, sessionAt: number, address: Uint8Array): boolean {
  const session = bytes.subarray(sessionAt, sessionAt + SESSION_ID_CHARACTERS);
  for (let at = indexOf(bytes, start, end, INFORMATION); at >= 0; at = indexOf(bytes, at + 1, end, INFORMATION)) {
    if (!hasAt(bytes, at + INFORMATION.length, end, session)) continue;
    const lineEnd = indexOfByte(bytes, at, end, LF);
    const fieldAt = indexOf(bytes, at, lineEnd < 0 ? end : lineEnd, ADDRESS);
    if (fieldAt >= 0 && readAddress(bytes, fieldAt + ADDRESS.length, end, address)) return true;
  }
  return false;
}

/** `BINF ... I4 U4`: a UDP endpoint. `DCTM sender target protocol port token`: the sender waits on that TCP port (so do `DNAT` and `DRNT`). */
function harvestLines(input: Inspection, sink: PeerSink): boolean {
  const { bytes, start, end } = input;
  const address = new Uint8Array(4);
  for (let at = start; at < end; ) {
    const lineEnd = indexOfByte(bytes, at, end, LF);
    if (lineEnd < 0) break;
    if (hasAt(bytes, at, lineEnd, INFORMATION)) harvestInformation(bytes, at, lineEnd + 1, address, input, sink);
    else if (CONNECT_WORDS.some((word) => hasAt(bytes, at, lineEnd, word))) {
      // Two session ids, then the protocol up to a blank, then the port.
      const protocolAt = at + 5 + 2 * (SESSION_ID_CHARACTERS + 1);
      const blankAt = indexOfByte(bytes, Math.min(protocolAt, lineEnd), lineEnd, BLANK);
      const port = blankAt < 0 ? 0 : numberAt(bytes, blankAt + 1, lineEnd + 1);
      if (port > 0 && input.direction === 0) sink.listensOn(port);
      if (port > 0 && addressOf(bytes, start, end, at + 5, address)) sink.toldIpv4(address, 0, port);
    }
    at = lineEnd + 1;
  }
  return end - start < MAX_PREFIX_BYTES;
}

function harvestInformation(bytes: Uint8Array, at: number, end: number, address: Uint8Array, input: Inspection, sink: PeerSink): void {
  const portAt = indexOf(bytes, at, end, UDP_PORT);
  const port = portAt < 0 ? 0 : numberAt(bytes, portAt + UDP_PORT.length, end);
  if (port === 0) return;
  if (input.direction === 0) sink.listensOn(port);
  const addressAt = indexOf(bytes, at, end, ADDRESS);
  if (addressAt >= 0 && readAddress(bytes, addressAt + ADDRESS.length, end, address)) sink.toldIpv4(address, 0, port);
}

/** `URES <CID> ...`, `USCH`, `UINF`, `UPSR` and others of extensions. */
function inspectDatagram(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < 6 + CLIENT_ID_CHARACTERS) return NO;
  for (let at = start + 1; at < start + 4; at++) if (!isCapitalOrDigit(u8(bytes, at))) return NO;
  const behindAt = start + 5 + CLIENT_ID_CHARACTERS;
  if (u8(bytes, start + 4) !== BLANK || !isBase32(bytes, start + 5, end, CLIENT_ID_CHARACTERS)) return NO;
  return u8(bytes, behindAt) === BLANK || u8(bytes, behindAt) === LF ? DATAGRAM : NO;
}

export const datagrams: Feature = {
  feature: 'adc-udp',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('U') }] },
  inspect: inspectDatagram,
};

/** Odds: marker and zlib header (2^-22), block type and first letter (2^-11). */
const DHT_FIXED = match('certain', 'Direct Connect DHT (StrongDC++): zlib-packed ADC datagram that begins with U');
/** Marker and zlib header only. */
const DHT_DYNAMIC = match('suspected', 'Direct Connect DHT (StrongDC++): zlib-packed ADC datagram');
const DHT_PACKED = 0xc1;
const DHT_LEAST_BYTES = 20;

/**
 * RFC 1951: bit 0 last block, bits 1-2 its type; with fixed codes (type 1) the letter U is 10000101, most
 * significant bit first: together 0B and three bits 101 of the next byte. Codes of type 2 are the block's own.
 */
function inspectDht(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < DHT_LEAST_BYTES) return NO;
  const block = u8(bytes, start + 3);
  if (block === 0x0b && (u8(bytes, start + 4) & 7) === 5) return DHT_FIXED;
  return (block & 7) === 5 ? DHT_DYNAMIC : NO;
}

/** StrongDC++ and EiskaltDC++: the DHT packs its ADC lines. */
export const dht: Feature = {
  feature: 'dht',
  transport: UDP,
  trigger: {
    kind: 'anchors',
    // RFC 1950: deflate with a window of 32 KiB, in the three levels whose check bits zlib writes.
    anchors: [0x5e, 0x9c, 0xda].map((flags) => ({ at: 0, bytes: Uint8Array.of(DHT_PACKED, 0x78, flags) })),
  },
  inspect: inspectDht,
};
