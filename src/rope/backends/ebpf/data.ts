/**
 * Reading the data at places that are known when the program is made: see positions.ts.
 *
 * The first bytes, the head, lie in the frame of programs that look at them more than once; others come by a call.
 */
import { add, lsh, or } from '../../../ebpf/alu.js';
import { BPF_B, BPF_H, BPF_W, r1, r2, r9 } from '../../../ebpf/isa.js';
import { jlt } from '../../../ebpf/jump.js';
import { load, store } from '../../../ebpf/load-store.js';
import { emitCompareInPlace, emitComparePacket, widthAt } from './bytes.js';
import type { Program } from './program.js';

/** Goes to `short` unless the data has so many bytes. */
export function emitHas({ code, headers }: Program, bytes: number, short: string): void {
  code.emit(load(BPF_W, r1, r9, headers.dataLengthAt), jlt.imm32(r1, bytes, short));
}

/** `$offset` = so many bytes behind the beginning of the data; also in r1. */
export function emitMoveTo({ code, headers }: Program, place: number): void {
  code.emit(load(BPF_W, r1, r9, headers.dataAt), add.imm32(r1, place), store(BPF_W, r9, code.frame.offsetAt, r1));
}

/** Goes to `miss` unless the data, which is long enough, has the bytes at `place`. */
export function emitCompareData({ code, headers }: Program, place: number, bytes: Uint8Array, ignoreCase: boolean, miss: string): void {
  const { head } = code;
  if (head !== null && place + bytes.length <= head.lengthBytes) {
    emitCompareInPlace(code, { region: 'frame', at: head.at + place }, bytes, ignoreCase, miss);
    return;
  }
  code.emit(load(BPF_W, r2, r9, headers.dataAt), add.imm32(r2, place));
  emitComparePacket(code, bytes, ignoreCase, miss);
}

/** r1 = up to four bytes of the data at `place`, the first one lowest, when they are in the head; false, and nothing is done, when not. Loses r2. */
export function emitHeadNumber({ code }: Program, place: number, lengthBytes: number): boolean {
  const { head } = code;
  if (head === null || place + lengthBytes > head.lengthBytes) return false;
  for (let i = 0; i < lengthBytes; ) {
    const size = widthAt(head.at + place + i, lengthBytes - i);
    code.emit(load(size === 1 ? BPF_B : size === 2 ? BPF_H : BPF_W, i === 0 ? r1 : r2, r9, head.at + place + i));
    if (i > 0) code.emit(lsh.imm32(r2, 8 * i), or.reg32(r1, r2));
    i += size;
  }
  return true;
}
