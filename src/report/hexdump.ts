/** Bytes for people: offset, hexadecimal and text, sixteen to a line. */
import { toHex } from '../base/bytes.js';

export function hexdump(bytes: Uint8Array, indent: string): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = toHex(row).replace(/../g, '$& ').trimEnd();
    const text = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${indent}${at.toString(16).padStart(4, '0')}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join('\n');
}
