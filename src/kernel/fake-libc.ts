/**
 * A C library for tests: sockets exist only in memory, the kernel behind them is
 * a function from datagram to answers. Lets the files of this folder be tested
 * without privilege, and faults be injected (EINTR, overrun, refusals).
 *
 * Only what netlink sockets need: no packet ever leaves the process. Addresses
 * of `addressOf` are made up, and understood again by `recvmmsg`.
 */
import { EAGAIN, ENOSYS } from './errno.js';
import type { Libc, Watch } from './libc.js';

/** The kernel's side of one socket. */
export interface FakeSocket {
  readonly fd: number;
  readonly domain: number;
  readonly type: number;
  readonly protocol: number;
  /** Options set so far, as `level:option`. */
  readonly options: Map<string, Uint8Array>;
  /** Address given to bind, if any. */
  boundTo: Uint8Array | null;
  isClosed: boolean;
  /** Lets `datagram` be received; a negative number makes one receive fail with that -errno. */
  deliver(datagram: Uint8Array | number): void;
}

export interface FakeKernel {
  /** Called with each datagram sent. Returns 0 to accept it or -errno. */
  sent(socket: FakeSocket, datagram: Uint8Array): number;
  /** Called after each change of a socket; a negative result makes the call fail. */
  bound?(socket: FakeSocket): number;
  setOption?(socket: FakeSocket, level: number, option: number): number;
}

interface SocketState extends FakeSocket {
  readonly waiting: (Uint8Array | number)[];
  onReadable: (() => void) | null;
  isScheduled: boolean;
}

// struct mmsghdr and iovec as in message-batch.ts.
const MMSGHDR_BYTES = 64;
const FIRST_FD = 1000;
const ADDRESS_STEP = 1n << 32n;

/** Makes a `Libc` over `kernel`. `sockets` lists every socket opened, for assertions. */
export function fakeLibc(kernel: FakeKernel): { readonly libc: Libc; readonly sockets: readonly FakeSocket[] } {
  const sockets: SocketState[] = [];
  const memory: Uint8Array[] = [];

  const state = (fd: number): SocketState => {
    const socket = sockets[fd - FIRST_FD];
    if (!socket || socket.isClosed) throw new Error(`fake libc: descriptor ${fd} is not open`);
    return socket;
  };
  /** The bytes behind a made-up address. */
  const at = (address: bigint, lengthBytes: number): Uint8Array => {
    const bytes = memory[Number(address / ADDRESS_STEP) - 1];
    if (!bytes) throw new Error(`fake libc: nothing at address ${address}`);
    const offset = Number(address % ADDRESS_STEP);
    return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, lengthBytes);
  };
  const wake = (socket: SocketState): void => {
    if (!socket.onReadable || socket.isScheduled || socket.waiting.length === 0) return;
    socket.isScheduled = true;
    setImmediate(() => {
      socket.isScheduled = false;
      if (socket.isClosed) return;
      socket.onReadable?.();
      wake(socket);
    });
  };
  const take = (fd: number, into: Uint8Array): number => {
    const next = state(fd).waiting.shift();
    if (next === undefined) return -EAGAIN;
    if (typeof next === 'number') return next;
    into.set(next.subarray(0, into.length));
    return Math.min(next.length, into.length);
  };

  const libc: Libc = {
    socket: (domain, type, protocol) => {
      const socket: SocketState = {
        fd: FIRST_FD + sockets.length,
        domain,
        type,
        protocol,
        options: new Map(),
        boundTo: null,
        isClosed: false,
        waiting: [],
        onReadable: null,
        isScheduled: false,
        deliver: (datagram) => {
          socket.waiting.push(datagram);
          wake(socket);
        },
      };
      sockets.push(socket);
      return socket.fd;
    },
    bind: (fd, address) => {
      const socket = state(fd);
      socket.boundTo = address.slice();
      return kernel.bound?.(socket) ?? 0;
    },
    connect: () => -ENOSYS,
    setsockopt: (fd, level, option, value) => {
      const socket = state(fd);
      socket.options.set(`${level}:${option}`, value.slice());
      return kernel.setOption?.(socket, level, option) ?? 0;
    },
    getsockopt: () => -ENOSYS,
    socketpair: () => -ENOSYS,
    getsockname: () => -ENOSYS,
    sendto: (fd, bytes, lengthBytes) => {
      const result = kernel.sent(state(fd), bytes.slice(0, lengthBytes));
      return result < 0 ? result : lengthBytes;
    },
    recv: (fd, into) => take(fd, into),
    recvmmsg: (fd, headers, count) => {
      const view = new DataView(headers.buffer, headers.byteOffset);
      for (let i = 0; i < count; i++) {
        const header = i * MMSGHDR_BYTES;
        const vector = at(view.getBigUint64(header + 16, true), 16);
        const vectorView = new DataView(vector.buffer, vector.byteOffset);
        const into = at(vectorView.getBigUint64(0, true), vectorView.getUint32(8, true));
        const length = take(fd, into);
        if (length < 0) return i === 0 ? length : i;
        view.setUint32(header + 56, length, true);
      }
      return count;
    },
    sendmmsg: () => -ENOSYS,
    // Never waits.
    poll: (fds) => (state(new DataView(fds.buffer, fds.byteOffset).getInt32(0, true)).waiting.length > 0 ? 1 : 0),
    close: (fd) => {
      state(fd).isClosed = true;
      return 0;
    },
    setns: () => -ENOSYS,
    unshare: () => -ENOSYS,
    bpf: () => -ENOSYS,
    addressOf: (bytes) => {
      if (bytes.length === 0) return 0n;
      memory.push(bytes);
      return BigInt(memory.length) * ADDRESS_STEP;
    },
    watchReadable: (fd, onReadable): Watch => {
      const socket = state(fd);
      socket.onReadable = onReadable;
      wake(socket);
      return {
        unref: () => undefined,
        ref: () => undefined,
        close: () => {
          socket.onReadable = null;
        },
      };
    },
  };
  return { libc, sockets };
}
