/**
 * The last passes over the slot form: proves limits so that they need no counting, removes what nobody reads.
 */
import { MAX_LITERAL_BYTES } from '../code.js';
import { TIME_BYTES } from '../operations.js';
import type { Int, Ir, Limits, Op, StrSlotInfo } from '../ir.js';
import type { Lowering } from './lowering.js';
import { allOps, childLists, isArenaOp, slotUse } from '../operation-use.js';

export function finish(l: Lowering, ops: readonly Op[]): Ir {
  const strSlots = l.slots.strInfo();
  const usesActionLimit = l.usesLimit.has('max_actions');
  const isBounded = !usesActionLimit && bound(ops, l.limits, (op) => (op.op === 'charge' ? op.count : 0)) <= l.limits.maxActions;
  const checksArena = bound(ops, l.limits, (op) => arenaBytes(op, strSlots)) > l.limits.arenaBytes;
  const kept = removeUnread(isBounded ? removeCharges(ops) : ops, checksArena);
  return {
    ops: kept,
    intSlots: l.slots.ints,
    strSlots,
    literals: l.literals,
    sets: l.sets,
    spans: l.program.spans,
    limits: l.limits,
    checksArena,
  };
}

/** Upper bound of the sum of `cost` over one run. */
function bound(ops: readonly Op[], limits: Limits, cost: (op: Op) => number): number {
  let sum = 0;
  for (const op of ops) {
    sum += cost(op);
    switch (op.op) {
      case 'if':
        sum += Math.max(bound(op.whenTrue, limits, cost), bound(op.whenFalse, limits, cost));
        break;
      case 'loop':
        sum += (limits.maxWhileLoops + 1) * bound(op.head, limits, cost) + limits.maxWhileLoops * bound(op.body, limits, cost);
        break;
      case 'repeat':
        sum += times(op.count) * bound(op.body, limits, cost);
        break;
      case 'scan':
        sum += MAX_LITERAL_BYTES * bound(op.body, limits, cost);
        break;
      case 'scope':
        sum += bound(op.body, limits, cost);
        break;
      case 'attempt':
        sum += bound(op.body, limits, cost) + Math.max(bound(op.whenMatched, limits, cost), bound(op.otherwise, limits, cost));
        break;
      default:
    }
  }
  return sum;
}

function times(count: Int): number {
  return count.kind === 'const' ? Math.max(count.value, 0) : 0x7fff_ffff;
}

/** Most bytes of new string that one execution of the operation itself makes. */
function arenaBytes(op: Op, strSlots: readonly StrSlotInfo[]): number {
  if (!isArenaOp(op)) return 0;
  if (op.op === 'chr') return 1;
  return op.op === 'time' ? TIME_BYTES : (strSlots[op.dst]?.maxLengthBytes ?? 0);
}

/** The lists inside an operation, each mapped. */
function mapLists(op: Op, map: (ops: readonly Op[]) => readonly Op[]): Op {
  switch (op.op) {
    case 'if':
      return { ...op, whenTrue: map(op.whenTrue), whenFalse: map(op.whenFalse) };
    case 'loop':
      return { ...op, head: map(op.head), body: map(op.body) };
    case 'repeat':
    case 'scope':
    case 'scan':
      return { ...op, body: map(op.body) };
    case 'attempt':
      return { ...op, body: map(op.body), whenMatched: map(op.whenMatched), otherwise: map(op.otherwise) };
    default:
      return op;
  }
}

function removeCharges(ops: readonly Op[]): readonly Op[] {
  return ops.filter((op) => op.op !== 'charge').map((op) => (childLists(op).length === 0 ? op : mapLists(op, removeCharges)));
}

/** Drops operations without effect whose result no operation reads, until nothing changes. */
function removeUnread(ops: readonly Op[], checksArena: boolean): readonly Op[] {
  for (let current = ops; ; ) {
    const ints = new Set<number>();
    const strs = new Set<number>();
    for (const op of allOps(current)) {
      const use = slotUse(op);
      for (const slot of use.readInts) ints.add(slot);
      for (const slot of use.readStrs) strs.add(slot);
    }
    let hasChanged = false;
    const sweep = (list: readonly Op[]): readonly Op[] => {
      const out: Op[] = [];
      for (const op of list) {
        if (isRemovable(op, ints, strs, checksArena)) {
          hasChanged = true;
          continue;
        }
        const next = withoutUnreadResult(childLists(op).length === 0 ? op : mapLists(op, sweep), strs);
        if (next !== op && childLists(op).length === 0) hasChanged = true;
        out.push(next);
      }
      return out;
    };
    current = sweep(current);
    if (!hasChanged) return current;
  }
}

/** Packet words still move the offset when nobody wants their bytes. */
function withoutUnreadResult(op: Op, strs: ReadonlySet<number>): Op {
  switch (op.op) {
    case 'take':
    case 'takeWhile':
    case 'scan':
    case 'search':
      return op.dst === null || strs.has(op.dst) ? op : { ...op, dst: null };
    default:
      return op;
  }
}

function isRemovable(op: Op, ints: ReadonlySet<number>, strs: ReadonlySet<number>, checksArena: boolean): boolean {
  if (isArenaOp(op)) return !checksArena && !strs.has(op.dst);
  switch (op.op) {
    case 'int':
    case 'arith':
    case 'abs':
    case 'test':
    case 'field':
    case 'length':
    case 'decode':
    case 'atoi':
    case 'digits':
    case 'timePart':
    case 'getGlobal':
      return !ints.has(op.dst);
    case 'str':
    case 'strField':
    case 'slice':
      return !strs.has(op.dst);
    case 'if':
      return op.whenTrue.length === 0 && op.whenFalse.length === 0;
    default:
      return false;
  }
}
