/**
 * Codecs of `union bpf_attr` and of what bpf(2) hands back: pure bytes, no call.
 *
 * Pointers are given as addresses (bigint); who calls the kernel keeps the
 * memory behind them alive. Fields that are not written are zero, which the
 * kernel reads as absent: a shorter attribute than the kernel knows is fine.
 *
 * Specification: include/uapi/linux/bpf.h (enum bpf_cmd, union bpf_attr,
 * struct bpf_prog_info). Host byte order, little-endian.
 */
import { ascii, u32le, u64le } from '../base/bytes.js';
import { FUNCTION_INFO_BYTES } from './function-info.js';
import { MAP_TYPE_NUMBERS, type MapShape } from './maps.js';

export const BPF_MAP_CREATE = 0;
export const BPF_MAP_LOOKUP_ELEM = 1;
export const BPF_MAP_UPDATE_ELEM = 2;
export const BPF_MAP_DELETE_ELEM = 3;
export const BPF_MAP_GET_NEXT_KEY = 4;
export const BPF_PROG_LOAD = 5;
export const BPF_OBJ_PIN = 6;
export const BPF_OBJ_GET = 7;
export const BPF_PROG_TEST_RUN = 10;
export const BPF_OBJ_GET_INFO_BY_FD = 15;
export const BPF_BTF_LOAD = 18;
export const BPF_BTF_GET_FD_BY_ID = 19;
export const BPF_BTF_GET_NEXT_ID = 23;
export const BPF_ENABLE_STATS = 32;

/** Bytes of map and program names, the zero at the end included. */
export const BPF_OBJ_NAME_LEN = 16;

/** enum bpf_stats_type: run time and count of programs. */
export const BPF_STATS_RUN_TIME = 0;

/** Appends fields in the order of the header; 64-bit ones are aligned by the caller's order, as in the header. */
class AttrWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(lengthBytes: number) {
    this.bytes = new Uint8Array(lengthBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  u64(value: bigint): this {
    this.#view.setBigUint64(this.#at, BigInt.asUintN(64, value), true);
    this.#at += 8;
    return this;
  }

  /** Cut to fit with its closing zero; characters that the kernel refuses become `_`. */
  name(text: string): this {
    this.bytes.set(ascii(objectName(text)), this.#at);
    this.#at += BPF_OBJ_NAME_LEN;
    return this;
  }
}

/** Letters, digits, `_` and `.` are allowed in names (kernel/bpf/syscall.c). */
export function objectName(text: string): string {
  return text.replace(/[^A-Za-z0-9_.]/g, '_').slice(0, BPF_OBJ_NAME_LEN - 1);
}

export function mapCreateAttr(shape: MapShape, name: string): Uint8Array {
  return new AttrWriter(48)
    .u32(MAP_TYPE_NUMBERS[shape.type])
    .u32(shape.keyBytes)
    .u32(shape.valueBytes)
    .u32(shape.maxEntries)
    .u32(0) // map_flags
    .u32(0) // inner_map_fd
    .u32(0) // numa_node
    .name(name).bytes;
}

/** Lookup, update (with `flags`), delete and next key share one form; `valueAt` is next_key for the last. */
export function mapElementAttr(mapFd: number, keyAt: bigint, valueAt: bigint, flags = 0n): Uint8Array {
  return new AttrWriter(32).u32(mapFd).u32(0).u64(keyAt).u64(valueAt).u64(flags).bytes;
}

/** What BPF_PROG_LOAD needs. Addresses point at the bytes named. */
export interface ProgramLoadFields {
  readonly type: number;
  readonly slots: number;
  readonly instructionsAt: bigint;
  /** A text with a closing zero. */
  readonly licenseAt: bigint;
  readonly name: string;
  /** 0 none, 1 the log of the verifier, 2 with each state. With a level, the buffer must not be empty. */
  readonly logLevel: number;
  readonly logAt: bigint;
  readonly logBytes: number;
  /** Descriptor of the program's own BTF, with records of struct bpf_func_info. */
  readonly types?: { readonly btfFd: number; readonly recordsAt: bigint; readonly records: number };
  /** Array of file descriptors for maps and module BTF by index, or 0. */
  readonly fdArrayAt?: bigint;
}

export function programLoadAttr(fields: ProgramLoadFields): Uint8Array {
  return new AttrWriter(128)
    .u32(fields.type)
    .u32(fields.slots)
    .u64(fields.instructionsAt)
    .u64(fields.licenseAt)
    .u32(fields.logLevel)
    .u32(fields.logBytes)
    .u64(fields.logAt)
    .u32(0) // kern_version
    .u32(0) // prog_flags
    .name(fields.name)
    .u32(0) // prog_ifindex
    .u32(0) // expected_attach_type
    .u32(fields.types?.btfFd ?? 0)
    .u32(fields.types ? FUNCTION_INFO_BYTES : 0)
    .u64(fields.types?.recordsAt ?? 0n)
    .u32(fields.types?.records ?? 0)
    .u32(0) // line_info_rec_size
    .u64(0n) // line_info
    .u32(0) // line_info_cnt
    .u32(0) // attach_btf_id
    .u32(0) // attach_prog_fd
    .u32(0) // core_relo_cnt
    .u64(fields.fdArrayAt ?? 0n).bytes;
}

/** BPF_OBJ_PIN (with a descriptor) and BPF_OBJ_GET (descriptor 0). The path ends with a zero byte. */
export function objectPathAttr(pathAt: bigint, fd = 0): Uint8Array {
  return new AttrWriter(16).u64(pathAt).u32(fd).u32(0).bytes;
}

export interface TestRunFields {
  readonly programFd: number;
  /** Input packet, Ethernet header included. */
  readonly dataAt: bigint;
  readonly dataBytes: number;
  /** Room for the packet afterwards, or 0. */
  readonly outAt: bigint;
  readonly outBytes: number;
  /** Runs; the duration is their average. */
  readonly repeat: number;
  /** struct __sk_buff for fields like mark, or 0. */
  readonly contextAt?: bigint;
  readonly contextBytes?: number;
}

export function testRunAttr(fields: TestRunFields): Uint8Array {
  return new AttrWriter(80)
    .u32(fields.programFd)
    .u32(0) // retval
    .u32(fields.dataBytes)
    .u32(fields.outBytes)
    .u64(fields.dataAt)
    .u64(fields.outAt)
    .u32(fields.repeat)
    .u32(0) // duration
    .u32(fields.contextBytes ?? 0)
    .u32(0) // ctx_size_out
    .u64(fields.contextAt ?? 0n)
    .u64(0n).bytes; // ctx_out
}

/** Result fields that the kernel wrote into the attribute of a test run. */
export function readTestRun(attr: Uint8Array): { result: number; outBytes: number; averageNs: number } {
  return { result: u32le(attr, 4), outBytes: u32le(attr, 12), averageNs: u32le(attr, 36) };
}

export function objectInfoAttr(fd: number, infoAt: bigint, infoBytes: number): Uint8Array {
  return new AttrWriter(16).u32(fd).u32(infoBytes).u64(infoAt).bytes;
}

/** Bytes of struct bpf_prog_info up to and including run_cnt. */
export const PROG_INFO_BYTES = 208;

export interface ProgramInfo {
  readonly type: number;
  readonly id: number;
  readonly name: string;
  readonly translatedBytes: number;
  readonly machineCodeBytes: number;
  /** Nanoseconds spent in the program since loading, while statistics were on. */
  readonly runTimeNs: number;
  readonly runCount: number;
}

/** Fields of struct bpf_prog_info. */
export function readProgramInfo(info: Uint8Array): ProgramInfo {
  let nameEnd = 64;
  while (nameEnd < 64 + BPF_OBJ_NAME_LEN && info[nameEnd] !== 0) nameEnd++;
  return {
    type: u32le(info, 0),
    id: u32le(info, 4),
    machineCodeBytes: u32le(info, 16),
    translatedBytes: u32le(info, 20),
    name: String.fromCharCode(...info.subarray(64, nameEnd)),
    runTimeNs: u64le(info, 192),
    runCount: u64le(info, 200),
  };
}

/** BPF_BTF_LOAD without a log. */
export function btfLoadAttr(btfAt: bigint, btfBytes: number): Uint8Array {
  return new AttrWriter(28).u64(btfAt).u64(0n).u32(btfBytes).u32(0).u32(0).bytes;
}

export function enableStatsAttr(type: number): Uint8Array {
  return new AttrWriter(4).u32(type).bytes;
}

/** BPF_*_GET_NEXT_ID (start id) and BPF_*_GET_FD_BY_ID (id). The next id comes back in the second field. */
export function idAttr(id: number): Uint8Array {
  return new AttrWriter(12).u32(id).bytes;
}

/** Bytes of struct bpf_btf_info. */
export const BTF_INFO_BYTES = 32;

/** struct bpf_btf_info that asks for the type information itself; with no room only for its size (`btfInfoBytes`). */
export function btfDataRequest(dataAt: bigint, roomBytes: number): Uint8Array {
  return new AttrWriter(BTF_INFO_BYTES).u64(dataAt).u32(roomBytes).u32(0).u64(0n).u32(0).u32(0).bytes;
}

/** btf_size of an answered struct bpf_btf_info. */
export function btfInfoBytes(info: Uint8Array): number {
  return u32le(info, 8);
}

/** struct bpf_btf_info that asks for the name only. */
export function btfInfoRequest(nameAt: bigint, nameBytes: number): Uint8Array {
  return new AttrWriter(BTF_INFO_BYTES).u64(0n).u32(0).u32(0).u64(nameAt).u32(nameBytes).u32(0).bytes;
}
