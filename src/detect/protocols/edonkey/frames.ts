/**
 * Frames of eDonkey and eMule streams, and what the body of each opcode must look like.
 *
 *   | E3 eDonkey, C5 eMule, D4 zlib-packed | length (4, LE, opcode included) | opcode | body |
 *
 * Opcodes and bodies: "The eMule Protocol Specification" (2005) sections 6.2 to 6.5; later ones
 * (64-bit parts, hash sets, obfuscated sources) as eMule 0.50 and aMule 2.3 send them.
 */
import { u16, u16le, u32le, u8 } from '../../../base/bytes.js';
import { isSearchTree } from './search.js';
import { tagListEnd } from './tags.js';

export const EDONKEY = 0xe3;
export const EMULE = 0xc5;
export const PACKED = 0xd4;
/** Marker, length, opcode. */
export const HEADER_BYTES = 6;
export const HASH_BYTES = 16;
/** eMule refuses longer packets. */
const MAX_FRAME_BYTES = 2_000_000;
/** Tags of a hello or login; eMule sends eight, mods a few more. */
export const MAX_HELLO_TAGS = 32;

export const HELLO = 0x01;
export const HELLO_ANSWER = 0x4c;

/** How well the body fits its opcode. */
export const MISFIT = 0;
/** Not enough of the body is there to say. */
export const CUT = 1;
/** The length is one that the opcode has. */
export const FIT = 2;
/** The body repeats its own length or has inner structure that was walked. */
export const PROVEN = 3;
/** The opcode takes any length from some least one on, or nothing stands behind it: says little by itself. */
export const VAGUE = 4;
export type Fit = typeof MISFIT | typeof CUT | typeof FIT | typeof PROVEN | typeof VAGUE;

export function isMarker(byte: number): boolean {
  return byte === EDONKEY || byte === EMULE || byte === PACKED;
}

/** Body length of the frame at `at` (HEADER_BYTES readable), or -1 when it cannot be one. */
export function bodyBytes(bytes: Uint8Array, at: number): number {
  if (!isMarker(u8(bytes, at))) return -1;
  const lengthBytes = u32le(bytes, at + 1);
  return lengthBytes === 0 || lengthBytes > MAX_FRAME_BYTES ? -1 : lengthBytes - 1;
}

/** Checks the body of `lengthBytes` at `at`, of which [at, end) has arrived. */
export function fitBody(bytes: Uint8Array, marker: number, opcode: number, at: number, lengthBytes: number, end: number): Fit {
  if (marker === PACKED) return fitPacked(bytes, opcode, at, lengthBytes, end);
  return marker === EDONKEY
    ? fitEdonkey(bytes, opcode, at, lengthBytes, end)
    : fitEmule(bytes, opcode, at, lengthBytes, end);
}

/** A zlib stream (RFC 1950, window of 32 KiB) behind an opcode that either network packs. */
function fitPacked(bytes: Uint8Array, opcode: number, at: number, lengthBytes: number, end: number): Fit {
  if (lengthBytes < 8 || opcode === 0) return MISFIT;
  if (at + 2 > end) return CUT;
  return u8(bytes, at) === 0x78 && u16(bytes, at) % 31 === 0 ? PROVEN : MISFIT;
}

const oneOf = (lengthBytes: number, ...lengths: readonly number[]): Fit => (!lengths.includes(lengthBytes) ? MISFIT : lengthBytes === 0 ? VAGUE : FIT);
const atLeast = (lengthBytes: number, least: number): Fit => (lengthBytes >= least ? VAGUE : MISFIT);

/** A count at `at + skip` and entries that fill the body exactly. */
function list(bytes: Uint8Array, at: number, lengthBytes: number, end: number, skip: number, countBytes: 1 | 2, entry: number): Fit {
  if (lengthBytes < skip + countBytes) return MISFIT;
  if (at + skip + countBytes > end) return CUT;
  const count = countBytes === 1 ? u8(bytes, at + skip) : u16le(bytes, at + skip);
  return skip + countBytes + count * entry === lengthBytes ? PROVEN : MISFIT;
}

/** A text with its length before it, up to the end of the body. */
function text(bytes: Uint8Array, at: number, lengthBytes: number, end: number, skip: number): Fit {
  return list(bytes, at, lengthBytes, end, skip, 2, 1);
}

function fitEdonkey(bytes: Uint8Array, opcode: number, at: number, lengthBytes: number, end: number): Fit {
  switch (opcode) {
    case HELLO: // hello to a client (hash size 16 first), or login to a server
      return fitHelloOrLogin(bytes, at, lengthBytes, end);
    case HELLO_ANSWER:
      return fitHello(bytes, at, lengthBytes, end, 0);
    case 0x05: // server: reject
    case 0x14: // get server list
    case 0x18: // disconnect
    case 0x21: // more results
    case 0x4a: // ask shared files
    case 0x55: // accept upload
    case 0x56: // cancel transfer
    case 0x57: // out of part requests
    case 0x5d: // ask shared directories
    case 0x61: // shared files denied
      return oneOf(lengthBytes, 0);
    case 0x36: // callback failed
      return oneOf(lengthBytes, 0, 4);
    case 0x15: // offer files
    case 0x33: // search result
      return fitFiles(bytes, at, lengthBytes, end);
    case 0x16: // search
      if (lengthBytes < 4) return MISFIT;
      return at + lengthBytes > end ? CUT : isSearchTree(bytes, at, at + lengthBytes) ? PROVEN : VAGUE;
    case 0x19: // get sources: hash, size (4, or 4 zeros and 8)
    case 0x23: // get sources, obfuscated ones too
      return oneOf(lengthBytes, 16, 20, 28);
    case 0x1c: // callback request: id
    case 0x5c: // queue rank
      return oneOf(lengthBytes, 4);
    case 0x32: // server list
      return list(bytes, at, lengthBytes, end, 0, 1, 6);
    case 0x34: // server status: users, files
      return oneOf(lengthBytes, 8);
    case 0x35: // callback requested: address, port, options and hash
      return oneOf(lengthBytes, 6, 23);
    case 0x38: // server message
    case 0x4e: // chat message
      return text(bytes, at, lengthBytes, end, 0);
    case 0x40: // id change: id, flags, auxiliary port, ...
      return oneOf(lengthBytes, 4, 8, 12, 16, 20);
    case 0x41: // server identification: hash, address, port, tags
      return fitTags(bytes, at, lengthBytes, end, HASH_BYTES + 6);
    case 0x42: // found sources
      return list(bytes, at, lengthBytes, end, HASH_BYTES, 1, 6);
    case 0x44: // found sources, some with options and user hash
      return lengthBytes < HASH_BYTES + 1 ? MISFIT : at + HASH_BYTES + 1 > end ? CUT : fitObfuscatedSources(u8(bytes, at + HASH_BYTES), lengthBytes);
    case 0x46: // sending part: hash, from, to, data
      return fitPart(bytes, at, lengthBytes, end, 4);
    case 0x47: // request parts
      return oneOf(lengthBytes, 40);
    case 0x48: // no such file
    case 0x49: // end of download
    case 0x4f: // set requested file
    case 0x51: // hash set request
    case 0x54: // start upload request
      return oneOf(lengthBytes, 16);
    case 0x58: // file name request, with part status and source count
      return lengthBytes === 16 ? FIT : atLeast(lengthBytes, 18);
    case 0x50: // file status: hash, parts, a bit for each
      if (lengthBytes < 18) return MISFIT;
      return at + 18 > end ? CUT : 18 + ((u16le(bytes, at + 16) + 7) >> 3) === lengthBytes ? PROVEN : MISFIT;
    case 0x52: // hash set
      return list(bytes, at, lengthBytes, end, HASH_BYTES, 2, HASH_BYTES);
    case 0x59: // file name
      return text(bytes, at, lengthBytes, end, HASH_BYTES);
    case 0x5b: // change slot
      return oneOf(lengthBytes, 0, 16);
    case 0x1a: // search user
    case 0x43: // users list
    case 0x4b: // shared files
    case 0x5e: // ask shared files of a directory
    case 0x5f: // shared directories
    case 0x60: // shared files of a directory
      return atLeast(lengthBytes, 2);
    default:
      return MISFIT;
  }
}

/** Hash, id, port and count of tags of a file that is offered or found. */
const LEAST_FILE_BYTES = 26;

/** A count and as many files. */
function fitFiles(bytes: Uint8Array, at: number, lengthBytes: number, end: number): Fit {
  if (lengthBytes < 4) return MISFIT;
  if (at + 4 > end) return CUT;
  const count = u32le(bytes, at);
  return count <= 1000 && lengthBytes >= 4 + count * LEAST_FILE_BYTES ? FIT : MISFIT;
}

/** Each source has 7 bytes, or 23 with the hash of its user. */
function fitObfuscatedSources(count: number, lengthBytes: number): Fit {
  const entries = lengthBytes - HASH_BYTES - 1;
  return entries >= count * 7 && entries <= count * 23 && (entries - count * 7) % 16 === 0 ? PROVEN : MISFIT;
}

/** A client's hello begins with the hash size 16; one of 256 user hashes in a login does, too. */
function fitHelloOrLogin(bytes: Uint8Array, at: number, lengthBytes: number, end: number): Fit {
  if (at >= end || u8(bytes, at) !== HASH_BYTES) return fitHello(bytes, at, lengthBytes, end, 0);
  const fit = fitHello(bytes, at, lengthBytes, end, 1);
  return fit === MISFIT ? fitHello(bytes, at, lengthBytes, end, 0) : fit;
}

/** Position of the port in the whole body [at, end) of a hello, login or hello answer. */
export function helloPortAt(bytes: Uint8Array, opcode: number, at: number, end: number): number {
  const isHello = opcode === HELLO && fitHello(bytes, at, end - at, end, 1) === PROVEN;
  return at + (isHello ? 1 : 0) + HASH_BYTES + 4;
}

/** Hash, id, port, tags; a client adds its server's address and port, mods a few bytes more. */
function fitHello(bytes: Uint8Array, at: number, lengthBytes: number, end: number, skip: 0 | 1): Fit {
  const tagsAt = at + skip + HASH_BYTES + 6;
  if (lengthBytes < skip + HASH_BYTES + 10 || lengthBytes > 4000) return MISFIT;
  if (tagsAt + 4 <= end && u32le(bytes, tagsAt) > MAX_HELLO_TAGS) return MISFIT;
  if (at + lengthBytes > end) return CUT;
  const behind = tagListEnd(bytes, tagsAt, at + lengthBytes, MAX_HELLO_TAGS);
  return behind > 0 && at + lengthBytes - behind <= 12 ? PROVEN : MISFIT;
}

function fitTags(bytes: Uint8Array, at: number, lengthBytes: number, end: number, skip: number): Fit {
  if (lengthBytes < skip + 4) return MISFIT;
  if (at + lengthBytes > end) return CUT;
  return tagListEnd(bytes, at + skip, at + lengthBytes, MAX_HELLO_TAGS) > 0 ? PROVEN : MISFIT;
}

/** Hash, first byte, end: their difference is the data's length. `width`: 4, or 8 for files over 4 GiB. */
function fitPart(bytes: Uint8Array, at: number, lengthBytes: number, end: number, width: 4 | 8): Fit {
  const dataAt = HASH_BYTES + 2 * width;
  if (lengthBytes <= dataAt) return MISFIT;
  if (at + dataAt > end) return CUT;
  const difference = (u32le(bytes, at + HASH_BYTES + width) - u32le(bytes, at + HASH_BYTES)) >>> 0;
  return difference === lengthBytes - dataAt ? PROVEN : MISFIT;
}

/** A block of 180 KiB at most is packed and sent in pieces; each repeats the packed size. */
const MAX_BLOCK_BYTES = 0x40000;

/** Hash, first byte, packed size of the block, data. `width`: 4, or 8 for files over 4 GiB. */
function fitCompressed(bytes: Uint8Array, at: number, lengthBytes: number, end: number, width: 4 | 8): Fit {
  const dataAt = HASH_BYTES + width + 4;
  if (lengthBytes <= dataAt) return MISFIT;
  if (at + dataAt > end) return CUT;
  const packedBytes = u32le(bytes, at + dataAt - 4);
  return packedBytes >= lengthBytes - dataAt && packedBytes <= MAX_BLOCK_BYTES ? PROVEN : MISFIT;
}

/** Entries have id, port, server and its port; from version 2 on the user's hash, from version 4 on options. */
function fitSources(bytes: Uint8Array, at: number, lengthBytes: number, end: number, skip: number): Fit {
  if (lengthBytes < skip + 2) return MISFIT;
  if (at + skip + 2 > end) return CUT;
  const entries = lengthBytes - skip - 2;
  const count = u16le(bytes, at + skip);
  return count > 0 && [12, 28, 29].some((entry) => count * entry === entries) ? PROVEN : VAGUE;
}

function fitEmule(bytes: Uint8Array, opcode: number, at: number, lengthBytes: number, end: number): Fit {
  switch (opcode) {
    case 0x01: // eMule info: version, protocol version 1, tags
    case 0x02: // its answer
      if (lengthBytes >= 2 && at + 2 <= end && u8(bytes, at + 1) !== 1) return MISFIT;
      return fitTags(bytes, at, lengthBytes, end, 2);
    case 0x40: // compressed part: hash, from, packed size, data
      return fitCompressed(bytes, at, lengthBytes, end, 4);
    case 0x60: // queue rank, padded
      return oneOf(lengthBytes, 2, 12);
    case 0x61: // file description: rating, length (4), text
      if (lengthBytes < 5) return MISFIT;
      return at + 5 > end ? CUT : u32le(bytes, at + 1) === lengthBytes - 5 ? PROVEN : MISFIT;
    case 0x81: // request sources
    case 0x9e: // hash of the whole file, please
      return oneOf(lengthBytes, 16);
    case 0x83: // request sources 2: version, options, hash
      return oneOf(lengthBytes, 19);
    case 0x82: // sources: hash, count, entries
      return fitSources(bytes, at, lengthBytes, end, HASH_BYTES);
    case 0x84: // the same behind a version
      return fitSources(bytes, at, lengthBytes, end, 1 + HASH_BYTES);
    case 0x85: // public key, with its length
      return lengthBytes < 2 ? MISFIT : at >= end ? CUT : u8(bytes, at) === lengthBytes - 1 ? PROVEN : MISFIT;
    case 0x86: // signature, with its length, and which address was signed
      if (lengthBytes < 2) return MISFIT;
      return at >= end ? CUT : u8(bytes, at) === lengthBytes - 1 || u8(bytes, at) === lengthBytes - 2 ? PROVEN : MISFIT;
    case 0x87: // identification state 0 to 2, challenge
      if (lengthBytes !== 5) return MISFIT;
      return at >= end ? CUT : u8(bytes, at) <= 2 ? FIT : MISFIT;
    case 0x90: // preview
      return oneOf(lengthBytes, 16);
    case 0x91:
      return atLeast(lengthBytes, 17);
    case 0x92: // several requests in one
    case 0x93:
    case 0xa4:
    case 0xa9:
    case 0xaa:
    case 0xab:
    case 0xac:
      return atLeast(lengthBytes, 17);
    case 0x97: // what is my address?
    case 0x9f: // buddy ping
    case 0xa0: // buddy pong
    case 0xa8: // Kad: TCP check done
      return oneOf(lengthBytes, 0);
    case 0x98: // your address
      return oneOf(lengthBytes, 4);
    case 0x99: // callback through a buddy
      return atLeast(lengthBytes, 34);
    case 0x9a: // reask through a buddy
      return atLeast(lengthBytes, 22);
    case 0x9b: // corruption handling: request, answer, hashes
      return oneOf(lengthBytes, 38);
    case 0x9c:
      return atLeast(lengthBytes, 16);
    case 0x9d:
      return oneOf(lengthBytes, 36);
    case 0xa1: // compressed part of a large file
      return fitCompressed(bytes, at, lengthBytes, end, 8);
    case 0xa2: // part of a large file
      return fitPart(bytes, at, lengthBytes, end, 8);
    case 0xa3: // request parts of a large file
      return oneOf(lengthBytes, 64);
    case 0xa5: // chat with captcha
    case 0xa6:
      return atLeast(lengthBytes, 1);
    case 0xa7: // Kad: please check my UDP port
      return oneOf(lengthBytes, 8);
    default:
      return MISFIT;
  }
}
