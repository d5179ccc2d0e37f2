/**
 * Messages of dht-rpc version 4 (Hyperswarm 1 and 2, 2018 to 2022: Hypercore 9, Beaker, early Dat):
 * Protocol Buffers, one message in each datagram, as the public schema of dht-rpc shows them.
 *
 *   [58 01 version 1] | 08 type (1 query, 2 update, 3 response) | 10 request id | [52 06 receiver: IPv4 4, port 2]
 *   | [1a 20 id 32] | [22 20 target 32] | [2a closer nodes: id 32, IPv4 4, port 2 each] | [32 token] | [3a command] | [42 error] | [4a value]
 *
 * Addresses in network order. What a value holds (announced peers, say) is not read; nor are the uTP
 * and TCP connections of these programs, which begin with random bytes: they are known by their endpoints.
 * Specification: public source of dht-rpc 4 (schema.proto, lib/io.js).
 */
import { hasAt, u16, u8 } from '../../../base/bytes.js';
import { type Feature, type Finding, type Inspection, match, NO, type PeerSink, UDP } from '../../detector.js';

/*
 * Odds: type and tags (24 bits, with the version 40), the grammar to the end of the datagram, and the receiver's
 * address and port (48 bits) or two fields of 32 bytes whose lengths agree (16 bits each).
 */
const ADDRESSED = match('certain', 'dht-rpc 4 message that names its own destination address and port');
const STRUCTURED = match('certain', 'dht-rpc 4 message with version, request id and node ids');
/** Heuristic: without version and addresses; another schema with the same first fields could look so. */
const SHAPED = match('suspected', 'dht-rpc 4 message with request id and a known command or node id');

const VERSION = Uint8Array.of(0x58, 0x01);
const TAG_TO = 0x52;
const TAG_ID = 0x1a;
const TAG_TARGET = 0x22;
const TAG_NODES = 0x2a;
const TAG_COMMAND = 0x3a;
/** Fields with bytes: id, target, closer nodes, token, command, error, value, receiver. */
const BYTES_TAGS: readonly number[] = [TAG_ID, TAG_TARGET, TAG_NODES, 0x32, TAG_COMMAND, 0x42, 0x4a, TAG_TO];
const ID_BYTES = 32;
const ADDRESS_BYTES = 6;
const NODE_BYTES = ID_BYTES + ADDRESS_BYTES;
/** Request ids are 16-bit counters: at most three bytes of a varint. */
const MAX_ID_VARINT_BYTES = 3;
/** Built-in commands begin with an underscore; those of Hyperswarm are words. */
const MAX_COMMAND_BYTES = 32;

/** Position behind the varint at `at` (of at most `maxBytes`), or -1. */
function varintEnd(bytes: Uint8Array, at: number, end: number, maxBytes: number): number {
  for (let i = 0; i < maxBytes && at + i < end; i++) if (u8(bytes, at + i) < 0x80) return at + i + 1;
  return -1;
}

/** Where the fields behind type and request id begin, or -1. */
function fieldsAt(bytes: Uint8Array, start: number, end: number): number {
  const at = start + (hasAt(bytes, start, end, VERSION) ? VERSION.length : 0);
  if (at + 4 > end || u8(bytes, at) !== 0x08 || u8(bytes, at + 1) < 1 || u8(bytes, at + 1) > 3 || u8(bytes, at + 2) !== 0x10) return -1;
  return varintEnd(bytes, at + 3, end, MAX_ID_VARINT_BYTES);
}

/** Told each field with bytes: its tag and content. */
type FieldVisitor = (tag: number, at: number, fieldEnd: number) => boolean;

/** Walks fields with bytes to the end of the datagram; false when they do not end there, or the visitor refuses one. */
function visitFields(bytes: Uint8Array, at: number, end: number, visit: FieldVisitor): boolean {
  while (at < end) {
    const tag = u8(bytes, at);
    const contentAt = varintEnd(bytes, at + 1, end, 2);
    if (!BYTES_TAGS.includes(tag) || contentAt < 0) return false;
    const lengthBytes = (u8(bytes, at + 1) & 0x7f) | (contentAt - at > 2 ? u8(bytes, at + 2) << 7 : 0);
    if (contentAt + lengthBytes > end || !visit(tag, contentAt, contentAt + lengthBytes)) return false;
    at = contentAt + lengthBytes;
  }
  return true;
}

function isCommand(bytes: Uint8Array, at: number, end: number): boolean {
  if (end === at || end - at > MAX_COMMAND_BYTES) return false;
  for (let i = at; i < end; i++) {
    const byte = u8(bytes, i);
    if (byte !== 0x5f && byte !== 0x2d && !(byte >= 0x61 && byte <= 0x7a)) return false;
  }
  return true;
}

/** Whether the six bytes are the packet's own IPv4 destination. */
function isDestination({ bytes, addressBytes, destinationAt, ipVersion, dstPort }: Inspection, at: number): boolean {
  if (ipVersion !== 4 || u16(bytes, at + 4) !== dstPort) return false;
  for (let i = 0; i < 4; i++) if (u8(bytes, at + i) !== u8(addressBytes, destinationAt + i)) return false;
  return true;
}

function inspect(input: Inspection): Finding {
  const { bytes, start, end } = input;
  const at = fieldsAt(bytes, start, end);
  if (at < 0) return NO;
  let hasDestination = false;
  let ids = 0;
  let commands = 0;
  const isWhole = visitFields(bytes, at, end, (tag, contentAt, fieldEnd) => {
    const lengthBytes = fieldEnd - contentAt;
    if (tag === TAG_TO) {
      if (lengthBytes !== ADDRESS_BYTES) return false;
      hasDestination = isDestination(input, contentAt);
    } else if (tag === TAG_ID || tag === TAG_TARGET) {
      if (lengthBytes !== ID_BYTES) return false;
      ids++;
    } else if (tag === TAG_NODES) {
      if (lengthBytes === 0 || lengthBytes % NODE_BYTES !== 0) return false;
      ids++;
    } else if (tag === TAG_COMMAND) {
      if (!isCommand(bytes, contentAt, fieldEnd)) return false;
      commands++;
    }
    return true;
  });
  if (!isWhole) return NO;
  if (hasDestination) return ADDRESSED;
  if (hasAt(bytes, start, end, VERSION) && ids + commands > 1) return STRUCTURED;
  return ids > 0 && ids + commands > 1 ? SHAPED : NO;
}

/** Closer nodes of a response. */
function harvest({ bytes, start, end }: Inspection, sink: PeerSink): boolean {
  const at = fieldsAt(bytes, start, end);
  if (at < 0) return true;
  visitFields(bytes, at, end, (tag, contentAt, fieldEnd) => {
    for (let node = contentAt; tag === TAG_NODES && node + NODE_BYTES <= fieldEnd; node += NODE_BYTES) {
      const port = u16(bytes, node + ID_BYTES + 4);
      if (port > 0) sink.toldIpv4(bytes, node + ID_BYTES, port);
    }
    return true;
  });
  return true;
}

export const dht4: Feature = {
  feature: 'dht-4',
  transport: UDP,
  trigger: {
    kind: 'anchors',
    anchors: [1, 2, 3].flatMap((type) => [
      { at: 0, bytes: Uint8Array.of(0x58, 0x01, 0x08, type, 0x10) },
      { at: 0, bytes: Uint8Array.of(0x08, type, 0x10) },
    ]),
  },
  inspect,
  harvest,
};
