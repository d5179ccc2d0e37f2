/** The back ends that the tools know by name, and what they need of the kernel's. */
import { type BackEnd, INTERPRETER, JAVASCRIPT } from '../rope/backends/back-end.js';
import type { Diagnostic } from '../rope/diagnostics.js';
import type { Ir } from '../rope/ir.js';

export const BACK_ENDS: readonly BackEnd[] = [INTERPRETER, JAVASCRIPT];

/** Why the program cannot run in the kernel, by place; empty when it can. */
export function kernelObstacles(_ir: Ir): readonly Diagnostic[] {
  return [];
}

/** Instructions as hexadecimal bytes or disassembled; diagnostics when the program cannot run in the kernel. */
export function kernelText(_ir: Ir, _form: 'ebpf' | 'disasm'): string | readonly Diagnostic[] {
  return [];
}
