/**
 * What `--trace` and the debugger show of a running script: one line for a step.
 */
import type { Step } from '../../rope/code.js';
import type { Item, Machine } from '../../rope/backends/machine.js';
import { escapeText } from '../../rope/escape.js';
import type { Paint } from '../../rope/diagnostics.js';

/** Longest piece of a string shown. */
const MAX_SHOWN_BYTES = 24;

export function itemText(item: Item): string {
  switch (item.type) {
    case 'int':
      return String(item.value);
    case 'str': {
      const shown = Math.min(item.length, MAX_SHOWN_BYTES);
      return `"${escapeText(item.bytes, item.start, shown)}"${shown < item.length ? `...(${item.length})` : ''}`;
    }
    case 'block':
      return '{...}';
    case 'anchor':
      return `${item.word}(`;
    case 'ref': {
      const { ref } = item;
      if (ref.kind === 'global') return `greg(${ref.index})`;
      return `$${ref.kind === 'offset' ? 'offset' : ref.kind === 'int-field' || ref.kind === 'str-field' ? ref.field : ref.name}`;
    }
  }
}

/** The step as the source writes it. */
function stepText(step: Step, source: string, machine: Machine): string {
  const span = machine.program.spans[step.at];
  if (span === undefined) return '?';
  const text = source.slice(span.start, span.end);
  return step.kind === 'call' ? `${text}(` : text.length > 30 ? `${text.slice(0, 27)}...` : text;
}

/** `line:column  step  offset N  [ stack before the step ]`. */
export function traceLine(step: Step, source: string, machine: Machine, paint: Paint): string {
  const span = machine.program.spans[step.at];
  const place = `${span?.line ?? 0}:${span?.column ?? 0}`.padStart(7);
  const stack = machine.stack.map(itemText).join(' ');
  return `${paint.dim(place)}  ${paint.strong(stepText(step, source, machine).padEnd(20))} ${paint.dim(`offset ${String(machine.offset).padEnd(5)}`)} [ ${stack} ]`;
}

/** A line of the source with its number, above the steps on it. */
export function sourceLine(source: string, line: number, paint: Paint): string {
  return paint.strong(`${String(line).padStart(5)} | ${source.split('\n')[line - 1]?.trimEnd() ?? ''}`);
}
