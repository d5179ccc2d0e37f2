/**
 * Sends whole IP packets, header included, the way the kernel's routing chooses.
 *
 * The packets pass netfilter's OUTPUT and POSTROUTING like any packet of this machine, so
 * connection tracking sees them: under NAT a forged packet makes an entry of its own and is
 * translated wrongly. Use `packet-socket.ts` to send below netfilter.
 * Specification: raw(7) and ipv6(7) with protocol IPPROTO_RAW (header included); IPv4 checksum,
 * total length and a zero identification are filled in by the kernel.
 */
import { type Libc, libc as systemLibc } from './libc.js';
import { SOL_SOCKET, intOption } from './socket-options.js';
import { check } from './system-error.js';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000;
const IPPROTO_RAW = 255;
const SO_MARK = 36;
const SO_BINDTOIFINDEX = 62;

export interface RawSocketOptions {
  readonly ipVersion: 4 | 6;
  /** fwmark of every packet sent: policy routing and firewall rules see it. */
  readonly mark?: number;
  /** Leave by this interface only. Requires Linux 5.1. */
  readonly interfaceIndex?: number;
  readonly libc?: Libc;
}

export class RawSocket {
  private readonly fd: number;
  private readonly libc: Libc;
  private readonly address: Uint8Array;

  /** Throws SystemError; needs CAP_NET_RAW. */
  constructor(options: RawSocketOptions) {
    const isV4 = options.ipVersion === 4;
    this.libc = options.libc ?? systemLibc();
    this.fd = check(this.libc.socket(isV4 ? AF_INET : AF_INET6, SOCK_RAW_NONBLOCK_CLOEXEC, IPPROTO_RAW), {
      syscall: 'socket',
      doing: 'open a raw socket',
    });
    // struct sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes); the port must be 0 for IPv6.
    this.address = new Uint8Array(isV4 ? 16 : 28);
    this.address[0] = isV4 ? AF_INET : AF_INET6;
    this.option(SO_MARK, 'SO_MARK', options.mark);
    this.option(SO_BINDTOIFINDEX, 'SO_BINDTOIFINDEX', options.interfaceIndex);
  }

  /** Sends the packet [0, lengthBytes) to its destination address. Returns 0 or a positive errno (EAGAIN: the device queue is full). */
  send(packet: Uint8Array, lengthBytes = packet.length): number {
    const isV4 = this.address[0] === AF_INET;
    // Destination address: offset 16 of 20 (RFC 791) or 24 of 40 (RFC 8200).
    this.address.set(isV4 ? packet.subarray(16, 20) : packet.subarray(24, 40), isV4 ? 4 : 8);
    const result = this.libc.sendto(this.fd, packet, lengthBytes, 0, this.address);
    return result < 0 ? -result : 0;
  }

  close(): void {
    this.libc.close(this.fd);
  }

  private option(option: number, name: string, value: number | undefined): void {
    if (value === undefined) return;
    const result = this.libc.setsockopt(this.fd, SOL_SOCKET, option, intOption(value));
    if (result < 0) this.close();
    check(result, { syscall: `setsockopt ${name}`, doing: 'set up a raw socket' });
  }
}
