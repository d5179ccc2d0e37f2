/**
 * Whether `$offset` can still be where the data begins, along the operations as
 * they are compiled. Only places where it can are compiled to look into the head
 * (headers.ts): the others would pay for a test, and the verifier for a path.
 *
 * A wrong "can" costs time only, so joins and loops are taken on the safe side.
 */
import { OFFSET_SLOT, type Op } from '../../ir.js';
import { allOps } from './plan.js';

export class StartTracker {
  /** `$offset` can be the start of the data. */
  canBe = true;
  /** The same at the time it was copied to a slot. */
  readonly #saved = new Map<number, boolean>();

  /** To be called behind each operation without a body. `literalBytes`: what an expectStr has moved at least. */
  after(op: Op, literalBytes: number): void {
    if (op.op === 'expectStr' && literalBytes > 0) this.canBe = false;
    else if (op.op === 'take' && op.missing === 'no' && op.count.kind === 'const' && op.count.value > 0) this.canBe = false;
    else if (op.op === 'int' && op.value.kind === 'slot') {
      if (op.dst === OFFSET_SLOT) this.canBe = this.#saved.get(op.value.slot) ?? true;
      else if (op.value.slot === OFFSET_SLOT) this.#saved.set(op.dst, this.canBe);
      else this.#saved.delete(op.dst);
    } else if ('dst' in op && typeof op.dst === 'number' && writesInt(op)) {
      if (op.dst === OFFSET_SLOT) this.canBe = true;
      else this.#saved.delete(op.dst);
    }
  }

  /** Runs the parts from the same state; afterwards it can be what it can be behind any part that does not end. */
  branches(...parts: readonly { readonly ops: readonly Op[]; readonly compile: () => void }[]): void {
    const before = this.canBe;
    let after = false;
    let isReached = false;
    for (const { ops, compile } of parts) {
      this.canBe = before;
      compile();
      const last = ops.at(-1)?.op;
      if (last === 'end' || last === 'hotdrop') continue;
      after ||= this.canBe;
      isReached = true;
    }
    this.canBe = isReached ? after : before;
  }

  /** Something that may be left anywhere, or run again. */
  enclosed(ops: readonly Op[], isLoop: boolean, compile: () => void): void {
    if (isLoop && movesFreely(ops)) this.canBe = true;
    const before = this.canBe;
    compile();
    this.canBe ||= before;
  }
}

function writesInt(op: Op): boolean {
  switch (op.op) {
    case 'str':
    case 'strField':
    case 'slice':
    case 'bitwise':
    case 'concat':
    case 'mapCase':
    case 'chr':
    case 'format':
    case 'time':
    case 'take':
    case 'takeWhile':
    case 'scan':
    case 'search':
      return false;
    default:
      return true;
  }
}

/** True when the operations set the offset to something else than a copy of it. */
function movesFreely(ops: readonly Op[]): boolean {
  const copies = new Set<number>();
  for (const op of allOps(ops)) {
    if (op.op === 'int' && op.value.kind === 'slot' && op.value.slot === OFFSET_SLOT) copies.add(op.dst);
  }
  for (const op of allOps(ops)) {
    if (!('dst' in op) || op.dst !== OFFSET_SLOT || !writesInt(op)) continue;
    if (op.op !== 'int' || op.value.kind !== 'slot' || !copies.has(op.value.slot)) return true;
  }
  return false;
}
