/**
 * The reference of the language, made from the tables of words and registers: Markdown for docs/rope.md, text for `rope words`.
 */
import { REGISTERS } from './registers.js';
import { WORD_NAMES, type WordGroup, isWord, wordInfo } from './words.js';

const GROUPS: Readonly<Record<WordGroup, string>> = {
  registers: 'Registers',
  control: 'Control',
  logic: 'Logic',
  arithmetic: 'Arithmetic',
  comparison: 'Comparison',
  stack: 'Stack',
  strings: 'Strings',
  classes: 'Classes of bytes',
  packet: 'Reading the packet',
  conversion: 'Conversion',
  time: 'Time',
  output: 'Output',
};

/** Markdown: a table for each group of words, and one of the registers. */
export function referenceText(): string {
  const parts: string[] = [];
  for (const [group, title] of Object.entries(GROUPS)) {
    parts.push(`### ${title}\n\n| word | effect | |\n| --- | --- | --- |`);
    for (const name of WORD_NAMES) {
      const { effect, doc, group: own } = wordInfo(name);
      if (own === group) parts.push(`| \`${name}\` | \`${effect}\` | ${cell(doc)} |`);
    }
    parts.push('');
  }
  parts.push('### Predefined registers\n\n| register | |\n| --- | --- |');
  for (const name of REGISTERS.keys()) parts.push(`| \`$${name}\` | ${cell(registerText(name))} |`);
  return `${parts.join('\n')}\n`;
}

function cell(text: string): string {
  return text.replace(/\|/g, '\\|');
}

function registerText(name: string): string {
  const register = REGISTERS.get(name);
  return register === undefined ? '' : `${register.kind === 'str' ? 'String. ' : ''}${register.doc}`;
}

/** Everything that has an entry: words, then predefined registers (without `$`). */
export const REFERENCE_NAMES: readonly string[] = [...WORD_NAMES, ...REGISTERS.keys()];

/** The entry of a word or predefined register, as text; null for other names. */
export function entryText(name: string): string | null {
  if (isWord(name)) {
    const { effect, doc } = wordInfo(name);
    return `${name}  ${effect}\n    ${doc}\n`;
  }
  return REGISTERS.has(name) ? `$${name}\n    ${registerText(name)}\n` : null;
}

/** All words by group, then the registers: names and effects, a line each. */
export function overviewText(): string {
  const parts: string[] = [];
  for (const [group, title] of Object.entries(GROUPS)) {
    parts.push(`${title}:`);
    for (const name of WORD_NAMES) if (wordInfo(name).group === group) parts.push(`  ${name.padEnd(14)} ${wordInfo(name).effect}`);
  }
  parts.push('Predefined registers:', ...[...REGISTERS.keys()].map((name) => `  $${name}`));
  return `${parts.join('\n')}\n`;
}
