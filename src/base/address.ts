/**
 * IP addresses and networks: text to bytes and back, prefix tests.
 * Bytes are in network order, 4 for IPv4 and 16 for IPv6.
 */
import { u16 } from './bytes.js';

/** Dotted quad of the 4 bytes at `at`. */
export function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** Text of the 16 bytes at `at` as RFC 5952 section 4 recommends: lower case, longest run of zero groups (two or more) as `::`. */
export function ipv6Text(bytes: Uint8Array, at: number): string {
  let runAt = -1;
  let runLength = 0;
  for (let i = 0; i < 8; ) {
    if (u16(bytes, at + 2 * i) !== 0) {
      i++;
      continue;
    }
    let j = i;
    while (j < 8 && u16(bytes, at + 2 * j) === 0) j++;
    if (j - i > runLength && j - i > 1) {
      runAt = i;
      runLength = j - i;
    }
    i = j;
  }
  let out = '';
  for (let i = 0; i < 8; ) {
    if (i === runAt) {
      out += '::';
      i += runLength;
      continue;
    }
    if (i > 0 && !out.endsWith(':')) out += ':';
    out += u16(bytes, at + 2 * i).toString(16);
    i++;
  }
  return out;
}

/** Text of an address of 4 or 16 bytes. */
export function addressText(bytes: Uint8Array, at: number, lengthBytes: number): string {
  return lengthBytes === 4 ? ipv4Text(bytes, at) : ipv6Text(bytes, at);
}

/** 4 bytes of a dotted quad, or null. Leading zeros and shorthand (`10.1`) are refused: they mean different things to different programs. */
export function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const out = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i] ?? '';
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null;
    out[i] = Number(part);
  }
  return out;
}

/** 16 bytes of an IPv6 address (RFC 4291 section 2.2, with `::` and a dotted tail), or null. A zone (`%eth0`) is refused. */
export function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split('::');
  if (halves.length > 2 || text.includes('%')) return null;
  const groups = halves.map((half) => parseGroups(half));
  const head = groups[0];
  const tail = groups[1];
  if (!head || tail === null) return null;
  const out = new Uint8Array(16);
  if (tail === undefined) {
    if (head.length !== 16) return null;
    out.set(head);
    return out;
  }
  if (head.length + tail.length > 14) return null;
  out.set(head);
  out.set(tail, 16 - tail.length);
  return out;
}

/** Bytes of colon-separated groups, the last of which may be a dotted quad; null if malformed, empty for ''. */
function parseGroups(text: string): number[] | null {
  if (text === '') return [];
  const out: number[] = [];
  const groups = text.split(':');
  for (let i = 0; i < groups.length; i++) {
    const group = groups[i] ?? '';
    if (i === groups.length - 1 && group.includes('.')) {
      const quad = parseIpv4(group);
      if (!quad) return null;
      out.push(...quad);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
      const value = Number.parseInt(group, 16);
      out.push(value >>> 8, value & 0xff);
    }
  }
  return out;
}

/** 4 or 16 bytes, or null when the text is no address. */
export function parseAddress(text: string): Uint8Array | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** An address prefix: `address` has 4 or 16 bytes, host bits zero. */
export interface Network {
  readonly address: Uint8Array;
  readonly prefixLength: number;
}

/** `10.0.0.0/8`, `2001:db8::/32` or a single address; null when malformed or when host bits are set. */
export function parseNetwork(text: string): Network | null {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address) return null;
  const bits = address.length * 8;
  if (slash < 0) return { address, prefixLength: bits };
  const suffix = text.slice(slash + 1);
  if (!/^[0-9]{1,3}$/.test(suffix) || Number(suffix) > bits) return null;
  const prefixLength = Number(suffix);
  for (let bit = prefixLength; bit < bits; bit++) {
    if (((address[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) return null;
  }
  return { address, prefixLength };
}

/** True when the address of `lengthBytes` (4 or 16) at `at` lies in the network; different families never match. */
export function isInNetwork(network: Network, bytes: Uint8Array, at: number, lengthBytes: number): boolean {
  if (network.address.length !== lengthBytes) return false;
  const whole = network.prefixLength >> 3;
  for (let i = 0; i < whole; i++) if (bytes[at + i] !== network.address[i]) return false;
  const rest = network.prefixLength & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((bytes[at + whole] ?? 0) & mask) === network.address[whole];
}

/** Canonical text of a network: `10.0.0.0/8`; a single address has no suffix. */
export function networkText(network: Network): string {
  const text = addressText(network.address, 0, network.address.length);
  return network.prefixLength === network.address.length * 8 ? text : `${text}/${network.prefixLength}`;
}
