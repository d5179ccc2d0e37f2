/**
 * Writing pcap and pcapng: pure functions that return the bytes of headers and records.
 *
 * Made for tests, samples and small exports: little-endian, one section. Formats: see
 * `capture-reader.ts` and `formats.ts`.
 */
import { concat } from '../base/bytes.js';
import * as formats from './formats.js';

export interface PcapOptions {
  /** LINKTYPE_ value; default Ethernet. */
  readonly linkType?: number;
  /** Default 262144. */
  readonly snapBytes?: number;
  readonly isNanosecond?: boolean;
  readonly isBigEndian?: boolean;
}

export interface CapturedPacket {
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970; the fraction is kept as far as the format goes. */
  readonly timeMs: number;
  /** Default: the length of `bytes`. */
  readonly originalLengthBytes?: number;
  /** pcapng: index of the interface in `pcapngFile`; default 0. */
  readonly interfaceIndex?: number;
}

const DEFAULT_SNAP_BYTES = 262_144;

function view(lengthBytes: number): DataView {
  return new DataView(new ArrayBuffer(lengthBytes));
}

function bytesOf(data: DataView): Uint8Array {
  return new Uint8Array(data.buffer);
}

/** The 24 bytes that begin a pcap file. */
export function pcapHeader(options: PcapOptions = {}): Uint8Array {
  const isLittle = !options.isBigEndian;
  const out = view(formats.PCAP_HEADER_BYTES);
  out.setUint32(0, options.isNanosecond ? formats.PCAP_MAGIC_NANOSECONDS : formats.PCAP_MAGIC, isLittle);
  out.setUint16(4, 2, isLittle);
  out.setUint16(6, 4, isLittle);
  out.setUint32(16, options.snapBytes ?? DEFAULT_SNAP_BYTES, isLittle);
  out.setUint32(20, options.linkType ?? 1, isLittle);
  return bytesOf(out);
}

/** One record of a pcap file whose header had the same options. */
export function pcapRecord(packet: CapturedPacket, options: PcapOptions = {}): Uint8Array {
  const isLittle = !options.isBigEndian;
  const header = view(formats.PCAP_RECORD_BYTES);
  const unitsPerSecond = options.isNanosecond ? 1e9 : 1e6;
  let seconds = Math.floor(packet.timeMs / 1000);
  let units = Math.round((packet.timeMs - seconds * 1000) * (unitsPerSecond / 1000));
  if (units >= unitsPerSecond) {
    seconds += 1;
    units = 0;
  }
  header.setUint32(0, seconds, isLittle);
  header.setUint32(4, units, isLittle);
  header.setUint32(8, packet.bytes.length, isLittle);
  header.setUint32(12, packet.originalLengthBytes ?? packet.bytes.length, isLittle);
  return concat(bytesOf(header), packet.bytes);
}

/** A whole pcap file. */
export function pcapFile(packets: readonly CapturedPacket[], options: PcapOptions = {}): Uint8Array {
  return concat(pcapHeader(options), ...packets.map((packet) => pcapRecord(packet, options)));
}

export interface PcapngInterface {
  /** LINKTYPE_ value; default Ethernet. */
  readonly linkType?: number;
  /** Default 0: no limit. */
  readonly snapBytes?: number;
  /** if_tsresol byte: n for 10^-n, 0x80 + n for 2^-n seconds. Default: absent, microseconds. */
  readonly resolution?: number;
  /** if_tsoffset in whole seconds; default: absent. */
  readonly offsetSeconds?: number;
}

export interface PcapngOptions {
  readonly interfaces?: readonly PcapngInterface[];
  readonly isBigEndian?: boolean;
}

/** A pcapng block: body padded to 4 bytes, its length before and after. */
export function pcapngBlock(type: number, body: Uint8Array, isBigEndian = false): Uint8Array {
  const padded = (body.length + 3) & ~3;
  const out = view(formats.PCAPNG_BLOCK_BYTES + padded);
  out.setUint32(0, type, !isBigEndian);
  out.setUint32(4, out.byteLength, !isBigEndian);
  out.setUint32(8 + padded, out.byteLength, !isBigEndian);
  bytesOf(out).set(body, 8);
  return bytesOf(out);
}

/** Section header block, without options and section length. */
export function pcapngSection(isBigEndian = false): Uint8Array {
  const body = view(16);
  body.setUint32(0, formats.PCAPNG_BYTE_ORDER, !isBigEndian);
  body.setUint16(4, 1, !isBigEndian);
  body.setBigInt64(8, -1n, !isBigEndian);
  return pcapngBlock(formats.PCAPNG_SECTION, bytesOf(body), isBigEndian);
}

/** Interface description block. */
export function pcapngInterface(options: PcapngInterface, isBigEndian = false): Uint8Array {
  const isLittle = !isBigEndian;
  const parts: Uint8Array[] = [];
  const fixed = view(8);
  fixed.setUint16(0, options.linkType ?? 1, isLittle);
  fixed.setUint32(4, options.snapBytes ?? 0, isLittle);
  parts.push(bytesOf(fixed));
  if (options.resolution !== undefined) {
    const option = view(8);
    option.setUint16(0, formats.PCAPNG_IF_TSRESOL, isLittle);
    option.setUint16(2, 1, isLittle);
    option.setUint8(4, options.resolution);
    parts.push(bytesOf(option));
  }
  if (options.offsetSeconds !== undefined) {
    const option = view(12);
    option.setUint16(0, formats.PCAPNG_IF_TSOFFSET, isLittle);
    option.setUint16(2, 8, isLittle);
    option.setBigInt64(4, BigInt(options.offsetSeconds), isLittle);
    parts.push(bytesOf(option));
  }
  if (parts.length > 1) parts.push(new Uint8Array(4));
  return pcapngBlock(formats.PCAPNG_INTERFACE, concat(...parts), isBigEndian);
}

/** Enhanced packet block of an interface described by `options`. */
export function pcapngPacket(packet: CapturedPacket, described: PcapngInterface = {}, isBigEndian = false): Uint8Array {
  const isLittle = !isBigEndian;
  const resolution = described.resolution ?? 6;
  const ticksPerSecond = resolution & 0x80 ? 2 ** (resolution & 0x7f) : 10 ** resolution;
  const ticks = Math.round((packet.timeMs - (described.offsetSeconds ?? 0) * 1000) * (ticksPerSecond / 1000));
  const fixed = view(20);
  fixed.setUint32(0, packet.interfaceIndex ?? 0, isLittle);
  fixed.setUint32(4, Math.floor(ticks / 0x1_0000_0000), isLittle);
  fixed.setUint32(8, ticks % 0x1_0000_0000, isLittle);
  fixed.setUint32(12, packet.bytes.length, isLittle);
  fixed.setUint32(16, packet.originalLengthBytes ?? packet.bytes.length, isLittle);
  return pcapngBlock(formats.PCAPNG_ENHANCED_PACKET, concat(bytesOf(fixed), packet.bytes), isBigEndian);
}

/** A whole pcapng file of one section. */
export function pcapngFile(packets: readonly CapturedPacket[], options: PcapngOptions = {}): Uint8Array {
  const interfaces = options.interfaces ?? [{}];
  const isBigEndian = options.isBigEndian ?? false;
  return concat(
    pcapngSection(isBigEndian),
    ...interfaces.map((described) => pcapngInterface(described, isBigEndian)),
    ...packets.map((packet) => pcapngPacket(packet, interfaces[packet.interfaceIndex ?? 0], isBigEndian)),
  );
}
