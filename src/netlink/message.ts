/**
 * Framing of netlink messages: headers, attributes, multipart answers, errors.
 * Pure: sockets live in `kernel/netlink-socket.ts`, the meaning of each family's
 * messages in the other files of this folder.
 *
 *  0                   1                   2                   3
 *  +---------------------------------------------------------------+
 *  |                 length (header included, host order)          |
 *  |             type              |            flags              |
 *  |                           sequence                            |
 *  |                             port                              |
 *  +---------------------------------------------------------------+
 *  |  family header, then attributes, each:                        |
 *  |        length (4 + value)     | N O |        type             |
 *  |  value, padded with zeros to a multiple of 4                  |
 *
 * Host order is little-endian here (`kernel/libc.ts` refuses other machines); N
 * (nested) and O (network byte order) are bits 15 and 14 of the attribute type.
 * Specification: RFC 3549 section 2.2; include/uapi/linux/netlink.h.
 */
import { u16le, u32le } from '../base/bytes.js';

export const NLMSG_HEADER_BYTES = 16;
export const NLA_HEADER_BYTES = 4;

// include/uapi/linux/netlink.h
export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;
export const NLM_F_REQUEST = 0x001;
export const NLM_F_MULTI = 0x002;
export const NLM_F_ACK = 0x004;
export const NLM_F_DUMP_INTR = 0x010;
/** NLM_F_ROOT | NLM_F_MATCH in a request. */
export const NLM_F_DUMP = 0x300;
/** In an answer: the error does not repeat the whole request. */
export const NLM_F_CAPPED = 0x100;
/** In an answer: attributes with details follow the error. */
export const NLM_F_ACK_TLVS = 0x200;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLA_F_NESTED = 0x8000;
export const NLA_TYPE_MASK = 0x3fff;
const NLMSGERR_ATTR_MSG = 1;

/** `lengthBytes` rounded up to a multiple of 4. */
export function aligned(lengthBytes: number): number {
  return (lengthBytes + 3) & ~3;
}

/**
 * Length of the message at `at` by its own header, or 0 when the bytes up to `end`
 * hold no whole message. The next one starts `aligned(length)` further.
 */
export function messageLength(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < NLMSG_HEADER_BYTES) return 0;
  const lengthBytes = u32le(bytes, at);
  return lengthBytes < NLMSG_HEADER_BYTES || lengthBytes > end - at ? 0 : lengthBytes;
}

export function messageType(bytes: Uint8Array, at: number): number {
  return u16le(bytes, at + 4);
}

export function messageFlags(bytes: Uint8Array, at: number): number {
  return u16le(bytes, at + 6);
}

export function messageSequence(bytes: Uint8Array, at: number): number {
  return u32le(bytes, at + 8);
}

/** Calls `visit(at, end)` for each whole message. Returns false if bytes were left over. */
export function forEachMessage(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (at: number, messageEnd: number) => void,
): boolean {
  let at = start;
  while (at < end) {
    const lengthBytes = messageLength(bytes, at, end);
    if (lengthBytes === 0) return false;
    visit(at, at + lengthBytes);
    at += aligned(lengthBytes);
  }
  return true;
}

/** An acknowledgement (`errno` 0) or refusal, from NLMSG_ERROR or the end of a dump. */
export interface Acknowledgement {
  /** Positive error number, 0 for success. */
  readonly errno: number;
  /** The kernel's own words (extended acknowledgement), '' if none. */
  readonly text: string;
}

/** Reads NLMSG_ERROR or NLMSG_DONE at `at`; null when it is neither or cut off. */
export function readAcknowledgement(bytes: Uint8Array, at: number, end: number): Acknowledgement | null {
  const type = messageType(bytes, at);
  const bodyAt = at + NLMSG_HEADER_BYTES;
  if (type === NLMSG_DONE && end - bodyAt < 4) return { errno: 0, text: '' };
  if ((type !== NLMSG_ERROR && type !== NLMSG_DONE) || end - bodyAt < 4) return null;
  const errno = 0 - (u32le(bytes, bodyAt) | 0);
  if ((messageFlags(bytes, at) & NLM_F_ACK_TLVS) === 0) return { errno, text: '' };
  let attributesAt = bodyAt + 4;
  if (type === NLMSG_ERROR) {
    if (end - attributesAt < NLMSG_HEADER_BYTES) return { errno, text: '' };
    const isCapped = (messageFlags(bytes, at) & NLM_F_CAPPED) !== 0;
    attributesAt += isCapped ? NLMSG_HEADER_BYTES : aligned(u32le(bytes, attributesAt));
  }
  let text = '';
  forEachAttribute(bytes, attributesAt, end, (attribute, valueAt, valueEnd) => {
    if (attribute === NLMSGERR_ATTR_MSG) text = zeroTerminated(bytes, valueAt, valueEnd);
  });
  return { errno, text };
}

/** ASCII text up to a zero byte or `end`; bytes outside printable ASCII become `?`. */
export function zeroTerminated(bytes: Uint8Array, at: number, end: number): string {
  let text = '';
  for (; at < end && bytes[at] !== 0; at++) {
    const byte = bytes[at] ?? 0;
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
  }
  return text;
}

/** Calls `visit(type, valueAt, valueEnd)` for each attribute. Returns false if the bytes are malformed; what came before was visited. */
export function forEachAttribute(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (type: number, valueAt: number, valueEnd: number) => void,
): boolean {
  let at = start;
  while (end - at >= NLA_HEADER_BYTES) {
    const lengthBytes = u16le(bytes, at);
    if (lengthBytes < NLA_HEADER_BYTES || lengthBytes > end - at) return false;
    visit(u16le(bytes, at + 2) & NLA_TYPE_MASK, at + NLA_HEADER_BYTES, at + lengthBytes);
    at += aligned(lengthBytes);
  }
  return at >= end;
}

/**
 * Positions of the attributes of one level by type: the fast way to read
 * messages with many attributes. One object is reused for all messages.
 */
export class AttributeIndex {
  /** Position of the value of attribute `type`, 0 when absent. */
  readonly valueAt: Int32Array;
  readonly lengthBytes: Int32Array;

  /** Attributes with types above `maxType` are ignored. */
  constructor(maxType: number) {
    this.valueAt = new Int32Array(maxType + 1);
    this.lengthBytes = new Int32Array(maxType + 1);
  }

  /** Indexes [start, end); the last attribute of a type wins. Returns false if malformed. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    const { valueAt } = this;
    // A call of `fill` costs more than so few stores.
    for (let type = 0; type < valueAt.length; type++) valueAt[type] = 0;
    let at = start;
    while (end - at >= NLA_HEADER_BYTES) {
      const lengthBytes = u16le(bytes, at);
      if (lengthBytes < NLA_HEADER_BYTES || lengthBytes > end - at) return false;
      const type = u16le(bytes, at + 2) & NLA_TYPE_MASK;
      if (type < valueAt.length) {
        valueAt[type] = at + NLA_HEADER_BYTES;
        this.lengthBytes[type] = lengthBytes - NLA_HEADER_BYTES;
      }
      at += aligned(lengthBytes);
    }
    return at >= end;
  }

  /** Position of the value when the attribute is there with at least `lengthBytes`, else 0 (no value starts at 0: a header precedes it). */
  at(type: number, lengthBytes: number): number {
    const valueAt = this.valueAt[type] ?? 0;
    return valueAt !== 0 && (this.lengthBytes[type] ?? 0) >= lengthBytes ? valueAt : 0;
  }

  /** End of the value; valid iff the attribute is there. */
  end(type: number): number {
    return (this.valueAt[type] ?? 0) + (this.lengthBytes[type] ?? 0);
  }
}
