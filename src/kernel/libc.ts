/**
 * The native line: every call into libc that p2pwall makes, declared once.
 *
 * Each function returns the call's result (>= 0) or -errno. It takes numbers and
 * byte arrays; it parses nothing, builds nothing, throws nothing once loaded.
 * Messages are encoded and decoded in `netlink/`; meaning is given by the other
 * files of this folder. Code that takes a `Libc` can be given a fake.
 *
 * The FFI library (koffi, prebuilt; works with `npm ci --ignore-scripts`) is loaded on first
 * use, so offline commands never need it. 64-bit little-endian Linux only: message
 * headers for `recvmmsg` and netlink's host byte order are laid out by hand.
 *
 * Pitfalls of koffi, met here and nowhere else:
 * - a poll handle that is collected stalls its descriptor silently: `watchReadable` keeps a
 *   reference until `close`;
 * - a pending `.async(poll, -1)` keeps the process alive: not used;
 * - when the Worker that loaded it ends, the library is unmapped before its poll handles are
 *   closed, and the process crashes: `pin` keeps it mapped;
 * - what a poll callback throws comes out of a later, unrelated call: `watchReadable` rethrows it
 *   from the event loop;
 * - `ssize_t` is not a known type name: `long` is used.
 * A call costs about 0.2-0.35 us.
 */
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { SystemError } from './system-error.js';

/** Structures are passed as their bytes. Byte arrays are borrowed for the duration of the call only. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  /** Fills `fds` with two connected descriptors, 4 bytes each. */
  socketpair(domain: number, type: number, protocol: number, fds: Uint8Array): number;
  bind(fd: number, address: Uint8Array): number;
  connect(fd: number, address: Uint8Array): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  /** Fills `value`; returns the number of bytes written. */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  getsockname(fd: number, address: Uint8Array): number;
  /** Sends the first `lengthBytes` of `bytes`; `address` null for a connected socket. */
  sendto(fd: number, bytes: Uint8Array, lengthBytes: number, flags: number, address: Uint8Array | null): number;
  /** Receives into `into`; with MSG_TRUNC in `flags` the result may exceed `into.length`. */
  recv(fd: number, into: Uint8Array, flags: number): number;
  /** `headers`: array of struct mmsghdr (see message-batch.ts). Returns the number of messages. */
  recvmmsg(fd: number, headers: Uint8Array, count: number, flags: number): number;
  sendmmsg(fd: number, headers: Uint8Array, count: number, flags: number): number;
  /** `fds`: array of struct pollfd (8 bytes each). Blocks the thread; `timeoutMs` -1 waits for ever. */
  poll(fds: Uint8Array, count: number, timeoutMs: number): number;
  close(fd: number): number;
  setns(fd: number, kind: number): number;
  unshare(flags: number): number;
  /** bpf(2); `attr` is union bpf_attr, passed with its length. Requires Linux 4.4 or newer. */
  bpf(command: number, attr: Uint8Array): number;
  /**
   * Address of the first byte, for structures that contain pointers (iovec, bpf_attr).
   * The caller keeps `bytes` referenced while the kernel may use it. Empty arrays give 0.
   */
  addressOf(bytes: Uint8Array): bigint;
  /** Calls `onReadable` from the event loop whenever `fd` is readable, until closed. Level-triggered. */
  watchReadable(fd: number, onReadable: () => void): Watch;
}

export interface Watch {
  /** Lets the process exit although the watch is open (and again not). A fresh watch holds the process. */
  unref(): void;
  ref(): void;
  /** Ends the watch; must precede closing the descriptor. Safe to call twice. */
  close(): void;
}

// arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h (arm64, riscv64).
const SYS_BPF: Readonly<Record<string, number>> = { x64: 321, arm64: 280, riscv64: 280 };

let loaded: Libc | undefined;

/** The C library of this process, loaded on first call. Throws SystemError ERR_FFI_UNAVAILABLE. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

type Koffi = typeof import('koffi');

function load(): Libc {
  const sysBpf = SYS_BPF[process.arch];
  if (process.platform !== 'linux' || sysBpf === undefined || endianness() !== 'LE') {
    throw new SystemError({
      code: 'ERR_FFI_UNAVAILABLE',
      syscall: 'dlopen',
      errno: 0,
      doing: `call the operating system on ${process.platform} ${process.arch}`,
      hint: 'use 64-bit Linux on x86, ARM or RISC-V; the offline commands work everywhere',
    });
  }
  try {
    const require = createRequire(import.meta.url);
    const koffi = require('koffi') as Koffi;
    pin(koffi, Object.keys(require.cache));
    return declare(koffi, sysBpf);
  } catch (error) {
    throw new SystemError({
      code: 'ERR_FFI_UNAVAILABLE',
      syscall: 'dlopen',
      errno: 0,
      doing: 'load the FFI library koffi',
      detail: error instanceof Error ? error.message : String(error),
    });
  }
}

// glibc bits/dlfcn.h, musl dlfcn.h
const RTLD_LAZY = 1;
const RTLD_NODELETE = 0x1000;

/** Keeps koffi's machine code mapped until the process ends (see the header). */
function pin(koffi: Koffi, loadedModules: readonly string[]): void {
  const dlopen = koffi.load(null).func('dlopen', 'void *', ['str', 'int']);
  for (const path of loadedModules) if (path.endsWith('.node') && path.includes('koffi')) dlopen(path, RTLD_LAZY | RTLD_NODELETE);
}

function declare(koffi: Koffi, sysBpf: number): Libc {
  // null: the symbols already in this process. Node links to libc, be it glibc or musl.
  const library = koffi.load(null);
  const errno = koffi.errno;
  const declareCall = (name: string, parameters: string[], result = 'int'): ((...values: unknown[]) => number) =>
    library.func(name, result, parameters) as unknown as (...values: unknown[]) => number;

  const socket = declareCall('socket', ['int', 'int', 'int']);
  const socketpair = declareCall('socketpair', ['int', 'int', 'int', 'void *']);
  const bind = declareCall('bind', ['int', 'void *', 'uint32_t']);
  const connect = declareCall('connect', ['int', 'void *', 'uint32_t']);
  const setsockopt = declareCall('setsockopt', ['int', 'int', 'int', 'void *', 'uint32_t']);
  const getsockopt = declareCall('getsockopt', ['int', 'int', 'int', 'void *', 'void *']);
  const getsockname = declareCall('getsockname', ['int', 'void *', 'void *']);
  const sendto = declareCall('sendto', ['int', 'void *', 'size_t', 'int', 'void *', 'uint32_t'], 'long');
  const recv = declareCall('recv', ['int', 'void *', 'size_t', 'int'], 'long');
  const recvmmsg = declareCall('recvmmsg', ['int', 'void *', 'uint32_t', 'int', 'void *']);
  const sendmmsg = declareCall('sendmmsg', ['int', 'void *', 'uint32_t', 'int']);
  const poll = declareCall('poll', ['void *', 'ulong', 'int']);
  const close = declareCall('close', ['int']);
  const setns = declareCall('setns', ['int', 'int']);
  const unshare = declareCall('unshare', ['int']);
  const bpf = declareCall('syscall', ['long', 'long', 'void *', 'long'], 'long');

  const orErrno = (result: number): number => (result < 0 ? -errno() : result);
  const filledLength = (result: number, lengthBytes: Uint32Array): number =>
    result < 0 ? -errno() : (lengthBytes[0] ?? 0);

  return {
    socket: (domain, type, protocol) => orErrno(socket(domain, type, protocol)),
    socketpair: (domain, type, protocol, fds) => orErrno(socketpair(domain, type, protocol, fds)),
    bind: (fd, address) => orErrno(bind(fd, address, address.length)),
    connect: (fd, address) => orErrno(connect(fd, address, address.length)),
    setsockopt: (fd, level, option, value) => orErrno(setsockopt(fd, level, option, value, value.length)),
    getsockopt: (fd, level, option, value) => {
      const lengthBytes = Uint32Array.of(value.length);
      return filledLength(getsockopt(fd, level, option, value, lengthBytes), lengthBytes);
    },
    getsockname: (fd, address) => {
      const lengthBytes = Uint32Array.of(address.length);
      return filledLength(getsockname(fd, address, lengthBytes), lengthBytes);
    },
    sendto: (fd, bytes, lengthBytes, flags, address) =>
      orErrno(sendto(fd, bytes, lengthBytes, flags, address, address === null ? 0 : address.length)),
    recv: (fd, into, flags) => orErrno(recv(fd, into, into.length, flags)),
    recvmmsg: (fd, headers, count, flags) => orErrno(recvmmsg(fd, headers, count, flags, null)),
    sendmmsg: (fd, headers, count, flags) => orErrno(sendmmsg(fd, headers, count, flags)),
    poll: (fds, count, timeoutMs) => orErrno(poll(fds, count, timeoutMs)),
    close: (fd) => orErrno(close(fd)),
    setns: (fd, kind) => orErrno(setns(fd, kind)),
    unshare: (flags) => orErrno(unshare(flags)),
    bpf: (command, attr) => orErrno(bpf(sysBpf, command, attr, attr.length)),
    addressOf: (bytes) => (bytes.length === 0 ? 0n : koffi.address(bytes)),
    watchReadable: (fd, onReadable) => watchReadable(koffi, fd, onReadable),
  };
}

type PollHandle = ReturnType<Koffi['node']['poll']>;

// Roots of the open poll handles: collected handles stop reporting (see the header).
const openHandles = new Set<PollHandle>();

function watchReadable(koffi: Koffi, fd: number, onReadable: () => void): Watch {
  const handle = koffi.node.poll(fd, { readable: true }, () => {
    try {
      onReadable();
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  });
  openHandles.add(handle);
  return {
    unref: () => handle.unref(),
    ref: () => handle.ref(),
    close: () => {
      if (!openHandles.delete(handle)) return;
      handle.stop();
      handle.close();
    },
  };
}
