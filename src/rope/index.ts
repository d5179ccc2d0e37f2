/** Public door of the rope language: what other folders use. */
export { DEFAULT_LIMITS, FAIL, HOTDROP, NO, OKAY, ORIGINAL_LIMITS, YES, isMatch } from './ir.js';
export type { ErrorTag, Ir, Limits, Verdict } from './ir.js';
