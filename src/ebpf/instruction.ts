/**
 * The value that every constructor of this folder makes: one instruction, with
 * names (label, map) in place of the numbers that only later stages know.
 *
 * A program under construction is a plain array of instructions and labels.
 * Constructors never fail: a combination that no instruction has carries
 * `problem`, and assembling refuses it by that text.
 */

export interface Instruction {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  /** Signed 16 bits; overwritten by the resolver when `target` is set. */
  readonly off: number;
  /** Signed 32 bits, or a bigint for the two slots of a 64-bit immediate. */
  readonly imm: number | bigint;
  /** Label that a jump or a local call goes to. */
  readonly target?: string;
  /** Map whose file descriptor becomes the immediate. */
  readonly map?: string;
  /** Shown after `;` in the disassembly. */
  readonly comment?: string;
  /** Line of the user's source that this instruction stems from, from 1. */
  readonly line?: number;
  /** Why no such instruction exists. */
  readonly problem?: string;
}

/** A name for the instruction after it. Several labels may stand together; the end of the program may not be labelled. */
export interface Label {
  readonly label: string;
}

export type Item = Instruction | Label;

/** The instruction that follows is named `name`. */
export function label(name: string): Label {
  return { label: name };
}

export function isLabel(item: Item): item is Label {
  return 'label' in item;
}

/** The same instruction with a comment for the disassembly. */
export function commented(instruction: Instruction, comment: string): Instruction {
  return { ...instruction, comment };
}
