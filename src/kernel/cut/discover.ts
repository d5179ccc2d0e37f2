/**
 * Finds the connections that a selection means: in connection tracking, and among the
 * sockets of this machine that connection tracking does not see.
 *
 * The session in which cutter itself was started (SSH) is never among them.
 */
import { type Connection, type ConntrackTimeouts, connectionOfEntry, connectionOfSocket, legSocketKey, legsOf, socketKey } from '../../cutter/connection.js';
import { type Selection, isSelected } from '../../cutter/selection.js';
import type { ConntrackEntry, TcpState } from '../../netlink/conntrack.js';
import type { LocalSocket } from '../../netlink/sock-diag.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/constants.js';
import { type Conntrack, ConntrackTable } from '../conntrack.js';
import { EINVAL } from '../errno.js';
import { SocketTable } from '../socket-table.js';
import { readSysctl } from '../sysctl.js';
import { SystemError } from '../system-error.js';
import { findEntries } from './find-entries.js';
import { ownSessionKey } from './own-session.js';

const readSetting = (name: string): number | undefined => readSysctl(`net.netfilter.nf_conntrack_${name}`);

/** What a search found, and what it could not see. */
export interface Discovery {
  readonly connections: readonly Connection[];
  /** How many entries the table has; null when there is no connection tracking. */
  readonly tracked: number | null;
  /** True when the SSH session of this very command was among the matches and left out. */
  readonly keptOwnSession: boolean;
}

/** The timeouts in force in this network namespace, of what is selected. */
function readTimeouts({ protocols, states }: Selection): ConntrackTimeouts {
  const [hasTcp, hasUdp] = [protocols.includes(IPPROTO_TCP), protocols.includes(IPPROTO_UDP)];
  const tcp: Partial<Record<TcpState, number>> = {};
  for (const state of hasTcp ? states : []) {
    const seconds = readSetting(`tcp_timeout_${state.toLowerCase()}`);
    if (seconds !== undefined) tcp[state] = seconds;
  }
  return {
    tcp,
    unacknowledged: hasTcp ? [readSetting('tcp_timeout_unacknowledged') ?? 0, readSetting('tcp_timeout_max_retrans') ?? 0] : [],
    udp: hasUdp ? (readSetting('udp_timeout') ?? 0) : 0,
    udpStream: hasUdp ? (readSetting('udp_timeout_stream') ?? 0) : 0,
  };
}

function openTable(): Conntrack | null {
  try {
    return new ConntrackTable();
  } catch (error) {
    if (error instanceof SystemError && error.code !== 'ERR_NOT_PERMITTED') return null;
    throw error;
  }
}

/** Entries that can match; null when nobody knows about connections here. */
function readEntries(table: Conntrack | null, selection: Selection, tracked: number): Iterable<ConntrackEntry> | null {
  try {
    return table && findEntries(table, selection, tracked);
  } catch (error) {
    // nfnetlink_rcv_msg: a request to a part of netfilter that this kernel does not have.
    if (error instanceof SystemError && error.errno === EINVAL) return null;
    throw error;
  } finally {
    table?.close();
  }
}

/** Matches of `selection`. Throws SystemError (ERR_NOT_PERMITTED without CAP_NET_ADMIN). */
export function discover(selection: Selection, table = openTable()): Discovery {
  const nowMs = Date.now();
  const timeouts = readTimeouts(selection);
  const count = readSetting('count') ?? 0;
  const entries = readEntries(table, selection, count);
  const sockets = readSockets(selection);
  // Only asked where sockets of this machine are among the matches.
  let ownKey: string | null | undefined;
  let keptOwnSession = false;
  const connections: Connection[] = [];
  const consider = (connection: Connection): void => {
    if (!isSelected(selection, connection)) return;
    if (connection.sockets.length > 0) ownKey ??= ownSessionKey();
    if (connection.sockets.some((socket) => socketKey(socket) === ownKey)) keptOwnSession = true;
    else connections.push(connection);
  };
  for (const entry of entries ?? []) {
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
  return { connections, tracked: entries && count, keptOwnSession };
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
