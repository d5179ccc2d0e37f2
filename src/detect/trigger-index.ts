/**
 * Which features want to see given bytes: the registry compiled into tables.
 *
 * One list for each first byte and transport holds only the features that such a
 * packet can concern: anchors that begin with it, facets that can begin with it, and
 * the few features without anchors. Built once for each engine, read on every packet
 * of undecided flows (bench/identify.ts).
 */
import { TCP, type Anchor, type Feature, type Protocol, type Transport } from './detector.js';

type FacetName = 'http' | 'dns' | 'tls' | 'quic';

/** A feature, its place in the registry, and what has to be checked before it is asked. */
export interface Candidate {
  readonly feature: Feature;
  readonly protocol: Protocol;
  /** Index of the protocol in the registry that was compiled. */
  readonly protocolIndex: number;
  /** Any of these must match; empty: no anchors needed. */
  readonly anchors: readonly Anchor[];
  /** This facet must parse; null: none needed. */
  readonly facet: FacetName | null;
}

export interface TransportIndex {
  /** 256 lists by first payload byte. Literals at offset 0 first, features without anchors last: cheap and decisive before dear. */
  readonly byFirstByte: readonly (readonly Candidate[])[];
  /** Features that harvest, by protocol index. */
  readonly harvesters: readonly (readonly Candidate[])[];
}

/** Compiles the features of one transport. */
export function buildTransportIndex(protocols: readonly Protocol[], transport: Transport): TransportIndex {
  const all = protocols.flatMap((protocol, protocolIndex) =>
    protocol.features
      .filter((feature) => feature.transport === transport)
      .map((feature) => toCandidate(feature, protocol, protocolIndex)),
  );
  const byFirstByte = Array.from({ length: 256 }, (_, byte) =>
    all
      .map((candidate) => narrow(candidate, byte, transport))
      .filter((candidate) => candidate !== null)
      .sort((a, b) => cost(a) - cost(b)),
  );
  const harvesters = protocols.map((_, index) => all.filter((it) => it.protocolIndex === index && it.feature.harvest));
  return { byFirstByte, harvesters };
}

function toCandidate(feature: Feature, protocol: Protocol, protocolIndex: number): Candidate {
  const { trigger } = feature;
  return {
    feature,
    protocol,
    protocolIndex,
    anchors: trigger.kind === 'anchors' ? trigger.anchors : [],
    facet: trigger.kind === 'facet' ? trigger.facet : null,
  };
}

/** The candidate with the anchors that a packet with this first byte can match; null when it cannot concern the feature. */
function narrow(candidate: Candidate, byte: number, transport: Transport): Candidate | null {
  if (candidate.facet !== null) return canBegin(candidate.facet, byte, transport) ? candidate : null;
  if (candidate.feature.trigger.kind !== 'anchors') return candidate;
  const anchors = candidate.anchors.filter((anchor) => anchor.at !== 0 || beginsWith(anchor, byte));
  return anchors.length === 0 ? null : { ...candidate, anchors };
}

function cost(candidate: Candidate): number {
  if (candidate.anchors.some((anchor) => anchor.at === 0)) return 0;
  if (candidate.facet !== null) return 1;
  return candidate.anchors.length > 0 ? 2 : 3;
}

function beginsWith(anchor: Anchor, byte: number): boolean {
  const folded = anchor.ignoreCase === true && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
  return anchor.bytes[0] === folded;
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
