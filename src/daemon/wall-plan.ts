/** A configuration on this machine: what the wall installs, and what a running wall can take over of another one. */
import { randomBytes } from 'node:crypto';
import type { Config } from '../config/load.js';
import { type WallPlan, wallPlan } from '../enforce/plan.js';
import { repeatsSettled } from '../enforce/iptables.js';
import { NftRules } from '../enforce/nft-rules.js';
import type { RuleSet } from '../enforce/rule-set.js';
import { WallRules } from '../enforce/wall-rules.js';
import { sharedPeerMemory } from '../flow/peer-memory.js';
import { NF_ACCEPT, NF_REPEAT } from '../netlink/nfqueue.js';
import type { RopeSettings } from './inspection-news.js';
import type { CommonSettings } from './inspectors.js';
import { outsideInterfaces } from './interfaces.js';

/** Outside interfaces are looked up when not named. */
export function planOf(config: Config): WallPlan {
  const { inside, outside, mark_mask, first_queue, queues, mode, ipv6 } = config.file.gateway;
  const found = outsideInterfaces(outside, inside);
  return wallPlan({ inside, outside: found, markMask: mark_mask, firstQueue: first_queue, queues, mode, ipv6 }, config.policy.rules, config.policy.defaultAction);
}

/** The form of rules that the configuration asks for. */
export function rulesOf(config: Config): RuleSet {
  const { backend } = config.file.gateway;
  if (backend === 'nftables') return new NftRules();
  return new WallRules(backend === 'auto' ? 'iptables' : backend);
}

/** What inspection threads are started with. */
export function settingsOf({ file, policy }: Config, plan: WallPlan, rope: RopeSettings): CommonSettings {
  const { classes, field } = plan;
  const { inside, max_flows, queues, peer_minutes } = file.gateway;
  return {
    policy,
    classes,
    field,
    settledVerdict: file.gateway.backend !== 'nftables' && repeatsSettled(plan) ? NF_REPEAT : NF_ACCEPT,
    inside,
    maxFlows: Math.ceil(max_flows / queues),
    hashSeed: randomBytes(4).readInt32LE(),
    peerAgeMs: peer_minutes * 60_000,
    peers: sharedPeerMemory(),
    eventTypes: new Set(file.events.types),
    rope,
  };
}

/** Settings of the gateway that a running wall keeps. */
const FIXED = ['queues', 'first_queue', 'mark_mask', 'max_flows', 'peer_minutes', 'backend', 'mode', 'inside'] as const;
/** Sections that are read once. */
const FIXED_SECTIONS = ['events', 'metrics', 'control'] as const;

/** Keys and sections that differ and need a restart. */
export function needRestart(before: Config, after: Config): string[] {
  const differ = (a: unknown, b: unknown): boolean => JSON.stringify(a) !== JSON.stringify(b);
  return [
    ...FIXED.filter((key) => differ(before.file.gateway[key], after.file.gateway[key])).map((key) => `gateway.${key}`),
    ...FIXED_SECTIONS.filter((key) => differ(before.file[key], after.file[key])),
  ];
}

/** `after`, with what needs a restart as it was. */
export function restartKept(before: Config, after: Config): Config {
  const gateway = { ...after.file.gateway, ...Object.fromEntries(FIXED.map((key) => [key, before.file.gateway[key]])) };
  const sections = Object.fromEntries(FIXED_SECTIONS.map((key) => [key, before.file[key]]));
  return { ...after, file: { ...after.file, ...sections, gateway } };
}
