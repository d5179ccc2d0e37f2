/** Which interfaces connections pass, by asking the kernel for the route of each leg. Sends nothing. */
import { type Connection, legSocketKey, legsOf, socketKey } from '../../cutter/connection.js';
import { RTN_LOCAL } from '../../netlink/route.js';
import { errnoMeaning, errnoName } from '../errno.js';
import { NextHops } from '../next-hop.js';

/** How each leg would be dealt with, in the order of `legsOf`. */
export type Passage = readonly { readonly interfaceName: string | null; readonly text: string }[];

export interface Passages {
  readonly of: ReadonlyMap<Connection, Passage>;
  readonly interfaceNames: readonly string[];
}

export function passages(connections: readonly Connection[]): Passages {
  const hops = new NextHops();
  try {
    const of = new Map<Connection, Passage>();
    for (const connection of connections) {
      const keys = new Set(connection.sockets.map(socketKey));
      of.set(
        connection,
        legsOf(connection).map((leg) => {
          const isSocket = keys.has(legSocketKey(connection.protocol, leg));
          const route = hops.route(leg.to.address, leg.routedFrom, connection.mark);
          if (typeof route === 'number') return { interfaceName: null, text: errnoMeaning(route) ?? errnoName(route) };
          if (isSocket || route.type === RTN_LOCAL) return { interfaceName: null, text: 'destroy its socket on this machine' };
          const interfaceName = hops.interfaceName(route.outputInterface);
          return { interfaceName, text: `RST by interface ${interfaceName}` };
        }),
      );
    }
    return { of, interfaceNames: hops.interfaceNames() };
  } finally {
    hops.close();
  }
}
