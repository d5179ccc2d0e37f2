/**
 * Plain tables for terminals: columns as wide as their content, fitted to the width of the
 * terminal: the last column is cut first, then spare columns are left out, then the widest are
 * cut. No borders, so that the output can also be cut and sorted by other programs.
 */
import Table from 'cli-table3';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** May be left out on narrow terminals: the lowest number first. */
  readonly spare?: number;
}

const NO_BORDERS = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '',
  bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '',
  right: '', 'right-mid': '', middle: '  ',
};

/** Width of a cell as printed: colour codes take none. */
function printedWidth(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ECMA-48 escape sequences begin with ESC.
  return text.replace(/\u001b\[[0-9;]*m/g, '').length;
}

/** Columns are not cut below this. */
const LEAST_COLUMNS = 8;
/** The last column, mostly prose, is of no use when it is shorter: while there are spare columns these go first. */
const LEAST_PROSE_COLUMNS = 20;

/** Printed width of a table with these columns: two blanks before each. */
function sumOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width + 2, 0);
}

/** Lines of a table, indented by two blanks. `widthColumns`: of the terminal; null does not cut. */
export function tableText(columns: readonly Column[], rows: readonly (readonly string[])[], widthColumns: number | null): string {
  const natural = columns.map((column, index) => Math.max(column.title.length, ...rows.map((row) => printedWidth(row[index] ?? ''))));
  const fitted = fit(columns, natural, widthColumns ?? Number.MAX_SAFE_INTEGER);
  const shown = fitted.map(({ index }) => columns[index]!);
  const table = new Table({
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    head: shown.map((column) => column.title),
    colAligns: shown.map((column) => column.align ?? 'left'),
    colWidths: fitted.map(({ width }) => width),
  });
  table.push(...rows.map((row) => fitted.map(({ index }) => row[index] ?? '')));
  return table
    .toString()
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n');
}

/** Which columns are shown, and how wide. */
function fit(columns: readonly Column[], natural: readonly number[], widthColumns: number): { readonly index: number; width: number }[] {
  let kept = natural.map((width, index) => ({ index, width }));
  const excess = (): number => sumOf(kept.map(({ width }) => width)) - widthColumns;
  const cutLast = (least: number): void => {
    const last = kept.at(-1);
    if (last && excess() > 0) last.width = Math.max(Math.min(last.width, least), last.width - excess());
  };
  const spare = columns.flatMap((column, index) => (column.spare === undefined ? [] : [{ index, order: column.spare }])).sort((a, b) => a.order - b.order);
  cutLast(spare.length === 0 ? LEAST_COLUMNS : LEAST_PROSE_COLUMNS);
  const left: { index: number; width: number }[] = [];
  for (const { index } of spare) {
    if (excess() <= 0) break;
    left.push(...kept.filter((it) => it.index === index));
    kept = kept.filter((it) => it.index !== index);
  }
  // Wide ones that went late make room for narrow ones that went before.
  for (const it of left.reverse()) {
    if (excess() + it.width + 2 <= 0) kept = [...kept, it].sort((a, b) => a.index - b.index);
  }
  while (excess() > 0) {
    const widest = kept.reduce((a, b) => (b.width > a.width ? b : a));
    if (widest.width <= LEAST_COLUMNS) break;
    widest.width--;
  }
  // What a column that went leaves free is the last one's.
  const last = kept.at(-1);
  if (last && excess() < 0) last.width = Math.min(natural[last.index] ?? last.width, last.width - excess());
  return kept;
}

/** 1,234,567. Not by toLocaleString: the first use of Intl takes 25 ms (bench/identify.ts). */
export function countText(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 flow`, `2 flows`. */
export function numberOf(count: number, thing: 'flow' | 'packet' | 'rule'): string {
  return `${countText(count)} ${thing}${count === 1 ? '' : 's'}`;
}

/** Bytes with a binary unit: 1.4 MiB. */
export function bytesText(lengthBytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = lengthBytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}
