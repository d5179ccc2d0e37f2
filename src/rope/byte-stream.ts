/**
 * Numbers of variable length (LEB128) in a growing or given array: for `container.ts`.
 *
 * The reader never throws: reading beyond the end or a number of more than 32
 * bits sets `isBad`, and everything read from then on is 0 or empty.
 */
import { concat } from '../base/bytes.js';

export class ByteWriter {
  readonly #parts: Uint8Array[] = [];
  #pending: number[] = [];

  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 127) {
      this.#pending.push((rest & 127) | 128);
      rest >>>= 7;
    }
    this.#pending.push(rest);
  }

  /** Zigzag: small numbers of both signs are short. */
  signed(value: number): void {
    this.unsigned((value << 1) ^ (value >> 31));
  }

  /** Length, then the bytes. */
  string(bytes: Uint8Array): void {
    this.unsigned(bytes.length);
    this.#parts.push(Uint8Array.from(this.#pending), bytes);
    this.#pending = [];
  }

  bytes(): Uint8Array {
    return concat(...this.#parts, Uint8Array.from(this.#pending));
  }
}

export class ByteReader {
  isBad = false;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  unsigned(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || (shift === 28 && byte > 15)) break;
      this.#at++;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return this.isBad ? 0 : value;
    }
    return this.#fail(0);
  }

  signed(): number {
    const value = this.unsigned();
    return (value >>> 1) ^ -(value & 1);
  }

  /** Borrowed. */
  string(): Uint8Array {
    const length = this.unsigned();
    if (length > this.#bytes.length - this.#at) return this.#fail(new Uint8Array(0));
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #fail<T>(value: T): T {
    this.isBad = true;
    this.#at = this.#bytes.length;
    return value;
  }
}
