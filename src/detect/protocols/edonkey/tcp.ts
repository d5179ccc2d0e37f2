/**
 * eDonkey and eMule over TCP in clear: servers and clients, from the first frame or
 * mid-stream when a segment begins with a frame.
 */
import { u32le, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, MAX_PREFIX_BYTES, match, MORE, NO, TCP } from '../../detector.js';
import {
  bodyBytes,
  CUT,
  EDONKEY,
  EMULE,
  fitBody,
  HASH_BYTES,
  HEADER_BYTES,
  HELLO,
  HELLO_ANSWER,
  MAX_HELLO_TAGS,
  MISFIT,
  PACKED,
  PROVEN,
  VAGUE,
} from './frames.js';
import { harvestFrames } from './harvest.js';

/*
 * Odds of the certain findings on random bytes: a marker (2^-6), an upper half of the length that is
 * zero (2^-11 below 2 MB), a known opcode (2^-2) and then
 * - a hello: a tag count of at most 32 (2^-27) and tags that end with the frame;
 * - a body that repeats its own length (2^-8 to 2^-32), and the next frame or the end of the segment where it ends;
 * - two frames in a row of which each fits its opcode, with different ones (another 2^-19 and an exact length).
 * All are below 2^-50 except packed frames (2^-32 with the zlib header).
 */
const HELLO_FRAME = match('certain', 'eDonkey hello or server login: frame, user hash, port and tags');
const FRAMES = match('certain', 'eDonkey or eMule frames, each ending where the next begins');
const PROVEN_FRAME = match('certain', 'eDonkey or eMule frame whose body repeats its own length');
const PACKED_FRAME = match('certain', 'eMule packed frame with a zlib stream');
/**
 * Odds: marker (2^-6), length below 4 KiB (2^-20), opcode (2^-7) and the two bytes with which eMule and its kin mark
 * user hashes (2^-16): 2^-49, and 2^-27 more with a tag count of 1 to 32 where it is there. Short snap lengths show no
 * more, and a body that goes on is looked at further.
 */
const CUT_HELLO = match('likely', 'beginning of an eDonkey hello: user hash with the marks of eMule, few tags');
/** Odds: as above, one frame whose length is right for its opcode and ends with the data: 2^-40. */
const FRAME = match('likely', 'eDonkey or eMule frame with the length of its opcode');
/** Heuristic: the same where the opcode takes many lengths. False positives: other protocols with such a marker and a length behind it. */
const VAGUE_FRAME = match('suspected', 'eDonkey or eMule frame whose opcode takes many lengths');
/** Heuristic: frames that say little, one behind the other, with different opcodes. False positives: as above, when two types are opcodes of ours. */
const VAGUE_FRAMES = match('likely', 'eDonkey or eMule frames of different opcodes, each ending where the next begins');
/** Marker, length below 2 MB and opcode only: 2^-19 on random bytes. */
const LONG_FRAME = match('suspected', 'beginning of a long eDonkey or eMule frame');

/** A client's hello to a client has the hash size first; one of 256 user hashes in a login begins with that number, too. */
function isCutHello(bytes: Uint8Array, marker: number, opcode: number, at: number, end: number): boolean {
  if (marker !== EDONKEY) return false;
  if (opcode === HELLO && at < end && u8(bytes, at) === HASH_BYTES && isMarkedHash(bytes, at + 1, end)) return true;
  return (opcode === HELLO || opcode === HELLO_ANSWER) && isMarkedHash(bytes, at, end);
}

/** User hash, id, port, count of tags as far as they are there. eMule writes 0E and 6F into bytes 5 and 14 of its hash. */
function isMarkedHash(bytes: Uint8Array, at: number, end: number): boolean {
  const countAt = at + HASH_BYTES + 6;
  if (at + HASH_BYTES > end || u8(bytes, at + 5) !== 0x0e || u8(bytes, at + 14) !== 0x6f) return false;
  if (countAt + 4 > end) return true;
  const count = u32le(bytes, countAt);
  return count > 0 && count <= MAX_HELLO_TAGS;
}

function inspectFrames(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const more = end - start >= MAX_PREFIX_BYTES ? NO : MORE;
  let at = start;
  let fitting = 0;
  let isProven = false;
  let isVague = true;
  let hasSeveral = false;
  let firstOpcode = -1;
  while (at + HEADER_BYTES <= end) {
    const lengthBytes = bodyBytes(bytes, at);
    if (lengthBytes < 0) return NO;
    const marker = u8(bytes, at);
    const opcode = u8(bytes, at + HEADER_BYTES - 1);
    const fit = fitBody(bytes, marker, opcode, at + HEADER_BYTES, lengthBytes, end);
    if (fit === MISFIT) return NO;
    if (fit === CUT) return at === start && isCutHello(bytes, marker, opcode, at + HEADER_BYTES, end) ? CUT_HELLO : more;
    isProven = fit === PROVEN;
    isVague &&= fit === VAGUE;
    if (isProven && marker === PACKED) return PACKED_FRAME;
    if (isProven && marker === EDONKEY && (opcode === HELLO || opcode === HELLO_ANSWER)) return HELLO_FRAME;
    at += HEADER_BYTES + lengthBytes;
    if (at - start > MAX_PREFIX_BYTES) {
      // Frames with data are longer than what is kept of a stream.
      if (fitting > 0 && (isProven || opcode !== firstOpcode)) return isVague ? VAGUE_FRAMES : FRAMES;
      return isProven ? PROVEN_FRAME : LONG_FRAME;
    }
    if (at > end) return more;
    // The same message again may be another protocol's that has it: fixed types behind a marker are not rare.
    if (++fitting > 1 && (isProven || opcode !== firstOpcode)) {
      if (!isVague) return FRAMES;
      hasSeveral = true;
    }
    if (firstOpcode < 0) firstOpcode = opcode;
  }
  if (at !== end || fitting === 0) return more;
  if (isProven) return PROVEN_FRAME;
  return hasSeveral ? VAGUE_FRAMES : isVague ? VAGUE_FRAME : FRAME;
}

export const frames: Feature = {
  feature: 'tcp',
  transport: TCP,
  trigger: {
    kind: 'anchors',
    anchors: [EDONKEY, EMULE, PACKED].map((marker) => ({ at: 0, bytes: Uint8Array.of(marker) })),
  },
  inspect: inspectFrames,
  harvest: (input, sink) => harvestFrames(input.bytes, input.start, input.end, sink),
};
