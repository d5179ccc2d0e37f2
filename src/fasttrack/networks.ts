/**
 * Names of the FastTrack networks, as clients write them in pings, pongs and
 * sessions. Kazaa, Kazaa Lite: `KaZaA`; iMesh: `fileshare`; Grokster and the
 * early Morpheus: their own. Compared without regard to case (giFT does).
 */
import { latin1 } from '../base/bytes.js';

export const NETWORK_NAMES = ['KaZaA', 'fileshare', 'Grokster', 'MusicCity'] as const;

/** Longest name accepted from the wire; the known ones have 5 to 9 characters. */
export const MAX_NETWORK_NAME_BYTES = 32;

/** Length on the wire, name and zero byte, of each known network: 6, 9 or 10. */
export const NAME_FIELD_LENGTHS: readonly number[] = [...new Set(NETWORK_NAMES.map((name) => name.length + 1))];

/** True for a name of the table, in any case. */
export function isKnownNetwork(name: string): boolean {
  const lower = name.toLowerCase();
  return NETWORK_NAMES.some((known) => known.toLowerCase() === lower);
}

/**
 * The printable, zero-terminated name that fills [at, end) exactly; null when it is
 * empty, longer than MAX_NETWORK_NAME_BYTES, not printable ASCII, not terminated, or followed by more bytes.
 */
export function readNetworkName(bytes: Uint8Array, at: number, end: number): string | null {
  const nameEnd = end - 1;
  if (nameEnd <= at || nameEnd - at > MAX_NETWORK_NAME_BYTES || bytes[nameEnd] !== 0) return null;
  for (let i = at; i < nameEnd; i++) {
    const byte = bytes[i] ?? 0;
    if (byte < 0x20 || byte > 0x7e) return null;
  }
  return latin1(bytes, at, nameEnd);
}
