/** Lowering of the words that read the packet, and of conversions and times. */
import type { DecodeForm, Str, TimePart, Zone } from '../ir.js';
import { TIME_BYTES, decodeLength, timePartAt } from '../operations.js';
import type { WordName } from '../words.js';
import { failIf, noteExit } from './endings.js';
import type { Lowering } from './lowering.js';
import { MAX_STRING_BYTES, type StrValue, type Value, constant, slot } from './value.js';
import { type Lower, int, str } from './word-operands.js';
import { binary, lengthText } from './word-values.js';

export function take(missing: 'short' | 'no'): Lower {
  return (l, args) => {
    const count = int(args, 0);
    const known = count.kind === 'const' ? Math.min(Math.max(count.value, 0), MAX_STRING_BYTES) : null;
    if (missing === 'no') noteExit(l);
    l.pushComputedStr('packet', missing === 'no' ? (known ?? 0) : 0, known ?? MAX_STRING_BYTES, (dst) => ({ op: 'take', dst, count, missing }));
  };
}

export function search(ignoreCase: boolean, missing: 'no' | 'rest'): Lower {
  return (l, args) => {
    const needle = str(args, 0).str;
    if (missing === 'no') {
      noteExit(l);
      l.emit({ op: 'search', dst: null, needle, ignoreCase, missing });
    } else l.pushComputedStr('packet', 0, MAX_STRING_BYTES, (dst) => ({ op: 'search', dst, needle, ignoreCase, missing }));
  };
}

export function expectStr(ignoreCase: boolean): Lower {
  return (l, args) => {
    const parts: Str[] = [];
    let pending: number[] = [];
    const flush = (): void => {
      if (pending.length > 0) parts.push(l.literal(Uint8Array.from(pending)).str);
      pending = [];
    };
    // Neighbouring literals become one comparison.
    args.forEach((_, i) => {
      const bytes = l.literalBytes(str(args, i).str);
      if (bytes !== null && pending.length + bytes.length <= MAX_STRING_BYTES) pending.push(...bytes);
      else {
        flush();
        parts.push(str(args, i).str);
      }
    });
    flush();
    noteExit(l);
    l.emit({ op: 'expectStr', parts, ignoreCase });
  };
}

/** Ends with EBadLength unless the string has at least (or exactly) so many bytes. */
function requireLength(l: Lowering, word: WordName, of: StrValue, length: number, isExact: boolean): void {
  if (of.min >= length && (!isExact || of.max <= length)) return;
  if (of.max < length || (isExact && of.min > length)) {
    l.report('warning', 'bad-length', `'${word}' wants ${length} bytes, but gets ${lengthText(of)}`, 'it always ends with EBadLength here, unless inside eval');
  }
  const actual = l.computeInt((dst) => ({ op: 'length', dst, of: of.str }));
  failIf(l, { kind: 'int', rel: isExact ? 'ne' : 'lt', a: actual, b: constant(length) }, 'EBadLength');
}

export function decode(word: WordName, form: DecodeForm): Lower {
  return (l, args) => {
    const of = str(args, 0);
    requireLength(l, word, of, decodeLength(form), false);
    l.pushComputedInt((dst) => ({ op: 'decode', dst, form, of: of.str }));
  };
}

export function atoi(l: Lowering, args: readonly Value[]): void {
  const of = str(args, 0);
  if (!of.isDigits) {
    const digits = l.computeInt((dst) => ({ op: 'digits', dst, of: of.str }));
    failIf(l, { kind: 'int', rel: 'eq', a: digits, b: constant(0) }, 'EBadNumber');
  }
  l.pushComputedInt((dst) => ({ op: 'atoi', dst, of: of.str }));
}

export function format(word: WordName, form: 'ipv4' | 'mac'): Lower {
  return (l, args) => {
    const of = str(args, 0);
    if (form === 'ipv4') requireLength(l, word, of, 4, true);
    const min = form === 'ipv4' ? 7 : Math.max(0, 3 * of.min - 1);
    const max = form === 'ipv4' ? 15 : Math.max(0, 3 * of.max - 1);
    noteExit(l);
    l.pushComputedStr('arena', min, max, (dst) => ({ op: 'format', form, dst, of: of.str }));
  };
}

export function makeTime(zone: Zone): Lower {
  return (l, args) => {
    let of = int(args, 0);
    if (of.kind === 'slot' && l.slots.isIntRegister(of.slot)) {
      const from = of;
      of = l.computeInt((dst) => ({ op: 'int', dst, value: from }));
    }
    const epoch = of;
    noteExit(l);
    l.pushComputedStr('arena', TIME_BYTES, TIME_BYTES, (dst) => ({ op: 'time', zone, dst, of: epoch }), { time: { zone, of: epoch } });
  };
}

export function tm(word: WordName, part: TimePart): Lower {
  return (l, args) => {
    const of = str(args, 0);
    if (of.time !== null) {
      const { zone, of: epoch } = of.time;
      l.pushComputedInt((dst) => ({ op: 'timePart', dst, part, zone, of: epoch }));
      return;
    }
    requireLength(l, word, of, TIME_BYTES, true);
    const field = l.newStr(of.base, 2);
    l.pinnedStrs.push(field);
    l.emit({ op: 'slice', dst: field, of: of.str, start: constant(timePartAt(part)), length: constant(2) });
    const stored = l.computeInt((dst) => ({ op: 'decode', dst, form: 'le16u', of: slot(field) }));
    if (part === 'mon') l.pushInt(binary(l, 'add', stored, constant(1)));
    else if (part === 'year') l.pushInt(binary(l, 'add', stored, constant(1900)));
    else if (part === 'wday') {
      const isSunday = l.computeInt((dst) => ({ op: 'test', dst, test: { kind: 'int', rel: 'eq', a: stored, b: constant(0) } }));
      l.pushInt(binary(l, 'add', stored, binary(l, 'mult', isSunday, constant(7))));
    } else l.pushInt(stored);
  };
}
