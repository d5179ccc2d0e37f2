/**
 * Text of the output words. The layout of `hexdump` and `dump` follows the
 * original's as far as it is recorded (docs/rope.md, "Output").
 */
import { ascii, concat } from '../../base/bytes.js';
import { escapeText } from '../escape.js';
import type { Item, Machine } from './machine.js';

/** Integers in decimal, strings as their bytes. */
export function printText(items: readonly Item[], newline: boolean): Uint8Array {
  const parts = items.map((item) =>
    item.type === 'int' ? ascii(String(item.value))
    : item.type === 'str' ? item.bytes.subarray(item.start, item.start + item.length)
    : new Uint8Array(0),
  );
  if (newline) parts.push(ascii('\n'));
  return concat(...parts);
}

// Type codes the original shows for its stack items; 2 for anchors is ours.
const TYPE_CODES = { str: 1, anchor: 2, int: 3, block: 6, ref: 10 } as const;

/** The whole state as text, bottom item first. */
export function dumpText(machine: Machine): Uint8Array {
  const { stack, limits } = machine;
  let text = `Stack: max = ${limits.stackItems}, used = ${stack.length}, jotter_max = ${limits.arenaBytes}, jotter_used = ${machine.arenaUsed}\n`;
  for (const item of stack) text += `${dumpItem(item)}\n`;
  text += `*** Verdict  = OKAY\n*** nActions = ${machine.actions} ($max_actions = ${machine.maxActions})\n`;
  return ascii(text);
}

function dumpItem(item: Item): string {
  const type = TYPE_CODES[item.type];
  if (item.type === 'int') return `type=${type}, length=-1, value=${item.value} (0x${(item.value >>> 0).toString(16)}):: ${item.value}`;
  if (item.type === 'str') {
    const text = escapeText(item.bytes, item.start, item.length);
    return `type=${type}, length=${item.length}:: "${text}"`;
  }
  return `type=${type}, length=-1:: ?`;
}
