/**
 * ChunkWindow: the bytes of a stream as one contiguous range after the other.
 *
 * Chunks are borrowed and read in place. Only what straddles two chunks is copied, into a
 * carry buffer that grows to the largest such record and no further. At any moment the
 * unread contiguous bytes are `bytes[at, end)`; the reader moves `at` itself and calls
 * `gather` only when too few are left.
 *
 * A chunk is borrowed until `gather` or `skip` answered false; bytes seen in the window
 * until the next call of either.
 */
const NO_BYTES = new Uint8Array(0);

export class ChunkWindow {
  bytes: Uint8Array = NO_BYTES;
  at = 0;
  end = 0;
  /** Stream offset of `bytes[0]`; may be negative for the carry buffer. */
  origin = 0;
  #carry: Uint8Array = new Uint8Array(4096);
  #isCarry = false;
  #chunk: Uint8Array = NO_BYTES;
  #chunkAt = 0;
  #chunkEnd = 0;

  /** Offers the next bytes of the stream. Only when the last chunk was used up (`gather` or `skip` said false). */
  feed(chunk: Uint8Array, start: number, end: number): void {
    this.#chunk = chunk;
    this.#chunkAt = start;
    this.#chunkEnd = end;
    if (this.at === this.end) this.#enterChunk();
  }

  /** Stream offset of the next unread byte. */
  get offset(): number {
    return this.origin + this.at;
  }

  /**
   * Makes `count` contiguous bytes available at `at` (which may move). False: the stream has
   * fewer so far; what there is was kept.
   */
  gather(count: number): boolean {
    if (this.end - this.at >= count) return true;
    if (this.at === this.end) this.#enterChunk();
    if (this.end - this.at >= count) return true;
    this.#enterCarry(count);
    const missing = Math.min(count - this.end, this.#chunkEnd - this.#chunkAt);
    this.#carry.set(this.#chunk.subarray(this.#chunkAt, this.#chunkAt + missing), this.end);
    this.#chunkAt += missing;
    this.end += missing;
    return this.end === count;
  }

  /** Moves past up to `count` bytes without keeping them; returns how many are still to be skipped. */
  skip(count: number): number {
    let left = count;
    for (let turn = 0; turn < 2; turn++) {
      const step = Math.min(left, this.end - this.at);
      this.at += step;
      left -= step;
      if (left === 0) return 0;
      this.#enterChunk();
    }
    return left;
  }

  /** After the window was used up: reads on in what is left of the chunk. */
  #enterChunk(): void {
    const offset = this.origin + this.at;
    this.#isCarry = false;
    this.bytes = this.#chunk;
    this.at = this.#chunkAt;
    this.end = this.#chunkEnd;
    this.origin = offset - this.at;
    this.#chunkAt = this.#chunkEnd;
  }

  /** Moves the unread bytes to the front of the carry buffer, with room for `count`. */
  #enterCarry(count: number): void {
    const kept = this.end - this.at;
    const offset = this.origin + this.at;
    if (this.#carry.length < count) {
      const larger = new Uint8Array(Math.max(count, 2 * this.#carry.length));
      larger.set(this.bytes.subarray(this.at, this.end));
      this.#carry = larger;
    } else if (!this.#isCarry) {
      this.#carry.set(this.bytes.subarray(this.at, this.end));
    } else if (this.at > 0) {
      this.#carry.copyWithin(0, this.at, this.end);
    }
    this.#isCarry = true;
    this.bytes = this.#carry;
    this.at = 0;
    this.end = kept;
    this.origin = offset;
  }
}
