/**
 * The type information that a program with several functions brings along: a
 * small BTF object that names them, and a table of where each begins.
 *
 * The kernel wants it as soon as one function is passed to a helper (bpf_loop).
 * All functions are declared as `int name(void)`: the verifier types the
 * arguments of static functions by their callers, not by their declaration.
 *
 * Specification: Documentation/bpf/btf.rst, struct bpf_func_info.
 */
import { ascii, concat } from '../base/bytes.js';
import { BTF_KIND_FUNC, BTF_KIND_FUNC_PROTO, BTF_KIND_INT } from './btf.js';

/** One function of a program. */
export interface FunctionStart {
  /** A C identifier. */
  readonly name: string;
  /** Slot of its first instruction. The first function begins at slot 0. */
  readonly slot: number;
}

export interface FunctionInfo {
  /** For BPF_BTF_LOAD. */
  readonly btf: Uint8Array;
  /** Records of struct bpf_func_info, in the order of the program. */
  readonly records: Uint8Array;
}

/** Bytes of one record. */
export const FUNCTION_INFO_BYTES = 8;

const BTF_INT_SIGNED_32 = (1 << 24) | 32;

/** Functions in the order of their slots. */
export function functionInfo(functions: readonly FunctionStart[]): FunctionInfo {
  let strings = '\0int\0';
  const words: number[] = [
    1, BTF_KIND_INT << 24, 4, BTF_INT_SIGNED_32, // type 1: int
    0, BTF_KIND_FUNC_PROTO << 24, 1, // type 2: int (void)
  ];
  const records = new Uint32Array(2 * functions.length);
  functions.forEach(({ name, slot }, index) => {
    words.push(strings.length, BTF_KIND_FUNC << 24, 2);
    strings += `${name}\0`;
    records.set([slot, 3 + index], 2 * index);
  });
  const types = new Uint8Array(Uint32Array.from(words).buffer);
  const header = Uint32Array.of(0x0001_eb9f, 24, 0, types.length, types.length, strings.length);
  return {
    btf: concat(new Uint8Array(header.buffer), types, ascii(strings)),
    records: new Uint8Array(records.buffer),
  };
}
