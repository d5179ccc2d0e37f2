/**
 * What commands need of a terminal: colours only where one is, width, progress.
 */
import pc from 'picocolors';
import { bytesText } from '../report/table.js';

/** Colour functions that do nothing unless the stream is a terminal and NO_COLOR is unset (see no-color.org). */
export function colorsFor(stream: NodeJS.WriteStream): ReturnType<typeof pc.createColors> {
  const isForced = process.env.FORCE_COLOR !== undefined && process.env.FORCE_COLOR !== '0';
  const isRefused = (process.env.NO_COLOR ?? '') !== '' || process.env.TERM === 'dumb';
  return pc.createColors((stream.isTTY === true && !isRefused) || (isForced && !isRefused));
}

/** Columns of the terminal, or null when the stream is none (then nothing is cut). */
export function terminalWidth(stream: NodeJS.WriteStream): number | null {
  return stream.isTTY === true ? stream.columns : null;
}

/** Redraws at most this often. */
const PROGRESS_MS = 100;
const BAR_COLUMNS = 30;

/** A progress line on standard error, only on a terminal, and only when the work takes a while. */
export class Progress {
  readonly #label: string;
  readonly #amount: (quantity: number) => string;
  readonly #isShown: boolean;
  #nextMs: number;
  #wasDrawn = false;

  /** `amount` prints quantities; bytes by default. */
  constructor(label: string, amount: (quantity: number) => string = bytesText) {
    this.#label = label;
    this.#amount = amount;
    this.#isShown = process.stderr.isTTY === true;
    this.#nextMs = Date.now() + 3 * PROGRESS_MS;
  }

  update(done: number, total: number | null): void {
    if (!this.#isShown || Date.now() < this.#nextMs) return;
    this.#nextMs = Date.now() + PROGRESS_MS;
    this.#wasDrawn = true;
    if (total === null || total === 0) {
      process.stderr.write(`\r${this.#label}  ${this.#amount(done)}\u001b[K`);
      return;
    }
    const share = Math.min(1, done / total);
    const filled = Math.round(share * BAR_COLUMNS);
    const bar = '#'.repeat(filled) + '-'.repeat(BAR_COLUMNS - filled);
    process.stderr.write(`\r${this.#label}  [${bar}] ${Math.floor(share * 100)} % of ${this.#amount(total)}\u001b[K`);
  }

  /** Removes the line. */
  clear(): void {
    if (this.#wasDrawn) process.stderr.write('\r\u001b[K');
  }
}
