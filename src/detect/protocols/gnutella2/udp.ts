/**
 * G2 datagrams: packets in the reliability layer `GND`, and its acknowledgements (facets/semi-reliable.ts).
 *
 * Gnutella2 developers' network, "UDP Transceiver".
 */
import { ascii, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, match, NO, UDP } from '../../detector.js';
import { SEMI_RELIABLE_HEADER_BYTES, hasCounterpart, semiReliableContent } from '../../facets/semi-reliable.js';
import { CUT, rootEnd } from './packet.js';

const GND = ascii('GND');

/** Odds: 24 literal bits, flags, part and count (2^-12), then a known packet that ends with the datagram or a zlib header. */
const PACKET = match('certain', 'G2 datagram (GND) with a known packet');
const DEFLATED_PACKET = match('certain', 'G2 datagram (GND), deflated');
/** Odds: the literal twice (48 bits) and the same sequence number (16), with part and count that belong together. */
const RELATED = match('certain', 'G2 datagrams (GND) of one sequence: fragments, or a packet and its acknowledgement');
/** Heuristic: literal, flags, part and count; the content is no packet's beginning. False positives: another protocol of numbered parts behind the letters GND. */
const FRAGMENT = match('likely', 'G2 datagram (GND), fragment with a consistent header');
/** Heuristic: literal, flags, count, and exactly 8 (or 12) bytes. False positives: as above. */
const ACKNOWLEDGEMENT = match('likely', 'G2 acknowledgement (GND)');
/** Odds: 24 literal bits, flags, part and count (2^-12), a known name whose packet goes on behind the datagram: 2^-50. */
const FIRST_FRAGMENT = match('certain', 'G2 datagram (GND), first fragment of a known packet');
const UNKNOWN_PACKET = match('likely', 'G2 datagram (GND) with an unknown packet');

function inspectDatagram(input: Inspection): Finding {
  const finding = fitDatagram(input);
  return (finding === FRAGMENT || finding === ACKNOWLEDGEMENT) && hasCounterpart(input, GND) ? RELATED : finding;
}

function fitDatagram({ bytes, start, end }: Inspection): Finding {
  switch (semiReliableContent(bytes, start, end)) {
    case 'none':
      return NO;
    case 'acknowledgement':
      return ACKNOWLEDGEMENT;
    case 'later part':
      return FRAGMENT;
    case 'deflated beginning':
      return DEFLATED_PACKET;
    case 'beginning': {
      const isWhole = u8(bytes, start + 7) === 1;
      const next = rootEnd(bytes, start + SEMI_RELIABLE_HEADER_BYTES, end);
      if (next === end) return isWhole ? PACKET : FRAGMENT;
      return !isWhole && next === CUT ? FIRST_FRAGMENT : UNKNOWN_PACKET;
    }
  }
}

export const datagrams: Feature = {
  feature: 'udp',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: GND }] },
  inspect: inspectDatagram,
};
