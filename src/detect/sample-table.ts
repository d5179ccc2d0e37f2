/**
 * Checks that every sample of a feature's test table goes through, besides its
 * expected finding: truncations and piecemeal arrival. Pure; tests assert that
 * the list of problems is empty.
 */
import { addressText } from '../base/address.js';
import { type Feature, TCP } from './detector.js';
import { findingName, inspectSample, sampleInspection, type SampleOptions, type Turn } from './sample.js';

export interface Sample {
  readonly name: string;
  /** What the feature sees; the finding is the answer to the last turn. */
  readonly turns: readonly Turn[];
  readonly expected: ReturnType<typeof findingName>;
  readonly options?: SampleOptions;
  /** UDP: the format has no length, so a cut datagram may still be certain. */
  readonly isOpenEnded?: true;
}

/** Of long samples only the headers are changed. */
const MOST_CHANGED_BYTES = 300;

/** One message from the initiator: the most common sample. */
export function only(bytes: Uint8Array): readonly Turn[] {
  return [{ from: 0, bytes }];
}

/**
 * Problems of one sample, empty when all is well:
 * - the whole sample gives the expected finding;
 * - TCP: no proper prefix of a recognised stream is refused (a stream may arrive in any pieces), and no refused
 *   stream was `certain` before;
 * - UDP: no proper prefix of a datagram is `certain`, unless the sample is open-ended;
 * - prefixes, and the sample with any one byte changed, are inspected and harvested without an exception.
 */
export function sampleProblems(feature: Feature, sample: Sample): string[] {
  const problems: string[] = [];
  const found = findingName(inspectSample(feature, sample.turns, sample.options));
  if (found !== sample.expected) problems.push(`found ${found}, expected ${sample.expected}`);
  const last = sample.turns[sample.turns.length - 1];
  if (!last) return ['no turns'];
  const before = sample.turns.slice(0, -1);
  const isStream = feature.transport === TCP;
  for (let lengthBytes = 1; lengthBytes < last.bytes.length; lengthBytes++) {
    const cut = findingName(
      inspectSample(feature, [...before, { from: last.from, bytes: last.bytes.subarray(0, lengthBytes) }], sample.options),
    );
    if (isStream && cut === 'no' && found !== 'no') problems.push(`refused after ${lengthBytes} bytes`);
    if (isStream && cut === 'certain' && found === 'no') problems.push(`certain after ${lengthBytes} bytes`);
    harvested(feature, [...before, { from: last.from, bytes: last.bytes.subarray(0, lengthBytes) }], sample.options);
    if (!isStream && cut === 'certain' && sample.isOpenEnded !== true) problems.push(`certain when cut to ${lengthBytes} bytes`);
  }
  for (let at = 0; at < Math.min(last.bytes.length, MOST_CHANGED_BYTES); at++) {
    const changed = Uint8Array.from(last.bytes);
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    const turns = [...before, { from: last.from, bytes: changed }];
    inspectSample(feature, turns, sample.options);
    harvested(feature, turns, sample.options);
  }
  return problems;
}

/** What a feature harvests from the last turn: `address:port` for told endpoints, `listens:port` for the sender's own. */
export function harvested(feature: Feature, turns: readonly Turn[], options: SampleOptions = {}): string[] {
  const found: string[] = [];
  feature.harvest?.(sampleInspection(feature.transport, turns, options), {
    toldIpv4: (bytes, at, port) => found.push(`${addressText(bytes, at, 4)}:${port}`),
    toldIpv6: (bytes, at, port) => found.push(`[${addressText(bytes, at, 16)}]:${port}`),
    listensOn: (port) => found.push(`listens:${port}`),
  });
  return found;
}
