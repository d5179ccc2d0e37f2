/**
 * Removes instructions that no path reaches, and jumps to the very next one.
 *
 * The kernel refuses programs with unreachable instructions, and compilers make
 * them all the time: an end that no path takes, the jump behind an exit. Labels
 * stay. A whole function that nobody calls disappears.
 */
import { LD_IMM64 } from './assemble.js';
import { isLabel, type Instruction, type Item } from './instruction.js';
import { BPF_CALL, BPF_EXIT, BPF_JA, BPF_JMP, BPF_JMP32, BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC } from './isa.js';

function goesAlways({ code }: Instruction): boolean {
  return code === (BPF_JMP | BPF_JA) || code === (BPF_JMP32 | BPF_JA);
}

/** True for references that do not move control there: calls and addresses of functions. */
function isCallOrAddress({ code, src }: Instruction): boolean {
  return (code === (BPF_JMP | BPF_CALL) && src === BPF_PSEUDO_CALL) || (code === LD_IMM64 && src === BPF_PSEUDO_FUNC);
}

/** The items that can run when the program starts at its first one. Targets that do not exist are left for the assembler to report. */
export function removeUnreachable(items: readonly Item[]): Item[] {
  const labels = new Map<string, number>();
  items.forEach((item, index) => {
    if (isLabel(item)) labels.set(item.label, index);
  });
  const reached = new Uint8Array(items.length);
  const pending = [0];
  while (pending.length > 0) {
    let at = pending.pop() ?? items.length;
    for (;;) {
      const item = items[at];
      if (item === undefined || reached[at] === 1) break;
      reached[at] = 1;
      if (isLabel(item)) {
        at++;
        continue;
      }
      const target = item.target === undefined ? undefined : labels.get(item.target);
      if (target !== undefined) pending.push(target);
      if (goesAlways(item) || item.code === (BPF_JMP | BPF_EXIT)) break;
      at++;
    }
  }
  const kept = items.filter((item, index) => isLabel(item) || reached[index] === 1);
  return kept.filter((item, index) => isLabel(item) || !goesAlways(item) || !isNext(kept, index, item.target));
}

/** True when the label stands directly behind the jump at `index`. */
function isNext(items: readonly Item[], index: number, target: string | undefined): boolean {
  for (let at = index + 1; at < items.length; at++) {
    const item = items[at];
    if (item === undefined || !isLabel(item)) return false;
    if (item.label === target) return true;
  }
  return false;
}

/** Labels that something refers to as a function, in no particular order. */
export function calledFunctions(items: readonly Item[]): Set<string> {
  const names = new Set<string>();
  for (const item of items) {
    if (!isLabel(item) && item.target !== undefined && isCallOrAddress(item)) names.add(item.target);
  }
  return names;
}
