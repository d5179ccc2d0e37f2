/**
 * Numbers of the capture file formats.
 *
 * pcap: draft-ietf-opsawg-pcap; pcapng: draft-ietf-opsawg-pcapng. Values as they read
 * in the writer's own byte order.
 */

/** Classic pcap, microseconds. */
export const PCAP_MAGIC = 0xa1b2c3d4;
/** Classic pcap, nanoseconds. */
export const PCAP_MAGIC_NANOSECONDS = 0xa1b23c4d;
/** Alexey Kuznetzov's variant: 8 more bytes (interface, protocol, type) in each record header. */
export const PCAP_MAGIC_KUZNETZOV = 0xa1b2cd34;
export const PCAP_HEADER_BYTES = 24;
export const PCAP_RECORD_BYTES = 16;
export const PCAP_RECORD_BYTES_KUZNETZOV = 24;

/** Section header block type: the same in both byte orders. */
export const PCAPNG_SECTION = 0x0a0d0d0a;
export const PCAPNG_BYTE_ORDER = 0x1a2b3c4d;
export const PCAPNG_INTERFACE = 1;
/** Obsolete packet block. */
export const PCAPNG_PACKET = 2;
export const PCAPNG_SIMPLE_PACKET = 3;
export const PCAPNG_ENHANCED_PACKET = 6;
/** Block type, total length, and the total length again at the end. */
export const PCAPNG_BLOCK_BYTES = 12;
export const PCAPNG_OPTION_END = 0;
export const PCAPNG_IF_TSRESOL = 9;
export const PCAPNG_IF_TSOFFSET = 14;

/**
 * Longest captured packet believed. tcpdump's largest snap length is 262,144; 4 MiB leaves room for
 * IPv6 jumbograms of loopback devices. A larger number is damage, and must not make us allocate.
 */
export const MAX_PACKET_BYTES = 4 << 20;
/** Longest header or interface block read (their options are free text); other blocks are skipped at any length. */
export const MAX_HEADER_BLOCK_BYTES = 1 << 20;
/** Interfaces of one section. A merge of many files has some thousands. */
export const MAX_INTERFACES = 65_536;

/** Why reading a capture stopped, or what in it could not be used; the text names the file offset, the caller adds the file's name. */
export interface CaptureError {
  /**
   * - `not-a-capture`: the first bytes are of no format that we read.
   * - `truncated`: the input ends inside a record.
   * - `malformed`: a record contradicts the format.
   * - `io`: the system refused; added by whoever reads the file.
   * - `interrupted`: the user stopped the reading; added by whoever reads the file.
   * - `unknown-link-type`, `empty-packet`: packets that cannot be decoded; added by who decodes. Reading goes on.
   */
  readonly kind: 'not-a-capture' | 'truncated' | 'malformed' | 'io' | 'unknown-link-type' | 'empty-packet' | 'interrupted';
  /** For people, one sentence without full stop. */
  readonly message: string;
  /** Offset of the offending record in the (decompressed) input. */
  readonly atBytes: number;
  /** What to do about it, where something can be done. */
  readonly hint?: string;
  /** `io` only: what the system said. */
  readonly system?: { readonly syscall: string; readonly errno: number; readonly code: string };
}

/** Magic numbers of files that are often given by mistake. */
const FOREIGN: readonly { readonly bytes: readonly number[]; readonly name: string; readonly hint: string }[] = [
  { bytes: [0x1f, 0x8b], name: 'gzip-compressed data', hint: 'decompress it first: gzip -dc FILE | p2pwall identify -' },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], name: 'zstd-compressed data', hint: 'decompress it first: zstd -dc FILE | p2pwall identify -' },
  { bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], name: 'xz-compressed data', hint: 'decompress it first: xz -dc FILE | p2pwall identify -' },
  { bytes: [0x42, 0x5a, 0x68], name: 'bzip2-compressed data', hint: 'decompress it first: bzip2 -dc FILE | p2pwall identify -' },
  { bytes: [0x04, 0x22, 0x4d, 0x18], name: 'lz4-compressed data', hint: 'decompress it first: lz4 -dc FILE | p2pwall identify -' },
  { bytes: [0x50, 0x4b, 0x03, 0x04], name: 'a zip archive', hint: 'unpack it first: unzip FILE' },
  { bytes: [0x73, 0x6e, 0x6f, 0x6f, 0x70, 0x00], name: 'a snoop capture', hint: 'convert it first: editcap -F pcap FILE out.pcap' },
];

/** The error for input that begins with these bytes (at least 4 unless the input is shorter). */
export function notACapture(head: Uint8Array): CaptureError {
  if (head.length === 0) return { kind: 'not-a-capture', message: 'the input is empty (at byte 0)', atBytes: 0 };
  for (const { bytes, name, hint } of FOREIGN) {
    if (bytes.every((byte, i) => head[i] === byte)) {
      return { kind: 'not-a-capture', message: `not a capture but ${name} (at byte 0)`, atBytes: 0, hint };
    }
  }
  const hex = Array.from(head.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return {
    kind: 'not-a-capture',
    message: `not a pcap or pcapng capture: it begins with ${hex} (at byte 0)`,
    atBytes: 0,
    hint: 'save the capture as pcap or pcapng (tcpdump -w, or "Save as" in Wireshark)',
  };
}
