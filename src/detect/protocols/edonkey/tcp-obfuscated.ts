/**
 * Obfuscated eMule streams, by the sizes of their dialogue.
 *
 *   client to client   > random 1 | key part 4 | magic 4, methods 2, padding length 1, padding 0-255
 *                      < magic 4, method 1, padding length 1, padding 0-255
 *                      > hello   < hello answer, then both sides' small identification messages
 *   client to server   > random 1 | G^a 96 | padding 0-15
 *                      < G^b 96 | magic 4, methods 2, padding length 1, padding 0-15
 *
 * The first byte avoids E3, C5 and D4. All else is RC4 with MD5 of the receiver's user hash, which the
 * flow does not contain (a server tells it to the opener, often in an obfuscated stream too), so only
 * sizes are left: RC4 keeps the frames' lengths.
 *
 * eMule "Protocol obfuscation"; padding as eMule (up to 128) and aMule (up to 254) draw it.
 */
import { u16, u16le, u32, u32le, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, type Match, match, MORE, NO, TCP, type TurnLog } from '../../detector.js';
import { isMarker } from './frames.js';
import { looksRandom } from './random.js';

/**
 * Heuristic: four random-looking turns with the sizes of handshake, handshake answer, hello and hello answer, and
 * behind them a segment with exactly the size of a message that often comes next. Known false positives:
 * BitTorrent MSE with short paddings (its messages have other sizes, mostly), tunnels of a host that speaks eDonkey.
 * Long paddings look like BitTorrent MSE until the third turn: what the later turns say outweighs that.
 */
const SHAPE: Match = {
  confidence: 'suspected',
  why: 'random opening with the sizes of an obfuscated eMule handshake, hellos and a further message',
  needsEndpoint: true,
  outweighs: true,
};
/** The four turns alone, at a host or endpoint that speaks eDonkey elsewhere: its tunnels may look so, too. */
const AT_HOME: Match = {
  confidence: 'suspected',
  why: 'random opening with the sizes of an obfuscated eMule handshake and hellos, at a host that speaks eDonkey',
  needsEndpoint: true,
  outweighs: true,
};
const TOLD = match('suspected', 'random opening of an obfuscated eMule stream to an endpoint named by a peer or server');
/**
 * Heuristic: the shape above and a segment of exactly 11 bytes (identification state). AEAD tunnels
 * (Shadowsocks, TLS, RLPx) cannot send 11 bytes, which is less than their tags. One random dialogue of
 * short messages in 3,000 has it by chance, so without a host or endpoint of the network it stays `suspected`.
 */
const IDENTIFICATION: Match = {
  confidence: 'suspected',
  why: 'obfuscated eMule handshake, hellos and identification, by their sizes',
  outweighs: true,
};
/**
 * Heuristic: only one side was captured, so that its messages stand in one turn: an opening, a hello, and behind them a segment
 * with the size of an identification. Known false positives: stream ciphers without tags, a message of 11 bytes early in them.
 */
const ONE_SIDE: Match = {
  confidence: 'suspected',
  why: 'one side of an obfuscated eMule handshake, hello and identification, by their sizes',
  needsEndpoint: true,
  outweighs: true,
};
const SERVER: Match = {
  confidence: 'suspected',
  why: 'random opening with the sizes of an obfuscated connection to an eDonkey server',
  needsEndpoint: true,
};

const OPENING_LEAST_BYTES = 12;
const OPENING_MOST_BYTES = 12 + 255;
const ANSWER_LEAST_BYTES = 6;
const ANSWER_MOST_BYTES = 6 + 255;
/** Header 6, hash size 1, hash 16, id 4, port 2, tag count 4, six tags or more, server 6; a long nick name with version and mod name. */
const HELLO_LEAST_BYTES = 62;
const HELLO_MOST_BYTES = 420;
/** Both hellos have the same tags; nick and mod names differ. */
const HELLO_DIFFERENCE_BYTES = 60;
/** eMule info, identification state and a public key may come in the same turn as the hello answer. */
const BEHIND_HELLO_BYTES = 60 + 11 + 83;
const IDENTIFICATION_BYTES = 11;

/** Who answers hellos goes on at once; later, messages of any protocol may have one of a few short sizes. */
const FURTHER_MESSAGE_TURNS = 6;

/** In front of the identification of one side: opening or answer, hello and what may come behind it. */
const ONE_SIDE_LEAST_BYTES = ANSWER_LEAST_BYTES + HELLO_LEAST_BYTES;
const ONE_SIDE_MOST_BYTES = OPENING_MOST_BYTES + HELLO_MOST_BYTES + BEHIND_HELLO_BYTES;

const DH_BYTES = 96;
const SERVER_PADDING_BYTES = 15;

/** Clear sizes of what follows hellos: accept 6, queue rank 18, one file hash 22, signature 55 or 56, public key 83, info 23, info and identification 34. */
function isFurtherMessage(lengthBytes: number): boolean {
  switch (lengthBytes) {
    case 6:
    case 18:
    case 22:
    case 23:
    case 34:
    case 55:
    case 56:
    case 83:
      return true;
    default:
      return false;
  }
}

function hasServerShape(turns: TurnLog): boolean {
  const opening = turns.lengthBytes(0) - DH_BYTES - 1;
  const answer = turns.lengthBytes(1) - DH_BYTES - 7;
  const login = turns.lengthBytes(2);
  return (
    opening >= 0 &&
    opening <= SERVER_PADDING_BYTES &&
    answer >= 0 &&
    answer <= SERVER_PADDING_BYTES &&
    login >= HELLO_LEAST_BYTES &&
    login <= HELLO_MOST_BYTES
  );
}

/** Streams of framed messages begin with the length of the first one; random bytes do so once in 5,000 times. */
function isCounted(bytes: Uint8Array, at: number, lengthBytes: number): boolean {
  const big = u16(bytes, at);
  const little = u16le(bytes, at);
  if (big === lengthBytes || big === lengthBytes - 2 || little === lengthBytes || little === lengthBytes - 2) return true;
  return u32(bytes, at) === lengthBytes - 4 || u32le(bytes, at) === lengthBytes - 4;
}

/** The first turns of both sides, as far as they are there. */
function areRandom(input: Inspection): boolean {
  const { turns, direction } = input;
  const turn = direction === turns.direction(0) ? 0 : 1;
  const own = turns.lengthBytes(turn);
  if (!looksRandom(input.bytes, input.start, Math.min(input.end, input.start + own))) return false;
  if (turns.count < 2) return true;
  const other = turns.lengthBytes(1 - turn);
  return looksRandom(input.otherBytes, input.otherStart, Math.min(input.otherEnd, input.otherStart + other));
}

const TOO_LONG = 0;
const TOO_SHORT = 1;
const RIGHT = 2;

/** Sizes of the first four turns. `TOO_SHORT`: the last one has only begun; segments split messages anywhere. */
function fitSizes(turns: TurnLog): number {
  const last = Math.min(turns.count, 4) - 1;
  for (let turn = 0; turn <= last; turn++) {
    const fit = fitTurn(turns, turn);
    if (fit === RIGHT) continue;
    return fit === TOO_SHORT && turn === turns.count - 1 ? TOO_SHORT : TOO_LONG;
  }
  return RIGHT;
}

function fitTurn(turns: TurnLog, turn: number): number {
  const lengthBytes = turns.lengthBytes(turn);
  switch (turn) {
    case 0:
      return within(lengthBytes, OPENING_LEAST_BYTES, OPENING_MOST_BYTES);
    case 1:
      return within(lengthBytes, ANSWER_LEAST_BYTES, ANSWER_MOST_BYTES);
    case 2:
      return within(lengthBytes, HELLO_LEAST_BYTES, HELLO_MOST_BYTES);
    default: {
      if (hasServerShape(turns)) return RIGHT;
      // The hello answer, and messages that may come in one turn with it.
      const hello = turns.lengthBytes(2);
      const least = Math.max(HELLO_LEAST_BYTES, hello - HELLO_DIFFERENCE_BYTES);
      return within(lengthBytes, least, hello + HELLO_DIFFERENCE_BYTES + BEHIND_HELLO_BYTES);
    }
  }
}

function within(lengthBytes: number, least: number, most: number): number {
  if (lengthBytes < least) return TOO_SHORT;
  return lengthBytes <= most ? RIGHT : TOO_LONG;
}

/** Whether the first turn can open an obfuscated stream, and what came of the second one looks random, too. */
function mayBegin(input: Inspection): boolean {
  const { turns } = input;
  const isOwn = input.direction === turns.direction(0);
  const at = isOwn ? input.start : input.otherStart;
  const first = isOwn ? input.bytes : input.otherBytes;
  if (isMarker(u8(first, at)) || !areRandom(input) || isCounted(first, at, turns.lengthBytes(0))) return false;
  // Without its SYN a stream may have begun long before: only of hosts and endpoints that speak eDonkey.
  return input.fromStart || input.known() !== 'none';
}

/** One side alone: the opener has only begun, or the other side was not captured. */
function inspectSide(input: Inspection): Finding {
  const { start, segmentAt, end, turns } = input;
  const isOpener = turns.direction(0) === 0;
  if (!isOpener && !input.fromStart) return NO;
  const sentBytes = turns.lengthBytes(0);
  if (sentBytes > ONE_SIDE_MOST_BYTES) return NO;
  const isIdentification = end - segmentAt === IDENTIFICATION_BYTES && segmentAt - start >= ONE_SIDE_LEAST_BYTES;
  if (sentBytes > OPENING_MOST_BYTES) {
    if (segmentAt === start) return NO;
    // The first segment was tested when it came.
    if (!isIdentification) return MORE;
  }
  if (!mayBegin(input)) return NO;
  if (isIdentification) return ONE_SIDE;
  return isOpener && fitSizes(turns) === RIGHT ? inspectOpening(input) : MORE;
}

function inspectStream(input: Inspection): Finding {
  const { turns } = input;
  if (turns.count === 1) return inspectSide(input);
  if (turns.count === 0 || turns.direction(0) !== 0) return NO;
  const fit = fitSizes(turns);
  if (fit === TOO_LONG) return NO;
  if (!mayBegin(input)) return NO;
  if (fit === TOO_SHORT) return MORE;
  if (turns.count < 4) return inspectOpening(input);
  if (hasServerShape(turns)) return SERVER;
  const segmentBytes = input.end - input.segmentAt;
  // The hellos' own segments are longer; what is this short came behind them.
  if (segmentBytes === IDENTIFICATION_BYTES) return IDENTIFICATION;
  if (isFurtherMessage(segmentBytes) && turns.count > 4 && turns.count <= FURTHER_MESSAGE_TURNS) return SHAPE;
  return input.known() === 'none' ? MORE : AT_HOME;
}

/** Up to three turns: half of all encrypted protocols could have their sizes, so only to endpoints of the network. */
function inspectOpening(input: Inspection): Finding {
  if (input.turns.count === 3 && hasServerShape(input.turns)) return SERVER;
  const known = input.known();
  return known === 'told' || known === 'endpoint' ? TOLD : MORE;
}

export const obfuscated: Feature = {
  feature: 'tcp-obfuscated',
  transport: TCP,
  trigger: { kind: 'always', because: 'an obfuscated stream begins with random bytes; lengths and a look at 16 bytes refuse the rest' },
  inspect: inspectStream,
};
