/**
 * Where a packet must be sent so that it arrives: interface and link-layer address
 * of the next hop, as the forwarding path would choose them.
 *
 * Policy routing by source, mark and input interface is followed; so are several uplinks, gateways of
 * the other family, VRFs, and links without link-layer addresses (tun, PPP). A cold neighbour
 * cache is warmed: the kernel is made to ask, and the answer awaited.
 */
import { addressText } from '../base/address.js';
import { u16 } from '../base/bytes.js';
import {
  ARPHRD_LOOPBACK,
  type Link,
  type Neighbour,
  RTN_LOCAL,
  RTN_UNICAST,
  type Route,
  RouteDecoder,
  type RouteQuery,
  dumpLinks,
  getNeighbour,
  lookupRoute,
  solicitNeighbour,
} from '../netlink/route.js';
import { ENETUNREACH, ENOENT, errnoMeaning, errnoName } from './errno.js';
import type { Libc } from './libc.js';
import { NETLINK_ROUTE, NetlinkSocket } from './netlink-socket.js';

export type NextHop =
  | { readonly kind: 'link'; readonly interfaceIndex: number; readonly linkAddress: Uint8Array | null }
  /** The destination is this machine. */
  | { readonly kind: 'local' }
  | { readonly kind: 'unreachable'; readonly reason: string };

// The kernel itself gives up after three requests a second apart (mcast_solicit, retrans_time).
const NEIGHBOUR_WAIT_MS = 3200;
const NEIGHBOUR_POLL_MS = 5;

const text = (address: Uint8Array): string => addressText(address, 0, address.length);

/** The bytes of all three, in 16-bit units. */
function hopKey(destination: Uint8Array, source: Uint8Array, mark: number): string {
  let key = String.fromCharCode(mark >>> 16, mark & 0xffff);
  for (const address of [destination, source]) {
    for (let i = 0; i + 1 < address.length; i += 2) key += String.fromCharCode(u16(address, i));
  }
  return key;
}

export class NextHops {
  private readonly socket: NetlinkSocket;
  private readonly decoder = new RouteDecoder();
  private readonly links = new Map<number, Link>();
  private readonly vrfs: readonly number[];
  private readonly found = new Map<string, NextHop | Promise<NextHop>>();

  /** Reads the list of links; later changes of links are not followed. Throws SystemError. */
  constructor(libc?: Libc) {
    this.socket = NetlinkSocket.open(NETLINK_ROUTE, libc ? { libc } : {});
    const { socket, decoder } = this;
    socket.writer.reset();
    dumpLinks(socket.writer, socket.nextSequence());
    socket.dump(socket.writer, 'list the network interfaces', (bytes, at, end) => {
      const link = decoder.link(bytes, at, end);
      if (link) this.links.set(link.index, link);
    });
    this.vrfs = [...this.links.values()].filter(({ kind }) => kind === 'vrf').map(({ index }) => index);
  }

  /** Name of an interface, '' if unknown. */
  interfaceName(index: number): string {
    return this.links.get(index)?.name ?? '';
  }

  interfaceNames(): string[] {
    return [...this.links.values()].map(({ name }) => name);
  }

  /** Route of a packet from `source` (which need not be ours) to `destination`; a positive errno when there is none. */
  route(destination: Uint8Array, source: Uint8Array, mark: number): Route | number {
    let best = this.routeOutsideVrfs(destination, source, mark);
    let bestBits = this.vrfs.length === 0 ? 0 : this.knownBits(destination, source, { mark });
    // A connection lies in one VRF or in none: where more of both addresses is known.
    for (const outputInterface of this.vrfs) {
      const bits = this.knownBits(destination, source, { mark, outputInterface });
      if (bits <= bestBits) continue;
      best = this.lookup({ destination, mark, outputInterface });
      bestBits = bits;
    }
    return best;
  }

  /**
   * Resolves once for each destination, source and mark; waits for the neighbour if need be. A promise until then: thousands of
   * connections share few next hops.
   */
  resolve(destination: Uint8Array, source: Uint8Array, mark: number): NextHop | Promise<NextHop> {
    const key = hopKey(destination, source, mark);
    const known = this.found.get(key);
    if (known) return known;
    const hop = this.find(destination, source, mark).then((found) => {
      this.found.set(key, found);
      return found;
    });
    this.found.set(key, hop);
    return hop;
  }

  close(): void {
    this.socket.close();
  }

  private async find(destination: Uint8Array, source: Uint8Array, mark: number): Promise<NextHop> {
    const route = this.route(destination, source, mark);
    if (typeof route === 'number') {
      return { kind: 'unreachable', reason: `no route to ${text(destination)}: ${errnoMeaning(route) ?? errnoName(route)}` };
    }
    if (route.type === RTN_LOCAL) return { kind: 'local' };
    if (route.type !== RTN_UNICAST) return { kind: 'unreachable', reason: `the route to ${text(destination)} is a dead end` };
    const link = this.links.get(route.outputInterface);
    if (!link) return { kind: 'unreachable', reason: `interface ${route.outputInterface} is gone` };
    if (link.type === ARPHRD_LOOPBACK) return { kind: 'local' };
    if (!link.hasNeighbours || !link.linkAddress) return { kind: 'link', interfaceIndex: link.index, linkAddress: null };
    return this.findNeighbour(link, route.gateway ?? destination);
  }

  private async findNeighbour(link: Link, address: Uint8Array): Promise<NextHop> {
    const giveUpMs = performance.now() + NEIGHBOUR_WAIT_MS;
    let hasAsked = false;
    for (;;) {
      const neighbour = this.neighbour(link.index, address);
      if (neighbour?.isUsable && neighbour.linkAddress) {
        return { kind: 'link', interfaceIndex: link.index, linkAddress: neighbour.linkAddress };
      }
      // A failure from before we asked says nothing.
      if ((hasAsked && neighbour?.hasFailed) || performance.now() >= giveUpMs) {
        return { kind: 'unreachable', reason: `${text(address)} does not answer on ${link.name} (no link-layer address)` };
      }
      if (!hasAsked) this.ask(link.index, address);
      hasAsked = true;
      await new Promise((resolve) => setTimeout(resolve, NEIGHBOUR_POLL_MS));
    }
  }

  private neighbour(interfaceIndex: number, address: Uint8Array): Neighbour | null {
    const { socket, decoder } = this;
    let found: Neighbour | null = null;
    socket.writer.reset();
    getNeighbour(socket.writer, interfaceIndex, address, socket.nextSequence());
    socket.request(socket.writer, (bytes, at, end) => {
      found = decoder.neighbour(bytes, at, end);
    });
    return found;
  }

  private ask(interfaceIndex: number, address: Uint8Array): void {
    const { socket } = this;
    socket.writer.reset();
    solicitNeighbour(socket.writer, interfaceIndex, address, socket.nextSequence());
    socket.request(socket.writer);
  }

  private routeOutsideVrfs(destination: Uint8Array, source: Uint8Array, mark: number): Route | number {
    const arrival = this.lookup({ destination: source, mark });
    if (typeof arrival !== 'number' && arrival.type === RTN_UNICAST) {
      // As forwarded. Refused (EINVAL) where reverse path filtering would drop such a packet.
      const forwarded = this.lookup({ destination, source, mark, inputInterface: arrival.outputInterface });
      if (typeof forwarded !== 'number') return forwarded;
    }
    return this.lookup({ destination, mark });
  }

  /** Prefix lengths of the routes to both addresses together; -1 when one of them has none. */
  private knownBits(destination: Uint8Array, source: Uint8Array, where: Pick<RouteQuery, 'mark' | 'outputInterface'>): number {
    const [there, back] = [destination, source].map((address) => this.lookup({ destination: address, ...where, isEntryWanted: true }));
    return typeof there !== 'object' || typeof back !== 'object' ? -1 : there.prefixLength + back.prefixLength;
  }

  private lookup(query: RouteQuery): Route | number {
    const { socket, decoder } = this;
    let route: Route | null = null;
    socket.writer.reset();
    lookupRoute(socket.writer, query, socket.nextSequence());
    const errno = socket.request(socket.writer, (bytes, at, end) => {
      route = decoder.route(bytes, at, end);
    });
    return route ?? (errno === 0 || errno === ENOENT ? ENETUNREACH : errno);
  }
}
