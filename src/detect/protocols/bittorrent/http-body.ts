/**
 * Where a bencoded dictionary begins in the body of an HTTP response: directly, or
 * behind the size line of the first chunk (RFC 9112 section 7.1). Further chunk
 * lines inside the dictionary are not removed: what stands behind them reads as cut
 * or malformed.
 */
import { indexOfByte, u8 } from '../../../base/bytes.js';
import type { HttpMessage } from '../../facets/http.js';
import { CUT, MALFORMED } from './bencode.js';

const LF = 0x0a;
const LETTER_D = 0x64;
/** Eight hexadecimal digits, an extension and the line's end. */
const MAX_CHUNK_LINE_BYTES = 32;

/** Position of the dictionary's `d`; CUT when it may still come, MALFORMED when the body is something else or this is a request. */
export function bencodedBodyAt(http: HttpMessage): number {
  if (http.isRequest) return MALFORMED;
  if (!http.isComplete) return CUT;
  const { bytes, end } = http;
  let at = http.bodyAt;
  if (at >= end) return CUT;
  const first = u8(bytes, at) | 0x20;
  const isHexadecimal = (first >= 0x30 && first <= 0x39) || (first >= 0x61 && first <= 0x66);
  if (!isHexadecimal) return MALFORMED; // the dictionary's `d` is such a digit too
  if (http.field('transfer-encoding')?.toLowerCase() === 'chunked') {
    const lineEnd = indexOfByte(bytes, at, Math.min(end, at + MAX_CHUNK_LINE_BYTES), LF);
    if (lineEnd < 0) return end - at < MAX_CHUNK_LINE_BYTES ? CUT : MALFORMED;
    at = lineEnd + 1;
  }
  if (at + 2 > end) return CUT;
  const digit = u8(bytes, at + 1);
  return u8(bytes, at) === LETTER_D && digit >= 0x31 && digit <= 0x39 ? at : MALFORMED;
}
