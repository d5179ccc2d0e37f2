/**
 * ftwall as a running program: queue, machine and effects joined, with rules, timers and an orderly end.
 *
 * The machine's clock is the monotonic one, so that setting the time of day neither releases nor prolongs a lock.
 * Rules are installed last and removed first; with `--queue-bypass` traffic flows whenever the program does not.
 */
import { readFileSync, statSync } from 'node:fs';
import { type FtwallRuleOptions, rulesRemoval, rulesText, setsRemovalText, setsText } from '../enforce/ftwall-rules.js';
import { must, runTool } from '../enforce/tools.js';
import type { Action } from '../ftwall/actions.js';
import { Gate, type Place } from '../ftwall/gate.js';
import { readStoreFile } from '../ftwall/store-file.js';
import { ContainmentMachine, type ContainmentOptions } from '../ftwall/containment-machine.js';
import { PacketQueue } from '../kernel/nfqueue.js';
import { NF_ACCEPT, NF_DROP, type QueuedPacket } from '../netlink/nfqueue.js';
import { decodeIp } from '../wire/decode.js';
import { PacketView } from '../wire/packet-view.js';
import { FtwallEffects } from './ftwall-effects.js';
import type { FtwallLog } from './ftwall-log.js';
import { protection } from './protection.js';

export interface FtwallSettings extends FtwallRuleOptions {
  readonly machine: Omit<ContainmentOptions, 'isProtected'>;
  readonly maxPeers: number;
  readonly storeFile: string | null;
  readonly clientFolder: string | null;
  readonly receiveBufferBytes: number | null;
  readonly installsRules: boolean;
}

/** NF_INET_* hooks at which the rules queue. */
const HOOK_LOCAL_IN = 1;
const HOOK_FORWARD = 2;
/** Enough for headers and a transfer head in one segment. */
const COPY_RANGE_BYTES = 1600;
/** A ping with its headers. */
const PING_RANGE_BYTES = 128;
/** Most of a second at 20,000 pings/s, should this process not be scheduled for so long. */
const PING_QUEUE_PACKETS = 16_384;
/** Default of the original. */
export const FIRST_BUFFER_BYTES = 32 << 10;
/** Room for 17,000 pings: the kernel doubles it and takes about 1 KB of it for each. */
const LARGEST_BUFFER_BYTES = 8 << 20;
const RULES_HINT = 'run as root, and look at the kernel modules for ipset and NFQUEUE';
/** Set members sent at once while a store is read. */
const RESTORE_BATCH = 500;
/** A million lines of the longest kind. */
const MAX_STORE_BYTES = 100 << 20;

/** A set-up step failed: what, and what to do. */
export class FtwallStartError extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.name = 'FtwallStartError';
    this.hint = hint;
  }
}

export class FtwallDaemon {
  readonly machine: ContainmentMachine;
  readonly #settings: FtwallSettings;
  readonly #log: FtwallLog;
  readonly #gate: Gate;
  readonly #effects: FtwallEffects;
  readonly #pings: PacketQueue;
  readonly #others: PacketQueue;
  readonly #view = new PacketView();
  readonly #actions: Action[] = [];
  readonly #places = new Map<number, boolean>();
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;

  /** Starts everything; throws FtwallStartError, ToolError or SystemError, and leaves nothing behind then. */
  constructor(settings: FtwallSettings, log: FtwallLog) {
    this.#settings = settings;
    this.#log = log;
    const isProtected = protection(settings.protectedNetworks);
    this.machine = new ContainmentMachine({ ...settings.machine, maxPeers: settings.maxPeers, isProtected });
    this.#gate = new Gate(this.machine);
    const stored = settings.storeFile === null ? '' : readStore(settings.storeFile);
    // Queues first: they tell whether another ftwall runs, whose rules and sets must not be touched then.
    const buffer = settings.receiveBufferBytes === null ? { receiveBufferBytes: FIRST_BUFFER_BYTES, growsToBytes: LARGEST_BUFFER_BYTES } : { receiveBufferBytes: settings.receiveBufferBytes };
    // A ping that is lost is repeated by its client, one that passes has reached its peer. Anything else may rather pass than be lost.
    this.#pings = new PacketQueue({
      queues: [settings.queue],
      copyRangeBytes: PING_RANGE_BYTES,
      maxPackets: PING_QUEUE_PACKETS,
      failOpen: false,
      ...buffer,
    });
    let others: PacketQueue | null = null;
    let effects: FtwallEffects | null = null;
    try {
      this.#others = others = new PacketQueue({
        queues: [settings.queue + 1],
        copyRangeBytes: COPY_RANGE_BYTES,
        ...buffer,
      });
      if (settings.installsRules) this.#installSets();
      this.#effects = effects = openEffects(settings, log);
      this.#restore(stored);
    } catch (error) {
      this.#pings.close();
      effects?.close();
      if (others !== null) {
        others.close();
        if (settings.installsRules) removeRules(settings.interfaces);
      }
      throw error;
    }
    for (const queue of [this.#pings, this.#others]) {
      queue.start((packets, count) => this.#batch(packets, count), { onRefused: (errno) => log.debug('q', `a verdict was refused: ${errno}`) });
    }
    if (settings.installsRules) this.#installRules();
    this.#schedule();
  }

  get counters() {
    return { pings: this.#pings.counters.packets, others: this.#others.counters.packets, ...this.#effects.counters, peers: this.machine.peers.size, clients: this.machine.clients.size };
  }

  /** Removes rules and sets, closes everything. Client files of clients that are still there are removed too. Safe to call twice. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#log.debug('q', `ends: ${JSON.stringify(this.counters)}`);
    this.#tellGrowth();
    if (this.#settings.installsRules) removeChains(this.#settings.interfaces);
    this.#pings.close();
    this.#others.close();
    for (const client of this.machine.clients.clients()) this.#effects.run({ kind: 'remove-client-file', client: client.address }, '');
    this.#effects.close();
    if (this.#settings.installsRules) removeSets();
  }

  /** Once, at the end: while packets flood in there is no time to talk. */
  #tellGrowth(): void {
    const from = this.#settings.receiveBufferBytes ?? FIRST_BUFFER_BYTES;
    const text = (bytes: number): string => `${bytes >> 10}k`;
    for (const [queue, what] of [[this.#pings, 'pings'], [this.#others, 'other packets']] as const) {
      if (queue.receiveBufferBytes > from) this.#log.note(`the socket buffer for ${what} grew from ${text(from)} to ${text(queue.receiveBufferBytes)}`);
    }
  }

  #installSets(): void {
    removeRules(this.#settings.interfaces);
    must(runTool, 'ipset', ['restore', '-exist'], setsText(this.#settings.maxPeers), RULES_HINT);
  }

  #installRules(): void {
    try {
      for (const family of [4, 6] as const) {
        const tool = family === 4 ? 'iptables-restore' : 'ip6tables-restore';
        must(runTool, tool, ['--noflush', '-w'], rulesText(family, this.#settings), RULES_HINT);
      }
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  #restore(text: string): void {
    const nowMs = performance.now();
    const nowS = Date.now() / 1000;
    const actions: Action[] = [];
    let count = 0;
    readStoreFile(
      text,
      (peer) => {
        const ageMs = peer.seenAtS === null ? 0 : Math.max(0, nowS - peer.seenAtS) * 1000;
        this.machine.restore(nowMs, peer.client, peer.address, peer.port, ageMs, actions);
        for (const action of actions) this.#effects.run(action, '');
        actions.length = 0;
        if (++count % RESTORE_BATCH === 0) this.#effects.flush();
      },
      ({ line, problem }) => this.#log.trouble(`store file line ${line}: ${problem}; skipped`),
    );
    this.#effects.flush();
    if (count > 0) this.#log.debug('p', `${this.machine.peers.size} peers known from the store file`);
  }

  #batch(packets: readonly QueuedPacket[], count: number): void {
    const nowMs = performance.now();
    for (let i = 0; i < count; i++) {
      const packet = packets[i];
      if (packet) this.#packet(packet, nowMs);
    }
  }

  #packet(packet: QueuedPacket, nowMs: number): void {
    const view = this.#view;
    if (decodeIp(view, packet.bytes, packet.payloadAt, packet.payloadEnd) !== 'ok') return;
    const actions = this.#actions;
    actions.length = 0;
    this.#gate.packet(nowMs, view, this.#place(packet), actions);
    const verdict = actions[0];
    packet.verdict = verdict?.kind === 'verdict' && verdict.verdict === 'drop' ? NF_DROP : NF_ACCEPT;
    const mac = this.#log.wantsMac && packet.hwAddressLength === 6 ? macText(packet.bytes, packet.hwAddressAt) : '';
    for (const action of actions) this.#effects.run(action, mac);
  }

  #place(packet: QueuedPacket): Place {
    if (packet.hook === HOOK_LOCAL_IN) return 'to-wall';
    if (packet.hook !== HOOK_FORWARD) return 'from-wall';
    return this.#isInside(packet.inInterface) ? 'from-inside' : 'to-inside';
  }

  /** Interface numbers change when interfaces come and go, so unknown ones are looked up again. */
  #isInside(index: number): boolean {
    let isInside = this.#places.get(index);
    if (isInside === undefined) {
      isInside = this.#settings.interfaces.some((name) => interfaceIndex(name) === index);
      this.#places.set(index, isInside);
    }
    return isInside;
  }

  #schedule(): void {
    const untilDueMs = this.machine.nextDueMs() - performance.now();
    this.#timer = setTimeout(() => this.#tick(), Math.min(1000, Math.max(10, untilDueMs)));
  }

  #tick(): void {
    const actions: Action[] = [];
    this.machine.tick(performance.now(), actions);
    for (const action of actions) this.#effects.run(action, '');
    if (!this.#isStopped) this.#schedule();
  }
}

/** Removes rules that this program or a killed predecessor left. Absent ones are no failure. */
function removeChains(interfaces: readonly string[]): void {
  for (const tool of ['iptables', 'ip6tables']) for (const args of rulesRemoval(interfaces)) runTool(tool, ['-w', ...args]);
}

function removeSets(): void {
  for (const line of setsRemovalText().trim().split('\n')) runTool('ipset', line.split(' '));
}

export function removeRules(interfaces: readonly string[]): void {
  removeChains(interfaces);
  removeSets();
}

function openEffects(settings: FtwallSettings, log: FtwallLog): FtwallEffects {
  try {
    return new FtwallEffects(settings, log);
  } catch (error) {
    if (!(error instanceof Error) || (error as NodeJS.ErrnoException).path !== settings.storeFile) throw error;
    throw new FtwallStartError(`cannot write the store file: ${error.message}`, 'make its folder, or look at its permissions');
  }
}

function readStore(path: string): string {
  try {
    const found = statSync(path);
    if (found.size > MAX_STORE_BYTES) throw new FtwallStartError(`the store file has ${found.size} bytes`, 'shorten it: newer lines are at its end');
    // Devices and pipes can be appended to, but have no end to read up to.
    return found.isFile() ? readFileSync(path, 'utf8') : '';
  } catch (error) {
    if (error instanceof FtwallStartError) throw error;
    // A file that is not there yet is made when it is opened for appending.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new FtwallStartError(`cannot read the store file: ${error instanceof Error ? error.message : String(error)}`, 'look at its permissions');
  }
}

function interfaceIndex(name: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return -1;
    throw error;
  }
}

function macText(bytes: Uint8Array, at: number): string {
  return [...bytes.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
