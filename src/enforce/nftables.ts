/**
 * The wall as one nftables table, for systems without iptables: the same verdict values in
 * packet and connection mark, sets with time-outs, native `queue`. Text for `nft -f`; the
 * whole wall goes with `delete table inet p2pwall`. Pure.
 *
 * `queue` needs CONFIG_NFT_QUEUE; `withQueue: false` renders the rest, for kernels that
 * lack it and for checking what they can check.
 */
import { VALUE_DROP, VALUE_PASS, VALUE_REJECT, VALUE_SEEN, VALUE_UNDECIDED, hex, markOf } from './marks.js';
import { SET_TIMEOUT_SECONDS, type TrafficClass, type WallPlan, flowLimit } from './plan.js';
import { ROOT_HANDLE } from './shaping.js';

export const NFT_TABLE = 'inet p2pwall';
export const NFT_CHAINS = ['inspect', 'forward', 'verdict', 'postrouting'] as const;

/** An interface as nft writes it; a trailing `+` stands for any ending, as in iptables. */
export function nftInterface(name: string): string {
  return JSON.stringify(name.replace(/\+$/, '*'));
}

/** Clients and the tc class that limits each of them. */
export function nftClientMap(trafficClass: TrafficClass, ipVersion: 4 | 6): string {
  return `c${trafficClass.value}_${ipVersion}`;
}

/** Flows that a rule limits one by one, each with a bucket of its own. */
function flowSet(trafficClass: TrafficClass, ipVersion: 4 | 6): string {
  return `f${trafficClass.value}_${ipVersion}`;
}

function families(plan: WallPlan): readonly (4 | 6)[] {
  return plan.ipv6 ? [4, 6] : [4];
}

/** As many as ipset's of the same purpose. */
const MAX_MEMBERS = 65_536;

function sets(plan: WallPlan): string[] {
  return families(plan).flatMap((family) => {
    const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
    return [
      `  set peers${family} { type ${address} . inet_proto . inet_service . ${address}; flags timeout; timeout ${SET_TIMEOUT_SECONDS}s; }`,
      `  set block${family} { type ${address}; flags timeout; timeout ${SET_TIMEOUT_SECONDS}s; }`,
      ...plan.classes.flatMap((it) => {
        if (it.kind !== 'limit' || it.per === 'rule') return [];
        if (it.per === 'client') return [`  map ${nftClientMap(it, family)} { type ${address} : classid; size ${MAX_MEMBERS}; }`];
        return [`  set ${flowSet(it, family)} { type ${address} . inet_service . ${address} . inet_service; size ${MAX_MEMBERS}; flags dynamic; timeout 60s; }`];
      }),
    ];
  });
}

function classRules(plan: WallPlan, it: TrafficClass, marked: string): string[] {
  const classify = `${marked} meta priority set ${ROOT_HANDLE}:${it.value.toString(16)}`;
  if (it.kind === 'prioritise') return [`${marked} ip dscp set ${it.dscp}`, `${marked} ip6 dscp set ${it.dscp}`, classify];
  if (it.per === 'rule') return [classify];
  const each = families(plan).map((family) => ({ family, ip: family === 4 ? 'ip' : 'ip6' }));
  // Clients without an entry yet share the rule's own class until the daemon has made one.
  if (it.per === 'client') return [classify, ...each.flatMap(({ family, ip }) => ['saddr', 'daddr'].map((end) => `${marked} meta priority set ${ip} ${end} map @${nftClientMap(it, family)}`))];
  const { bytesPerSecond, burstBytes } = flowLimit(it);
  return each.map(({ family, ip }) => `${marked} update @${flowSet(it, family)} { ${ip} saddr . th sport . ${ip} daddr . th dport limit rate over ${bytesPerSecond} bytes/second burst ${burstBytes} bytes } drop`);
}

function setRules(plan: WallPlan, drop: string): string[] {
  return families(plan).flatMap((family) => {
    const ip = family === 4 ? 'ip' : 'ip6';
    return [
      `    ${ip} saddr @block${family} ${drop}`,
      `    ${ip} daddr @block${family} ${drop}`,
      `    ${ip} daddr . meta l4proto . th dport . ${ip} saddr @peers${family} ${drop}`,
      `    ${ip} saddr . meta l4proto . th sport . ${ip} daddr @peers${family} ${drop}`,
    ];
  });
}

export function nftablesText(plan: WallPlan, options: { readonly withQueue: boolean }): string {
  const { field } = plan;
  const keep = hex(~field.mask >>> 0);
  const mark = (value: number): string => hex(markOf(field, value));
  const is = (value: number): string => `meta mark & ${hex(field.mask)} == ${mark(value)}`;
  const set = (value: number): string => `meta mark set meta mark & ${keep} | ${mark(value)}`;
  // nft combines a mark with a constant, not with another mark: bits of others survive only with a rule for each value.
  const save = (value: number): string => `ct mark set ct mark & ${keep} | ${mark(value)}`;
  const values = [VALUE_PASS, VALUE_DROP, VALUE_REJECT, ...plan.classes.map((it) => it.value)];
  const restored = values.map((value) => `    ${is(VALUE_UNDECIDED)} ct mark & ${hex(field.mask)} == ${mark(value)} ${set(value)} return`);
  const isClosed = plan.mode === 'closed';
  const range = plan.queues === 1 ? `${plan.firstQueue}` : `${plan.firstQueue}-${plan.firstQueue + plan.queues - 1}`;
  // Not `fanout`: it chooses by CPU. Without it the pair of addresses chooses, the same for both directions.
  const flags = isClosed ? '' : ' flags bypass';
  const queue = `    meta l4proto { tcp, udp } counter queue${flags} to ${range}`;
  const classes = plan.classes.flatMap((it) => classRules(plan, it, `    ${is(it.value)}`));
  const lines = [
    `table ${NFT_TABLE}`,
    `delete table ${NFT_TABLE}`,
    `table ${NFT_TABLE} {`,
    ...sets(plan),
    '  chain inspect {',
    ...restored,
    ...setRules(plan, `${set(VALUE_DROP)} return`),
    // For the guard: see guard.ts.
    ...(isClosed ? [`    ${is(VALUE_UNDECIDED)} ${set(VALUE_SEEN)}`] : []),
    ...(options.withQueue ? [queue] : []),
    '  }',
    '  chain forward {',
    '    type filter hook forward priority mangle; policy accept;',
    ...plan.inside.flatMap((name) => ['iifname', 'oifname'].map((end) => `    ${end} ${nftInterface(name)} goto inspect`)),
    '  }',
    '  chain verdict {',
    '    type filter hook forward priority mangle + 1; policy accept;',
    `    ${is(VALUE_DROP)} ${save(VALUE_DROP)} drop`,
    `    ${is(VALUE_REJECT)} ${save(VALUE_REJECT)} meta l4proto tcp reject with tcp reset`,
    `    ${is(VALUE_REJECT)} reject with icmpx port-unreachable`,
    '  }',
    '  chain postrouting {',
    '    type filter hook postrouting priority mangle; policy accept;',
    ...(isClosed ? [`    ${is(VALUE_SEEN)} ${set(VALUE_UNDECIDED)}`] : []),
    ...values.map((value) => `    ${is(value)} ${save(value)}`),
    ...classes,
    '  }',
    '}',
  ];
  return `${lines.join('\n')}\n`;
}
