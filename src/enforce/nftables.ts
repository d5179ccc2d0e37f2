/**
 * The wall as one nftables table, for systems without iptables: the same verdict values in
 * packet and connection mark, sets with time-outs, native `queue`. Text for `nft -f`; the
 * whole wall goes with `delete table inet p2pwall`. Pure.
 *
 * `queue` needs CONFIG_NFT_QUEUE; `withQueue: false` renders the rest, for kernels that
 * lack it and for checking what they can check.
 */
import { VALUE_DROP, VALUE_PASS, VALUE_REJECT, VALUE_UNDECIDED, hex, markOf } from './marks.js';
import { SET_TIMEOUT_SECONDS, type WallPlan } from './plan.js';
import { ROOT_HANDLE } from './shaping.js';

export const NFT_TABLE = 'inet p2pwall';

function sets(plan: WallPlan): string[] {
  const families = plan.ipv6 ? (['4', '6'] as const) : (['4'] as const);
  return families.flatMap((family) => {
    const address = family === '4' ? 'ipv4_addr' : 'ipv6_addr';
    return [
      `  set peers${family} { type ${address} . inet_proto . inet_service . ${address}; flags timeout; timeout ${SET_TIMEOUT_SECONDS}s; }`,
      `  set block${family} { type ${address}; flags timeout; timeout ${SET_TIMEOUT_SECONDS}s; }`,
    ];
  });
}

function setRules(plan: WallPlan, drop: string): string[] {
  const families = plan.ipv6 ? (['4', '6'] as const) : (['4'] as const);
  return families.flatMap((family) => {
    const ip = family === '4' ? 'ip' : 'ip6';
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
  const names = `{ ${plan.inside.map((name) => `"${name}"`).join(', ')} }`;
  const range = plan.queues === 1 ? `${plan.firstQueue}` : `${plan.firstQueue}-${plan.firstQueue + plan.queues - 1}`;
  // Not `fanout`: it chooses by CPU. Without it the pair of addresses chooses, the same for both directions.
  const flags = plan.mode === 'open' ? ' flags bypass' : '';
  const queue = `    meta l4proto { tcp, udp } queue${flags} to ${range}`;
  const classes = plan.classes.flatMap((it) => {
    const marked = `    ${is(it.value)}`;
    const classify = `${marked} meta priority set ${ROOT_HANDLE}:${it.value.toString(16)}`;
    if (it.kind === 'prioritise') return [`${marked} ip dscp set ${it.dscp}`, `${marked} ip6 dscp set ${it.dscp}`, classify];
    return [classify];
  });
  const lines = [
    `table ${NFT_TABLE}`,
    `delete table ${NFT_TABLE}`,
    `table ${NFT_TABLE} {`,
    ...sets(plan),
    '  chain inspect {',
    ...restored,
    ...setRules(plan, `${set(VALUE_DROP)} return`),
    ...(options.withQueue ? [queue] : []),
    '  }',
    '  chain forward {',
    '    type filter hook forward priority mangle; policy accept;',
    `    iifname ${names} jump inspect`,
    `    oifname ${names} jump inspect`,
    '  }',
    '  chain verdict {',
    '    type filter hook forward priority mangle + 1; policy accept;',
    `    ${is(VALUE_DROP)} ${save(VALUE_DROP)} drop`,
    `    ${is(VALUE_REJECT)} ${save(VALUE_REJECT)} meta l4proto tcp reject with tcp reset`,
    `    ${is(VALUE_REJECT)} reject with icmpx port-unreachable`,
    '  }',
    '  chain postrouting {',
    '    type filter hook postrouting priority mangle; policy accept;',
    ...values.map((value) => `    ${is(value)} ${save(value)}`),
    ...classes,
    '  }',
    '}',
  ];
  return `${lines.join('\n')}\n`;
}
