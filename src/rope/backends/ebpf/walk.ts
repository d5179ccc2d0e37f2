/**
 * Going over the bytes of a string, one after the other.
 *
 * Two ways, because the kernel's verifier follows every round of a plain loop:
 * a walk does work for each byte and is a round of bpf_loop each time; a span
 * only looks for the first byte outside a set, and goes through 16 bytes at a
 * time in a plain loop, which is faster.
 */
import { add, lsh, mov, rsh, sub } from '../../../ebpf/alu.js';
import { BPF_FUNC_skb_load_bytes } from '../../../ebpf/helpers.js';
import { BPF_B, BPF_DW, BPF_W, r0, r1, r2, r3, r4, r6, r7, r8, r9 } from '../../../ebpf/isa.js';
import { call, ja, jeq, jge, jgt, jle, jlt, jne } from '../../../ebpf/jump.js';
import { load, loadMapValue, store, storeImm } from '../../../ebpf/load-store.js';
import { CHUNK_BYTES, type Constants, emitAddress, emitLength, SPAN_BYTES, type Source } from './bytes.js';
import { MAX_PACKET_BYTES, type Code } from './code.js';
import { STATE_CONSTANTS_AT, STATE_MAP } from './state.js';

type Packet = Source & { readonly kind: 'packet' };
type InPlace = Exclude<Source, Packet>;

/** What the body of a walk gets. */
export interface Walk {
  /** r2 = position of the current byte in the string. Keeps r1. */
  position(): void;
}

/** r1 = byte r7 (counted from the one at `base`, a register) of a string in place. */
function emitInPlaceByte(code: Code, source: InPlace, base?: number): void {
  if (source.kind === 'buffer') emitAddress(code, r1, source.at);
  else code.emit(loadMapValue(r1, STATE_MAP, STATE_CONSTANTS_AT + source.at));
  if (base !== undefined) code.emit(add.reg(r1, base));
  code.emit(add.reg(r1, r7), load(BPF_B, r1, r1, 0));
}

function boundOf(source: InPlace): number {
  return source.kind === 'buffer' ? source.capacityBytes : source.lengthBytes;
}

/**
 * Runs `body` for each byte of the source, in r1, from the first to the last. The body may lose r0-r5 and must keep
 * r6-r9. It may leave through an exit. Afterwards nothing is in r0-r5, r7, r8.
 */
export function emitWalk(code: Code, source: Source, hint: string, body: (walk: Walk) => void): void {
  if (source.kind === 'packet') {
    emitChunks(code, source, CHUNK_BYTES, hint, ({ chunkAt, doneAt }) => {
      code.emit(mov.reg32(r1, r8));
      code.loop(`${hint}_byte`, () => {
        const inside = code.newLabel('inside');
        code.emit(mov.reg32(r7, r1), jlt.imm(r7, CHUNK_BYTES, inside));
        code.stop();
        code.place(inside);
        code.address(r1, chunkAt);
        code.emit(add.reg(r1, r7), load(BPF_B, r1, r1, 0));
        body({ position: () => code.emit(load(BPF_W, r2, r9, doneAt), add.reg32(r2, r7)) });
      });
    });
    return;
  }
  const bound = boundOf(source);
  if (bound === 0) return;
  // As many rounds as the bound, not as the length: a length that is known to be 0 makes the verifier remove the body and
  // then miss it ("No program to jit", Linux 6.18).
  code.emit(mov.imm(r1, bound));
  code.loop(hint, () => {
    const beyond = code.newLabel('beyond');
    const inside = code.newLabel('inside');
    code.emit(mov.reg32(r7, r1));
    emitLength(code, r2, source);
    code.emit(jge.reg32(r7, r2, beyond), jlt.imm(r7, bound, inside));
    code.place(beyond);
    code.stop();
    code.place(inside);
    emitInPlaceByte(code, source);
    body({ position: () => code.emit(mov.reg32(r2, r7)) });
  });
}

/**
 * Goes over the bytes that are in the set. At the first one that is not it runs `onOther`, with its position in r2, which
 * leaves; when all are, control goes on. Loses r0-r5, r7, r8.
 */
export function emitSpan(
  code: Code, source: Source, constants: Constants, set: Uint8Array, hint: string, onOther: () => void,
): void {
  code.frame.temporarily(() => {
    const foundAt = code.frame.takeVague();
    const again = code.newLabel(hint);
    const member = code.newLabel('member');
    const over = code.newLabel('spanned');
    // r7 counts bytes that are read anyway, be they behind the end: one comparison at the end is cheaper than one each time.
    const rounds = (byte: () => void): void => {
      code.emit(mov.imm(r7, 0));
      code.place(again);
      byte();
      emitSetTest(code, constants, set, member);
      // Through a vague place: the verifier takes the same way for all rounds from here on.
      code.emit(store(BPF_W, r9, foundAt, r7), load(BPF_W, r2, r9, foundAt), jge.reg32(r2, r8, over));
    };
    const next = (bound: number): void => {
      code.place(member);
      code.emit(add.imm(r7, 1), jlt.imm(r7, bound, again));
      code.place(over);
    };
    if (source.kind === 'packet') {
      emitChunks(code, source, SPAN_BYTES, hint, ({ chunkAt, doneAt }) => {
        rounds(() => {
          code.address(r1, chunkAt);
          code.emit(add.reg(r1, r7), load(BPF_B, r1, r1, 0));
        });
        code.emit(load(BPF_W, r1, r9, doneAt), add.reg32(r2, r1));
        onOther();
        next(SPAN_BYTES);
      });
      return;
    }
    const bound = boundOf(source);
    if (bound === 0) return;
    if (bound <= SPAN_BYTES) {
      emitLength(code, r8, source);
      rounds(() => emitInPlaceByte(code, source));
      onOther();
      next(bound);
      return;
    }
    // Buffers have room for whole chunks, and constants are padded to them.
    const baseAt = code.frame.takeVague();
    const room = source.kind === 'buffer' ? source.roomBytes : Math.ceil(bound / SPAN_BYTES) * SPAN_BYTES;
    code.emit(mov.imm(r1, Math.ceil(bound / SPAN_BYTES)));
    code.loop(hint, () => {
      const inside = code.newLabel('inside');
      code.emit(mov.reg32(r7, r1), lsh.imm32(r7, Math.log2(SPAN_BYTES)), store(BPF_W, r9, baseAt, r7));
      emitLength(code, r8, source);
      code.emit(jgt.reg32(r8, r7, inside));
      code.stop();
      code.place(inside);
      code.emit(sub.reg32(r8, r7));
      rounds(() => {
        const inRoom = code.newLabel('in_room');
        code.emit(load(BPF_W, r2, r9, baseAt), jle.imm(r2, room - SPAN_BYTES, inRoom), mov.imm(r2, 0));
        code.place(inRoom);
        emitInPlaceByte(code, source, r2);
      });
      code.emit(load(BPF_W, r1, r9, baseAt), add.reg32(r2, r1));
      onOther();
      next(SPAN_BYTES);
    });
  });
}

/** Runs `body` for each chunk of packet bytes: they are in the frame, r8 is their number, the frame knows how many came before. */
function emitChunks(
  code: Code, { offsetAt, lengthAt }: Packet, chunkBytes: number, hint: string, body: (places: { chunkAt: number; doneAt: number }) => void,
): void {
  code.frame.borrow(chunkBytes, (chunkAt) => {
    const doneAt = code.frame.takeVague();
    code.unknownZero(r1);
    code.emit(store(BPF_W, r9, doneAt, r1), mov.imm(r1, MAX_PACKET_BYTES / chunkBytes));
    for (let i = 0; i < chunkBytes; i += 8) code.emit(storeImm(BPF_DW, r9, chunkAt + i, 0));
    code.loop(hint, () => {
      const some = code.newLabel('some');
      const whole = code.newLabel('whole');
      const last = code.newLabel('last');
      const missing = code.newLabel('missing');
      code.emit(load(BPF_W, r8, r9, lengthAt), load(BPF_W, r2, r9, doneAt), sub.reg32(r8, r2), jne.imm32(r8, 0, some));
      code.place(missing);
      code.stop();
      code.place(whole);
      code.emit(mov.imm32(r8, chunkBytes), ja(last));
      code.place(some);
      // The general case first: the verifier then finds the special one covered.
      code.emit(jgt.imm32(r8, chunkBytes, whole));
      code.place(last);
      code.emit(load(BPF_W, r1, r9, offsetAt), add.reg32(r2, r1), mov.reg(r1, r6));
      code.address(r3, chunkAt);
      code.emit(mov.reg(r4, r8), call(BPF_FUNC_skb_load_bytes), jne.imm(r0, 0, missing));
      body({ chunkAt, doneAt });
      code.emit(load(BPF_W, r1, r9, doneAt), add.reg32(r1, r8), store(BPF_W, r9, doneAt, r1));
    });
  });
}

/** Inclusive ranges of the bytes in a set. */
function rangesOf(set: Uint8Array): [number, number][] {
  const ranges: [number, number][] = [];
  const has = (byte: number): boolean => byte < 256 && (((set[byte >> 3] ?? 0) >> (byte & 7)) & 1) === 1;
  for (let byte = 0; byte < 256; byte++) {
    if (!has(byte)) continue;
    const first = byte;
    while (has(byte + 1)) byte++;
    ranges.push([first, byte]);
  }
  return ranges;
}

/** More ranges than this cost more than a look into a table. */
const MAX_RANGES = 3;

/** Goes to `member` when the byte in r1 is in the set, otherwise on. Loses r2, r3. */
export function emitSetTest(code: Code, constants: Constants, set: Uint8Array, member: string): void {
  const ranges = rangesOf(set);
  if (ranges.length <= MAX_RANGES) {
    for (const [first, last] of ranges) {
      if (first === last) code.emit(jeq.imm32(r1, first, member));
      else if (first === 0) code.emit(jle.imm32(r1, last, member));
      else code.emit(mov.reg32(r2, r1), sub.imm32(r2, first), jle.imm32(r2, last - first, member));
    }
    return;
  }
  const at = constants.add(set);
  code.emit(
    loadMapValue(r2, STATE_MAP, STATE_CONSTANTS_AT + at),
    mov.reg32(r3, r1),
    rsh.imm32(r3, 3),
    add.reg(r2, r3),
    load(BPF_B, r2, r2, 0),
    mov.reg32(r3, r1),
    // Shift counts are taken modulo 32: only the lower three bits may count.
    lsh.imm32(r3, 29),
    rsh.imm32(r3, 29),
    rsh.reg32(r2, r3),
    lsh.imm32(r2, 31),
    jne.imm32(r2, 0, member),
  );
}
