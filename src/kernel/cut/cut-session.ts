/**
 * Runs many cuts at once: feeds the machines of `cutter/cut-machine.ts` with
 * segments and time, and puts what they send on the wire.
 *
 * Segments are injected below netfilter, straight to the device and next hop, with the addresses each side
 * sees, so NAT and the firewall's own rules do not matter. Answers are read from packet sockets as they arrive.
 */
import { type Leg, endsKey } from '../../cutter/connection.js';
import { captureFilter, portPair } from '../../cutter/capture-filter.js';
import { type CutActions, CutMachine, type CutOptions, type LegIndex } from '../../cutter/cut-machine.js';
import { MAX_SEGMENT_BYTES, segmentOf, segmentTemplate } from '../../cutter/segment.js';
import { IPPROTO_TCP } from '../../wire/constants.js';
import { decodeIp } from '../../wire/decode.js';
import { PacketView } from '../../wire/packet-view.js';
import { type LinkPacket, PacketReceiver, PacketSender } from '../packet-socket.js';

/** A leg that is cut by injected segments. */
export interface InjectedLeg {
  readonly index: LegIndex;
  readonly leg: Leg;
  readonly interfaceIndex: number;
  readonly linkAddress: Uint8Array | null;
}

/** One connection to cut. */
export interface CutJob {
  readonly legs: readonly InjectedLeg[];
  readonly options: Omit<CutOptions, 'legs' | 'startMs' | 'deadlineMs'>;
  /** Drop packets between the ends from now on. */
  readonly stall: () => void;
}

interface RunningJob {
  readonly job: CutJob;
  readonly machine: CutMachine;
  readonly templates: readonly [Uint8Array | null, Uint8Array | null];
}

// Connections begun before answers are read: keeps the receive buffer from overflowing with answers.
const BEGIN_AT_ONCE = 256;
// How often the clocks of the machines are looked at; their waits are 150 ms and more.
const SHORTEST_TICK_MS = 5;
const LONGEST_TICK_MS = 50;
// A device queue that is full takes more after a moment; the machines repeat what is lost anyway.
const REPORTED_SEND_ERRORS = 5;

export interface SessionResult {
  /** In the order of the jobs. */
  readonly machines: readonly CutMachine[];
  /** Errors of sending: errno and how often. */
  readonly sendErrors: ReadonlyMap<number, number>;
}

/** Cuts all jobs, or gives up after `timeoutMs`. `onProgress(done)` is called from time to time. Throws SystemError when sockets cannot be opened. */
export async function runCuts(
  jobs: readonly CutJob[],
  timeoutMs: number,
  onProgress: (done: number) => void,
): Promise<SessionResult> {
  const session = new Session(jobs, timeoutMs);
  try {
    await session.run(onProgress);
  } finally {
    session.close();
  }
  return { machines: session.machines, sendErrors: session.sendErrors };
}

class Session {
  readonly sendErrors = new Map<number, number>();
  private readonly running: RunningJob[];
  /** By the ends of segments that the victim of the leg sends. */
  private readonly byAnswer = new Map<string, [RunningJob, LegIndex][]>();
  private readonly outbox: LinkPacket[] = [];
  private readonly view = new PacketView();
  private readonly receiver: PacketReceiver;
  private readonly sender: PacketSender;
  private nowMs = performance.now();
  /** Jobs that are not done. */
  private pending: number;
  private wake: () => void = () => undefined;

  constructor(jobs: readonly CutJob[], timeoutMs: number) {
    const startMs = this.nowMs;
    this.running = jobs.map((job) => this.started(job, startMs, startMs + timeoutMs));
    this.pending = jobs.length;
    this.receiver = new PacketReceiver({ filter: captureFilter(this.answerPorts()), receiveBufferBytes: 16 << 20 });
    try {
      this.sender = new PacketSender(MAX_SEGMENT_BYTES);
    } catch (error) {
      this.receiver.close();
      throw error;
    }
  }

  get machines(): CutMachine[] {
    return this.running.map(({ machine }) => machine);
  }

  async run(onProgress: (done: number) => void): Promise<void> {
    const visit = this.visit.bind(this);
    for (let from = 0; from < this.running.length; from += BEGIN_AT_ONCE) {
      this.tick(this.running.slice(from, from + BEGIN_AT_ONCE));
      this.receiver.read(visit);
      this.flush();
    }
    this.receiver.start(visit, () => {
      this.flush();
      if (this.pending === 0) this.wake();
    });
    let left = this.running.filter(({ machine }) => !machine.isDone);
    while (left.length > 0) {
      await this.answersOrTime(left);
      this.tick(left);
      left = left.filter(({ machine }) => !machine.isDone);
      this.pending = left.length;
      onProgress(this.running.length - left.length);
    }
  }

  close(): void {
    this.receiver.close();
    this.sender.close();
  }

  /** Waits until a machine wants to be called, or all are done. */
  private answersOrTime(left: readonly RunningJob[]): Promise<void> {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { machine } of left) nextMs = Math.min(nextMs, machine.nextMs);
    const waitMs = Math.min(Math.max(nextMs - performance.now(), SHORTEST_TICK_MS), LONGEST_TICK_MS);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private started(job: CutJob, startMs: number, deadlineMs: number): RunningJob {
    const templates: [Uint8Array | null, Uint8Array | null] = [null, null];
    const target = (index: LegIndex): InjectedLeg | undefined => job.legs.find((leg) => leg.index === index);
    for (const { index, leg } of job.legs) templates[index] = segmentTemplate(leg);
    const actions: CutActions = {
      send: (index, flags, seq, ack) => {
        const template = templates[index];
        const leg = target(index);
        if (!template || !leg) return;
        this.outbox.push({ packet: segmentOf(template, flags, seq, ack), interfaceIndex: leg.interfaceIndex, linkAddress: leg.linkAddress });
      },
      stall: job.stall,
    };
    const legs = job.legs.map(({ index }) => index);
    const machine = new CutMachine({ ...job.options, legs, startMs, deadlineMs }, actions);
    const running = { job, machine, templates };
    for (const { index, leg } of job.legs) {
      const key = endsKey(IPPROTO_TCP, leg.to, leg.from);
      const others = this.byAnswer.get(key);
      // The same ends may exist in several zones.
      if (others) others.push([running, index]);
      else this.byAnswer.set(key, [[running, index]]);
    }
    return running;
  }

  private answerPorts(): number[] {
    return this.running.flatMap(({ job }) => job.legs.map(({ leg }) => portPair(leg.to.port, leg.from.port)));
  }

  private tick(jobs: readonly RunningJob[]): void {
    this.nowMs = performance.now();
    for (const { machine } of jobs) if (machine.nextMs <= this.nowMs) machine.tick(this.nowMs);
    this.flush();
  }

  private visit(bytes: Uint8Array, at: number, end: number): void {
    const { view } = this;
    const status = decodeIp(view, bytes, at, end);
    if ((status !== 'ok' && status !== 'truncated') || view.protocol !== IPPROTO_TCP) return;
    const lengthBytes = view.ipVersion === 4 ? 4 : 16;
    const address = (where: number): Uint8Array => bytes.subarray(where, where + lengthBytes);
    const source = { address: address(view.sourceAt), port: view.srcPort };
    const targets = this.byAnswer.get(endsKey(IPPROTO_TCP, source, { address: address(view.destinationAt), port: view.dstPort }));
    if (!targets) return;
    this.nowMs = performance.now();
    for (const [{ machine }, index] of targets) {
      const wasDone = machine.isDone;
      machine.segment(index, view.tcpFlags, view.seq, view.ack, view.payloadLengthBytes, this.nowMs);
      if (!wasDone && machine.isDone) this.pending--;
    }
    if (this.outbox.length >= 64) this.flush();
  }

  private flush(): void {
    if (this.outbox.length === 0) return;
    this.sender.send(this.outbox, (_index, errno) => {
      const count = (this.sendErrors.get(errno) ?? 0) + 1;
      if (this.sendErrors.size < REPORTED_SEND_ERRORS || count > 1) this.sendErrors.set(errno, count);
    });
    this.outbox.length = 0;
  }
}
