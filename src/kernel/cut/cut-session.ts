/**
 * Runs many cuts at once: feeds the machines of `cutter/cut-machine.ts` with
 * segments and time, and puts what they send on the wire.
 *
 * Segments are injected below netfilter, straight to the device and next hop, with the addresses each side
 * sees, so NAT and the firewall's own rules do not matter. Answers are read from packet sockets as they arrive.
 */
import type { Leg } from '../../cutter/connection.js';
import { captureFilter, portPair } from '../../cutter/capture-filter.js';
import { type CutActions, CutMachine, type CutOptions, type LegIndex } from '../../cutter/cut-machine.js';
import { MAX_SEGMENT_BYTES, segmentTemplate, writeSegment } from '../../cutter/segment.js';
import { IPPROTO_TCP } from '../../wire/constants.js';
import { decodeIp } from '../../wire/decode.js';
import { PacketView } from '../../wire/packet-view.js';
import { type LinkDestination, type LinkPacket, PacketReceiver, PacketSender, linkDestination } from '../packet-socket.js';

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
  readonly options: Omit<CutOptions, 'legs' | 'startMs'>;
  /** Drop packets between the ends from now on. */
  readonly stall: () => void;
}

interface RunningJob {
  readonly job: CutJob;
  readonly machine: CutMachine;
}

/** Who wants segments from `source` to `destination`. */
interface Target {
  readonly machine: CutMachine;
  readonly index: LegIndex;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/** A leg on the wire. */
interface Wire {
  readonly template: Uint8Array;
  readonly to: LinkDestination;
}

class Segment implements LinkPacket {
  private readonly wire: Wire;
  private readonly flags: number;
  private readonly seq: number;
  private readonly ack: number;

  constructor(wire: Wire, flags: number, seq: number, ack: number) {
    this.wire = wire;
    this.flags = flags;
    this.seq = seq;
    this.ack = ack;
  }

  get to(): LinkDestination {
    return this.wire.to;
  }

  get lengthBytes(): number {
    return this.wire.template.length;
  }

  write(bytes: Uint8Array, at: number): void {
    writeSegment(this.wire.template, this.flags, this.seq, this.ack, bytes, at);
  }
}

/** True when the address stands at `at`. */
function isAt(bytes: Uint8Array, at: number, address: Uint8Array): boolean {
  for (let i = 0; i < address.length; i++) if (bytes[at + i] !== address[i]) return false;
  return true;
}

// Connections begun before answers are read: keeps the receive buffer from overflowing with answers.
const BEGIN_AT_ONCE = 256;
// How often the clocks of the machines are looked at; their waits are 150 ms and more.
const SHORTEST_TICK_MS = 5;
const LONGEST_TICK_MS = 50;
// A device queue that is full takes more after a moment; the machines repeat what is lost anyway.
const REPORTED_SEND_ERRORS = 5;

/** Rejects every packet. */
const HEAR_NOTHING = captureFilter([]);

/** A socket for sessions, one after the other. Throws SystemError. */
export function openReceiver(): PacketReceiver {
  return new PacketReceiver({ filter: HEAR_NOTHING, receiveBufferBytes: 16 << 20 });
}

/** Machines of some jobs, and what they need: make, run once, close. */
export class CutSession {
  /** Errors of sending: errno and how often. */
  readonly sendErrors = new Map<number, number>();
  private readonly running: RunningJob[];
  /** By the ports of segments that the victim of the leg sends (`portPair`); nearly always one each. */
  private readonly byAnswer = new Map<number, Target[]>();
  private readonly outbox: LinkPacket[] = [];
  /** What may wait until every connection has got its RST. */
  private readonly later: LinkPacket[] = [];
  private readonly view = new PacketView();
  private readonly receiver: PacketReceiver;
  private readonly sender: PacketSender;
  private nowMs = performance.now();
  /** Jobs that are not done. */
  private pending: number;
  private wake: () => void = () => undefined;
  private readonly timeoutMs: number;

  /** Lets the receiver hear the answers; sends nothing. `receiver` is borrowed until `close`. */
  constructor(jobs: readonly CutJob[], timeoutMs: number, receiver: PacketReceiver) {
    const startMs = this.nowMs;
    this.timeoutMs = timeoutMs;
    this.running = jobs.map((job) => this.started(job, startMs));
    this.pending = jobs.length;
    this.receiver = receiver;
    receiver.setFilter(captureFilter(this.answerPorts()));
    this.sender = new PacketSender(MAX_SEGMENT_BYTES, undefined, receiver);
  }

  /** In the order of the jobs. */
  get machines(): CutMachine[] {
    return this.running.map(({ machine }) => machine);
  }

  /** Cuts all jobs, or gives up `timeoutMs` after the last was begun. `onProgress(done)` is called from time to time. */
  async run(onProgress: (done: number) => void): Promise<void> {
    const visit = this.visit.bind(this);
    for (let from = 0; from < this.running.length; from += BEGIN_AT_ONCE) {
      this.tick(this.running.slice(from, from + BEGIN_AT_ONCE));
      this.receiver.read(visit);
      this.flush();
    }
    for (let from = 0; from < this.later.length; from += BEGIN_AT_ONCE) {
      this.post(this.later.slice(from, from + BEGIN_AT_ONCE));
      this.receiver.read(visit);
      this.flush();
    }
    this.later.length = 0;
    const begunMs = performance.now();
    for (const { machine } of this.running) machine.begun(begunMs, begunMs + this.timeoutMs);
    this.receiver.start(visit, () => {
      this.flushAll();
      if (this.pending === 0) this.wake();
    });
    let left = this.running.filter(({ machine }) => !machine.isDone);
    while (left.length > 0) {
      await this.answersOrTime(left);
      this.tick(left);
      this.flushAll();
      left = left.filter(({ machine }) => !machine.isDone);
      this.pending = left.length;
      onProgress(this.running.length - left.length);
    }
  }

  /** Gives the receiver back, deaf. */
  close(): void {
    this.receiver.stop();
    this.receiver.setFilter(HEAR_NOTHING);
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

  private started(job: CutJob, startMs: number): RunningJob {
    const wires: (Wire | undefined)[] = [];
    for (const { index, leg, interfaceIndex, linkAddress } of job.legs) {
      const ipVersion = leg.to.address.length === 4 ? 4 : 6;
      wires[index] = { template: segmentTemplate(leg), to: linkDestination(ipVersion, interfaceIndex, linkAddress) };
    }
    const actions: CutActions = {
      send: (index, flags, seq, ack, isUrgent) => {
        const wire = wires[index];
        if (wire) (isUrgent ? this.outbox : this.later).push(new Segment(wire, flags, seq, ack));
      },
      stall: job.stall,
    };
    const legs = job.legs.map(({ index }) => index);
    const machine = new CutMachine({ ...job.options, legs, startMs }, actions);
    const running = { job, machine };
    for (const { index, leg } of job.legs) {
      const key = portPair(leg.to.port, leg.from.port);
      const targets = this.byAnswer.get(key);
      const added = { machine, index, source: leg.to.address, destination: leg.from.address };
      if (targets) targets.push(added);
      else this.byAnswer.set(key, [added]);
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
    const targets = this.byAnswer.get(portPair(view.srcPort, view.dstPort));
    if (!targets) return;
    const addressBytes = view.ipVersion === 4 ? 4 : 16;
    this.nowMs = performance.now();
    for (const { machine, index, source, destination } of targets) {
      if (source.length !== addressBytes || !isAt(bytes, view.sourceAt, source) || !isAt(bytes, view.destinationAt, destination)) continue;
      const wasDone = machine.isDone;
      machine.segment(index, view.tcpFlags, view.seq, view.ack, view.payloadLengthBytes, this.nowMs);
      if (!wasDone && machine.isDone) this.pending--;
    }
    if (this.outbox.length >= 64) this.flush();
  }

  private flush(): void {
    if (this.outbox.length === 0) return;
    this.post(this.outbox);
    this.outbox.length = 0;
  }

  private flushAll(): void {
    this.flush();
    if (this.later.length === 0) return;
    this.post(this.later);
    this.later.length = 0;
  }

  private post(packets: readonly LinkPacket[]): void {
    this.sender.send(packets, (_index, errno) => {
      const count = (this.sendErrors.get(errno) ?? 0) + 1;
      if (this.sendErrors.size < REPORTED_SEND_ERRORS || count > 1) this.sendErrors.set(errno, count);
    });
  }
}
