/** Parts of the prologue (headers.ts): where it keeps what it finds, and how it gets at the bytes. */
import { mov } from '../../../ebpf/alu.js';
import { BPF_FUNC_skb_load_bytes } from '../../../ebpf/helpers.js';
import { BPF_DW, BPF_W, r0, r1, r2, r3, r4, r6, r8, r9 } from '../../../ebpf/isa.js';
import { call, ja, jlt, jne } from '../../../ebpf/jump.js';
import { storeImm } from '../../../ebpf/load-store.js';
import type { Code } from './code.js';

/** Where the frame keeps what the headers tell. All are 32 bits. */
export interface HeaderPlaces {
  readonly headerAt: number;
  readonly transportAt: number;
  /** 4, 6 or 0. */
  readonly versionAt: number;
  readonly protocolAt: number;
  /** IPPROTO_TCP or IPPROTO_UDP when that header is there, otherwise 0. */
  readonly presentAt: number;
  /** Where the data begins in the packet. */
  readonly dataAt: number;
  /** Bytes from there to the end of the packet. */
  readonly dataLengthAt: number;
}

/** Places in the prologue that its parts go to. */
export interface Labels {
  /** To look for it: r5 protocol, r7 where it would begin, r8 length of the packet. */
  readonly transport: string;
  /** The data begins at r7, if the packet reaches so far. */
  readonly data: string;
  readonly notIp: string;
  /** The transport header was loaded with that of IPv4, which has no options. */
  readonly udpInFront: string;
  readonly tcpInFront: string;
}

/**
 * Loads as many bytes of the packet as it has, of the lengths given, longest first, and goes on at `loaded`; to `notIp` when
 * it has less than the least. Returns what emits the rarer ways, out of the way of the usual one. What they leave out becomes
 * zeros: verifiers before Linux 6.3 want it written, since they cannot see that nobody reads it.
 */
export function emitLoad(code: Code, at: number, lengths: readonly number[], loaded: string, notIp: string): () => void {
  const ways = lengths.map((lengthBytes) => ({ lengthBytes, label: code.newLabel(`load_${lengthBytes}`) }));
  const none = code.newLabel('load_none');
  const way = (index: number): void => {
    const { lengthBytes, label } = ways[index] ?? { lengthBytes: 0, label: none };
    const longer = ways[index - 1]?.lengthBytes ?? lengthBytes;
    code.place(label);
    for (let i = lengthBytes; i < longer; ) {
      const size = (at + i) % 8 === 0 && longer - i >= 8 ? 8 : 4;
      code.emit(storeImm(size === 8 ? BPF_DW : BPF_W, r9, at + i, 0));
      i += size;
    }
    if (index === ways.length) {
      code.emit(ja(notIp));
      return;
    }
    code.emit(jlt.imm32(r8, lengthBytes, ways[index + 1]?.label ?? none));
    loadBytes(code, 0, at, lengthBytes, notIp);
    if (index > 0) code.emit(ja(loaded));
  };
  way(0);
  code.place(loaded);
  return () => {
    for (let index = 1; index <= ways.length; index++) way(index);
  };
}

/** Copies `lengthBytes` at packet position `position` (a number, or r2 when null) into the frame; goes to `short` when they are not there. */
export function loadBytes(code: Code, position: number | null, at: number, lengthBytes: number, short: string): void {
  code.emit(mov.reg(r1, r6));
  if (position !== null) code.emit(mov.imm(r2, position));
  code.address(r3, at);
  code.emit(mov.imm(r4, lengthBytes), call(BPF_FUNC_skb_load_bytes), jne.imm(r0, 0, short));
}
