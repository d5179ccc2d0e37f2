/**
 * FastTrack: Kazaa, Kazaa Lite, iMesh, Grokster, giFT and mldonkey. One port of a node serves
 * UDP pings, encrypted TCP sessions and HTTP transfers; Kazaa 2 and later choose it at random.
 *
 * Not recognised: the content of sessions (their ciphers are not public for the types in use),
 * UDP types 0x2A and 0xC0 to 0xC3 (too short). Kazaa's own sessions begin with random bytes: they are
 * `suspected` by the lengths of the dialogue and raised when the endpoint was pinged or told before.
 *
 * There is no official specification; layouts follow the notes of the giFT-FastTrack project.
 */
import {
  defineProtocol,
  type Finding,
  type Inspection,
  match,
  MORE,
  NO,
  type PeerSink,
  TCP,
  UDP,
} from '../detector.js';
import { fromHex, latin1, putU32, u32 } from '../../base/bytes.js';
import { NAME_FIELD_LENGTHS } from '../../fasttrack/networks.js';
import { CLIENT_HELLO_BYTES, SERVER_HELLO_BYTES } from '../../fasttrack/session.js';
import { type Endpoint, MAX_HEAD_BYTES, scanGive, scanTransferHead } from '../../fasttrack/transfer.js';
import { maskType, SEEDS_WITH_MASK } from '../../fasttrack/type-mask.js';
import { parsePing, parsePong, parsePong2, PONG, TYPE_GIFT, TYPE_KAZAA } from '../../fasttrack/udp.js';

const PING_KNOWN = match('certain', 'FastTrack ping that names a known network');
const PING_OTHER = match('likely', 'FastTrack ping that names an unknown network');
const PONG_KNOWN = match('certain', 'FastTrack pong that names a known network');
const PONG_OTHER = match('likely', 'FastTrack pong that names an unknown network');
const PONG_2_USUAL = match('certain', 'FastTrack pong of an ordinary node, usual encryption type');
const PONG_2_OTHER = match('likely', 'FastTrack pong of an ordinary node, unusual encryption type');
const OPENING = match('certain', 'FastTrack session opening: known seed with a well-formed masked encryption type');
const OPENING_SHAPE = match('suspected', 'random 12 bytes to a possible FastTrack node');
const DIALOGUE_SHAPE = match('suspected', 'lengths of the dialogue fit a FastTrack session opening');
/** A path, field or agent of C.7, or the status line of a challenge: one is in every message that matches. */
const TRANSFER_WORDS = ['/.hash=', '/.files', '/.download/', '/.supernode', '/.status', '/.network', 'x-kazaa', 'kazaaclient', 'gift-fasttrack', '403 forbidden '];
const HASH_REQUEST = match('certain', 'request for a Kazaa /.hash= path');
const KAZAA_FIELDS = match('certain', 'X-Kazaa header fields');
const KAZAA_AGENT = match('likely', 'Kazaa or giFT-FastTrack as user agent');
const KAZAA_PATH = match('suspected', 'request for a path that Kazaa nodes serve');
const KAZAA_CHALLENGE = match('likely', 'request for a Kazaa path answered with an encryption challenge');
const PUSH = match('certain', 'GIVE push line of a FastTrack upload');
const SHORT_PUSH = match('likely', 'GIVE push line with an unusually small number');

/** Longest head that a transfer feature waits for. */
const GIVE_DIGITS_AT = 5;
/** Ids are uniform 32-bit numbers: 99.8 % have at least 7 digits, words typed by people have fewer. */
const USUAL_GIVE_DIGITS = 7;
const MIN_DISTINCT_BYTES = 8;

/**
 * The strong form fixes at least 11 bytes: below 2^-80 for a random datagram. With an unknown
 * name 48 bits and printable bytes up to a final zero remain.
 */
function inspectPing(input: Inspection): Finding {
  const ping = parsePing(input.bytes, input.start, input.end);
  return ping ? (ping.isKnownNetwork ? PING_KNOWN : PING_OTHER) : NO;
}

/** 0x28 as for pings. 0x29 fixes 70 bits (type field 32, kind 7, flag and length 8 or more, zeros 16). */
function inspectPong(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (bytes[start] === PONG) {
    const pong = parsePong(bytes, start, end);
    return pong ? (pong.isKnownNetwork ? PONG_KNOWN : PONG_OTHER) : NO;
  }
  const pong2 = parsePong2(bytes, start, end);
  if (!pong2) return NO;
  return pong2.minimumType === TYPE_GIFT || pong2.minimumType === TYPE_KAZAA ? PONG_2_USUAL : PONG_2_OTHER;
}

/**
 * A seed of the mask table and a type field that unmasks to a byte. giFT, mldonkey and the clients recorded
 * in 2006 always use seed FACB1238: 32 bits of seed and 24 of type, 2^-52 with all ten seeds of the table.
 * So the SYN need not have been captured.
 */
function inspectMaskedType(input: Inspection, seedAt: number): Finding {
  const { bytes, end } = input;
  if (seedAt + 8 > end) return MORE;
  const type = maskType(u32(bytes, seedAt + 4), u32(bytes, seedAt));
  return type !== null && type > 0 && type <= 0xff ? OPENING : NO;
}

/**
 * Heuristic: client 12 random bytes, server 8 and perhaps its encrypted name, client 6, 9 or 10 (the name).
 * Other protocols with short random openings share these lengths, so this stays `suspected`; it is worth
 * something only with an endpoint or host already known. Where the endpoint is known 12 bytes suffice.
 */
function inspectShape(input: Inspection): Finding {
  const { turns } = input;
  if (!input.fromStart || turns.count === 0 || turns.direction(0) !== 0) return NO;
  const hello = turns.lengthBytes(0);
  if (turns.count === 1) {
    if (hello > CLIENT_HELLO_BYTES) return NO;
    if (hello < CLIENT_HELLO_BYTES) return MORE;
    if (!looksRandom(input.bytes, input.start)) return NO;
    const known = input.known();
    return known === 'told' || known === 'endpoint' ? OPENING_SHAPE : MORE;
  }
  if (hello !== CLIENT_HELLO_BYTES) return NO;
  const helloAt = input.direction === 0 ? input.start : input.otherStart;
  if (!looksRandom(input.direction === 0 ? input.bytes : input.otherBytes, helloAt)) return NO;
  const answer = turns.lengthBytes(1);
  const nameField = answer - SERVER_HELLO_BYTES;
  const mayGrow = turns.count === 2 && answer < SERVER_HELLO_BYTES + Math.max(...NAME_FIELD_LENGTHS);
  if (nameField !== 0 && !NAME_FIELD_LENGTHS.includes(nameField)) return mayGrow ? MORE : NO;
  if (turns.count === 2) return input.known() === 'none' ? MORE : DIALOGUE_SHAPE;
  const name = turns.lengthBytes(2);
  if (NAME_FIELD_LENGTHS.includes(name)) return DIALOGUE_SHAPE;
  return turns.count === 3 && name < Math.max(...NAME_FIELD_LENGTHS) ? MORE : NO;
}

/** Twelve random bytes have fewer than 8 different values once in 3 * 10^6 times; text and small integers usually do. */
function looksRandom(bytes: Uint8Array, at: number): boolean {
  let distinct = 0;
  let isText = true;
  for (let i = at; i < at + CLIENT_HELLO_BYTES; i++) {
    const byte = bytes[i] ?? 0;
    let isNew = true;
    for (let j = at; j < i; j++) if (bytes[j] === byte) isNew = false;
    if (isNew) distinct++;
    if (byte < 0x09 || byte > 0x7e) isText = false;
  }
  return distinct >= MIN_DISTINCT_BYTES && !isText;
}

/** Literal header names and 40 hexadecimal digits behind `/.hash=`: nothing else has them. A user agent alone may be Kazaa reading the web. */
function inspectTransfer(input: Inspection): Finding {
  const head = scanTransferHead(input.bytes, input.start, input.end);
  if (!head) return NO;
  if (head.hasKazaaField) return KAZAA_FIELDS;
  if (head.hasKazaaHash) return HASH_REQUEST;
  if (!head.isComplete && input.end - input.start < MAX_HEAD_BYTES) return MORE;
  if (!head.isRequest && isChallenge(input)) return KAZAA_CHALLENGE;
  if (head.hasKazaaAgent) return KAZAA_AGENT;
  return head.hasKazaaPath ? KAZAA_PATH : NO;
}

/** `HTTP/1.0 403 Forbidden <encryption type> <challenge>` after a request for a Kazaa path. */
function isChallenge(input: Inspection): boolean {
  const line = latin1(input.bytes, input.start, Math.min(input.end, input.start + 80));
  if (!/^HTTP\/1\.0 403 Forbidden \d+ \d+\r?\n/.test(line)) return false;
  return scanTransferHead(input.otherBytes, input.otherStart, input.otherEnd)?.hasKazaaPath === true;
}

/** Nodes in X-Kazaa-SupernodeIP and X-Kazaa-IP. */
function harvestTransfer(input: Inspection, sink: PeerSink): boolean {
  const head = scanTransferHead(input.bytes, input.start, input.end);
  if (!head) return false;
  for (const endpoint of [head.supernode, head.ownEndpoint]) if (endpoint) tell(sink, endpoint);
  return true;
}

function tell(sink: PeerSink, endpoint: Endpoint): void {
  sink.toldIpv4(endpoint.address, 0, endpoint.port);
}

/** `GIVE <digits>` CR LF as the first bytes of a connection: 56 literal bits and a number of the usual size. */
function inspectPush(input: Inspection): Finding {
  if (!input.fromStart) return NO;
  const found = scanGive(input.bytes, input.start, input.end);
  if (found !== 'match') return found === 'more' ? MORE : NO;
  const line = latin1(input.bytes, input.start + GIVE_DIGITS_AT, input.end);
  return (/^\d+/.exec(line)?.[0].length ?? 0) >= USUAL_GIVE_DIGITS ? PUSH : SHORT_PUSH;
}

const seedAnchor = (at: number) => (seed: number) => {
  const bytes = new Uint8Array(4);
  putU32(bytes, 0, seed);
  return { at, bytes };
};

export const fasttrack = defineProtocol({
  id: 'fasttrack',
  title: 'FastTrack (Kazaa, iMesh, Grokster)',
  category: 'file-sharing',
  specs: ['http://developer.berlios.de/projects/gift-fasttrack/', 'https://en.wikipedia.org/wiki/FastTrack'],
  features: [
    { feature: 'ping', transport: UDP, trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: fromHex('27000000') }] }, inspect: inspectPing },
    {
      feature: 'pong',
      transport: UDP,
      trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: fromHex('28000000') }, { at: 0, bytes: fromHex('29000000') }] },
      inspect: inspectPong,
    },
    {
      feature: 'session',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: SEEDS_WITH_MASK.map(seedAnchor(4)) },
      inspect: (input) => inspectMaskedType(input, input.start + 4),
    },
    {
      feature: 'session-answer',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: SEEDS_WITH_MASK.map(seedAnchor(0)) },
      inspect: (input) => inspectMaskedType(input, input.start),
    },
    {
      feature: 'session-shape',
      transport: TCP,
      trigger: { kind: 'always', because: "Kazaa's session openings are random bytes; only their lengths show" },
      inspect: inspectShape,
    },
    {
      feature: 'transfer',
      transport: TCP,
      trigger: { kind: 'facet', facet: 'http', words: TRANSFER_WORDS },
      inspect: inspectTransfer,
      harvest: harvestTransfer,
    },
    {
      feature: 'push',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: fromHex('6769766520'), ignoreCase: true }] },
      inspect: inspectPush,
    },
  ],
});
