/**
 * Which of many words stand in a range of bytes, found in one pass and without regard to ASCII letter case.
 *
 * What features want of HTTP heads and DNS messages is mostly a literal that ordinary traffic lacks. One loop
 * looks for the literals of all of them, so that their code and the text that it reads are spared
 * (bench/identify.ts: a sixth of the time of ordinary traffic).
 *
 * A word's first four letters are hashed; every four bytes of the range are, too, and only where some word has
 * the hash are words compared.
 */
import { ascii, hasAtIgnoringCase } from '../base/bytes.js';

/** Shortest word: what is hashed. */
export const MIN_WORD_BYTES = 4;
/** Four bytes shifted by three bits each just leave these bits. */
const HASH_SHIFT = 3;
const HASH_MASK = (1 << (HASH_SHIFT * MIN_WORD_BYTES)) - 1;

interface Word {
  readonly letters: Uint8Array;
  /** What `find` answers for it. */
  readonly bit: number;
  /** The next word with the same hash; 0: none. */
  readonly next: number;
}

export class WordScan {
  /** By hash: 1 + the index of a word, or 0. */
  readonly #heads = new Uint16Array(HASH_MASK + 1);
  readonly #words: Word[] = [];

  /** `words` in lower case, each found as `bit`. Throws on words that are too short to be hashed. */
  add(words: readonly string[], bit: number): void {
    for (const word of words) {
      if (word.length < MIN_WORD_BYTES) throw new RangeError(`a word needs ${MIN_WORD_BYTES} letters: ${word}`);
      const letters = ascii(word);
      let hash = 0;
      for (let i = 0; i < MIN_WORD_BYTES; i++) hash = nextHash(hash, letters[i]!);
      this.#words.push({ letters, bit, next: this.#heads[hash]! });
      this.#heads[hash] = this.#words.length;
    }
  }

  /** The bits of all words in [start, end). */
  find(bytes: Uint8Array, start: number, end: number): number {
    const heads = this.#heads;
    let found = 0;
    let hash = 0;
    for (let at = start; at < end; at++) {
      hash = nextHash(hash, bytes[at]!);
      const head = heads[hash]!;
      if (head !== 0) found |= this.#compare(head, bytes, start, at + 1 - MIN_WORD_BYTES, end);
    }
    return found;
  }

  #compare(head: number, bytes: Uint8Array, start: number, at: number, end: number): number {
    if (at < start) return 0;
    let found = 0;
    for (let next = head; next !== 0; ) {
      const word = this.#words[next - 1]!;
      if (hasAtIgnoringCase(bytes, at, end, word.letters)) found |= word.bit;
      next = word.next;
    }
    return found;
  }
}

/** Letters of both cases are one here; so are some other characters, which the comparison tells apart. */
function nextHash(hash: number, byte: number): number {
  return ((hash << HASH_SHIFT) ^ (byte | 0x20)) & HASH_MASK;
}
