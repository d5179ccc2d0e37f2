/**
 * FastTrack datagrams: the ping with which a client looks for supernodes, and
 * the two pongs. All in clear, integers big-endian.
 *
 *   ping    0x27 | minimum encryption type, 4 | 0x80 | network name, zero
 *   pong    0x28 | minimum encryption type, 4 | 0x00 | counter | children, 2 | load % | 1 | network name, zero
 *   pong 2  0x29 | minimum encryption type, 4 | 1 or 2 | flag | zero, 2 | id, 4 | if flag: IPv4, 4 | port, 2 | unknown, 2
 *
 * Other types (0x2A, 0xC0 to 0xC3) are too short to be told from noise and are not parsed.
 * Specification: the protocol notes of giFT-FastTrack and mldonkey's dialect, as
 * measured on the clients of 2003 to 2006; there is no official document.
 */
import { concat, ascii, putU32, u16, u32 } from '../base/bytes.js';
import { isKnownNetwork, readNetworkName } from './networks.js';

export const PING = 0x27;
/** A supernode with room: Kazaa connects to nodes that answer so. */
export const PONG = 0x28;
/** An ordinary node, or a supernode without room: Kazaa learns that UDP works and goes on. */
export const PONG_2 = 0x29;

/** Encryption types that sessions knew in 2006 (bits 0xBF); a ping never asks for others. */
export const SUPPORTED_TYPE_BITS = 0xbf;
/** What giFT asks for, and the least a supernode accepted. */
export const TYPE_GIFT = 0x29;
/** What Kazaa and mldonkey ask for. */
export const TYPE_KAZAA = 0xa9;

/** The least ping has a name of one letter; the longest known has 16 bytes. */
const MIN_PING_BYTES = 8;
const MAX_PING_BYTES = 40;
const PING_NAME_AT = 6;
const PONG_NAME_AT = 11;
/** 0x29 without and with the address of the asker. */
const PONG_2_BYTES = 13;
const PONG_2_ADDRESS_BYTES = 21;

export interface Ping {
  readonly kind: 'ping';
  readonly minimumType: number;
  readonly network: string;
  /** The name is one of the known networks. */
  readonly isKnownNetwork: boolean;
}

export interface Pong {
  readonly kind: 'pong';
  readonly minimumType: number;
  readonly counter: number;
  /** Two bytes of unknown meaning; giFT guesses neighbours and children. */
  readonly children: number;
  readonly loadPercent: number;
  readonly network: string;
  readonly isKnownNetwork: boolean;
}

export interface Pong2 {
  readonly kind: 'pong2';
  readonly minimumType: number;
  readonly id: number;
  /** Offset of the asker's IPv4 address and port in the datagram, or -1. */
  readonly addressAt: number;
}

/** Types of an encryption field that a client of the network can have sent. */
function isPlausibleType(type: number): boolean {
  return type !== 0 && type <= 0xff && (type & ~SUPPORTED_TYPE_BITS) === 0;
}

/**
 * The ping in [start, end), or null. With a known name the fixed bits are 11 to 15 bytes:
 * a random datagram passes with odds below 2^-80. With an unknown name only 37 bits
 * are fixed besides the printable name; see `isKnownNetwork`.
 */
export function parsePing(bytes: Uint8Array, start: number, end: number): Ping | null {
  const lengthBytes = end - start;
  if (lengthBytes < MIN_PING_BYTES || lengthBytes > MAX_PING_BYTES) return null;
  if (bytes[start] !== PING || bytes[start + 5] !== 0x80) return null;
  const minimumType = u32(bytes, start + 1);
  if (!isPlausibleType(minimumType)) return null;
  const network = readNetworkName(bytes, start + PING_NAME_AT, end);
  if (network === null) return null;
  return { kind: 'ping', minimumType, network, isKnownNetwork: isKnownNetwork(network) };
}

/** The 0x28 pong in [start, end), or null. */
export function parsePong(bytes: Uint8Array, start: number, end: number): Pong | null {
  if (end - start < PONG_NAME_AT + 2 || bytes[start] !== PONG || bytes[start + 5] !== 0) return null;
  const minimumType = u32(bytes, start + 1);
  if (!isPlausibleType(minimumType)) return null;
  const network = readNetworkName(bytes, start + PONG_NAME_AT, end);
  if (network === null) return null;
  return {
    kind: 'pong',
    minimumType,
    counter: bytes[start + 6] ?? 0,
    children: u16(bytes, start + 7),
    loadPercent: bytes[start + 9] ?? 0,
    network,
    isKnownNetwork: isKnownNetwork(network),
  };
}

/** The 0x29 pong in [start, end), or null. It names no network: about 50 bits are fixed. */
export function parsePong2(bytes: Uint8Array, start: number, end: number): Pong2 | null {
  const lengthBytes = end - start;
  if (lengthBytes !== PONG_2_BYTES && lengthBytes !== PONG_2_ADDRESS_BYTES) return null;
  if (bytes[start] !== PONG_2) return null;
  const minimumType = u32(bytes, start + 1);
  if (!isPlausibleType(minimumType)) return null;
  const kind = bytes[start + 5];
  const flag = bytes[start + 6];
  if ((kind !== 1 && kind !== 2) || u16(bytes, start + 7) !== 0) return null;
  if (flag !== (lengthBytes === PONG_2_ADDRESS_BYTES ? 1 : 0)) return null;
  return { kind: 'pong2', minimumType, id: u32(bytes, start + 9), addressAt: flag === 1 ? start + 13 : -1 };
}

/** `27 00 00 00 29 80 4b 61 5a 61 41 00` for the defaults. */
export function buildPing(network: string, minimumType: number = TYPE_GIFT): Uint8Array {
  return concat(typed(PING, minimumType), Uint8Array.of(0x80), ascii(`${network}\0`));
}

/** The pong of a supernode with room. */
export function buildPong(
  network: string,
  fields: { minimumType?: number; counter?: number; children?: number; loadPercent?: number } = {},
): Uint8Array {
  const { minimumType = TYPE_GIFT, counter = 0x0f, children = 0x0100, loadPercent = 50 } = fields;
  const middle = Uint8Array.of(0, counter, children >>> 8, children, loadPercent, 0);
  return concat(typed(PONG, minimumType), middle, ascii(`${network}\0`));
}

/** The pong of an ordinary node; with `asker` (IPv4 address and port) the long form. */
export function buildPong2(
  id: number,
  fields: { minimumType?: number; asker?: { address: Uint8Array; port: number } } = {},
): Uint8Array {
  const { minimumType = TYPE_GIFT, asker } = fields;
  const middle = new Uint8Array(8);
  middle[0] = 1;
  middle[1] = asker ? 1 : 0;
  putU32(middle, 4, id);
  if (!asker) return concat(typed(PONG_2, minimumType), middle);
  const tail = Uint8Array.of(...asker.address.subarray(0, 4), asker.port >>> 8, asker.port, 0, 0);
  return concat(typed(PONG_2, minimumType), middle, tail);
}

function typed(kind: number, minimumType: number): Uint8Array {
  const out = Uint8Array.of(kind, 0, 0, 0, 0);
  putU32(out, 1, minimumType);
  return out;
}
