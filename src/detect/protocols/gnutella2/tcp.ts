/**
 * G2 over TCP: the Gnutella 0.6 greeting that names `application/x-gnutella2`,
 * packets of connections picked up mid-stream, and web caches asked for G2 hosts.
 * Deflated streams are seen by their handshake only.
 */
import { ascii, hasAt, indexOf } from '../../../base/bytes.js';
import { scanIpv4Endpoints } from '../../../base/endpoint-text.js';
import { type Feature, type Finding, type Inspection, MAX_PREFIX_BYTES, match, MORE, NO, TCP } from '../../detector.js';
import { BAD, CUT, rootEnd } from './packet.js';

/** Odds: two literals of 11 and 23 bytes, the first at the start of the stream. */
const GREETING = match('certain', 'G2 handshake: Gnutella 0.6 greeting with application/x-gnutella2');

const CONNECT = ascii('GNUTELLA CONNECT/0.6');
const STATUS = ascii('GNUTELLA/0.6');
const G2 = ascii('application/x-gnutella2');
const LISTEN_IP = ascii('Listen-IP:');
const HEADER_END = ascii('\r\n\r\n');
/** The same bound as gnutella keeps, so that one of both answers: servents name G2 in their first fields. */
const DECIDED_BYTES = 256;

function inspectGreeting(input: Inspection): Finding {
  const { bytes, start, end } = input;
  if (!hasAt(bytes, start, end, CONNECT) && !hasAt(bytes, start, end, STATUS)) return MORE;
  const limit = Math.min(end, start + DECIDED_BYTES);
  if (indexOf(bytes, start, limit, G2) >= 0) return GREETING;
  return limit < start + DECIDED_BYTES && indexOf(bytes, start, end, HEADER_END) < 0 ? MORE : NO;
}

export const handshake: Feature = {
  feature: 'handshake',
  transport: TCP,
  trigger: {
    kind: 'anchors',
    anchors: [
      { at: 0, bytes: CONNECT },
      { at: 0, bytes: STATUS },
    ],
  },
  inspect: inspectGreeting,
  harvest(input, sink) {
    const headerEnd = indexOf(input.bytes, input.start, input.end, HEADER_END);
    const end = headerEnd < 0 ? input.end : headerEnd + 2;
    scanIpv4Endpoints(input.bytes, input.start, end, (address, at, port) => sink.toldIpv4(address, at, port));
    const ownAt = indexOf(input.bytes, input.start, end, LISTEN_IP);
    if (ownAt >= 0) {
      const valueAt = ownAt + LISTEN_IP.length;
      scanIpv4Endpoints(input.bytes, valueAt, Math.min(end, valueAt + 32), (_address, _at, port) => sink.listensOn(port));
    }
    return headerEnd < 0;
  },
};

/**
 * Odds on random bytes: three root packets, each with a known name of 2 to 6 letters (26 names: 2^-13 for
 * two letters, far less for more) and a length that leads to the next: about 2^-45. Text is kept out
 * by the control byte, which is below 0x20 or has its length bits and an even value.
 */
const CHAIN = match('certain', 'G2 packets, each ending where the next begins (connection picked up mid-stream)');
const CHAIN_PACKETS = 3;

function inspectChain(input: Inspection): Finding {
  if (input.fromStart) return NO;
  let at = input.start;
  for (let whole = 0; whole < CHAIN_PACKETS; whole++) {
    const next = rootEnd(input.bytes, at, input.end);
    if (next === BAD) return NO;
    if (next === CUT) return input.end - input.start < MAX_PREFIX_BYTES ? MORE : NO;
    at = next;
  }
  return CHAIN;
}

export const packets: Feature = {
  feature: 'packets',
  transport: TCP,
  trigger: { kind: 'always', because: 'a packet begins with a control byte and a length of 0 to 3 bytes; asked mid-stream only' },
  inspect: inspectChain,
  remember: 'both',
};

/** Odds: a parameter `net` with the value gnutella2 beside one of four others of the cache system. */
const CACHE = match('certain', 'GWebCache 2 request: net=gnutella2');

const NET = ascii('net=gnutella2');

function inspectCache(input: Inspection): Finding {
  const http = input.http();
  if (!http?.isRequest) return NO;
  if (!http.isLineComplete) return MORE;
  if (indexOf(http.bytes, http.targetAt, http.targetEnd, NET) < 0) return NO;
  const target = http.target();
  return /[?&]net=gnutella2(&|$)/.test(target) && /[?&](get=1|update=1|ping=1|client=|ip=)/.test(target) ? CACHE : NO;
}

export const gwebcache: Feature = {
  feature: 'gwebcache',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http', words: ['net=gnutella2'] },
  inspect: inspectCache,
  remember: 'none',
  harvest(input, sink) {
    if (input.direction === 0) return true;
    const http = input.http();
    const from = http?.isComplete ? http.bodyAt : input.end;
    scanIpv4Endpoints(input.bytes, from, input.end, (address, at, port) => sink.toldIpv4(address, at, port));
    return true;
  },
};
