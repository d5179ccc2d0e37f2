/**
 * From the kernel's queue to the gate and back: the hot path of the daemon. Decodes,
 * asks the gate, turns verdicts into marks; counts and measures.
 *
 * From the moment the connection has its mark, packets go past the queue, and overtake those that still wait in it: TCP takes that for loss.
 * So of a flow that passes only the last packet of a batch brings the mark, and waits itself until none is behind it.
 */
import { NF_ACCEPT, NF_DROP, NO_MARK, type QueuedPacket } from '../netlink/nfqueue.js';
import { type MarkField, VALUE_DROP, VALUE_FIRST_CLASS, VALUE_PASS, VALUE_REJECT, markOf } from '../enforce/marks.js';
import type { TrafficClass } from '../enforce/plan.js';
import type { FlowVerdict, Gate } from '../engine/gate.js';
import { decodeIp } from '../wire/decode.js';
import { PacketView } from '../wire/packet-view.js';
import type { InsideInterfaces } from './interfaces.js';

/** A clock that never jumps, in milliseconds since 1970 at the time of the start. */
export function steadyMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Upper bounds of the histogram of time spent on a batch, in seconds. */
export const LATENCY_BOUNDS_S = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05] as const;

export class PacketPath {
  readonly counters = { packets: 0, bytes: 0, droppedPackets: 0 };
  /** Packets whose batch took at most the bound, by bound; the last is for all others. */
  readonly latency: number[] = new Array<number>(LATENCY_BOUNDS_S.length + 1).fill(0);
  latencySumS = 0;
  readonly #view = new PacketView();
  readonly #gate: Gate;
  readonly #field: MarkField;
  readonly #inside: InsideInterfaces;
  readonly #settledVerdict: number;
  #classes = new Map<string, number>();
  /** The latest packet of each flow that passes: of the batch in hand, and the one kept of the batch before. */
  readonly #openers = new Map<number, QueuedPacket>();
  #kept: { readonly flow: number; readonly packet: QueuedPacket } | null = null;

  /** `settledVerdict`: what a packet gets that bears a mark of ours. */
  constructor(gate: Gate, field: MarkField, inside: InsideInterfaces, classes: readonly TrafficClass[], settledVerdict: number = NF_ACCEPT) {
    this.#settledVerdict = settledVerdict;
    this.#gate = gate;
    this.#field = field;
    this.#inside = inside;
    this.setClasses(classes);
  }

  setClasses(classes: readonly TrafficClass[]): void {
    this.#classes = new Map(classes.map(({ rule, value }) => [rule, value]));
  }

  /** Our value in the mark for a verdict. */
  value(verdict: FlowVerdict): number {
    switch (verdict.outcome) {
      case 'pass':
        return VALUE_PASS;
      case 'drop':
        return VALUE_DROP;
      case 'reject':
        return VALUE_REJECT;
      case 'class': {
        // Rules beyond the mark field's room pass unshaped.
        const value = this.#classes.get(verdict.rule ?? '') ?? VALUE_PASS;
        return value >= VALUE_FIRST_CLASS ? value : VALUE_PASS;
      }
    }
  }

  receive(packets: readonly QueuedPacket[], count: number): void {
    const startedMs = performance.now();
    const timeMs = performance.timeOrigin + startedMs;
    const wallMs = Date.now();
    const { counters } = this;
    if (this.#kept?.packet.isKept === true) this.#openers.set(this.#kept.flow, this.#kept.packet);
    for (let i = 0; i < count; i++) {
      const packet = packets[i];
      if (packet === undefined) continue;
      counters.packets++;
      counters.bytes += packet.lengthBytes;
      this.#judge(packet, timeMs, wallMs);
    }
    this.#keepOpener(packets[count - 1]);
    this.#measure((performance.now() - startedMs) / 1000, count);
  }

  #judge(packet: QueuedPacket, timeMs: number, wallMs: number): void {
    const view = this.#view;
    const gate = this.#gate;
    const status = decodeIp(view, packet.bytes, packet.payloadAt, packet.payloadEnd);
    const isFromInside = this.#inside.has(packet.inInterface);
    const mac = isFromInside && gate.needsMac ? macText(packet) : null;
    const verdict = gate.packet(view, status, isFromInside, mac, timeMs, wallMs);
    if (verdict === 'undecided') return;
    if (verdict === 'drop-packet') {
      this.counters.droppedPackets++;
      packet.verdict = NF_DROP;
      packet.verdictMark = NO_MARK;
      return;
    }
    if (verdict.outcome === 'pass') {
      // Goes on as undecided packets do, which is past our rules.
      const former = this.#openers.get(gate.flow);
      if (former !== undefined) [former.verdict, former.verdictMark] = [NF_ACCEPT, NO_MARK];
      this.#openers.set(gate.flow, packet);
    }
    packet.verdict = this.#settledVerdict;
    // Bits of others in the packet's mark survive.
    packet.verdictMark = ((packet.mark & ~this.#field.mask) | markOf(this.#field, this.value(verdict))) >>> 0;
  }

  /** `last`: of the batch. */
  #keepOpener(last: QueuedPacket | undefined): void {
    const keptFlow = this.#kept?.flow;
    this.#kept = null;
    if (this.#openers.size === 0) return;
    const { flow } = this.#gate;
    // Once: a sender that starts slowly sends more each time that it is answered.
    if (last !== undefined && flow !== keptFlow && this.#openers.get(flow) === last) {
      last.isKept = true;
      this.#kept = { flow, packet: last };
    }
    this.#openers.clear();
  }

  #measure(seconds: number, count: number): void {
    let bound = 0;
    while (bound < LATENCY_BOUNDS_S.length && seconds > (LATENCY_BOUNDS_S[bound] ?? 0)) bound++;
    this.latency[bound] = (this.latency[bound] ?? 0) + count;
    this.latencySumS += seconds * count;
  }
}

function macText(packet: QueuedPacket): string | null {
  if (packet.hwAddressLength !== 6) return null;
  const bytes = packet.bytes.subarray(packet.hwAddressAt, packet.hwAddressAt + 6);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
