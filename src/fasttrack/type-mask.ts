/**
 * The mask that hides the encryption type in a session's opening: masked = type XOR mask(seed).
 *
 * Deriving the mask from a seed needs a mixing routine that exists only as several
 * thousand lines of a GPL program and that nobody has described; it is deliberately
 * not reproduced. A table of measured masks serves instead: it holds the client seed that giFT,
 * mldonkey and Kazaa clients of 2006 always use, and seeds enough for a simulated supernode.
 * For every other seed the answer is `null`: unavailable, not zero.
 */

/** Seed that giFT and mldonkey (and the clients recorded in 2006) send in every opening. */
export const COMMON_CLIENT_SEED = 0xfacb1238;
/** The four bytes before it, where Kazaa sends random ones. */
export const COMMON_CLIENT_RANDOM = 0xfa00b62b;

const MASKS: ReadonlyMap<number, number> = new Map([
  [0x00000000, 0x48a00a33],
  [0x00000001, 0x0a24408d],
  [COMMON_CLIENT_SEED, 0x3209d21b],
  [0x12345678, 0x0a560342],
  [0x00000051, 0x04001028],
  [0xdeadbeef, 0x4c000410],
  [0xffffffff, 0x3e8a5476],
  [0x0badf00d, 0x016012d4],
  [0xcafebabe, 0x14020800],
  [0x7f000001, 0x0842084c],
]);

/** Seeds whose mask is known: a simulator restricts itself to these. */
export const SEEDS_WITH_MASK: readonly number[] = [...MASKS.keys()];

/** The mask of a seed, or null where it is unavailable. */
export function typeMask(seed: number): number | null {
  return MASKS.get(seed >>> 0) ?? null;
}

/** Hides or reveals an encryption type; null where the seed's mask is unavailable. */
export function maskType(type: number, seed: number): number | null {
  const mask = typeMask(seed);
  return mask === null ? null : (type ^ mask) >>> 0;
}
