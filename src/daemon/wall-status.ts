/** What `p2pwall status` and the `stats` event say of the wall. */
import type { Config } from '../config/load.js';
import type { Status } from '../control/protocol.js';
import type { WallPlan } from '../enforce/plan.js';
import type { InspectionCounters } from './inspection-news.js';
import { steadyMs } from './packet-path.js';
import type { QueueOverruns } from './queue-overruns.js';

export interface StatusSources {
  readonly config: Config;
  readonly configPath: string;
  readonly version: string;
  readonly plan: WallPlan;
  readonly startedMs: number;
  readonly counters: InspectionCounters;
  readonly overruns: QueueOverruns;
  /** Peers of contained clients, and addresses blocked by hand. */
  readonly contained: number;
  readonly blocked: number;
  readonly events: Status['events'];
  readonly restored: number;
}

export function wallStatus({ config, configPath, version, plan, startedMs, counters, overruns, contained, blocked, events, restored }: StatusSources): Status {
  const { policy, file } = config;
  const tally = (name: 'outcome' | 'protocol'): Record<string, number> => {
    const totals: Record<string, number> = {};
    for (const it of counters.settled) totals[it[name]] = (totals[it[name]] ?? 0) + it.count;
    return totals;
  };
  const rules = [...policy.rules.map(({ name, action }) => ({ name, action: action.kind as string })), { name: '(default)', action: policy.defaultAction.kind }];
  const queue = overruns.now();
  return {
    version,
    pid: process.pid,
    mode: file.gateway.mode,
    uptime_seconds: Math.round((steadyMs() - startedMs) / 1000),
    config: configPath,
    inside: plan.inside,
    outside: plan.outside,
    rules: rules.map((rule) => ({ ...rule, flows: counters.byRule.get(rule.name) ?? 0 })),
    packets: counters.packets,
    bytes: counters.bytes,
    dropped_packets: counters.droppedPackets,
    flows: counters.flows,
    flows_decided: tally('outcome'),
    protocols: tally('protocol'),
    contained_peers: contained,
    blocked_addresses: blocked,
    queue,
    troubles: { ...counters.troubles, 'queue-overrun': queue.overflowed + queue.undelivered },
    events,
    restored,
  };
}
