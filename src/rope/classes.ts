/**
 * Byte sets: the character classes of the `is…` words and the specs of `match`.
 *
 * ASCII only, whatever the locale: C's ctype in the "C" locale. A set is 32
 * bytes; byte b is a member when bit (b & 7) of set[b >> 3] is 1.
 */
import type { WordName } from './words.js';

export type ClassWord = Extract<WordName, `is${string}`>;

function isIn(code: number, from: string, to: string): boolean {
  return code >= from.charCodeAt(0) && code <= to.charCodeAt(0);
}

const isUpper = (b: number): boolean => isIn(b, 'A', 'Z');
const isLower = (b: number): boolean => isIn(b, 'a', 'z');
const isDigit = (b: number): boolean => isIn(b, '0', '9');
const isAlnum = (b: number): boolean => isUpper(b) || isLower(b) || isDigit(b);
const isSpace = (b: number): boolean => b === 32 || (b >= 9 && b <= 13);
const isGraph = (b: number): boolean => b >= 33 && b <= 126;

/** RFC 3986 section 2: unreserved, gen-delims, sub-delims and the percent sign. */
const URI_PUNCTUATION = "-._~:/?#[]@!$&'()*+,;=%";

const MEMBERS: Readonly<Record<ClassWord, (b: number) => boolean>> = {
  isupper: isUpper,
  islower: isLower,
  isalpha: (b) => isUpper(b) || isLower(b),
  isdigit: isDigit,
  isalnum: isAlnum,
  isspace: isSpace,
  iseoln: (b) => b === 13 || b === 10,
  iscntrl: (b) => b < 32 || b === 127,
  isgraph: isGraph,
  isprint: (b) => isGraph(b) || b === 32,
  ispunct: (b) => isGraph(b) && !isAlnum(b),
  isxdigit: (b) => isDigit(b) || isIn(b, 'a', 'f') || isIn(b, 'A', 'F'),
  isascii: (b) => b < 128,
  isuri: (b) => isAlnum(b) || URI_PUNCTUATION.includes(String.fromCharCode(b)),
};

export function makeSet(isMember: (byte: number) => boolean): Uint8Array {
  const set = new Uint8Array(32);
  for (let b = 0; b < 256; b++) if (isMember(b)) set[b >> 3] = (set[b >> 3] ?? 0) | (1 << (b & 7));
  return set;
}

export function isInSet(set: Uint8Array, byte: number): boolean {
  return (((set[byte >> 3] ?? 0) >> (byte & 7)) & 1) === 1;
}

export const CLASS_SETS = Object.fromEntries(
  Object.entries(MEMBERS).map(([word, isMember]) => [word, makeSet(isMember)]),
) as Readonly<Record<ClassWord, Uint8Array>>;

export function isClassWord(word: WordName): word is ClassWord {
  return Object.hasOwn(MEMBERS, word);
}

/** The set a spec of `match` names: a A d x s are classes, every other byte is itself. */
export function specSet(spec: Uint8Array): Uint8Array {
  const bytes = new Set(spec);
  const has = (letter: string): boolean => bytes.has(letter.charCodeAt(0));
  return makeSet(
    (b) =>
      (has('a') && isLower(b)) ||
      (has('A') && isUpper(b)) ||
      (has('d') && isDigit(b)) ||
      (has('x') && (isDigit(b) || isIn(b, 'a', 'f'))) ||
      (has('s') && isSpace(b)) ||
      (bytes.has(b) && !'aAdxs'.includes(String.fromCharCode(b))),
  );
}

/** True when s is not empty and all its bytes are members. */
export function allInSet(set: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!isInSet(set, bytes[i] ?? 0)) return false;
  return end > start;
}
