/** How fast connections move data now: their counters, looked at twice. Sends nothing. */
import { type Connection, tupleKey } from '../../cutter/connection.js';
import type { Selection } from '../../cutter/selection.js';
import { discover } from './discover.js';

/** Long enough for several round trips, short enough to wait for. */
const SAMPLE_MS = 500;

const key = ({ protocol, zone, original }: Connection): string => tupleKey(protocol, zone, original);

const bytesOf = ({ sentBytes, receivedBytes }: Connection): number | null => (sentBytes === null || receivedBytes === null ? null : sentBytes + receivedBytes);

/**
 * Bits per second of both directions together over the next half second, for connections of `selection` seen at `seenAtMs` (of
 * performance.now). Those that are not counted (nf_conntrack_acct), or gone by then, have none. Throws as `discover`.
 */
export async function measureRates(selection: Selection, connections: readonly Connection[], seenAtMs: number): Promise<ReadonlyMap<Connection, number>> {
  const rates = new Map<Connection, number>();
  const counted = connections.filter((connection) => bytesOf(connection) !== null);
  if (counted.length === 0) return rates;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, seenAtMs + SAMPLE_MS - performance.now())));
  const now = discover(selection).connections;
  const seconds = (performance.now() - seenAtMs) / 1000;
  const later = new Map(now.map((connection) => [key(connection), bytesOf(connection)]));
  for (const connection of counted) {
    const [before, after] = [bytesOf(connection), later.get(key(connection)) ?? null];
    // An entry that began anew counts from zero.
    if (before !== null && after !== null && after >= before) rates.set(connection, Math.round(((after - before) * 8) / seconds));
  }
  return rates;
}
