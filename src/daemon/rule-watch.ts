/** Looks whether the wall's rules still stand, and how many packets they queued, without holding up packets. */
import { execFile } from 'node:child_process';
import type { WallPlan } from '../enforce/plan.js';
import type { RuleSet } from '../enforce/rule-set.js';

const MAX_OUTPUT_BYTES = 64 << 20;
/** One change of rules is many messages; those within so long cause one look. */
const GATHER_MS = 20;

export class RuleWatch {
  readonly #rules: RuleSet;
  readonly #plan: WallPlan;
  readonly #onMissing: (missing: readonly string[]) => void;
  readonly #onCounted: (packets: number) => void;
  #isLooking = false;
  #timer: NodeJS.Timeout | null = null;

  /** `onCounted`: packets that met the queueing rules, when all rules stand. */
  constructor(rules: RuleSet, plan: WallPlan, onMissing: (missing: readonly string[]) => void, onCounted: (packets: number) => void) {
    this.#rules = rules;
    this.#plan = plan;
    this.#onMissing = onMissing;
    this.#onCounted = onCounted;
  }

  /** Rules were changed, perhaps ours: looks soon. */
  changed(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      // The look under way may have read the rules before the change.
      if (this.#isLooking) this.changed();
      else this.look();
    }, GATHER_MS).unref();
  }

  /** Starts one look, unless one is under way. */
  look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const listings = this.#rules.listings(this.#plan);
    let left = listings.length;
    const missing: string[] = [];
    let packets = 0;
    for (const [program, ...args] of listings) {
      execFile(program, args, { maxBuffer: MAX_OUTPUT_BYTES }, (error, saved) => {
        // A program that fails tells nothing about the rules.
        if (error === null) missing.push(...this.#rules.missingFrom(saved, this.#plan).map((what) => `${what} (${program})`));
        packets += this.#rules.queuedBy(saved);
        if (--left > 0) return;
        this.#isLooking = false;
        if (missing.length > 0) this.#onMissing(missing);
        else this.#onCounted(packets);
      });
    }
  }

  /** No look begins from now on. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#isLooking = true;
  }
}
