/**
 * What the wall will install, as data: derived from configuration alone, so that it can
 * be printed without root. Rendering is in `iptables.ts`, `ipsets.ts`, `shaping.ts` and
 * `nftables.ts`; execution in `wall-rules.ts` and `nft-rules.ts`.
 */
import type { Action, Rule } from '../policy/policy.js';
import { type MarkField, VALUE_FIRST_CLASS, VALUE_LAST_CLASS, markField } from './marks.js';

/** A rule's traffic class. */
export interface TrafficClass {
  /** Value of the mark field, and minor number of the tc class. */
  readonly value: number;
  readonly rule: string;
  readonly kind: 'limit' | 'prioritise';
  /** limit: bits per second. */
  readonly bitsPerSecond: number;
  readonly per: 'rule' | 'client' | 'flow';
  /** prioritise: code point and band. */
  readonly dscp: number;
  readonly band: 'high' | 'low';
}

export interface WallPlan {
  readonly inside: readonly string[];
  readonly outside: readonly string[];
  readonly field: MarkField;
  readonly firstQueue: number;
  readonly queues: number;
  /** In trouble, and while no daemon runs, traffic passes (`open`) or stops (`closed`). */
  readonly mode: 'open' | 'closed';
  readonly ipv6: boolean;
  readonly classes: readonly TrafficClass[];
  /** Something may be refused, not only dropped. */
  readonly rejects: boolean;
}

/** Seconds that members of the kernel's sets live unless refreshed. */
export const SET_TIMEOUT_SECONDS = 600;

export interface PlanOptions {
  readonly inside: readonly string[];
  readonly outside: readonly string[];
  readonly markMask: number;
  readonly firstQueue: number;
  readonly queues: number;
  readonly mode: 'open' | 'closed';
  readonly ipv6: boolean;
}

/** Classes of the rules that shape, in the order of the rules. Rules beyond the mark field's room have none. */
function trafficClasses(rules: readonly Rule[]): TrafficClass[] {
  const classes: TrafficClass[] = [];
  for (const { name, action } of rules) {
    const value = VALUE_FIRST_CLASS + classes.length;
    if (value > VALUE_LAST_CLASS) break;
    if (action.kind === 'limit') {
      classes.push({ value, rule: name, kind: 'limit', bitsPerSecond: action.bitsPerSecond, per: action.per, dscp: 0, band: 'low' });
    } else if (action.kind === 'prioritise') {
      classes.push({ value, rule: name, kind: 'prioritise', bitsPerSecond: 0, per: 'rule', dscp: action.dscp, band: action.band });
    }
  }
  return classes;
}

/** `defaultAction`: of what no rule matches. */
export function wallPlan(options: PlanOptions, rules: readonly Rule[], defaultAction: Action = { kind: 'log' }): WallPlan {
  const field = markField(options.markMask);
  const { inside, outside, firstQueue, queues, mode, ipv6 } = options;
  const rejects = [...rules.map(({ action }) => action), defaultAction].some(({ kind }) => kind === 'reject');
  return { inside, outside, field, firstQueue, queues, mode, ipv6, classes: trafficClasses(rules), rejects };
}

/** One packet as the kernel coalesces them (64 KiB) must fit, or nothing ever does. (xt_hashlimit refuses less than a second of the rate.) */
const LEAST_BURST_BYTES = 98_304;

/** Rate and burst of each flow under a limit per flow. */
export function flowLimit({ bitsPerSecond }: TrafficClass): { readonly bytesPerSecond: number; readonly burstBytes: number } {
  const bytesPerSecond = Math.max(1, Math.round(bitsPerSecond / 8));
  return { bytesPerSecond, burstBytes: Math.max(LEAST_BURST_BYTES, bytesPerSecond) };
}
