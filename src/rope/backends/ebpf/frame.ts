/**
 * Room on the stack of the main function, in bytes below its end.
 *
 * Permanent room comes first; temporary room is taken and given back like a
 * stack, so that operations one after the other share it. All functions of a
 * program share the kernel's 512 bytes: each level of loops costs some.
 *
 * It only counts: exceeding the kernel's stack is found at the end, when the
 * compiler asks for `totalBytes`.
 */

/** What a function that calls bpf_loop needs of the stack beside its own (kernel/bpf/verifier.c: saved registers, rounding). */
const LOOP_BYTES = 32;

export class Frame {
  /** The context pointer, so that bodies of loops find it. */
  readonly contextAt: number;
  /** Number of the exit that the body of a loop took, or 0. */
  readonly exitAt: number;
  /** Length of the packet in bytes. */
  readonly packetLengthAt: number;
  /** `$offset`. */
  readonly offsetAt: number;
  /** Address of the scratch value, for programs whose buffers do not fit the stack. */
  readonly scratchPointerAt: number;
  #used = 0;
  #most = 0;
  #depth = 0;
  #deepest = 0;

  constructor() {
    this.contextAt = this.take(8);
    this.scratchPointerAt = this.take(8);
    this.exitAt = this.take(4);
    this.packetLengthAt = this.take(4);
    this.offsetAt = this.take(4);
  }

  /** Offset (negative) of `lengthBytes` of room, aligned to 8 when they are 8 or more, otherwise to 4. */
  take(lengthBytes: number): number {
    const unit = lengthBytes >= 8 ? 8 : 4;
    this.#used = Math.ceil((this.#used + lengthBytes) / unit) * unit;
    this.#most = Math.max(this.#most, this.#used);
    return -this.#used;
  }

  /** Runs `body` with room that is free again afterwards. */
  borrow(lengthBytes: number, body: (at: number) => void): void {
    const before = this.#used;
    body(this.take(lengthBytes));
    this.#used = before;
  }

  enterFunction(): void {
    this.#depth++;
    this.#deepest = Math.max(this.#deepest, this.#depth);
  }

  leaveFunction(): void {
    this.#depth--;
  }

  /** Frames in use at once, the main one included. */
  get depth(): number {
    return this.#deepest + 1;
  }

  /** Stack of the whole program, as the verifier counts it. */
  get totalBytes(): number {
    const rounded = Math.ceil(this.#most / 32) * 32;
    return this.#deepest === 0 ? rounded : rounded + LOOP_BYTES * (this.#deepest + 1);
  }
}
