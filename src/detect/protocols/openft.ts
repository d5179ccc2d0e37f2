/**
 * OpenFT, the network of the giFT project: node sessions and HTTP transfers.
 *
 *   packet             body length 2 | command 2 | body               big-endian
 *   version request    00 00 00 00         the first packet of both sides
 *   version response   00 08 00 01 | major 2 | minor 2 | micro 2 | revision 2
 *   node list          command 5: repeated address family 2 (4), IPv4 4, port 2, class 2; ends with family 4 and zeros
 *   transfer           HTTP with the field X-OpenftAlias in request and response
 *
 * Not recognised: sessions picked up behind their version packets, searches (inside sessions).
 * Specification: the protocol as giFT-OpenFT 0.2 speaks it.
 */
import { defineProtocol, type Finding, type Inspection, match, MORE, NO, type PeerSink, TCP } from '../detector.js';
import { fromHex, u16, u32 } from '../../base/bytes.js';

const HANDSHAKE = match('certain', 'OpenFT version response after a version request');
const RESPONSE_ONLY = match('suspected', 'packet like an OpenFT version response');
const TRANSFER = match('certain', 'X-Openft header fields');

const HEADER_BYTES = 4;
const VERSION_RESPONSE_BYTES = 12;
const NODE_LIST = 5;
const FAMILY_IPV4 = 4;
const NODE_BYTES = 10;
/** Released versions are 0.0.9 to 0.2.1-6; the project ended there. */
const MAX_MAJOR = 0;
const MAX_MINOR = 9;
const MAX_MICRO = 99;
const MAX_REVISION = 999;

/** Offset of the first version response among the packets of a stream, `more` or `no`. Requests have empty bodies. */
function findVersionResponse(bytes: Uint8Array, start: number, end: number): number | 'more' | 'no' {
  for (let at = start; at < start + 32; at += HEADER_BYTES) {
    if (at + HEADER_BYTES > end) return 'more';
    const header = u32(bytes, at);
    if (header === 0x00080001) return at + VERSION_RESPONSE_BYTES <= end ? at : 'more';
    if (header > 0xff) return 'no';
  }
  return 'no';
}

/**
 * 32 bits of header and four small numbers (about 40 bits of zeros). Binary protocols of small integers could send that
 * by itself, so certain only when the other side began with a version request (32 zero bits).
 */
function inspectHandshake(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const at = findVersionResponse(bytes, start, end);
  if (at === 'more') return MORE;
  if (at === 'no') return NO;
  const isVersion =
    u16(bytes, at + 4) <= MAX_MAJOR && u16(bytes, at + 6) <= MAX_MINOR && u16(bytes, at + 8) <= MAX_MICRO && u16(bytes, at + 10) <= MAX_REVISION;
  if (!isVersion || u32(bytes, at + 4) + u32(bytes, at + 8) === 0) return NO;
  const wasAsked = input.otherEnd - input.otherStart >= HEADER_BYTES && u32(input.otherBytes, input.otherStart) === 0;
  return wasAsked ? HANDSHAKE : RESPONSE_ONLY;
}

/** Nodes of all list packets that have arrived whole. */
function harvestNodes(input: Inspection, sink: PeerSink): boolean {
  const { bytes, start, end } = input;
  let at = start;
  while (at + HEADER_BYTES <= end) {
    const bodyAt = at + HEADER_BYTES;
    const bodyEnd = bodyAt + u16(bytes, at);
    if (bodyEnd > end) break;
    if (u16(bytes, at + 2) === NODE_LIST) {
      for (let node = bodyAt; node + NODE_BYTES <= bodyEnd; node += NODE_BYTES) {
        if (u16(bytes, node) === FAMILY_IPV4 && u32(bytes, node + 2) !== 0) sink.toldIpv4(bytes, node + 2, u16(bytes, node + 6));
      }
    }
    at = bodyEnd;
  }
  return true;
}

/** A literal field name that giFT alone writes. */
function inspectTransfer(input: Inspection): Finding {
  const message = input.http();
  if (!message) return NO;
  if (message.hasFieldPrefix('x-openft')) return TRANSFER;
  return message.isComplete ? NO : MORE;
}

export const openft = defineProtocol({
  id: 'openft',
  title: 'OpenFT (giFT)',
  category: 'file-sharing',
  specs: ['http://gift.sourceforge.net/'],
  features: [
    {
      feature: 'handshake',
      transport: TCP,
      trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: fromHex('000000') }, { at: 0, bytes: fromHex('00080001') }] },
      inspect: inspectHandshake,
      harvest: harvestNodes,
    },
    { feature: 'transfer', transport: TCP, trigger: { kind: 'facet', facet: 'http', words: ['x-openft'] }, inspect: inspectTransfer },
  ],
});
