/**
 * The table of words: name, stack effect, operand kinds, explanation.
 *
 * docs/rope.md's reference and command-line completion are generated from it.
 * What a word does stands in two exhaustive records keyed by its name:
 * `lower/words.ts` (to the slot form) and `backends/interpreter-words.ts` (the
 * reference). A new word does not compile until all three know it.
 *
 * Operand kinds (`takes`, bottom to top):
 *   s string   n integer   v integer or string   b block   a any value (v or b)
 *   r register reference   x any item as it is (a reference stays a reference)
 * A reference where s, n, v, b or a is wanted is read first (implicit get).
 */

export type OperandKind = 's' | 'n' | 'v' | 'b' | 'a' | 'r' | 'x';

export type WordGroup =
  | 'registers' | 'control' | 'logic' | 'arithmetic' | 'comparison' | 'stack' | 'strings' | 'classes' | 'packet'
  | 'conversion' | 'time' | 'output';

export interface Word {
  readonly group: WordGroup;
  /** As the reference prints it, top of stack at the right. */
  readonly effect: string;
  /** Kinds of the operands when not bracketed. */
  readonly takes: string;
  /** Variadic: a bracket may hold any number of values from `least` on, each of kind `takes[0]`. null: fixed arity. */
  readonly least: number | null;
  readonly doc: string;
}

function fixed(group: WordGroup, takes: string, effect: string, doc: string): Word {
  return { group, effect, takes, least: null, doc };
}

function variadic(group: WordGroup, takes: string, least: number, effect: string, doc: string): Word {
  return { group, effect, takes, least, doc };
}

function classTest(what: string): Word {
  return fixed('classes', 's', '( s -- f )', `1 if s is not empty and every byte is ${what}.`);
}

function decoder(what: string, lengthBytes: number): Word {
  return fixed('conversion', 's', '( s -- n )', `The first ${lengthBytes} bytes of s as ${what}; fewer is the error EBadLength.`);
}

function timePart(what: string): Word {
  return fixed('time', 's', '( s -- n )', `${what} of a time made by localtime or gmtime; a string that is not 14 bytes long is the error EBadLength.`);
}

export const WORDS = {
  get: fixed('registers', 'r', '( r -- v )', 'Value of the register.'),
  put: fixed('registers', 'ar', '( v r -- )', 'Store v in the register. At the very start of a script `put` may take arguments pushed by the rule.'),
  inc: fixed('registers', 'r', '( r -- )', 'Add 1 to the integer in the register.'),
  dec: fixed('registers', 'r', '( r -- )', 'Subtract 1 from the integer in the register.'),
  greg: fixed('registers', 'n', '( n -- r )', 'Global integer register n (0 to 63), shared by all scripts and kept between packets.'),
  reg: fixed('registers', 'n', '( n -- r )', 'The n-th user register: 0 is $a, 25 is $z.'),

  do: fixed('control', 'b', '( b -- )', 'Run the block.'),
  eval: fixed('control', 'b', '( b -- n )', 'Run the block and push how it ended: FAIL 0 (run-time error), OKAY 1 (ran to its end), YES 2 or NO 3. Afterwards the stack is as before. A hotdrop is not caught.'),
  if: fixed('control', 'vb', '( v b -- )', 'Run the block when v is true.'),
  unless: fixed('control', 'vb', '( v b -- )', 'Run the block when v is false.'),
  ifelse: fixed('control', 'vbb', '( v b1 b2 -- )', 'Run b1 when v is true, otherwise b2.'),
  while: fixed('control', 'bb', '( b1 b2 -- )', 'Run b1, which leaves a value; while that is true run b2 and begin again. More than $max_while_loops rounds drop the packet.'),
  until: fixed('control', 'bb', '( b1 b2 -- )', 'Run b1, which leaves a value; while that is false run b2 and begin again. More than $max_while_loops rounds drop the packet.'),
  repeat: fixed('control', 'nb', '( n b -- )', 'Run the block n times.'),
  yes: fixed('control', '', '( -- )', 'End the innermost of script, eval block and expect_one alternative: match.'),
  no: fixed('control', '', '( -- )', 'End the innermost of script, eval block and expect_one alternative: no match.'),
  hotdrop: variadic('control', '', 0, '( -- ) hotdrop( s )', 'End the script and drop the packet whatever the target of the rule; s is a message.'),
  assert: fixed('control', 'v', '( v -- )', 'Go on when v is true, otherwise end as `no` does.'),
  expect_one: variadic('control', 'bb', 1, '( b1 b2 -- ) expect_one( b1 b2 ... )', 'Try the blocks in order until one ends in yes or at its end; the offset is restored before each further try. When none does, end as `no` does.'),

  not: fixed('logic', 'v', '( v -- f )', '1 if v is false (0 or ""), otherwise 0.'),
  and: variadic('logic', 'vv', 1, '( v v -- v )', 'Bitwise and: of integers, or of the bytes of strings of equal length.'),
  or: variadic('logic', 'vv', 1, '( v v -- v )', 'Bitwise or: of integers, or of the bytes of strings of equal length.'),
  xor: variadic('logic', 'vv', 1, '( v v -- v )', 'Bitwise exclusive or: of integers, or of the bytes of strings of equal length.'),

  add: variadic('arithmetic', 'nn', 1, '( n n -- n )', 'Sum.'),
  sub: variadic('arithmetic', 'nn', 1, '( n1 n2 -- n )', 'n1 minus n2; in brackets the first minus all others.'),
  mult: variadic('arithmetic', 'nn', 1, '( n n -- n )', 'Product.'),
  div: fixed('arithmetic', 'nn', '( n1 n2 -- n )', 'n1 / n2, truncated towards zero; division by zero is the error EDivideByZero.'),
  mod: fixed('arithmetic', 'nn', '( n1 n2 -- n )', 'Remainder of n1 / n2, with the sign of n1; division by zero is the error EDivideByZero.'),
  abs: fixed('arithmetic', 'n', '( n -- n )', 'Absolute value.'),
  neg: fixed('arithmetic', 'n', '( n -- n )', 'Negative value.'),
  lshift: fixed('arithmetic', 'nn', '( n k -- n )', 'n shifted left by k bits; a k outside 0 to 31 gives 0.'),
  rshift: fixed('arithmetic', 'nn', '( n k -- n )', 'n shifted right by k bits, keeping the sign; a k outside 0 to 31 leaves only the sign (0 or -1).'),

  gt: fixed('comparison', 'vv', '( v1 v2 -- f )', '1 if v1 > v2: two integers, or two strings bytewise.'),
  lt: fixed('comparison', 'vv', '( v1 v2 -- f )', '1 if v1 < v2: two integers, or two strings bytewise.'),
  ge: fixed('comparison', 'vv', '( v1 v2 -- f )', '1 if v1 >= v2: two integers, or two strings bytewise.'),
  le: fixed('comparison', 'vv', '( v1 v2 -- f )', '1 if v1 <= v2: two integers, or two strings bytewise.'),
  eq: fixed('comparison', 'vv', '( v1 v2 -- f )', '1 if v1 and v2 are equal: two integers or two strings.'),
  ne: fixed('comparison', 'vv', '( v1 v2 -- f )', '1 if v1 and v2 differ: two integers or two strings.'),
  eqi: fixed('comparison', 'ss', '( s1 s2 -- f )', '1 if the strings are equal ignoring letter case.'),
  nei: fixed('comparison', 'ss', '( s1 s2 -- f )', '1 if the strings differ ignoring letter case.'),

  dup: fixed('stack', 'x', '( x -- x x )', 'Copy the top item.'),
  swap: fixed('stack', 'xx', '( x1 x2 -- x2 x1 )', 'Exchange the two top items.'),
  drop: fixed('stack', 'x', '( x -- )', 'Remove the top item.'),

  tolower: fixed('strings', 's', '( s -- s )', 'Letters A-Z in lower case.'),
  toupper: fixed('strings', 's', '( s -- s )', 'Letters a-z in upper case.'),
  strcat: variadic('strings', 'ss', 1, '( s s -- s )', 'The strings joined.'),
  strlen: fixed('strings', 's', '( s -- n )', 'Length in bytes.'),
  left: fixed('strings', 'sn', '( s n -- s )', 'The first n bytes, or all when there are fewer.'),
  right: fixed('strings', 'sn', '( s n -- s )', 'The last n bytes, or all when there are fewer.'),
  substr: fixed('strings', 'snn', '( s start length -- s )', 'Bytes from `start` (0 is the first) on, at most `length`; clamped to the string.'),

  isupper: classTest('an upper-case letter A-Z'),
  islower: classTest('a lower-case letter a-z'),
  isalpha: classTest('a letter'),
  isdigit: classTest('a digit'),
  isalnum: classTest('a letter or digit'),
  isspace: classTest('white space (blank, \\t, \\n, \\r, vertical tab, form feed)'),
  iseoln: classTest('a carriage return or line feed'),
  iscntrl: classTest('a control character (0-31, 127)'),
  isgraph: classTest('a printable character other than blank (33-126)'),
  isprint: classTest('a printable character (32-126)'),
  ispunct: classTest('a printable character that is neither blank, letter nor digit'),
  isxdigit: classTest('a hexadecimal digit'),
  isascii: classTest('below 128'),
  isuri: classTest('legal in a URI (RFC 3986: unreserved, reserved or %)'),
  match: fixed('classes', 'ss', '( s spec -- f )', '1 if s is not empty and every byte is in the set spec: `a` lower-case letter, `A` upper-case letter, `d` digit, `x` hexadecimal digit (0-9 a-f), `s` white space, any other character itself.'),

  lift: fixed('packet', 'n', '( n -- s )', 'The next n bytes, or what is left.'),
  expect: fixed('packet', 'n', '( n -- s )', 'The next n bytes; when fewer are left, end as `no` does.'),
  lift_while: fixed('packet', 'b', '( b -- s )', 'The bytes for which the block, run with the byte as a string on the stack, leaves a true value; may be empty.'),
  expect_while: fixed('packet', 'b', '( b -- s )', 'As lift_while; an empty result ends as `no` does.'),
  lift_to: fixed('packet', 's', '( s1 -- s2 )', 'The bytes before the next s1; the offset moves behind s1. Without s1 all that is left.'),
  lifti_to: fixed('packet', 's', '( s1 -- s2 )', 'As lift_to, ignoring letter case.'),
  expect_to: fixed('packet', 's', '( s -- )', 'Move the offset behind the next s; when there is none, end as `no` does.'),
  expecti_to: fixed('packet', 's', '( s -- )', 'As expect_to, ignoring letter case.'),
  expect_str: variadic('packet', 's', 1, '( s -- ) expect_str( s1 s2 ... )', 'The bytes at the offset must be s (all strings, one after another): move behind them, otherwise end as `no` does.'),
  expecti_str: variadic('packet', 's', 1, '( s -- ) expecti_str( s1 s2 ... )', 'As expect_str, ignoring letter case.'),
  move: fixed('packet', 'n', '( n -- )', 'Move the offset by n bytes, backwards when negative.'),

  atoi: fixed('conversion', 's', '( s -- n )', 'Decimal number at the start of s, with an optional sign; no digit is the error EBadNumber, too large a number becomes the largest.'),
  ord: fixed('conversion', 's', '( s -- n )', 'Code of the first byte; an empty string is the error EBadLength.'),
  chr: fixed('conversion', 'n', '( n -- s )', 'String of one byte, the low 8 bits of n.'),
  ipv4_ntoa: fixed('conversion', 's', '( s -- s )', 'Dotted text of 4 bytes; another length is the error EBadLength.'),
  mac_ntoa: fixed('conversion', 's', '( s -- s )', 'Hexadecimal bytes joined by colons.'),
  be16_to_int: decoder('a big-endian signed integer', 2),
  be16_to_uint: decoder('a big-endian unsigned integer', 2),
  be32_to_int: decoder('a big-endian signed integer', 4),
  be32_to_uint: decoder('a big-endian integer (from 2^31 on it wraps to negative: integers have 32 bits)', 4),
  le16_to_int: decoder('a little-endian signed integer', 2),
  le16_to_uint: decoder('a little-endian unsigned integer', 2),
  le32_to_int: decoder('a little-endian signed integer', 4),
  le32_to_uint: decoder('a little-endian integer (from 2^31 on it wraps to negative: integers have 32 bits)', 4),

  localtime: fixed('time', 'n', '( n -- s )', 'Epoch seconds as a time in the local zone: 14 bytes for the tm_ words.'),
  gmtime: fixed('time', 'n', '( n -- s )', 'Epoch seconds as a time in UTC: 14 bytes for the tm_ words.'),
  tm_sec: timePart('Second (0-59)'),
  tm_min: timePart('Minute (0-59)'),
  tm_hour: timePart('Hour (0-23)'),
  tm_mday: timePart('Day of the month (1-31)'),
  tm_mon: timePart('Month (1-12)'),
  tm_year: timePart('Year (four digits)'),
  tm_wday: timePart('Day of the week (Monday 1 ... Sunday 7)'),

  print: variadic('output', 'v', 0, '( v -- ) print( v1 v2 ... )', 'Print the values.'),
  println: variadic('output', 'v', 0, '( v -- ) println( v1 v2 ... )', 'Print the values and a newline.'),
  hexdump: fixed('output', 's', '( s -- )', 'Print the bytes in hexadecimal and as text.'),
  dump: fixed('output', '', '( -- )', 'Print the stack, the verdict so far and the number of actions.'),
} as const satisfies Readonly<Record<string, Word>>;

export type WordName = keyof typeof WORDS;

export function isWord(name: string): name is WordName {
  return Object.hasOwn(WORDS, name);
}

export const WORD_NAMES = Object.keys(WORDS) as readonly WordName[];

/** The entry of a word, with the wide type. */
export function wordInfo(name: WordName): Word {
  return WORDS[name];
}

/** Kind of the operand at `index` (0 the lowest) when the word takes `count` operands. */
export function operandKind(word: Word, index: number): OperandKind {
  const kinds = word.takes === '' ? 's' : word.takes;
  return (word.least === null ? kinds[index] : kinds[0]) as OperandKind;
}

/** Words that compare: `eq yes` draws a warning. */
export const COMPARISONS: ReadonlySet<WordName> = new Set<WordName>(['gt', 'lt', 'ge', 'le', 'eq', 'ne', 'eqi', 'nei', 'not', 'and', 'or']);

/** Verdict constants. */
export const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ['FAIL', 0],
  ['OKAY', 1],
  ['YES', 2],
  ['NO', 3],
]);
