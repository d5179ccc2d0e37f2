/**
 * Builds ordinary messages (DNS, TLS hellos, QUIC Initials) for unit tests of facets and of the
 * features that read them. Deliberately simple: no name compression, one record
 * section, few TLS extensions.
 */
import { ascii, concat } from '../../base/bytes.js';
import { QUIC_V1, sealClientInitial } from '../../wire/quic/initial.js';

const be16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
const be24 = (value: number): Uint8Array => Uint8Array.of(value >> 16, (value >> 8) & 0xff, value & 0xff);

/** A name in DNS wire form without compression (RFC 1035 section 3.1). */
export function dnsName(name: string): Uint8Array {
  const labels = name === '' ? [] : name.split('.');
  return concat(...labels.map((label) => concat(Uint8Array.of(label.length), ascii(label))), Uint8Array.of(0));
}

/** One resource record of class IN. */
export function dnsRecord(name: string, type: number, data: Uint8Array): Uint8Array {
  return concat(dnsName(name), be16(type), be16(1), be16(0), be16(120), be16(data.length), data);
}

/** A query (no records given) or a response. */
export function dnsMessage(questions: readonly string[], records: readonly Uint8Array[] = [], type = 1): Uint8Array {
  const flags = records.length > 0 ? 0x8180 : 0x0100;
  const header = concat(be16(0x1234), be16(flags), be16(questions.length), be16(records.length), be16(0), be16(0));
  return concat(header, ...questions.map((name) => concat(dnsName(name), be16(type), be16(1))), ...records);
}

/** What a sample hello contains. */
export interface HelloOptions {
  readonly serverName?: string;
  readonly alpn?: readonly string[];
  /** Bytes of an unknown extension before the others, to make the hello long. */
  readonly paddingBytes?: number;
}

function extension(type: number, data: Uint8Array): Uint8Array {
  return concat(be16(type), be16(data.length), data);
}

function alpnExtension(names: readonly string[]): Uint8Array {
  const list = concat(...names.map((name) => concat(Uint8Array.of(name.length), ascii(name))));
  return extension(16, concat(be16(list.length), list));
}

function extensions(options: HelloOptions): Uint8Array {
  const parts: Uint8Array[] = [];
  if (options.paddingBytes) parts.push(extension(0x0a0a, new Uint8Array(options.paddingBytes)));
  if (options.serverName) {
    const name = ascii(options.serverName);
    parts.push(extension(0, concat(be16(name.length + 3), Uint8Array.of(0), be16(name.length), name)));
  }
  if (options.alpn) parts.push(alpnExtension(options.alpn));
  const all = concat(...parts);
  return concat(be16(all.length), all);
}

/** A ClientHello handshake message (no record header). */
export function clientHello(options: HelloOptions = {}): Uint8Array {
  const body = concat(
    be16(0x0303),
    new Uint8Array(32).fill(0x77), // random
    Uint8Array.of(2, 0xab, 0xcd), // session id
    be16(4), // two cipher suites
    be16(0x1301),
    be16(0xc02f),
    Uint8Array.of(1, 0), // no compression
    extensions(options),
  );
  return concat(Uint8Array.of(1), be24(body.length), body);
}

/** A TLS 1.2 ServerHello handshake message choosing one protocol. */
export function serverHello(alpn: string): Uint8Array {
  const body = concat(be16(0x0303), new Uint8Array(32).fill(0x55), Uint8Array.of(0), be16(0xc02f), Uint8Array.of(0), extensions({ alpn: [alpn] }));
  return concat(Uint8Array.of(2), be24(body.length), body);
}

/** A handshake message in TLS records of at most `fragmentBytes` each. */
export function tlsRecords(message: Uint8Array, fragmentBytes = 16384): Uint8Array {
  const records: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += fragmentBytes) {
    const data = message.subarray(at, at + fragmentBytes);
    records.push(Uint8Array.of(22, 3, 1), be16(data.length), data);
  }
  return concat(...records);
}

/** A QUIC CRYPTO frame (RFC 9000 section 19.6) with bytes [from, to) of a message. */
export function cryptoFrame(message: Uint8Array, from = 0, to = message.length): Uint8Array {
  return concat(Uint8Array.of(6), be16(0x4000 | from), be16(0x4000 | (to - from)), message.subarray(from, to));
}

/** A QUIC datagram of a client: one Initial with these frames, padded to 1,200 bytes. */
export function quicInitial(frames: readonly Uint8Array[], version = QUIC_V1): Uint8Array {
  const joined = concat(...frames);
  const padded = new Uint8Array(Math.max(joined.length, 1162));
  padded.set(joined);
  return sealClientInitial(version, ascii('original'), 0, padded) ?? new Uint8Array(0);
}
