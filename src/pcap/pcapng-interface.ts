/**
 * Interface Description Block of pcapng (draft-ietf-opsawg-pcapng section 4.2): the link
 * type and how the packets of an interface count time.
 *
 *    0 |         Block Type = 1        |      Block Total Length       |
 *    8 |   LinkType 2  |   Reserved 2  |            SnapLen            |
 *   16 | options: code 2, length 2, value padded to 4 ...              |
 */
import { u16, u16le, u32, u32le, u8 } from '../base/bytes.js';
import { PCAPNG_IF_TSOFFSET, PCAPNG_IF_TSRESOL, PCAPNG_OPTION_END } from './formats.js';

export interface CaptureInterface {
  readonly linkType: number;
  /** Longest packet captured in bytes; 0: no limit. */
  readonly snapBytes: number;
  /** Ticks of the time stamps in one millisecond; less than 1 for coarse clocks. */
  readonly ticksPerMs: number;
  /** Added to every time. */
  readonly offsetMs: number;
}

/** The block at `at` of `lengthBytes` (at least 20, all of it readable). Damaged options are ignored from there on. */
export function readInterface(bytes: Uint8Array, at: number, lengthBytes: number, isLittle: boolean): CaptureInterface {
  const read16 = isLittle ? u16le : u16;
  const read32 = isLittle ? u32le : u32;
  let ticksPerMs = 1000;
  let offsetMs = 0;
  const end = at + lengthBytes - 4;
  for (let optionAt = at + 16; end - optionAt >= 4; ) {
    const code = read16(bytes, optionAt);
    const valueBytes = read16(bytes, optionAt + 2);
    const valueAt = optionAt + 4;
    if (code === PCAPNG_OPTION_END || valueBytes > end - valueAt) break;
    if (code === PCAPNG_IF_TSRESOL && valueBytes === 1) ticksPerMs = ticksPerMsOf(u8(bytes, valueAt));
    if (code === PCAPNG_IF_TSOFFSET && valueBytes === 8) {
      const high = read32(bytes, isLittle ? valueAt + 4 : valueAt) | 0;
      const low = read32(bytes, isLittle ? valueAt : valueAt + 4);
      offsetMs = (high * 0x1_0000_0000 + low) * 1000;
    }
    optionAt = valueAt + ((valueBytes + 3) & ~3);
  }
  return { linkType: read16(bytes, at + 8), snapBytes: read32(bytes, at + 12), ticksPerMs, offsetMs };
}

/** if_tsresol: a tick is 10^-n seconds, or 2^-n with the highest bit set. */
function ticksPerMsOf(resolution: number): number {
  return (resolution & 0x80 ? 2 ** (resolution & 0x7f) : 10 ** resolution) / 1000;
}
