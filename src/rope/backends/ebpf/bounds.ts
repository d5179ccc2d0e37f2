/**
 * The kernel's bounds on programs that a script can exceed, and the step to name when it does. What only the verifier can
 * know (how much there is to verify) is its own business.
 */
import { assemble, LD_IMM64 } from '../../../ebpf/assemble.js';
import { isLabel, type Instruction, type Item } from '../../../ebpf/instruction.js';
import { MAX_BPF_FUNCTIONS, MAX_BPF_STACK, MAX_CALL_FRAMES, MAX_JUMP_SLOTS } from '../../../ebpf/isa.js';
import { allOps, isArenaOp } from '../../operation-use.js';
import type { Code, FunctionCode } from './code.js';
import type { Program } from './program.js';

/** Step of the operation that makes the longest string. */
export function largestBuffer({ ir, plan }: Program): number {
  let at = 0;
  let most = -1;
  for (const op of allOps(ir.ops)) {
    if (!isArenaOp(op)) continue;
    const capacityBytes = plan.strs[op.dst]?.capacityBytes ?? 0;
    if (capacityBytes > most) {
      at = op.at;
      most = capacityBytes;
    }
  }
  return at;
}

/** Stack and depth of calls. */
export function checkFrame(program: Program): void {
  const { code } = program;
  const { totalBytes, depth } = code.frame;
  if (totalBytes > MAX_BPF_STACK) {
    program.obstacle(largestBuffer(program), `the script keeps ${totalBytes} bytes of values at once, and the kernel's stack holds ${MAX_BPF_STACK}`);
  }
  if (depth > MAX_CALL_FRAMES) {
    program.obstacle(deepestLoop(code), `loops are nested ${depth - 1} deep, and the kernel allows ${MAX_CALL_FRAMES - 1}`);
  }
}

/** Step of the loop inside the most others. */
export function deepestLoop({ functions }: Code): number {
  let step = 0;
  let most = 0;
  for (const loop of functions) {
    let depth = 0;
    for (let outer = loop.parent; outer !== null; outer = outer.parent) depth++;
    if (depth > most) [most, step] = [depth, loop.step];
  }
  return step;
}

/** What grows with the length of the script. */
export function checkSize(program: Program, items: readonly Item[], functions: readonly FunctionCode[]): void {
  const { ir } = program;
  const tooMany = functions[MAX_BPF_FUNCTIONS];
  if (tooMany) program.obstacle(tooMany.step, `the script needs ${functions.length - 1} loops and searches from its beginning to its end, and the kernel allows ${MAX_BPF_FUNCTIONS - 1}`);
  // A 64-bit constant fills two slots: shorter programs have no jump that is too long.
  if (2 * items.length <= MAX_JUMP_SLOTS) return;
  const maps = new Map(items.flatMap((item) => (!isLabel(item) && item.map !== undefined ? [[item.map, 1]] : [])));
  const result = assemble(items, maps);
  if (result.ok) return;
  const instructions = items.filter((item): item is Instruction => !isLabel(item));
  const line = instructions[result.problems[0]?.instruction ?? 0]?.line;
  const at = Math.max(0, ir.spans.findIndex((span) => span.line === line));
  const slots = instructions.reduce((sum, { code }) => sum + (code === LD_IMM64 ? 2 : 1), 0);
  program.obstacle(at, `the script compiles to code of ${slots} slots, which is too long: a jump of the kernel's reaches ${MAX_JUMP_SLOTS}`);
}
