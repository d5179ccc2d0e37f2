/**
 * Search for a literal, eight positions at a time.
 *
 * The rarest byte of the literal is looked for in words of eight bytes: with
 * x = word xor (byte in all places), (x - 0x01..01) & ~x & 0x80..80 is not zero
 * exactly when x has a zero byte ("Determine if a word has a zero byte", S. E.
 * Anderson, Bit Twiddling Hacks). Only chunks with a hit are looked at byte by
 * byte, and only hits are compared with the whole literal.
 */
import { add, mov, or, sub, xor, and } from '../../../ebpf/alu.js';
import { BPF_FUNC_skb_load_bytes } from '../../../ebpf/helpers.js';
import { BPF_B, BPF_DW, BPF_W, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9 } from '../../../ebpf/isa.js';
import { call, ja, jgt, jle, jlt, jne } from '../../../ebpf/jump.js';
import { load, loadImm64, store, storeImm } from '../../../ebpf/load-store.js';
import { emitComparePacket } from './bytes.js';
import { MAX_PACKET_BYTES, type Exit } from './code.js';
import type { Program } from './program.js';

const CHUNK_BYTES = 64;
const ONES = 0x0101_0101_0101_0101n;
const HIGH_BITS = 0x8080_8080_8080_8080n;

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

/**
 * Heuristic: how often a byte is met in headers of text protocols and in binary data, 0 rare to 3 frequent. A bad guess
 * costs time only.
 */
function frequency(byte: number, ignoreCase: boolean): number {
  if (byte === 0 || byte === 0x20 || byte === 0xff) return 3;
  if (byte >= 0x61 && byte <= 0x7a) return 2;
  if (ignoreCase && isLetter(byte)) return 2;
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x0d || byte === 0x0a ? 1 : 0;
}

/** Index of the byte to look for. */
export function rarestAt(needle: Uint8Array, ignoreCase: boolean): number {
  let best = 0;
  for (let i = 1; i < needle.length; i++) {
    if (frequency(needle[i] ?? 0, ignoreCase) < frequency(needle[best] ?? 0, ignoreCase)) best = i;
  }
  return best;
}

/**
 * Looks for `needle` in the bytes at `$offset`, whose number is in the frame at `leftAt`. Ends at `found` with the distance
 * from `$offset` at `foundAt`, or at `missed`.
 */
export function emitFind(
  program: Program, needle: Uint8Array, ignoreCase: boolean, leftAt: number, foundAt: number, found: Exit, missed: Exit,
): void {
  const { code } = program;
  const { frame } = code;
  if (needle.length === 0) {
    code.leave(found);
    return;
  }
  const rareAt = rarestAt(needle, ignoreCase);
  const raw = needle[rareAt] ?? 0;
  const folds = ignoreCase && isLetter(raw);
  const rare = folds ? raw | 0x20 : raw;
  frame.temporarily(() => {
    const placesAt = frame.takeVague();
    const doneAt = frame.takeVague();
    const some = code.newLabel('some');
    // Places where the needle can begin: none when it is longer than what is left.
    code.emit(load(BPF_W, r1, r9, leftAt), jle.imm32(r1, needle.length - 1, some));
    frame.borrow(CHUNK_BYTES, (chunkAt) => {
      const start = code.newLabel('search');
      code.emit(ja(start));
      code.place(some);
      code.leave(missed);
      code.place(start);
      code.emit(sub.imm32(r1, needle.length - 1), store(BPF_W, r9, placesAt, r1));
      for (let i = 0; i < CHUNK_BYTES; i += 8) code.emit(storeImm(BPF_DW, r9, chunkAt + i, 0));
      code.unknownZero(r1);
      code.emit(store(BPF_W, r9, doneAt, r1), mov.imm(r1, MAX_PACKET_BYTES / CHUNK_BYTES));
      code.loop('find', () => {
        const inside = code.newLabel('inside');
        const whole = code.newLabel('whole');
        const last = code.newLabel('last');
        const bytewise = code.newLabel('bytewise');
        const next = code.newLabel('next_chunk');
        const over = code.newLabel('over');
        code.emit(load(BPF_W, r8, r9, placesAt), load(BPF_W, r2, r9, doneAt), sub.reg32(r8, r2), jne.imm32(r8, 0, inside));
        code.place(over);
        code.stop();
        code.place(whole);
        code.emit(mov.imm32(r8, CHUNK_BYTES), ja(last));
        code.place(inside);
        // The general case first: the verifier then finds the special one covered.
        code.emit(jgt.imm32(r8, CHUNK_BYTES, whole));
        code.place(last);
        code.emit(load(BPF_W, r1, r9, frame.offsetAt), add.reg32(r2, r1), add.imm32(r2, rareAt), mov.reg(r1, r6));
        code.address(r3, chunkAt);
        code.emit(mov.reg(r4, r8), call(BPF_FUNC_skb_load_bytes), jne.imm(r0, 0, over));
        // Bytes behind r8 are left over from the chunk before: they may cost a look, the look itself is bounded.
        code.emit(loadImm64(r3, ONES), loadImm64(r4, HIGH_BITS), loadImm64(r5, ONES * BigInt(rare)));
        if (folds) code.emit(loadImm64(r0, ONES * 0x20n));
        for (let i = 0; i < CHUNK_BYTES; i += 8) {
          code.emit(load(BPF_DW, r1, r9, chunkAt + i));
          if (folds) code.emit(or.reg(r1, r0));
          code.emit(xor.reg(r1, r5), mov.reg(r2, r1), sub.reg(r2, r3), xor.imm(r1, -1), and.reg(r2, r1), and.reg(r2, r4));
          code.emit(mov.imm(r7, i), jne.imm(r2, 0, bytewise));
        }
        code.emit(ja(next));
        code.place(bytewise);
        const again = code.newLabel('byte');
        code.emit(jlt.reg(r7, r8, again), ja(next));
        code.place(again);
        emitTry(program, needle, ignoreCase, { chunkAt, doneAt, foundAt, rare, folds }, found);
        code.emit(add.imm(r7, 1), jlt.reg(r7, r8, again));
        code.place(next);
        code.emit(load(BPF_W, r1, r9, doneAt), add.reg32(r1, r8), store(BPF_W, r9, doneAt, r1));
      });
    });
    code.leave(missed);
  });
}

interface Chunk {
  readonly chunkAt: number;
  readonly doneAt: number;
  readonly foundAt: number;
  readonly rare: number;
  readonly folds: boolean;
}

/** Compares at the byte r7 of the chunk, if it is the rare one; goes on when that is not the place. */
function emitTry(program: Program, needle: Uint8Array, ignoreCase: boolean, chunk: Chunk, found: Exit): void {
  const { code } = program;
  const other = code.newLabel('other');
  code.address(r1, chunk.chunkAt);
  code.emit(add.reg(r1, r7), load(BPF_B, r1, r1, 0));
  if (chunk.folds) code.emit(or.imm32(r1, 0x20));
  code.emit(jne.imm32(r1, chunk.rare, other));
  code.emit(load(BPF_W, r2, r9, chunk.doneAt), add.reg32(r2, r7), store(BPF_W, r9, chunk.foundAt, r2));
  // One byte that is no letter was found as it is; a letter may stand for its neighbour with 0x20 set.
  if (needle.length > 1 || chunk.folds) {
    code.emit(load(BPF_W, r1, r9, code.frame.offsetAt), add.reg32(r2, r1));
    emitComparePacket(code, needle, ignoreCase, other);
  }
  code.leave(found);
  code.place(other);
}
