/**
 * The wall: composition root of the gateway daemon. Joins queues, inspection threads, rules, sets,
 * marks and events; owns their lifetimes. Packets never wait for this thread. Signals and the process belong to
 * `run-wall.ts`.
 *
 * Order of a start: everything that can fail without touching the network first, the queue next (its packets wait for
 * the reader), the rules, and in mode closed the guard behind them. Of a stop: the other way, so that nothing is queued when the
 * reader goes.
 */
import type { Config } from '../config/load.js';
import type { LiveFlow, PeerList, Status, TopRow } from '../control/protocol.js';
import { addressText } from '../base/address.js';
import { GUARD_PRIORITY, GUARD_TABLE, guardExpressions } from '../enforce/guard.js';
import { TABLES } from '../enforce/iptables.js';
import type { WallPlan } from '../enforce/plan.js';
import { shapedInterfaces } from '../enforce/shaping.js';
import type { RuleSet } from '../enforce/rule-set.js';
import { type ConntrackEvents, watchConntrack } from '../kernel/conntrack.js';
import { GuardTable } from '../kernel/guard-table.js';
import { PacketQueue } from '../kernel/nfqueue.js';
import { removeTable } from '../kernel/owned-table.js';
import { type RuleChanges, watchLegacyRules, watchRuleChanges } from '../kernel/rule-changes.js';
import { SystemError } from '../kernel/system-error.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import { ClientClasses } from './client-classes.js';
import { EventLog } from './event-log.js';
import { FullnessReports } from './fullness-reports.js';
import { type InspectionCounters, type News, type RopeSettings, countersOf, noCounters } from './inspection-news.js';
import { Inspectors } from './inspectors.js';
import type { Log } from './log.js';
import { matchingInterfaces } from './interfaces.js';
import { KernelSide } from './kernel-side.js';
import { LiveFlows } from './live-flows.js';
import { steadyMs } from './packet-path.js';
import { QueueOverruns } from './queue-overruns.js';
import { newRopeSettings } from './rope-places.js';
import { RuleWatch } from './rule-watch.js';
import { TopListing } from './top.js';
import { needRestart, planOf, restartKept, rulesOf, settingsOf } from './wall-plan.js';
import { wallStatus } from './wall-status.js';

export interface WallOptions {
  readonly config: Config;
  readonly configPath: string;
  readonly version: string;
  readonly log: Log;
  /** The wall cannot go on: a part of it fails again and again. */
  readonly onFailure: (error: Error) => void;
}

const HOUSEKEEPING_MS = 5000;
/** Rules are read so rarely while no packet comes: the kernel tells of changes, and reading starts two programs. */
const QUIET_LOOK_MS = 60_000;

export class Wall {
  readonly #options: WallOptions;
  readonly #log: Log;
  readonly #eventLog: EventLog;
  readonly #rules: RuleSet;
  readonly #flows = new LiveFlows();
  readonly #startedMs = steadyMs();
  readonly #timers: NodeJS.Timeout[] = [];
  #config: Config;
  #plan: WallPlan;
  #rope: RopeSettings;
  #queues: PacketQueue[] = [];
  #inspectors: Inspectors | null = null;
  /** Mode closed only, and where the kernel has nf_tables. */
  #guard: GuardTable | null = null;
  #kernel: KernelSide | null = null;
  #ends: ConntrackEvents | null = null;
  #classes: ClientClasses;
  #watch: RuleWatch;
  readonly #overruns: QueueOverruns;
  readonly #fullness: FullnessReports;
  /** They tell when somebody changes rules. */
  #changes: RuleChanges[] = [];
  /** When the rules were last read by the clock, and how many packets had been inspected. */
  #looked = { packets: -1, atMs: 0 };
  /** How often rules of ours were missing. */
  #restored = 0;
  readonly #top = new TopListing((entry) => this.#flows.find(entry)?.live ?? null);

  /** Opens the event file; touches nothing of the network. Throws when the file cannot be opened. */
  constructor(options: WallOptions) {
    const { config, log } = options;
    const { gateway, events } = config.file;
    this.#options = options;
    this.#log = log;
    this.#config = config;
    this.#plan = planOf(config);
    const noRope: RopeSettings = { entries: [], configPath: options.configPath, places: [] };
    this.#rope = newRopeSettings(noRope, config.file.rope, config.ropeProtocols ?? []) ?? noRope;
    this.#rules = rulesOf(config);
    this.#overruns = new QueueOverruns(gateway.first_queue, gateway.queues);
    this.#eventLog = new EventLog({
      file: events.file ?? null,
      stdout: events.stdout,
      syslog: events.syslog,
      types: new Set(events.types),
      onTrouble: (message) => log.error({ component: 'events' }, message),
    });
    this.#fullness = new FullnessReports(this.#overruns, gateway.mode, log, this.#eventLog);
    this.#classes = this.#newClasses();
    this.#watch = this.#newWatch();
  }

  #newClasses(): ClientClasses {
    return new ClientClasses(this.#rules, shapedInterfaces(this.#plan), this.#plan.classes);
  }

  #newWatch(): RuleWatch {
    return new RuleWatch(this.#rules, this.#plan, (missing) => this.#restore(missing), (packets) => this.#overruns.rulesCounted(packets));
  }

  /** Puts the wall up. On failure nothing stays behind. Throws SystemError, ToolError. */
  async start(): Promise<void> {
    const { gateway } = this.#config.file;
    try {
      this.#kernel = new KernelSide(this.#plan.field, gateway.backend === 'nftables', this.#log);
      for (let i = 0; i < gateway.queues; i++) this.#queues.push(new PacketQueue({ queues: [gateway.first_queue + i], failOpen: gateway.mode === 'open' }));
      this.#inspectors = this.#newInspectors();
      await this.#inspectors.start();
      // What a wall in mode closed left would stop what this one lets pass.
      if (gateway.mode === 'open') removeTable(GUARD_TABLE);
      this.#rules.install(this.#plan);
      this.#overruns.rulesInstalled();
      if (gateway.mode === 'closed') this.#guard = this.#newGuard();
      // Verdicts of an earlier wall are no longer ours; connections older than this wall are asked about.
      this.#kernel.forgetMarks();
      this.#watchChanges();
      this.#ends = watchConntrack((_change, entry) => this.#connectionEnded(entry), () => undefined, { changes: ['destroy'] });
    } catch (error) {
      await this.#tearDown();
      throw error;
    }
    this.#every(HOUSEKEEPING_MS, () => this.#keepHouse());
    this.#every(this.#config.file.events.stats_seconds * 1000, () => this.#eventLog.emit('stats', { stats: this.status() }));
    if (matchingInterfaces(gateway.inside).length === 0) this.#log.warn({ inside: gateway.inside }, 'no inside interface exists yet: nothing is inspected until one does');
  }

  #watchChanges(): void {
    const changed = (): void => this.#watch.changed();
    this.#changes.push(watchRuleChanges(changed));
    if (this.#rules.isSilent) this.#changes.push(watchLegacyRules(TABLES, this.#plan.ipv6 ? [4, 6] : [4], changed));
  }

  #newGuard(): GuardTable | null {
    try {
      return new GuardTable(GUARD_TABLE, GUARD_PRIORITY, guardExpressions(this.#plan));
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'ERR_NOT_SUPPORTED')) throw error;
      this.#log.warn({ component: 'rules' }, 'this kernel has no nf_tables: should somebody flush all tables of iptables at once, traffic passes until the rules are put back');
      return null;
    }
  }

  #newInspectors(): Inspectors {
    return new Inspectors(this.#queues, settingsOf(this.#config, this.#plan, this.#rope), {
      onNews: (inspector, news) => this.#heard(inspector, news),
      onDeath: (inspector, error, isReplaced) => {
        this.#flows.deleteOf(inspector);
        this.#log.error({ component: 'inspection', queue: this.#config.file.gateway.first_queue + inspector, stack: error.stack }, `an inspection thread ended: ${error.message}${isReplaced ? '; another one takes its place' : ''}`);
        if (!isReplaced) this.#options.onFailure(error);
      },
    });
  }

  #heard(inspector: number, news: News): void {
    switch (news.kind) {
      case 'events':
        for (const line of news.lines) this.#eventLog.write(line);
        break;
      case 'flow':
        this.#flows.set(news.ends, inspector, news.live);
        break;
      case 'gone':
        this.#flows.delete(news.ends);
        break;
      case 'class':
        this.#classFor(news.rule, news.client);
        break;
      case 'mark':
        this.#kernel?.mark(news.key, news.value);
        break;
      case 'cut':
        this.#kernel?.cut(news.key);
        break;
      case 'contain':
        this.#contain(news);
        break;
      case 'thrown':
        this.#log.error({ component: 'engine', feature: news.feature, stack: news.stack }, news.isDisabled ? 'a detector failed too often and is not asked any more' : 'a detector failed on a packet: please report it');
        break;
      case 'refused':
        this.#log.warn({ component: 'queue', errno: news.errno }, 'the kernel refused a verdict');
        break;
      // The threads' own business with `Inspectors`.
      case 'ready':
      case 'swapped':
      case 'counters':
        break;
    }
  }

  #contain({ containment }: Extract<News, { kind: 'contain' }>): void {
    if (this.#kernel?.contain(containment) !== true) return;
    const { client, peer, port, holdMs, rule } = containment;
    const text = (bytes: Uint8Array): string => addressText(bytes, 0, bytes.length);
    this.#eventLog.emit('peer', {
      client: text(client),
      peer: { ip: text(peer), port, hold_seconds: holdMs / 1000 },
      verdict: { action: 'contain', rule, why: 'contained' },
    });
  }

  #classFor(rule: string, client: Uint8Array): void {
    try {
      this.#classes.ensure(rule, client);
    } catch (error) {
      this.#log.error({ component: 'shaping', rule, hint: (error as { hint?: string }).hint }, (error as Error).message);
    }
  }

  #every(ms: number, work: () => void): void {
    const timer = setInterval(work, ms);
    timer.unref();
    this.#timers.push(timer);
  }

  #connectionEnded(entry: ConntrackEntry): void {
    const found = this.#flows.find(entry);
    if (found) this.#inspectors?.endFlow(found.inspector, { kind: 'end', ends: found.ends, counters: countersOf(entry) });
  }

  #keepHouse(): void {
    this.#inspectors?.endSilent();
    this.#kernel?.keepHouse();
    this.#lookAtRules();
    this.#fullness.look();
  }

  #lookAtRules(): void {
    const { packets } = this.counters();
    if (packets === this.#looked.packets && steadyMs() < this.#looked.atMs + QUIET_LOOK_MS) return;
    this.#looked = { packets, atMs: steadyMs() };
    this.#watch.look();
  }

  /** Somebody removed rules of ours. */
  #restore(missing: readonly string[]): void {
    this.#restored++;
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
    for (const changes of this.#changes) changes.settle();
    this.#overruns.rulesInstalled();
    this.#classes = this.#newClasses();
    this.#kernel?.refillSets();
  }

  /** Another policy for the same wall. Returns what it cannot change without a restart, empty when all was taken over. */
  async reload(config: Config): Promise<string[]> {
    const fixed = needRestart(this.#config, config);
    const kept = restartKept(this.#config, config);
    const plan = planOf(kept);
    const isSame = JSON.stringify(plan) === JSON.stringify(this.#plan);
    this.#config = kept;
    this.#plan = plan;
    if (!isSame) {
      this.#install();
      this.#watch.close();
      this.#watch = this.#newWatch();
    }
    const rope = newRopeSettings(this.#rope, config.file.rope, config.ropeProtocols ?? []);
    this.#rope = rope ?? this.#rope;
    await this.#inspectors?.setPolicy(kept.policy, plan.classes, this.#rope);
    this.#kernel?.forgetMarks();
    this.#inspectors?.judgeAll();
    return rope ? fixed : [...fixed, 'rope'];
  }

  reopenEvents(): void {
    this.#eventLog.reopen();
  }

  /** As `KernelSide.block`; reported. */
  block(text: string, seconds: number): number {
    const connections = this.#kernel?.block(text, seconds) ?? 0;
    this.#log.info({ address: text, seconds, connections }, 'blocked by request');
    this.#eventLog.emit('block', { address: text, seconds, verdict: { action: 'drop', outcome: 'drop', rule: null, why: 'blocked' } });
    return connections;
  }

  /** False when the address was not blocked. */
  unblock(text: string): boolean {
    return this.#kernel?.unblock(text) ?? false;
  }

  status(): Status {
    return wallStatus({
      config: this.#config,
      configPath: this.#options.configPath,
      version: this.#options.version,
      plan: this.#plan,
      startedMs: this.#startedMs,
      counters: this.counters(),
      overruns: this.#overruns,
      contained: this.#kernel?.containedCount ?? 0,
      blocked: this.#kernel?.blockedCount ?? 0,
      events: { written: this.#eventLog.written, lost: this.#eventLog.lost },
      restored: this.#restored,
    });
  }

  /** Sums of all inspection threads, at most a fifth of a second old. */
  counters(): InspectionCounters {
    return this.#inspectors?.counters() ?? noCounters();
  }

  flows(limit: number): LiveFlow[] {
    return this.#flows.list(limit);
  }

  peers(limit: number): PeerList {
    return this.#kernel?.peers(limit) ?? { contained: [], blocked: [] };
  }

  top(): Promise<TopRow[]> {
    return this.#top.rows();
  }

  async #tearDown(isLeftStanding = false): Promise<void> {
    for (const changes of this.#changes) changes.close();
    this.#changes = [];
    this.#watch.close();
    this.#guard?.close(isLeftStanding);
    if (!isLeftStanding) {
      this.#rules.remove();
      this.#kernel?.forgetMarks();
    }
    await this.#inspectors?.stop();
    for (const queue of this.#queues) queue.close();
    this.#ends?.close();
    this.#kernel?.close();
  }

  /** Takes the wall down and leaves nothing behind, unless its rules shall stay. */
  async stop(isLeftStanding = false): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#tearDown(isLeftStanding);
    await this.#eventLog.close();
  }
}
