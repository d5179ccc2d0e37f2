/**
 * Sends datagrams to a Unix socket: what sd_notify and syslog need and Node lacks.
 * Specification: unix(7), struct sockaddr_un.
 */
import { ascii } from '../base/bytes.js';
import { type Libc, libc as systemLibc } from './libc.js';
import { check } from './system-error.js';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const MSG_NOSIGNAL = 0x4000;
/** sizeof(sun_path). */
const MAX_PATH_BYTES = 108;

function socketAddress(path: string): Uint8Array {
  // A leading @ stands for the abstract namespace (sd_notify(3)): its names begin with a zero byte and have no end mark.
  const isAbstract = path.startsWith('@');
  const name = isAbstract ? `\0${path.slice(1)}` : `${path}\0`;
  const bytes = new Uint8Array(2 + Math.min(name.length, MAX_PATH_BYTES));
  bytes[0] = AF_UNIX;
  bytes.set(ascii(name).subarray(0, MAX_PATH_BYTES), 2);
  return bytes;
}

export class UnixDatagramSender {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #address: Uint8Array;

  /** `path`: of the socket, or `@name` in the abstract namespace. Throws SystemError only when no socket can be made. */
  constructor(path: string, libc?: Libc) {
    this.#libc = libc ?? systemLibc();
    this.#fd = check(this.#libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), { syscall: 'socket', doing: 'open a Unix datagram socket' });
    this.#address = socketAddress(path);
  }

  /** Sends one datagram; returns 0 or the errno (nobody listens, say). */
  send(text: string): number {
    const bytes = new TextEncoder().encode(text);
    return Math.max(0, -this.#libc.sendto(this.#fd, bytes, bytes.length, MSG_NOSIGNAL, this.#address));
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}
