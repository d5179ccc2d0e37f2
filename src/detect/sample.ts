/**
 * Builds an Inspection from plain bytes, for unit tests of features: the same
 * shape that the scheduler gives, without packets, flows or time.
 */
import {
  DATAGRAM_HEAD_BYTES,
  MAX_PREFIX_BYTES,
  MAX_TURNS,
  TCP,
  UDP,
  type Feature,
  type Finding,
  type Inspection,
  type Known,
  NO,
  MORE,
  type TurnLog,
} from './detector.js';
import { ANCHOR_ABSENT, ANCHOR_PENDING, anchorState } from './trigger-index.js';
import { dnsFacet, httpFacet, quicFacet, tlsFacet } from './facets/index.js';
import { WordScan } from './word-scan.js';

/** One message of a sample dialogue. */
export interface Turn {
  readonly from: 0 | 1;
  readonly bytes: Uint8Array;
}

class SampleTurns implements TurnLog {
  readonly heads = new Uint8Array(MAX_TURNS * DATAGRAM_HEAD_BYTES);
  count = 0;
  readonly #directions: (0 | 1)[] = [];
  readonly #lengths: number[] = [];
  readonly #headLengths: number[] = [];
  readonly #merge: boolean;

  constructor(merge: boolean) {
    this.#merge = merge;
  }

  add(direction: 0 | 1, payload: Uint8Array): void {
    const last = this.count - 1;
    if (this.#merge && last >= 0 && this.#directions[last] === direction) {
      this.#lengths[last] = (this.#lengths[last] ?? 0) + payload.length;
      return;
    }
    if (this.count >= MAX_TURNS) return;
    const head = this.#merge ? new Uint8Array(0) : payload.subarray(0, DATAGRAM_HEAD_BYTES);
    this.heads.set(head, this.count * DATAGRAM_HEAD_BYTES);
    this.#directions.push(direction);
    this.#lengths.push(payload.length);
    this.#headLengths.push(head.length);
    this.count++;
  }
  direction(index: number): 0 | 1 {
    return this.#directions[index] ?? 0;
  }
  lengthBytes(index: number): number {
    return this.#lengths[index] ?? 0;
  }
  headAt(index: number): number {
    return index * DATAGRAM_HEAD_BYTES;
  }
  headLengthBytes(index: number): number {
    return this.#headLengths[index] ?? 0;
  }
}

export interface SampleOptions {
  readonly known?: Known;
  readonly fromStart?: boolean;
  readonly srcPort?: number;
  readonly dstPort?: number;
  /** Destination address bytes (4 or 16); default 198.51.100.7 (RFC 5737). */
  readonly destination?: Uint8Array;
}

/** Whether the scheduler would call the feature for these bytes: `pending` when the rest of an anchor may still come. */
export function triggerState(feature: Feature, input: Inspection): 'absent' | 'pending' | 'found' {
  const { trigger } = feature;
  switch (trigger.kind) {
    case 'always':
      return 'found';
    case 'facet':
      if (input[trigger.facet]() === null) return 'absent';
      return (trigger.facet === 'http' || trigger.facet === 'dns') && trigger.words !== undefined
        ? wordState(trigger.facet, trigger.words, input)
        : 'found';
    case 'anchors': {
      const state = anchorState(trigger.anchors, input.bytes, input.start, input.end);
      if (state === ANCHOR_PENDING) return input.transport === TCP ? 'pending' : 'absent';
      return state === ANCHOR_ABSENT ? 'absent' : 'found';
    }
  }
}

function wordState(facet: 'http' | 'dns', words: readonly string[], input: Inspection): 'absent' | 'pending' | 'found' {
  const scan = new WordScan();
  scan.add(words, 1);
  const isHead = facet === 'http' && input.http()?.isComplete === true;
  if (scan.find(input.bytes, input.start, isHead ? (input.http()?.bodyAt ?? input.end) : input.end) !== 0) return 'found';
  return facet === 'http' && !isHead ? 'pending' : 'absent';
}

/** The Inspection a feature would get for the last turn of a dialogue. Bytes stand at an odd offset in a larger buffer, to catch readers that ignore `start` and `end`. */
export function sampleInspection(transport: typeof TCP | typeof UDP, turns: readonly Turn[], options: SampleOptions = {}): Inspection {
  const last = turns[turns.length - 1];
  if (!last) throw new Error('a sample needs at least one turn');
  const log = new SampleTurns(transport === TCP);
  const streams: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  turns.forEach((turn, index) => {
    if (transport === TCP || index < turns.length - 1) log.add(turn.from, turn.bytes);
    const joined = new Uint8Array(streams[turn.from].length + turn.bytes.length);
    joined.set(streams[turn.from]);
    joined.set(turn.bytes, streams[turn.from].length);
    streams[turn.from] = joined;
  });
  const own = (transport === TCP ? streams[last.from] : last.bytes).subarray(0, transport === TCP ? MAX_PREFIX_BYTES : undefined);
  const other = transport === TCP ? streams[last.from === 0 ? 1 : 0].subarray(0, MAX_PREFIX_BYTES) : new Uint8Array(0);
  const start = 7;
  const bytes = new Uint8Array(start + own.length + 9).fill(0xa5);
  bytes.set(own, start);
  const end = start + own.length;
  const otherBytes = new Uint8Array(3 + other.length + 5).fill(0x5a);
  otherBytes.set(other, 3);
  const destination = options.destination ?? Uint8Array.of(198, 51, 100, 7);
  const addressBytes = new Uint8Array(destination.length * 2);
  addressBytes.fill(10, 0, destination.length);
  addressBytes.set(destination, destination.length);
  const input: Inspection = {
    transport,
    direction: last.from,
    bytes,
    start,
    end,
    segmentAt: transport === TCP ? Math.max(start, end - last.bytes.length) : start,
    fromStart: options.fromStart ?? (transport === TCP || turns.length === 1),
    otherBytes,
    otherStart: 3,
    otherEnd: 3 + other.length,
    turns: log,
    srcPort: options.srcPort ?? 40000,
    dstPort: options.dstPort ?? 50000,
    ipVersion: destination.length === 4 ? 4 : 6,
    addressBytes,
    sourceAt: 0,
    destinationAt: destination.length,
    known: () => options.known ?? 'none',
    http: () => (transport === TCP ? httpFacet(bytes, start, end) : null),
    dns: () => dnsFacet(bytes, start, end, transport === TCP),
    tls: () => (transport === TCP ? tlsFacet(bytes, start, end) : null),
    quic: () => (transport === UDP ? quicFacet(bytes, start, end) : null),
  };
  return input;
}

/** What a feature answers to the last turn; `NO` when its trigger does not fit, `MORE` while it still may. */
export function inspectSample(feature: Feature, turns: readonly Turn[], options: SampleOptions = {}): Finding {
  const input = sampleInspection(feature.transport, turns, options);
  switch (triggerState(feature, input)) {
    case 'absent':
      return NO;
    case 'pending':
      return MORE;
    case 'found':
      return feature.inspect(input);
  }
}

/** Name of a finding for test tables: 'no', 'more', 'certain', 'likely' or 'suspected'. */
export function findingName(finding: Finding): 'no' | 'more' | 'certain' | 'likely' | 'suspected' {
  if (finding === NO) return 'no';
  if (finding === MORE) return 'more';
  return finding.confidence;
}
