/**
 * The administrator's policy: ordered rules, immutable, built once from validated
 * configuration. Judges findings; reads no packets, keeps no state. A reload builds a
 * new Policy and swaps the reference.
 */
import { type Network, isInNetwork } from '../base/address.js';
import { type Category, type Confidence, confidenceRank } from '../events/confidence.js';
import type { ReasonCode } from '../events/reasons.js';
import { type Schedule, isScheduled } from './schedule.js';

export type Action =
  | { readonly kind: 'allow' }
  | { readonly kind: 'log' }
  | { readonly kind: 'drop' }
  /** TCP reset to both sides, ICMP port unreachable for UDP. */
  | { readonly kind: 'reject' }
  /** Shaped to a rate for the whole rule, for each client, or for each flow. */
  | { readonly kind: 'limit'; readonly bitsPerSecond: number; readonly per: 'rule' | 'client' | 'flow' }
  | { readonly kind: 'prioritise'; readonly dscp: number; readonly band: 'high' | 'low' }
  /** As drop, and peers told to the client are blocked for it in the kernel for a time. */
  | { readonly kind: 'contain'; readonly holdMs: number };

export type ActionKind = Action['kind'];

export interface Rule {
  readonly name: string;
  /** Protocol ids and categories; null: any. */
  readonly protocols: ReadonlySet<string> | null;
  readonly confidence: Confidence;
  /** Inside addresses it applies to; empty: all. */
  readonly clients: readonly Network[];
  readonly exceptClients: readonly Network[];
  /** Hardware addresses of clients, lower case with colons; empty: all. */
  readonly macs: readonly string[];
  /** Outside addresses it applies to; empty: all. */
  readonly outside: readonly Network[];
  readonly exceptOutside: readonly Network[];
  readonly schedule: Schedule | null;
  readonly action: Action;
}

/** A flow with a finding, as policy sees it. Addresses: 4 or 16 bytes, borrowed for the call. */
export interface Subject {
  readonly protocol: string;
  readonly category: Category;
  readonly confidence: Confidence;
  readonly client: Uint8Array;
  readonly outside: Uint8Array;
  /** Lower case with colons; null when not known. */
  readonly mac: string | null;
  readonly timeMs: number;
}

export interface Verdict {
  readonly action: Action;
  /** Name of the rule; null: the default action. */
  readonly rule: string | null;
  /** Position of the rule in the policy, -1 for the default. */
  readonly ruleIndex: number;
  readonly why: ReasonCode;
}

/** What happens when the engine itself is in trouble. */
export type TroubleAction = 'accept' | 'drop';

export interface Policy {
  readonly rules: readonly Rule[];
  readonly defaultAction: Action;
  readonly trouble: TroubleAction;
}

function covers(networks: readonly Network[], address: Uint8Array): boolean {
  return networks.some((network) => isInNetwork(network, address, 0, address.length));
}

/** Whether a rule is about this subject, whatever the time. */
function concerns(rule: Rule, subject: Subject): boolean {
  if (rule.protocols !== null && !rule.protocols.has(subject.protocol) && !rule.protocols.has(subject.category)) return false;
  if (confidenceRank(subject.confidence) < confidenceRank(rule.confidence)) return false;
  if (rule.clients.length > 0 && !covers(rule.clients, subject.client)) return false;
  if (rule.macs.length > 0 && (subject.mac === null || !rule.macs.includes(subject.mac))) return false;
  if (rule.outside.length > 0 && !covers(rule.outside, subject.outside)) return false;
  return !covers(rule.exceptClients, subject.client) && !covers(rule.exceptOutside, subject.outside);
}

/** The first rule that is about the subject and scheduled now decides; else the default action. */
export function decide(policy: Policy, subject: Subject): Verdict {
  for (const [ruleIndex, rule] of policy.rules.entries()) {
    if (!concerns(rule, subject)) continue;
    if (rule.schedule !== null && !isScheduled(rule.schedule, subject.timeMs)) continue;
    return { action: rule.action, rule: rule.name, ruleIndex, why: 'rule' };
  }
  return { action: policy.defaultAction, rule: null, ruleIndex: -1, why: 'default' };
}
