/**
 * Runs the rule programs (iptables, ip6tables, ipset) with texts made elsewhere, and says clearly what they refused.
 */
import { spawnSync } from 'node:child_process';

export interface ToolFailure {
  readonly tool: string;
  /** The program's own words, or why it could not be started. */
  readonly message: string;
  readonly hint: string;
}

const PACKAGES: Readonly<Record<string, string>> = { ipset: 'ipset', iptables: 'iptables', ip6tables: 'iptables' };

/** Runs one program to its end. null: it succeeded. */
export function runTool(tool: string, args: readonly string[], input?: string): ToolFailure | null {
  const result = spawnSync(tool, args, { encoding: 'utf8', ...(input === undefined ? {} : { input }) });
  const debian = PACKAGES[tool.replace(/-restore$/, '')] ?? tool;
  if (result.error) return { tool, message: result.error.message, hint: `install it (Debian package ${debian})` };
  if (result.status === 0) return null;
  const message = (result.stderr || result.stdout).trim().split('\n').slice(0, 3).join('; ');
  const needsRoot = /permission denied|must be root|operation not permitted/i.test(message);
  return { tool, message, hint: needsRoot ? 'run as root (CAP_NET_ADMIN)' : 'look at the kernel modules and at rules of other programs' };
}

/** Feeds `text` to `<tool>-restore --noflush`: all of it or nothing. */
export function restoreRules(family: 4 | 6, text: string): ToolFailure | null {
  return runTool(family === 4 ? 'iptables-restore' : 'ip6tables-restore', ['--noflush', '-w'], text);
}
