/**
 * Builds netlink messages, one after the other, into one growing array.
 * Framing as in `message.ts`. Values inside attributes are written in the byte
 * order the caller names: `u32` is host order (little-endian), `u32be` network order.
 */
import { invariant } from '../base/assert.js';
import { NLA_F_NESTED, NLA_HEADER_BYTES, NLMSG_HEADER_BYTES, aligned } from './message.js';

export class MessageWriter {
  private buffer: Uint8Array;
  private used = 0;
  private messageAt = -1;
  private readonly nestedAt: number[] = [];

  constructor(capacityBytes = 256) {
    this.buffer = new Uint8Array(capacityBytes);
  }

  /** Bytes written so far; includes only ended messages when none is open. */
  get lengthBytes(): number {
    return this.used;
  }

  /** The buffer itself, borrowed until the next write: the first `lengthBytes` bytes count. */
  get bytes(): Uint8Array {
    return this.buffer;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.used);
  }

  /** Forgets everything written; keeps the memory. */
  reset(): void {
    this.used = 0;
    this.messageAt = -1;
    this.nestedAt.length = 0;
  }

  /** Opens a message; its length is filled in by `end`. The port stays 0: the kernel is addressed. */
  begin(type: number, flags: number, sequence: number): this {
    invariant(this.messageAt < 0, 'a netlink message was not ended');
    this.messageAt = this.used;
    return this.u32(0).u16(type).u16(flags).u32(sequence).u32(0);
  }

  end(): this {
    invariant(this.messageAt >= 0 && this.nestedAt.length === 0, 'no open message, or an open nested attribute');
    const lengthBytes = this.used - this.messageAt;
    invariant(lengthBytes >= NLMSG_HEADER_BYTES, 'a message has a header');
    this.put32(this.messageAt, lengthBytes);
    this.pad();
    this.messageAt = -1;
    return this;
  }

  u8(value: number): this {
    const at = this.reserve(1);
    this.buffer[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.reserve(2);
    this.buffer[at] = value;
    this.buffer[at + 1] = value >>> 8;
    return this;
  }

  u32(value: number): this {
    this.put32(this.reserve(4), value);
    return this;
  }

  u16be(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }

  u32be(value: number): this {
    return this.u16be(value >>> 16).u16be(value);
  }

  raw(bytes: Uint8Array): this {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
    return this;
  }

  /** An attribute whose value is `bytes`. */
  attribute(type: number, bytes: Uint8Array): this {
    return this.u16(NLA_HEADER_BYTES + bytes.length).u16(type).raw(bytes).pad();
  }

  attributeU8(type: number, value: number): this {
    return this.u16(NLA_HEADER_BYTES + 1).u16(type).u8(value).pad();
  }

  attributeU16be(type: number, value: number): this {
    return this.u16(NLA_HEADER_BYTES + 2).u16(type).u16be(value).pad();
  }

  attributeU32be(type: number, value: number): this {
    return this.u16(NLA_HEADER_BYTES + 4).u16(type).u32be(value);
  }

  attributeU32(type: number, value: number): this {
    return this.u16(NLA_HEADER_BYTES + 4).u16(type).u32(value);
  }

  beginNested(type: number): this {
    this.nestedAt.push(this.used);
    return this.u16(0).u16(type | NLA_F_NESTED);
  }

  endNested(): this {
    const at = this.nestedAt.pop();
    invariant(at !== undefined, 'no open nested attribute');
    const lengthBytes = this.used - at;
    this.buffer[at] = lengthBytes;
    this.buffer[at + 1] = lengthBytes >>> 8;
    return this;
  }

  private pad(): this {
    const rest = aligned(this.used) - this.used;
    for (let i = 0; i < rest; i++) this.u8(0);
    return this;
  }

  private put32(at: number, value: number): void {
    this.buffer[at] = value;
    this.buffer[at + 1] = value >>> 8;
    this.buffer[at + 2] = value >>> 16;
    this.buffer[at + 3] = value >>> 24;
  }

  /** Makes room for `lengthBytes` and returns where they start. */
  private reserve(lengthBytes: number): number {
    const at = this.used;
    this.used += lengthBytes;
    if (this.used > this.buffer.length) {
      const larger = new Uint8Array(Math.max(this.used, this.buffer.length * 2));
      larger.set(this.buffer.subarray(0, at));
      this.buffer = larger;
    }
    return at;
  }
}
