/**
 * Runs the tools that change the kernel's tables: iptables, ipset, tc, nft. One place,
 * so that every failure carries the tool's words, and tests can put their own in.
 */
import { spawnSync } from 'node:child_process';

export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end with text on its standard input. Never throws: a missing program is status 127. */
export type RunTool = (command: string, args: readonly string[], input?: string) => ToolResult;

/** A tool refused: what was tried, what it said, what to do. */
export class ToolError extends Error {
  readonly command: string;
  readonly status: number;
  readonly hint: string;

  constructor(command: string, result: ToolResult, hint: string) {
    super(`${command}: ${result.stderr.trim().split('\n')[0] || `exit status ${result.status}`}`);
    this.name = 'ToolError';
    this.command = command;
    this.status = result.status;
    this.hint = hint;
  }
}

const NOT_FOUND = 127;
/** Longer than any of these tools works, shorter than an administrator waits. */
const PATIENCE_MS = 30_000;

export const runTool: RunTool = (command, args, input) => {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: PATIENCE_MS, ...(input === undefined ? {} : { input }) });
  if (result.error) {
    const isMissing = (result.error as NodeJS.ErrnoException).code === 'ENOENT';
    return { status: isMissing ? NOT_FOUND : 1, stdout: '', stderr: isMissing ? `${command} is not installed` : result.error.message };
  }
  return { status: result.status ?? 1, stdout: result.stdout, stderr: result.stderr };
};

/** Runs a tool and throws `ToolError` with the hint when it fails. */
export function must(run: RunTool, command: string, args: readonly string[], input: string | undefined, hint: string): string {
  const result = run(command, args, input);
  if (result.status === 0) return result.stdout;
  const isMissing = result.status === NOT_FOUND;
  throw new ToolError(command, result, isMissing ? `install the package that has ${command} (Debian: iptables, ipset, iproute2, nftables)` : hint);
}
