/** Options that sockets of several kinds have, and the form of their values. asm-generic/socket.h. */
export const SOL_SOCKET = 1;
/** Size of the receive buffer beyond net.core.rmem_max; needs CAP_NET_ADMIN. The kernel doubles it. */
export const SO_RCVBUFFORCE = 33;

/** 32-bit value of a socket option. */
export function intOption(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}
