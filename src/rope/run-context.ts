/**
 * What a run needs beside the program and the packet, and what it leaves behind.
 *
 * One object for each runner, reused for every packet. It holds no clock: the
 * caller sets the packet's times, and says how far local time is from UTC.
 */
import { PacketInput } from './packet.js';
import { GLOBAL_COUNT, type ErrorTag } from './ir.js';

/** Text a program printed, as bytes; `kind` tells which word. */
export interface Output {
  readonly kind: 'print' | 'hexdump' | 'dump';
  readonly bytes: Uint8Array;
}

export interface RunContextOptions {
  /** Shared by all scripts of a host; GLOBAL_COUNT integers. */
  readonly globals?: Int32Array;
  /** Seconds to add to UTC for local time at that instant. Default: UTC. */
  readonly utcOffsetSeconds?: (epochSeconds: number) => number;
  readonly output?: (output: Output) => void;
}

export class RunContext {
  readonly packet = new PacketInput();
  readonly globals: Int32Array;
  readonly utcOffsetSeconds: (epochSeconds: number) => number;
  readonly output: (output: Output) => void;

  /** Of the last run: why it ended in FAIL, NO by assert, or HOTDROP by a limit; null otherwise. */
  tag: ErrorTag | null = null;
  /** Of the last run: step (index into spans) where it ended with `tag`, or -1. */
  at = -1;
  /** Of the last run: message of hotdrop, or null. */
  message: Uint8Array | null = null;

  constructor(options: RunContextOptions = {}) {
    this.globals = options.globals ?? new Int32Array(GLOBAL_COUNT);
    this.utcOffsetSeconds = options.utcOffsetSeconds ?? (() => 0);
    this.output = options.output ?? (() => undefined);
  }
}
