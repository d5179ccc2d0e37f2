/**
 * Names and numbers of network interfaces: which are inside, and which are outside when
 * the configuration does not say. Numbers change when interfaces come and go: refreshed on a timer.
 */
import { readFileSync, readdirSync } from 'node:fs';

function interfaceNames(): string[] {
  try {
    return readdirSync('/sys/class/net');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Interface number of a name, 0 when it is gone. */
function interfaceIndex(name: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'latin1'));
  } catch {
    // Gone between listing and reading; entries that are no interfaces (bonding_masters) end here too.
    return 0;
  }
}

/** Names that a list of names and `prefix+` patterns (as iptables has them) covers. */
export function matchingInterfaces(patterns: readonly string[], names: readonly string[] = interfaceNames()): string[] {
  const covers = (pattern: string, name: string): boolean => (pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern);
  return names.filter((name) => patterns.some((pattern) => covers(pattern, name)));
}

/** Interfaces of default routes, as /proc/net/route (IPv4) and /proc/net/ipv6_route have them. */
export function defaultRouteInterfaces(route4: string, route6: string): string[] {
  const found = new Set<string>();
  for (const line of route4.split('\n').slice(1)) {
    const [name = '', destination, , , , , , mask] = line.trim().split(/\s+/);
    if (destination === '00000000' && mask === '00000000') found.add(name);
  }
  for (const line of route6.split('\n')) {
    const fields = line.trim().split(/\s+/);
    // Destination ::/0 with a gateway: not the unreachable route that every system has.
    if (/^0{32}$/.test(fields[0] ?? '') && fields[1] === '00' && !/^0{32}$/.test(fields[4] ?? '0')) found.add(fields[9] ?? '');
  }
  found.delete('');
  found.delete('lo');
  return [...found];
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // A kernel without IPv6 has no such file.
    return '';
  }
}

/** Outside interfaces: those named, or those of the default routes that are not inside. */
export function outsideInterfaces(outside: readonly string[], inside: readonly string[]): string[] {
  if (outside.length > 0) return matchingInterfaces(outside);
  const own = new Set(matchingInterfaces(inside));
  return defaultRouteInterfaces(readOrEmpty('/proc/net/route'), readOrEmpty('/proc/net/ipv6_route')).filter((name) => !own.has(name));
}

export class InsideInterfaces {
  readonly #patterns: readonly string[];
  #indexes: ReadonlySet<number> = new Set();

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns;
    this.refresh();
  }

  refresh(): void {
    this.#indexes = new Set(matchingInterfaces(this.#patterns).map(interfaceIndex).filter((index) => index > 0));
  }

  /** Names of those that exist now. */
  get count(): number {
    return this.#indexes.size;
  }

  has(interfaceIndex: number): boolean {
    return this.#indexes.has(interfaceIndex);
  }
}
