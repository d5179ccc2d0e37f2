/** The back ends that the tools know by name, and what they need of the kernel's. */
import { toHex } from '../../base/bytes.js';
import { assemble } from '../../ebpf/assemble.js';
import { disassemble } from '../../ebpf/disassemble.js';
import { type BackEnd, INTERPRETER, JAVASCRIPT } from '../../rope/backends/back-end.js';
import { EBPF } from '../../rope/backends/ebpf-vm.js';
import { compileForKernel } from '../../rope/backends/ebpf.js';
import type { Diagnostic } from '../../rope/diagnostics.js';
import type { Ir } from '../../rope/ir.js';

export const BACK_ENDS: readonly BackEnd[] = [INTERPRETER, JAVASCRIPT, EBPF];

/** Why the program cannot run in the kernel, by place; empty when it can. */
export function kernelObstacles(ir: Ir): readonly Diagnostic[] {
  const result = compileForKernel(ir);
  if (result.ok) return [];
  return result.obstacles.map(({ at, reason }) => ({
    severity: 'note',
    code: 'not-for-kernel',
    message: `not for the kernel: ${reason}`,
    span: ir.spans[at] ?? { start: 0, end: 0, line: 1, column: 1 },
    hint: 'it still works in the kernel\'s path through the queue: rope load --via queue',
  }));
}

/** Instructions as hexadecimal bytes, one a line, or disassembled; diagnostics when the program cannot run in the kernel. */
export function kernelText(ir: Ir, form: 'ebpf' | 'disasm'): string | readonly Diagnostic[] {
  const result = compileForKernel(ir);
  if (!result.ok) return kernelObstacles(ir);
  const maps = new Map([...result.program.maps.keys()].map((name, index) => [name, index + 1]));
  const assembled = assemble(result.program.items, maps);
  // Maps get their descriptors when the program is loaded; these numbers stand for them.
  if (!assembled.ok) return assembled.problems.map((problem) => ({ severity: 'error', code: 'not-for-kernel', message: JSON.stringify(problem), span: { start: 0, end: 0, line: 1, column: 1 }, hint: '' }));
  if (form === 'disasm') return disassemble(assembled.program);
  const { bytes } = assembled.program;
  let text = '';
  for (let at = 0; at < bytes.length; at += 8) text += `${toHex(bytes, at, at + 8)}\n`;
  return text;
}
