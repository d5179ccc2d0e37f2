/**
 * Operations that make strings: copies, slices, and those with new bytes.
 *
 * New bytes are written to the buffer of the result's slot. When the slot is
 * also an operand they are made in the spare buffer first.
 */
import { add, and, div, mod, mov, or, rsh, sub, xor } from '../../../ebpf/alu.js';
import { BPF_FUNC_skb_load_bytes } from '../../../ebpf/helpers.js';
import { BPF_B, BPF_DW, BPF_W, r1, r2, r3, r4, r6, r9 } from '../../../ebpf/isa.js';
import { call, jeq, jge, jgt, jlt, jsge, jsle } from '../../../ebpf/jump.js';
import { load, loadMapValue, store, storeImm } from '../../../ebpf/load-store.js';
import { ascii } from '../../../base/bytes.js';
import { FAIL, type ArenaOp, type Int, type Str, type StrField } from '../../ir.js';
import { emitAddress, emitByteAt, emitCase, emitLength, type Source } from './bytes.js';
import { IN_BUFFER, type Program } from './program.js';
import { needsSpare, type StrPlace } from './plan.js';
import { STATE_CONSTANTS_AT, STATE_MAP } from './state.js';
import { emitTimeString } from './times.js';
import { emitWalk } from './walk.js';

/** Longer buffers are copied by a loop. */
const UNROLLED_BYTES = 256;

/** The slot's bytes are in its buffer from now on; without one the string is always empty. The length is stored apart. */
function markInBuffer({ code }: Program, place: StrPlace): void {
  if (place.offsetAt !== null) code.emit(storeImm(BPF_W, r9, place.offsetAt, place.buffer ? IN_BUFFER : 0));
}

/** Fills the buffer of `place` with the bytes of a source, from its start. The length of `place` is not touched. Loses r0-r5. */
function emitFill(program: Program, place: StrPlace, source: Source): void {
  const { code } = program;
  const { buffer, capacityBytes } = place;
  if (!buffer) return;
  if (source.kind === 'packet') {
    const done = code.newLabel('filled');
    code.emit(load(BPF_W, r4, r9, source.lengthAt), jeq.imm32(r4, 0, done), jgt.imm32(r4, capacityBytes, done));
    code.emit(load(BPF_W, r2, r9, source.offsetAt), mov.reg(r1, r6));
    emitAddress(code, r3, buffer);
    code.emit(call(BPF_FUNC_skb_load_bytes));
    code.place(done);
  } else if (source.kind === 'buffer' && source.capacityBytes > UNROLLED_BYTES) {
    emitWalk(code, source, 'copy', (walk) => {
      walk.position();
      emitPutAt(program, place);
    });
  } else if (source.kind === 'buffer') {
    emitAddress(code, r3, source.at);
    emitAddress(code, r4, buffer);
    for (let i = 0; i < Math.min(source.capacityBytes, capacityBytes); i += 8) {
      code.emit(load(BPF_DW, r1, r3, i), store(BPF_DW, r4, i, r1));
    }
  } else {
    const bytes = program.constants.bytes.subarray(source.at, source.at + Math.min(source.lengthBytes, capacityBytes));
    emitAddress(code, r4, buffer);
    for (let i = 0; i < bytes.length; i += 4) {
      const word = new Uint8Array(4);
      word.set(bytes.subarray(i, i + 4));
      code.emit(storeImm(BPF_W, r4, i, new DataView(word.buffer).getInt32(0, true)));
    }
  }
}

/** dst = a string as it is. */
export function emitCopy(program: Program, dst: number, value: Str): void {
  const { code } = program;
  const place = program.strPlace(dst);
  if (value.kind === 'slot' && value.slot === dst) return;
  program.eachSource(value, (source) => {
    emitLength(code, r1, source);
    code.emit(store(BPF_W, r9, place.lengthAt, r1));
    if (source.kind === 'packet') emitPosition(program, place, source.offsetAt);
    else {
      markInBuffer(program, place);
      emitFill(program, place, source);
    }
  });
}

function emitPosition({ code }: Program, place: StrPlace, from: number): void {
  if (place.offsetAt === null) return;
  code.emit(load(BPF_W, r1, r9, from), store(BPF_W, r9, place.offsetAt, r1));
}

/** dst = a register that is a slice of the packet. */
export function emitStrField(program: Program, dst: number, field: StrField): void {
  const { code, headers } = program;
  const place = program.strPlace(dst);
  const set = (register: number, lengthRegister: number): void => {
    if (place.offsetAt !== null) code.emit(store(BPF_W, r9, place.offsetAt, register));
    code.emit(store(BPF_W, r9, place.lengthAt, lengthRegister));
  };
  switch (field) {
    case 'packet':
      code.emit(mov.imm(r1, 0), load(BPF_W, r2, r9, code.frame.packetLengthAt));
      break;
    case 'data':
      code.emit(load(BPF_W, r1, r9, headers.dataAt), load(BPF_W, r2, r9, code.frame.packetLengthAt), sub.reg32(r2, r1));
      break;
    case 'ip_saddr':
    case 'ip_daddr': {
      // RFC 791 section 3.1 and RFC 8200 section 3.
      const [four, six] = field === 'ip_saddr' ? [12, 8] : [16, 24];
      const done = code.newLabel('address');
      code.emit(load(BPF_W, r3, r9, headers.versionAt), mov.imm(r1, four), mov.imm(r2, 4), jeq.imm32(r3, 4, done));
      code.emit(mov.imm(r1, six), mov.imm(r2, 16), jeq.imm32(r3, 6, done), mov.imm(r1, 0), mov.imm(r2, 0));
      code.place(done);
    }
  }
  set(r1, r2);
}

/** dst = `length` bytes of `of` from `start`, both clamped. */
export function emitSlice(program: Program, dst: number, of: Str, start: Int, length: Int): void {
  const { code } = program;
  const place = program.strPlace(dst);
  code.frame.temporarily(() => {
    const startAt = code.frame.takeVague();
    const lengthAt = code.frame.takeVague();
    /** register = register clamped to 0..r3, as signed numbers. */
    const clamp = (register: number): void => {
      const low = code.newLabel('low');
      const done = code.newLabel('clamped');
      code.emit(jsge.imm32(register, 0, low), mov.imm32(register, 0));
      code.place(low);
      code.emit(jsle.reg32(register, r3, done), mov.reg32(register, r3));
      code.place(done);
    };
    program.eachSource(of, (source) => {
      emitLength(code, r3, source);
      program.loadInt(r1, start);
      clamp(r1);
      code.emit(store(BPF_W, r9, startAt, r1), sub.reg32(r3, r1));
      program.loadInt(r2, length);
      clamp(r2);
      code.emit(store(BPF_W, r9, lengthAt, r2));
      if (source.kind === 'packet') {
        code.emit(load(BPF_W, r1, r9, source.offsetAt), load(BPF_W, r2, r9, startAt), add.reg32(r1, r2));
        if (place.offsetAt !== null) code.emit(store(BPF_W, r9, place.offsetAt, r1));
      } else if (!place.buffer) markInBuffer(program, place);
      else {
        // Bytes move towards the start, so a slot can be sliced into itself.
        emitWalk(code, source, 'slice', (walk) => {
          const skip = code.newLabel('skip');
          walk.position();
          code.emit(load(BPF_W, r3, r9, startAt), jlt.reg32(r2, r3, skip), sub.reg32(r2, r3));
          code.emit(load(BPF_W, r3, r9, lengthAt), jge.reg32(r2, r3, skip));
          emitPutAt(program, place);
          code.place(skip);
        });
        markInBuffer(program, place);
      }
    });
    code.emit(load(BPF_W, r1, r9, lengthAt), store(BPF_W, r9, place.lengthAt, r1));
  });
}

/** dst = new bytes. */
export function emitArenaOp(program: Program, op: ArenaOp & { readonly at: number }): void {
  const { code } = program;
  const place = program.strPlace(op.dst);
  const target = needsSpare(program.ir, op) ? program.spare(place.capacityBytes) : place;
  emitBytes(program, op, target);
  if (program.ir.checksArena) {
    program.orElse(FAIL, op.at, 'EArenaFull', (full) => {
      code.emit(load(BPF_W, r1, r9, target.lengthAt), load(BPF_W, r2, r9, program.arenaUsedAt), add.reg32(r2, r1));
      code.emit(store(BPF_W, r9, program.arenaUsedAt, r2), jgt.imm32(r2, program.ir.limits.arenaBytes, full));
    });
  }
  if (target === place) {
    markInBuffer(program, place);
    return;
  }
  code.emit(load(BPF_W, r1, r9, target.lengthAt), store(BPF_W, r9, place.lengthAt, r1));
  markInBuffer(program, place);
  if (target.buffer) {
    const { buffer, lengthAt, capacityBytes, roomBytes } = target;
    emitFill(program, place, { kind: 'buffer', at: buffer, lengthAt, capacityBytes, roomBytes });
  }
}

function emitBytes(program: Program, op: ArenaOp, to: StrPlace): void {
  const { code } = program;
  const setLength = (register: number): void => code.emit(store(BPF_W, r9, to.lengthAt, register));
  switch (op.op) {
    case 'bitwise':
      emitBitwise(program, op.fn, to, op.a, op.b);
      return;
    case 'concat':
      code.unknownZero(r1);
      setLength(r1);
      for (const part of op.parts) {
        program.eachSource(part, (source) => emitWalk(code, source, 'concat', () => emitPut(program, to)));
      }
      return;
    case 'mapCase': {
      program.eachSource(op.of, (source) => {
        emitWalk(code, source, 'case', (walk) => {
          emitCase(code, op.to);
          walk.position();
          emitPutAt(program, to);
        });
        emitLength(code, r1, source);
        setLength(r1);
      });
      return;
    }
    case 'chr':
      program.loadInt(r1, op.of);
      code.emit(mov.imm(r2, 0));
      emitPutAt(program, to);
      code.emit(mov.imm(r1, 1));
      setLength(r1);
      return;
    case 'format':
      if (op.form === 'mac') emitMac(program, op.of, to);
      else emitDotted(program, op.of, to);
      return;
    case 'time':
      if (to.buffer) emitTimeString(program, op.zone, op.of, to.buffer);
      code.emit(storeImm(BPF_W, r9, to.lengthAt, 14));
  }
}

/** Buffer byte at position r2 = r1. Loses r2, r3. */
function emitPutAt({ code }: Program, { buffer, roomBytes }: StrPlace): void {
  if (!buffer) return;
  // Positions are inside anyway; the mask shows it to the verifier.
  code.emit(and.imm32(r2, roomBytes - 1));
  emitAddress(code, r3, buffer);
  code.emit(add.reg(r3, r2), store(BPF_B, r3, 0, r1));
}

/** Appends r1 and counts it in the length. Loses r2, r3. */
function emitPut(program: Program, to: StrPlace): void {
  const { code } = program;
  code.emit(load(BPF_W, r2, r9, to.lengthAt));
  emitPutAt(program, to);
  code.emit(load(BPF_W, r2, r9, to.lengthAt), add.imm32(r2, 1), store(BPF_W, r9, to.lengthAt, r2));
}

function emitBitwise(program: Program, fn: 'and' | 'or' | 'xor', to: StrPlace, a: Str, b: Str): void {
  const { code } = program;
  const operation = fn === 'and' ? and : fn === 'or' ? or : xor;
  program.eachSource(a, (source) => {
    emitFill(program, to, source);
    emitLength(code, r1, source);
    code.emit(store(BPF_W, r9, to.lengthAt, r1));
  });
  program.eachSource(b, (source) =>
    emitWalk(code, source, fn, (walk) => {
      if (!to.buffer) return;
      walk.position();
      code.emit(and.imm32(r2, to.roomBytes - 1));
      emitAddress(code, r3, to.buffer);
      code.emit(add.reg(r3, r2), load(BPF_B, r2, r3, 0), operation.reg32(r2, r1), store(BPF_B, r3, 0, r2));
    }),
  );
}

/** Lower-case hexadecimal pairs with colons between them. */
function emitMac(program: Program, of: Str, to: StrPlace): void {
  const { code } = program;
  code.unknownZero(r1);
  code.emit(store(BPF_W, r9, to.lengthAt, r1));
  code.frame.temporarily(() => {
    const byteAt = code.frame.takeVague();
    const digitsAt = program.constants.add(ascii('0123456789abcdef'));
    const digit = (): void => {
      code.emit(loadMapValue(r2, STATE_MAP, STATE_CONSTANTS_AT + digitsAt), add.reg(r2, r1), load(BPF_B, r1, r2, 0));
      emitPut(program, to);
    };
    program.eachSource(of, (source) =>
      emitWalk(code, source, 'mac', (walk) => {
        const first = code.newLabel('first');
        code.emit(store(BPF_W, r9, byteAt, r1));
        walk.position();
        code.emit(jeq.imm32(r2, 0, first), mov.imm(r1, 0x3a));
        emitPut(program, to);
        code.place(first);
        code.emit(load(BPF_W, r1, r9, byteAt), rsh.imm32(r1, 4), and.imm32(r1, 15));
        digit();
        code.emit(load(BPF_W, r1, r9, byteAt), and.imm32(r1, 15));
        digit();
      }),
    );
  });
}

/** Four decimal numbers with dots between them. */
function emitDotted(program: Program, of: Str, to: StrPlace): void {
  const { code } = program;
  code.unknownZero(r1);
  code.emit(store(BPF_W, r9, to.lengthAt, r1));
  code.frame.borrow(8, (scratchAt) => {
    const byteAt = code.frame.takeVague();
    program.eachSource(of, (source) => {
      for (let i = 0; i < 4; i++) {
        const tens = code.newLabel('tens');
        const ones = code.newLabel('ones');
        code.emit(mov.imm(r2, i));
        emitByteAt(code, source, scratchAt);
        code.emit(store(BPF_W, r9, byteAt, r1));
        if (i > 0) {
          code.emit(mov.imm(r1, 0x2e));
          emitPut(program, to);
        }
        code.emit(load(BPF_W, r1, r9, byteAt), jlt.imm32(r1, 10, ones), jlt.imm32(r1, 100, tens));
        code.emit(div.imm32(r1, 100), add.imm32(r1, 0x30));
        emitPut(program, to);
        code.place(tens);
        code.emit(load(BPF_W, r1, r9, byteAt), div.imm32(r1, 10), mod.imm32(r1, 10), add.imm32(r1, 0x30));
        emitPut(program, to);
        code.place(ones);
        code.emit(load(BPF_W, r1, r9, byteAt), mod.imm32(r1, 10), add.imm32(r1, 0x30));
        emitPut(program, to);
      }
    });
  });
}
