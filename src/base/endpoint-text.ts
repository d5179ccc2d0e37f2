/**
 * Finds `a.b.c.d:port` in text: host lists of many protocols' header fields
 * (`X-Try: 1.2.3.4:6346,5.6.7.8:6347`), without strings or patterns.
 * No IPv6, no host names, no checks whether the address can be routed.
 */
import { u8 } from './bytes.js';

const DOT = 0x2e;
const COLON = 0x3a;

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/**
 * Calls `told(address, 0, port)` for each `a.b.c.d:port` in [from, end), with numbers in range and
 * port 1 to 65535. `address` is one array of 4 bytes (network order), overwritten for each call.
 * An endpoint that reaches `end` is left out: its port may go on. Returns the number of calls.
 */
export function scanIpv4Endpoints(
  bytes: Uint8Array,
  from: number,
  end: number,
  told: (address: Uint8Array, at: number, port: number) => void,
): number {
  const address = new Uint8Array(4);
  let found = 0;
  for (let at = from; at < end; ) {
    if (!isDigit(u8(bytes, at)) || (at > from && isPartOfWord(u8(bytes, at - 1)))) {
      at++;
      continue;
    }
    let next = at;
    let part = 0;
    for (; part < 4; part++) {
      const numberAt = next;
      let value = 0;
      while (next < end && next - numberAt < 3 && isDigit(u8(bytes, next))) value = value * 10 + u8(bytes, next++) - 0x30;
      if (next === numberAt || value > 255 || next >= end) break;
      address[part] = value;
      if (u8(bytes, next) !== (part < 3 ? DOT : COLON)) break;
      next++;
    }
    if (part === 4) {
      const portAt = next;
      let port = 0;
      while (next < end && next - portAt < 5 && isDigit(u8(bytes, next))) port = port * 10 + u8(bytes, next++) - 0x30;
      if (next < end && next > portAt && port > 0 && port <= 65535 && !isDigit(u8(bytes, next))) {
        told(address, 0, port);
        found++;
      }
    }
    at = Math.max(next, at + 1);
  }
  return found;
}

/** A digit behind one of these belongs to a longer token (`1.9.8.0` in `v1.9.8.0` is a version). */
function isPartOfWord(byte: number): boolean {
  const letter = byte | 0x20;
  return byte === DOT || isDigit(byte) || (letter >= 0x61 && letter <= 0x7a);
}
