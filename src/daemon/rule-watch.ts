/** Looks now and then whether the wall's rules still stand, without holding up packets. */
import { execFile } from 'node:child_process';
import { missingFrom } from '../enforce/iptables.js';

const MAX_OUTPUT_BYTES = 64 << 20;

export class RuleWatch {
  readonly #programs: readonly string[];
  readonly #onMissing: (missing: readonly string[]) => void;
  #isLooking = false;
  /** How often something was missing. */
  restored = 0;

  /** `programs`: iptables-save and its twin. */
  constructor(programs: readonly string[], onMissing: (missing: readonly string[]) => void) {
    this.#programs = programs;
    this.#onMissing = onMissing;
  }

  /** Starts one look, unless one is under way. */
  look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    let left = this.#programs.length;
    const missing: string[] = [];
    for (const program of this.#programs) {
      execFile(program, [], { maxBuffer: MAX_OUTPUT_BYTES }, (error, saved) => {
        // A program that fails tells nothing about the rules.
        if (error === null) missing.push(...missingFrom(saved).map((what) => `${what} (${program})`));
        if (--left > 0) return;
        this.#isLooking = false;
        if (missing.length === 0) return;
        this.restored++;
        this.#onMissing(missing);
      });
    }
  }
}
