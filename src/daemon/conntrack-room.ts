/** Is there room in the kernel's connection table? When it is full the kernel drops new connections, with a wall or without. */
import { readSysctl } from '../kernel/sysctl.js';

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
  return {
    count: readSysctl('net.netfilter.nf_conntrack_count') ?? 0,
    max: readSysctl('net.netfilter.nf_conntrack_max') ?? 0,
  };
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
