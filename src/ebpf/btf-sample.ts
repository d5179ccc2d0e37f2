/**
 * Builds small BTF objects for tests: types given as data, encoded as the kernel
 * would. Test support only; the program itself never writes BTF.
 *
 * Specification: Documentation/bpf/btf.rst.
 */
import { ascii, concat } from '../base/bytes.js';
import {
  BTF_KIND_ARRAY, BTF_KIND_ENUM, BTF_KIND_FUNC, BTF_KIND_INT, BTF_KIND_PTR, BTF_KIND_STRUCT, BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
} from './btf.js';

/** A type; identifiers count from 1 (or from the end of the base) in the order given. */
export type SampleType =
  | { readonly kind: 'int'; readonly name: string; readonly bytes: number }
  | { readonly kind: 'pointer'; readonly to: number }
  | { readonly kind: 'array'; readonly of: number; readonly count: number }
  | { readonly kind: 'typedef'; readonly name: string; readonly to: number }
  | { readonly kind: 'function'; readonly name: string; readonly to: number }
  | { readonly kind: 'enum'; readonly name: string; readonly values: readonly (readonly [string, number])[] }
  | {
      readonly kind: 'struct' | 'union';
      readonly name: string;
      readonly bytes: number;
      /** Name ('' anonymous), type, byte offset, and bits when it is a bit field. */
      readonly members: readonly (readonly [string, number, number, number?])[];
    };

/** Encoded BTF. `stringBase` is the string length of the base for the BTF of a module. */
export function sampleBtf(types: readonly SampleType[], stringBase = 0): Uint8Array {
  let strings = stringBase === 0 ? '\0' : '';
  const name = (text: string): number => {
    if (text === '') return 0;
    const at = strings.length + stringBase;
    strings += `${text}\0`;
    return at;
  };
  const words = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
  const info = (kind: number, count = 0, flag = 0): number => ((flag << 31) | (kind << 24) | count) >>> 0;
  const encode = (type: SampleType): Uint8Array => {
    switch (type.kind) {
      case 'int':
        return words(name(type.name), info(BTF_KIND_INT), type.bytes, 8 * type.bytes);
      case 'pointer':
        return words(0, info(BTF_KIND_PTR), type.to);
      case 'array':
        return words(0, info(BTF_KIND_ARRAY), 0, type.of, 1, type.count);
      case 'typedef':
        return words(name(type.name), info(BTF_KIND_TYPEDEF), type.to);
      case 'function':
        return words(name(type.name), info(BTF_KIND_FUNC), type.to);
      case 'enum': {
        const head = [name(type.name), info(BTF_KIND_ENUM, type.values.length), 4];
        return words(...head, ...type.values.flatMap(([text, value]) => [name(text), value >>> 0]));
      }
      case 'struct':
      case 'union': {
        const hasBits = type.members.some(([, , , bits]) => bits !== undefined);
        const kind = type.kind === 'struct' ? BTF_KIND_STRUCT : BTF_KIND_UNION;
        const head = [name(type.name), info(kind, type.members.length, hasBits ? 1 : 0), type.bytes];
        return words(
          ...head,
          ...type.members.flatMap(([text, of, at, bits]) => [name(text), of, ((bits ?? 0) << 24) | (8 * at)]),
        );
      }
    }
  };
  const body = concat(...types.map(encode));
  const header = words(0x0001_eb9f, 24, 0, body.length, body.length, strings.length);
  return concat(header, body, ascii(strings));
}
