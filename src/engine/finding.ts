/** What the engine says of a flow, interned: flows with the same finding share one object. */
import type { Match } from '../detect/detector.js';
import type { Candidate } from '../detect/trigger-index.js';
import type { Protocol } from '../detect/detector.js';
import type { Confidence } from '../events/confidence.js';

/** Feature name of findings that rest on memory of an endpoint, not on content. */
export const KNOWN_PEER = 'known-peer';

export interface FlowFinding {
  readonly protocol: Protocol;
  readonly protocolIndex: number;
  readonly feature: string;
  readonly confidence: Confidence;
  readonly why: string;
  /** Other flows of the same hosts may raise it: see `Match.needsEndpoint`. */
  readonly isRaisedByHost: boolean;
}

/** Interns findings made of constant matches; those made for one flow are collected with it. */
export class FindingTable {
  readonly #byMatch: Record<Confidence, WeakMap<Match, FlowFinding>> = {
    certain: new WeakMap(),
    likely: new WeakMap(),
    suspected: new WeakMap(),
  };
  readonly #knownPeers: FlowFinding[][] = [];

  /** The finding for a feature's match at a confidence that may have been raised; `reason` is appended when it was. */
  of(candidate: Candidate, match: Match, confidence: Confidence, reason: string): FlowFinding {
    const byMatch = this.#byMatch[confidence];
    const known = byMatch.get(match);
    // A match object may be shared by several features; then it is not interned for all but the first.
    if (known && known.feature === candidate.feature.feature && known.protocol === candidate.protocol) {
      if (known.why.endsWith(reason)) return known;
    }
    const finding: FlowFinding = {
      protocol: candidate.protocol,
      protocolIndex: candidate.protocolIndex,
      feature: candidate.feature.feature,
      confidence,
      why: match.why + reason,
      isRaisedByHost: match.needsEndpoint !== true,
    };
    byMatch.set(match, finding);
    return finding;
  }

  knownPeer(protocol: Protocol, protocolIndex: number, confidence: Confidence, why: string): FlowFinding {
    // A handful for each protocol: a scan is faster than a key (bench/identify.ts).
    const known = (this.#knownPeers[protocolIndex] ??= []);
    for (let i = 0; i < known.length; i++) {
      const finding = known[i]!;
      if (finding.confidence === confidence && finding.why === why && finding.protocol === protocol) return finding;
    }
    const finding: FlowFinding = { protocol, protocolIndex, feature: KNOWN_PEER, confidence, why, isRaisedByHost: false };
    known.push(finding);
    return finding;
  }
}
