/**
 * G2 packets: a control byte, a length, a name and children before the body.
 *
 *   control: bits 7-6 bytes of the length, bits 5-3 name length - 1, bit 2 children follow, bit 1 big-endian
 *   | control | length (0 to 3 bytes) | name (1 to 8 letters or digits) | children ... 00 | body |
 *
 * Gnutella2 developers' network, "Packet Structure".
 */
import { u8 } from '../../../base/bytes.js';

const COMPOUND = 0x04;
const BIG_ENDIAN = 0x02;
const RESERVED = 0x01;
/** Names of root packets in the specification and in Shareaza, GnucDNA, Sharelin, gtk-gnutella. */
const ROOTS: ReadonlySet<string> = new Set([
  'PI',
  'PO',
  'LNI',
  'KHL',
  'KHLR',
  'KHLA',
  'HAW',
  'QKR',
  'QKA',
  'Q1',
  'Q2',
  'QA',
  'QH1',
  'QH2',
  'QHT',
  'PUSH',
  'JCT',
  'MCR',
  'UPROC',
  'UPROD',
  'CRAWLR',
  'CRAWLA',
  'CLOSE',
  'BYE',
  'DIS',
  'MSG',
]);

/** Result of reading a packet: -1 malformed or unknown, 0 cut, else the position behind it. */
export type PacketEnd = number;
export const BAD = -1;
export const CUT = 0;

/** Length field of the packet at `at`; the header must be readable up to it. */
function bodyBytes(bytes: Uint8Array, at: number): number {
  const control = u8(bytes, at);
  const lengthBytes = control >> 6;
  let value = 0;
  for (let i = 0; i < lengthBytes; i++) {
    const byte = u8(bytes, at + 1 + i);
    value = (control & BIG_ENDIAN) !== 0 ? (value << 8) | byte : value | (byte << (8 * i));
  }
  return value;
}

/** Position behind the header of the packet at `at` (its first child or body), BAD or CUT. Checks the control byte and the name's alphabet. */
function headerEnd(bytes: Uint8Array, at: number, end: number): PacketEnd {
  if (at >= end) return CUT;
  const control = u8(bytes, at);
  if (control === 0 || (control & RESERVED) !== 0) return BAD;
  const nameAt = at + 1 + (control >> 6);
  const nameEnd = nameAt + ((control >> 3) & 7) + 1;
  for (let i = nameAt; i < nameEnd && i < end; i++) {
    const byte = u8(bytes, i);
    const isLetter = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
    if (!isLetter && !(byte >= 0x30 && byte <= 0x39)) return BAD;
  }
  return nameEnd > end ? CUT : nameEnd;
}

/** Reads the root packet at `at`: known name, children that fill their space. `limit`: where [at, ...) may end at most when more is to come. */
export function rootEnd(bytes: Uint8Array, at: number, end: number): PacketEnd {
  const contentAt = headerEnd(bytes, at, end);
  if (contentAt <= 0) return contentAt;
  const nameBytes = ((u8(bytes, at) >> 3) & 7) + 1;
  let name = '';
  for (let i = contentAt - nameBytes; i < contentAt; i++) name += String.fromCharCode(u8(bytes, i));
  if (!ROOTS.has(name)) return BAD;
  const next = contentAt + bodyBytes(bytes, at);
  if ((u8(bytes, at) & COMPOUND) !== 0 && !areChildren(bytes, contentAt, Math.min(next, end), next > end)) return BAD;
  return next > end ? CUT : next;
}

/** Children one behind the other, ended by a zero byte or by the packet's end. */
function areChildren(bytes: Uint8Array, at: number, end: number, isCut: boolean): boolean {
  let next = at;
  while (next < end && u8(bytes, next) !== 0) {
    const contentAt = headerEnd(bytes, next, end);
    if (contentAt === BAD) return false;
    if (contentAt === CUT) return isCut;
    next = contentAt + bodyBytes(bytes, next);
  }
  return next <= end || isCut;
}
