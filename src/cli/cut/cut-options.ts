/**
 * Words and options of `cutter` and `p2pwall cut`: one definition for both, and
 * their translation into a selection. All mistakes are collected before anything is said.
 */
import { type Command, Option } from 'commander';
import {
  type Names,
  type Parsed,
  type Problem,
  parseByteRange,
  parseDuration,
  parseDurationRange,
  parseMark,
  parsePositional,
  parseProtocols,
  parseStates,
} from '../../cutter/arguments.js';
import type { Method } from '../../cutter/cut-machine.js';
import { ALL_CONNECTIONS, type Selection, includesUdp, namesNothing } from '../../cutter/selection.js';
import { IPPROTO_UDP } from '../../wire/constants.js';

/** As commander delivers them. */
export interface CutOptions {
  readonly iface?: string[];
  readonly state?: string;
  readonly age?: string;
  readonly idle?: string;
  readonly bytes?: string;
  readonly mark?: string;
  readonly proto?: string;
  readonly udp?: boolean;
  readonly all?: boolean;
  readonly list?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly timeout: string;
  readonly hold?: string;
  readonly p2p?: string;
  readonly socket?: string;
  readonly method: Method | 'auto';
}

/** What is to be done. */
export interface CutPlan {
  readonly selection: Selection;
  /** Interface names; empty: any. */
  readonly interfaces: readonly string[];
  readonly timeoutMs: number;
  readonly holdSeconds: number;
  readonly heldProtocols: readonly number[];
  readonly method: Method | 'auto';
}

const collect = (value: string, previous: string[] | undefined): string[] => [...(previous ?? []), ...value.split(',')];

export function addCutOptions(command: Command): Command {
  return command
    .argument('[IP...]', 'IP [PORT [IP [PORT]]]: address, network or host name; port, range, list or service; 0 means any')
    .option('-l, --list', 'show what would be cut, and cut nothing')
    .option('-n, --dry-run', 'show also how it would be cut, and cut nothing')
    .option('-y, --yes', 'do not ask before many connections are cut')
    .option('-j, --json', 'one JSON object for each connection, then a summary')
    .option('-q, --quiet', 'print failures only')
    .option('--iface <NAME>', 'only connections through this interface (may be repeated)', collect)
    .option('--proto <LIST>', 'tcp (default), udp or tcp,udp')
    .option('--udp', 'the same as --proto udp: entries are deleted, and held')
    .option('--state <LIST>', 'only TCP connections in these states, as conntrack(8) names them, or all')
    .option('--age <TIME>', 'only connections so old: 10m (at least), <30s (at most), 5m-1h')
    .option('--idle <TIME>', 'only connections without traffic for so long')
    .option('--bytes <SIZE>', 'only connections that moved so much: 10M (at least), <1k (at most), 1M-1G')
    .option('--mark <MARK[/MASK]>', 'only connections with this connection mark')
    .option('--p2p <PROTOCOL>', 'only connections that the running wall knows as this protocol or category, or any')
    .option('--socket <PATH>', "with --p2p: the wall's control socket")
    .option('--all', 'allow a selection that names no address, port or mark')
    .option('--hold <SECONDS>', 'refuse new connections of the same client to the same service for so long')
    .option('--timeout <SECONDS>', 'give up connections whose ends do not answer', '5')
    .addOption(
      new Option('--method <METHOD>', 'how sequence numbers are learnt').choices(['auto', 'window', 'challenge', 'reject']).default('auto'),
    );
}

/** Held for so long when UDP is cut and nothing else is said: without, the next datagram makes a new entry. */
const UDP_HOLD_SECONDS = 30;
const MAX_HOLD_MS = 7 * 86_400_000;
const MAX_TIMEOUT_MS = 600_000;

/** The plan, or everything that is wrong. */
export function planOf(words: readonly string[], options: CutOptions, names: Names): { plan: CutPlan } | { problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const take = <T>(parsed: Parsed<T> | null, otherwise: T): T => {
    if (parsed?.problem) problems.push(parsed.problem);
    return parsed === null || parsed.problem ? otherwise : parsed.value;
  };
  const optional = <T>(name: string, text: string | undefined, parse: (text: string) => Parsed<T>): Parsed<T> | null => {
    const parsed = text === undefined ? null : parse(text);
    return parsed?.problem ? { problem: { ...parsed.problem, message: `--${name}: ${parsed.problem.message}` } } : parsed;
  };
  if (options.udp === true && options.proto !== undefined) {
    problems.push({ message: '--udp and --proto contradict each other', hint: 'use --proto tcp,udp for both' });
  }
  const selection: Selection = {
    ends: take(parsePositional(words, names), ALL_CONNECTIONS.ends),
    protocols: take(optional('proto', options.udp === true ? 'udp' : options.proto, parseProtocols), ALL_CONNECTIONS.protocols),
    states: take(optional('state', options.state, parseStates), ALL_CONNECTIONS.states),
    ageMs: take(optional('age', options.age, parseDurationRange), null),
    idleMs: take(optional('idle', options.idle, parseDurationRange), null),
    bytes: take(optional('bytes', options.bytes, parseByteRange), null),
    mark: take(optional('mark', options.mark, parseMark), null),
  };
  const timeoutMs = take(optional('timeout', options.timeout, (text) => parseSpan(text, MAX_TIMEOUT_MS)), 0);
  const holdMs = take(optional('hold', options.hold, (text) => parseSpan(text, MAX_HOLD_MS)), 0);
  const interfaces = options.iface ?? [];
  if (problems.length === 0 && options.all !== true && options.p2p === undefined && interfaces.length === 0 && namesNothing(selection)) {
    problems.push({
      message: 'this selection names nothing: it means every connection through this machine',
      hint: 'name an address, a port, a mark or an interface, or add --all',
    });
  }
  if (problems.length > 0) return { problems };
  const isUdpHeld = includesUdp(selection) && options.hold === undefined;
  const holdSeconds = isUdpHeld ? UDP_HOLD_SECONDS : Math.ceil(holdMs / 1000);
  const heldProtocols = isUdpHeld ? [IPPROTO_UDP] : selection.protocols;
  return { plan: { selection, interfaces, timeoutMs, holdSeconds, heldProtocols, method: options.method } };
}

function parseSpan(text: string, mostMs: number): Parsed<number> {
  const ms = parseDuration(text);
  if (ms !== null && ms > 0 && ms <= mostMs) return { value: ms };
  return { problem: { message: `'${text}' is not a span of time`, hint: `seconds, or with a unit as in 10m, more than 0 and at most ${mostMs / 1000} s` } };
}
