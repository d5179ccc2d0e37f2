/**
 * Clear peer messages in a TCP stream that was picked up in the middle (BEP 3,
 * "peer messages"; BEP 6): a segment that begins with a length-prefixed message.
 *
 *     +--------+----+-------+-------+--------+     request, cancel, reject: length 13
 *     | length | id | index | begin | length |     piece: length 9 + block
 *     +--------+----+-------+-------+--------+     have: length 5
 *
 * Only streams whose opening was not seen are examined: an opening would have
 * shown the handshake. Segments inside a block, and encrypted streams, stay unnamed.
 */
import { u32, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, MORE, NO, TCP, match } from '../../detector.js';
import { endOfValue } from './bencode.js';

const HAVE = 4;
const BITFIELD = 5;
const REQUEST = 6;
const PIECE = 7;
const CANCEL = 8;
const PORT = 9;
const SUGGEST = 13;
const HAVE_ALL = 14;
const HAVE_NONE = 15;
const REJECT = 16;
const ALLOWED_FAST = 17;
const EXTENDED = 20;

/*
 * Odds: length and id (40 bits), block length at most 128 KiB (15 bits), begin a
 * multiple of 16 KiB below 64 MiB (20 bits), piece index below 2^24 (8 bits), and
 * the chain of messages fits to the segment's end.
 */
const ASKS = match('certain', 'BitTorrent message that requests, cancels or rejects a block');
/* Odds: id, block length 16 KiB (40 bits), begin a multiple of it below 64 MiB (20 bits), piece index below 2^24 (8 bits). */
const BLOCK = match('certain', 'BitTorrent piece message with a block of 16 KiB');
/* Odds: length and id (40 bits), and a bencoded dictionary that ends where the length says (32 bits and its grammar). */
const EXTENSION = match(
  'certain',
  'BitTorrent extension message: bencoded dictionary of the announced length',
);
/* Heuristic: three messages in a row, two of them with an exact length. False positives: length-prefixed messages with the same few types and lengths. */
const ROW = match('likely', 'row of BitTorrent messages with the lengths of their types');
/* Heuristic: two messages with an exact length fill a segment. False positives as above, more often. */
const PAIR = match('suspected', 'two BitTorrent messages with the lengths of their types');

const BLOCK_BYTES = 0x4000;
const MAX_BLOCK_BYTES = 0x2_0000;
const MAX_BEGIN = 0x400_0000;
const MAX_INDEX = 0x100_0000;
/** Messages in a row that count as a sign, and how many of them must have a type of one length (have, port, a switched extension). */
const MIN_MESSAGES = 3;
const MIN_EXACT = 2;
/** Extension that is a switch (`upload_only`): id, number, one byte. */
const SWITCH_BYTES = 3;
const LETTER_D = 0x64;
/** Bitfields of a million pieces; more is no message. */
const MAX_BITFIELD_BYTES = 0x2_0000;
/** Segments looked at in each direction: clear streams show a message soon. */
const MAX_TURNS_SEEN = 8;

/** Index and begin at `at` are those of a block. */
function namesBlock(bytes: Uint8Array, at: number): boolean {
  const begin = u32(bytes, at + 4);
  return u32(bytes, at) < MAX_INDEX && begin % BLOCK_BYTES === 0 && begin < MAX_BEGIN;
}

function inspect(input: Inspection): Finding {
  if (input.fromStart) return NO;
  const { bytes, segmentAt, end } = input;
  let next = segmentAt;
  let messages = 0;
  let exact = 0;
  let asks = 0;
  let dictionaries = 0;
  while (next + 5 <= end) {
    const lengthBytes = u32(bytes, next);
    const after = next + 4 + lengthBytes;
    if (lengthBytes === 0) {
      next += 4; // keep-alive
      continue;
    }
    const id = u8(bytes, next + 4);
    if (id === PIECE) {
      if (next + 13 > end || !namesBlock(bytes, next + 5)) return answer(input);
      return lengthBytes === BLOCK_BYTES + 9 || asks > 0 || exact > 0 ? BLOCK : answer(input);
    }
    if (!isWellFormed(id, lengthBytes)) return answer(input);
    if (after > end) break;
    messages++;
    if (id === HAVE && u32(bytes, next + 5) >= MAX_INDEX) return answer(input);
    if (id === REQUEST || id === CANCEL || id === REJECT) {
      const blockBytes = u32(bytes, next + 13);
      if (!namesBlock(bytes, next + 5) || blockBytes === 0 || blockBytes > MAX_BLOCK_BYTES)
        return answer(input);
      asks++;
    }
    if (id === EXTENDED && isDictionary(bytes, next + 6, after)) dictionaries++;
    if (id === HAVE || id === PORT || (id === EXTENDED && lengthBytes === SWITCH_BYTES)) exact++;
    next = after;
  }
  if (asks > 0) return ASKS;
  if (dictionaries > 0) return EXTENSION;
  if (exact < MIN_EXACT) return answer(input);
  return messages >= MIN_MESSAGES ? ROW : PAIR;
}

/** One bencoded dictionary with a key fills [at, end). */
function isDictionary(bytes: Uint8Array, at: number, end: number): boolean {
  return end - at > 4 && u8(bytes, at) === LETTER_D && endOfValue(bytes, at, end) === end;
}

/** The segment showed no message: wait for another, within bounds. */
function answer({ turns }: Inspection): Finding {
  return turns.count < MAX_TURNS_SEEN ? MORE : NO;
}

/** Whether messages of this id have that length. */
function isWellFormed(id: number, lengthBytes: number): boolean {
  switch (id) {
    case HAVE:
    case SUGGEST:
    case ALLOWED_FAST:
      return lengthBytes === 5;
    case REQUEST:
    case CANCEL:
    case REJECT:
      return lengthBytes === 13;
    case HAVE_ALL:
    case HAVE_NONE:
      return lengthBytes === 1;
    case PORT:
      return lengthBytes === 3;
    case BITFIELD:
    case EXTENDED:
      return lengthBytes > 1 && lengthBytes <= MAX_BITFIELD_BYTES;
    default:
      return id < HAVE && lengthBytes === 1; // choke, unchoke, interested, not interested
  }
}

export const peerWire: Feature = {
  feature: 'peer-wire',
  transport: TCP,
  trigger: { kind: 'always', because: 'messages begin at any segment of a stream picked up in the middle' },
  inspect,
};
