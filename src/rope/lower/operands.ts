/**
 * Operands of words: reading references, checking types, learning the types of arguments.
 */
import type { OperandKind, WordName } from '../words.js';
import { type ArgumentType, type Lowering, Restart } from './lowering.js';
import { readRegister } from './registers.js';
import { type Value, typeName } from './value.js';

/** Reads references where the kind asks for it, and checks the type. null: reported, or unknown. */
export function takeOperand(l: Lowering, item: Value, kind: OperandKind, word: WordName): Value | null {
  l.pin(item);
  if (item.type === 'unknown' && kind === 'a') return item;
  if (item.type === 'unknown' && kind !== 'x') {
    if (item.because !== '') l.dynamic(`the operand of '${word}' is not known when the script is compiled: ${item.because}`, item.because.includes('reference') ? '`get` reads a register at once: `{ $a get } { 0 } ifelse`' : 'leave the same kind of value on all paths', true);
    return null;
  }
  if (kind === 'x') return item;
  if (kind === 'r') {
    if (item.type === 'ref') return item;
    l.error('wrong-type', `'${word}' wants a register, but gets ${typeName(item)}`, 'registers are written $name');
    return null;
  }
  let value: Value = item;
  if (item.type === 'ref') {
    value = readRegister(l, item.ref);
    l.pin(value);
    if (value.type === 'unknown' && kind === 'a') return value;
    if (value.type === 'unknown') {
      if (value.because !== '') {
        const name = item.ref.kind === 'user' ? `$${item.ref.name}` : 'the register';
        l.dynamic(`what ${name} holds is not known when the script is compiled: ${value.because}`, 'use different registers for different kinds of values', true);
      }
      return null;
    }
  }
  if (value.type === 'argument') {
    if (kind === 'n') bindArgument(l, value.index, 'int');
    if (kind === 's') bindArgument(l, value.index, 'str');
    if (kind !== 'b') return value;
  }
  const fits =
    kind === 'n' ? value.type === 'int'
    : kind === 's' ? value.type === 'str'
    : kind === 'b' ? value.type === 'block'
    : kind === 'v' ? value.type === 'int' || value.type === 'str'
    : true;
  if (fits) return value;
  const wanted = { n: 'an integer', s: 'a string', b: 'a block { ... }', v: 'an integer or a string', a: 'a value' }[kind];
  l.error('wrong-type', `'${word}' wants ${wanted}, but gets ${typeName(value)}`, wrongTypeHint(kind, value));
  return null;
}

/** The argument has this type: begin again, knowing it. */
export function bindArgument(l: Lowering, index: number, type: ArgumentType): never {
  if (l.inferred !== null) l.inferred[index] = type;
  throw new Restart();
}

function wrongTypeHint(kind: OperandKind, value: Value): string {
  if (kind === 'n' && value.type === 'str') return 'atoi reads decimal text, ord one byte, be16_to_uint and so on binary numbers';
  if (kind === 's' && value.type === 'int') return 'chr makes a one-byte string of an integer';
  if (kind === 'b') return 'put the words to be run in braces';
  if (value.type === 'block') return '`do` runs a block';
  return '';
}
