/**
 * Names and meanings of the error numbers that our system calls return.
 * Only those a person can act on have a meaning; the rest keep their name.
 * Numbers: include/uapi/asm-generic/errno-base.h and errno.h (the same on x86, arm64 and riscv64).
 */

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ENOSYS = 38;
export const EPROTONOSUPPORT = 93;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ENOBUFS = 105;
export const ETIMEDOUT = 110;
export const EHOSTUNREACH = 113;

interface ErrnoEntry {
  readonly name: string;
  readonly meaning?: string;
}

const TABLE: ReadonlyMap<number, ErrnoEntry> = new Map<number, ErrnoEntry>([
  [EPERM, { name: 'EPERM', meaning: 'operation not permitted' }],
  [ENOENT, { name: 'ENOENT', meaning: 'no such entry' }],
  [3, { name: 'ESRCH', meaning: 'no such process or object' }],
  [EINTR, { name: 'EINTR', meaning: 'interrupted' }],
  [5, { name: 'EIO' }],
  [6, { name: 'ENXIO' }],
  [7, { name: 'E2BIG' }],
  [9, { name: 'EBADF', meaning: 'bad file descriptor' }],
  [EAGAIN, { name: 'EAGAIN', meaning: 'nothing available now' }],
  [ENOMEM, { name: 'ENOMEM', meaning: 'out of memory' }],
  [EACCES, { name: 'EACCES', meaning: 'permission denied' }],
  [14, { name: 'EFAULT', meaning: 'bad address' }],
  [EBUSY, { name: 'EBUSY', meaning: 'in use by another process' }],
  [EEXIST, { name: 'EEXIST', meaning: 'exists already' }],
  [ENODEV, { name: 'ENODEV', meaning: 'no such device' }],
  [20, { name: 'ENOTDIR' }],
  [21, { name: 'EISDIR' }],
  [EINVAL, { name: 'EINVAL', meaning: 'invalid argument' }],
  [23, { name: 'ENFILE', meaning: 'too many open files in the system' }],
  [24, { name: 'EMFILE', meaning: 'too many open files' }],
  [ENOSPC, { name: 'ENOSPC', meaning: 'no space left' }],
  [32, { name: 'EPIPE' }],
  [34, { name: 'ERANGE', meaning: 'out of range' }],
  [ENOSYS, { name: 'ENOSYS', meaning: 'system call missing from this kernel' }],
  [71, { name: 'EPROTO' }],
  [74, { name: 'EBADMSG' }],
  [75, { name: 'EOVERFLOW' }],
  [88, { name: 'ENOTSOCK' }],
  [90, { name: 'EMSGSIZE', meaning: 'message too long' }],
  [91, { name: 'EPROTOTYPE' }],
  [92, { name: 'ENOPROTOOPT', meaning: 'socket option missing from this kernel' }],
  [EPROTONOSUPPORT, { name: 'EPROTONOSUPPORT', meaning: 'protocol missing from this kernel' }],
  [EOPNOTSUPP, { name: 'EOPNOTSUPP', meaning: 'not supported by this kernel' }],
  [EAFNOSUPPORT, { name: 'EAFNOSUPPORT', meaning: 'address family missing from this kernel' }],
  [98, { name: 'EADDRINUSE', meaning: 'address in use' }],
  [99, { name: 'EADDRNOTAVAIL', meaning: 'address not available' }],
  [ENETDOWN, { name: 'ENETDOWN', meaning: 'network interface is down' }],
  [ENETUNREACH, { name: 'ENETUNREACH', meaning: 'no route to the network' }],
  [103, { name: 'ECONNABORTED' }],
  [104, { name: 'ECONNRESET' }],
  [ENOBUFS, { name: 'ENOBUFS', meaning: 'buffer overrun' }],
  [106, { name: 'EISCONN' }],
  [107, { name: 'ENOTCONN' }],
  [ETIMEDOUT, { name: 'ETIMEDOUT', meaning: 'timed out' }],
  [111, { name: 'ECONNREFUSED', meaning: 'connection refused' }],
  [EHOSTUNREACH, { name: 'EHOSTUNREACH', meaning: 'host unreachable' }],
]);

/** `EPERM` for 1; `errno 999` for a number without a name here. */
export function errnoName(errno: number): string {
  return TABLE.get(errno)?.name ?? `errno ${errno}`;
}

/** A short English meaning, or undefined. */
export function errnoMeaning(errno: number): string | undefined {
  return TABLE.get(errno)?.meaning;
}
