/**
 * Reading and comparing bytes: of the packet, of buffers, and of constants.
 *
 * A source says where bytes are. Packet bytes come through a helper in chunks;
 * the others are read in place. All positions are 32 bits.
 */
import { add, and, lsh, mov, or, rsh, sub, xor } from '../../../ebpf/alu.js';
import { BPF_FUNC_skb_load_bytes } from '../../../ebpf/helpers.js';
import { BPF_B, BPF_DW, BPF_H, BPF_W, r0, r1, r2, r3, r4, r6, r9 } from '../../../ebpf/isa.js';
import { call, jge, jne } from '../../../ebpf/jump.js';
import { load, loadImm64, loadMapValue, store, storeImm } from '../../../ebpf/load-store.js';
import type { Code } from './code.js';
import { STATE_CONSTANTS_AT, STATE_MAP } from './state.js';

/** Bytes that one load brings, for comparing and for walks. */
export const CHUNK_BYTES = 64;
/** The same for spans, each byte of which the verifier follows. */
export const SPAN_BYTES = 16;

/** Where a buffer is: in the frame, or in the larger room that `scratch.ts` provides; both aligned to 8. */
export interface Place {
  readonly region: 'frame' | 'scratch';
  readonly at: number;
}

/** A byte string that exists while the program runs. `lengthAt` is a frame offset of 32 bits. */
export type Source =
  /** `offsetAt`: frame offset of the position in the packet. */
  | { readonly kind: 'packet'; readonly offsetAt: number; readonly lengthAt: number }
  /** In a buffer, never more than `capacityBytes`; the room is `roomBytes`, a power of two. */
  | { readonly kind: 'buffer'; readonly at: Place; readonly capacityBytes: number; readonly roomBytes: number; readonly lengthAt: number }
  /** In the constants of the state map. */
  | { readonly kind: 'constant'; readonly at: number; readonly lengthBytes: number };

/** Constants gather here while the program is made; equal ones share their bytes. */
export class Constants {
  #bytes: number[] = [];
  readonly #known = new Map<string, number>();

  /** Position of the bytes among the constants. */
  add(bytes: Uint8Array): number {
    const key = String.fromCharCode(...bytes);
    let at = this.#known.get(key);
    if (at === undefined) {
      at = this.#bytes.length;
      this.#known.set(key, at);
      for (const byte of bytes) this.#bytes.push(byte);
      // Long ones are gone over in whole chunks.
      if (bytes.length > SPAN_BYTES) while ((this.#bytes.length - at) % SPAN_BYTES !== 0) this.#bytes.push(0);
    }
    return at;
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** register = address of a place. */
export function emitAddress(code: Code, register: number, place: Place): void {
  if (place.region === 'frame') code.address(register, place.at);
  else code.emit(load(BPF_DW, register, r9, code.frame.scratchPointerAt), add.imm(register, place.at));
}

/** register = length of a source. */
export function emitLength(code: Code, register: number, source: Source): void {
  if (source.kind === 'constant') code.emit(mov.imm32(register, source.lengthBytes));
  else code.emit(load(BPF_W, register, r9, source.lengthAt));
}

/** Copies packet bytes from the position in r2 to the frame; goes to `missing` when they are not all there. Loses r0-r5. */
export function emitPacketLoad(code: Code, at: number, lengthBytes: number, missing: string): void {
  code.emit(mov.reg(r1, r6));
  code.address(r3, at);
  code.emit(mov.imm(r4, lengthBytes), call(BPF_FUNC_skb_load_bytes), jne.imm(r0, 0, missing));
}

/**
 * r1 = byte of the source at the position in r2, which is below its length; loses r0, r2-r5.
 * `scratchAt` is 8 bytes of the frame. Impossible positions give any byte.
 */
export function emitByteAt(code: Code, source: Source, scratchAt: number): void {
  const beyond = code.newLabel('beyond');
  switch (source.kind) {
    case 'packet':
      code.emit(storeImm(BPF_W, r9, scratchAt, 0), load(BPF_W, r1, r9, source.offsetAt), add.reg32(r2, r1));
      emitPacketLoad(code, scratchAt, 1, beyond);
      code.place(beyond);
      code.emit(load(BPF_B, r1, r9, scratchAt));
      return;
    case 'buffer':
      emitAddress(code, r3, source.at);
      code.emit(and.imm32(r2, source.roomBytes - 1), add.reg(r3, r2), load(BPF_B, r1, r3, 0));
      return;
    case 'constant':
      if (source.lengthBytes === 0) {
        code.emit(mov.imm(r1, 0));
        return;
      }
      code.emit(mov.imm(r1, 0), jge.imm32(r2, source.lengthBytes, beyond), mov.reg32(r2, r2));
      code.emit(loadMapValue(r3, STATE_MAP, STATE_CONSTANTS_AT + source.at), add.reg(r3, r2), load(BPF_B, r1, r3, 0));
      code.place(beyond);
      return;
  }
}

/** Goes to `miss` unless the bytes in place equal `bytes`; ASCII letters in either case on request. Loses r1-r3. */
export function emitCompareInPlace(code: Code, place: Place, bytes: Uint8Array, ignoreCase: boolean, miss: string): void {
  if (bytes.length === 0) return;
  if (place.region === 'frame') {
    emitCompareAt(code, r9, place.at, bytes, ignoreCase, miss);
    return;
  }
  emitAddress(code, r3, place);
  emitCompareAt(code, r3, 0, bytes, ignoreCase, miss);
}

/** Widest load that is aligned at `at`: the verifier wants those of the stack aligned. */
export function widthAt(at: number, left: number): number {
  for (const size of [8, 4, 2]) if (left >= size && at % size === 0) return size;
  return 1;
}

/** The same at `at` behind the address in `base`, which is aligned to 8. Loses r1, r2. */
function emitCompareAt(code: Code, base: number, at: number, bytes: Uint8Array, ignoreCase: boolean, miss: string): void {
  for (let i = 0; i < bytes.length; ) {
    const size = widthAt(at + i, bytes.length - i);
    let want = 0n;
    let mask = 0n;
    for (let k = size - 1; k >= 0; k--) {
      const byte = bytes[i + k] ?? 0;
      const folded = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
      const isLetter = ignoreCase && folded >= 0x61 && folded <= 0x7a;
      want = (want << 8n) | BigInt(ignoreCase ? folded : byte);
      // Setting 0x20 makes exactly the two cases of a letter equal to its lower case.
      mask = (mask << 8n) | (isLetter ? 0x20n : 0n);
    }
    const width = size === 8 ? BPF_DW : size === 4 ? BPF_W : size === 2 ? BPF_H : BPF_B;
    code.emit(load(width, r1, base, at + i));
    if (size === 8) {
      if (mask !== 0n) code.emit(loadImm64(r2, mask), or.reg(r1, r2));
      code.emit(loadImm64(r2, want), jne.reg(r1, r2, miss));
    } else {
      if (mask !== 0n) code.emit(or.imm32(r1, Number(mask)));
      code.emit(jne.imm32(r1, Number(want), miss));
    }
    i += size;
  }
}

/**
 * Goes to `miss` unless the packet has `bytes` from the position in r2 on; loses r0-r5. What lies beyond the packet misses
 * only if the buffer's end is the packet's: callers check the length before.
 */
export function emitComparePacket(code: Code, bytes: Uint8Array, ignoreCase: boolean, miss: string): void {
  const { frame } = code;
  frame.borrow(CHUNK_BYTES, (chunkAt) => {
    const positionAt = frame.take(4);
    if (bytes.length > CHUNK_BYTES) code.emit(store(BPF_W, r9, positionAt, r2));
    for (let i = 0; i < bytes.length; i += CHUNK_BYTES) {
      const part = bytes.subarray(i, i + CHUNK_BYTES);
      if (i > 0) code.emit(load(BPF_W, r2, r9, positionAt), add.imm32(r2, i));
      emitPacketLoad(code, chunkAt, part.length, miss);
      emitCompareInPlace(code, { region: 'frame', at: chunkAt }, part, ignoreCase, miss);
    }
  });
}

/** The byte in r1 with the case of letters changed: A-Z become a-z, or the other way round. Loses r2. */
export function emitCase(code: Code, to: 'lower' | 'upper'): void {
  // Without a branch, which would double the verifier's paths: the sign of (byte - first - 26) becomes 0x20 or 0.
  code.emit(mov.reg32(r2, r1), sub.imm32(r2, to === 'lower' ? 0x41 : 0x61), sub.imm(r2, 26), rsh.imm(r2, 63), lsh.imm(r2, 5));
  code.emit(xor.reg(r1, r2));
}
