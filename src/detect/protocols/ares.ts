/**
 * Ares Galaxy: supernode sessions, the distributed hash table over UDP, transfers and pushes.
 *
 *   packet      body length 2 | type 1 | body                    little-endian
 *   opening     03 00 5A | two bytes (06 06: no encryption) | 05
 *   answer      type 0x33, 0x38, 0x3B (busy) or 0x3C (no encryption); body hidden with a key that starts as the
 *               server's port: children 2, GUID 16, seeds 3, then nodes: IPv4 4, port 2
 *   DHT         0xE9 (0xEA: zlib) | command 1 | ...; Kademlia as in eMule with other numbers
 *   transfer    GET sha1:<base64> HTTP/1.1, answers with X-B6St, X-B6MI fields; PUSH SHA1:<hex> LF LF
 *
 * Not recognised: encrypted transfers, UDP transfers and supernode pings (three bytes); packed DHT datagrams are not read.
 * Specification: the sources of Ares since they were opened, and the gift-ares notes.
 */
import { defineProtocol, type Finding, type Inspection, match, MORE, NO, type PeerSink, TCP, UDP } from '../detector.js';
import { ascii, fromHex, latin1, u16le, u8 } from '../../base/bytes.js';
import { bootstrapAnswer, harvestContacts, hello, nodesAnswer } from './ares/dht.js';

const OPENING = match('certain', 'Ares session opening that asks for no encryption');
const OPENING_OTHER = match('suspected', 'six bytes like an Ares session opening');
const ANSWERED = match('certain', 'Ares session opening and answer with consistent length and type');
const TRANSFER = match('certain', 'Ares request for a file by its SHA-1');
const PUSH = match('certain', 'Ares push with a SHA-1');
const PAGE = match('certain', 'Ares greeting of a chat or page connection');
const TRANSFER_FIELDS = match('certain', 'header fields that only Ares writes');
const SERVER_FIELD = match('likely', 'HTTP server that calls itself Ares');
const DHT_NODES = match('certain', 'Ares DHT contacts in a list of the stated length');
const DHT_HELLO = match('certain', 'Ares DHT hello: same UDP and TCP port, type zero');
const DHT_PACKED = match('likely', 'Ares DHT message, zlib-packed');
const DHT_SHAPE = match('suspected', 'datagram with the header, command and length of the Ares DHT');

const OPENING_BYTES = 6;
const OPENING_MARK = 0x05;
const NO_ENCRYPTION = 0x06;
const ANSWER_TYPES = [0x33, 0x38, 0x3b, 0x3c];
/** Children, GUID and seeds. */
const ANSWER_FIXED_BYTES = 21;
const MAX_ANSWER_BYTES = 2048;
const NODE_BYTES = 6;

/** The 48 bits that clients since 2006 send. Older ones have two random bytes: 32 bits, which need the answer. */
function inspectOpening(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (end - start < OPENING_BYTES) return MORE;
  if (u8(bytes, start + 5) !== OPENING_MARK) return NO;
  if (u8(bytes, start + 3) === NO_ENCRYPTION && u8(bytes, start + 4) === NO_ENCRYPTION) return OPENING;
  if (!input.fromStart) return NO;
  return isAnswer(input.otherBytes, input.otherStart, input.otherEnd) ? ANSWERED : OPENING_OTHER;
}

/** The answer: 32 bits of opening, a type of four and a length that the bytes fill: 50 bits at least. */
function inspectAnswer(input: Inspection): Finding {
  const { otherBytes, otherStart, otherEnd } = input;
  if (!input.fromStart || otherEnd - otherStart < OPENING_BYTES) return NO;
  const isOpened =
    u16le(otherBytes, otherStart) === 3 && u8(otherBytes, otherStart + 2) === 0x5a && u8(otherBytes, otherStart + 5) === OPENING_MARK;
  if (!isOpened) return NO;
  if (input.end - input.start < 3) return MORE;
  return isAnswer(input.bytes, input.start, input.end) ? ANSWERED : NO;
}

function isAnswer(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 3 || !ANSWER_TYPES.includes(u8(bytes, start + 2))) return false;
  const lengthBytes = u16le(bytes, start);
  return lengthBytes >= ANSWER_FIXED_BYTES && lengthBytes <= MAX_ANSWER_BYTES && end - start - 3 <= lengthBytes;
}

/** Supernodes named in the answer, which is hidden only with the port of its sender. */
function harvestAnswer(input: Inspection, sink: PeerSink): boolean {
  if (input.direction === 0) return true;
  const { bytes, start, end } = input;
  if (!isAnswer(bytes, start, end)) return end - start < 3;
  const bodyEnd = start + 3 + u16le(bytes, start);
  if (bodyEnd > end) return true;
  const plain = new Uint8Array(bodyEnd - start - 3);
  let key = input.srcPort;
  for (let i = 0; i < plain.length; i++) {
    const byte = u8(bytes, start + 3 + i);
    plain[i] = byte ^ (key >>> 8);
    key = (Math.imul(key + byte, 0x5ca0) + 0x15ec) & 0xffff;
  }
  for (let at = ANSWER_FIXED_BYTES; at + NODE_BYTES <= plain.length; at += NODE_BYTES) {
    sink.toldIpv4(plain, at, u16le(plain, at + 4));
  }
  return false;
}

/** `GET sha1:` and a base64 SHA-1 (27 digits): 72 literal bits and 27 of 64 letters. */
function inspectTransfer(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const text = latin1(bytes, start, Math.min(end, start + 64));
  if (/^get sha1:[a-z0-9+/]{27}=?/i.test(text)) return TRANSFER;
  return /^get sha1:[a-z0-9+/]{0,26}$/i.test(text) ? MORE : NO;
}

/** `PUSH SHA1:` and 40 hexadecimal digits, then a random number: 80 literal bits. */
function inspectPush(input: Inspection): Finding {
  const text = latin1(input.bytes, input.start, Math.min(input.end, input.start + 60));
  if (/^push sha1:[0-9a-f]{40}/i.test(text)) return PUSH;
  return /^push sha1:[0-9a-f]{0,39}$/i.test(text) ? MORE : NO;
}

function inspectAnswerFields(input: Inspection): Finding {
  const message = input.http();
  if (!message) return NO;
  if (message.hasFieldPrefix('x-b6st') || message.hasFieldPrefix('x-b6mi')) return TRANSFER_FIELDS;
  if (!message.isComplete) return MORE;
  const agent = message.field(message.isRequest ? 'user-agent' : 'server') ?? '';
  return /^Ares \d\.\d/.test(agent) ? SERVER_FIELD : NO;
}

/** Two header bytes, an exact length and, where contacts follow, 16 bits (equal ports) and a type byte in each: at least 40 bits. */
function inspectDht(input: Inspection): Finding {
  const finding = fitDht(input);
  // The first two bytes of a DNS message are a random number.
  return finding === DHT_SHAPE && input.dns() !== null ? NO : finding;
}

function fitDht({ bytes, start, end }: Inspection): Finding {
  switch (u8(bytes, start + 1)) {
    case 0x50:
    case 0x55:
    case 0x56:
      return hello(bytes, start, end) ? DHT_HELLO : NO;
    case 0x51:
      return bootstrapAnswer(bytes, start, end) > 0 ? DHT_NODES : NO;
    case 0x60:
    case 0x62:
      return end - start === 34 ? DHT_SHAPE : NO;
    case 0x75: // search: target and what to look for
      return end - start > 18 ? DHT_SHAPE : NO;
    case 0x76: // its end
      return end - start === 18 ? DHT_SHAPE : NO;
    case 0x92: // refused
      return end - start === 3 ? DHT_SHAPE : NO;
    case 0x61: {
      const contacts = nodesAnswer(bytes, start, end);
      // One contact fixes only 30 bits.
      return contacts > 1 ? DHT_NODES : contacts >= 0 ? DHT_SHAPE : NO;
    }
    default:
      return NO;
  }
}

export const ares = defineProtocol({
  id: 'ares',
  title: 'Ares Galaxy',
  category: 'file-sharing',
  specs: ['http://aresgalaxy.sourceforge.net/', 'http://developer.berlios.de/projects/gift-ares/'],
  features: [
    {
      feature: 'handshake',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: fromHex('03005a') }] },
      inspect: inspectOpening,
      harvest: harvestAnswer,
    },
    {
      feature: 'handshake-answer',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: ANSWER_TYPES.map((type) => ({ at: 2, bytes: Uint8Array.of(type) })) },
      inspect: inspectAnswer,
      harvest: harvestAnswer,
    },
    { feature: 'transfer', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('get sha1:'), ignoreCase: true }] }, inspect: inspectTransfer },
    { feature: 'push', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('push sha1:'), ignoreCase: true }] }, inspect: inspectPush },
    // Seven literal bytes at the start of a stream: 2^-56.
    {
      feature: 'page',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: ascii('ARESPGT') }] },
      inspect: (input) => (input.fromStart ? PAGE : NO),
    },
    { feature: 'transfer-fields', transport: TCP, trigger: { kind: 'facet', facet: 'http', words: ['x-b6st', 'x-b6mi', 'ares '] }, inspect: inspectAnswerFields },
    {
      feature: 'dht',
      transport: UDP,
      trigger: { kind: 'anchors', anchors: [0x50, 0x51, 0x55, 0x56, 0x60, 0x61, 0x62, 0x75, 0x76, 0x92].map((command) => ({ at: 0, bytes: Uint8Array.of(0xe9, command) })) },
      inspect: inspectDht,
      harvest: (input, sink) => harvestContacts(input.bytes, input.start, input.end, sink),
    },
    // Heuristic: header, command and a zlib header (RFC 1950): 32 bits. No other protocol known.
    {
      feature: 'dht-packed',
      transport: UDP,
      trigger: { kind: 'anchors', anchors: [0x75, 0x61, 0x51].map((command) => ({ at: 0, bytes: Uint8Array.of(0xea, command, 0x78, 0x9c) })) },
      inspect: (input) => (input.end - input.start > 12 ? DHT_PACKED : NO),
    },
  ],
});
