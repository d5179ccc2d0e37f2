/**
 * How sure a finding is, in words shared by detectors, policy, events and people.
 *
 * - `certain`: parsed and checked structure that other traffic cannot plausibly
 *   show, or an endpoint learnt from a certain exchange of the same client.
 * - `likely`: several independent weak signs.
 * - `suspected`: one statistical sign (the shape of an encrypted handshake, say).
 *
 * Policy acts on `certain` and `likely` unless told otherwise.
 */
export const CONFIDENCES = ['suspected', 'likely', 'certain'] as const;
export type Confidence = (typeof CONFIDENCES)[number];

/** Order for comparisons: suspected 1, likely 2, certain 3. */
export function confidenceRank(confidence: Confidence): 1 | 2 | 3 {
  switch (confidence) {
    case 'suspected':
      return 1;
    case 'likely':
      return 2;
    case 'certain':
      return 3;
  }
}

/** What a protocol is used for; policies may name a category instead of protocols. */
export const CATEGORIES = [
  'file-sharing',
  'streaming',
  'sync',
  'distributed-web',
  'cryptocurrency',
  'voice',
] as const;
export type Category = (typeof CATEGORIES)[number];
