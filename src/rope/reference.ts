/**
 * The reference part of docs/rope.md, made from the tables of words and registers.
 */
import { REGISTERS } from './registers.js';
import { WORD_NAMES, type WordGroup, wordInfo } from './words.js';

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
  for (const [name, { kind, doc }] of REGISTERS) {
    const type = kind === 'str' ? 'String. ' : '';
    parts.push(`| \`$${name}\` | ${cell(type + doc)} |`);
  }
  return `${parts.join('\n')}\n`;
}

function cell(text: string): string {
  return text.replace(/\|/g, '\\|');
}
