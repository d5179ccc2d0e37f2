/**
 * The one form of failures of the operating system (design: errors, four kinds).
 * Carries what a person needs to act: a stable code, the system call, the error number, a remedy.
 */
import { EACCES, EPERM, errnoMeaning, errnoName } from './errno.js';

/** Stable identifiers, for tests and for exit statuses. */
export type SystemErrorCode =
  /** The FFI library or libc cannot be loaded. */
  | 'ERR_FFI_UNAVAILABLE'
  /** Missing capability (root, CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF). */
  | 'ERR_NOT_PERMITTED'
  /** The running kernel lacks the feature. */
  | 'ERR_NOT_SUPPORTED'
  /** Another process holds the queue. */
  | 'ERR_QUEUE_BUSY'
  /** The kernel's verifier refused a program. */
  | 'ERR_PROGRAM_REJECTED'
  /** A kernel request was refused for another reason. */
  | 'ERR_SYSCALL'
  /** The kernel did not answer in time. */
  | 'ERR_TIMEOUT';

export interface SystemErrorDetails {
  readonly code?: SystemErrorCode;
  /** System call or netlink request, e.g. `bind` or `NFQNL_MSG_CONFIG`. */
  readonly syscall: string;
  /** Positive error number; 0 when there is none. */
  readonly errno: number;
  /** What to do about it, one sentence. */
  readonly hint?: string;
  /** What was being done, e.g. `open the conntrack socket`. */
  readonly doing?: string;
  /** More from the kernel: extended acknowledgement, verifier log. */
  readonly detail?: string;
}

export class SystemError extends Error {
  readonly code: SystemErrorCode;
  readonly syscall: string;
  readonly errno: number;
  readonly hint: string;
  readonly detail: string;

  constructor(details: SystemErrorDetails) {
    const { errno, syscall } = details;
    const meaning = errno === 0 ? '' : `${errnoName(errno)}${errnoMeaning(errno) ? ` (${errnoMeaning(errno)})` : ''}`;
    const what = details.doing === undefined ? syscall : `cannot ${details.doing}: ${syscall}`;
    super([what, meaning, details.detail].filter((part) => part !== undefined && part !== '').join(': '));
    this.name = 'SystemError';
    this.code = details.code ?? defaultCode(errno);
    this.syscall = syscall;
    this.errno = errno;
    this.hint = details.hint ?? defaultHint(this.code);
    this.detail = details.detail ?? '';
  }
}

function defaultCode(errno: number): SystemErrorCode {
  return errno === EPERM || errno === EACCES ? 'ERR_NOT_PERMITTED' : 'ERR_SYSCALL';
}

function defaultHint(code: SystemErrorCode): string {
  switch (code) {
    case 'ERR_NOT_PERMITTED':
      return 'run as root, or give the process CAP_NET_ADMIN and CAP_NET_RAW';
    case 'ERR_FFI_UNAVAILABLE':
      return 'run script/setup again; koffi must be installed for this architecture';
    case 'ERR_NOT_SUPPORTED':
      return 'a newer kernel, or a kernel module, is needed';
    default:
      return '';
  }
}

/** Returns `result` when it is not negative; otherwise throws the SystemError of `-result`. */
export function check(result: number, details: Omit<SystemErrorDetails, 'errno'>): number {
  if (result >= 0) return result;
  throw new SystemError({ ...details, errno: -result });
}
