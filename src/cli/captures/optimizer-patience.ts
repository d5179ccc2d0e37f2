/**
 * How warm a function must be before V8 optimises it, while a capture is read.
 *
 * Optimising a function takes a millisecond or two of the same core. What is hot in the first tenth of a second earns
 * that back many times; what becomes warm only later seldom does before the capture ends, and there are a hundred such
 * functions (a tenth of bench/identify.ts went into them). So the patience grows with the packets that were read, up to a
 * limit at which whatever matters in a long run is still optimised within milliseconds of its own time.
 */
import { setFlagsFromString } from 'node:v8';

/** Bytes of bytecode a function runs between two looks at it: V8's own `--interrupt-budget` (flag-definitions.h, 66 KiB). */
const BUDGET_BYTES = 66 << 10;
/** The budget grows by itself once more for so many packets: some 20 ms. */
const PACKETS_PER_STEP = 1 << 15;
const MOST_STEPS = 16;

/** The budget after `packets`, in bytes. */
export function budgetAfter(packets: number): number {
  return BUDGET_BYTES * Math.min(MOST_STEPS, 1 + Math.floor(packets / PACKETS_PER_STEP));
}

/** One for the process: V8 has one budget. */
export class OptimizerPatience {
  #budget = BUDGET_BYTES;

  /** To be told now and then how many packets of a capture were read; the next capture does not shorten it. */
  grow(packets: number): void {
    const budget = budgetAfter(packets);
    if (budget <= this.#budget) return;
    this.#budget = budget;
    setFlagsFromString(`--interrupt-budget=${budget}`);
  }
}
