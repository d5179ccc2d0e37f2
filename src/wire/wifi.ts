/**
 * 802.11 data frames, bare or after a radiotap header, to the IP header.
 *
 * Does not decrypt (protected frames are `unsupported`), nor reassemble fragments, nor
 * read more than the first frame of an aggregate (A-MSDU). IEEE Std 802.11-2020
 * section 9.2.3; https://www.radiotap.org/.
 *
 *   frame control 2 | duration 2 | address 6 | address 6 | address 6 | sequence 2
 *     [ fourth address 6 ] [ QoS control 2 ] [ HT control 4 ] LLC ...
 *
 * All numbers are little-endian; bit 0 of frame control is the lowest of the first byte.
 */
import { u16le, u32le, u8 } from '../base/bytes.js';
import { locateInLlc } from './ether-type.js';
import { MALFORMED, TRUNCATED, UNSUPPORTED } from './locate.js';

const HEADER_BYTES = 24;
/** Extended `present` words that we follow; drivers use one for each antenna. */
const MAX_PRESENT_WORDS = 16;

/** Locator for an 802.11 frame. `isPadded`: the driver aligned the body to 4 bytes. */
export function locateInWifi(bytes: Uint8Array, at: number, end: number, isPadded = false): number {
  if (end - at < HEADER_BYTES) return TRUNCATED;
  const first = u8(bytes, at);
  const flags = u8(bytes, at + 1);
  // Protocol version 0, type 2 (data), subtype without "no data".
  if ((first & 0x0f) !== 0x08 || (first & 0x40) !== 0) return UNSUPPORTED;
  // Protected; more fragments, or a fragment but the first.
  if ((flags & 0x44) !== 0 || (u8(bytes, at + 22) & 0x0f) !== 0) return UNSUPPORTED;
  let headerBytes = HEADER_BYTES;
  if ((flags & 0x03) === 0x03) headerBytes += 6;
  let isAggregate = false;
  if ((first & 0x80) !== 0) {
    if (end - at < headerBytes + 2) return TRUNCATED;
    isAggregate = (u8(bytes, at + headerBytes) & 0x80) !== 0;
    headerBytes += 2;
    if ((flags & 0x80) !== 0) headerBytes += 4;
  }
  if (isPadded) headerBytes = (headerBytes + 3) & ~3;
  // An A-MSDU subframe begins with destination, source and length.
  if (isAggregate) headerBytes += 14;
  return locateInLlc(bytes, at + headerBytes, end);
}

/** Locator for a radiotap header (version 0, pad, length 2, present 4, fields) and the frame behind it. */
export function locateInRadiotap(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < 8) return TRUNCATED;
  const lengthBytes = u16le(bytes, at + 2);
  if (u8(bytes, at) !== 0 || lengthBytes < 8) return MALFORMED;
  if (end - at < lengthBytes) return TRUNCATED;
  const present = u32le(bytes, at + 4);
  let fieldAt = 8;
  let word = present;
  for (let words = 1; word >= 0x8000_0000; words++) {
    if (words > MAX_PRESENT_WORDS || fieldAt + 4 > lengthBytes) return MALFORMED;
    word = u32le(bytes, at + fieldAt);
    fieldAt += 4;
  }
  // Field 0 (timestamp) has 8 bytes aligned to 8; field 1 is the flags: 0x20 says "body aligned".
  if ((present & 1) !== 0) fieldAt = ((fieldAt + 7) & ~7) + 8;
  const isPadded = (present & 2) !== 0 && fieldAt < lengthBytes && (u8(bytes, at + fieldAt) & 0x20) !== 0;
  return locateInWifi(bytes, at + lengthBytes, end, isPadded);
}
