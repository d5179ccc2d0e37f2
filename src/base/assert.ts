/**
 * Assertions about our own code. They throw: a failing one is a bug of p2pwall,
 * never the answer to bad input (input gets a status, a finding or a diagnostic).
 */

/** Makes an exhaustive `switch` a compile-time check; throws if reached all the same. */
export function assertNever(value: never): never {
  throw new Error(`unreachable value: ${JSON.stringify(value)}`);
}

/** Throws when a condition that our code guarantees does not hold. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
