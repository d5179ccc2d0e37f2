/**
 * What a capture held, by protocol: the sums that people and `--json` readers get at the end.
 * Bounded: clients are counted exactly up to a limit, listed flows are capped.
 */
import type { Confidence } from '../events/confidence.js';
import type { FlowFinding } from '../engine/finding.js';
import type { FlowTable } from '../flow/flow-table.js';
import { type FlowRecord, endText } from './flow-record.js';

/** Distinct client addresses remembered for each protocol; more are reported as "at least". */
const MAX_CLIENTS = 100_000;

export interface ProtocolTotals {
  readonly protocol: string;
  readonly category: string;
  flows: number;
  packets: number;
  lengthBytes: number;
  readonly byConfidence: Record<Confidence, number>;
  /** Addresses of initiators: IPv4 as a number, IPv6 as text. */
  readonly clients: Set<number | string>;
}

export class CaptureSummary {
  readonly #totals = new Map<string, ProtocolTotals>();
  /** First flows with a finding, for the listing; at most `maxListed`. */
  readonly listed: FlowRecord[] = [];
  readonly #maxListed: number;
  flows = 0;
  p2pFlows = 0;

  constructor(maxListed: number) {
    this.#maxListed = maxListed;
  }

  /** A flow without a finding. */
  addOrdinary(): void {
    this.flows++;
  }

  /** A flow with a finding. Makes no text of it (bench/identify.ts): `list` does, for the few that are shown. */
  addP2p(table: FlowTable, flow: number, finding: FlowFinding): void {
    this.flows++;
    this.p2pFlows++;
    const totals = this.#of(finding.protocol.id, finding.protocol.category);
    totals.flows++;
    totals.packets += table.packets(flow, 0) + table.packets(flow, 1);
    totals.lengthBytes += table.lengthBytes(flow, 0) + table.lengthBytes(flow, 1);
    totals.byConfidence[finding.confidence]++;
    if (totals.clients.size < MAX_CLIENTS) {
      totals.clients.add(table.ipVersion(flow) === 4 ? table.addressWord(flow, 0, 3) : endText(table, flow, 0));
    }
  }

  /** Room for one more flow in the listing. */
  get canList(): boolean {
    return this.listed.length < this.#maxListed;
  }

  #of(protocol: string, category: string): ProtocolTotals {
    const known = this.#totals.get(protocol);
    if (known) return known;
    const made: ProtocolTotals = {
      protocol,
      category,
      flows: 0,
      packets: 0,
      lengthBytes: 0,
      byConfidence: { certain: 0, likely: 0, suspected: 0 },
      clients: new Set(),
    };
    this.#totals.set(protocol, made);
    return made;
  }

  /** Largest first. */
  totals(): ProtocolTotals[] {
    return [...this.#totals.values()].sort((a, b) => b.flows - a.flows || (a.protocol < b.protocol ? -1 : 1));
  }

  /** Adds the sums of another capture; its listing is not taken over. */
  merge(other: CaptureSummary): void {
    this.flows += other.flows;
    this.p2pFlows += other.p2pFlows;
    for (const theirs of other.#totals.values()) {
      const ours = this.#of(theirs.protocol, theirs.category);
      ours.flows += theirs.flows;
      ours.packets += theirs.packets;
      ours.lengthBytes += theirs.lengthBytes;
      for (const confidence of ['certain', 'likely', 'suspected'] as const) {
        ours.byConfidence[confidence] += theirs.byConfidence[confidence];
      }
      for (const client of theirs.clients) if (ours.clients.size < MAX_CLIENTS) ours.clients.add(client);
    }
  }
}
