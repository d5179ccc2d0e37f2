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
import { ANCHOR_ABSENT, ANCHOR_FOUND, ANCHOR_PENDING, anchorState, type Candidate, type CandidateList, probesOf } from './trigger-index.js';

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
  /** After `search` over a stream: bits of the candidates that want more bytes. */
  keptLow = 0;
  keptHigh = 0;

  /**
   * Asks those candidates of the list whose bits are set. A certain match ends the search; otherwise the strongest wins,
   * ties go to the protocol id that sorts first.
   */
  search(list: CandidateList, lowAsked: number, highAsked: number, input: LiveInspection): void {
    this.match = null;
    this.matched = null;
    this.keptLow = 0;
    this.keptHigh = 0;
    let low = lowAsked;
    let high = highAsked;
    // A listener wants to hear of all.
    if (this.#onAnswer === undefined) {
      const { bytes, start, end } = input;
      const probes = (list.probes ??= probesOf(list));
      for (let i = 0; i < probes.length; i++) {
        const probe = probes[i]!;
        const byteAt = start + probe.at;
        // Behind the end of a stream the literal may still come.
        if (byteAt >= end) continue;
        const byte = bytes[byteAt]!;
        low &= probe.lowOthers | probe.low[byte]!;
        high &= probe.highOthers | probe.high[byte]!;
      }
    }
    if (low !== 0) this.keptLow = this.#searchHalf(list.candidates, 0, low, input);
    // Read anew: a certain match ends the search.
    if (high !== 0 && (this.match as Match | null)?.confidence !== 'certain') this.keptHigh = this.#searchHalf(list.candidates, 32, high, input);
  }

  /** Asks the candidates at `from` and the following for which a bit is set; returns the bits of those that want more. */
  #searchHalf(candidates: readonly Candidate[], from: number, bits: number, input: LiveInspection): number {
    const { bytes, start, end } = input;
    const isStream = input.transport === TCP;
    const hasDisabled = this.disabled.size > 0;
    let absentFacet: Candidate['facet'] = null;
    let kept = 0;
    for (let left = bits; left !== 0; ) {
      const bit = left & -left;
      left ^= bit;
      const candidate = candidates[from + 31 - Math.clz32(bit)]!;
      const { facet } = candidate;
      let finding: Finding;
      if (facet !== null) {
        this.asked = candidate;
        // One failed parse answers for all features that read the facet (bench/identify.ts).
        if (facet === absentFacet) continue;
        if (input.hasParsed(facet)) {
          if (hasWords(candidate, input)) finding = this.#ask(candidate, input, hasDisabled);
          else finding = input.isFacetComplete(facet) ? NO : MORE;
        } else if (isStream && end - start < FACET_PATIENCE_BYTES) finding = MORE;
        else {
          absentFacet = facet;
          finding = NO;
        }
      } else if (candidate.hasAnchors) {
        const state = anchorState(candidate.anchors, bytes, start, end);
        if (state === ANCHOR_FOUND) finding = this.#ask(candidate, input, hasDisabled);
        else finding = state === ANCHOR_PENDING && isStream ? MORE : NO;
      } else if (input.hasFacet && !candidate.inEveryday && (!isStream || end - start >= FACET_PATIENCE_BYTES)) {
        // Without anchors, features look for random bytes and bare structure: not in what parsed as an everyday protocol (bench/identify.ts).
        // The first few bytes of a stream may parse and yet be random: one in ten begins with a capital letter.
        finding = NO;
      } else finding = this.#ask(candidate, input, hasDisabled);
      if (this.#onAnswer !== undefined) this.#onAnswer(candidate, finding);
      // Asked by type: in traffic without matches V8 learns of numbers only, and a first match would undo what it optimised.
      if (typeof finding === 'number') {
        if (finding === MORE) kept |= bit;
        continue;
      }
      // A weak answer may grow stronger with more bytes.
      kept |= bit;
      this.#consider(candidate, finding);
      if (finding.confidence === 'certain') break;
    }
    return kept;
  }

  #ask(candidate: Candidate, input: LiveInspection, hasDisabled: boolean): Finding {
    if (hasDisabled && this.disabled.has(candidate.feature)) return NO;
    this.asked = candidate;
    input.protocolIndex = candidate.protocolIndex;
    return candidate.inspect(input);
  }

  #consider(candidate: Candidate, match: Match): void {
    if (this.match !== null && this.matched !== null) {
      const rank = confidenceRank(match.confidence);
      const best = confidenceRank(this.match.confidence);
      if (rank < best) return;
      if (rank === best && !outweighs(match, this.match) && (outweighs(this.match, match) || candidate.protocol.id >= this.matched.protocol.id)) return;
    }
    this.match = match;
    this.matched = candidate;
  }
}

/** Of two matches of one confidence, whether `one` rests on more of the flow. */
function outweighs(one: Match, other: Match): boolean {
  return one.outweighs === true && other.outweighs !== true;
}

/** True when one of the words that the candidate needs stands in its facet, or it needs none. The facet has parsed. */
function hasWords({ wordBit, words, facet }: Candidate, input: LiveInspection): boolean {
  if (wordBit === 0 || words === null || facet === null) return true;
  return (input.wordsIn(facet, words) & wordBit) !== 0;
}

/** True when the packet passes the candidate's trigger: whether `harvest` should see it. */
export function isTriggeredBy(candidate: Candidate, input: LiveInspection): boolean {
  if (candidate.hasAnchors) {
    const state = anchorState(candidate.anchors, input.bytes, input.start, input.end);
    return state !== ANCHOR_ABSENT && state !== ANCHOR_PENDING;
  }
  return candidate.facet === null || input.hasParsed(candidate.facet);
}
