/** Looks now and then whether the wall's rules still stand, and how many packets they queued, without holding up packets. */
import { execFile } from 'node:child_process';
import { missingFrom, queuedBy, withoutCounters } from '../enforce/iptables.js';

const MAX_OUTPUT_BYTES = 64 << 20;

export class RuleWatch {
  readonly #programs: readonly string[];
  readonly #onMissing: (missing: readonly string[]) => void;
  readonly #onCounted: (packets: number) => void;
  #isLooking = false;
  /** How often something was missing. */
  restored = 0;

  /** `programs`: iptables-save and its twin. `onCounted`: packets that met the queueing rules, when all rules stand. */
  constructor(programs: readonly string[], onMissing: (missing: readonly string[]) => void, onCounted: (packets: number) => void) {
    this.#programs = programs;
    this.#onMissing = onMissing;
    this.#onCounted = onCounted;
  }

  /** Starts one look, unless one is under way. */
  look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    let left = this.#programs.length;
    const missing: string[] = [];
    let packets = 0;
    for (const program of this.#programs) {
      execFile(program, ['-c'], { maxBuffer: MAX_OUTPUT_BYTES }, (error, saved) => {
        // A program that fails tells nothing about the rules.
        if (error === null) missing.push(...missingFrom(withoutCounters(saved)).map((what) => `${what} (${program})`));
        packets += queuedBy(saved);
        if (--left > 0) return;
        this.#isLooking = false;
        if (missing.length === 0) {
          this.#onCounted(packets);
          return;
        }
        this.restored++;
        this.#onMissing(missing);
      });
    }
  }
}
