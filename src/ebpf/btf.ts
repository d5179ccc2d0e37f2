/**
 * Reader of BTF, the kernel's own description of its types: offsets of structure
 * members, values of enumerators, identifiers of kernel functions.
 *
 * The bytes are given (vmlinux: /sys/kernel/btf/vmlinux, about 5 MB) and stay
 * borrowed. One walk notes where each type starts; names are compared in place.
 * The description of a kernel module is split: it continues the numbers and
 * strings of its base. No relocation, no writing.
 *
 *   header  magic 0xeb9f | version | flags | hdr_len | type_off | type_len | str_off | str_len
 *   type    name_off (32) | info (32): kind_flag 31, kind 24-28, vlen 0-15 | size or type (32) | data by kind
 *
 * Specification: Documentation/bpf/btf.rst, include/uapi/linux/btf.h.
 */
import { u16le, u32le } from '../base/bytes.js';

export const BTF_KIND_INT = 1;
export const BTF_KIND_PTR = 2;
export const BTF_KIND_ARRAY = 3;
export const BTF_KIND_STRUCT = 4;
export const BTF_KIND_UNION = 5;
export const BTF_KIND_ENUM = 6;
export const BTF_KIND_FWD = 7;
export const BTF_KIND_TYPEDEF = 8;
export const BTF_KIND_VOLATILE = 9;
export const BTF_KIND_CONST = 10;
export const BTF_KIND_RESTRICT = 11;
export const BTF_KIND_FUNC = 12;
export const BTF_KIND_FUNC_PROTO = 13;
export const BTF_KIND_VAR = 14;
export const BTF_KIND_DATASEC = 15;
export const BTF_KIND_FLOAT = 16;
export const BTF_KIND_DECL_TAG = 17;
export const BTF_KIND_TYPE_TAG = 18;
export const BTF_KIND_ENUM64 = 19;

const BTF_MAGIC = 0xeb9f;
const TYPE_BYTES = 12;
/** Links followed before a chain of typedefs counts as a cycle. */
const MAX_DEPTH = 64;

/** Place of a member inside its outermost structure. */
export interface MemberPlace {
  readonly offsetBytes: number;
  /** Size of the member's type. */
  readonly sizeBytes: number;
}

/** 32-bit words behind the fixed part of a type by its kind: always, and for each of its members. -1: no such kind. */
//                      void int ptr array struct union enum fwd typedef volatile const restrict func proto var datasec float decl_tag type_tag enum64
const DATA_WORDS = Int8Array.of(-1, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0);
const WORDS_EACH = Int8Array.of(0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3);

/** The 32-bit little-endian words of a range: in place where the machine allows it. */
function wordsOf(bytes: Uint8Array, start: number, end: number): Uint32Array {
  const count = (end - start) >> 2;
  const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  if (isLittleEndian && (bytes.byteOffset + start) % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset + start, count);
  return Uint32Array.from({ length: count }, (_, i) => u32le(bytes, start + 4 * i));
}

/** Where `text` (ASCII) stands in `bytes` at or behind `from`, -1 if nowhere: lets names be found by the platform's own search, which is far faster. */
export type ByteSearch = (bytes: Uint8Array, text: string, from: number) => number;

/** Types of one BTF object, or the reason why the bytes are none. `base` is vmlinux for the BTF of a module. */
export function readBtf(bytes: Uint8Array, base?: Btf, search?: ByteSearch): Btf | string {
  if (bytes.length < 24 || u16le(bytes, 0) !== BTF_MAGIC) return 'no BTF: the magic number is missing';
  const headerBytes = u32le(bytes, 4);
  const typesAt = headerBytes + u32le(bytes, 8);
  const typesEnd = typesAt + u32le(bytes, 12);
  const stringsAt = headerBytes + u32le(bytes, 16);
  const stringsEnd = stringsAt + u32le(bytes, 20);
  if (typesEnd > bytes.length || stringsEnd > bytes.length) return 'BTF is truncated';
  // vmlinux has 130,000 types, and a command that runs for milliseconds waits for this walk.
  const words = wordsOf(bytes, typesAt, typesEnd);
  const starts = new Uint32Array(Math.floor(words.length / 3));
  let count = 0;
  let word = 0;
  while (word + 3 <= words.length) {
    starts[count++] = typesAt + 4 * word;
    const info = words[word + 1] ?? 0;
    const kind = (info >>> 24) & 0x1f;
    const more = kind <= BTF_KIND_ENUM64 ? (DATA_WORDS[kind] ?? -1) + (WORDS_EACH[kind] ?? 0) * (info & 0xffff) : -1;
    if (more < 0) return `BTF type ${count} has the unknown kind ${kind}`;
    word += 3 + more;
  }
  if (4 * word !== typesEnd - typesAt) return 'the types of BTF do not fill their section';
  return new Btf(bytes, words, starts.subarray(0, count), stringsAt, stringsEnd, base, search);
}

export class Btf {
  readonly #bytes: Uint8Array;
  /** Of all types, one behind the other. */
  readonly #words: Uint32Array;
  /** Offsets in `#bytes`. */
  readonly #starts: Uint32Array;
  readonly #stringsAt: number;
  readonly #stringsEnd: number;
  readonly #base: Btf | undefined;
  /** Identifier of the first own type. Type 0 is void. */
  readonly #firstId: number;
  readonly #firstString: number;
  readonly #search: ByteSearch | undefined;
  /** Answers of `find`: each costs a walk. */
  readonly #found = new Map<string, number>();

  /** Use readBtf. */
  constructor(
    bytes: Uint8Array,
    words: Uint32Array,
    starts: Uint32Array,
    stringsAt: number,
    stringsEnd: number,
    base: Btf | undefined,
    search?: ByteSearch,
  ) {
    this.#words = words;
    this.#search = search;
    this.#bytes = bytes;
    this.#starts = starts;
    this.#stringsAt = stringsAt;
    this.#stringsEnd = stringsEnd;
    this.#base = base;
    this.#firstId = base ? base.endId : 1;
    this.#firstString = base ? base.endString : 0;
  }

  /** One more than the highest identifier. */
  get endId(): number {
    return this.#firstId + this.#starts.length;
  }

  /** One more than the highest string offset. */
  get endString(): number {
    return this.#firstString + this.#stringsEnd - this.#stringsAt;
  }

  /** Identifier of the type with this kind and name, own types first; undefined if there is none. */
  find(kind: number, name: string): number | undefined {
    const key = `${kind} ${name}`;
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const found = this.findOwn(kind, name) ?? this.#base?.find(kind, name);
    if (found !== undefined) this.#found.set(key, found);
    return found;
  }

  /** True for identifiers of vmlinux: those below the first own type of a module, all when there is no base. */
  isOfBase(id: number): boolean {
    return this.#base === undefined || id < this.#firstId;
  }

  /** As find, without the base. */
  findOwn(kind: number, name: string): number | undefined {
    const bytes = this.#bytes;
    const starts = this.#starts;
    const nameAt = this.#usualOffset(name);
    const words = this.#words;
    const first = starts[0] ?? 0;
    for (let i = 0; nameAt >= 0 && i < starts.length; i++) {
      const word = ((starts[i] ?? 0) - first) >> 2;
      if (words[word] === nameAt && (((words[word + 1] ?? 0) >>> 24) & 0x1f) === kind) return this.#firstId + i;
    }
    // Names that stand twice or in the base's strings.
    for (let i = 0; i < starts.length; i++) {
      const at = starts[i] ?? 0;
      if (((bytes[at + 7] ?? 0) & 0x1f) === kind && this.#nameIs(u32le(bytes, at), name)) return this.#firstId + i;
    }
    return undefined;
  }

  /** Value of an enumerator, by its own name, in any enumeration of at most 32 bits. */
  enumValue(name: string): number | undefined {
    for (const at of this.#starts) {
      const info = u32le(this.#bytes, at + 4);
      if (((info >>> 24) & 0x1f) !== BTF_KIND_ENUM) continue;
      for (let i = 0; i < (info & 0xffff); i++) {
        const member = at + TYPE_BYTES + 8 * i;
        if (this.#nameIs(u32le(this.#bytes, member), name)) return u32le(this.#bytes, member + 4) | 0;
      }
    }
    return this.#base?.enumValue(name);
  }

  /**
   * Place of a member by its path from a structure, as `proto.tcp.seen[0].td_end` in `nf_conn`. Members of
   * anonymous structures and unions are found as in C. Otherwise the reason: a text.
   */
  member(structure: string, path: string): MemberPlace | string {
    let type = this.find(BTF_KIND_STRUCT, structure) ?? this.find(BTF_KIND_UNION, structure);
    if (type === undefined) return `this kernel has no struct ${structure}`;
    let offsetBytes = 0;
    for (const step of path.split('.')) {
      const match = /^(\w+)((?:\[\d+\])*)$/.exec(step);
      if (!match) return `"${step}" is no member name`;
      const found = this.#memberOf(type, match[1] ?? '', new Set());
      if (!found) return `struct ${structure} has no member ${path}`;
      if (found.offsetBits % 8 !== 0) return `${structure}.${path} is a bit field`;
      offsetBytes += found.offsetBits / 8;
      type = found.type;
      for (const index of (match[2] ?? '').matchAll(/\d+/g)) {
        const array = this.#array(type);
        if (!array) return `${step} in ${structure}.${path} is no array`;
        offsetBytes += Number(index[0]) * this.sizeOf(array.element);
        type = array.element;
      }
    }
    return { offsetBytes, sizeBytes: this.sizeOf(type) };
  }

  /** Bytes of a type; 0 for void, functions, and arrays of themselves (damaged data). */
  sizeOf(id: number): number {
    return this.#sizeWithin(id, 0);
  }

  #sizeWithin(id: number, depth: number): number {
    if (depth > MAX_DEPTH) return 0;
    const resolved = this.#resolve(id);
    const type = this.#type(resolved);
    if (!type) return 0;
    if (type.kind === BTF_KIND_PTR) return 8;
    const array = this.#array(resolved);
    if (array) return array.count * this.#sizeWithin(array.element, depth + 1);
    return type.kind === BTF_KIND_FUNC || type.kind === BTF_KIND_FUNC_PROTO || type.kind === BTF_KIND_FWD ? 0 : type.size;
  }

  #type(id: number): { owner: Btf; at: number; kind: number; count: number; flag: boolean; size: number } | undefined {
    if (id < this.#firstId) return this.#base ? this.#base.#type(id) : undefined;
    const at = this.#starts[id - this.#firstId];
    if (at === undefined) return undefined;
    const info = u32le(this.#bytes, at + 4);
    const size = u32le(this.#bytes, at + 8);
    return { owner: this, at, kind: (info >>> 24) & 0x1f, count: info & 0xffff, flag: info >>> 31 === 1, size };
  }

  /** Through typedefs and qualifiers. */
  #resolve(id: number): number {
    let current = id;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      const type = this.#type(current);
      switch (type?.kind) {
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_CONST:
        case BTF_KIND_RESTRICT:
        case BTF_KIND_TYPE_TAG:
          current = type.size;
          break;
        default:
          return current;
      }
    }
    return 0;
  }

  #array(id: number): { element: number; count: number } | undefined {
    const type = this.#type(this.#resolve(id));
    if (type?.kind !== BTF_KIND_ARRAY) return undefined;
    const at = type.at + TYPE_BYTES;
    return { element: u32le(type.owner.#bytes, at), count: u32le(type.owner.#bytes, at + 8) };
  }

  /** `seen`: types searched before. Damaged data nest anonymous types in themselves, and walks of them would multiply. */
  #memberOf(id: number, name: string, seen: Set<number>): { type: number; offsetBits: number } | undefined {
    const resolved = this.#resolve(id);
    const type = this.#type(resolved);
    if (!type || (type.kind !== BTF_KIND_STRUCT && type.kind !== BTF_KIND_UNION) || seen.has(resolved)) return undefined;
    seen.add(resolved);
    const { owner } = type;
    for (let i = 0; i < type.count; i++) {
      const at = type.at + TYPE_BYTES + 12 * i;
      const raw = u32le(owner.#bytes, at + 8);
      // With kind_flag the upper byte is the width of a bit field.
      const offsetBits = type.flag ? raw & 0xff_ffff : raw;
      const nameAt = u32le(owner.#bytes, at);
      const member = u32le(owner.#bytes, at + 4);
      if (nameAt !== 0) {
        if (owner.#nameIs(nameAt, name)) return { type: member, offsetBits };
        continue;
      }
      const inner = this.#memberOf(member, name, seen);
      if (inner) return { type: inner.type, offsetBits: offsetBits + inner.offsetBits };
    }
    return undefined;
  }

  /** Offset of the first own string that is the name, -1 if that is not known: kernels have each name once. */
  #usualOffset(name: string): number {
    const found = this.#search?.(this.#bytes, `\0${name}\0`, this.#stringsAt) ?? -1;
    return found < 0 || found >= this.#stringsEnd ? -1 : this.#firstString + found + 1 - this.#stringsAt;
  }

  #nameIs(nameAt: number, name: string): boolean {
    if (nameAt < this.#firstString) return this.#base ? this.#base.#nameIs(nameAt, name) : false;
    const at = this.#stringsAt + nameAt - this.#firstString;
    if (at + name.length >= this.#stringsEnd) return false;
    for (let i = 0; i < name.length; i++) if (this.#bytes[at + i] !== name.charCodeAt(i)) return false;
    return this.#bytes[at + name.length] === 0;
  }
}
