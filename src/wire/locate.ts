/**
 * What locators answer: where the IP header of a frame begins, or why there is none.
 *
 * A locator takes `(bytes, at, end)` and returns an offset `<= end`, or one of the
 * negative numbers below. Offsets and reasons share a number so that a frame costs
 * no object. The locators of link layers live in `ether-type.ts`, `ppp.ts`,
 * `wifi.ts` and `link.ts`.
 */
import { u8 } from '../base/bytes.js';
import type { DecodeStatus } from './packet-view.js';

export const TRUNCATED = -1;
export const MALFORMED = -2;
export const UNSUPPORTED = -3;

/** Status of a negative locator answer. */
export function locatorStatus(answer: number): DecodeStatus {
  if (answer === TRUNCATED) return 'truncated';
  return answer === MALFORMED ? 'malformed' : 'unsupported';
}

/** `at`, when an IP header of this version begins there. */
export function ipAt(bytes: Uint8Array, at: number, end: number, version: 4 | 6): number {
  if (at >= end) return TRUNCATED;
  return u8(bytes, at) >> 4 === version ? at : MALFORMED;
}

/** `at`, when an IP header of either version begins there; `otherwise` when not. */
export function anyIpAt(bytes: Uint8Array, at: number, end: number, otherwise: number): number {
  if (at >= end) return TRUNCATED;
  const version = u8(bytes, at) >> 4;
  return version === 4 || version === 6 ? at : otherwise;
}
