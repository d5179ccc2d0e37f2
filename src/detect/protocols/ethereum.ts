/**
 * Ethereum's execution layer: node discovery over UDP and RLPx connections over TCP
 * (devp2p), also spoken by the many networks that use the same programs.
 *
 * Recognised: discovery version 4 by its hash; RLPx key exchange by the public key it
 * begins with; DNS discovery trees. Discovery version 5 masks every byte with the receiver's
 * node id, which is not on the wire: its opening is `suspected` by shape. The
 * consensus layer speaks libp2p and is found as that.
 *
 * Specification: https://github.com/ethereum/devp2p (discv4, discv5, rlpx), EIP-8, EIP-1459
 */
import { u16, u8 } from '../../base/bytes.js';
import { defineProtocol, type Feature, type Finding, type Inspection, match, MORE, NO, TCP, type TurnLog, UDP } from '../detector.js';
import { dnsQuestions } from '../facets/dns-questions.js';
import { harvestDiscovery, hasDiscoveryForm, isDiscoveryPacket } from './ethereum/discovery.js';
import { isCurvePoint } from './ethereum/secp256k1.js';

const DISCOVERY = match('certain', 'node discovery packet whose Keccak-256 hash is right');
const MASKED = match('suspected', 'datagrams shaped like the opening of node discovery version 5');
const KEY_EXCHANGE = match('certain', 'RLPx key exchange: length and a public key on the curve secp256k1');
const NAMED = match('likely', 'DNS question for a tree of Ethereum nodes');

/** Odds of a false alarm: 256 bits of hash, 2^-256. */
const discovery: Feature = {
  feature: 'discovery',
  transport: UDP,
  trigger: { kind: 'always', because: 'packets begin with a hash; three bytes far inside refuse 2,700 of 2,701 random datagrams' },
  inspect(input: Inspection): Finding {
    return isDiscoveryPacket(input.bytes, input.start, input.end) ? DISCOVERY : NO;
  },
  harvest(input, sink): boolean {
    // A packet of the flow proved itself by its hash. Anybody can make one: hashing the others would prove no more (bench/identify.ts).
    if (hasDiscoveryForm(input.bytes, input.start, input.end)) harvestDiscovery(input.bytes, input.start, input.end, sink);
    return true;
  },
};

/** discv5-wire: masking iv 16, static header 23, then authdata: a bare header with 24 bytes of it. */
const WHOAREYOU_BYTES = 63;
/** iv, static header, 32 bytes of source id, at least a message tag. */
const MIN_REQUEST_BYTES = 16 + 23 + 32 + 16;
/** iv, static header, source id and sizes 34, id signature 64, ephemeral key 33, message tag. */
const MIN_HANDSHAKE_BYTES = 16 + 23 + 34 + 64 + 33 + 16;
/** discv5-wire: "The maximum size of any packet is 1280 bytes." */
const MAX_PACKET_BYTES = 1280;

/**
 * Heuristic: a request, an answer of exactly 63 bytes, and a handshake, all of them random-looking.
 * Known false positives: any encrypted dialogue with that one length; hence `suspected`.
 */
const discovery5: Feature = {
  feature: 'discovery-v5',
  transport: UDP,
  trigger: { kind: 'always', because: 'every byte is masked; two lengths are compared at the third datagram only' },
  inspect(input: Inspection): Finding {
    const { turns } = input;
    if (turns.count !== 2) return turns.count < 2 ? MORE : NO;
    const lengthBytes = input.end - input.start;
    if (turns.lengthBytes(1) !== WHOAREYOU_BYTES || turns.direction(1) === input.direction || turns.direction(0) !== input.direction) return NO;
    if (lengthBytes < MIN_HANDSHAKE_BYTES || lengthBytes > MAX_PACKET_BYTES || lengthBytes === turns.lengthBytes(0)) return NO;
    if (turns.lengthBytes(0) < MIN_REQUEST_BYTES || turns.lengthBytes(0) > MAX_PACKET_BYTES) return NO;
    return looksRandom(turns, 0) && looksRandom(turns, 1) ? MASKED : NO;
  },
};

/** Ones among the leading 504 bits: random ones number 252 with a deviation of 11; four deviations are allowed. So for the 63 upper bits, of which text has none. */
function looksRandom(turns: TurnLog, index: number): boolean {
  const bytes = Math.min(turns.headLengthBytes(index), WHOAREYOU_BYTES);
  const at = turns.headAt(index);
  let ones = 0;
  let upper = 0;
  for (let i = 0; i < bytes; i++) {
    upper += u8(turns.heads, at + i) >> 7;
    for (let rest = u8(turns.heads, at + i); rest !== 0; rest &= rest - 1) ones++;
  }
  return bytes === WHOAREYOU_BYTES && ones > 207 && ones < 297 && upper > 15 && upper < 48;
}

/** EIP-8: length 2, then an ECIES message: 04, public key 64, iv 16, ciphertext, tag 32. Before EIP-8 without the length. */
const POINT_TAG = 0x04;
const POINT_BYTES = 64;
/** Acknowledgement without padding: key and nonce in RLP, and 113 bytes of ECIES. */
const MIN_MESSAGE_BYTES = 200;
/** "Implementations should not accept more than 2048 bytes." */
const MAX_MESSAGE_BYTES = 2048;

/** Odds of a false alarm: two random coordinates satisfy the curve's equation with 2^-256. */
const rlpx: Feature = {
  feature: 'rlpx',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: [0, 1, 2, 3, POINT_TAG].map((byte) => ({ at: 0, bytes: Uint8Array.of(byte) })) },
  inspect(input: Inspection): Finding {
    const { bytes, start, end } = input;
    if (end - start < 3) return MORE;
    const lengthBytes = u16(bytes, start);
    const isPrefixed = u8(bytes, start + 2) === POINT_TAG && lengthBytes >= MIN_MESSAGE_BYTES && lengthBytes <= MAX_MESSAGE_BYTES;
    const pointAt = isPrefixed ? start + 3 : start + 1;
    if (!isPrefixed && u8(bytes, start) !== POINT_TAG) return NO;
    if (pointAt + POINT_BYTES > end) return MORE;
    return isCurvePoint(bytes, pointAt) ? KEY_EXCHANGE : NO;
  },
};

/** EIP-1459: trees of node records published by the Ethereum Foundation. */
const DOMAINS = ['ethdisco.net'];

const dns = dnsQuestions(DOMAINS, NAMED);

export const ethereum = defineProtocol({
  id: 'ethereum',
  title: 'Ethereum (devp2p)',
  category: 'cryptocurrency',
  specs: ['https://github.com/ethereum/devp2p', 'https://eips.ethereum.org/EIPS/eip-8', 'https://eips.ethereum.org/EIPS/eip-1459'],
  features: [discovery, discovery5, rlpx, dns],
});
