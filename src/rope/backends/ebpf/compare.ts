/** Tests: conditions of `if` and loops, as jumps. */
import { load, store } from '../../../ebpf/load-store.js';
import { mov, sub } from '../../../ebpf/alu.js';
import { BPF_W, r1, r2, r3, r9 } from '../../../ebpf/isa.js';
import { ja, jeq, jlt, jne, jsge, jsgt, jsle, jslt, type JumpOperation } from '../../../ebpf/jump.js';
import type { Rel, Str, Test } from '../../ir.js';
import { compareBytes, equalIgnoringCase, relHolds } from '../../operations.js';
import { emitByteAt, emitCompareInPlace, emitCase, emitComparePacket, emitLength, type Source } from './bytes.js';
import { emitCompareData, emitHeadNumber } from './data.js';
import { emitSetTest, emitSpan, emitWalk } from './walk.js';
import type { Program } from './program.js';

const JUMPS: Readonly<Record<Rel, JumpOperation>> = { eq: jeq, ne: jne, lt: jslt, le: jsle, gt: jsgt, ge: jsge };
const OPPOSITE: Readonly<Record<Rel, Rel>> = { eq: 'ne', ne: 'eq', lt: 'ge', ge: 'lt', gt: 'le', le: 'gt' };

/** Goes on when the test holds, to `otherwise` (a label of this function) when not. Loses r0-r5, r7, r8. */
export function emitTest(program: Program, test: Test, otherwise: string): void {
  const { code } = program;
  switch (test.kind) {
    case 'int': {
      const jump = JUMPS[OPPOSITE[test.rel]];
      program.loadInt(r1, test.a);
      if (test.b.kind === 'const') {
        code.emit(jump.imm32(r1, test.b.value, otherwise));
      } else {
        program.loadInt(r2, test.b);
        code.emit(jump.reg32(r1, r2, otherwise));
      }
      return;
    }
    case 'str':
      emitStringTest(program, test.rel, test.ignoreCase, test.a, test.b, otherwise);
      return;
    case 'all':
      if (test.negated) {
        const fails = code.newLabel('not_all');
        emitAll(program, test.of, test.set, fails);
        code.emit(ja(otherwise));
        code.place(fails);
      } else emitAll(program, test.of, test.set, otherwise);
  }
}

/** Goes on when the string is not empty and all its bytes are in the set. */
function emitAll(program: Program, of: Str, setIndex: number, otherwise: string): void {
  const { code } = program;
  const set = program.ir.sets[setIndex] ?? new Uint8Array(32);
  const isOneByte = of.kind === 'slot' && program.ir.strSlots[of.slot]?.maxLengthBytes === 1;
  const fails = code.newExit('not_member');
  const done = code.newLabel('all');
  program.eachSource(of, (source) => {
    emitLength(code, r1, source);
    code.emit(jeq.imm32(r1, 0, otherwise));
    if (isOneByte) {
      const member = code.newLabel('member');
      emitOneByte(program, of, source);
      emitSetTest(code, program.constants, set, member);
      code.leave(fails);
      code.place(member);
    } else emitSpan(code, source, program.constants, set, 'all', () => code.leave(fails));
    code.emit(ja(done));
  });
  code.place(fails.label);
  code.emit(ja(otherwise));
  code.place(done);
}

/** r1 = the only byte of a string. Loses r0, r2-r5. */
function emitOneByte(program: Program, of: Str, source: Source): void {
  const { code } = program;
  const place = program.positions.of(of);
  if (source.kind === 'packet' && place !== null && emitHeadNumber(program, place, 1)) return;
  code.frame.borrow(8, (scratchAt) => {
    code.emit(mov.imm(r2, 0));
    emitByteAt(code, source, scratchAt);
  });
}

function emitStringTest(program: Program, rel: Rel, ignoreCase: boolean, a: Str, b: Str, otherwise: string): void {
  const { code } = program;
  if (a.kind === 'literal' && b.kind === 'literal') {
    const [x, y] = [program.literal(a.index), program.literal(b.index)];
    const holds = ignoreCase
      ? equalIgnoringCase(x, 0, x.length, y, 0, y.length) === (rel === 'eq')
      : relHolds(rel, compareBytes(x, 0, x.length, y, 0, y.length));
    if (!holds) code.emit(ja(otherwise));
    return;
  }
  if (rel === 'eq') emitEqual(program, ignoreCase, a, b, otherwise);
  else if (rel === 'ne') {
    const differs = code.newLabel('differs');
    emitEqual(program, ignoreCase, a, b, differs);
    code.emit(ja(otherwise));
    code.place(differs);
  } else emitOrder(program, rel, a, b, otherwise);
}

/** Goes on when both are equal. */
function emitEqual(program: Program, ignoreCase: boolean, a: Str, b: Str, otherwise: string): void {
  const { code } = program;
  const [literal, other] = a.kind === 'literal' ? [a, b] : b.kind === 'literal' ? [b, a] : [null, a];
  if (literal) {
    const bytes = program.literal(literal.index);
    program.eachSource(other, (source) => {
      emitLength(code, r1, source);
      code.emit(jne.imm32(r1, bytes.length, otherwise));
      if (source.kind === 'packet') {
        const place = program.positions.of(other);
        if (place !== null) emitCompareData(program, place, bytes, ignoreCase, otherwise);
        else {
          code.emit(load(BPF_W, r2, r9, source.offsetAt));
          emitComparePacket(code, bytes, ignoreCase, otherwise);
        }
      } else if (source.kind === 'buffer') {
        // A literal longer than the buffer cannot be equal, and the length said so.
        if (bytes.length <= source.capacityBytes) emitCompareInPlace(code, source.at, bytes, ignoreCase, otherwise);
      }
    });
    return;
  }
  const differs = code.newExit('differs');
  const same = code.newLabel('same');
  program.eachSource(a, (x) =>
    program.eachSource(b, (y) => {
      emitLength(code, r1, x);
      emitLength(code, r2, y);
      const alike = code.newLabel('alike');
      code.emit(jeq.reg32(r1, r2, alike));
      code.leave(differs);
      code.place(alike);
      emitWalkBoth(program, x, y, ignoreCase, () => code.leave(differs));
      code.emit(ja(same));
    }),
  );
  code.place(differs.label);
  code.emit(ja(otherwise));
  code.place(same);
}

/** Walks over x; where the byte of y at the same position differs, runs `onDifference` with r1 = byte of x - byte of y. Stops at the end of y. */
function emitWalkBoth(program: Program, x: Source, y: Source, ignoreCase: boolean, onDifference: () => void): void {
  const { code } = program;
  const over = code.newExit('shorter');
  code.frame.borrow(8, (scratchAt) => {
    const byteAt = code.frame.takeVague();
    emitWalk(code, x, 'compare', (walk) => {
      const inside = code.newLabel('inside');
      const next = code.newLabel('next');
      if (ignoreCase) emitCase(code, 'lower');
      code.emit(store(BPF_W, r9, byteAt, r1));
      walk.position();
      emitLength(code, r3, y);
      code.emit(jlt.reg32(r2, r3, inside));
      code.leave(over);
      code.place(inside);
      emitByteAt(code, y, scratchAt);
      if (ignoreCase) emitCase(code, 'lower');
      code.emit(load(BPF_W, r2, r9, byteAt), sub.reg32(r2, r1), mov.reg32(r1, r2), jeq.imm32(r1, 0, next));
      onDifference();
      code.place(next);
    });
  });
  code.place(over.label);
}

/** lt, le, gt, ge: the first difference decides, then the length. */
function emitOrder(program: Program, rel: Rel, a: Str, b: Str, otherwise: string): void {
  const { code } = program;
  code.frame.temporarily(() => {
    const differenceAt = code.frame.takeVague();
    const decided = code.newExit('decided');
    const done = code.newLabel('ordered');
    program.eachSource(a, (x) =>
      program.eachSource(b, (y) => {
        emitWalkBoth(program, x, y, false, () => {
          code.emit(store(BPF_W, r9, differenceAt, r1));
          code.leave(decided);
        });
        emitLength(code, r1, x);
        emitLength(code, r2, y);
        code.emit(sub.reg32(r1, r2), ja(done));
      }),
    );
    code.place(decided.label);
    code.emit(load(BPF_W, r1, r9, differenceAt));
    code.place(done);
    code.emit(JUMPS[OPPOSITE[rel]].imm32(r1, 0, otherwise));
  });
}
