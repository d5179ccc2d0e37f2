/**
 * Asks features about a packet, in an order that does not matter for the answer.
 *
 * Stateless: what must be kept between packets of a stream (features that wait for
 * more bytes) is returned to the caller, who owns flows. See `detector.ts` for the
 * rules by which features are called.
 */
import { confidenceRank } from '../events/confidence.js';
import { MORE, NO, TCP, type Feature, type Finding, type Match } from './detector.js';
import type { LiveInspection } from './live-inspection.js';
import { ANCHOR_ABSENT, ANCHOR_PENDING, anchorState, type Candidate } from './trigger-index.js';

/** A stream prefix shorter than this may still become a facet that did not parse yet: longer than any HTTP method or record header. */
const FACET_PATIENCE_BYTES = 16;

/** Told every answer of a feature; for explanations, not for the hot path. */
export type AnswerListener = (candidate: Candidate, finding: Finding) => void;

export class Scheduler {
  readonly #onAnswer: AnswerListener | undefined;

  constructor(onAnswer?: AnswerListener) {
    this.#onAnswer = onAnswer;
  }

  /** After `search`: the best match, or null. */
  match: Match | null = null;
  /** Whose match it is. Valid iff `match` is not null. */
  matched: Candidate | null = null;
  /** Features that are not asked any more: they threw too often. */
  readonly disabled = new Set<Feature>();
  /** Who is being asked, or was asked last: the culprit when `search` throws. */
  asked: Candidate | null = null;
  /** After `search` over a stream: candidates that want more bytes; valid in [0, keptCount). */
  readonly kept: Candidate[] = [];
  keptCount = 0;
  #absentFacet: Candidate['facet'] = null;

  /** Asks the candidates. A certain match ends the search; otherwise the strongest wins, ties go to the protocol id that sorts first. */
  search(candidates: readonly Candidate[], count: number, input: LiveInspection): void {
    this.match = null;
    this.matched = null;
    this.keptCount = 0;
    this.#absentFacet = null;
    for (let i = 0; i < count; i++) {
      const candidate = candidates[i]!;
      // One failed parse answers for all features that read the facet (bench/identify.ts).
      if (candidate.facet !== null && candidate.facet === this.#absentFacet) continue;
      if (this.disabled.size > 0 && this.disabled.has(candidate.feature)) continue;
      this.asked = candidate;
      const finding = this.#ask(candidate, input);
      if (this.#onAnswer !== undefined) this.#onAnswer(candidate, finding);
      if (finding === NO) continue;
      if (finding === MORE) {
        this.kept[this.keptCount++] = candidate;
        continue;
      }
      this.#consider(candidate, finding);
      if (finding.confidence === 'certain') return;
      // A weak answer may grow stronger with more bytes.
      this.kept[this.keptCount++] = candidate;
    }
  }

  #ask(candidate: Candidate, input: LiveInspection): Finding {
    const isStream = input.transport === TCP;
    if (candidate.anchors.length > 0) {
      const state = anchorState(candidate.anchors, input.bytes, input.start, input.end);
      if (state === ANCHOR_ABSENT) return NO;
      if (state === ANCHOR_PENDING) return isStream ? MORE : NO;
    } else if (candidate.facet !== null && input[candidate.facet]() === null) {
      if (isStream && input.end - input.start < FACET_PATIENCE_BYTES) return MORE;
      this.#absentFacet = candidate.facet;
      return NO;
    }
    input.protocolIndex = candidate.protocolIndex;
    return candidate.feature.inspect(input);
  }

  #consider(candidate: Candidate, match: Match): void {
    if (this.match !== null && this.matched !== null) {
      const rank = confidenceRank(match.confidence);
      const best = confidenceRank(this.match.confidence);
      if (rank < best || (rank === best && candidate.protocol.id >= this.matched.protocol.id)) return;
    }
    this.match = match;
    this.matched = candidate;
  }
}

/** True when the packet passes the candidate's trigger: whether `harvest` should see it. */
export function isTriggeredBy(candidate: Candidate, input: LiveInspection): boolean {
  if (candidate.anchors.length > 0) {
    const state = anchorState(candidate.anchors, input.bytes, input.start, input.end);
    return state !== ANCHOR_ABSENT && state !== ANCHOR_PENDING;
  }
  return candidate.facet === null || input[candidate.facet]() !== null;
}
