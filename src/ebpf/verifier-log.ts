/**
 * Reading the log of the kernel's verifier: what it objected to, and where.
 *
 * The log explains each instruction it walked over and ends with statistics;
 * the objection is the last line that is neither. The kernel keeps the wording
 * unstable, so nothing but the report to a person depends on it.
 */

export interface VerifierReport {
  /** The objection, in the kernel's words; empty when the log is. */
  readonly message: string;
  /** Slot of the last instruction that the log shows, or undefined. */
  readonly slot?: number;
  /** How many instructions were looked at, from the statistics line. */
  readonly processed?: number;
}

/** Lines after or around the objection: statistics, register states, branch notes, backtracking. */
const NOISE = [
  /^processed \d+ insns/, /^verification time /, /^stack depth /, /^func#\d+ /, /^\d+: (\([0-9a-f]{2}\)|R\d+|safe)/,
  /^from \d+ to \d+/, /^; /, /^mark_precise:/, /^R\d+(_w)?=/, /^max_states_per_insn /, /^arg#\d+ /,
];

/** Summary of a log as returned in the log buffer, closing zeros and all. */
export function readVerifierLog(log: string): VerifierReport {
  const lines = log.replace(/\0+$/, '').split('\n').map((line) => line.trim()).filter((line) => line !== '');
  // Written behind an instruction, without a new line.
  const inLine = /(BPF program is too large\. Processed \d+ insn|The sequence of \d+ jumps is too complex\.)$/m.exec(log)?.[1];
  const objection = inLine ?? lines.findLast((line) => !NOISE.some((noise) => noise.test(line))) ?? '';
  let slot: number | undefined;
  for (const line of lines) {
    const match = /^(\d+): \([0-9a-f]{2}\)/.exec(line);
    if (match) slot = Number(match[1]);
  }
  const processed = /^processed (\d+) insns/m.exec(log)?.[1];
  return {
    message: objection,
    ...(slot !== undefined && { slot }),
    ...(processed !== undefined && { processed: Number(processed) }),
  };
}
