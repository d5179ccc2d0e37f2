/**
 * The text that `hexdump` prints, 16 bytes a line:
 *
 *     00000000 : 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a : 'GET / HTTP/1.1..'
 */
import { ascii } from '../base/bytes.js';

export function hexdumpText(bytes: Uint8Array, start: number, length: number): Uint8Array {
  let text = '';
  for (let at = 0; at < length; at += 16) {
    let hex = '';
    let plain = '';
    for (let i = at; i < at + 16; i++) {
      const byte = i < length ? (bytes[start + i] ?? 0) : -1;
      hex += byte < 0 ? '   ' : `${byte.toString(16).padStart(2, '0')} `;
      if (byte >= 0) plain += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
    }
    text += `${at.toString(16).padStart(8, '0')} : ${hex}: '${plain}'\n`;
  }
  return ascii(text);
}
