/**
 * The receive buffer of a socket that begins small and doubles while it is found filled, up to a bound. Never shrinks.
 *
 * To be asked before each read: then all that waits is still in the buffer. The kernel's own account is used (SO_MEMINFO,
 * include/uapi/linux/sock_diag.h: an array of u32), since a packet costs several times its length there. Requires Linux 4.12;
 * on older kernels the buffer gets its largest size at once.
 */
import type { Libc } from './libc.js';
import { SOL_SOCKET, SO_RCVBUFFORCE, intOption } from './socket-options.js';

// asm-generic/socket.h
const SO_MEMINFO = 55;
/** SK_MEMINFO_VARS. */
const MEMINFO_WORDS = 9;
const SK_MEMINFO_RMEM_ALLOC = 0;
const SK_MEMINFO_RCVBUF = 1;
/**
 * Room for so many times what waits. A lone packet changes nothing (about 1 KB of 64 KB); a few of them begin a burst, which goes on
 * while the first ones are answered by code that never ran before.
 */
const ROOM_FACTOR = 64;

export class GrowingBuffer {
  /** As asked of the kernel, which doubles it for its own overhead. */
  sizeBytes: number;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #largestBytes: number;
  readonly #meminfo = new Uint32Array(MEMINFO_WORDS);
  readonly #meminfoBytes = new Uint8Array(this.#meminfo.buffer);

  constructor(libc: Libc, fd: number, sizeBytes: number, largestBytes: number) {
    this.#libc = libc;
    this.#fd = fd;
    this.sizeBytes = sizeBytes;
    this.#largestBytes = largestBytes;
  }

  /** Looks how much waits, and grows when it is a lot. Nothing to do at the largest size. */
  look(): void {
    if (this.sizeBytes >= this.#largestBytes) return;
    const isTold = this.#libc.getsockopt(this.#fd, SOL_SOCKET, SO_MEMINFO, this.#meminfoBytes) > 0;
    const filledBytes = isTold ? (this.#meminfo[SK_MEMINFO_RMEM_ALLOC] ?? 0) : Number.POSITIVE_INFINITY;
    let roomBytes = this.#meminfo[SK_MEMINFO_RCVBUF] ?? 0;
    let wantedBytes = this.sizeBytes;
    for (; filledBytes * ROOM_FACTOR > roomBytes && wantedBytes < this.#largestBytes; roomBytes *= 2) wantedBytes *= 2;
    if (wantedBytes === this.sizeBytes) return;
    // What was given once is not taken away; a refusal (no CAP_NET_ADMIN any more) would come again each time.
    this.#libc.setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, intOption(Math.min(wantedBytes, this.#largestBytes)));
    this.sizeBytes = Math.min(wantedBytes, this.#largestBytes);
  }
}
