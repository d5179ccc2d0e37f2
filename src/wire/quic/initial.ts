/**
 * Opens Initial packets that a QUIC client sends before it knows the server's
 * connection id: their keys derive from bytes in the packet itself (RFC 9001
 * section 5.2), so that anyone on the path can read them. Versions 1 (RFC 9000),
 * 2 (RFC 9369) and drafts 29 to 32.
 *
 * Not opened: a server's Initials (their keys derive from the client's first packet),
 * Google QUIC, coalesced packets behind the first. Cheap tests come first: five bytes
 * for nearly all datagrams, the first plain byte for the rest; the tag on request.
 *
 *   first byte | version 4 | dcid length 1, dcid | scid length 1, scid |
 *   token length varint, token | length varint | packet number 1-4 | protected payload, tag 16
 */
import { concat, fromHex, putU16, putU32, u32, u8 } from '../../base/bytes.js';
import { aes128Encrypt, aes128Schedule } from '../crypto/aes128.js';
import { GCM_NONCE_BYTES, GCM_TAG_BYTES, gcmCrypt, gcmSeal, gcmVerify } from '../crypto/aes-gcm.js';
import { type HmacKey, SHA256_BYTES, hkdfExpand, hkdfLabel, hmacKey, hmacSha256 } from '../crypto/sha256.js';

/** What differs between versions: where Initial keys come from. */
export interface QuicVersion {
  /** Upper four bits of an Initial's first byte: long header, fixed bit, type. */
  readonly firstNibble: number;
  readonly salt: HmacKey;
  readonly keyLabel: Uint8Array;
  readonly ivLabel: Uint8Array;
  readonly headerLabel: Uint8Array;
}

export const QUIC_V1 = 0x00000001;
export const QUIC_V2 = 0x6b3343cf;
export const QUIC_DRAFT_29 = 0xff00001d;
const QUIC_DRAFT_32 = 0xff000020;

const V1_LABELS = { keyLabel: hkdfLabel('quic key', 16), ivLabel: hkdfLabel('quic iv', 12), headerLabel: hkdfLabel('quic hp', 16) };

/** RFC 9001 section 5.2. */
const VERSION_1: QuicVersion = {
  firstNibble: 0xc0,
  salt: hmacKey(fromHex('38762cf7f55934b34d179ae6a4c80cadccbb7f0a')),
  ...V1_LABELS,
};
/** RFC 9369 section 3: another salt, other labels, Initial is type 1. */
const VERSION_2: QuicVersion = {
  firstNibble: 0xd0,
  salt: hmacKey(fromHex('0dede3def700a6db819381be6e269dcbf9bd2ed9')),
  keyLabel: hkdfLabel('quicv2 key', 16),
  ivLabel: hkdfLabel('quicv2 iv', 12),
  headerLabel: hkdfLabel('quicv2 hp', 16),
};
/** draft-ietf-quic-tls-29 section 5.2. */
const DRAFT: QuicVersion = { firstNibble: 0xc0, salt: hmacKey(fromHex('afbfec289993d24c9e9786f19c6111e04390a899')), ...V1_LABELS };

const CLIENT_LABEL = hkdfLabel('client in', SHA256_BYTES);

/** RFC 9000 section 17.2: connection ids of version 1 and 2 have at most 20 bytes. */
const MAX_CID_BYTES = 20;
/** RFC 9000 section 7.2: a client's first destination id "MUST be at least 8 bytes in length". */
const MIN_CLIENT_DCID_BYTES = 8;
/** RFC 9001 section 5.4.2: the sample begins 4 bytes behind the start of the packet number. */
const SAMPLE_OFFSET = 4;
const AES_SAMPLE_BYTES = 16;

export interface InitialKeys {
  readonly key: Int32Array;
  readonly iv: Uint8Array;
  readonly header: Int32Array;
}

/** Constants of a version number, or null when its Initials cannot be opened. */
export function quicVersion(version: number): QuicVersion | null {
  if (version === QUIC_V1) return VERSION_1;
  if (version === QUIC_V2) return VERSION_2;
  if (version >= QUIC_DRAFT_29 && version <= QUIC_DRAFT_32) return DRAFT;
  return null;
}

/** The client's keys for the destination id of its first packet. */
export function clientInitialKeys(version: QuicVersion, destinationId: Uint8Array): InitialKeys {
  const initial = hmacKey(hmacSha256(version.salt, destinationId));
  const client = hmacKey(hkdfExpand(initial, CLIENT_LABEL, SHA256_BYTES));
  return {
    key: aes128Schedule(hkdfExpand(client, version.keyLabel, 16)),
    iv: hkdfExpand(client, version.ivLabel, GCM_NONCE_BYTES),
    header: aes128Schedule(hkdfExpand(client, version.headerLabel, 16)),
  };
}

/** Nonce of a packet (RFC 9001 section 5.3). Packet numbers of Initials fit 32 bits here. */
export function initialNonce(iv: Uint8Array, packetNumber: number): Uint8Array {
  const nonce = iv.slice(0, GCM_NONCE_BYTES);
  for (let i = 0; i < 4; i++) {
    const at = GCM_NONCE_BYTES - 1 - i;
    nonce[at] = u8(nonce, at) ^ ((packetNumber >>> (8 * i)) & 0xff);
  }
  return nonce;
}

export interface OpenedInitial {
  readonly version: number;
  /** Frames in clear, a fresh array. */
  readonly frames: Uint8Array;
  /** Whether the packet's tag is right. Reads the packet again: valid while its bytes are. */
  isAuthentic(): boolean;
}

/** Seals frames as a client's Initial with a packet number of four bytes and no token: for samples and tests. */
export function sealClientInitial(version: number, destinationId: Uint8Array, packetNumber: number, frames: Uint8Array): Uint8Array | null {
  const constants = quicVersion(version);
  if (constants === null) return null;
  const numberAt = 5 + 1 + destinationId.length + 1 + 1 + 2;
  const header = new Uint8Array(numberAt + 4);
  header[0] = constants.firstNibble | 3;
  putU32(header, 1, version);
  header[5] = destinationId.length;
  header.set(destinationId, 6);
  // No source id, no token; the length is a varint of two bytes.
  putU16(header, numberAt - 2, 0x4000 | (4 + frames.length + GCM_TAG_BYTES));
  putU32(header, numberAt, packetNumber);
  const keys = clientInitialKeys(constants, destinationId);
  const sealed = concat(header, gcmSeal(keys.key, initialNonce(keys.iv, packetNumber), header, frames));
  const mask = new Uint8Array(AES_SAMPLE_BYTES);
  aes128Encrypt(keys.header, sealed, numberAt + SAMPLE_OFFSET, mask, 0);
  sealed[0] = u8(sealed, 0) ^ (u8(mask, 0) & 0x0f);
  for (let i = 0; i < 4; i++) sealed[numberAt + i] = u8(sealed, numberAt + i) ^ u8(mask, 1 + i);
  return sealed;
}

/**
 * Opens the datagram [start, end) when its first packet looks like a client's Initial; null otherwise. Never throws.
 * Whether it is one shows in its frames, or in its tag: `isAuthentic`, which takes longer than all else here, is for those
 * who stake something on it (bench/identify.ts).
 */
export function openClientInitial(bytes: Uint8Array, start: number, end: number): OpenedInitial | null {
  if (end - start < 7 + MIN_CLIENT_DCID_BYTES + SAMPLE_OFFSET + AES_SAMPLE_BYTES) return null;
  const first = u8(bytes, start) & 0xf0;
  if (first !== 0xc0 && first !== 0xd0) return null;
  const version = quicVersion(u32(bytes, start + 1));
  if (version === null || version.firstNibble !== first) return null;
  const dcidBytes = u8(bytes, start + 5);
  if (dcidBytes < MIN_CLIENT_DCID_BYTES || dcidBytes > MAX_CID_BYTES) return null;
  let at = start + 6 + dcidBytes;
  if (at >= end || u8(bytes, at) > MAX_CID_BYTES) return null;
  at += 1 + u8(bytes, at);
  const tokenBytes = readVarint(bytes, at, end);
  if (tokenBytes < 0) return null;
  at += varintBytes(bytes, at) + tokenBytes;
  const lengthBytes = readVarint(bytes, at, end);
  if (lengthBytes < 0) return null;
  at += varintBytes(bytes, at);
  const packetEnd = at + lengthBytes;
  if (packetEnd > end || lengthBytes < SAMPLE_OFFSET + AES_SAMPLE_BYTES) return null;
  return decrypt(bytes, start, at, packetEnd, version, dcidBytes);
}

function decrypt(
  bytes: Uint8Array,
  start: number,
  numberAt: number,
  packetEnd: number,
  version: QuicVersion,
  dcidBytes: number,
): OpenedInitial | null {
  const keys = clientInitialKeys(version, bytes.subarray(start + 6, start + 6 + dcidBytes));
  const mask = new Uint8Array(AES_SAMPLE_BYTES);
  aes128Encrypt(keys.header, bytes, numberAt + SAMPLE_OFFSET, mask, 0);
  const firstByte = u8(bytes, start) ^ (u8(mask, 0) & 0x0f);
  // RFC 9000 section 17.2: the two reserved bits are zero; three of four foreign packets end here.
  if ((firstByte & 0x0c) !== 0) return null;
  const numberBytes = (firstByte & 3) + 1;
  const header = bytes.slice(start, numberAt + numberBytes);
  header[0] = firstByte;
  let packetNumber = 0;
  for (let i = 0; i < numberBytes; i++) {
    const byte = u8(bytes, numberAt + i) ^ u8(mask, 1 + i);
    header[numberAt - start + i] = byte;
    packetNumber = ((packetNumber << 8) | byte) >>> 0;
  }
  const nonce = initialNonce(keys.iv, packetNumber);
  const dataAt = numberAt + numberBytes;
  const dataEnd = packetEnd - GCM_TAG_BYTES;
  if (dataEnd <= dataAt) return null;
  const firstFrame = u8(gcmCrypt(keys.key, nonce, bytes, dataAt, dataAt + 1), 0);
  if (!isInitialFrame(firstFrame)) return null;
  return {
    version: u32(bytes, start + 1),
    frames: gcmCrypt(keys.key, nonce, bytes, dataAt, dataEnd),
    isAuthentic: () => gcmVerify(keys.key, nonce, header, bytes, dataAt, dataEnd),
  };
}

/** RFC 9000 section 12.4, table 3: PADDING, PING, ACK (2), CRYPTO and CONNECTION_CLOSE are all that Initials carry. */
function isInitialFrame(type: number): boolean {
  return type <= 3 || type === 6 || type === 0x1c;
}

/** Variable-length integer (RFC 9000 section 16); -1 when cut, or beyond 2^30 (no packet is that long). */
export function readVarint(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return -1;
  const lengthBytes = varintBytes(bytes, at);
  if (at + lengthBytes > end) return -1;
  let value = u8(bytes, at) & 0x3f;
  for (let i = 1; i < lengthBytes; i++) value = value * 256 + u8(bytes, at + i);
  return value < 0x4000_0000 ? value : -1;
}

/** Bytes of the integer at `at`, by its two leading bits. */
export function varintBytes(bytes: Uint8Array, at: number): number {
  return 1 << (u8(bytes, at) >> 6);
}
