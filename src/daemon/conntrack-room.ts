/** Is there room in the kernel's connection table? When it is full the kernel drops new connections, with a wall or without. */
import { readFileSync } from 'node:fs';

export interface ConntrackFill {
  readonly count: number;
  readonly max: number;
}

/** From here on it is said; the kernel begins to evict and drop at the maximum. */
const NEARLY_FULL = 0.95;

export function isNearlyFull({ count, max }: ConntrackFill): boolean {
  return max > 0 && count >= max * NEARLY_FULL;
}

/** Of this network namespace; zeros when connections are not tracked here. */
export function readConntrackFill(): ConntrackFill {
  const read = (name: string): number => {
    try {
      return Number(readFileSync(`/proc/sys/net/netfilter/nf_conntrack_${name}`, 'latin1'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
      throw error;
    }
  };
  return { count: read('count'), max: read('max') };
}

/** Tells once for each time that the table fills up. */
export class ConntrackRoom {
  readonly #read: () => ConntrackFill;
  readonly #onFull: (fill: ConntrackFill) => void;
  #wasFull = false;

  constructor(onFull: (fill: ConntrackFill) => void, read = readConntrackFill) {
    this.#onFull = onFull;
    this.#read = read;
  }

  look(): void {
    const fill = this.#read();
    const isFull = isNearlyFull(fill);
    if (isFull && !this.#wasFull) this.#onFull(fill);
    this.#wasFull = isFull;
  }
}
