/**
 * Runs tables of samples against features: what they answer, that no piece of a stream makes
 * them give up too early, and that noise neither matches nor throws.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Feature, type Protocol, TCP, type UDP } from '../../src/detect/detector.js';
import { findingName, inspectSample, type SampleOptions, type Turn } from '../../src/detect/sample.js';

export type Expected = 'no' | 'more' | 'suspected' | 'likely' | 'certain';

export interface Sample {
  readonly name: string;
  readonly turns: readonly Turn[];
  readonly expected: Expected;
  readonly options?: SampleOptions;
}

/** A turn of the initiator. */
export function ask(bytes: Uint8Array): Turn {
  return { from: 0, bytes };
}

/** A turn of the responder. */
export function answer(bytes: Uint8Array): Turn {
  return { from: 1, bytes };
}

/** The feature of that name; fails when the protocol has none. */
export function featureOf(protocol: Protocol, name: string, transport?: typeof TCP | typeof UDP): Feature {
  const found = protocol.features.find((f) => f.feature === name && (transport === undefined || f.transport === transport));
  assert.ok(found, `${protocol.id} has no feature ${name}`);
  return found;
}

/** Every sample gets its expected answer. */
export function checkSamples(feature: Feature, samples: readonly Sample[]): void {
  for (const { name, turns, expected, options } of samples) {
    assert.equal(findingName(inspectSample(feature, turns, options)), expected, `${feature.feature}: ${name}`);
  }
}

/**
 * The last turn cut after each byte. TCP: never `no` (the rest may still come) and, before `decidedAt` bytes, never
 * sure. UDP: a cut datagram is never sure.
 */
export function checkTruncations(feature: Feature, turns: readonly Turn[], options?: SampleOptions, decidedAt?: number): void {
  const last = turns[turns.length - 1];
  assert.ok(last);
  const least = decidedAt ?? last.bytes.length;
  for (let length = 1; length < last.bytes.length; length++) {
    const cut = [...turns.slice(0, -1), { from: last.from, bytes: last.bytes.subarray(0, length) }];
    const found = findingName(inspectSample(feature, cut, options));
    const where = `${feature.feature} cut at ${length} of ${last.bytes.length} bytes`;
    if (feature.transport === TCP && length >= triggerBytes(feature)) assert.notEqual(found, 'no', where);
    if (length < least) assert.ok(found !== 'certain' && found !== 'likely', `${where}: ${found}`);
  }
}

/** Bytes after which the scheduler certainly asks the feature: before that it waits by itself. */
function triggerBytes(feature: Feature): number {
  const { trigger } = feature;
  if (trigger.kind === 'facet') return 16;
  return trigger.kind === 'anchors' ? Math.max(...trigger.anchors.map((anchor) => anchor.at + anchor.bytes.length)) : 0;
}

/** Random bytes as first packet, answer and third packet: no feature throws or is sure. */
export function checkNoise(protocol: Protocol, numRuns = 150): void {
  const noise = fc.uint8Array({ minLength: 1, maxLength: 160, size: 'max' });
  fc.assert(
    fc.property(noise, noise, noise, (first, second, third) => {
      for (const feature of protocol.features) {
        for (const turns of [[ask(first)], [ask(first), answer(second)], [ask(first), answer(second), ask(third)], [answer(first), ask(second), answer(third)]]) {
          const found = findingName(inspectSample(feature, turns));
          assert.ok(found !== 'certain' && found !== 'likely', `${protocol.id}/${feature.feature}: ${found}`);
        }
      }
    }),
    { numRuns },
  );
}

/** Every single-byte change of a sample: never throws. Returns how many still match with certainty. */
export function countSureFlips(feature: Feature, turns: readonly Turn[], options?: SampleOptions): number {
  const last = turns[turns.length - 1];
  assert.ok(last);
  let sure = 0;
  for (let at = 0; at < last.bytes.length; at++) {
    const changed = last.bytes.slice();
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    const finding = findingName(inspectSample(feature, [...turns.slice(0, -1), { from: last.from, bytes: changed }], options));
    if (finding === 'certain') sure++;
  }
  return sure;
}
