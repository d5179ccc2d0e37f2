/**
 * Finds the connections that a selection means: in connection tracking, and among the
 * sockets of this machine that connection tracking does not see.
 *
 * The session in which cutter itself was started (SSH) is never among them.
 */
import { readFileSync } from 'node:fs';
import { parseAddress } from '../../base/address.js';
import { type Connection, connectionOfEntry, connectionOfSocket, endsKey, legSocketKey, legsOf, socketKey, unmapped } from '../../cutter/connection.js';
import type { ConntrackTimeouts } from '../../cutter/connection.js';
import { type Selection, isSelected, singleAddress } from '../../cutter/selection.js';
import { type ConntrackEntry, TCP_STATES, type TcpState } from '../../netlink/conntrack.js';
import type { DumpFilter } from '../../netlink/conntrack-request.js';
import type { LocalSocket } from '../../netlink/sock-diag.js';
import { IPPROTO_TCP } from '../../wire/constants.js';
import { type Conntrack, ConntrackTable } from '../conntrack.js';
import { SocketTable } from '../socket-table.js';
import { SystemError } from '../system-error.js';

const SYSCTLS = '/proc/sys/net/netfilter';

/** What a search found, and what it could not see. */
export interface Discovery {
  readonly connections: readonly Connection[];
  /** Entries of the table that were looked at; null when there is no connection tracking. */
  readonly tracked: number | null;
  readonly isForwarding: boolean;
  /** True when the SSH session of this very command was among the matches and left out. */
  readonly keptOwnSession: boolean;
  /** False: ages are unknown (nf_conntrack_timestamp), bytes are unknown (nf_conntrack_acct). */
  readonly hasAges: boolean;
  readonly hasCounters: boolean;
}

function readSetting(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'latin1'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The timeouts in force in this network namespace. */
function readTimeouts(): ConntrackTimeouts {
  const tcp: Partial<Record<TcpState, number>> = {};
  for (const state of TCP_STATES) {
    const seconds = readSetting(`${SYSCTLS}/nf_conntrack_tcp_timeout_${state.toLowerCase()}`);
    if (seconds !== undefined) tcp[state] = seconds;
  }
  return {
    tcp,
    udp: readSetting(`${SYSCTLS}/nf_conntrack_udp_timeout`) ?? 0,
    udpStream: readSetting(`${SYSCTLS}/nf_conntrack_udp_timeout_stream`) ?? 0,
  };
}

/** A table of so many entries is read whole faster than searched four times for an address. */
const SMALL_TABLE = 20_000;

/** Entries that can match; each once. In large tables the kernel searches for addresses of a selection, in both views and both directions. */
function readEntries(table: Conntrack, selection: Selection, tracked: number): Iterable<ConntrackEntry> {
  const entries = new Map<number | string, ConntrackEntry>();
  const keep = (entry: ConntrackEntry): void => {
    if (!selection.protocols.includes(entry.protocol)) return;
    // The kernel's numbers are hashes: nearly always enough.
    const known = entries.get(entry.id);
    if (entry.id !== 0 && (known === undefined || isSameEntry(known, entry))) entries.set(entry.id, entry);
    else entries.set(entryKey(entry), entry);
  };
  const address = singleAddress(selection);
  if (address === null || tracked <= SMALL_TABLE) {
    table.dump(address === null ? 0 : address.length === 4 ? 4 : 6, selection.mark ? { mark: selection.mark } : {}, keep);
    return entries.values();
  }
  for (const tuple of ['original', 'reply'] as const) {
    for (const side of ['source', 'destination'] as const) {
      const filter: DumpFilter = { address: { tuple, side, value: address } };
      table.dump(address.length === 4 ? 4 : 6, filter, keep);
    }
  }
  return entries.values();
}

function isSameEntry(a: ConntrackEntry, b: ConntrackEntry): boolean {
  const [one, other] = [a.original, b.original];
  return one.sourcePort === other.sourcePort && one.destinationPort === other.destinationPort && entryKey(a) === entryKey(b);
}

function entryKey({ protocol, originalZone, original }: ConntrackEntry): string {
  const { source, destination, sourcePort, destinationPort } = original;
  return `${originalZone} ${endsKey(protocol, { address: source, port: sourcePort }, { address: destination, port: destinationPort })}`;
}

function openTable(): Conntrack | null {
  try {
    return new ConntrackTable();
  } catch (error) {
    if (error instanceof SystemError && error.code !== 'ERR_NOT_PERMITTED') return null;
    throw error;
  }
}

/** The four words of SSH_CONNECTION of this process or the nearest ancestor that has it (sudo removes it from its child). */
function sshSession(): readonly string[] | null {
  let pid = process.pid;
  for (let depth = 0; pid > 1 && depth < 16; depth++) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      const found = /(?:^|\0)SSH_CONNECTION=([^\0]*)/.exec(environment)?.[1];
      if (found !== undefined) return found.split(' ');
      // Fourth field of stat; the second one is in brackets and may hold anything.
      pid = Number(readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) \S+ /s, '').split(' ')[0]);
    } catch (error) {
      if (!['ENOENT', 'EACCES', 'EPERM', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      return null;
    }
  }
  return null;
}

function ownSessionKey(): string | null {
  const [client = '', clientPort, server = '', serverPort] = sshSession() ?? [];
  const clientAddress = parseAddress(client);
  const serverAddress = parseAddress(server);
  if (!clientAddress || !serverAddress) return null;
  const local = { address: unmapped(serverAddress), port: Number(serverPort) };
  return endsKey(IPPROTO_TCP, local, { address: unmapped(clientAddress), port: Number(clientPort) });
}

/** Matches of `selection`. Throws SystemError (ERR_NOT_PERMITTED without CAP_NET_ADMIN). */
export function discover(selection: Selection): Discovery {
  const table = openTable();
  const nowMs = Date.now();
  const timeouts = readTimeouts();
  let entries: Iterable<ConntrackEntry> = [];
  let tracked: number | null = null;
  if (table) {
    try {
      tracked = readSetting(`${SYSCTLS}/nf_conntrack_count`) ?? 0;
      entries = readEntries(table, selection, tracked);
    } finally {
      table.close();
    }
  }
  const sockets = readSockets(selection);
  const ownKey = ownSessionKey();
  let keptOwnSession = false;
  const connections: Connection[] = [];
  const consider = (connection: Connection): void => {
    if (!isSelected(selection, connection)) return;
    if (ownKey !== null && connection.sockets.some((socket) => socketKey(socket) === ownKey)) keptOwnSession = true;
    else connections.push(connection);
  };
  for (const entry of entries) {
    const connection = connectionOfEntry(entry, nowMs, timeouts);
    if (sockets.size === 0) {
      consider(connection);
      continue;
    }
    const local: LocalSocket[] = [];
    for (const leg of legsOf(connection)) {
      const key = legSocketKey(connection.protocol, leg);
      const socket = sockets.get(key);
      if (socket) local.push(socket);
      sockets.delete(key);
    }
    consider({ ...connection, sockets: local });
  }
  // Each loopback connection has two sockets: the one whose other half is listed goes with it.
  const seen = new Set<string>();
  for (const [key, socket] of sockets) {
    const connection = connectionOfSocket(socket);
    const other = sockets.get(legSocketKey(connection.protocol, legsOf(connection)[1]));
    if (other && seen.has(socketKey(other))) continue;
    seen.add(key);
    consider(other ? { ...connection, sockets: [socket, other] } : connection);
  }
  return {
    connections,
    tracked,
    isForwarding: readSetting('/proc/sys/net/ipv4/ip_forward') === 1 || readSetting('/proc/sys/net/ipv6/conf/all/forwarding') === 1,
    keptOwnSession,
    hasAges: readSetting(`${SYSCTLS}/nf_conntrack_timestamp`) === 1,
    hasCounters: readSetting(`${SYSCTLS}/nf_conntrack_acct`) === 1,
  };
}

/** TCP sockets by their ends. */
function readSockets(selection: Selection): Map<string, LocalSocket> {
  const sockets = new Map<string, LocalSocket>();
  if (!selection.protocols.includes(IPPROTO_TCP)) return sockets;
  const table = new SocketTable();
  try {
    for (const socket of table.list(IPPROTO_TCP)) sockets.set(socketKey(socket), socket);
  } finally {
    table.close();
  }
  return sockets;
}
