/**
 * Which masks can hold our part of packet and connection marks. What the values in it mean is said in enforce/marks.ts;
 * this is here because a configuration is judged before anything is enforced.
 */

/** Width of the narrowest field, and so the number of values. */
const LEAST_BITS = 8;

/** Why a mask below bit 31 cannot serve, worded to stand behind its name; null when it can. */
export function markMaskProblem(mask: number): string | null {
  if (mask <= 0) return 'is empty';
  const shift = 31 - Math.clz32(mask & -mask);
  const width = mask >>> shift;
  if ((width & (width + 1)) !== 0) return 'has holes: its bits must be adjacent';
  return width < (1 << LEAST_BITS) - 1 ? `has fewer than ${LEAST_BITS} bits` : null;
}
