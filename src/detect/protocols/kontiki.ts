/**
 * Kontiki (delivery manager of BBC iPlayer, Sky, 4oD and enterprise video): its reliable transport over UDP.
 *
 *   0x02 | header words 1 | flags 1 | losses 1 | connection 4 | [sequence 4] | [acknowledged 4] | options, 4 each
 *   flags     0x01 probe, 0x02 open, 0x04 acknowledges, 0x20 with odd acknowledgements
 *   options   00 00 <segment size 2>;  01 <4 | ...>;  02 04 01 00;  00 00 00 01 before data
 *
 * Not recognised: TCP fall-back (HTTP) and the XML requests broadcast on the own network.
 * No specification was published; the layout is what its traffic shows (sequence numbers prove it).
 */
import { defineProtocol, type Finding, type Inspection, match, NO, UDP } from '../detector.js';
import { countSmall, fromHex, u16, u32, u8 } from '../../base/bytes.js';

const PROBE = match('suspected', 'Kontiki probe: a datagram of just its four bytes');
const OPEN = match('certain', 'Kontiki connection request or answer with segment size and options');
/** Heuristic: 02, 04, flags and losses (30 bits), a zero half and a segment size in range (22 bits), exactly 16 bytes. */
const OPEN_SHORT = match('likely', 'Kontiki connection request with a segment size alone');
const DATA = match('likely', 'Kontiki data header');
const DIALOGUE = match('certain', 'Kontiki segments of both sides with matching sequence numbers');

const FLAG_OPEN = 0x02;
const FLAG_ACKNOWLEDGES = 0x04;
const KNOWN_FLAGS = 0x27;
const WORD_BYTES = 4;
const OPTION_DATA = 0x00000001;
const OPTION_FIRST = 0x02040100;
/** Segment sizes between the least IPv4 reassembly size and Ethernet's. */
const MIN_SEGMENT_BYTES = 500;
const MAX_SEGMENT_BYTES = 1500;
/** A window of more segments than fit any buffer of its time. */
const MAX_DISTANCE = 0x4000;
const MAX_LOSSES = 0x1f;

/** Literal of 32 bits that is the whole datagram; structured protocols may send such a word (keep-alives), hence only suspected. */
function inspectProbe(input: Inspection): Finding {
  return input.end - input.start === WORD_BYTES ? PROBE : NO;
}

/** The fixed bits of a request are 86, of an answer 70. */
function inspectSegment(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const headerBytes = headerLength(bytes, start, end);
  if (headerBytes === 0) return NO;
  const flags = u8(bytes, start + 2);
  if ((flags & FLAG_OPEN) !== 0) {
    // Connection and sequence, the other side's two with an acknowledgement, then options.
    const optionsAt = start + ((flags & FLAG_ACKNOWLEDGES) !== 0 ? 20 : 12);
    if (optionsAt + WORD_BYTES > start + headerBytes || u16(bytes, optionsAt) !== 0) return NO;
    const segmentBytes = u16(bytes, optionsAt + 2);
    if (segmentBytes < MIN_SEGMENT_BYTES || segmentBytes > MAX_SEGMENT_BYTES) return NO;
    if (optionsAt + 2 * WORD_BYTES > start + headerBytes) return start + headerBytes === end ? OPEN_SHORT : NO;
    const option = u32(bytes, optionsAt + WORD_BYTES);
    return option === OPTION_FIRST || option >>> 16 === 0x0104 ? OPEN : NO;
  }
  if (headerBytes < 16 || !areRandom(bytes, start + 4)) return NO;
  if (answersAny(input)) return DIALOGUE;
  return headerBytes === 20 && u32(bytes, start + 16) === OPTION_DATA && end - start > 20 ? DATA : NO;
}

/** Connection and both numbers begin at random: more than eight of their twelve bytes are below 16 once in 10^8 times, but always in tables of small numbers. */
function areRandom(bytes: Uint8Array, at: number): boolean {
  return countSmall(bytes, at, at + 12) <= 8;
}

/** Header length in bytes when the first word is one of this protocol's; 0 otherwise. */
function headerLength(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < 16 || u8(bytes, start) !== 2) return 0;
  const headerBytes = u8(bytes, start + 1) * WORD_BYTES;
  const flags = u8(bytes, start + 2);
  const isKnown = (flags & ~KNOWN_FLAGS) === 0 && (flags & (FLAG_OPEN | FLAG_ACKNOWLEDGES)) !== 0;
  return isKnown && u8(bytes, start + 3) <= MAX_LOSSES && headerBytes >= 16 && headerBytes <= end - start ? headerBytes : 0;
}

/**
 * True when an earlier datagram of the other side has a header too, and each acknowledges close to what the other
 * sent: two headers (2 * 27 bits) and two numbers within 2^15 of 2^32 (2 * 17 bits).
 */
function answersAny(input: Inspection): boolean {
  const { turns, bytes, start } = input;
  const sequence = u32(bytes, start + 8);
  const acknowledged = u32(bytes, start + 12);
  for (let i = 0; i < turns.count; i++) {
    if (turns.direction(i) === input.direction) continue;
    const at = turns.headAt(i);
    if (headerLength(turns.heads, at, at + turns.headLengthBytes(i)) === 0) continue;
    if ((u8(turns.heads, at + 2) & FLAG_OPEN) !== 0) continue;
    const isNear = (a: number, b: number): boolean => Math.abs((a - b) | 0) < MAX_DISTANCE;
    if (isNear(acknowledged, u32(turns.heads, at + 8)) && isNear(sequence, u32(turns.heads, at + 12))) return true;
  }
  return false;
}

export const kontiki = defineProtocol({
  id: 'kontiki',
  title: 'Kontiki',
  category: 'streaming',
  specs: ['https://en.wikipedia.org/wiki/Kontiki_(company)'],
  features: [
    { feature: 'probe', transport: UDP, trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: fromHex('02010100') }] }, inspect: inspectProbe, remember: 'responder' },
    {
      feature: 'segment',
      transport: UDP,
      trigger: { kind: 'anchors', anchors: [4, 5, 6, 7].map((words) => ({ at: 0, bytes: Uint8Array.of(2, words) })) },
      inspect: inspectSegment,
      // The same socket also broadcasts on its own network: not every flow of it goes to a peer.
      remember: 'responder',
    },
  ],
});
