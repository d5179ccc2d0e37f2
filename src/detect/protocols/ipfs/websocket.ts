/**
 * The first payload bytes inside WebSocket frames (RFC 6455 section 5.2), unmasked.
 * Only what is needed to see how a conversation opens: no messages longer than
 * 65,535 bytes, no extensions, control frames stepped over.
 *
 *   FIN RSV opcode | MASK length 7 | [length 16] | [masking key 4] | payload
 */
import { u16, u8 } from '../../../base/bytes.js';

const OPCODE_CONTINUATION = 0;
const OPCODE_BINARY = 2;
/** Opcodes from here on are control frames: close, ping, pong. */
const OPCODE_CONTROL = 8;

/** Copies payload of binary frames in [at, end) to `out` until it is full or bytes end. Returns the count copied, or -1 when these are no such frames. */
export function readWebSocketStart(bytes: Uint8Array, at: number, end: number, out: Uint8Array): number {
  let count = 0;
  while (at + 2 <= end && count < out.length) {
    const first = u8(bytes, at);
    const opcode = first & 0x0f;
    const isControl = opcode >= OPCODE_CONTROL && opcode <= OPCODE_CONTROL + 2;
    if ((first & 0x70) !== 0 || !(isControl || opcode === OPCODE_BINARY || opcode === OPCODE_CONTINUATION)) return -1;
    const isMasked = (u8(bytes, at + 1) & 0x80) !== 0;
    let lengthBytes = u8(bytes, at + 1) & 0x7f;
    at += 2;
    if (lengthBytes === 127) return -1;
    if (lengthBytes === 126) {
      if (at + 2 > end) return count;
      lengthBytes = u16(bytes, at);
      at += 2;
    }
    const maskAt = at;
    if (isMasked) at += 4;
    if (at > end) return count;
    if (!isControl) {
      for (let i = 0; i < lengthBytes && at + i < end && count < out.length; i++) {
        out[count++] = u8(bytes, at + i) ^ (isMasked ? u8(bytes, maskAt + (i & 3)) : 0);
      }
    }
    at += lengthBytes;
  }
  return count;
}
