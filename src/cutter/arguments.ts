/**
 * The words of a cutter command line as conditions, and what is wrong with them. Pure:
 * names of hosts and services are looked up by the caller.
 *
 *   cutter IP [PORT [IP [PORT]]]
 *
 * In positions of addresses: an address, a network, `0` (any, as the original cutter had it) or a host name. In
 * positions of ports: a number, `first-last`, a list with commas, a service name, `0` (any).
 */
import { type Network, parseAddress, parseNetwork } from '../base/address.js';
import { TCP_STATES, type TcpState } from '../netlink/conntrack.js';
import type { EndPattern, Range } from './selection.js';

/** A mistake of the user's, with its remedy. */
export interface Problem {
  readonly message: string;
  readonly hint: string;
}

export type Parsed<T> = { readonly value: T; readonly problem?: undefined } | { readonly problem: Problem };

const problem = (message: string, hint: string): { problem: Problem } => ({ problem: { message, hint } });

/** What the words mean, besides their spelling. */
export interface Names {
  /** Addresses of a host name; empty when there is none. */
  host(name: string): readonly Uint8Array[];
  /** Port of a service name (`ssh`), or undefined. */
  service(name: string): number | undefined;
}

/** Host names that `words` uses, to be looked up before `parsePositional`. */
export function hostNamesIn(words: readonly string[]): string[] {
  return [words[0], words[2]].filter((word): word is string => word !== undefined && isHostName(word));
}

/** Letters somewhere, or it would be an address with a slip of the finger. */
function isHostName(word: string): boolean {
  return !word.includes(':') && !word.includes('/') && /[a-z]/i.test(word) && /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i.test(word);
}

export function parsePositional(words: readonly string[], names: Names): Parsed<readonly [EndPattern, EndPattern]> {
  if (words.length > 4) return problem(`too many arguments: '${words[4]}'`, 'at most IP PORT IP PORT');
  const ends: EndPattern[] = [];
  for (const at of [0, 2]) {
    const networks = parseAddressWord(words[at], names);
    if (networks.problem) return networks;
    const ports = parsePorts(words[at + 1] ?? '0', names);
    if (ports.problem) return ports;
    ends.push({ networks: networks.value, ports: ports.value });
  }
  return { value: ends as unknown as [EndPattern, EndPattern] };
}

function parseAddressWord(word: string | undefined, names: Names): Parsed<readonly Network[]> {
  if (word === undefined || word === '0' || word === '0.0.0.0' || word === '::') return { value: [] };
  const network = parseNetwork(word);
  if (network) return { value: [network] };
  if (word.includes('/')) return parseNetworkProblem(word);
  const joined = /^(.+[.\]]\S*):([0-9]+)$/.exec(word);
  if (joined && parseAddress((joined[1] ?? '').replace(/^\[|\]$/g, ''))) {
    return problem(`'${word}' is an address and a port`, `the port is a word of its own: ${joined[1]?.replace(/^\[|\]$/g, '')} ${joined[2]}`);
  }
  if (!isHostName(word)) {
    return problem(`'${word}' is not an IP address`, 'write it in full, e.g. 10.0.0.5, 10.0.0.0/8 or 2001:db8::1; 0 means any');
  }
  const addresses = names.host(word);
  if (addresses.length === 0) return problem(`host '${word}' is not known`, 'give its address instead');
  return { value: addresses.map((address) => ({ address, prefixLength: address.length * 8 })) };
}

function parseNetworkProblem(word: string): { problem: Problem } {
  const [text = '', suffix = ''] = word.split('/');
  const address = parseAddress(text);
  if (!address) return problem(`'${text}' is not an IP address`, 'a network is an address and a length, e.g. 10.0.0.0/8');
  const bits = address.length * 8;
  if (!/^[0-9]+$/.test(suffix) || Number(suffix) > bits) {
    return problem(`'${suffix}' is not a prefix length`, `a number from 0 to ${bits}`);
  }
  return problem(`'${word}' has bits set behind its prefix`, `write the network's own address, or /${bits} for this one host`);
}

/** `0` is any; else a list of ports, ranges and service names. */
function parsePorts(text: string, names: Names): Parsed<readonly Range[]> {
  if (text === '0') return { value: [] };
  const out: Range[] = [];
  for (const part of text.split(',')) {
    const range = /^([0-9]+)(?:-([0-9]+))?$/.exec(part);
    const least = range ? Number(range[1]) : names.service(part);
    if (least === undefined) {
      return problem(`'${part}' is neither a port nor a known service`, 'ports are 1 to 65535, e.g. 443, 6881-6889 or 80,443; 0 means any');
    }
    const most = range?.[2] === undefined ? least : Number(range[2]);
    if (least < 1 || most > 65535 || least > most) {
      const isRange = range?.[2] !== undefined;
      return problem(`'${part}' is no ${isRange ? 'range of ports' : 'port'}`, `ports are 1 to 65535${isRange ? ', the smaller one first' : '; 0 means any'}`);
    }
    out.push({ least, most });
  }
  return { value: out };
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** `30`, `10m`, `2h`: milliseconds; seconds without a unit. */
export function parseDuration(text: string): number | null {
  const found = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?$/.exec(text);
  return found ? Number(found[1]) * (UNITS[found[2] ?? 's'] ?? 0) : null;
}

/** `1500`, `10k`, `3M`, `1G`: bytes, in powers of 1024. */
function parseByteCount(text: string): number | null {
  const found = /^([0-9]+(?:\.[0-9]+)?)([kmgt]?)(?:i?b)?$/i.exec(text);
  return found ? Number(found[1]) * (BYTE_UNITS[(found[2] ?? '').toLowerCase()] ?? 1) : null;
}

/** `10m` at least, `<10m` at most, `10m-1h` between. */
function parseRange(text: string, unit: (text: string) => number | null, what: string, example: string): Parsed<Range> {
  const isUpper = text.startsWith('<');
  const bare = text.replace(/^[<>]=?/, '');
  const [first, second, ...rest] = bare.split('-').map(unit);
  const wrong = problem(`'${text}' is not ${what}`, `e.g. ${example}`);
  if (first === undefined || first === null || second === null || rest.length > 0) return wrong;
  if (second !== undefined) return bare === text && first <= second ? { value: { least: first, most: second } } : wrong;
  return { value: isUpper ? { least: 0, most: first } : { least: first, most: Number.POSITIVE_INFINITY } };
}

export function parseDurationRange(text: string): Parsed<Range> {
  return parseRange(text, parseDuration, 'a span of time', '10m (at least), <30s (at most) or 5m-1h');
}

export function parseByteRange(text: string): Parsed<Range> {
  return parseRange(text, parseByteCount, 'a number of bytes', '10M (at least), <1k (at most) or 1M-1G');
}

/** `0x10`, `16`, `0x10/0xff`: as iptables writes marks. */
export function parseMark(text: string): Parsed<{ readonly value: number; readonly mask: number }> {
  const found = /^(0x[0-9a-f]{1,8}|[0-9]{1,10})(?:\/(0x[0-9a-f]{1,8}|[0-9]{1,10}))?$/i.exec(text);
  const value = Number(found?.[1]);
  const mask = found?.[2] === undefined ? 0xffff_ffff : Number(found[2]);
  if (!found || value > 0xffff_ffff || mask > 0xffff_ffff) return problem(`'${text}' is not a mark`, 'e.g. 0x10 or 0x10/0xff');
  // >>> 0: JavaScript's `&` is signed.
  if ((value & mask) >>> 0 !== value) return problem(`mark '${text}' has bits outside its mask: nothing can match`, 'widen the mask');
  return { value: { value, mask } };
}

/** Names of connection tracking, in any case, separated by commas; `all` for every state. */
export function parseStates(text: string): Parsed<readonly TcpState[]> {
  if (text.toLowerCase() === 'all') return { value: TCP_STATES };
  const out: TcpState[] = [];
  for (const word of text.split(',')) {
    const name = word.trim().toUpperCase().replace('-', '_');
    const state = TCP_STATES.find((known) => known === name);
    if (state === undefined) return problem(`'${word}' is not a state`, `one of ${TCP_STATES.slice(1).join(', ')}, or all`);
    out.push(state);
  }
  return { value: out };
}

/** `tcp`, `udp` or both. */
export function parseProtocols(text: string): Parsed<readonly number[]> {
  const numbers: Readonly<Record<string, number>> = { tcp: 6, udp: 17 };
  const out = text.split(',').map((word) => numbers[word.trim().toLowerCase()]);
  if (out.some((number) => number === undefined)) return problem(`'${text}' is not a protocol`, 'tcp, udp or tcp,udp');
  return { value: out as number[] };
}
