/**
 * Which features want to see given bytes: the registry compiled into tables.
 *
 * One list for each first byte and transport holds only the features that such a
 * packet can concern: anchors that begin with it, facets that can begin with it, and
 * the few features without anchors. Built once for each engine, read on every packet
 * of undecided flows (bench/identify.ts).
 */
import { type Anchor, type Feature, type Finding, type Inspection, type Protocol, TCP, type Transport } from './detector.js';
import { WordScan } from './word-scan.js';

type FacetName = 'http' | 'dns' | 'tls' | 'quic';

/** A feature, its place in the registry, and what has to be checked before it is asked. */
export interface Candidate {
  readonly feature: Feature;
  /** Of the feature: here, because all candidates have one shape and features have not (bench/identify.ts). */
  readonly inspect: (input: Inspection) => Finding;
  readonly protocol: Protocol;
  /** Index of the protocol in the registry that was compiled. */
  readonly protocolIndex: number;
  /** Any of these must match; empty: no anchors needed. */
  readonly anchors: readonly Anchor[];
  /** There are some. For V8 empty lists are of another kind than all others: asking this leaves them alone (bench/identify.ts). */
  readonly hasAnchors: boolean;
  /** All anchors stand at this offset, behind the first byte; 0: they do not. */
  readonly probeAt: number;
  /** This facet must parse; null: none needed. */
  readonly facet: FacetName | null;
  /** One of the facet's words that `words` finds as this bit must stand in it; 0: none needed. */
  readonly wordBit: number;
  /** Looks for the words of all features that read the same facet. */
  readonly words: WordScan | null;
  /** Without anchors, and asked although an everyday protocol parsed. */
  readonly inEveryday: boolean;
}

/** Candidates, at most 64, so that two words of bits can name some of them. */
export interface CandidateList {
  readonly candidates: readonly Candidate[];
  /** The bits of all: candidate i is bit i of `low`, or bit i - 32 of `high`. */
  readonly low: number;
  readonly high: number;
  /** Made when the list is first searched (`probesOf`): most lists never are. */
  probes: readonly Probe[] | null;
}

/** One byte of a packet rules out most candidates whose anchors stand there (bench/identify.ts: a third of all candidates). */
export interface Probe {
  readonly at: number;
  /** For each value of the byte: the bits of those candidates whose literal may begin with it there. */
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** The bits of all candidates that do not look at this byte. */
  lowOthers: number;
  highOthers: number;
}

export interface TransportIndex {
  /** 256 lists by first payload byte. Literals at offset 0 first, features without anchors last: cheap and decisive before dear. */
  readonly byFirstByte: readonly CandidateList[];
  /** Features that harvest, by protocol index. */
  readonly harvesters: readonly (readonly Candidate[])[];
}

const MAX_LIST = 64;
/** Features with words for one facet: they are told apart by the bits of a word. */
const MAX_WORDED = 31;

/** Compiles the features of one transport. Throws when more features concern a first byte than a list can hold. */
export function buildTransportIndex(protocols: readonly Protocol[], transport: Transport): TransportIndex {
  const scans: Scans = { http: newScan(), dns: newScan() };
  const all = protocols.flatMap((protocol, protocolIndex) =>
    protocol.features
      .filter((feature) => feature.transport === transport)
      .map((feature) => toCandidate(feature, protocol, protocolIndex, scans)),
  );
  const leading = all.filter(({ anchors }) => anchors.some(({ at }) => at === 0));
  const facets = all.filter(({ facet }) => facet !== null);
  // Without their anchors at offset 0: the same for most bytes, so they are narrowed once (starting up: bench/identify.ts).
  const deep = all.filter(({ anchors }) => anchors.some(({ at }) => at > 0)).map((it) => withAnchors(it, it.anchors.filter(({ at }) => at > 0)));
  const always = all.filter(({ feature }) => feature.trigger.kind === 'always');
  const ledBy = Array.from({ length: 256 }, (): Candidate[] => []);
  for (const it of leading) {
    for (const byte of new Set(it.anchors.filter(({ at }) => at === 0).flatMap(firstBytes))) {
      ledBy[byte]?.push(withAnchors(it, it.anchors.filter((anchor) => anchor.at !== 0 || firstBytes(anchor).includes(byte))));
    }
  }
  // Which facets a byte can begin is asked once for each facet, and bytes that begin no anchor share the lists of those that
  // can begin the same ones (starting up: bench/identify.ts).
  const names = [...new Set(facets.flatMap(({ facet }) => facet ?? []))];
  const begunBy = new Map<string, readonly Candidate[]>();
  const shared = new Map<string, CandidateList>();
  const byFirstByte = ledBy.map((led, byte) => {
    const begins = names.filter((facet) => canBegin(facet, byte, transport));
    const key = begins.join();
    const begun = begunBy.get(key) ?? facets.filter(({ facet }) => facet !== null && begins.includes(facet));
    begunBy.set(key, begun);
    if (led.length > 0) return toList([...led, ...begun, ...deep.filter((it) => !led.some(({ feature }) => feature === it.feature)), ...always]);
    const list = shared.get(key) ?? toList([...begun, ...deep, ...always]);
    shared.set(key, list);
    return list;
  });
  const harvesters = protocols.map((_, index) => all.filter((it) => it.protocolIndex === index && it.feature.harvest));
  return { byFirstByte, harvesters };
}

function toList(candidates: readonly Candidate[]): CandidateList {
  const { length } = candidates;
  if (length > MAX_LIST) throw new RangeError(`${length} features want packets with one first byte; ${MAX_LIST} can be told apart`);
  return { candidates, low: lowBits(length), high: lowBits(length - 32), probes: null };
}

/** One probe for each offset at which all anchors of some candidate stand. */
export function probesOf({ candidates }: CandidateList): readonly Probe[] {
  const probes: Probe[] = [];
  candidates.forEach(({ probeAt, anchors }, i) => {
    if (probeAt === 0) return;
    let probe = probes.find(({ at }) => at === probeAt);
    if (probe === undefined) {
      probe = { at: probeAt, low: new Int32Array(256), high: new Int32Array(256), lowOthers: -1, highOthers: -1 };
      probes.push(probe);
    }
    const bit = 1 << (i & 31);
    if (i < 32) probe.lowOthers ^= bit;
    else probe.highOthers ^= bit;
    const bits = i < 32 ? probe.low : probe.high;
    for (const anchor of anchors) for (const byte of firstBytes(anchor)) bits[byte]! |= bit;
  });
  return probes;
}

/** An integer of 32 bits, also for 31 features: V8 optimises the search for nothing else (bench/identify.ts). */
function lowBits(count: number): number {
  if (count <= 0) return 0;
  return count >= 32 ? -1 : ((1 << count) - 1) | 0;
}

/** The words of one facet, and how many features gave some. */
interface Scan {
  readonly words: WordScan;
  features: number;
}
type Scans = Readonly<Record<'http' | 'dns', Scan>>;

function newScan(): Scan {
  return { words: new WordScan(), features: 0 };
}

/** Enters a feature's words; without words, or when there are more features than bits, it is always asked. */
function wordBitOf(feature: Feature, scans: Scans): number {
  const { trigger } = feature;
  if (trigger.kind !== 'facet' || (trigger.facet !== 'http' && trigger.facet !== 'dns') || trigger.words === undefined) return 0;
  const scan = scans[trigger.facet];
  if (scan.features === MAX_WORDED) return 0;
  const bit = 1 << scan.features++;
  scan.words.add(trigger.words, bit);
  return bit;
}

function toCandidate(feature: Feature, protocol: Protocol, protocolIndex: number, scans: Scans): Candidate {
  const { trigger } = feature;
  const wordBit = wordBitOf(feature, scans);
  return withAnchors(
    {
      feature,
      inspect: feature.inspect,
      protocol,
      protocolIndex,
      anchors: [],
      hasAnchors: false,
      probeAt: 0,
      facet: trigger.kind === 'facet' ? trigger.facet : null,
      wordBit,
      words: trigger.kind === 'facet' && (trigger.facet === 'http' || trigger.facet === 'dns') ? scans[trigger.facet].words : null,
      inEveryday: trigger.kind === 'always' && trigger.inEveryday === true,
    },
    trigger.kind === 'anchors' ? trigger.anchors : [],
  );
}

function withAnchors(candidate: Candidate, anchors: readonly Anchor[]): Candidate {
  const { feature, inspect, protocol, protocolIndex, facet, wordBit, words, inEveryday } = candidate;
  const at = anchors[0]?.at ?? 0;
  const probeAt = anchors.every((anchor) => anchor.at === at && anchor.bytes.length > 0) ? at : 0;
  return { feature, inspect, protocol, protocolIndex, anchors, hasAnchors: anchors.length > 0, probeAt, facet, wordBit, words, inEveryday };
}

/** What the first byte of a literal may be. */
function firstBytes({ bytes, ignoreCase }: Anchor): number[] {
  const byte = bytes[0];
  if (byte === undefined) return [];
  return ignoreCase === true && byte >= 0x61 && byte <= 0x7a ? [byte, byte & ~0x20] : [byte];
}

/** Necessary conditions on the first byte, so that most packets never reach a facet's parser. */
function canBegin(facet: FacetName, byte: number, transport: Transport): boolean {
  switch (facet) {
    case 'http': // RFC 9110 section 9.1: methods are tokens; all registered ones are upper-case letters.
      return byte >= 0x41 && byte <= 0x5a;
    case 'tls': // RFC 8446 section 5.1: content type handshake(22).
      return byte === 0x16;
    case 'quic': // RFC 9000 section 17.2: header form and fixed bit.
      return (byte & 0xc0) === 0xc0;
    case 'dns': // A random identifier over UDP; over TCP the upper byte of a length (RFC 1035 section 4.2.2).
      return transport !== TCP || byte < 0x20;
  }
}

/** What checking a candidate's anchors gave. */
export const ANCHOR_ABSENT = 0;
export const ANCHOR_FOUND = 1;
/** None stands there, but one could if more bytes of the stream came. */
export const ANCHOR_PENDING = 2;

export function anchorState(
  anchors: readonly Anchor[],
  bytes: Uint8Array,
  start: number,
  end: number,
): typeof ANCHOR_ABSENT | typeof ANCHOR_FOUND | typeof ANCHOR_PENDING {
  let state: typeof ANCHOR_ABSENT | typeof ANCHOR_PENDING = ANCHOR_ABSENT;
  for (let i = 0; i < anchors.length; i++) {
    const anchor = anchors[i]!;
    const matched = matchedBytes(anchor, bytes, start + anchor.at, end);
    if (matched === anchor.bytes.length) return ANCHOR_FOUND;
    if (matched >= 0) state = ANCHOR_PENDING;
  }
  return state;
}

/** Bytes of the literal that match before the data ends; -1 when one differs. */
function matchedBytes(anchor: Anchor, bytes: Uint8Array, from: number, end: number): number {
  const literal = anchor.bytes;
  const ignoreCase = anchor.ignoreCase === true;
  for (let i = 0; i < literal.length; i++) {
    if (from + i >= end) return i;
    let byte = bytes[from + i]!;
    if (ignoreCase && byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
    if (byte !== literal[i]) return -1;
  }
  return literal.length;
}
