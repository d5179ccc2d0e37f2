/**
 * The sockets of this machine: list the connected ones, end one.
 * The program that owns it sees ECONNABORTED; its peer gets a RST. Messages: `netlink/sock-diag.ts`.
 */
import { readFileSync } from 'node:fs';
import { type LocalSocket, destroySocket, dumpSockets, dumpTcpSockets, readSocket } from '../netlink/sock-diag.js';
import { IPPROTO_TCP } from '../wire/constants.js';
import type { Libc } from './libc.js';
import { NETLINK_SOCK_DIAG, NetlinkSocket } from './netlink-socket.js';

/**
 * False when this network namespace has no TCP socket. The kernel's table is one for all namespaces and sized by the memory:
 * walking it takes 5 ms and more, a third of a single cut on a router without sockets of its own (bench/cutter.ts).
 * net/ipv4/proc.c sockstat_seq_show: `TCP: inuse N`, of this namespace.
 */
export function hasTcpSockets(read: (path: string) => string = (path) => readFileSync(path, 'latin1')): boolean {
  try {
    // Not /proc/net: that is the namespace of the process, and a thread may be in another one.
    const [all, all6] = [read('/proc/thread-self/net/sockstat'), read('/proc/thread-self/net/sockstat6')];
    return /^TCP: inuse 0 /m.exec(all) === null || /^TCP6: inuse 0$/m.exec(all6) === null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // Without these files (no IPv6) the walk tells.
    return true;
  }
}

export class SocketTable {
  private readonly socket: NetlinkSocket;

  /** Throws SystemError; EPROTONOSUPPORT: a kernel without sock_diag. */
  constructor(libc?: Libc) {
    this.socket = NetlinkSocket.open(NETLINK_SOCK_DIAG, libc ? { libc } : {});
  }

  /** All sockets of one protocol (6 or 17) that are not listening, both families. */
  list(protocol: number): LocalSocket[] {
    if (protocol === IPPROTO_TCP && !hasTcpSockets()) return [];
    const { socket } = this;
    const out: LocalSocket[] = [];
    const dump = (): void => {
      socket.dump(socket.writer, 'list the sockets of this machine', (bytes, at, end) => {
        const found = readSocket(bytes, at, end, protocol);
        if (found) out.push(found);
      });
    };
    socket.writer.reset();
    if (protocol === IPPROTO_TCP) {
      dumpTcpSockets(socket.writer, socket.nextSequence());
      dump();
      return out;
    }
    for (const version of [4, 6] as const) {
      socket.writer.reset();
      dumpSockets(socket.writer, version, protocol, socket.nextSequence());
      dump();
    }
    return out;
  }

  /** Ends one socket. Returns 0 or the errno: ENOENT it is gone, EOPNOTSUPP the kernel was built without CONFIG_INET_DIAG_DESTROY. */
  destroy(target: LocalSocket): number {
    const { socket } = this;
    socket.writer.reset();
    destroySocket(socket.writer, target, socket.nextSequence());
    return socket.request(socket.writer);
  }

  close(): void {
    this.socket.close();
  }
}
