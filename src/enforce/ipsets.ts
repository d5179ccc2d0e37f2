/**
 * The kernel's sets that the wall fills: known peers of contained clients, addresses an
 * administrator blocked, and clients with a traffic class of their own. Text for
 * `ipset restore`. Names end in the IP version.
 */
import { SET_TIMEOUT_SECONDS, type TrafficClass, type WallPlan } from './plan.js';

/** (peer, port and transport, client): the client's traffic to that endpoint is dropped. */
export function peerSet(ipVersion: 4 | 6): string {
  return `p2pwall-peers${ipVersion}`;
}

/** Addresses that nothing may pass to or from. */
export function blockSet(ipVersion: 4 | 6): string {
  return `p2pwall-block${ipVersion}`;
}

/** Clients and the tc class (skbprio) that limits each of them. */
export function clientSet(trafficClass: TrafficClass, ipVersion: 4 | 6): string {
  return `p2pwall-c${trafficClass.value}-${ipVersion}`;
}

/** Most members of the peer sets: 40 bytes each in the kernel. */
const MAX_PEERS = 262_144;
const MAX_CLIENTS = 65_536;

function families(plan: WallPlan): (4 | 6)[] {
  return plan.ipv6 ? [4, 6] : [4];
}

/** Lines for `ipset restore -exist`; creating twice does no harm. */
export function ipsetText(plan: WallPlan): string {
  const lines: string[] = [];
  for (const ipVersion of families(plan)) {
    const family = ipVersion === 4 ? 'inet' : 'inet6';
    lines.push(
      `create ${peerSet(ipVersion)} hash:ip,port,ip family ${family} timeout ${SET_TIMEOUT_SECONDS} maxelem ${MAX_PEERS} counters`,
      `create ${blockSet(ipVersion)} hash:ip family ${family} timeout ${SET_TIMEOUT_SECONDS} maxelem ${MAX_CLIENTS} counters`,
    );
    for (const it of plan.classes) {
      if (it.kind === 'limit' && it.per === 'client') {
        lines.push(`create ${clientSet(it, ipVersion)} hash:ip family ${family} timeout 0 maxelem ${MAX_CLIENTS} skbinfo`);
        // Of an earlier wall: the classes that its members name are made anew.
        lines.push(`flush ${clientSet(it, ipVersion)}`);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

/** Names of the sets of a plan. */
export function ipsetNames(plan: WallPlan): string[] {
  return [...ipsetText(plan).matchAll(/^create (\S+)/gm)].map((found) => found[1] ?? '');
}

/** Names of all our sets among those that exist (`ipset list -n`). */
export function ownSets(names: readonly string[]): string[] {
  return names.filter((name) => /^p2pwall-(peers|block|c[0-9]+-)[46]$/.test(name));
}
