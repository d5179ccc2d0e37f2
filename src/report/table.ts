/**
 * Plain tables for terminals: columns as wide as their content, the last one cut to the
 * width of the terminal. No borders, so that the output can also be cut and sorted by
 * other programs.
 */
import Table from 'cli-table3';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
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

/** Lines of a table, indented by two blanks. `widthColumns`: of the terminal; null does not cut. */
export function tableText(columns: readonly Column[], rows: readonly (readonly string[])[], widthColumns: number | null): string {
  const widths = columns.map((column, index) => Math.max(column.title.length, ...rows.map((row) => printedWidth(row[index] ?? ''))));
  const last = columns.length - 1;
  const others = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 2);
  if (widthColumns !== null && last >= 0) {
    widths[last] = Math.max(8, Math.min(widths[last] ?? 8, widthColumns - others));
  }
  const table = new Table({
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
    head: columns.map((column) => column.title),
    colAligns: columns.map((column) => column.align ?? 'left'),
    colWidths: widths,
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n');
}

/** 1,234,567. Not by toLocaleString: the first use of Intl takes 25 ms (bench/identify.ts). */
export function countText(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
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
