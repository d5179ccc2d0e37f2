/**
 * The second, independent place of mode closed: a table of its own that drops what is forwarded from or to the inside unless
 * our chains have let it pass. When somebody flushes those, traffic stops until they are back. Pure: the same rules as text for people
 * (`p2pwall rules`) and as expressions for the kernel; `kernel/guard-table.ts` installs them.
 *
 * What tells is our value in the packet's mark: 0 has met no chain of ours, drop and reject have met only the first of them.
 */
import { type Expression, NFPROTO_IPV6, accept, counter, drop, isFamily, isInterface, isMark } from '../netlink/nftables.js';
import { VALUE_DROP, VALUE_PASS, VALUE_REJECT, VALUE_UNDECIDED, hex, markOf } from './marks.js';
import { nftInterface } from './nftables.js';
import type { WallPlan } from './plan.js';

/** Of family inet. */
export const GUARD_TABLE = 'p2pwall_guard';
/** Behind the tables of iptables (security, the last one, has 50) and of most others. linux/netfilter_ipv4.h. */
export const GUARD_PRIORITY = 100;

type GuardRule =
  | { readonly kind: 'pass'; readonly value: number }
  | { readonly kind: 'pass-ipv6' }
  | { readonly kind: 'drop'; readonly direction: 'in' | 'out'; readonly name: string; readonly value: number };

function guardRules({ inside, ipv6 }: WallPlan): GuardRule[] {
  const drops = inside.flatMap((name) =>
    (['in', 'out'] as const).flatMap((direction) =>
      [VALUE_UNDECIDED, VALUE_DROP, VALUE_REJECT].map((value): GuardRule => ({ kind: 'drop', direction, name, value })),
    ),
  );
  // Most packets are of decided flows: one match for them. IPv6 that the wall leaves alone is no business of the guard.
  return [{ kind: 'pass', value: VALUE_PASS }, ...(ipv6 ? [] : [{ kind: 'pass-ipv6' } as const]), ...drops];
}

/** Text for `nft -f`; '' in mode open. */
export function guardText(plan: WallPlan): string {
  if (plan.mode === 'open') return '';
  const lines = guardRules(plan).map((rule) => ruleText(plan, rule));
  const chain = [`    type filter hook forward priority ${GUARD_PRIORITY}; policy accept;`, ...lines.map((line) => `    ${line}`)];
  return `table inet ${GUARD_TABLE} {\n  chain forward {\n${chain.join('\n')}\n  }\n}\n`;
}

function ruleText({ field }: WallPlan, rule: GuardRule): string {
  const is = (value: number): string => `meta mark & ${hex(field.mask)} == ${hex(markOf(field, value))}`;
  switch (rule.kind) {
    case 'pass':
      return `${is(rule.value)} accept`;
    case 'pass-ipv6':
      return 'meta nfproto ipv6 accept';
    case 'drop':
      return `${rule.direction === 'in' ? 'iifname' : 'oifname'} ${nftInterface(rule.name)} ${is(rule.value)} counter drop`;
  }
}

/** The same rules for the kernel. */
export function guardExpressions(plan: WallPlan): Expression[][] {
  return guardRules(plan).map((rule) => ruleExpressions(plan, rule));
}

function ruleExpressions({ field }: WallPlan, rule: GuardRule): Expression[] {
  const is = (value: number): Expression[] => isMark(field.mask, markOf(field, value));
  switch (rule.kind) {
    case 'pass':
      return [...is(rule.value), accept()];
    case 'pass-ipv6':
      return [...isFamily(NFPROTO_IPV6), accept()];
    case 'drop':
      return [...isInterface(rule.direction, rule.name), ...is(rule.value), counter(), drop()];
  }
}
