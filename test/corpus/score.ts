/** Scores findings against labels: for each protocol and kind, how many flows were found and how surely. */
import { confidenceRank } from '../../src/events/confidence.js';
import type { FlowRecord } from '../../src/report/flow-record.js';
import { type Label, flowName, recordName } from '../support/captures.js';

export interface Score {
  flows: number;
  certain: number;
  likely: number;
  suspected: number;
  missed: number;
}

/** Labels that do not tell two protocols apart which the program does. */
const ALSO_RIGHT: Readonly<Record<string, readonly string[]>> = { gnutella: ['gnutella2'] };

/** A finding that contradicts the label. */
export interface Contradiction {
  readonly capture: string;
  readonly flow: string;
  readonly label: string;
  readonly finding: string;
}

export class Scores {
  readonly byKind = new Map<string, Score>();
  /** Findings `certain` or `likely` of a protocol, right and all, for precision. */
  readonly precision = new Map<string, { right: number; all: number }>();
  readonly contradictions: Contradiction[] = [];
  /** Flows labelled with a protocol that nothing was found in, for reading. */
  readonly missed: string[] = [];

  /** Adds one labelled capture. Flows without payload are not scored, but must not contradict either. */
  add(capture: string, labels: readonly Label[], records: readonly FlowRecord[]): void {
    const strongest = new Map<string, FlowRecord>();
    for (const record of records) {
      const name = recordName(record);
      if (rank(record) >= rank(strongest.get(name))) strongest.set(name, record);
    }
    for (const label of labels) {
      if (label.family === '?') continue;
      const found = strongest.get(flowName(label.proto, label.a, label.b))?.p2p ?? null;
      this.#score(capture, label, found);
    }
  }

  #score(capture: string, label: Label, found: FlowRecord['p2p']): void {
    const isRight = found !== null && (found.protocol === label.family || ALSO_RIGHT[label.family]?.includes(found.protocol) === true);
    if (found && found.confidence !== 'suspected') {
      const precision = this.precision.get(found.protocol) ?? { right: 0, all: 0 };
      precision.all++;
      if (isRight) precision.right++;
      this.precision.set(found.protocol, precision);
      if (!isRight) {
        this.contradictions.push({
          capture,
          flow: `${label.proto} ${label.a} ${label.b}`,
          label: `${label.family} ${label.kind}`,
          finding: `${found.protocol} ${found.feature} ${found.confidence}`,
        });
      }
    }
    if (label.family === '-' || label.payloadPackets === 0) return;
    const key = `${label.family} ${label.kind}`;
    const score = this.byKind.get(key) ?? { flows: 0, certain: 0, likely: 0, suspected: 0, missed: 0 };
    score.flows++;
    if (isRight && found) score[found.confidence]++;
    else {
      score.missed++;
      this.missed.push(`${capture} ${label.proto} ${label.a} ${label.b} ${key} (${label.basis})`);
    }
    this.byKind.set(key, score);
  }

  /** Sorted by key, as plain data: what the committed expectation holds. */
  toJSON(): Record<string, Score> {
    return Object.fromEntries([...this.byKind].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  table(): string {
    const lines = [`${'protocol and kind'.padEnd(28)} flows certain likely suspected missed recall`];
    for (const [key, score] of Object.entries(this.toJSON())) {
      const recall = (((score.flows - score.missed) / score.flows) * 100).toFixed(1);
      lines.push(
        `${key.padEnd(28)} ${String(score.flows).padStart(5)} ${String(score.certain).padStart(7)} ${String(score.likely).padStart(6)} ` +
          `${String(score.suspected).padStart(9)} ${String(score.missed).padStart(6)} ${recall.padStart(5)} %`,
      );
    }
    lines.push('', 'precision of certain and likely findings');
    for (const [protocol, { right, all }] of [...this.precision].sort(([a], [b]) => (a < b ? -1 : 1))) {
      lines.push(`${protocol.padEnd(28)} ${right} of ${all}`);
    }
    return lines.join('\n');
  }
}

function rank(record: FlowRecord | undefined): number {
  return record?.p2p ? confidenceRank(record.p2p.confidence) : 0;
}
