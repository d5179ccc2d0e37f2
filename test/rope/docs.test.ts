/**
 * docs/rope.md: its reference is generated from the tables, and names everything that has a name. UPDATE_GOLDEN=1 rewrites it.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { referenceText } from '../../src/rope/reference.js';
import { WORD_NAMES, operandKind, wordInfo } from '../../src/rope/words.js';
import { REGISTERS } from '../../src/rope/registers.js';
import { lex } from '../../src/rope/lex.js';
import { parseCaseFile } from '../../src/rope/testing/case-file.js';

const root = join(import.meta.dirname, '../../..');
const path = join(root, 'docs/rope.md');
const BEGIN = /(<!-- generated from src\/rope\/words\.ts[^\n]*-->\n)[\s\S]*(<!-- end of the generated part -->)/;

test('the reference in docs/rope.md is fresh', () => {
  const text = readFileSync(path, 'utf8');
  const fresh = text.replace(BEGIN, (_, begin: string, end: string) => `${begin}\n${referenceText()}\n${end}`);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, fresh);
  assert.equal(readFileSync(path, 'utf8'), fresh);
});

test('stack effects agree with the operand kinds', () => {
  for (const name of WORD_NAMES) {
    const word = wordInfo(name);
    const inputs = /^\( (.*?)-- /.exec(word.effect)?.[1]?.trim() ?? '';
    const count = inputs === '' ? 0 : inputs.split(' ').length;
    assert.equal(word.takes.length, count, `${name}: ${word.effect}`);
    for (let i = 0; i < word.takes.length; i++) assert.match(operandKind(word, i), /^[snvbarx]$/, name);
  }
});

/** Programs of the conformance files, and how often each word and register is named. */
function usedNames(): { words: Set<string>; registers: Set<string>; tags: Set<string>; codes: Set<string> } {
  const used = { words: new Set<string>(), registers: new Set<string>(), tags: new Set<string>(), codes: new Set<string>() };
  for (const name of readdirSync(join(root, 'test/rope')).filter((file) => file.endsWith('.md'))) {
    for (const { source, expect } of parseCaseFile(readFileSync(join(root, 'test/rope', name), 'utf8')).cases) {
      if (expect.error !== null) used.tags.add(expect.error);
      for (const diagnostic of expect.diagnostics) used.codes.add(diagnostic.split(' ')[1] ?? '');
      if (expect.verdicts.length === 0) continue;
      for (const token of lex(source, () => undefined)) {
        if (token.kind === 'name') used.words.add(token.name);
        if (token.kind === 'reg') used.registers.add(token.name);
      }
    }
  }
  return used;
}

test('every word, register, error tag and diagnostic has a conformance case', () => {
  const used = usedNames();
  assert.deepEqual(WORD_NAMES.filter((name) => !used.words.has(name)), []);
  assert.deepEqual([...REGISTERS.keys()].filter((name) => !used.registers.has(name)), []);
  const source = readFileSync(join(root, 'src/rope/ir.ts'), 'utf8');
  const tags = [...source.matchAll(/\| '(E[A-Za-z]+)'/g)].map((found) => found[1] ?? '');
  assert.deepEqual(tags.filter((tag) => !used.tags.has(tag)), []);
  const codes = [...readFileSync(join(root, 'src/rope/diagnostics.ts'), 'utf8').matchAll(/'([a-z]+(?:-[a-z]+)+|underflow|unreachable|unbalanced)'/g)].map((found) => found[1] ?? '');
  /** Made by the kernel's back end; and one that no file of reasonable size shows. */
  const elsewhere = ['not-for-kernel', 'too-large'];
  assert.deepEqual([...new Set(codes)].filter((code) => !used.codes.has(code) && !elsewhere.includes(code)), []);
});
