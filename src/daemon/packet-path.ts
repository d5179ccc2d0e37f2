/**
 * From the kernel's queue to the gate and back: the hot path of the daemon. Decodes,
 * asks the gate, turns verdicts into marks; counts and measures.
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
    for (let i = 0; i < count; i++) {
      const packet = packets[i];
      if (packet === undefined) continue;
      counters.packets++;
      counters.bytes += packet.lengthBytes;
      this.#judge(packet, timeMs, wallMs);
    }
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
    packet.verdict = this.#settledVerdict;
    // Bits of others in the packet's mark survive.
    packet.verdictMark = ((packet.mark & ~this.#field.mask) | markOf(this.#field, this.value(verdict))) >>> 0;
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
