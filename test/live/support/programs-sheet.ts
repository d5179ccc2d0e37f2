/**
 * Turns what the tests of real programs noted (P2PWALL_SHEET) into the tables of docs/programs.md; the text
 * before them is kept. Argument: the file of notes. Writes docs/programs.md.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Action } from './wall-case.js';

interface Note {
  readonly name: string;
  readonly action: Action;
  readonly protocol: string;
  readonly features: string;
  readonly outcome: string;
}

const ACTIONS: readonly Action[] = ['allow', 'limit', 'prioritise', 'drop', 'reject', 'drop, discovery seen', 'reject, discovery seen'];
const DOCUMENT = new URL('../../../../docs/programs.md', import.meta.url);
const MARK = '<!-- generated from here on -->';

/** The outcome in few characters; see the legend in the document. */
function short(outcome: string | undefined): string {
  if (outcome === undefined) return '';
  if (outcome.startsWith('FAILED')) return `**${outcome}**`;
  const whole = /^whole after (\d+) s/.exec(outcome);
  if (whole) return `${whole[1]} s`;
  const marked = /on (\d+) % of the bytes/.exec(outcome);
  if (marked) return `${marked[1]} %`;
  const blocked = /^no payload; (\d+) bytes in, (\d+) out/.exec(outcome);
  return blocked ? `0 (${blocked[1]} / ${blocked[2]})` : outcome;
}

function table(notes: readonly Note[]): string {
  const lines = [`| who, and how | identified as | ${ACTIONS.join(' | ')} |`, `| --- | --- |${' --- |'.repeat(ACTIONS.length)}`];
  for (const name of new Set(notes.map((note) => note.name))) {
    const own = new Map(notes.filter((note) => note.name === name).map((note) => [note.action, note]));
    const told = own.get('allow') ?? own.get('limit') ?? [...own.values()][0];
    lines.push(`| ${name} | \`${told?.protocol}\`: ${told?.features} | ${ACTIONS.map((action) => short(own.get(action)?.outcome)).join(' | ')} |`);
  }
  return lines.join('\n');
}

// A case that was run again counts by its last run.
const notes = readFileSync(process.argv[2] ?? '', 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Note);
const names = [...new Set(notes.map(({ name }) => name))].sort();
const sorted = names.flatMap((name) => notes.filter((note) => note.name === name));
const isBittorrent = ({ protocol }: Note): boolean => protocol === 'bittorrent';
const before = readFileSync(DOCUMENT, 'utf8').split(MARK)[0];
writeFileSync(DOCUMENT, `${before}${MARK}\n\n## BitTorrent\n\n${table(sorted.filter(isBittorrent))}\n\n## Others\n\n${table(sorted.filter((note) => !isBittorrent(note)))}\n`);
