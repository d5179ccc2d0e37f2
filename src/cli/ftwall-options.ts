/**
 * Options of ftwall: letters of versions 1 and 2 with their meaning and defaults, long names, and a TOML file
 * with the same names. The command line wins over the file. Problems are collected, not thrown.
 */
import { readFileSync } from 'node:fs';
import { TomlError, parse } from 'smol-toml';
import { z } from 'zod';
import { addressText, networkText, parseAddress, parseNetwork } from '../base/address.js';
import { locate } from '../config/locate.js';
import { schemaFaults } from '../config/schema-faults.js';
import type { LogWishes } from '../daemon/ftwall-log.js';
import type { FtwallSettings } from '../daemon/ftwall-daemon.js';
import { wantedLetters } from '../daemon/ftwall-log.js';
import { PONG, PONG_2 } from '../fasttrack/udp.js';
import { type NamePattern, parseNamePattern, parseTrainingFile } from '../ftwall/name-patterns.js';

/** As commander and the file give them; every name may come from either. */
const ftwallOptions = z.strictObject({
  debug: z.union([z.boolean(), z.string()]).optional(),
  foreground: z.boolean().optional(),
  blockUdp: z.boolean().optional(),
  buffer: z.union([z.string(), z.number()]).transform(String).optional(),
  store: z.string().optional(),
  lockTime: z.union([z.string(), z.number()]).transform(String).optional(),
  clientDir: z.string().optional(),
  syslog: z.string().optional(),
  log: z.string().optional(),
  localAddress: z.string().optional(),
  dnsFile: z.string().optional(),
  blockName: z.array(z.string()).optional(),
  iface: z.array(z.string()).optional(),
  queue: z.union([z.string(), z.number()]).transform(String).optional(),
  reply: z.enum(['0x28', '0x29', 'none']).optional(),
  lockScope: z.enum(['all', 'user-ports', 'none']).optional(),
  protect: z.array(z.string()).optional(),
  maxPeers: z.union([z.string(), z.number()]).transform(String).optional(),
  maxPeersPerClient: z.union([z.string(), z.number()]).transform(String).optional(),
  peerAge: z.union([z.string(), z.number()]).transform(String).optional(),
  rules: z.boolean().optional(),
  json: z.boolean().optional(),
  config: z.string().optional(),
});
export type FtwallOptions = z.infer<typeof ftwallOptions>;

export interface Resolved {
  readonly settings: FtwallSettings;
  readonly wishes: LogWishes;
  readonly isForeground: boolean;
}

export const DEFAULT_QUEUE = 27;
const LOG_LETTERS = 'uUtTcpxm';
const DEBUG_LETTERS = 'A-daDthplq';

/** Names in the file are those of the command line: `lock-time = 120`. */
function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Options of a TOML file, or the problems with it. */
export function readConfig(path: string): FtwallOptions | string[] {
  let text: string;
  let parsed: Record<string, unknown>;
  try {
    text = readFileSync(path, 'utf8');
    parsed = parse(text);
  } catch (error) {
    const line = error instanceof TomlError ? `:${error.line}` : '';
    return [`${path}${line}: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`];
  }
  const { config: _, ...shape } = ftwallOptions.shape;
  const schema = z.strictObject(Object.fromEntries(Object.entries(shape).map(([name, type]) => [kebabCase(name), type])));
  const document = Object.fromEntries(Object.entries(parsed).map(([name, value]) => [kebabCase(name), value]));
  const result = schema.safeParse(document);
  if (result.success) return Object.fromEntries(Object.entries(result.data).map(([name, value]) => [camelCase(name), value])) as FtwallOptions;
  const file = { document, keysAt: () => Object.keys(schema.shape), manual: 'ftwall(8)' };
  const faults = result.error.issues.flatMap((issue) => schemaFaults(issue, file));
  const byLine = faults.map((fault) => ({ ...fault, line: locate(text, fault.path) })).sort((a, b) => a.line - b.line);
  return byLine.map((fault) => `${path}:${fault.line}: ${fault.path.join('.')}: ${fault.message}; ${fault.remedy}`);
}

/** Version 1 knew no letters behind -d, so flags could follow it: `-ds`, `-dn`. (No letter of version 2.) */
function apartFromDebug(options: FtwallOptions): FtwallOptions {
  const flags = typeof options.debug === 'string' && /^[sn]+$/.test(options.debug) ? options.debug : '';
  if (flags === '') return options;
  return { ...options, debug: true, ...(flags.includes('n') ? { blockUdp: false } : {}) };
}

/** `32k`, `1M` or a number of bytes; null when it is none. */
function sizeBytes(text: string): number | null {
  const parts = /^([0-9]{1,9})([kKmM]?)$/.exec(text);
  if (!parts) return null;
  const unit = { '': 1, k: 1024, m: 1024 * 1024 }[(parts[2] ?? '').toLowerCase()] ?? 1;
  return Number(parts[1]) * unit;
}

/** Everything checked and joined, or all problems. `insideInterfaces` is asked when no --iface is given. */
export function resolveOptions(given: FtwallOptions, insideInterfaces: () => readonly string[]): Resolved | string[] {
  const options = apartFromDebug(given);
  const problems: string[] = [];
  const number = (name: string, text: string | undefined, otherwise: number, least: number, most: number): number => {
    if (text === undefined) return otherwise;
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && value >= least && value <= most) return value;
    problems.push(`${name}: '${text}' is not a whole number from ${least} to ${most}`);
    return otherwise;
  };
  const letters = (name: string, text: string | undefined, known: string): Set<string> => {
    const unknown = [...(text ?? '')].filter((letter) => !known.includes(letter));
    if (unknown.length > 0) problems.push(`${name}: unknown letter ${unknown.join(', ')}; known are ${known}`);
    return new Set(text ?? '');
  };
  const debug = options.debug === undefined || options.debug === false ? null : letters('-d', options.debug === true ? 'A' : options.debug, DEBUG_LETTERS);
  const wishes: LogWishes = {
    syslog: letters('-l', options.syslog, LOG_LETTERS),
    stderr: letters('-L', options.log, LOG_LETTERS),
    json: options.json === true,
    debug,
  };
  const names = readNames(options, problems);
  const protectedNetworks = (options.protect ?? []).flatMap((text) => {
    const network = parseNetwork(text);
    if (!network) problems.push(`--protect: '${text}' is no network such as 192.0.2.0/24 (host bits must be zero)`);
    return network ? [networkText(network)] : [];
  });
  if (options.localAddress !== undefined) {
    const address = parseAddress(options.localAddress);
    if (address) protectedNetworks.push(addressText(address, 0, address.length));
    else problems.push(`-a: '${options.localAddress}' is no IP address`);
  }
  const buffer = options.buffer === undefined ? null : sizeBytes(options.buffer);
  if (options.buffer !== undefined && buffer === null) problems.push(`-b: '${options.buffer}' is no size such as 32k`);
  const interfaces = options.iface ?? insideInterfaces();
  for (const name of interfaces) if (!/^[A-Za-z0-9_.:-]{1,15}$/.test(name)) problems.push(`--iface: '${name}' is no interface name`);
  if (interfaces.length === 0) problems.push('no inside interface found: name it with --iface');
  const maxPeers = number('--max-peers', options.maxPeers, 200_000, 1, 4_000_000);
  const lockScope = options.lockScope ?? 'all';
  const observesUdp = options.blockUdp === false;
  const logs = wantedLetters(wishes);
  const settings: FtwallSettings = {
    interfaces,
    queue: number('--queue', options.queue, DEFAULT_QUEUE, 0, 0xfffe),
    lockScope,
    protectedNetworks,
    // Every refused connection can be logged only when each reaches the program.
    offloads: !logs.has('t'),
    observesUdp,
    watchesNames: names.length > 0,
    maxPeers,
    storeFile: options.store ?? null,
    clientFolder: options.clientDir ?? null,
    receiveBufferBytes: buffer,
    installsRules: options.rules !== false,
    machine: {
      observesUdp,
      lockScope,
      names,
      logs,
      lockMs: number('-t', options.lockTime, 120, 0, 86_400) * 1000,
      maxPeersPerClient: number('--max-peers-per-client', options.maxPeersPerClient, 2_000, 1, 4_000_000),
      peerAgeMs: number('--peer-age', options.peerAge, 86_400, 60, 31_536_000) * 1000,
      reply: options.reply === 'none' ? null : options.reply === '0x28' ? PONG : PONG_2,
    },
  };
  return problems.length > 0 ? problems : { settings, wishes, isForeground: options.foreground === true || debug !== null };
}

function readNames(options: FtwallOptions, problems: string[]): NamePattern[] {
  const names: NamePattern[] = [];
  for (const text of options.blockName ?? []) {
    const parsed = parseNamePattern(text);
    if (typeof parsed === 'string') problems.push(`--block-name: '${text}': ${parsed}`);
    else names.push(parsed);
  }
  if (options.dnsFile === undefined) return names;
  try {
    const file = parseTrainingFile(readFileSync(options.dnsFile, 'utf8'));
    // Bad lines are reported and skipped: the good ones protect already.
    for (const { line, problem } of file.problems) process.stderr.write(`ftwall: ${options.dnsFile} line ${line}: ${problem}; skipped\n`);
    names.push(...file.patterns);
  } catch (error) {
    problems.push(`-D: ${error instanceof Error ? error.message : String(error)}`);
  }
  return names;
}
