/**
 * Cuts connections at both ends: the door of this folder, used by `cutter`, by
 * `p2pwall cut` and `p2pwall block`, and by the wall when it rejects an established flow.
 *
 * TCP legs to other machines get an exact RST (`cut-session.ts`), sockets of this machine are destroyed, entries
 * of connection tracking deleted. Other protocols have no way to be ended at their ends: their entries are
 * deleted, which is only useful together with a hold. Nothing is left behind, however this process ends.
 */
import { type Connection, type Endpoint, type Leg, legSocketKey, legsOf, socketKey } from '../../cutter/connection.js';
import type { CutMachine, LegIndex, LegOutcome, Method } from '../../cutter/cut-machine.js';
import type { ConntrackEntry } from '../../netlink/conntrack.js';
import type { LocalSocket } from '../../netlink/sock-diag.js';
import { IPPROTO_TCP } from '../../wire/constants.js';
import { ConntrackTable } from '../conntrack.js';
import { ENOENT, errnoMeaning, errnoName } from '../errno.js';
import { type NextHop, NextHops } from '../next-hop.js';
import type { PacketReceiver } from '../packet-socket.js';
import { SocketTable } from '../socket-table.js';
import { SystemError } from '../system-error.js';
import { type CutJob, CutSession, type InjectedLeg, openReceiver } from './cut-session.js';
import { CutTable, holdConnections } from './cut-table.js';
import { WindowReader } from './window-reader.js';

export interface CutRequest {
  readonly connections: readonly Connection[];
  /** `auto`: the window where the kernel can tell it, else the challenge. */
  readonly method: Method | 'auto';
  readonly timeoutMs: number;
  /** Refuse the same client and service for so long; 0: do not. */
  readonly holdSeconds: number;
  /** Hold only connections of these protocols; default all. */
  readonly heldProtocols?: readonly number[];
  readonly onProgress?: (done: number, total: number) => void;
}

/** How one end was dealt with. */
export interface LegResult {
  readonly to: Endpoint;
  /** `destroyed`: a socket of this machine; `failed`: nothing could be done, see `reason`. */
  readonly outcome: LegOutcome | 'destroyed' | 'failed';
  /** What was sent to it: `socket` for SOCK_DESTROY. */
  readonly method: Method | 'socket' | null;
  readonly interfaceName: string;
  readonly tries: number;
  readonly ms: number;
  readonly isClosed: boolean;
  /** '' when it is closed. */
  readonly reason: string;
}

export interface ConnectionResult {
  readonly connection: Connection;
  readonly legs: readonly LegResult[];
  /** Both ends are dead; for other protocols than TCP: the entry is gone. */
  readonly isCut: boolean;
}

export interface CutReport {
  readonly results: readonly ConnectionResult[];
  /** Getting ready: programs, rules, routes, neighbours. */
  readonly prepareMs: number;
  /** From the first segment to the last answer. */
  readonly cutMs: number;
  /** What went otherwise than asked, for the administrator. */
  readonly warnings: readonly string[];
}

/** Cuts all connections concurrently. Throws SystemError when the machine cannot do it at all. */
export async function cutConnections(request: CutRequest): Promise<CutReport> {
  const engine = new CutEngine();
  try {
    return await engine.cut(request);
  } finally {
    engine.close();
  }
}

/**
 * What a cut needs again and again, opened on first use and kept: for programs that cut often. Cuts that
 * overlap wait for each other.
 */
export class CutEngine {
  private receiver: PacketReceiver | null = null;
  private windows: WindowReader | SystemError | null = null;
  private last: Promise<unknown> = Promise.resolve();
  /** Cuts that have begun or wait. */
  private running = 0;

  /** As `cutConnections`. */
  cut(request: CutRequest): Promise<CutReport> {
    const run = async (): Promise<CutReport> => {
      const cut = new Cut(request, this);
      try {
        return await cut.run();
      } finally {
        cut.close();
        this.running--;
      }
    };
    this.running++;
    const report = this.last.then(run);
    // The next one waits for the end of this one, however it ends; the caller hears of failures.
    this.last = report.catch(() => undefined);
    return report;
  }

  /** Opens now what `method` will need whatever is cut. Throws SystemError where nothing could be cut. */
  prepare(method: CutRequest['method']): void {
    this.openReceiver();
    if (method === 'auto' || method === 'window') this.openWindows();
  }

  openReceiver(): PacketReceiver {
    return (this.receiver ??= openReceiver());
  }

  /** The reader, or why there is none. */
  openWindows(): WindowReader | SystemError {
    if (this.windows === null) {
      try {
        this.windows = new WindowReader();
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        this.windows = error;
      }
    }
    return this.windows;
  }

  /** At once, or after the cut that is running. */
  close(): void {
    if (this.running > 0) void this.last.then(() => this.closeNow());
    else this.closeNow();
  }

  private closeNow(): void {
    this.receiver?.close();
    if (this.windows instanceof WindowReader) this.windows.close();
    this.receiver = null;
    this.windows = null;
  }
}

interface Plan {
  readonly connection: Connection;
  readonly legs: readonly [Leg, Leg];
  /** What is known of the legs before anything is sent: results of local and unreachable ones. */
  readonly settled: [LegResult | null, LegResult | null];
  readonly injected: InjectedLeg[];
  method: Method;
}

class Cut {
  private readonly request: CutRequest;
  private readonly engine: CutEngine;
  private readonly warnings: string[] = [];
  private readonly hops = new NextHops();
  private windows: WindowReader | null = null;
  private stallTable: CutTable | null = null;
  private rejectTable: CutTable | null = null;
  private canStall = true;
  private session: CutSession | null = null;

  constructor(request: CutRequest, engine: CutEngine) {
    this.request = request;
    this.engine = engine;
  }

  async run(): Promise<CutReport> {
    const { request } = this;
    const startedMs = performance.now();
    const tcp = request.connections.filter(({ protocol }) => protocol === IPPROTO_TCP);
    const method = tcp.length === 0 ? 'challenge' : this.openMethod();
    const plans = await this.planAll(tcp, method);
    const held = request.connections.filter(({ protocol }) => request.heldProtocols?.includes(protocol) !== false);
    if (request.holdSeconds > 0 && held.length > 0) holdConnections(held, request.holdSeconds);
    this.rejectTable?.add(tcp);
    const jobs = plans.map((plan) => this.job(plan));
    const session = (this.session = new CutSession(jobs, request.timeoutMs, this.engine.openReceiver()));
    const readyMs = performance.now();
    this.destroySockets(plans);
    await session.run((done) => request.onProgress?.(done, request.connections.length));
    const doneMs = performance.now();
    for (const [errno, count] of session.sendErrors) {
      this.warnings.push(`${count} segments could not be sent: ${errnoMeaning(errno) ?? errnoName(errno)}`);
    }
    const { machines } = session;
    const results = plans.map((plan, i) => this.result(plan, machines[i]));
    return {
      results: this.deleteEntries(results),
      prepareMs: readyMs - startedMs,
      cutMs: doneMs - readyMs,
      warnings: this.warnings,
    };
  }

  close(): void {
    this.session?.close();
    this.hops.close();
    this.stallTable?.close();
    this.rejectTable?.close();
  }

  /** Opens what the method needs; with `auto` the best that this machine allows. */
  private openMethod(): Method {
    const { method } = this.request;
    if (method === 'challenge') return method;
    if (method === 'reject') {
      this.rejectTable = new CutTable('reject');
      return method;
    }
    const windows = this.engine.openWindows();
    if (windows instanceof WindowReader) {
      this.windows = windows;
      return 'window';
    }
    if (method === 'window') throw windows;
    return 'challenge';
  }

  private async planAll(connections: readonly Connection[], method: Method): Promise<Plan[]> {
    const plans = connections.map((connection): Plan => ({ connection, legs: legsOf(connection), settled: [null, null], injected: [], method }));
    // All are asked for before any is awaited: neighbours that must be woken take their time together.
    const hops = plans.map((plan) => [this.hop(plan, 0), this.hop(plan, 1)] as const);
    for (const [i, plan] of plans.entries()) {
      for (const index of [0, 1] as const) {
        const found = hops[i]?.[index] ?? null;
        this.place(plan, index, found instanceof Promise ? await found : found);
      }
    }
    return plans;
  }

  /** Null: the end is on this machine. */
  private hop(plan: Plan, index: LegIndex): NextHop | Promise<NextHop> | null {
    if (localSocket(plan, index)) return null;
    const { to, routedFrom } = plan.legs[index];
    return this.hops.resolve(to.address, routedFrom, plan.connection.mark);
  }

  /** What is to be done to an end. */
  private place(plan: Plan, index: LegIndex, hop: NextHop | null): void {
    const leg = plan.legs[index];
    if (hop?.kind === 'link') plan.injected.push({ index, leg, interfaceIndex: hop.interfaceIndex, linkAddress: hop.linkAddress });
    else if (hop?.kind === 'unreachable') plan.settled[index] = legResult(leg.to, 'failed', null, hop.reason);
    // Without a socket there is nothing left to close at an end on this machine.
    else plan.settled[index] = legResult(leg.to, localSocket(plan, index) ? 'destroyed' : 'closed', 'socket', '');
  }

  private job(plan: Plan): CutJob {
    const { connection } = plan;
    const expected = this.windows?.read(connection) ?? null;
    if (plan.method === 'window' && !expected) plan.method = 'challenge';
    return {
      legs: plan.injected,
      options: {
        method: plan.method,
        ...(expected ? { expected } : {}),
        // Any number will do: it is in the window by accident only (at worst one in four, usually one in 65,536).
        probeSeq: (connection.original.sourcePort * 0x9e3779b1) >>> 0,
      },
      stall: () => this.stall(connection),
    };
  }

  private stall(connection: Connection): void {
    if (!this.canStall) return;
    try {
      this.stallTable ??= new CutTable('drop');
      this.stallTable.add([connection]);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.canStall = false;
      this.warnings.push(`busy connections may survive: ${error.message}`);
    }
  }

  private destroySockets(plans: readonly Plan[]): void {
    if (plans.every(({ connection }) => connection.sockets.length === 0)) return;
    const table = new SocketTable();
    try {
      for (const plan of plans) {
        for (const index of [0, 1] as const) {
          const socket = localSocket(plan, index);
          if (!socket) continue;
          const errno = table.destroy(socket);
          if (errno === 0 || errno === ENOENT) continue;
          const reason = `its socket on this machine cannot be destroyed: ${errnoMeaning(errno) ?? errnoName(errno)}`;
          plan.settled[index] = legResult(plan.legs[index].to, 'failed', 'socket', reason);
        }
      }
    } finally {
      table.close();
    }
  }

  private result(plan: Plan, machine: CutMachine | undefined): ConnectionResult {
    const legs = ([0, 1] as const).map((index) => {
      const settled = plan.settled[index];
      if (settled) return settled;
      const { to } = plan.legs[index];
      const { outcome, tries, ms } = machine?.report(index) ?? { outcome: null, tries: 0, ms: 0 };
      const interfaceIndex = plan.injected.find((leg) => leg.index === index)?.interfaceIndex ?? 0;
      return {
        ...legResult(to, outcome ?? 'unanswered', plan.method, ''),
        interfaceName: this.hops.interfaceName(interfaceIndex),
        tries,
        ms,
      };
    });
    return { connection: plan.connection, legs, isCut: legs.every(({ isClosed }) => isClosed) };
  }

  /** Removes the entries of what was cut at one end at least, and of other protocols than TCP. Results are in the order of the request. */
  private deleteEntries(tcpResults: readonly ConnectionResult[]): ConnectionResult[] {
    const byConnection = new Map(tcpResults.map((result) => [result.connection, result]));
    const entries = this.request.connections.flatMap((connection) => {
      const result = byConnection.get(connection);
      return connection.entry && (!result || result.legs.some(({ isClosed }) => isClosed)) ? [connection.entry] : [];
    });
    const errnos = entries.length === 0 ? [] : deleteAll(entries);
    for (const errno of errnos) {
      this.warnings.push(`entries of connection tracking stay: ${errnoMeaning(errno) ?? errnoName(errno)}`);
    }
    return this.request.connections.map(
      (connection) => byConnection.get(connection) ?? { connection, legs: [], isCut: errnos.length === 0 },
    );
  }
}

/** Errnos of entries that could not be deleted; those that were gone already are none. */
function deleteAll(entries: readonly ConntrackEntry[]): number[] {
  const table = new ConntrackTable();
  try {
    return [...table.delete(entries).failed.keys()];
  } finally {
    table.close();
  }
}

/** The socket of this machine at the far end of a leg, if there is one. */
function localSocket({ connection, legs }: Plan, index: LegIndex): LocalSocket | undefined {
  if (connection.sockets.length === 0) return undefined;
  const key = legSocketKey(connection.protocol, legs[index]);
  return connection.sockets.find((socket) => socketKey(socket) === key);
}

/** What is said behind the name of the end. */
const REASONS: Readonly<Record<LegOutcome, string>> = {
  closed: '',
  silent: '',
  unanswered: 'does not answer: its host is gone, or a firewall on the way is silent',
  deaf: 'goes on sending, but the RSTs do not reach it: a firewall on the way, or its own, drops them',
  alive: 'stays alive: data keeps moving faster than it can be followed',
};

function legResult(to: Endpoint, outcome: LegResult['outcome'], method: LegResult['method'], reason: string): LegResult {
  const isClosed = outcome === 'closed' || outcome === 'silent' || outcome === 'destroyed';
  const why = outcome === 'failed' || outcome === 'destroyed' ? reason : REASONS[outcome];
  return { to, outcome, method, interfaceName: '', tries: 0, ms: 0, isClosed, reason: why };
}
