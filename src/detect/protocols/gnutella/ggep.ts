/**
 * GGEP, the Gnutella Generic Extension Protocol (version 0.51): a block of named
 * values behind pings, pongs, queries and hits. Walks the framing only; values
 * that are COBS-encoded or deflated are stepped over, not decoded.
 *
 *   C3 | flags: last, COBS, deflate, 0, id length (4 bits) | id | length (1 to 3 bytes) | value | ...
 *   length byte: bit 7 more follow, bit 6 last, 6 bits of the number, most significant first
 */
import { u8 } from '../../../base/bytes.js';

export const GGEP_MAGIC = 0xc3;
const LAST = 0x80;
const COBS = 0x40;
const DEFLATE = 0x20;
const RESERVED = 0x10;
const ID_LENGTH = 0x0f;
const LENGTH_MORE = 0x80;
const LENGTH_LAST = 0x40;

/** One extension; `isPlain` when its value is stored as it is. */
export type GgepVisitor = (idAt: number, idBytes: number, valueAt: number, valueBytes: number, isPlain: boolean) => void;

/** Position behind the block that begins with the magic byte at `at`; -1 when it is malformed or cut. */
export function ggepEnd(bytes: Uint8Array, at: number, end: number, visit?: GgepVisitor): number {
  if (at >= end || u8(bytes, at) !== GGEP_MAGIC) return -1;
  let next = at + 1;
  for (;;) {
    if (next >= end) return -1;
    const flags = u8(bytes, next++);
    const idBytes = flags & ID_LENGTH;
    if ((flags & RESERVED) !== 0 || idBytes === 0) return -1;
    const idAt = next;
    next += idBytes;
    if (next > end) return -1;
    for (let i = idAt; i < next; i++) if (u8(bytes, i) === 0) return -1;
    let valueBytes = 0;
    for (let i = 0; ; i++) {
      if (next >= end || i === 3) return -1;
      const byte = u8(bytes, next++);
      valueBytes = (valueBytes << 6) | (byte & 0x3f);
      const kind = byte & (LENGTH_MORE | LENGTH_LAST);
      if (kind === LENGTH_LAST) break;
      if (kind !== LENGTH_MORE) return -1;
    }
    const valueAt = next;
    next += valueBytes;
    if (next > end) return -1;
    if (visit) visit(idAt, idBytes, valueAt, valueBytes, (flags & (COBS | DEFLATE)) === 0);
    if ((flags & LAST) !== 0) return next;
  }
}
