/**
 * Messages of dht-rpc (version 3 on the wire), the request and reply framing of
 * HyperDHT, as the public source of dht-rpc shows them (lib/io.js, compact-encoding).
 * Reads structure only; node ids, tokens and values are not interpreted.
 *
 *   request   03 | flags | tid 2 | to 6 | [id 32] [token 32] command uint [target 32] [value]
 *   reply     13 | flags | tid 2 | to 6 | [id 32] [token 32] [closer nodes] [error uint] [value]
 *
 * Numbers are little-endian. `to` is the IPv4 address and port that the sender believes it
 * sends to. uint: one byte up to 0xfc, else 0xfd, 0xfe or 0xff and 2, 4 or 8 bytes.
 * Values and node lists carry their length as uint; a node is 4 bytes address, 2 bytes port.
 */
import { u16le, u32le, u8 } from '../../../base/bytes.js';

/** Upper four bits: 0 request, 1 reply; lower four: version 3. */
export const REQUEST = 0x03;
export const REPLY = 0x13;

const FLAG_ID = 1;
const FLAG_TOKEN = 2;
/** Request: the command is one of dht-rpc itself. Reply: closer nodes follow. */
const FLAG_INTERNAL_OR_NODES = 4;
/** Request: target. Reply: error number. */
const FLAG_TARGET_OR_ERROR = 8;
const FLAG_VALUE = 16;
const FLAGS_KNOWN = 31;

/** Type, flags, transaction id and address. */
const FIXED_BYTES = 10;
/** Where `to` stands: four bytes of address, then the port. */
export const TO_AT = 4;
const HASH_BYTES = 32;
const NODE_BYTES = 6;
/** dht-rpc: PING, PING_NAT, FIND_NODE, DOWN_HINT, DELAYED_PING. */
const MAX_INTERNAL_COMMAND = 4;
/** HyperDHT: PEER_HANDSHAKE to IMMUTABLE_GET are 0 to 9; room for plug-ins and later commands. */
const MAX_COMMAND = 15;
/** HyperDHT's PEER_HANDSHAKE and PEER_HOLEPUNCH, whose values tell a peer's address in clear. */
const COMMAND_PEER_HANDSHAKE = 0;
const COMMAND_PEER_HOLEPUNCH = 1;
/** A table's bucket holds 20 nodes. */
const MAX_NODES = 64;
/** Errors of dht-rpc and HyperDHT are below 256. */
const MAX_ERROR = 255;

/** Length of the uint at `at`, or 0 when it is cut. */
function uintBytes(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end) return 0;
  const first = u8(bytes, at);
  const lengthBytes = first <= 0xfc ? 1 : first === 0xfd ? 3 : first === 0xfe ? 5 : 9;
  return at + lengthBytes <= end ? lengthBytes : 0;
}

/** Value of the uint at `at`, which {@link uintBytes} accepted. Eight-byte ones are too large for anything here. */
function uintAt(bytes: Uint8Array, at: number): number {
  const first = u8(bytes, at);
  if (first <= 0xfc) return first;
  if (first === 0xfd) return u16le(bytes, at + 1);
  if (first === 0xfe) return u32le(bytes, at + 1);
  return Number.MAX_SAFE_INTEGER;
}

/** Position behind a value (length, bytes), or -1. */
function skipValue(bytes: Uint8Array, at: number, end: number): number {
  const lengthBytes = uintBytes(bytes, at, end);
  if (lengthBytes === 0) return -1;
  const valueEnd = at + lengthBytes + uintAt(bytes, at);
  return valueEnd <= end ? valueEnd : -1;
}

/**
 * True when the datagram is one request or reply to its last byte. Uniformly random bytes:
 * type 2^-7, flags 2^-3, then one of a few lengths or a matching length field: about 2^-20.
 */
export function isDhtMessage(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < FIXED_BYTES) return false;
  const type = u8(bytes, start);
  const flags = u8(bytes, start + 1);
  if (flags > FLAGS_KNOWN) return false;
  if (type === REQUEST) return skipRequest(bytes, start, end, flags) === end;
  return type === REPLY && skipReply(bytes, start, end, flags) === end;
}

function commandAt(start: number, flags: number): number {
  return start + FIXED_BYTES + (flags & FLAG_ID ? HASH_BYTES : 0) + (flags & FLAG_TOKEN ? HASH_BYTES : 0);
}

function skipRequest(bytes: Uint8Array, start: number, end: number, flags: number): number {
  const command = commandAt(start, flags);
  const lengthBytes = uintBytes(bytes, command, end);
  if (lengthBytes === 0) return -1;
  if (uintAt(bytes, command) > (flags & FLAG_INTERNAL_OR_NODES ? MAX_INTERNAL_COMMAND : MAX_COMMAND)) return -1;
  const at = command + lengthBytes + (flags & FLAG_TARGET_OR_ERROR ? HASH_BYTES : 0);
  return flags & FLAG_VALUE ? skipValue(bytes, at, end) : at;
}

function skipReply(bytes: Uint8Array, start: number, end: number, flags: number): number {
  let at = commandAt(start, flags);
  if (flags & FLAG_INTERNAL_OR_NODES) {
    const lengthBytes = uintBytes(bytes, at, end);
    if (lengthBytes === 0) return -1;
    const count = uintAt(bytes, at);
    // A list is sent only when it has nodes.
    if (count === 0 || count > MAX_NODES) return -1;
    at += lengthBytes + count * NODE_BYTES;
  }
  if (flags & FLAG_TARGET_OR_ERROR) {
    const lengthBytes = uintBytes(bytes, at, end);
    if (lengthBytes === 0) return -1;
    const error = uintAt(bytes, at);
    if (error === 0 || error > MAX_ERROR) return -1;
    at += lengthBytes;
  }
  return flags & FLAG_VALUE ? skipValue(bytes, at, end) : at;
}

/** Calls `tell` with each IPv4 address (at, port) that the message tells its receiver: closer nodes, peers behind relays. */
export function eachToldAddress(bytes: Uint8Array, start: number, end: number, tell: (at: number, port: number) => void): void {
  if (!isDhtMessage(bytes, start, end)) return;
  const flags = u8(bytes, start + 1);
  const at = commandAt(start, flags);
  if (u8(bytes, start) === REPLY) {
    if (flags & FLAG_INTERNAL_OR_NODES) {
      const nodesAt = at + uintBytes(bytes, at, end);
      const count = uintAt(bytes, at);
      for (let i = 0; i < count; i++) tell(nodesAt + NODE_BYTES * i, u16le(bytes, nodesAt + NODE_BYTES * i + 4));
    }
    return;
  }
  const command = u8(bytes, at);
  if ((flags & FLAG_INTERNAL_OR_NODES) !== 0 || (flags & FLAG_VALUE) === 0 || command > COMMAND_PEER_HOLEPUNCH) return;
  const valueAt = at + 1 + (flags & FLAG_TARGET_OR_ERROR ? HASH_BYTES : 0);
  const peerAt = peerAddressAt(bytes, valueAt + uintBytes(bytes, valueAt, end), end, command);
  if (peerAt >= 0) tell(peerAt, u16le(bytes, peerAt + 4));
}

/**
 * Where a relayed handshake (flags, mode, noise, [peer address]) or hole punch (flags, mode, id,
 * payload, [peer address]) carries the other peer's address; -1 when it carries none.
 */
function peerAddressAt(bytes: Uint8Array, at: number, end: number, command: number): number {
  if (at >= end || (u8(bytes, at) & 1) === 0) return -1;
  at += 2;
  if (command !== COMMAND_PEER_HANDSHAKE) {
    const lengthBytes = uintBytes(bytes, at, end);
    if (lengthBytes === 0) return -1;
    at += lengthBytes;
  }
  at = skipValue(bytes, at, end);
  return at >= 0 && at + NODE_BYTES <= end ? at : -1;
}
