/** What went wrong with the network or the daemon, in one line with its remedy, and the exit status for it. */
import { ControlError } from '../../control/client.js';
import { ToolError } from '../../enforce/tools.js';
import { SystemError } from '../../kernel/system-error.js';
import { EXIT_FAILED, EXIT_NO_PRIVILEGE, EXIT_UNAVAILABLE } from '../exit-codes.js';

export interface Failure {
  readonly message: string;
  readonly hint: string;
  readonly status: number;
}

function controlFailure({ code, message }: ControlError): Failure {
  if (code === 'EACCES' || code === 'EPERM') {
    return { message: 'the daemon may not be asked by this user', hint: 'be root, or a member of control.group', status: EXIT_NO_PRIVILEGE };
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return { message: 'the daemon does not run', hint: 'start it: systemctl start p2pwall, or p2pwall run', status: EXIT_UNAVAILABLE };
  }
  return { message, hint: 'look at its log: journalctl -u p2pwall', status: EXIT_FAILED };
}

/** Null: an unexpected error, to be thrown on. */
export function failureOf(error: unknown): Failure | null {
  if (error instanceof ControlError) return controlFailure(error);
  if (error instanceof SystemError) {
    const status = error.code === 'ERR_NOT_PERMITTED' ? EXIT_NO_PRIVILEGE : EXIT_UNAVAILABLE;
    return { message: error.message, hint: error.hint, status };
  }
  if (error instanceof ToolError) {
    const isForbidden = /permission denied|must be root|not permitted/i.test(error.message);
    return { message: error.message, hint: isForbidden ? 'run as root' : error.hint, status: isForbidden ? EXIT_NO_PRIVILEGE : EXIT_UNAVAILABLE };
  }
  const code = (error as NodeJS.ErrnoException).code;
  if (typeof code === 'string' && /^E[A-Z]+$/.test(code)) {
    const isForbidden = code === 'EACCES' || code === 'EPERM';
    return { message: (error as Error).message, hint: isForbidden ? 'run as root' : '', status: isForbidden ? EXIT_NO_PRIVILEGE : EXIT_UNAVAILABLE };
  }
  return null;
}

export function sayFailure(failure: Failure): number {
  process.stderr.write(`p2pwall: ${failure.message}${failure.hint === '' ? '' : `; ${failure.hint}`}\n`);
  return failure.status;
}
