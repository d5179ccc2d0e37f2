/**
 * Gnutella handshakes over TCP: 0.4 and 0.6, request, answer and third leg, and
 * messages of connections picked up mid-stream.
 *
 * A greeting that names `application/x-gnutella2` is G2's (gnutella2). Streams that
 * negotiated deflate are seen by their handshake only; so are those that switch to
 * TLS after it (`Upgrade: TLS/1.0`).
 *
 * Gnutella protocol specification 0.6, "Gnutella TLS Connection Upgrade" (2015).
 */
import { ascii, hasAt, indexOf, indexOfByte, u32le, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, MAX_PREFIX_BYTES, match, MORE, NO, TCP } from '../../detector.js';
import { harvestHeader } from './harvest.js';
import { HEADER_BYTES, isBody, isHeader, TCP_TYPES, TYPE_AT } from './message.js';

/** Odds: 17 literal bytes (12 for answers) at the start of a stream that nothing else uses. */
const REQUEST = match('certain', 'Gnutella handshake: GNUTELLA CONNECT');
const ANSWER = match('certain', 'Gnutella handshake: GNUTELLA/0.x status line');
const OLD_ANSWER = match('certain', 'Gnutella 0.4 handshake: GNUTELLA OK');
/** The greeting is whole, but the header that would name G2 is not. */
const OPENING = match('likely', 'Gnutella or G2 greeting, header not complete');

const CONNECT = ascii('GNUTELLA CONNECT/');
const STATUS = ascii('GNUTELLA/0.');
const OK = ascii('GNUTELLA OK');
const G2 = ascii('application/x-gnutella2');
const HEADER_END = ascii('\r\n\r\n');
const OLD_HEADER_END = ascii('\n\n');
/** Servents name G2 in one of their first six fields; a longer header is not waited for. */
const DECIDED_BYTES = 256;

/** A line feed that ends the status or request line must come early; 0.4 lines have at most 30 bytes, refusals a sentence. */
const MAX_LINE_BYTES = 200;

function inspectGreeting(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const isRequest = hasAt(bytes, start, end, CONNECT);
  const isStatus = !isRequest && hasAt(bytes, start, end, STATUS);
  if (!isRequest && !isStatus && !hasAt(bytes, start, end, OK)) return MORE;
  const lineEnd = indexOfByte(bytes, start, Math.min(end, start + MAX_LINE_BYTES), 0x0a);
  if (lineEnd < 0) return end - start < MAX_LINE_BYTES ? MORE : NO;
  const limit = Math.min(end, start + DECIDED_BYTES);
  if (indexOf(bytes, lineEnd, limit, G2) >= 0) return NO;
  const isWhole =
    end - start >= DECIDED_BYTES || indexOf(bytes, start, end, HEADER_END) >= 0 || indexOf(bytes, start, end, OLD_HEADER_END) >= 0;
  if (!isWhole) return OPENING;
  if (isRequest) return REQUEST;
  return isStatus ? ANSWER : OLD_ANSWER;
}

export const handshake: Feature = {
  feature: 'handshake',
  transport: TCP,
  trigger: {
    kind: 'anchors',
    anchors: [
      { at: 0, bytes: CONNECT },
      { at: 0, bytes: STATUS },
      { at: 0, bytes: OK },
    ],
  },
  inspect: inspectGreeting,
  harvest: (input, sink) => harvestHeader(input.bytes, input.start, input.end, sink),
};

/**
 * Odds on random bytes: two headers, each with a known type (2^-5), small TTL and hops (2^-9), 16 zero
 * bits of length and a body that fits, the second exactly where the first ends: less than 2^-60.
 */
const CHAIN = match('certain', 'Gnutella messages, each ending where the next begins (connection picked up mid-stream)');

/** Mid-stream only: a stream seen from its start begins with a handshake. */
function inspectChain(input: Inspection): Finding {
  if (input.fromStart) return NO;
  const { bytes, start, end } = input;
  let at = start;
  for (let whole = 0; ; whole++) {
    if (at + HEADER_BYTES > end) return end - start < MAX_PREFIX_BYTES ? MORE : NO;
    if (!TCP_TYPES.includes(u8(bytes, at + TYPE_AT)) || !isHeader(bytes, at)) return NO;
    const bodyAt = at + HEADER_BYTES;
    const next = bodyAt + u32le(bytes, at + 19);
    if (next > end) return end - start < MAX_PREFIX_BYTES && next - start <= MAX_PREFIX_BYTES ? MORE : NO;
    if (!isBody(bytes, at, bodyAt, next)) return NO;
    if (whole === 1) return CHAIN;
    at = next;
  }
}

export const messages: Feature = {
  feature: 'messages',
  transport: TCP,
  trigger: { kind: 'always', because: 'a random GUID comes first; asked for streams picked up mid-stream only' },
  inspect: inspectChain,
  remember: 'both',
};
