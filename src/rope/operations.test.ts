import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, latin1 } from '../base/bytes.js';
import { byteSetOf } from './byte-block.js';
import { CLASS_SETS, allInSet, isInSet, specSet } from './classes.js';
import { compile } from './compile.js';
import { arith, compareBytes, formatBytes, formatLength, hasDigits, parseDecimal, searchBytes, timePart, timePartAt, writeTime } from './operations.js';

const int = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });

test('arithmetic wraps as 64-bit integers cut to 32 bits would', () => {
  const wide: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
    add: (a, b) => a + b, sub: (a, b) => a - b, mult: (a, b) => a * b, div: (a, b) => a / b, mod: (a, b) => a % b,
    and: (a, b) => a & b, or: (a, b) => a | b, xor: (a, b) => a ^ b,
    lshift: (a, b) => (b < 0n || b > 31n ? 0n : a << b),
    rshift: (a, b) => a >> (b < 0n || b > 31n ? 31n : b),
  };
  fc.assert(
    fc.property(int, fc.oneof(int, fc.integer({ min: -2, max: 40 })), fc.constantFrom(...Object.keys(wide)), (a, b, fn) => {
      if (b === 0 && (fn === 'div' || fn === 'mod')) return;
      const expected = Number(BigInt.asIntN(32, wide[fn]?.(BigInt(a), BigInt(b)) ?? 0n));
      assert.equal(arith(fn as 'add', a, b) + 0, expected + 0, `${a} ${fn} ${b}`);
    }),
    { numRuns: 2000 },
  );
});

test('searching finds what indexOf finds', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'A', 'B', '-'), maxLength: 20 });
  fc.assert(
    fc.property(text, fc.string({ unit: fc.constantFrom('a', 'b', 'A'), maxLength: 3 }), fc.boolean(), (hay, needle, ignoreCase) => {
      const expected = ignoreCase ? hay.toLowerCase().indexOf(needle.toLowerCase()) : hay.indexOf(needle);
      assert.equal(searchBytes(ascii(hay), 0, hay.length, ascii(needle), 0, needle.length, ignoreCase), expected);
    }),
  );
});

test('strings compare as their bytes sort', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 6 }), (a, b) => {
      assert.equal(Math.sign(compareBytes(a, 0, a.length, b, 0, b.length)), Math.sign(Buffer.compare(a, b)));
    }),
  );
});

test('decimal text reads as a saturated number', () => {
  const table: [string, number | null][] = [
    ['0', 0], ['-0', 0], ['12', 12], ['+12', 12], ['-12', -12], ['12a', 12], ['007', 7], ['', null], ['-', null], ['a', null], [' 1', null],
    ['2147483647', 2147483647], ['2147483648', 2147483647], ['-2147483648', -2147483648], ['-2147483649', -2147483648],
    ['9'.repeat(400), 2147483647], [`-${'9'.repeat(400)}`, -2147483648], ['--1', null], ['+-1', null],
  ];
  for (const [text, expected] of table) {
    const bytes = ascii(text);
    assert.equal(hasDigits(bytes, 0, bytes.length), expected !== null, text);
    if (expected !== null) assert.equal(parseDecimal(bytes, 0, bytes.length) + 0, expected, text);
  }
});

test('addresses become text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      for (const [form, expected] of [['ipv4', bytes.join('.')], ['mac', Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(':')]] as const) {
        const out = new Uint8Array(20);
        const length = formatBytes(form, out, 0, bytes, 0, 4);
        assert.equal(latin1(out, 0, length), expected);
        assert.equal(formatLength(form, bytes, 0, 4), length);
      }
    }),
  );
});

test('times agree with Date for every 32-bit instant', () => {
  fc.assert(
    fc.property(int, (epoch) => {
      const date = new Date(epoch * 1000);
      const expected = {
        sec: date.getUTCSeconds(), min: date.getUTCMinutes(), hour: date.getUTCHours(), mday: date.getUTCDate(),
        mon: date.getUTCMonth() + 1, year: date.getUTCFullYear(), wday: date.getUTCDay() === 0 ? 7 : date.getUTCDay(),
      };
      for (const [part, value] of Object.entries(expected)) assert.equal(timePart(part as 'sec', epoch), value, `${epoch} ${part}`);
      const out = new Uint8Array(14);
      writeTime(out, 0, epoch);
      assert.equal(out[timePartAt('mon')], date.getUTCMonth());
      assert.equal(out[timePartAt('wday')], date.getUTCDay());
    }),
    { numRuns: 1000 },
  );
});

test('classes are those of C in the C locale', () => {
  const patterns: Readonly<Record<keyof typeof CLASS_SETS, RegExp>> = {
    isupper: /[A-Z]/, islower: /[a-z]/, isalpha: /[A-Za-z]/, isdigit: /[0-9]/, isalnum: /[A-Za-z0-9]/, isspace: /[ \t\n\v\f\r]/,
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
    iseoln: /[\r\n]/, iscntrl: /[\u0000-\u001f\u007f]/, isgraph: /[!-~]/, isprint: /[ -~]/, ispunct: /[!-/:-@[-`{-~]/,
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject
    isxdigit: /[0-9a-fA-F]/, isascii: /[\u0000-\u007f]/, isuri: /[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]/,
  };
  for (const [word, pattern] of Object.entries(patterns)) {
    for (let byte = 0; byte < 256; byte++) {
      assert.equal(isInSet(CLASS_SETS[word as 'isupper'], byte), pattern.test(String.fromCharCode(byte)), `${word} ${byte}`);
    }
  }
  assert.equal(allInSet(CLASS_SETS.isdigit, ascii(''), 0, 0), false);
  assert.ok(isInSet(specSet(ascii('a_')), 0x5f) && isInSet(specSet(ascii('a_')), 0x71) && !isInSet(specSet(ascii('a_')), 0x41));
});

test('blocks that only classify become byte sets; all others are left alone', () => {
  const table: [string, string | null][] = [
    ['isdigit', '0123456789'],
    ['isdigit not', null],
    ['"abc" match', null],
    ['"-" eq', '-'],
    ['dup "x" eq swap "y" eq or', 'xy'],
    ['or( dup "x" eq )', null],
    ['not( "x" eq )', null],
    ['$a', null],
    ['ord 5 gt', null],
    ['1', null],
    ['isdigit isdigit', null],
    ['', 'everything'],
    ['drop "x"', null],
    ['and( isdigit )', null],
    ['and( dup isdigit )', null],
  ];
  for (const [source, members] of table) {
    const [step] = compile(`{ ${source} } drop`).program.main.steps;
    assert.ok(step?.kind === 'block');
    const set = byteSetOf(step.block);
    if (members === 'everything') assert.ok(set?.every((byte) => byte === 255));
    else if (members !== null) {
      assert.ok(set !== null, source);
      const found = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => isInSet(set, byte));
      assert.equal(String.fromCharCode(...found), members, source);
    } else if (['$a', 'ord 5 gt', '1', 'isdigit isdigit', 'drop "x"', 'and( isdigit )'].includes(source)) assert.equal(set, null, source);
  }
});
