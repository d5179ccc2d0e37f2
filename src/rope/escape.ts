/** Bytes as source text writes them. */

/** Bytes as the text between the quotes of a literal. */
export function escapeText(bytes: Uint8Array, start: number, length: number): string {
  let out = '';
  for (let i = start; i < start + length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === 0x22 || byte === 0x5c) out += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) out += String.fromCharCode(byte);
    else out += byte === 10 ? '\\n' : byte === 13 ? '\\r' : byte === 9 ? '\\t' : `\\0x${byte.toString(16).padStart(2, '0')}`;
  }
  return out;
}
