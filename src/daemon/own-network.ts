/**
 * This machine's own addresses and inside interfaces, as the kernel lists them in /proc: also of interfaces that are not
 * running yet (`os.networkInterfaces` leaves those out, and a daemon started at boot would miss them).
 *
 * The readers take text, so that they can be tested; `read*` open the files.
 */
import { readFileSync } from 'node:fs';
import { addressText, isInNetwork, parseNetwork, type Network } from '../base/address.js';
import { fromHex } from '../base/bytes.js';

/** RFC 1918. */
const PRIVATE_NETWORKS = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(parseNetwork).filter((network): network is Network => network !== null);

interface Route {
  readonly name: string;
  /** 4 bytes, network order. */
  readonly destination: Uint8Array;
  readonly hasGateway: boolean;
  readonly isDefault: boolean;
}

/** proc(5) net/route: Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT; numbers as the host stores them. */
function routes(text: string): Route[] {
  return text.split('\n').slice(1).flatMap((line) => {
    const [name, destination, gateway, , , , , mask] = line.split(/\s+/);
    if (!name || !/^[0-9A-F]{8}$/.test(destination ?? '')) return [];
    return [{ name, destination: fromHex(destination ?? '').reverse(), hasGateway: gateway !== '00000000', isDefault: destination === '00000000' && mask === '00000000' }];
  });
}

/** Interfaces with a private network directly behind them, by which no default route leaves. */
export function insideInterfacesOf(routeText: string): string[] {
  const all = routes(routeText);
  const outside = new Set(all.filter((route) => route.isDefault).map((route) => route.name));
  const inside = all.filter((route) => !route.hasGateway && !route.isDefault && !outside.has(route.name) && PRIVATE_NETWORKS.some((network) => isInNetwork(network, route.destination, 0, 4)));
  return [...new Set(inside.map((route) => route.name))];
}

/** Own addresses: `fib_trie` lists IPv4 ones as `/32 host LOCAL`, `if_inet6` has one IPv6 address a line. */
export function ownAddressesOf(fibTrieText: string, ifInet6Text: string): string[] {
  const own = [...fibTrieText.matchAll(/\|-- ([0-9.]+)\n\s+\/32 host LOCAL/g)].map((found) => found[1] ?? '');
  for (const [hex] of ifInet6Text.matchAll(/^[0-9a-f]{32}/gm)) own.push(addressText(fromHex(hex), 0, 16));
  return [...new Set(own)];
}

function readProc(name: string): string {
  try {
    return readFileSync(`/proc/net/${name}`, 'utf8');
  } catch (error) {
    // Absent when the kernel has no IPv6.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

export function readInsideInterfaces(): string[] {
  return insideInterfacesOf(readProc('route'));
}

export function readOwnAddresses(): string[] {
  return ownAddressesOf(readProc('fib_trie'), readProc('if_inet6'));
}
