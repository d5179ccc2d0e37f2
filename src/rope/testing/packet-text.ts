/**
 * Packets written as text: for test cases and documentation.
 *
 *     tcp 192.0.2.1:1833 > 198.51.100.7:6881 flags=PA
 *     13 "BitTorrent protocol"        # hexadecimal pairs, strings as in scripts
 *     zeros 8
 *
 * The first line says what the bytes below are the payload of: `tcp`, `udp`,
 * `ip` (with `proto=`) or `raw` (the bytes are the whole packet). Lengths and
 * checksums are computed. Specification: docs/rope-tests.md.
 */
import { parseAddress } from '../../base/address.js';
import { concat, fromHex } from '../../base/bytes.js';
import { buildIp, buildTcp, buildUdp } from '../../wire/build.js';
import { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, TCP_URG } from '../../wire/constants.js';
import type { Diagnostic } from '../diagnostics.js';
import { lex } from '../lex.js';
import type { PacketInput } from '../packet.js';

export interface TextPacket {
  readonly bytes: Uint8Array;
  /** Sets what the packet does not carry: marks, times, connection. */
  readonly annotate: (input: PacketInput) => void;
}

/** What is wrong with the text; `line` counts from 0 within it. */
export class PacketTextError extends Error {
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const FLAGS: Readonly<Record<string, number>> = { U: TCP_URG, A: TCP_ACK, P: TCP_PSH, R: TCP_RST, S: TCP_SYN, F: TCP_FIN };
/** Options of the first line that set registers the packet does not carry. */
const ANNOTATIONS = ['mark', 'ct_proto', 'ct_mark', 'ct_state', 'kernel_time', 'packet_time'] as const;
const NUMBERS: ReadonlySet<string> = new Set<string>([
  ...ANNOTATIONS, 'ttl', 'tos', 'id', 'df', 'frag', 'more', 'proto', 'seq', 'ack', 'window', 'urgent', 'check', 'cut', 'pad', 'version', 'doff',
]);

/** Reads one packet. Throws PacketTextError. */
export function parsePacketText(text: string): TextPacket {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.replace(/#.*/, '').trim() !== '');
  if (first < 0) throw new PacketTextError(0, 'the packet is empty');
  const words = (lines[first] ?? '').replace(/#.*/, '').trim().split(/\s+/);
  const options = new Map<string, number | string>();
  const plain: string[] = [];
  for (const word of words) {
    const [name = '', value = ''] = word.split('=');
    if (!word.includes('=')) plain.push(word);
    else options.set(name, name === 'flags' || name === 'options' || name === 'extension' ? value : readNumber(first, name, value));
  }
  const payload = concat(...lines.slice(first + 1).map((line, i) => readBytes(line, first + 1 + i)));
  const bytes = adjust(build(first, plain, options, payload), options);
  return {
    bytes,
    annotate: (input) => {
      const values: Readonly<Record<(typeof ANNOTATIONS)[number], (value: number) => void>> = {
        mark: (value) => (input.mark = value),
        ct_proto: (value) => (input.ctProto = value),
        ct_mark: (value) => (input.ctMark = value),
        ct_state: (value) => (input.ctState = value),
        kernel_time: (value) => (input.kernelTime = value),
        packet_time: (value) => (input.packetTime = value),
      };
      for (const name of ANNOTATIONS) values[name](Number(options.get(name) ?? 0) | 0);
    },
  };
}

function readNumber(line: number, name: string, text: string): number {
  if (!NUMBERS.has(name)) throw new PacketTextError(line, `unknown option ${name}`);
  const value = Number(text);
  if (text === '' || !Number.isInteger(value)) throw new PacketTextError(line, `${name} is not an integer`);
  return value;
}

/** `192.0.2.1:80`, `[2001:db8::1]:80` or an address alone. */
function readEndpoint(line: number, text: string): { address: Uint8Array; port: number } {
  const found = /^\[(.*)\](?::(\d+))?$/.exec(text) ?? /^(\d+\.\d+\.\d+\.\d+)(?::(\d+))?$/.exec(text) ?? /^([0-9a-fA-F:]+)$/.exec(text);
  const address = parseAddress(found?.[1] ?? '');
  if (found === null || address === null) throw new PacketTextError(line, `cannot read the endpoint ${text}`);
  return { address, port: Number(found[2] ?? 0) };
}

function build(line: number, plain: readonly string[], options: ReadonlyMap<string, number | string>, payload: Uint8Array): Uint8Array {
  const [kind = '', from = '', arrow, to = ''] = plain;
  if (kind === 'raw') return payload;
  if (kind !== 'tcp' && kind !== 'udp' && kind !== 'ip') throw new PacketTextError(line, `a packet begins with tcp, udp, ip or raw, not ${kind}`);
  if (arrow !== '>') throw new PacketTextError(line, `write: ${kind} SOURCE > DESTINATION`);
  const [src, dst] = [readEndpoint(line, from), readEndpoint(line, to)];
  if (src.address.length !== dst.address.length) throw new PacketTextError(line, 'the addresses are of different families');
  const option = (name: string, otherwise: number): number => Number(options.get(name) ?? otherwise);
  const ip = {
    src: src.address,
    dst: dst.address,
    ttl: option('ttl', 64),
    tos: option('tos', 0),
    id: option('id', 0),
    dontFragment: option('df', 0) !== 0,
    ...(options.has('options') ? { ipOptions: fromHex(String(options.get('options'))) } : {}),
    ...(options.has('extension') ? { extensions: readExtensions(String(options.get('extension'))) } : {}),
    ...(options.has('frag') || options.has('more')
      ? { fragment: { offsetBytes: 8 * option('frag', 0), isLast: option('more', 0) === 0, id: option('id', 0) } }
      : {}),
  };
  const ports = { srcPort: src.port, dstPort: dst.port, payload };
  if (kind === 'udp') return buildUdp({ ...ip, ...ports });
  if (kind === 'ip') return buildIp(ip, option('proto', 255), payload);
  let flags = 0;
  for (const letter of String(options.get('flags') ?? 'A')) flags |= FLAGS[letter] ?? 0;
  const bytes = buildTcp({ ...ip, ...ports, flags, seq: option('seq', 0), ack: option('ack', 0), window: option('window', 65535) });
  return bytes;
}

/** `PROTOCOL:HEX,PROTOCOL:HEX`: IPv6 extension headers. */
function readExtensions(text: string): { protocol: number; bytes: Uint8Array }[] {
  return text.split(',').map((part) => {
    const [protocol = '', hex = ''] = part.split(':');
    return { protocol: Number(protocol), bytes: fromHex(hex) };
  });
}

/** Damage done on purpose, after checksums: `version=` (IP version), `doff=`, `urgent=`, `pad=` (bytes appended), `cut=` (bytes kept). */
function adjust(packet: Uint8Array, options: ReadonlyMap<string, number | string>): Uint8Array {
  let bytes = packet;
  const transportAt = ((bytes[0] ?? 0) >> 4 === 4 ? (bytes[0] ?? 0) & 15 : 10) * 4;
  const value = (name: string): number | null => (options.has(name) ? Number(options.get(name)) : null);
  const version = value('version');
  if (version !== null) bytes[0] = (version << 4) | ((bytes[0] ?? 0) & 15);
  const doff = value('doff');
  if (doff !== null) bytes[transportAt + 12] = (doff << 4) | ((bytes[transportAt + 12] ?? 0) & 15);
  const urgent = value('urgent');
  if (urgent !== null) bytes.set([urgent >> 8, urgent & 255], transportAt + 18);
  const pad = value('pad');
  if (pad !== null) bytes = concat(bytes, new Uint8Array(pad));
  const cut = value('cut');
  return cut === null ? bytes : bytes.slice(0, cut);
}

/** Bytes of a line: hexadecimal pairs, strings, `zeros N`, and `repeat N` of one of them. */
function readBytes(line: string, number: number): Uint8Array {
  const words = (line.match(/"(?:[^"\\]|\\.)*"|#.*|[^\s#]+/g) ?? []).filter((word) => !word.startsWith('#'));
  const parts: Uint8Array[] = [];
  for (let i = 0; i < words.length; i++) {
    const isRepeat = words[i] === 'repeat';
    const times = isRepeat ? readCount(words[++i], number) : 1;
    if (isRepeat) i++;
    const word = words[i] ?? '';
    const part = word === 'zeros' ? new Uint8Array(readCount(words[++i], number)) : readWord(word, number);
    for (let k = 0; k < times; k++) parts.push(part);
  }
  return concat(...parts);
}

function readCount(word: string | undefined, line: number): number {
  const count = Number(word);
  if (word === undefined || !Number.isInteger(count) || count < 0 || count > 65535) throw new PacketTextError(line, `${word ?? 'nothing'} is not a count`);
  return count;
}

function readWord(word: string, line: number): Uint8Array {
  if (/^([0-9a-fA-F]{2})+$/.test(word)) return fromHex(word);
  const diagnostics: Diagnostic[] = [];
  const [token] = lex(word, (diagnostic) => diagnostics.push(diagnostic));
  if (token?.kind === 'str' && word.startsWith('"') && diagnostics.length === 0) return token.bytes;
  throw new PacketTextError(line, `cannot read ${word}: bytes are pairs of hexadecimal digits, text stands in quotes`);
}
