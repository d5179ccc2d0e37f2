/** Connections and results of cuts as text for terminals and as JSON lines. */
import { addressText } from '../../base/address.js';
import { type Connection, type Endpoint, isTranslated, legsOf } from '../../cutter/connection.js';
import type { Tuple } from '../../netlink/conntrack.js';
import type { ConnectionResult, CutReport } from '../../kernel/cut/cut-connections.js';
import type { Passage } from '../../kernel/cut/passages.js';
import { IPPROTO_TCP } from '../../wire/constants.js';
import { bytesText } from '../../report/table.js';

function endpointText({ address, port }: Endpoint): string {
  const text = addressText(address, 0, address.length);
  return address.length === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}

const sourceOf = (tuple: Tuple): Endpoint => ({ address: tuple.source, port: tuple.sourcePort });
const destinationOf = (tuple: Tuple): Endpoint => ({ address: tuple.destination, port: tuple.destinationPort });

function protocolText(protocol: number): string {
  return protocol === IPPROTO_TCP ? 'tcp' : protocol === 17 ? 'udp' : String(protocol);
}

/** `tcp 10.0.0.5:40443 > 192.0.2.7:443`, as its originator sees it. */
export function connectionText({ protocol, original }: Connection): string {
  return `${protocolText(protocol)} ${endpointText(sourceOf(original))} > ${endpointText(destinationOf(original))}`;
}

/** `3m`, `1.5h`; '' for null. */
function spanText(ms: number | null): string {
  if (ms === null) return '';
  const seconds = ms / 1000;
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${(seconds / 3600).toFixed(1)}h` : `${(seconds / 86_400).toFixed(1)}d`;
}

function totalBytes({ sentBytes, receivedBytes }: Connection): number | null {
  return sentBytes === null || receivedBytes === null ? null : sentBytes + receivedBytes;
}

/** Since the beginning; null when not known. */
function averageBitsPerSecond(connection: Connection): number | null {
  const bytes = totalBytes(connection);
  return bytes === null || connection.ageMs === null ? null : Math.round((bytes * 8000) / Math.max(connection.ageMs, 1000));
}

function rateText(rate: number | null): string {
  if (rate === null) return '';
  if (rate >= 1e6) return `${(rate / 1e6).toFixed(1)} Mbit/s`;
  return rate >= 1e3 ? `${(rate / 1e3).toFixed(1)} kbit/s` : `${rate} bit/s`;
}

export const LIST_COLUMNS = [
  { title: '' },
  { title: 'originator' },
  { title: 'responder' },
  { title: 'as the responder sees it' },
  { title: 'state' },
  { title: 'age', align: 'right' },
  { title: 'idle', align: 'right' },
  { title: 'bytes', align: 'right' },
  { title: 'rate', align: 'right' },
  { title: 'mark' },
] as const;

/** Cells of `LIST_COLUMNS`. `rate`: bits per second now. */
export function listRow(connection: Connection, rate: number | null): string[] {
  const { original, reply, protocol, state, mark, zone, sockets } = connection;
  const bytes = totalBytes(connection);
  const other = `${endpointText(destinationOf(reply))} > ${endpointText(sourceOf(reply))}`;
  const notes = [mark === 0 ? '' : `0x${mark.toString(16)}`, zone === 0 ? '' : `zone ${zone}`, sockets.length === 0 ? '' : 'local'];
  return [
    protocolText(protocol),
    endpointText(sourceOf(original)),
    endpointText(destinationOf(original)),
    isTranslated(connection) ? other : '',
    state ?? '',
    spanText(connection.ageMs),
    spanText(connection.idleMs),
    bytes === null ? '' : bytesText(bytes),
    rateText(rate),
    notes.filter((note) => note !== '').join(' '),
  ];
}

/** What would be done to the ends, for `--dry-run`. Datagrams have no ends to close. */
export function planLines(connection: Connection, passage: Passage): string[] {
  if (connection.protocol !== IPPROTO_TCP) return ['    delete its entry, and hold the pair'];
  return legsOf(connection).map(({ from, to }, i) => `    to ${endpointText(to)} as ${endpointText(from)}: ${passage[i]?.text ?? ''}`);
}

/** The same as JSON. */
export function planJson(connection: Connection, passage: Passage): Record<string, unknown>[] {
  if (connection.protocol !== IPPROTO_TCP) return [];
  return legsOf(connection).map(({ from, to }, i) => ({ to: endpointJson(to), from: endpointJson(from), iface: passage[i]?.interfaceName ?? null, plan: passage[i]?.text ?? '' }));
}

/** One line for one connection. */
export function resultLine({ connection, legs, isCut }: ConnectionResult): string {
  const name = connectionText(connection);
  if (legs.length === 0) return `${isCut ? 'deleted' : 'FAILED '}  ${name}`;
  if (!isCut) return `FAILED   ${name}  ${legs.map(({ to, reason }) => `${endpointText(to)} ${reason || 'is closed'}`).join('; ')}`;
  const ms = Math.max(...legs.map((leg) => leg.ms));
  const tries = Math.max(...legs.map((leg) => leg.tries));
  const methods = [...new Set(legs.map((leg) => leg.method))].join(', ');
  return `cut      ${name}  (${methods}, ${ms.toFixed(1)} ms${tries > 1 ? `, ${tries} tries` : ''})`;
}

export function countText(count: number): string {
  return count === 1 ? '1 connection' : `${count} connections`;
}

export function summaryLine({ results, cutMs, prepareMs }: CutReport): string {
  const cut = results.filter(({ isCut }) => isCut).length;
  const failed = results.length - cut;
  return `${countText(cut)} cut${failed === 0 ? '' : `, ${failed} failed`} in ${cutMs.toFixed(0)} ms (${prepareMs.toFixed(0)} ms to get ready)`;
}

/** Where the time went, on the clock of performance.timeOrigin and behind it. */
export interface CutTimes {
  /** When this process began, since 1970. */
  readonly startedAtMs: number;
  /** From there to the first thing done for the user. */
  readonly startupMs: number;
  readonly discoverMs: number;
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10;

export function summaryJson({ results, prepareMs, cutMs }: CutReport, { startedAtMs, startupMs, discoverMs }: CutTimes): Record<string, unknown> {
  const cut = results.filter(({ isCut }) => isCut).length;
  return {
    type: 'summary',
    matched: results.length,
    cut,
    failed: results.length - cut,
    started_at_ms: tenths(startedAtMs),
    startup_ms: tenths(startupMs),
    discover_ms: tenths(discoverMs),
    prepare_ms: tenths(prepareMs),
    cut_ms: tenths(cutMs),
  };
}

const endpointJson = ({ address, port }: Endpoint): { ip: string; port: number } => ({
  ip: addressText(address, 0, address.length),
  port,
});

export function connectionJson(connection: Connection): Record<string, unknown> {
  const { original, reply, protocol, state, mark, zone, ageMs, idleMs, sentBytes, receivedBytes, sockets } = connection;
  return {
    proto: protocolText(protocol),
    state,
    original: { src: endpointJson(sourceOf(original)), dst: endpointJson(destinationOf(original)) },
    reply: { src: endpointJson(sourceOf(reply)), dst: endpointJson(destinationOf(reply)) },
    nat: isTranslated(connection),
    local: sockets.length > 0,
    mark,
    zone,
    age_ms: ageMs,
    idle_ms: idleMs,
    bytes_toserver: sentBytes,
    bytes_toclient: receivedBytes,
    average_bps: averageBitsPerSecond(connection),
  };
}

export function resultJson({ connection, legs, isCut }: ConnectionResult): Record<string, unknown> {
  return {
    type: 'cut',
    cut: isCut,
    ...connectionJson(connection),
    legs: legs.map(({ to, outcome, method, interfaceName, tries, ms, reason }) => ({
      to: endpointJson(to),
      outcome,
      verified: outcome === 'closed' || outcome === 'destroyed',
      method,
      iface: interfaceName === '' ? null : interfaceName,
      tries,
      ms: Math.round(ms * 1000) / 1000,
      reason: reason === '' ? null : reason,
    })),
  };
}
