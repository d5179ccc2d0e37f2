/**
 * Counts in a host of a lab what arrives from the network apart from everyday traffic and discovery, and
 * what of it carries a DSCP. Counters are rules without a target: nothing is changed.
 */
import type { LabHost } from './namespaces.js';
import { ORDINARY_PORTS } from './ordinary-peer.js';

export interface WireCount {
  /** Bytes as on an Ethernet without its checksum. */
  readonly bytes: number;
  readonly packets: number;
  /** Bytes, counted in the same way, of packets with the DSCP that was asked for. */
  readonly markedBytes: number;
}

const ETHERNET_HEADER_BYTES = 14;
const CHAIN = 'LABCOUNT';
const TRACKER_PORT = 6969;

export class WireCounter {
  readonly #host: LabHost;
  readonly #tools: readonly string[] = ['iptables', 'ip6tables'];

  /** `dscp`: the code point to look for. */
  constructor(host: LabHost, dscp: number) {
    this.#host = host;
    const ordinary = [...new Set([...Object.values(ORDINARY_PORTS), TRACKER_PORT])].join(',');
    for (const tool of this.#tools) {
      host.must(
        `${tool}-restore`,
        ['--noflush', '-w'],
        [
          '*mangle',
          `:${CHAIN} - [0:0]`,
          ...['tcp', 'udp'].map((protocol) => `-A ${CHAIN} -p ${protocol} -m multiport --ports ${ordinary} -j RETURN`),
          `-A ${CHAIN} -m dscp --dscp ${dscp}`,
          `-A ${CHAIN} -p tcp`,
          `-A ${CHAIN} -p udp`,
          `-A INPUT -i eth0 -j ${CHAIN}`,
          'COMMIT',
          '',
        ].join('\n'),
      );
    }
  }

  read(): WireCount {
    let [bytes, packets, markedBytes] = [0, 0, 0];
    for (const tool of this.#tools) {
      for (const line of this.#host.must(`${tool}-save`, ['-c', '-t', 'mangle']).split('\n')) {
        const found = new RegExp(`^\\[(\\d+):(\\d+)\\] -A ${CHAIN} (-m dscp|-p (?:tcp|udp)$)`).exec(line);
        if (!found) continue;
        const length = Number(found[2]) + Number(found[1]) * ETHERNET_HEADER_BYTES;
        if (found[3] === '-m dscp') markedBytes += length;
        else {
          packets += Number(found[1]);
          bytes += length;
        }
      }
    }
    return { bytes, packets, markedBytes };
  }
}
