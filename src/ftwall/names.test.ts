import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../base/bytes.js';
import { parseDnsAnswer } from './dns-answer.js';
import { NameBook } from './name-book.js';
import { findPattern, parseNamePattern, parseTrainingFile, STOCK_PATTERNS } from './name-patterns.js';

const name = (text: string): Uint8Array => concat(...text.split('.').map((label) => concat(Uint8Array.of(label.length), ascii(label))), Uint8Array.of(0));
const record = (owner: Uint8Array, type: number, ttlS: number, data: Uint8Array): Uint8Array =>
  concat(owner, Uint8Array.of(0, type, 0, 1, ttlS >>> 24, ttlS >>> 16, ttlS >>> 8, ttlS, 0, data.length), data);
const response = (question: string, ...records: Uint8Array[]): Uint8Array =>
  concat(fromHex('1234 8180 0001'), Uint8Array.of(0, records.length), fromHex('0000 0000'), name(question), fromHex('0001 0001'), ...records);
/** A pointer to the question. */
const QUESTION = fromHex('c00c');

test('answers: addresses, aliases, compression, IPv6, times to live', () => {
  const bytes = response(
    'C3310.z1301.WinMX.com',
    record(QUESTION, 5, 60, name('cache.example.net')),
    record(name('cache.example.net'), 1, 300, fromHex('c0000221')),
    record(name('cache.example.net'), 28, 600, fromHex('20010db8000000000000000000000007')),
    record(name('cache.example.net'), 16, 600, ascii('text')),
  );
  const answer = parseDnsAnswer(bytes, 0, bytes.length);
  assert.equal(answer?.question, 'c3310.z1301.winmx.com');
  assert.deepEqual(answer?.records, [
    { name: 'c3310.z1301.winmx.com', ttlS: 60, target: 'cache.example.net', isAlias: true },
    { name: 'cache.example.net', ttlS: 300, target: '192.0.2.33', isAlias: false },
    { name: 'cache.example.net', ttlS: 600, target: '2001:db8::7', isAlias: false },
  ]);
});

test('answers: loops, absurd counts and cuts end quietly', () => {
  const good = response('a.winmx.com', record(QUESTION, 1, 60, fromHex('c0000221')));
  for (let end = 0; end < good.length; end++) {
    const cut = parseDnsAnswer(good, 0, end);
    assert.ok(cut === null || cut.records.length === 0, `${end} bytes`);
  }
  const question = concat(fromHex('1234 0100 0001 0000 0000 0000'), name('a.winmx.com'), fromHex('0001 0001'));
  assert.equal(parseDnsAnswer(question, 0, question.length), null, 'a question is no answer');
  const loop = concat(fromHex('1234 8180 0001 0001 0000 0000'), fromHex('c00c'), fromHex('0001 0001'));
  assert.equal(parseDnsAnswer(loop, 0, loop.length), null, 'a name that points to itself');
  const two = concat(fromHex('1234 8180 0001 ffff 0000 0000'), name('a.b'), fromHex('0001 0001'), fromHex('c011 c00c'));
  assert.equal(parseDnsAnswer(two, 0, two.length)?.records.length, 0);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 90 }), (noise) => {
      const bytes = concat(fromHex('1234 8180 0001'), noise);
      parseDnsAnswer(bytes, 0, bytes.length);
    }),
    { numRuns: 300 },
  );
});

test('patterns: what they cover, and what is no pattern', () => {
  const covers = (pattern: string, host: string): boolean => {
    const parsed = parseNamePattern(pattern);
    assert.ok(typeof parsed !== 'string', pattern);
    return findPattern([parsed], host) !== null;
  };
  assert.equal(covers('*.winmx.com', 'c3310.z1301.winmx.com'), true);
  assert.equal(covers('*.WinMX.com.', 'www.winmx.com'), true);
  assert.equal(covers('*.winmx.com', 'winmx.com'), false);
  assert.equal(covers('*.winmx.com', 'notwinmx.com'), false);
  assert.equal(covers('server.example.net opennap', 'server.example.net'), true);
  assert.equal(covers('server.example.net', 'a.server.example.net'), false);
  for (const [text, problem] of [
    ['*.com', /top-level/], ['com', /top-level/], ['a.*.com', /front/], ['-a.com', /no domain/], ['', /no domain/], ['a..b', /no domain/], ['a.b c d', /more than/],
  ] as const) {
    const parsed = parseNamePattern(text);
    assert.ok(typeof parsed === 'string' && problem.test(parsed), text);
  }
  assert.equal(STOCK_PATTERNS.length > 0 && findPattern(STOCK_PATTERNS, 'c3310.z1301.winmx.com') !== null, true);
});

test('training files: good lines are kept, bad ones reported with their number', () => {
  const { patterns, problems } = parseTrainingFile('# WinMX\n*.winmx.com winmx\n\n*bad*\r\nserver.example.net  # comment\n*.org\n');
  assert.deepEqual(patterns.map((pattern) => pattern.name), ['winmx.com', 'server.example.net']);
  assert.deepEqual(problems.map((problem) => problem.line), [4, 6]);
});

const NAMES = { patterns: STOCK_PATTERNS, isProtected: (address: string) => address === '192.0.2.99' };
const address = (host: string, target: string, ttlS = 300) => ({ name: host, ttlS, target, isAlias: false });
const alias = (host: string, target: string) => ({ name: host, ttlS: 60, target, isAlias: true });

test('name book: aliases are followed wherever they stand', () => {
  const book = new NameBook(NAMES);
  const records = [address('b.example', '192.0.2.1'), alias('a.example', 'b.example'), alias('c1.winmx.com', 'a.example'), address('other.example', '192.0.2.2')];
  assert.deepEqual(book.learn('10.0.0.1', { question: 'c1.winmx.com', records }, 0).map((block) => block.address), ['192.0.2.1']);
  const back = [alias('www.example', 'c2.winmx.com'), address('c2.winmx.com', '192.0.2.3')];
  assert.deepEqual(book.learn('10.0.0.1', { question: 'www.example', records: back }, 0).map((block) => block.address), ['192.0.2.3']);
  const loop = [alias('c1.winmx.com', 'x.example'), alias('x.example', 'c1.winmx.com')];
  assert.deepEqual(book.learn('10.0.0.1', { question: 'c1.winmx.com', records: loop }, 0), []);
});

test('name book: for one client, then for all; times to live within bounds; protected addresses never', () => {
  const book = new NameBook({ ...NAMES, maxBlocks: 3 });
  const ask = (client: string, target: string, ttlS: number, nowMs: number) =>
    book.learn(client, { question: 'c1.winmx.com', records: [address('c1.winmx.com', target, ttlS)] }, nowMs);
  ask('10.0.0.1', '192.0.2.1', 300, 0);
  assert.equal(book.isBlockedFor('10.0.0.1', '192.0.2.1', 299_999), true);
  assert.equal(book.isBlockedFor('10.0.0.1', '192.0.2.1', 300_000), false);
  assert.equal(book.isBlockedFor('10.0.0.2', '192.0.2.1', 1), false);
  ask('10.0.0.2', '192.0.2.1', 10, 1);
  assert.equal(book.isBlockedFor('10.0.0.3', '192.0.2.1', 2), true, 'two clients got it');
  ask('10.0.0.1', '192.0.2.2', 0, 0);
  assert.equal(book.isBlockedFor('10.0.0.1', '192.0.2.2', 59_999), true, 'at least a minute');
  ask('10.0.0.1', '192.0.2.3', 4_000_000, 0);
  assert.equal(book.isBlockedFor('10.0.0.1', '192.0.2.3', 86_400_000), false, 'at most a day');
  assert.deepEqual(ask('10.0.0.1', '192.0.2.4', 300, 0), [], 'the book is full');
  assert.deepEqual(ask('10.0.0.1', '192.0.2.99', 300, 0), [], 'protected');
  book.age(90_000_000);
  assert.equal(book.size, 0);
});
