/** Tables: natural widths, and what gives way on narrow terminals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Column, numberOf, tableText } from './table.js';

const columns: readonly Column[] = [{ title: 'NAME' }, { title: 'N', align: 'right', spare: 1 }, { title: 'WHERE' }, { title: 'WHY', spare: 2 }];
const rows = [
  ['bittorrent', '12', '198.51.100.7:6881', 'a sentence that explains it to people'],
  ['edonkey', '7', '[2001:db8::1]:4662', 'short'],
];
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

test('without a terminal nothing is cut', () => {
  assert.equal(
    tableText(columns, rows, null),
    [
      '  NAME         N  WHERE               WHY',
      '  bittorrent  12  198.51.100.7:6881   a sentence that explains it to people',
      '  edonkey      7  [2001:db8::1]:4662  short',
    ].join('\n'),
  );
});

test('on a terminal no line is wider than it, down to 8 columns for each', () => {
  for (let width = 20; width < 90; width++) assert.ok(widest(tableText(columns, rows, width)) <= width, String(width));
});

test('the last column is cut first, then spare ones go in their order, then the widest are cut', () => {
  const titles = (width: number): string => (tableText(columns, rows, width).split('\n')[0] ?? '').trim().split(/ +/).join(' ');
  // With WHY cut to 20: 58; without N 54; without WHY but with N 36.
  for (const [width, expected] of [[100, 'NAME N WHERE WHY'], [58, 'NAME N WHERE WHY'], [57, 'NAME WHERE WHY'], [54, 'NAME WHERE WHY'], [53, 'NAME N WHERE'], [36, 'NAME N WHERE'], [35, 'NAME WHERE'], [20, 'NAME WHERE']] as const) {
    assert.equal(titles(width), expected, String(width));
  }
  assert.match(tableText(columns, rows, 58), /a sentence that exp…/);
  assert.match(tableText(columns, rows, 24), /bittorre…|198\.51\.10…/);
});

test('colours take no room', () => {
  const coloured = [['\u001b[32mcertain\u001b[39m', 'x']];
  assert.equal(tableText([{ title: 'A' }, { title: 'B' }], coloured, 12), '  A        B\n  \u001b[32mcertain\u001b[39m  x');
});

test('one thing is one thing', () => {
  assert.deepEqual([0, 1, 2, 12_345].map((count) => numberOf(count, 'flow')), ['0 flows', '1 flow', '2 flows', '12,345 flows']);
});
