/**
 * The program under construction: functions, labels, exits, temporary room.
 *
 * Registers are used the same way everywhere:
 *   r0-r5  free for each operation, lost over calls
 *   r6     the packet context
 *   r7, r8 free for an operation that needs them over calls
 *   r9     the frame: end of the main function's stack; all slots lie below it
 *
 * The body of a loop becomes a function of its own, called by bpf_loop, because
 * the kernel's verifier walks that once instead of each round. It works on the
 * same frame. Leaving it for a place outside the loop is an exit with a number:
 * the body stores the number and ends the loop, and the code behind the loop
 * goes where the number says.
 *
 * The verifier gives a value it knows exactly a state of its own in each round.
 * What a loop changes therefore begins as `unknownZero`: 0, read from a map.
 */
import { add, mov } from '../../../ebpf/alu.js';
import { BPF_FUNC_loop } from '../../../ebpf/helpers.js';
import { label, type Item } from '../../../ebpf/instruction.js';
import { BPF_DW, BPF_W, r0, r1, r2, r3, r4, r6, r9, r10 } from '../../../ebpf/isa.js';
import { call, exit, ja, jne } from '../../../ebpf/jump.js';
import { load, loadFunction, loadMapValue, store, storeImm } from '../../../ebpf/load-store.js';
import { Frame } from './frame.js';
import { STATE_MAP, STATE_ZERO_AT } from './state.js';

/** A place that code in the same function, or in a loop inside it, can go to. */
export interface Exit {
  readonly label: string;
  readonly owner: FunctionCode;
  readonly code: number;
}

/** One function: the main one, or the body of a loop. */
export interface FunctionCode {
  readonly name: string;
  readonly items: Item[];
  readonly parent: FunctionCode | null;
  /** Exits of functions further out that this one takes. */
  readonly leaves: Set<Exit>;
  /** Step of the source that asked for it. */
  readonly step: number;
}

/** The first bytes of the data in the frame at `at`, a multiple of 8; beyond the packet's end zeros. */
export interface Head {
  readonly at: number;
  readonly lengthBytes: number;
}

/** Rounds that no packet can need: as many bytes as a length field holds. */
export const MAX_PACKET_BYTES = 65536;

export class Code {
  readonly functions: FunctionCode[] = [];
  readonly frame = new Frame();
  /** The first bytes of the data, when they were loaded: see `headers.ts`. */
  head: Head | null = null;
  /** Source line and step of what is being emitted. */
  line: number | undefined;
  step = 0;
  #current: FunctionCode;
  #counter = 0;

  constructor() {
    this.#current = { name: 'rope', items: [], parent: null, leaves: new Set(), step: 0 };
    this.functions.push(this.#current);
  }

  emit(...items: Item[]): void {
    const { line } = this;
    for (const item of items) {
      this.#current.items.push(line === undefined || 'label' in item || item.line !== undefined ? item : { ...item, line });
    }
  }

  newLabel(hint: string): string {
    this.#counter++;
    return `${hint}_${this.#counter}`;
  }

  place(name: string): void {
    this.emit(label(name));
  }

  /** A place in the current function. */
  newExit(hint: string): Exit {
    return { label: this.newLabel(hint), owner: this.#current, code: this.#counter };
  }

  /** Goes to an exit of this function or of one further out. */
  leave(to: Exit): void {
    if (to.owner === this.#current) {
      this.emit(ja(to.label));
      return;
    }
    this.#current.leaves.add(to);
    this.emit(storeImm(BPF_W, r9, this.frame.exitAt, to.code), mov.imm(r0, 1), exit());
  }

  /** Ends the loop whose body is being emitted. */
  stop(): void {
    this.emit(mov.imm(r0, 1), exit());
  }

  /**
   * Calls `body` up to r1 times; in it r1 is the number of the round. Loses r0-r5. Nothing tells afterwards whether all
   * rounds ran.
   */
  loop(hint: string, body: () => void): void {
    const outer = this.#current;
    const inner: FunctionCode = { name: this.newLabel(hint), items: [], parent: outer, leaves: new Set(), step: this.step };
    const frame = this.frame;
    this.emit(storeImm(BPF_W, r9, frame.exitAt, 0));
    this.emit(loadFunction(r2, inner.name), mov.reg(r3, r9), mov.imm(r4, 0), call(BPF_FUNC_loop));
    this.functions.push(inner);
    this.#current = inner;
    frame.enterFunction();
    this.emit(label(inner.name), mov.reg(r9, r2), load(BPF_DW, r6, r9, frame.contextAt));
    body();
    this.emit(mov.imm(r0, 0), exit());
    frame.leaveFunction();
    this.#current = outer;
    for (const target of inner.leaves) {
      const next = this.newLabel('next');
      this.emit(load(BPF_W, r1, r9, frame.exitAt), jne.imm32(r1, target.code, next));
      this.leave(target);
      this.place(next);
    }
  }

  /** register = 0, which the verifier does not know. Loses nothing else. */
  unknownZero(register: number): void {
    this.emit(loadMapValue(register, STATE_MAP, STATE_ZERO_AT), load(BPF_W, register, register, 0));
  }

  /** register = address of the frame at `at`. */
  address(register: number, at: number): void {
    this.emit(mov.reg(register, r9), add.imm(register, at));
  }

  /** First instructions of the main function. */
  begin(): void {
    this.emit(mov.reg(r6, r1), mov.reg(r9, r10), store(BPF_DW, r9, this.frame.contextAt, r6));
  }
}
