/**
 * Operands, tests and packet fields of the slot form as JavaScript expressions.
 *
 * Names in the generated code, all made here or in `javascript.ts`:
 * p packet bytes, B its start in p, N its length, T transport header in p, P the
 * PacketInput, C the RunContext, A the arena, u arena bytes used, q actions;
 * i<n> integer slots, a<n> n<n> b<n> start, length and bytes of string slots,
 * l<n> literals, s<n> byte sets (tables of 256), t<n> temporaries, O operations.js.
 */
import { assertNever } from '../../base/assert.js';
import type { Int, IntField, Ir, Op, Rel, Str, StrField, Test } from '../ir.js';
import { HEADER_FIELDS } from '../packet.js';

/** Expressions for the bytes, start and length of a string. */
export interface StrTerm {
  readonly bytes: string;
  readonly at: string;
  readonly length: string;
  /** Value when it is a literal. */
  readonly literal: Uint8Array | null;
}

/** A literal up to this long is compared byte by byte in line. */
const MAX_INLINE_BYTES = 20;

const OPERATORS: Readonly<Record<Rel, string>> = { eq: '===', ne: '!==', lt: '<', le: '<=', gt: '>', ge: '>=' };

export function number(value: number): string {
  return value < 0 ? `(${value | 0})` : String(value | 0);
}

export function intTerm(int: Int): string {
  return int.kind === 'const' ? number(int.value) : `i${int.slot}`;
}

export function strTerm(ir: Ir, str: Str): StrTerm {
  if (str.kind === 'literal') {
    const literal = ir.literals[str.index] ?? new Uint8Array(0);
    return { bytes: `l${str.index}`, at: '0', length: String(literal.length), literal };
  }
  return { bytes: slotBytes(ir, str.slot), at: `a${str.slot}`, length: `n${str.slot}`, literal: null };
}

/** Where the bytes of a string slot are: known from its base, or in a variable of its own. */
export function slotBytes(ir: Ir, slot: number): string {
  const base = ir.strSlots[slot]?.base;
  return base === 'packet' ? 'p' : base === 'arena' ? 'A' : `b${slot}`;
}

export function hasOwnBytes(ir: Ir, slot: number): boolean {
  return slotBytes(ir, slot) === `b${slot}`;
}

/** Arguments "bytes, at, length" for a function of operations.js. */
export function triple(term: StrTerm): string {
  return `${term.bytes}, ${term.at}, ${term.length}`;
}

export function testTerm(ir: Ir, test: Test): string {
  switch (test.kind) {
    case 'int':
      return `${intTerm(test.a)} ${OPERATORS[test.rel]} ${intTerm(test.b)}`;
    case 'all': {
      const of = strTerm(ir, test.of);
      return `${test.negated ? '!' : ''}O.allIn(s${test.set}, ${triple(of)})`;
    }
    case 'str': {
      const [a, b] = [strTerm(ir, test.a), strTerm(ir, test.b)];
      if (test.rel !== 'eq' && test.rel !== 'ne') return `O.compareBytes(${triple(a)}, ${triple(b)}) ${OPERATORS[test.rel]} 0`;
      const not = test.rel === 'ne' ? '!' : '';
      const [literal, other] = a.literal !== null ? [a.literal, b] : [b.literal, a];
      if (literal !== null && literal.length <= MAX_INLINE_BYTES && !test.ignoreCase) {
        return `${not}(${[`${other.length} === ${literal.length}`, ...bytesAre(other.bytes, other.at, literal)].join(' && ')})`;
      }
      return `${not}O.${test.ignoreCase ? 'equalIgnoringCase' : 'equalBytes'}(${triple(a)}, ${triple(b)})`;
    }
    default:
      return assertNever(test);
  }
}

function bytesAre(bytes: string, at: string, literal: Uint8Array): string[] {
  return [...literal].map((byte, i) => `${bytes}[${i === 0 ? at : `${at} + ${i}`}] === ${byte}`);
}

/** True when `length` bytes at the offset of the packet in `at` equal the string; the bytes are there. */
export function packetEquals(at: string, term: StrTerm, ignoreCase: boolean): string {
  if (term.literal !== null && term.literal.length <= MAX_INLINE_BYTES && !ignoreCase) {
    return bytesAre('p', `B + ${at}`, term.literal).join(' && ') || 'true';
  }
  return `O.${ignoreCase ? 'equalIgnoringCase' : 'equalBytes'}(p, B + ${at}, ${term.length}, ${triple(term)})`;
}

/** Big-endian number of 1, 2 or 4 bytes at `at`. */
function bigEndian(at: string, bytes: 1 | 2 | 4): string {
  if (bytes === 1) return `p[${at}]`;
  if (bytes === 2) return `(p[${at}] << 8 | p[${at} + 1])`;
  return `(p[${at}] << 24 | p[${at} + 1] << 16 | p[${at} + 2] << 8 | p[${at} + 3])`;
}

export function fieldTerm(field: IntField): string {
  switch (field) {
    case 'packet_len':
      return 'N';
    case 'data_len':
      return 'N - P.dataAt';
    case 'data_start':
      return 'P.dataAt';
    case 'ip_version':
      return 'P.ipVersion';
    case 'ip_protocol':
      return 'P.protocol';
    case 'mark':
      return 'P.mark';
    case 'ct_proto':
      return 'P.ctProto';
    case 'ct_mark':
      return 'P.ctMark';
    case 'ct_state':
      return 'P.ctState';
    case 'kernel_time':
      return 'P.kernelTime';
    case 'packet_time':
      return 'P.packetTime';
    case 'ip6_hop_limit':
      return 'P.ipVersion === 6 ? p[B + 7] : 0';
    case 'ip6_flow_label':
      return `P.ipVersion === 6 ? ${bigEndian('B', 4)} & 1048575 : 0`;
    default: {
      const { header, at, bytes, shift, mask } = HEADER_FIELDS[field];
      const isThere = header === 'ip' ? 'P.ipVersion === 4' : header === 'tcp' ? 'P.hasTcp' : 'P.hasUdp';
      const raw = bigEndian(`${header === 'ip' ? 'B' : 'T'} + ${at}`, bytes);
      const shifted = shift === 0 ? raw : `${raw} >> ${shift}`;
      const whole = bytes === 4 || (bytes === 2 && mask === 0xffff) || (bytes === 1 && shift === 0 && mask >= 255);
      return `${isThere} ? ${whole ? shifted : `${shifted} & ${mask}`} : 0`;
    }
  }
}

/** Start (in p) and length of a string register. */
export function strFieldTerms(field: StrField): readonly [at: string, length: string] {
  switch (field) {
    case 'packet':
      return ['B', 'N'];
    case 'data':
      return ['B + P.dataAt', 'N - P.dataAt'];
    case 'ip_saddr':
      return ['B + (P.ipVersion === 4 ? 12 : 8)', ADDRESS_LENGTH];
    case 'ip_daddr':
      return ['B + (P.ipVersion === 4 ? 16 : 24)', ADDRESS_LENGTH];
  }
}

const ADDRESS_LENGTH = 'P.ipVersion === 4 ? 4 : P.ipVersion === 6 ? 16 : 0';

export function arithTerm(op: Op & { readonly op: 'arith' }): string {
  const [a, b] = [intTerm(op.a), intTerm(op.b)];
  switch (op.fn) {
    case 'add':
      return `(${a} + ${b}) | 0`;
    case 'sub':
      return `(${a} - ${b}) | 0`;
    case 'mult':
      return `Math.imul(${a}, ${b})`;
    case 'div':
      return `(${a} / ${b}) | 0`;
    case 'mod':
      return `(${a} % ${b}) | 0`;
    case 'and':
      return `${a} & ${b}`;
    case 'or':
      return `${a} | ${b}`;
    case 'xor':
      return `${a} ^ ${b}`;
    case 'lshift':
      return `${b} >>> 0 > 31 ? 0 : ${a} << ${b}`;
    case 'rshift':
      return `${a} >> (${b} >>> 0 > 31 ? 31 : ${b})`;
    default:
      return assertNever(op.fn);
  }
}

/** Epoch seconds, moved to local time where that is wanted. */
export function zonedTerm(zone: 'local' | 'utc', of: Int): string {
  const seconds = intTerm(of);
  return zone === 'utc' ? seconds : `${seconds} + C.utcOffsetSeconds(${seconds})`;
}
