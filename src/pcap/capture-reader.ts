/**
 * CaptureReader: packets out of the bytes of a pcap or pcapng capture, in constant memory.
 *
 * Pull parser: `feed` a chunk, call `next` until it says `more`, feed again; after the last
 * chunk call `finish` and `next` until `end` or `error`. Nothing is allocated for a packet
 * and only packets that straddle two chunks are copied. Reads no files, decompresses
 * nothing, ignores names, statistics, secrets and comments. Specification: `formats.ts`.
 *
 *   pcap record      seconds 4 | fraction 4 | captured length 4 | original length 4 | data
 *   pcapng block     type 4 | total length 4 | body | total length 4
 *   enhanced packet  interface 4 | time high 4, low 4 | captured 4 | original 4 | data | options
 *   obsolete packet  interface 2, drops 2 | the rest as above
 *   simple packet    original length 4 | data
 */
import { u16, u16le, u32, u32le } from '../base/bytes.js';
import * as formats from './formats.js';
import type { CaptureError } from './formats.js';
import { type CaptureInterface, readInterface } from './pcapng-interface.js';
import { ChunkWindow } from './window.js';

/**
 * - `packet`: the packet fields of the reader describe the next packet.
 * - `more`: feed the next chunk, or call `finish`.
 * - `end`: the input ended after a whole record.
 * - `error`: see `error`; the answer stays the same from now on.
 */
export type ReadStatus = 'packet' | 'more' | 'end' | 'error';

const UNKNOWN = 0;
const PCAP = 1;
const PCAPNG = 2;

/** ECMA-262 section 21.4.1.1: later times are no Date. */
const MAX_TIME_MS = 8.64e15;

export class CaptureReader {
  /** Borrowed: the packet is `bytes[start, end)` until the next call of `next`. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** Length on the wire; `end - start` may be smaller (snap length). */
  originalLengthBytes = 0;
  /** LINKTYPE_ value (see `wire/link-types.ts`). */
  linkType = 0;
  /** Milliseconds since 1970 with a fraction; microseconds survive. Packets without time (simple packet block) repeat the last one. */
  timeMs = 0;
  /** Packets delivered so far. */
  packetCount = 0;
  /** Valid iff `next` said `error`. */
  error: CaptureError | null = null;

  readonly #window = new ChunkWindow();
  #format = UNKNOWN;
  #isFinished = false;
  #isLittle = true;
  /** pcap: length of a record header. */
  #recordBytes = formats.PCAP_RECORD_BYTES;
  /** pcap: milliseconds of one unit of the fraction. */
  #fractionMs = 0.001;
  /** pcapng: interfaces of the current section. */
  #interfaces: CaptureInterface[] = [];
  /** pcapng: bytes of the current block that nobody needs. */
  #skipBytes = 0;

  /** Offers the next bytes. Call only at the start and after `next` said `more`. Borrowed until `more` again. */
  feed(chunk: Uint8Array, start = 0, end = chunk.length): void {
    this.#window.feed(chunk, start, end);
  }

  /** No more chunks will come. */
  finish(): void {
    this.#isFinished = true;
  }

  /** Offset in the input of the next record. */
  get offsetBytes(): number {
    return this.#window.offset;
  }

  /** Offset in the input of the first captured byte of the packet that `next` just delivered. */
  get packetAtBytes(): number {
    return this.#window.origin + this.start;
  }

  next(): ReadStatus {
    if (this.#format === PCAP) return this.#nextRecord();
    if (this.error !== null) return 'error';
    if (this.#format === PCAPNG) return this.#nextBlock();
    return this.#begin();
  }

  #nextRecord(): ReadStatus {
    const window = this.#window;
    const headerBytes = this.#recordBytes;
    if (this.error !== null) return 'error';
    const isLittle = this.#isLittle;
    let wholeBytes = headerBytes;
    if (window.end - window.at >= headerBytes || window.gather(headerBytes)) {
      const capturedBytes = isLittle ? u32le(window.bytes, window.at + 8) : u32(window.bytes, window.at + 8);
      if (capturedBytes > formats.MAX_PACKET_BYTES) return this.#failLength(capturedBytes);
      wholeBytes += capturedBytes;
    }
    if (window.end - window.at < wholeBytes && !window.gather(wholeBytes)) return this.#starve();
    const { bytes, at } = window;
    const seconds = isLittle ? u32le(bytes, at) : u32(bytes, at);
    const fraction = isLittle ? u32le(bytes, at + 4) : u32(bytes, at + 4);
    if (this.bytes !== bytes) this.bytes = bytes;
    this.start = at + headerBytes;
    this.end = at + wholeBytes;
    this.originalLengthBytes = isLittle ? u32le(bytes, at + 12) : u32(bytes, at + 12);
    this.timeMs = seconds * 1000 + fraction * this.#fractionMs;
    this.packetCount++;
    window.at = at + wholeBytes;
    return 'packet';
  }

  /** Reads the file header of pcap, or finds that the input is pcapng or neither. */
  #begin(): ReadStatus {
    const window = this.#window;
    if (!window.gather(4)) return this.#isFinished ? this.#refuse() : 'more';
    const magic = u32(window.bytes, window.at);
    if (magic === formats.PCAPNG_SECTION) {
      this.#format = PCAPNG;
      return this.#nextBlock();
    }
    const magicLittle = u32le(window.bytes, window.at);
    this.#isLittle = isPcapMagic(magicLittle);
    if (!this.#isLittle && !isPcapMagic(magic)) {
      // Six bytes name the foreign formats; a shorter input has none of them.
      if (!window.gather(6) && !this.#isFinished) return 'more';
      return this.#refuse();
    }
    if (!window.gather(formats.PCAP_HEADER_BYTES)) return this.#starve();
    const { bytes, at } = window;
    const variant = this.#isLittle ? magicLittle : magic;
    if (variant === formats.PCAP_MAGIC_NANOSECONDS) this.#fractionMs = 0.000_001;
    if (variant === formats.PCAP_MAGIC_KUZNETZOV) this.#recordBytes = formats.PCAP_RECORD_BYTES_KUZNETZOV;
    // The upper bits of the field tell about frame check sequences.
    this.linkType = (this.#isLittle ? u32le(bytes, at + 20) : u32(bytes, at + 20)) & 0xffff;
    window.at += formats.PCAP_HEADER_BYTES;
    this.#format = PCAP;
    return this.#nextRecord();
  }

  #nextBlock(): ReadStatus {
    const window = this.#window;
    for (;;) {
      if (this.#skipBytes > 0) {
        this.#skipBytes = window.skip(this.#skipBytes);
        if (this.#skipBytes > 0) return this.#starve();
      }
      if (window.end - window.at < 12 && !window.gather(12)) return this.#starve();
      const type = this.#read32(window.at);
      if (type === formats.PCAPNG_SECTION) {
        const order = u32(window.bytes, window.at + 8);
        this.#isLittle = order !== formats.PCAPNG_BYTE_ORDER;
        if (this.#isLittle && u32le(window.bytes, window.at + 8) !== formats.PCAPNG_BYTE_ORDER) {
          return this.#fail('malformed', 'a section begins without its byte-order mark');
        }
        this.#interfaces = [];
      }
      const totalBytes = this.#read32(window.at + 4);
      if (totalBytes < formats.PCAPNG_BLOCK_BYTES || (totalBytes & 3) !== 0) {
        return this.#fail('malformed', `a block of type ${type} says that it has ${totalBytes} bytes`);
      }
      if (type === formats.PCAPNG_ENHANCED_PACKET || type === formats.PCAPNG_PACKET) return this.#packetBlock(type, totalBytes);
      if (type === formats.PCAPNG_SIMPLE_PACKET) return this.#simplePacketBlock(totalBytes);
      if (type === formats.PCAPNG_INTERFACE) {
        const status = this.#interfaceBlock(totalBytes);
        if (status !== null) return status;
      } else {
        this.#skipBytes = totalBytes;
      }
    }
  }

  #packetBlock(type: number, totalBytes: number): ReadStatus {
    const window = this.#window;
    if (totalBytes < 32) return this.#fail('malformed', `a packet block says that it has ${totalBytes} bytes`);
    if (window.end - window.at < 28 && !window.gather(28)) return this.#starve();
    const isLittle = this.#isLittle;
    const capturedBytes = isLittle ? u32le(window.bytes, window.at + 20) : u32(window.bytes, window.at + 20);
    if (capturedBytes > totalBytes - 32 || capturedBytes > formats.MAX_PACKET_BYTES) return this.#failLength(capturedBytes);
    if (window.end - window.at < 28 + capturedBytes && !window.gather(28 + capturedBytes)) return this.#starve();
    const { bytes, at } = window;
    const index = type === formats.PCAPNG_PACKET ? this.#read16(at + 8) : this.#read32(at + 8);
    const described = this.#interfaces[index];
    if (described === undefined) {
      return this.#fail('malformed', `packet ${this.packetCount + 1} is of interface ${index}, which no block describes`);
    }
    const high = isLittle ? u32le(bytes, at + 12) : u32(bytes, at + 12);
    const low = isLittle ? u32le(bytes, at + 16) : u32(bytes, at + 16);
    const timeMs = (high * 0x1_0000_0000 + low) / described.ticksPerMs + described.offsetMs;
    this.timeMs = timeMs >= 0 && timeMs <= MAX_TIME_MS ? timeMs : 0;
    this.originalLengthBytes = isLittle ? u32le(bytes, at + 24) : u32(bytes, at + 24);
    return this.#deliver(described.linkType, 28, capturedBytes, totalBytes);
  }

  #simplePacketBlock(totalBytes: number): ReadStatus {
    const window = this.#window;
    if (totalBytes < 16) return this.#fail('malformed', `a simple packet block says that it has ${totalBytes} bytes`);
    const described = this.#interfaces[0];
    if (described === undefined) return this.#fail('malformed', 'a simple packet block comes before any interface');
    const originalBytes = this.#read32(window.at + 8);
    // Padding is not told from data otherwise: the captured length is the smaller of wire and snap length.
    let capturedBytes = Math.min(originalBytes, totalBytes - 16);
    if (described.snapBytes > 0) capturedBytes = Math.min(capturedBytes, described.snapBytes);
    if (capturedBytes > formats.MAX_PACKET_BYTES) return this.#failLength(capturedBytes);
    if (!window.gather(12 + capturedBytes)) return this.#starve();
    this.originalLengthBytes = originalBytes;
    return this.#deliver(described.linkType, 12, capturedBytes, totalBytes);
  }

  #deliver(linkType: number, headerBytes: number, capturedBytes: number, totalBytes: number): ReadStatus {
    const window = this.#window;
    this.linkType = linkType;
    if (this.bytes !== window.bytes) this.bytes = window.bytes;
    this.start = window.at + headerBytes;
    this.end = this.start + capturedBytes;
    this.packetCount++;
    if (window.end - window.at >= totalBytes) {
      window.at += totalBytes;
    } else {
      window.at = this.end;
      this.#skipBytes = totalBytes - headerBytes - capturedBytes;
    }
    return 'packet';
  }

  #interfaceBlock(totalBytes: number): ReadStatus | null {
    const window = this.#window;
    if (totalBytes < 20 || totalBytes > formats.MAX_HEADER_BLOCK_BYTES) {
      return this.#fail('malformed', `an interface block says that it has ${totalBytes} bytes`);
    }
    if (!window.gather(totalBytes)) return this.#starve();
    if (this.#interfaces.length >= formats.MAX_INTERFACES) {
      return this.#fail('malformed', `the section describes more than ${formats.MAX_INTERFACES} interfaces`);
    }
    this.#interfaces.push(readInterface(window.bytes, window.at, totalBytes, this.#isLittle));
    window.at += totalBytes;
    return null;
  }

  #read16(at: number): number {
    return this.#isLittle ? u16le(this.#window.bytes, at) : u16(this.#window.bytes, at);
  }

  #read32(at: number): number {
    return this.#isLittle ? u32le(this.#window.bytes, at) : u32(this.#window.bytes, at);
  }

  /** The window holds less than the next record needs. */
  #starve(): ReadStatus {
    if (!this.#isFinished) return 'more';
    const { end, at } = this.#window;
    if (end === at && this.#skipBytes === 0) return this.#format === UNKNOWN ? this.#refuse() : 'end';
    const where = this.#format === UNKNOWN ? 'its header' : `the record after packet ${this.packetCount}`;
    return this.#fail('truncated', `the capture ends inside ${where}`);
  }

  #refuse(): ReadStatus {
    const { bytes, at, end } = this.#window;
    this.error = formats.notACapture(bytes.subarray(at, Math.min(end, at + 6)));
    return 'error';
  }

  #failLength(capturedBytes: number): ReadStatus {
    return this.#fail('malformed', `packet ${this.packetCount + 1} says that ${capturedBytes} bytes of it were captured`);
  }

  #fail(kind: CaptureError['kind'], what: string): ReadStatus {
    const atBytes = this.#window.offset;
    this.error = { kind, message: `${what} (at byte ${atBytes})`, atBytes };
    return 'error';
  }
}

function isPcapMagic(magic: number): boolean {
  return magic === formats.PCAP_MAGIC || magic === formats.PCAP_MAGIC_NANOSECONDS || magic === formats.PCAP_MAGIC_KUZNETZOV;
}
