/**
 * The slot form as text, for `ropec --emit=ir`: one operation a line, nested by indentation.
 *
 *     n<k> integer slots (n0 is $offset), s<k> string slots, "..." literals
 */
import { assertNever } from '../base/assert.js';
import { escapeText } from './escape.js';
import type { Int, Ir, Op, Str, Test } from './ir.js';
import { childLists } from './operation-use.js';

const SYMBOLS = { eq: '=', ne: '<>', lt: '<', le: '<=', gt: '>', ge: '>=' } as const;

export function irText(ir: Ir): string {
  const lines: string[] = [];
  for (const [index, slot] of ir.strSlots.entries()) {
    lines.push(`; s${index}: ${slot.base}, at most ${slot.maxLengthBytes} bytes${slot.register === null ? '' : `, $${slot.register}`}`);
  }
  for (const [index, slot] of ir.intSlots.entries()) if (slot.register !== null) lines.push(`; n${index}: $${slot.register}`);
  writeOps(ir, ir.ops, 0, lines);
  return `${lines.join('\n')}\n`;
}

function writeOps(ir: Ir, ops: readonly Op[], depth: number, lines: string[]): void {
  for (const op of ops) {
    const line = ir.spans[op.at]?.line ?? 0;
    lines.push(`${String(line).padStart(4)}  ${'  '.repeat(depth)}${opText(ir, op)}`);
    const lists = childLists(op);
    lists.forEach((list, index) => {
      if (index > 0 && list.length > 0) lines.push(`      ${'  '.repeat(depth)}${listTitle(ir, op, index)}`);
      writeOps(ir, list, depth + 1, lines);
    });
  }
}

/** What stands above a list of operations that is not the first of its operation. */
function listTitle(ir: Ir, op: Op, index: number): string {
  if (op.op === 'loop') return `while ${testText(ir, op.test)}`;
  return op.op === 'attempt' && index === 1 ? 'matched' : 'else';
}

function int(operand: Int): string {
  return operand.kind === 'const' ? String(operand.value) : `n${operand.slot}`;
}

function str(ir: Ir, operand: Str): string {
  if (operand.kind === 'slot') return `s${operand.slot}`;
  const bytes = ir.literals[operand.index] ?? new Uint8Array(0);
  return `"${escapeText(bytes, 0, Math.min(bytes.length, 60))}${bytes.length > 60 ? '...' : ''}"`;
}

function testText(ir: Ir, test: Test): string {
  switch (test.kind) {
    case 'int':
      return `${int(test.a)} ${SYMBOLS[test.rel]} ${int(test.b)}`;
    case 'str':
      return `${str(ir, test.a)} ${SYMBOLS[test.rel]} ${str(ir, test.b)}${test.ignoreCase ? ' ignoring case' : ''}`;
    case 'all':
      return `${test.negated ? 'not ' : ''}all of ${str(ir, test.of)} in ${setText(ir, test.set)}`;
    default:
      return assertNever(test);
  }
}

/** Members as text, ranges shortened. */
function setText(ir: Ir, index: number): string {
  const set = ir.sets[index] ?? new Uint8Array(32);
  const has = (byte: number): boolean => (((set[byte >> 3] ?? 0) >> (byte & 7)) & 1) === 1;
  const one = (byte: number): string => escapeText(Uint8Array.of(byte), 0, 1);
  let text = '';
  for (let byte = 0; byte < 256; byte++) {
    if (!has(byte)) continue;
    let last = byte;
    while (last < 255 && has(last + 1)) last++;
    text += last - byte < 2 ? one(byte) : `${one(byte)}-${one(last)}`;
    if (last - byte === 1) text += one(last);
    byte = last;
  }
  return `[${text}]`;
}

/** The operation without the lists inside it. */
function opText(ir: Ir, op: Op): string {
  switch (op.op) {
    case 'int':
      return `n${op.dst} = ${int(op.value)}`;
    case 'arith':
      return `n${op.dst} = ${int(op.a)} ${op.fn} ${int(op.b)}`;
    case 'abs':
      return `n${op.dst} = abs ${int(op.a)}`;
    case 'test':
      return `n${op.dst} = ${testText(ir, op.test)}`;
    case 'field':
      return `n${op.dst} = $${op.field}`;
    case 'length':
    case 'atoi':
    case 'digits':
      return `n${op.dst} = ${op.op} ${str(ir, op.of)}`;
    case 'decode':
      return `n${op.dst} = ${op.form} ${str(ir, op.of)}`;
    case 'timePart':
      return `n${op.dst} = ${op.part} of ${op.zone} time ${int(op.of)}`;
    case 'getGlobal':
      return `n${op.dst} = greg ${int(op.index)}`;
    case 'setGlobal':
      return `greg ${int(op.index)} = ${int(op.value)}`;
    case 'addGlobal':
      return `greg ${int(op.index)} += ${op.delta}`;
    case 'str':
      return `s${op.dst} = ${str(ir, op.value)}`;
    case 'strField':
      return `s${op.dst} = $${op.field}`;
    case 'slice':
      return `s${op.dst} = ${str(ir, op.of)} from ${int(op.start)}, ${int(op.length)} bytes`;
    case 'bitwise':
      return `s${op.dst} = ${str(ir, op.a)} ${op.fn} ${str(ir, op.b)}`;
    case 'concat':
      return `s${op.dst} = ${op.parts.map((part) => str(ir, part)).join(' . ')}`;
    case 'mapCase':
      return `s${op.dst} = ${op.to} ${str(ir, op.of)}`;
    case 'chr':
      return `s${op.dst} = chr ${int(op.of)}`;
    case 'format':
      return `s${op.dst} = ${op.form} text of ${str(ir, op.of)}`;
    case 'time':
      return `s${op.dst} = ${op.zone} time ${int(op.of)}`;
    case 'take':
      return `${target(op.dst)}take ${int(op.count)}${op.missing === 'no' ? ' or no' : ''}`;
    case 'takeWhile':
      return `${target(op.dst)}take while in ${setText(ir, op.set)}${op.missing === 'no' ? ' or no' : ''}`;
    case 'scan':
      return `${target(op.dst)}take bytes s${op.byte} while ${testText(ir, op.test)}${op.missing === 'no' ? ' or no' : ''}`;
    case 'search':
      return `${target(op.dst)}search ${str(ir, op.needle)}${op.ignoreCase ? ' ignoring case' : ''}${op.missing === 'no' ? ' or no' : ' or rest'}`;
    case 'expectStr':
      return `expect ${op.parts.map((part) => str(ir, part)).join(' . ')}${op.ignoreCase ? ' ignoring case' : ''} or no`;
    case 'if':
      return `if ${testText(ir, op.test)}`;
    case 'loop':
      return `loop, n${op.counter} counts to ${int(op.limit)}`;
    case 'repeat':
      return `repeat ${int(op.count)} times, n${op.counter} counts`;
    case 'scope':
      return `n${op.result} = verdict of`;
    case 'attempt':
      return 'attempt';
    case 'end':
      return `end ${['fail', 'okay', 'yes', 'no'][op.verdict]}${op.tag === null ? '' : ` ${op.tag}`}`;
    case 'hotdrop':
      return `hotdrop${op.message === null ? '' : ` ${str(ir, op.message)}`}`;
    case 'charge':
      return `charge ${op.count} of ${int(op.limit)}`;
    case 'print':
      return `print ${op.parts.map((part) => (part.type === 'int' ? int(part.value) : str(ir, part.value))).join(', ')}${op.newline ? ', newline' : ''}`;
    case 'hexdump':
      return `hexdump ${str(ir, op.of)}`;
    default:
      return assertNever(op);
  }
}

function target(dst: number | null): string {
  return dst === null ? '' : `s${dst} = `;
}
