/**
 * Which of many words stand in a range of bytes, found in one pass and without regard to ASCII letter case.
 *
 * What features want of HTTP heads and DNS messages is mostly a literal that ordinary traffic lacks. One loop
 * looks for the literals of all of them, so that their code and the text that it reads are spared
 * (bench/identify.ts: a sixth of the time of ordinary traffic).
 *
 * A word's first four letters are hashed; every four bytes of the range are, too, and only where some word has
 * the hash are words compared. Four places are looked at in each turn of the loop: half of its time was the turn itself.
 */
import { ascii, hasAtIgnoringCase, i32 } from '../base/bytes.js';

/** Shortest word: what is hashed. */
export const MIN_WORD_BYTES = 4;
const HASH_BITS = 12;
/** Bit 5 of all four bytes: set, letters of both cases are one. So are some other characters, which the comparison tells apart. */
const LOWER_CASE = 0x20202020;

interface Word {
  readonly letters: Uint8Array;
  /** What `find` answers for it. */
  readonly bit: number;
  /** The next word with the same hash; 0: none. */
  readonly next: number;
}

export class WordScan {
  /** By hash: 1 + the index of a word, or 0. */
  readonly #heads = new Uint16Array(1 << HASH_BITS);
  readonly #words: Word[] = [];

  /** `words` in lower case, each found as `bit`. Throws on words that are too short to be hashed. */
  add(words: readonly string[], bit: number): void {
    for (const word of words) {
      if (word.length < MIN_WORD_BYTES) throw new RangeError(`a word needs ${MIN_WORD_BYTES} letters: ${word}`);
      const letters = ascii(word);
      const hash = hashOf(i32(letters, 0));
      this.#words.push({ letters, bit, next: this.#heads[hash]! });
      this.#heads[hash] = this.#words.length;
    }
  }

  /** The bits of all words in [start, end). */
  find(bytes: Uint8Array, start: number, end: number): number {
    const heads = this.#heads;
    let found = 0;
    // The four bytes up to `at`: before the range the window holds zeros, and `#compare` refuses what it seems to find.
    let window = 0;
    let at = start;
    for (const lastAt = end - 3; at < lastAt; at += 4) {
      const first = (window << 8) | bytes[at]!;
      const second = (first << 8) | bytes[at + 1]!;
      const third = (second << 8) | bytes[at + 2]!;
      window = (third << 8) | bytes[at + 3]!;
      if ((heads[hashOf(first)]! | heads[hashOf(second)]! | heads[hashOf(third)]! | heads[hashOf(window)]!) === 0) continue;
      found |= this.#compare(bytes, start, at, at + 4, end);
    }
    return found | this.#compare(bytes, start, at, end, end);
  }

  /** The bits of the words whose fourth byte stands in [fourthAt, fourthEnd). */
  #compare(bytes: Uint8Array, start: number, fourthAt: number, fourthEnd: number, end: number): number {
    let found = 0;
    for (let at = Math.max(start, fourthAt + 1 - MIN_WORD_BYTES); at <= fourthEnd - MIN_WORD_BYTES; at++) {
      for (let next = this.#heads[hashOf(i32(bytes, at))]!; next !== 0; ) {
        const word = this.#words[next - 1]!;
        if (hasAtIgnoringCase(bytes, at, end, word.letters)) found |= word.bit;
        next = word.next;
      }
    }
    return found;
  }
}

/** Of four bytes, the first one highest: by the golden ratio (Knuth, The Art of Computer Programming, volume 3, section 6.4). */
function hashOf(window: number): number {
  return Math.imul(window | LOWER_CASE, 0x9e3779b1) >>> (32 - HASH_BITS);
}
