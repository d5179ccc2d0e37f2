/**
 * `--p2p PROTOCOL` of `cutter` and `p2pwall cut`: asks the running wall which connections
 * are that protocol's (or category's) now, `any` for all it knows.
 */
import { addressText } from '../../base/address.js';
import type { Connection } from '../../cutter/connection.js';
import { ControlClient } from '../../control/client.js';
import { DEFAULT_SOCKET, type LiveFlow } from '../../control/protocol.js';
import type { Tuple } from '../../netlink/conntrack.js';
import { IPPROTO_TCP } from '../../wire/constants.js';
import { type Failure, failureOf } from '../wall/wall-failure.js';

/** More than a wall follows at once. */
const ALL_FLOWS = 16_000_000;

/** Both directions of a connection have one name. */
function name(proto: string, a: string, b: string): string {
  return a < b ? `${proto} ${a} ${b}` : `${proto} ${b} ${a}`;
}

function tupleName(proto: string, tuple: Tuple): string {
  const source = `${addressText(tuple.source, 0, tuple.source.length)} ${tuple.sourcePort}`;
  const destination = `${addressText(tuple.destination, 0, tuple.destination.length)} ${tuple.destinationPort}`;
  return name(proto, source, destination);
}

/** A test for connections, or why the wall could not be asked. */
export async function p2pConnections(
  protocol: string,
  socket: string = DEFAULT_SOCKET,
): Promise<((connection: Connection) => boolean) | Failure> {
  let flows: LiveFlow[];
  try {
    const client = await ControlClient.open(socket);
    const response = await client.ask({ command: 'flows', limit: ALL_FLOWS });
    client.close();
    if (!response.ok) return { message: response.error, hint: response.hint, status: 1 };
    flows = response.data as LiveFlow[];
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    return failure;
  }
  const names = new Set<string>();
  for (const { proto, src_ip, src_port, dest_ip, dest_port, p2p } of flows) {
    if (p2p === null || (protocol !== 'any' && p2p.protocol !== protocol && p2p.category !== protocol)) continue;
    names.add(name(proto, `${src_ip} ${src_port}`, `${dest_ip} ${dest_port}`));
  }
  // The wall sees a connection between the two translations of NAT: the client's side of one, the server's of the other.
  return ({ protocol: number, original, reply }) => {
    const proto = number === IPPROTO_TCP ? 'TCP' : 'UDP';
    const between: Tuple = {
      ...original,
      destination: reply.source,
      destinationPort: reply.sourcePort,
    };
    return [original, reply, between].some((tuple) => names.has(tupleName(proto, tuple)));
  };
}
