/**
 * Room on the stack of the main function, in bytes below its end.
 *
 * Permanent room comes first; temporary room is taken and given back like a
 * stack, so that operations one after the other share it. All functions of a
 * program share the kernel's 512 bytes: each level of loops costs some.
 *
 * It only counts: exceeding the kernel's stack is found at the end, when the
 * compiler asks for `totalBytes`.
 *
 * Clear and vague places: the verifier remembers what a register held that was
 * put away at a multiple of 8, and of 4 bytes anywhere else only that somebody
 * wrote them (check_stack_write_fixed_off in kernel/bpf/verifier.c). What it
 * remembers it has to compare, and many paths that differ in a remembered value
 * stay many; so lengths, positions and whatever loops change live in vague places.
 */

/** What each level of loops costs: the stack of a function, even of one that needs none, is rounded up to this (kernel/bpf/verifier.c, check_max_stack_depth; 16 in newer kernels). */
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
  /** Free halves of 8 bytes: at a multiple of 8, and the other ones. */
  #holes: number[] = [];
  #vagueHoles: number[] = [];
  #used = 0;
  #most = 0;
  #depth = 0;
  #deepest = 0;

  constructor() {
    this.contextAt = this.take(8);
    this.scratchPointerAt = this.take(8);
    this.packetLengthAt = this.takeVague();
    this.offsetAt = this.takeVague();
    this.exitAt = this.take(4);
  }

  /** Offset (negative) of `lengthBytes` of room: 8-aligned when they are 8 or more, otherwise a clear place of 4. */
  take(lengthBytes: number): number {
    const hole = lengthBytes <= 4 ? this.#holes.pop() : undefined;
    if (hole !== undefined) return hole;
    const at = this.#grow(Math.ceil(lengthBytes / 8) * 8);
    if (lengthBytes <= 4) this.#vagueHoles.push(at + 4);
    return at;
  }

  /** 4 bytes of which the verifier forgets the value. */
  takeVague(): number {
    const hole = this.#vagueHoles.pop();
    if (hole !== undefined) return hole;
    const at = this.#grow(8);
    this.#holes.push(at);
    return at + 4;
  }

  /** Permanent room that is needed no longer, from a multiple of 8 on: places of 4 bytes are taken there first. */
  giveBack(at: number, lengthBytes: number): void {
    for (let i = 0; i + 8 <= lengthBytes; i += 8) {
      this.#holes.push(at + i);
      this.#vagueHoles.push(at + i + 4);
    }
  }

  #grow(lengthBytes: number): number {
    this.#used += lengthBytes;
    this.#most = Math.max(this.#most, this.#used);
    return -this.#used;
  }

  /** Runs `body`; room that is taken in it is free again afterwards. */
  temporarily(body: () => void): void {
    const [used, holes, vagueHoles] = [this.#used, [...this.#holes], [...this.#vagueHoles]];
    body();
    this.#used = used;
    this.#holes = holes;
    this.#vagueHoles = vagueHoles;
  }

  /** Runs `body` with room that is free again afterwards. */
  borrow(lengthBytes: number, body: (at: number) => void): void {
    this.temporarily(() => body(this.take(lengthBytes)));
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
    return rounded + LOOP_BYTES * this.#deepest;
  }
}
