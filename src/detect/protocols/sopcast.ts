/**
 * SopCast: peer datagrams and the opening of its TCP connections.
 *
 *   flags 2 (FFFF or 00xx) | 01 or 02 | version 1 | ... | message 1 | FF or 01 | length 2 | 00 00 | ...
 *                                                   at 8           at 10, counted from 8, big-endian
 *   A datagram may hold several such messages; the first one's length then falls short of the end.
 *
 * No specification was published; these are the facts that public traffic classifiers agree on (seven kinds of datagrams,
 * all of which obey the length rule above).
 */
import { defineProtocol, type Finding, type Inspection, match, MORE, NO, TCP, UDP } from '../detector.js';
import { u16, u16le, u8 } from '../../base/bytes.js';

const DATAGRAM = match('certain', 'SopCast datagram with consistent length and known message');
const OPENING = match('certain', 'SopCast opening of 54 bytes with its repeated bytes');

const HEADER_BYTES = 8;
/** Messages seen: 1 control, 2 request, 3 reply, 6 data, 12 request for peers. */
const MESSAGES = [0x01, 0x02, 0x03, 0x06, 0x0c];
/** Datagrams of several messages that were seen: 28 bytes of message and these in all. */
const COMPOUND_BYTES = [80, 94];
const COMPOUND_FIRST_BYTES = 20;
const OPENING_BYTES = 54;

/** First byte 7 bits, third 7, message 6, its flag 7, length 16, two zero bytes: 59 bits fixed. */
function inspectDatagram(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const lengthBytes = end - start;
  if (lengthBytes < 28) return NO;
  const first = u8(bytes, start);
  if (first !== 0 && !(first === 0xff && u8(bytes, start + 1) === 0xff)) return NO;
  if (u8(bytes, start + 2) !== 1 && u8(bytes, start + 2) !== 2) return NO;
  if (!MESSAGES.includes(u8(bytes, start + 8)) || u16(bytes, start + 12) !== 0) return NO;
  const flag = u8(bytes, start + 9);
  // Version 7 comes with flag 1; the other clients send FF.
  if (flag !== 0xff && !(flag === 1 && u8(bytes, start + 3) === 7)) return NO;
  const stated = u16(bytes, start + 10);
  const fits = stated === lengthBytes - HEADER_BYTES || (stated === COMPOUND_FIRST_BYTES && COMPOUND_BYTES.includes(lengthBytes));
  return fits ? DATAGRAM : NO;
}

/** Length 16 bits, five repeated bytes and three differences: more than 70 bits. */
function inspectOpening(input: Inspection): Finding {
  const { bytes, start, end, turns } = input;
  if (!input.fromStart) return NO;
  if (end - start < OPENING_BYTES) return MORE;
  if (u16le(bytes, start) !== OPENING_BYTES || (turns.count > 0 && turns.lengthBytes(0) < OPENING_BYTES)) return NO;
  const at = (offset: number): number => u8(bytes, start + offset);
  const differ = (a: number, b: number, by: number): boolean => Math.abs(at(a) - at(b)) === by;
  const isRepeated = at(42) === at(53) && at(45) === at(49) && at(46) === at(50) && at(47) === at(51) && at(4) === at(28);
  return isRepeated && differ(2, 3, 4) && differ(2, 4, 1) && differ(45, 46, 1) ? OPENING : NO;
}

export const sopcast = defineProtocol({
  id: 'sopcast',
  title: 'SopCast',
  category: 'streaming',
  specs: ['https://en.wikipedia.org/wiki/SopCast'],
  features: [
    {
      feature: 'peer',
      transport: UDP,
      trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(0xff, 0xff) }, { at: 0, bytes: Uint8Array.of(0x00) }] },
      inspect: inspectDatagram,
    },
    { feature: 'opening', transport: TCP, trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: Uint8Array.of(OPENING_BYTES, 0) }] }, inspect: inspectOpening },
  ],
});
