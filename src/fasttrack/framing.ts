/**
 * Framing inside a FastTrack session, after decryption.
 *
 *   0x50                          ping
 *   0x52                          pong
 *   0x4B | header, 4 | body       packet: 16-bit type and 16-bit body length
 *
 * The order of the four header bytes depends on a counter that each direction
 * keeps: k starts at 0x51, and after each packet k = k XOR NOT(type + length).
 *
 *   k mod 3 = 0: type-lo type-hi len-hi len-lo
 *             1: type-hi len-hi type-lo len-lo
 *             2: type-hi len-lo len-hi type-lo
 */

export const SESSION_PING = 0x50;
export const SESSION_PONG = 0x52;
const PACKET = 0x4b;
const HEADER_BYTES = 5;
const FIRST_COUNTER = 0x51;

/** For each k mod 3: position, after 0x4B, of type-hi, type-lo, len-hi, len-lo. */
const ORDERS = [
  [1, 0, 2, 3],
  [0, 2, 1, 3],
  [0, 3, 2, 1],
] as const;

export type Frame =
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong' }
  | { readonly kind: 'packet'; readonly type: number; readonly body: Uint8Array };

function nextCounter(counter: number, type: number, lengthBytes: number): number {
  return (counter ^ ~(type + lengthBytes)) >>> 0;
}

/** Writes the frames of one direction. */
export class FrameWriter {
  #counter = FIRST_COUNTER;

  /** Counter after the frames so far, unsigned 32 bits. */
  get counter(): number {
    return this.#counter;
  }

  /** A packet of at most 65,535 body bytes. */
  packet(type: number, body: Uint8Array): Uint8Array {
    if (body.length > 0xffff) throw new RangeError(`a FastTrack packet holds at most 65535 bytes, not ${body.length}`);
    const order = ORDERS[this.#counter % 3] ?? ORDERS[0];
    const out = new Uint8Array(HEADER_BYTES + body.length);
    out[0] = PACKET;
    out[1 + order[0]] = type >>> 8;
    out[1 + order[1]] = type;
    out[1 + order[2]] = body.length >>> 8;
    out[1 + order[3]] = body.length;
    out.set(body, HEADER_BYTES);
    this.#counter = nextCounter(this.#counter, type, body.length);
    return out;
  }
}

/** Reads the frames of one direction out of plain bytes that arrive in any pieces. */
export class FrameReader {
  #counter = FIRST_COUNTER;
  #pending: Uint8Array = new Uint8Array(0);
  #isBroken = false;

  /** True after a byte that starts no frame: nothing further can be read. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** All frames completed by these bytes. At most one packet (65,540 bytes) is kept waiting. */
  read(plain: Uint8Array): Frame[] {
    const bytes = new Uint8Array(this.#pending.length + plain.length);
    bytes.set(this.#pending);
    bytes.set(plain, this.#pending.length);
    const frames: Frame[] = [];
    let at = 0;
    while (at < bytes.length && !this.#isBroken) {
      const kind = bytes[at];
      if (kind === SESSION_PING || kind === SESSION_PONG) {
        frames.push({ kind: kind === SESSION_PING ? 'ping' : 'pong' });
        at++;
        continue;
      }
      if (kind !== PACKET) {
        this.#isBroken = true;
        break;
      }
      if (bytes.length - at < HEADER_BYTES) break;
      const order = ORDERS[this.#counter % 3] ?? ORDERS[0];
      const header = (i: 0 | 1 | 2 | 3): number => bytes[at + 1 + order[i]] ?? 0;
      const type = (header(0) << 8) | header(1);
      const lengthBytes = (header(2) << 8) | header(3);
      const end = at + HEADER_BYTES + lengthBytes;
      if (end > bytes.length) break;
      frames.push({ kind: 'packet', type, body: bytes.slice(at + HEADER_BYTES, end) });
      this.#counter = nextCounter(this.#counter, type, lengthBytes);
      at = end;
    }
    this.#pending = this.#isBroken ? new Uint8Array(0) : bytes.slice(at);
    return frames;
  }
}
