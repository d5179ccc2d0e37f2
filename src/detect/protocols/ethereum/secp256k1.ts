/**
 * Membership of a point in the curve secp256k1 (SEC 2 section 2.4.1): y^2 = x^3 + 7
 * modulo 2^256 - 2^32 - 977. Two random 256-bit numbers satisfy it with odds of
 * 2^-256. About 2 us.
 */
import { toHex } from '../../../base/bytes.js';

const PRIME = 2n ** 256n - 2n ** 32n - 977n;

/** True when the 64 bytes at `at` are the coordinates of a point, big-endian. The caller checks that they are there. */
export function isCurvePoint(bytes: Uint8Array, at: number): boolean {
  const x = BigInt(`0x${toHex(bytes, at, at + 32)}`);
  const y = BigInt(`0x${toHex(bytes, at + 32, at + 64)}`);
  if (x === 0n || x >= PRIME || y >= PRIME) return false;
  return (y * y - x * x * x - 7n) % PRIME === 0n;
}
