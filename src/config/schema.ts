/**
 * The shape of p2pwall.toml, checked by zod. Names are binding: administrators' files
 * depend on them. Meaning (protocol names, networks, hours) is checked in `load.ts`.
 */
import { z } from 'zod';
import { CONFIDENCES } from '../events/confidence.js';

const names = z.array(z.string().min(1));
const networks = z.array(z.string().min(1));
const interfaceName = z.string().regex(/^[^\s/]{1,15}$/, 'is no interface name (at most 15 characters, no blank, no slash)');

/** Bits of packet and connection marks, below the sign bit; which runs of bits serve is checked in `load.ts`. */
const mask = z.int().min(0).max(0x7fffffff);

const gatewaySchema = z.strictObject({
  inside: z.array(interfaceName).min(1, 'names no interface: give those of the network to protect, for example ["eth1"]'),
  outside: z.array(interfaceName).default([]),
  mode: z.enum(['open', 'closed']).default('open'),
  queues: z.int().min(1).max(64).default(1),
  first_queue: z.int().min(0).max(65_000).default(4700),
  mark_mask: mask.default(0x00ff0000),
  max_flows: z.int().min(1000).max(16_000_000).default(262_144),
  peer_minutes: z.int().min(1).max(1440).default(30),
  ipv6: z.boolean().default(true),
  backend: z.enum(['auto', 'iptables-nft', 'iptables-legacy', 'nftables']).default('auto'),
  time_zone: z.string().min(1).optional(),
});

const ruleSchema = z.strictObject({
  name: z.string().min(1).max(64),
  protocol: names.min(1).default(['any']),
  confidence: z.enum(CONFIDENCES).default('likely'),
  clients: networks.default([]),
  except: networks.default([]),
  mac: z.array(z.string()).default([]),
  outside: networks.default([]),
  except_outside: networks.default([]),
  when: z.string().optional(),
  action: z.enum(['allow', 'log', 'drop', 'reject', 'limit', 'prioritise', 'contain']),
  rate: z.string().optional(),
  per: z.enum(['rule', 'client', 'flow']).optional(),
  dscp: z.union([z.int().min(0).max(63), z.string()]).optional(),
  priority: z.enum(['high', 'low']).optional(),
  hold: z.string().optional(),
});

const ropeSchema = z.strictObject({
  script: z.string().min(1),
  protocol: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'is no protocol name (lower-case letters, digits, hyphens)'),
  confidence: z.enum(CONFIDENCES).default('likely'),
  category: z.enum(['file-sharing', 'streaming', 'sync', 'distributed-web', 'cryptocurrency', 'voice']).default('file-sharing'),
  push: z.array(z.union([z.int().min(-0x8000_0000).max(0xffff_ffff), z.string().max(1024), z.strictObject({ ip: z.string() })])).default([]),
});

const eventsSchema = z.strictObject({
  file: z.string().min(1).optional(),
  stdout: z.boolean().default(false),
  syslog: z.boolean().default(false),
  types: z.array(z.enum(['flow', 'p2p', 'block', 'peer', 'stats'])).default(['p2p', 'block', 'stats', 'flow']),
  stats_seconds: z.int().min(1).default(60),
});

const metricsSchema = z.strictObject({
  listen: z.string().refine((text) => Number(/^.+:([0-9]{1,5})$/.exec(text)?.[1] ?? 0x10000) <= 0xffff, 'is no address and port (127.0.0.1:9477)'),
});

const controlSchema = z.strictObject({ socket: z.string().min(1).default('/run/p2pwall/control.sock'), group: z.string().optional() });

const defaultSchema = z.strictObject({ action: z.enum(['allow', 'log', 'drop', 'reject']).default('log') });

export const configSchema = z.strictObject({
  gateway: gatewaySchema,
  events: eventsSchema.prefault({}),
  metrics: metricsSchema.optional(),
  control: controlSchema.prefault({}),
  default: defaultSchema.prefault({}),
  rule: z.array(ruleSchema).default([]),
  rope: z.array(ropeSchema).default([]),
});

/** The file as data, defaults filled in. */
export type ConfigFile = z.infer<typeof configSchema>;
export type RuleConfig = z.infer<typeof ruleSchema>;
export type GatewayConfig = z.infer<typeof gatewaySchema>;
export type RopeConfig = z.infer<typeof ropeSchema>;

const SECTIONS: Readonly<Record<string, { readonly shape: object }>> = {
  gateway: gatewaySchema,
  events: eventsSchema,
  metrics: metricsSchema,
  control: controlSchema,
  default: defaultSchema,
  rule: ruleSchema,
  rope: ropeSchema,
};

/** Keys that may stand in a section; of the empty path: the sections. */
export function keysAt([section]: readonly (string | number)[]): string[] {
  return Object.keys(section === undefined ? configSchema.shape : (SECTIONS[section]?.shape ?? {}));
}
