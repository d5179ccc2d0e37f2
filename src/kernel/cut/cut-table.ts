/**
 * The kernel rules that a cut may need, in tables that vanish with the process that
 * made them (`owned-table.ts`): nothing is left behind, whatever ends us, and
 * the administrator's rules are not touched.
 *
 * - connections in a set are dropped between their ends (their numbers stand still), or answered with RST;
 * - held pairs of client and service are refused for a time, by a table that outlives us for that time.
 *
 * Connections are matched by the original tuple of connection tracking, so NAT does not matter and no marks are used.
 */
import type { Connection } from '../../cutter/connection.js';
import {
  type Expression,
  type Hook,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  addChain,
  addRule,
  addSet,
  connectionKey,
  drop,
  isConnectionIn,
  isFamily,
  isNewConnection,
  isServiceIn,
  isTransport,
  rejectWithReset,
  rejectWithUnreachable,
  serviceKey,
} from '../../netlink/nftables.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/constants.js';
import { OwnedTable, type TablePart } from '../owned-table.js';

// In front of filter (0), so that nobody's verdict comes first; behind connection tracking (-200) and DNAT (-100).
const PRIORITY = -10;
const FAMILIES = [NFPROTO_IPV4, NFPROTO_IPV6] as const;

let tableCount = 0;
/** Owned tables of one process need different names. */
function tableName(purpose: string): string {
  return `p2pwall-${purpose}-${process.pid}-${tableCount++}`;
}

const setOf = (family: number): string => (family === NFPROTO_IPV4 ? 'ipv4' : 'ipv6');
const familyOf = (ipVersion: 4 | 6): number => (ipVersion === 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);

function sets(table: string, kind: 'connection' | 'service'): TablePart[] {
  return FAMILIES.map((family, i) => (writer, sequence) => {
    addSet(writer, table, setOf(family), `${kind}${family === NFPROTO_IPV4 ? 4 : 6}`, i + 1, sequence);
  });
}

function rule(table: string, hook: Hook, expressions: readonly Expression[]): TablePart {
  return (writer, sequence) => addRule(writer, table, hook, expressions, sequence);
}

function chain(table: string, hook: Hook): TablePart {
  return (writer, sequence) => addChain(writer, table, hook, PRIORITY, sequence);
}

/** Stops TCP connections between their ends. */
export class CutTable {
  private readonly table: OwnedTable;

  /** `drop`: silently; `reject`: each packet is answered with a RST to its sender. Throws SystemError. */
  constructor(how: 'drop' | 'reject') {
    const name = tableName('cut');
    const verdict = how === 'drop' ? drop() : rejectWithReset();
    this.table = new OwnedTable(name, [
      ...sets(name, 'connection'),
      chain(name, 'forward'),
      ...FAMILIES.map((family) =>
        rule(name, 'forward', [...isFamily(family), ...isTransport(IPPROTO_TCP), ...isConnectionIn(setOf(family), family), verdict]),
      ),
    ]);
  }

  add(connections: readonly Connection[]): void {
    for (const family of FAMILIES) {
      const keys = connections
        .filter(({ ipVersion }) => familyOf(ipVersion) === family)
        .map(({ original }) => connectionKey(original.source, original.destination, original.sourcePort, original.destinationPort));
      if (keys.length > 0) this.table.add(setOf(family), keys, 0);
    }
  }

  close(): void {
    this.table.close();
  }
}

/**
 * Refuses new connections of the same client to the same service (address, port, protocol) for `seconds`,
 * in the kernel; other connections of both live on. Returns at once; the table vanishes by itself. Throws SystemError.
 */
export function holdConnections(connections: readonly Connection[], seconds: number): void {
  const name = tableName('hold');
  const hooks: readonly Hook[] = ['forward', 'input', 'output'];
  const rules: TablePart[] = [];
  for (const hook of hooks) {
    rules.push(chain(name, hook));
    for (const family of FAMILIES) {
      for (const direction of ['to', 'from'] as const) {
        const isHeld = [...isFamily(family), ...isNewConnection(), ...isServiceIn(setOf(family), family, direction)];
        rules.push(rule(name, hook, [...isHeld, ...isTransport(IPPROTO_TCP), rejectWithReset()]));
        rules.push(rule(name, hook, [...isHeld, ...isTransport(IPPROTO_UDP), rejectWithUnreachable()]));
      }
    }
  }
  const table = new OwnedTable(name, [...sets(name, 'service'), ...rules]);
  for (const family of FAMILIES) {
    const keys = new Map<string, Uint8Array>();
    for (const { ipVersion, original, reply, protocol } of connections) {
      if (familyOf(ipVersion) !== family) continue;
      // In the forward hook packets go from the client as it is to the server as it is.
      const key = serviceKey(original.source, reply.source, protocol, reply.sourcePort);
      keys.set(key.join(), key);
    }
    if (keys.size > 0) table.add(setOf(family), [...keys.values()], seconds * 1000);
  }
  table.keepFor(seconds);
}
