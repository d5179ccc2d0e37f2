/**
 * The `.rp` file: a compiled script, versioned and self-checking.
 *
 *      0  89 52 4f 50 45 0d 0a 1a    "ROPE" between bytes that text transfers damage
 *      8  major version 2 | minor version 2
 *     12  sections: tag 4 | length 4 | content
 *         HASH  SHA-256 of the source
 *         NAME  script name, UTF-8
 *         TEXT  the source, UTF-8
 *         ARGS  push signature, one byte each, lowest first: 0 any, 1 integer, 2 string
 *         SYMS  names used by CODE: count, then length and name each
 *         CODE  the program in stack form
 *         SPAN  source map: for each step start, length, line, column
 *      n  "SUM " 4 | 32 (length) 4 | SHA-256 of everything before this section
 *
 * Numbers of fixed width are big-endian; numbers in ARGS, SYMS, CODE and SPAN are
 * LEB128, signed ones zigzag. Unknown sections are skipped, a newer major
 * version is refused. Specification: docs/rp-format.md.
 *
 * Reading trusts nothing: any damage gives a reason and no program.
 */
import { concat, fromHex, putU16, putU32, toHex, u16, u32 } from '../base/bytes.js';
import { sha256 } from '../wire/crypto/sha256.js';
import { ByteReader, ByteWriter } from './byte-stream.js';
import { type Block, MAX_NESTING, MAX_SOURCE_CHARS, type Program, type Step, makeBlock } from './code.js';
import type { Span } from './ir.js';
import type { ArgumentType } from './lower/lowering.js';
import { isRegister } from './registers.js';
import { isWord } from './words.js';

export const CONTAINER_MAJOR = 1;
export const CONTAINER_MINOR = 0;

const MAGIC = fromHex('89 52 4f 50 45 0d 0a 1a');
const HEADER_BYTES = 12;
const SECTION_HEADER_BYTES = 8;
const SUM_BYTES = SECTION_HEADER_BYTES + 32;
const MAX_CONTAINER_BYTES = 16 << 20;
const TYPES: readonly ArgumentType[] = ['any', 'int', 'str'];

/** Kinds of steps in CODE. */
const INT = 1;
const STR = 2;
const REG = 3;
const BLOCK = 4;
const WORD = 5;
const CALL = 6;

export interface Container {
  readonly name: string;
  readonly source: string;
  readonly program: Program;
  readonly signature: readonly ArgumentType[];
  /** Lower-case hexadecimal SHA-256 of the source. */
  readonly sourceHash: string;
}

/** True when the bytes begin like a container (whole or damaged) rather than like source text. */
export function looksLikeContainer(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes[0] === MAGIC[0];
}

export function encodeContainer(name: string, source: string, program: Program, signature: readonly ArgumentType[]): Uint8Array {
  const text = new TextEncoder().encode(source);
  const symbols = new Map<string, number>();
  const spans = new ByteWriter();
  const code = new ByteWriter();
  writeSteps(program.main.steps, code, spans, program.spans, symbols);
  const names = new ByteWriter();
  names.unsigned(symbols.size);
  for (const symbol of symbols.keys()) names.string(new TextEncoder().encode(symbol));
  const args = Uint8Array.from(signature, (type) => TYPES.indexOf(type));
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  putU16(header, 8, CONTAINER_MAJOR);
  putU16(header, 10, CONTAINER_MINOR);
  const body = concat(
    header,
    section('HASH', sha256(text)),
    section('NAME', new TextEncoder().encode(name)),
    section('TEXT', text),
    section('ARGS', args),
    section('SYMS', names.bytes()),
    section('CODE', code.bytes()),
    section('SPAN', spans.bytes()),
  );
  return concat(body, section('SUM ', sha256(body)));
}

function section(tag: string, content: Uint8Array): Uint8Array {
  const header = new Uint8Array(SECTION_HEADER_BYTES);
  for (let i = 0; i < 4; i++) header[i] = tag.charCodeAt(i);
  putU32(header, 4, content.length);
  return concat(header, content);
}

function writeSteps(steps: readonly Step[], code: ByteWriter, spans: ByteWriter, map: readonly Span[], symbols: Map<string, number>): void {
  const symbol = (name: string): number => {
    const index = symbols.get(name) ?? symbols.size;
    symbols.set(name, index);
    return index;
  };
  code.unsigned(steps.length);
  for (const step of steps) {
    const span = map[step.at] ?? { start: 0, end: 0, line: 1, column: 1 };
    for (const value of [span.start, span.end - span.start, span.line, span.column]) spans.unsigned(value);
    switch (step.kind) {
      case 'int':
        code.unsigned(INT);
        code.signed(step.value);
        break;
      case 'str':
        code.unsigned(STR);
        code.string(step.bytes);
        break;
      case 'reg':
        code.unsigned(REG);
        code.unsigned(symbol(step.name));
        break;
      case 'block':
        code.unsigned(BLOCK);
        writeSteps(step.block.steps, code, spans, map, symbols);
        break;
      case 'word':
        code.unsigned(WORD);
        code.unsigned(symbol(step.word));
        break;
      case 'call':
        code.unsigned(CALL);
        code.unsigned(symbol(step.word));
        writeSteps(step.args, code, spans, map, symbols);
        break;
    }
  }
}

/** Reads and validates. A string says what is wrong. */
export function decodeContainer(bytes: Uint8Array): Container | string {
  if (bytes.length > MAX_CONTAINER_BYTES) return `it has ${bytes.length} bytes, more than ${MAX_CONTAINER_BYTES}`;
  if (bytes.length < HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) return 'it does not begin as a compiled script does';
  const major = u16(bytes, 8);
  if (major !== CONTAINER_MAJOR) return `its format version is ${major}.${u16(bytes, 10)}, this program reads ${CONTAINER_MAJOR}.x: compile the script again`;
  const sumAt = bytes.length - SUM_BYTES;
  if (sumAt < HEADER_BYTES || toHex(section('SUM ', sha256(bytes.subarray(0, sumAt)))) !== toHex(bytes, sumAt)) {
    return 'its checksum is wrong: the file is damaged or incomplete';
  }
  const sections = new Map<string, Uint8Array>();
  for (let at = HEADER_BYTES; at < sumAt; ) {
    if (sumAt - at < SECTION_HEADER_BYTES) return 'a section header is cut short';
    const tag = String.fromCharCode(...bytes.subarray(at, at + 4));
    const lengthBytes = u32(bytes, at + 4);
    at += SECTION_HEADER_BYTES;
    if (lengthBytes > sumAt - at) return `section ${JSON.stringify(tag)} is cut short`;
    if (sections.has(tag)) return `section ${tag} stands twice`;
    sections.set(tag, bytes.subarray(at, at + lengthBytes));
    at += lengthBytes;
  }
  return readSections(sections);
}

function readSections(sections: ReadonlyMap<string, Uint8Array>): Container | string {
  const missing = ['HASH', 'NAME', 'TEXT', 'ARGS', 'SYMS', 'CODE', 'SPAN'].find((tag) => !sections.has(tag));
  if (missing !== undefined) return `section ${missing} is missing`;
  const content = (tag: string): Uint8Array => sections.get(tag) ?? new Uint8Array(0);
  if (toHex(sha256(content('TEXT'))) !== toHex(content('HASH'))) return 'the source does not match its hash';
  const source = new TextDecoder('utf-8', { ignoreBOM: true }).decode(content('TEXT'));
  const name = new TextDecoder().decode(content('NAME'));
  if (source.length > MAX_SOURCE_CHARS) return 'the source is too large';
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name)) return 'the name of the script is not one';
  const signature: ArgumentType[] = [];
  for (const code of content('ARGS')) {
    const type = TYPES[code];
    if (type === undefined) return 'the push signature holds an unknown type';
    signature.push(type);
  }
  const decoder = new CodeReader(content('SYMS'), content('CODE'), content('SPAN'), source);
  const program = decoder.read();
  if (program === null) return decoder.fault ?? 'its code is damaged';
  return { name, source, program, signature, sourceHash: toHex(content('HASH')) };
}

class CodeReader {
  /** First thing found wrong. */
  fault: string | null = null;
  readonly #symbols: ByteReader;
  readonly #code: ByteReader;
  readonly #map: ByteReader;
  readonly #source: string;
  readonly #names: string[] = [];
  readonly #spans: Span[] = [];

  constructor(symbols: Uint8Array, code: Uint8Array, map: Uint8Array, source: string) {
    this.#symbols = new ByteReader(symbols);
    this.#code = new ByteReader(code);
    this.#map = new ByteReader(map);
    this.#source = source;
  }

  read(): Program | null {
    const symbols = this.#symbols;
    for (let left = symbols.unsigned(); left > 0 && !symbols.isBad; left--) this.#names.push(new TextDecoder().decode(symbols.string()));
    const steps = this.#steps(0);
    if (this.fault === null && (!symbols.isAtEnd || !this.#code.isAtEnd || !this.#map.isAtEnd)) this.fault = 'its code is damaged';
    return this.fault === null ? { main: makeBlock(steps), spans: this.#spans } : null;
  }

  #fail(reason: string): void {
    this.fault ??= reason;
  }

  #steps(depth: number): Step[] {
    const steps: Step[] = [];
    if (depth > MAX_NESTING) this.#fail('its code nests too deep');
    for (let left = this.#code.unsigned(); left > 0 && this.fault === null; left--) {
      const step = this.#step(depth);
      if (this.#code.isBad || this.#map.isBad) this.#fail('its code is damaged');
      if (step !== null) steps.push(step);
    }
    return steps;
  }

  #step(depth: number): Step | null {
    const at = this.#spans.length;
    this.#spans.push(this.#span());
    const kind = this.#code.unsigned();
    switch (kind) {
      case INT:
        return { kind: 'int', value: this.#code.signed() | 0, at };
      case STR:
        return { kind: 'str', bytes: this.#code.string().slice(), at };
      case REG: {
        const name = this.#name();
        if (!isRegister(name)) this.#fail(`it uses an unknown register ${JSON.stringify(name)}`);
        return { kind: 'reg', name, at };
      }
      case BLOCK: {
        const block: Block = makeBlock(this.#steps(depth + 1));
        return { kind: 'block', block, at };
      }
      case WORD:
      case CALL: {
        const word = this.#name();
        if (!isWord(word)) {
          this.#fail(`it uses an unknown word ${JSON.stringify(word)}: compiled by a newer version?`);
          return null;
        }
        return kind === WORD ? { kind: 'word', word, at } : { kind: 'call', word, args: this.#steps(depth + 1), at };
      }
      default:
        this.#fail('its code is damaged');
        return null;
    }
  }

  #name(): string {
    const name = this.#names[this.#code.unsigned()];
    if (name === undefined) this.#fail('its code is damaged');
    return name ?? '';
  }

  #span(): Span {
    const [start, length, line, column] = [this.#map.unsigned(), this.#map.unsigned(), this.#map.unsigned(), this.#map.unsigned()];
    const end = start + length;
    if (end > this.#source.length || line < 1 || column < 1 || column > start + 1) this.#fail('its source map points outside the source');
    return { start, end, line, column };
  }
}
