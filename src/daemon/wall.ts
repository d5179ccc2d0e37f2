/**
 * The wall: composition root of the gateway daemon. Joins queue, gate, rules, sets,
 * marks and events; owns their lifetimes. Signals and the process belong to `run-wall.ts`.
 *
 * Order of a start: everything that can fail without touching the network first, the queue next (its packets wait for
 * the reader), the rules last. Of a stop: the rules first, so that nothing is queued when the reader goes.
 */
import { randomBytes } from 'node:crypto';
import type { Protocol } from '../detect/detector.js';
import { PROTOCOLS } from '../detect/registry.js';
import type { Config } from '../config/load.js';
import type { PeerList, Status, TopRow } from '../control/protocol.js';
import { parseAddress } from '../base/address.js';
import { type WallPlan, wallPlan } from '../enforce/plan.js';
import { VALUE_DROP, VALUE_UNDECIDED } from '../enforce/marks.js';
import { shapedInterfaces } from '../enforce/shaping.js';
import { type IptablesVariant, WallRules } from '../enforce/wall-rules.js';
import { type FlowVerdict, Gate } from '../engine/gate.js';
import { replaceProtocols } from '../engine/protocol-places.js';
import { ConntrackTable, type ConntrackEvents, watchConntrack } from '../kernel/conntrack.js';
import { IpsetMembers } from '../kernel/ipset-members.js';
import { PacketQueue } from '../kernel/nfqueue.js';
import { readQueueStatistics } from '../kernel/queue-statistics.js';
import { ClientClasses } from './client-classes.js';
import { ConnectionCuts } from './connection-cuts.js';
import { ConnectionMarks, flowKey } from './connection-marks.js';
import { EventLog } from './event-log.js';
import { FlowIndex } from './flow-index.js';
import { InsideInterfaces, outsideInterfaces } from './interfaces.js';
import { KernelBlocks } from './kernel-blocks.js';
import { PacketPath, steadyMs } from './packet-path.js';
import { RuleWatch } from './rule-watch.js';
import { topRows } from './top.js';
import { WallEvents } from './wall-events.js';

/** What the wall says to people; pino has this form. */
export interface Log {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface WallOptions {
  readonly config: Config;
  readonly configPath: string;
  readonly version: string;
  readonly log: Log;
}

/** Flows are judged anew in slices (late knowledge, hours of rules): 100,000 of them within two and a half seconds. */
const REVIEW_MS = 200;
const REVIEW_FLOWS = 8192;
const HOUSEKEEPING_MS = 5000;
/** Entries of the flow table looked at for age in each housekeeping. */
const SWEEP_FLOWS = 20_000;

/** The plan of a configuration on this machine: outside interfaces are looked up when not named. */
export function planOf(config: Config): WallPlan {
  const { inside, outside, mark_mask, first_queue, queues, mode, ipv6 } = config.file.gateway;
  const found = outsideInterfaces(outside, inside);
  return wallPlan({ inside, outside: found, markMask: mark_mask, firstQueue: first_queue, queues, mode, ipv6 }, config.policy.rules);
}

export function variantOf(config: Config): IptablesVariant {
  const { backend } = config.file.gateway;
  return backend === 'iptables-nft' || backend === 'iptables-legacy' ? backend : 'iptables';
}

export class Wall {
  readonly events: WallEvents;
  readonly path: PacketPath;
  readonly gate: Gate;
  readonly #options: WallOptions;
  readonly #log: Log;
  readonly #eventLog: EventLog;
  readonly #rules: WallRules;
  readonly #inside: InsideInterfaces;
  readonly #index = new FlowIndex();
  readonly #startedMs = steadyMs();
  readonly #timers: NodeJS.Timeout[] = [];
  #config: Config;
  #plan: WallPlan;
  #protocols: readonly Protocol[];
  #conntrack: ConntrackTable | null = null;
  #marks: ConnectionMarks | null = null;
  #cuts: ConnectionCuts | null = null;
  #members: IpsetMembers | null = null;
  #blocks: KernelBlocks | null = null;
  #queue: PacketQueue | null = null;
  #ends: ConntrackEvents | null = null;
  #classes: ClientClasses;
  #watch: RuleWatch;

  /** Opens the event file; touches nothing of the network. Throws when the file cannot be opened. */
  constructor(options: WallOptions) {
    const { config, log } = options;
    const { gateway, events } = config.file;
    this.#options = options;
    this.#log = log;
    this.#config = config;
    this.#plan = planOf(config);
    this.#rules = new WallRules(variantOf(config));
    this.#inside = new InsideInterfaces(gateway.inside);
    this.#eventLog = new EventLog({
      file: events.file ?? null,
      stdout: events.stdout,
      syslog: events.syslog,
      types: new Set(events.types),
      onTrouble: (message) => log.error({ component: 'events' }, message),
    });
    this.events = new WallEvents(this.#eventLog);
    this.#protocols = [...PROTOCOLS, ...(config.ropeProtocols ?? [])];
    this.gate = new Gate(
      {
        protocols: this.#protocols,
        policy: config.policy,
        flows: { maxFlows: gateway.max_flows, hashSeed: randomBytes(4).readInt32LE() },
        peers: { ageMs: gateway.peer_minutes * 60_000 },
      },
      this.#listener(),
    );
    this.path = new PacketPath(this.gate, this.#plan.field, this.#inside, this.#plan.classes);
    this.#classes = new ClientClasses(this.#rules, shapedInterfaces(this.#plan), this.#plan.classes);
    this.#watch = this.#newWatch();
  }

  #listener(): ConstructorParameters<typeof Gate>[1] {
    return {
      onFinding: (flow, finding, verdict) => {
        this.#index.add(this.gate.identifier.table, flow);
        this.events.finding(this.gate, flow, finding, verdict);
      },
      onVerdict: (flow, finding, verdict) => {
        this.events.verdict(this.gate, flow, finding, verdict);
        if (verdict.outcome === 'class') this.#classFor(flow, verdict);
        if (verdict.outcome === 'reject') this.#cuts?.flow(flowKey(this.gate.identifier.table, flow));
      },
      onFlowEnd: (flow, finding, reason, verdict) => {
        this.#index.remove(this.gate.identifier.table, flow);
        this.events.ended(this.gate, flow, finding, reason, verdict);
      },
      onContain: (containment) => {
        if (this.#blocks?.contain(containment, steadyMs()) === true) this.events.contained(containment);
      },
      onThrown: (feature, error, isDisabled) =>
        this.#log.error({ component: 'engine', feature, stack: (error as Error).stack }, isDisabled ? 'a detector failed too often and is not asked any more' : 'a detector failed on a packet: please report it'),
    };
  }

  #newWatch(): RuleWatch {
    const { ipv6 } = this.#plan;
    return new RuleWatch([this.#rules.program(4, 'save'), ...(ipv6 ? [this.#rules.program(6, 'save')] : [])], (missing) => this.#restore(missing));
  }

  #classFor(flow: number, verdict: FlowVerdict): void {
    if (verdict.rule === null) return;
    try {
      this.#classes.ensure(verdict.rule, this.gate.address(flow, this.gate.clientEnd(flow)));
    } catch (error) {
      this.#log.error({ component: 'shaping', rule: verdict.rule, hint: (error as { hint?: string }).hint }, (error as Error).message);
    }
  }

  /** Puts the wall up. On failure nothing stays behind. Throws SystemError, ToolError. */
  start(): void {
    const { gateway } = this.#config.file;
    try {
      this.#conntrack = new ConntrackTable();
      this.#marks = new ConnectionMarks(this.#conntrack, this.#plan.field);
      this.#cuts = new ConnectionCuts(this.#conntrack, this.#log);
      this.#members = new IpsetMembers({ onRefused: (set, name) => this.#log.warn({ component: 'sets', set }, `the kernel refuses members: ${name}`) });
      this.#blocks = new KernelBlocks(this.#members);
      const queues = Array.from({ length: gateway.queues }, (_, i) => gateway.first_queue + i);
      this.#queue = new PacketQueue({ queues, failOpen: gateway.mode === 'open' });
      this.#queue.start((packets, count) => this.path.receive(packets, count), {
        onRefused: (errno) => this.#log.warn({ component: 'queue', errno }, 'the kernel refused a verdict'),
      });
      this.#rules.install(this.#plan);
      // Verdicts of an earlier wall are no longer ours; connections older than this wall are asked about.
      this.#marks.forget();
      this.#ends = watchConntrack((_change, entry) => this.#connectionEnded(entry), () => undefined, { changes: ['destroy'] });
    } catch (error) {
      this.#tearDown();
      throw error;
    }
    this.#every(REVIEW_MS, () => this.#review());
    this.#every(HOUSEKEEPING_MS, () => this.#keepHouse());
    this.#every(this.#config.file.events.stats_seconds * 1000, () => this.#eventLog.emit('stats', { stats: this.status() }));
    if (this.#inside.count === 0) this.#log.warn({ inside: gateway.inside }, 'no inside interface exists yet: nothing is inspected until one does');
  }

  #every(ms: number, work: () => void): void {
    const timer = setInterval(work, ms);
    timer.unref();
    this.#timers.push(timer);
  }

  #connectionEnded(entry: Parameters<FlowIndex['find']>[0] & Parameters<WallEvents['withCounters']>[0]): void {
    const flow = this.#index.find(entry);
    if (flow >= 0) this.events.withCounters(entry, () => this.gate.identifier.table.remove(flow, 'closed'));
  }

  #review(): void {
    this.gate.review(steadyMs(), Date.now(), (flow, verdict) => this.#enforce(flow, verdict), REVIEW_FLOWS);
  }

  /** A verdict that no packet waits for: into the mark of the connection, and where it refuses, at once. */
  #enforce(flow: number, verdict: FlowVerdict): void {
    const key = flowKey(this.gate.identifier.table, flow);
    this.#marks?.set(key, this.path.value(verdict));
    if (verdict.outcome === 'reject' || verdict.outcome === 'drop') this.#cuts?.flow(key);
  }

  #keepHouse(): void {
    this.#inside.refresh();
    this.gate.identifier.table.sweep(steadyMs(), SWEEP_FLOWS);
    this.#blocks?.expire(steadyMs());
    this.#watch.look();
  }

  /** Somebody removed rules of ours. */
  #restore(missing: readonly string[]): void {
    this.#log.warn({ component: 'rules', missing }, 'rules of the wall were removed by somebody: putting them back');
    try {
      this.#install();
      this.#eventLog.emit('stats', { restored: missing });
    } catch (error) {
      this.#log.error({ component: 'rules', hint: (error as { hint?: string }).hint }, (error as Error).message);
    }
  }

  #install(): void {
    this.#rules.install(this.#plan);
    this.#classes = new ClientClasses(this.#rules, shapedInterfaces(this.#plan), this.#plan.classes);
    this.path.setClasses(this.#plan.classes);
    this.#blocks?.refill(steadyMs());
  }

  /** Another policy for the same wall. Returns what it cannot change without a restart, empty when all was taken over. */
  reload(config: Config): string[] {
    const before = this.#config.file.gateway;
    const after = config.file.gateway;
    const fixed = (['queues', 'first_queue', 'mark_mask', 'max_flows', 'peer_minutes', 'backend', 'mode'] as const).filter((key) => before[key] !== after[key]);
    const protocols = replaceProtocols(this.#protocols, PROTOCOLS.length, config.ropeProtocols ?? []);
    if (protocols && protocols.length > PROTOCOLS.length) {
      this.#protocols = protocols;
      this.gate.setProtocols(protocols);
    }
    const kept: Config = { ...config, file: { ...config.file, gateway: { ...after, ...Object.fromEntries(fixed.map((key) => [key, before[key]])) } } };
    const plan = planOf(kept);
    const isSame = JSON.stringify(plan) === JSON.stringify(this.#plan);
    this.#config = kept;
    this.#plan = plan;
    if (!isSame) {
      this.#install();
      this.#watch = this.#newWatch();
    }
    this.gate.setPolicy(kept.policy);
    this.#marks?.forget();
    this.gate.judgeAll(steadyMs(), Date.now(), (flow, verdict) => this.#enforce(flow, verdict));
    return [...fixed.map((key) => `gateway.${key}`), ...(protocols ? [] : ['rope'])];
  }

  reopenEvents(): void {
    this.#eventLog.reopen();
  }

  /** Blocks an address for a time, connections that are open included. Returns how many of those. */
  block(text: string, seconds: number): number {
    const address = parseAddress(text);
    if (!address) throw new Error(`'${text}' is no address`);
    this.#blocks?.block(address, seconds * 1000, steadyMs());
    this.#members?.flush();
    const count = this.#marks?.setFor(address, VALUE_DROP) ?? 0;
    this.#cuts?.address(address);
    this.#log.info({ address: text, seconds, connections: count }, 'blocked by request');
    this.#eventLog.emit('block', { address: text, seconds, verdict: { action: 'drop', outcome: 'drop', rule: null, why: 'blocked' } });
    return count;
  }

  /** False when the address was not blocked. */
  unblock(text: string): boolean {
    const address = parseAddress(text);
    if (!address) throw new Error(`'${text}' is no address`);
    const wasBlocked = this.#blocks?.unblock(address) ?? false;
    this.#members?.flush();
    this.#marks?.setFor(address, VALUE_UNDECIDED);
    return wasBlocked;
  }

  status(): Status {
    const { path, gate, events } = this;
    const { file, policy } = this.#config;
    const own = readQueueStatistics().filter(({ queue }) => queue >= file.gateway.first_queue && queue < file.gateway.first_queue + file.gateway.queues);
    const sum = (pick: 'waiting' | 'overflowed' | 'undelivered'): number => own.reduce((all, it) => all + it[pick], 0);
    const tally = (name: 'outcome' | 'protocol'): Record<string, number> => {
      const totals: Record<string, number> = {};
      for (const it of events.settled.values()) totals[it[name]] = (totals[it[name]] ?? 0) + it.count;
      return totals;
    };
    const rules = [...policy.rules.map(({ name, action }) => ({ name, action: action.kind as string })), { name: '(default)', action: policy.defaultAction.kind }];
    return {
      version: this.#options.version,
      pid: process.pid,
      mode: file.gateway.mode,
      uptime_seconds: Math.round((steadyMs() - this.#startedMs) / 1000),
      config: this.#options.configPath,
      inside: this.#plan.inside,
      outside: this.#plan.outside,
      rules: rules.map((rule) => ({ ...rule, flows: events.byRule.get(rule.name) ?? 0 })),
      packets: path.counters.packets,
      bytes: path.counters.bytes,
      dropped_packets: path.counters.droppedPackets,
      flows: gate.identifier.table.size,
      flows_decided: tally('outcome'),
      protocols: tally('protocol'),
      contained_peers: this.#blocks?.containedCount ?? 0,
      blocked_addresses: this.#blocks?.blocked().length ?? 0,
      queue: { waiting: sum('waiting'), overflowed: sum('overflowed'), undelivered: sum('undelivered') },
      troubles: gate.troubles,
      events: { written: this.#eventLog.written, lost: this.#eventLog.lost },
      restored: this.#watch.restored,
    };
  }

  peers(limit: number): PeerList {
    const nowMs = steadyMs();
    const seconds = (untilMs: number): number => Math.max(0, Math.round((untilMs - nowMs) / 1000));
    return {
      contained: (this.#blocks?.contained(limit) ?? []).map(({ untilMs, ...it }) => ({ ...it, seconds: seconds(untilMs) })),
      blocked: (this.#blocks?.blocked() ?? []).map(({ address, untilMs }) => ({ address, seconds: seconds(untilMs) })),
    };
  }

  top(): TopRow[] {
    return this.#conntrack ? topRows(this.#conntrack, this.gate, this.#index) : [];
  }

  #tearDown(isLeftStanding = false): void {
    if (!isLeftStanding) {
      this.#rules.remove();
      this.#marks?.forget();
    }
    this.#queue?.close();
    this.#cuts?.close();
    this.#ends?.close();
    this.#members?.close();
    this.#conntrack?.close();
  }

  /** Takes the wall down and leaves nothing behind, unless its rules shall stay. */
  async stop(isLeftStanding = false): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#tearDown(isLeftStanding);
    this.gate.identifier.finish();
    await this.#eventLog.close();
  }
}
