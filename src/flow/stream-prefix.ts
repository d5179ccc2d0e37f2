/**
 * The first bytes of one direction of a TCP stream, put in order.
 *
 * Segments may come in any order, overlap, repeat, and be split anywhere. Bytes are
 * written once: where segments disagree the first one wins (what a receiver does
 * differs between systems; an attacker who can make us see other bytes than the
 * receiver can do that against any choice, RFC 9293 leaves it open). Bytes beyond the
 * window are dropped, the number of separate out-of-order pieces is bounded.
 */

/** Out-of-order pieces remembered; more than this many holes in 4 KiB is no traffic worth waiting for. */
const MAX_PIECES = 8;
const NO_PIECES = new Int32Array(0);

/** Part of a larger buffer. Many small buffers of their own cost V8 more than their bytes (bench/identify.ts). */
export interface BufferPart {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly sizeBytes: number;
}

/** Buffers whose memory is allocated together. */
const BUFFERS_PER_CHUNK = 32;
/** A full segment of an Ethernet path fits (RFC 6691: 1,460 bytes): most prefixes that outgrow their first place never need more. */
const SEGMENT_BUFFER_BYTES = 1536;

/** Buffers of one size, kept for the next prefix that needs one. */
class BufferStock {
  readonly sizeBytes: number;
  readonly #spare: BufferPart[] = [];
  #chunk: Uint8Array = new Uint8Array(0);
  #chunkAt = 0;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }
  take(): BufferPart {
    return this.#spare.pop() ?? this.#make();
  }
  give(part: BufferPart): void {
    this.#spare.push(part);
  }

  #make(): BufferPart {
    const { sizeBytes } = this;
    if (this.#chunkAt === this.#chunk.length) {
      this.#chunk = new Uint8Array(sizeBytes * BUFFERS_PER_CHUNK);
      this.#chunkAt = 0;
    }
    const part = { bytes: this.#chunk, at: this.#chunkAt, sizeBytes };
    this.#chunkAt += sizeBytes;
    return part;
  }
}

/** Buffers for prefixes that outgrew their first place: of a segment's size, and of the largest that a prefix can have. */
export class GrownBuffers {
  readonly sizeBytes: number;
  readonly #segments = new BufferStock(SEGMENT_BUFFER_BYTES);
  readonly #whole: BufferStock;

  /** `sizeBytes`: of the larger ones. */
  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#whole = new BufferStock(sizeBytes);
  }
  /** The smallest that holds `neededBytes`, which `sizeBytes` does. */
  take(neededBytes: number): BufferPart {
    return neededBytes <= SEGMENT_BUFFER_BYTES && SEGMENT_BUFFER_BYTES < this.sizeBytes ? this.#segments.take() : this.#whole.take();
  }
  give(part: BufferPart): void {
    if (part.sizeBytes === this.sizeBytes) this.#whole.give(part);
    else this.#segments.give(part);
  }
}

export class StreamPrefix {
  /** The contiguous bytes from the stream's start are `bytes[at, at + length)`. Replaced when they outgrow their place. */
  bytes: Uint8Array;
  at: number;
  length = 0;
  readonly #limitBytes: number;
  readonly #first: BufferPart;
  readonly #grown: GrownBuffers;
  /** Where the bytes are: `#first`, or a part of `#grown`. */
  #part: BufferPart;
  /** Pieces beyond a hole: [from, to) pairs, disjoint, sorted. Allocated with the first hole. */
  #pieces: Int32Array = NO_PIECES;
  #pieceCount = 0;

  /** Keeps as many bytes as a grown buffer holds: in `first` while they fit there. */
  constructor(first: BufferPart, grown: GrownBuffers) {
    this.#limitBytes = grown.sizeBytes;
    this.#grown = grown;
    this.#first = first;
    this.#part = first;
    this.bytes = first.bytes;
    this.at = first.at;
  }

  /** Forget everything, and go back to the first place. */
  reset(): void {
    this.#move(this.#first);
    this.length = 0;
    this.#pieceCount = 0;
  }

  #move(part: BufferPart): void {
    if (part === this.#part) return;
    if (this.#part !== this.#first) this.#grown.give(this.#part);
    this.#part = part;
    this.bytes = part.bytes;
    this.at = part.at;
  }

  /** No further byte can be taken. */
  get isFull(): boolean {
    return this.length >= this.#limitBytes;
  }

  /** True while bytes wait behind a hole. */
  get hasHole(): boolean {
    return this.#pieceCount > 0;
  }

  /** Room before the next growth. */
  get sizeBytes(): number {
    return this.#part.sizeBytes;
  }

  /**
   * Adds a segment that begins `offset` bytes after the stream's start (negative: partly
   * before it). Copies what is new. Returns the number of bytes by which the contiguous
   * prefix grew.
   */
  add(source: Uint8Array, start: number, end: number, offset: number): number {
    let from = offset;
    let sourceAt = start;
    if (from < this.length) {
      sourceAt += this.length - from;
      from = this.length;
    }
    const to = Math.min(offset + (end - start), this.#limitBytes);
    if (from >= to || sourceAt >= end) return 0;
    const before = this.length;
    if (this.#pieceCount === 0 && from === this.length) {
      this.#reserve(to);
      this.#copy(source, sourceAt, from, to);
      this.length = to;
      return to - before;
    }
    this.#insert(source, sourceAt, from, to);
    this.#join();
    return this.length - before;
  }

  /** Moves the stream's start back: a segment from before it arrived late. Returns false when it does not adjoin or fit. */
  prepend(source: Uint8Array, start: number, end: number): boolean {
    const added = end - start;
    if (this.#pieceCount > 0 || added + this.length > this.#limitBytes) return false;
    this.#reserve(added + this.length);
    this.bytes.copyWithin(this.at + added, this.at, this.at + this.length);
    this.#copy(source, start, 0, added);
    this.length += added;
    return true;
  }

  #reserve(sizeBytes: number): void {
    if (sizeBytes <= this.#part.sizeBytes) return;
    const { bytes, at } = this;
    // What is given back may be read until the next `take`.
    this.#move(this.#grown.take(sizeBytes));
    // Pieces beyond a hole count too: all that was written is moved.
    const written = this.#pieceCount === 0 ? this.length : this.#pieces[2 * this.#pieceCount - 1]!;
    copyBytes(bytes, at, this.bytes, this.at, written);
  }

  /** Writes the parts of [from, to) that no piece holds yet, and records them. */
  #insert(source: Uint8Array, sourceAt: number, from: number, to: number): void {
    const pieces = this.#pieces;
    this.#reserve(to);
    let at = from;
    for (let i = 0; i < this.#pieceCount && at < to; i++) {
      const pieceFrom = pieces[2 * i]!;
      const pieceTo = pieces[2 * i + 1]!;
      if (pieceTo <= at) continue;
      if (pieceFrom > at) this.#copy(source, sourceAt + (at - from), at, Math.min(pieceFrom, to));
      at = Math.max(at, pieceTo);
    }
    if (at < to) this.#copy(source, sourceAt + (at - from), at, to);
    this.#record(from, to);
  }

  #copy(source: Uint8Array, sourceAt: number, from: number, to: number): void {
    copyBytes(source, sourceAt, this.bytes, this.at + from, to - from);
  }

  /** Merges [from, to) into the sorted list of pieces; without room the last piece is forgotten. */
  #record(from: number, to: number): void {
    if (this.#pieces.length === 0) this.#pieces = new Int32Array(MAX_PIECES * 2);
    const pieces = this.#pieces;
    let i = 0;
    while (i < this.#pieceCount && pieces[2 * i + 1]! < from) i++;
    let j = i;
    let mergedFrom = from;
    let mergedTo = to;
    while (j < this.#pieceCount && pieces[2 * j]! <= to) {
      mergedFrom = Math.min(mergedFrom, pieces[2 * j]!);
      mergedTo = Math.max(mergedTo, pieces[2 * j + 1]!);
      j++;
    }
    if (i === j && this.#pieceCount === MAX_PIECES) {
      if (i === MAX_PIECES) return;
      this.#pieceCount--;
    }
    pieces.copyWithin(2 * (i + 1), 2 * j, 2 * this.#pieceCount);
    this.#pieceCount += 1 - (j - i);
    pieces[2 * i] = mergedFrom;
    pieces[2 * i + 1] = mergedTo;
  }

  /** Takes the first piece into the prefix when the hole before it is filled. */
  #join(): void {
    const pieces = this.#pieces;
    if (this.#pieceCount === 0 || pieces[0]! > this.length) return;
    this.length = Math.max(this.length, pieces[1]!);
    pieces.copyWithin(0, 2, 2 * this.#pieceCount);
    this.#pieceCount--;
  }
}

/** Below this a loop is faster than a view and a call (bench/identify.ts). */
const LOOP_COPY_BYTES = 64;

function copyBytes(source: Uint8Array, sourceAt: number, into: Uint8Array, at: number, count: number): void {
  if (count > LOOP_COPY_BYTES) into.set(source.subarray(sourceAt, sourceAt + count), at);
  else for (let i = 0; i < count; i++) into[at + i] = source[sourceAt + i]!;
}
